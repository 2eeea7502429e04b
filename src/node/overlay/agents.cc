#include "node/overlay/agents.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::overlay {
namespace {

using rendezvous::Coordinator;
using rendezvous::Taken;

constexpr std::int64_t kLookNs = kSecondNs, kIdleLookNs = 10 * kSecondNs;
constexpr std::int64_t kAnswerNs = 3 * kSecondNs;  // for a connection, and again for the answer
constexpr std::int64_t kRoundNs = 20 * kSecondNs;
constexpr std::int64_t kPutWaitNs = 5 * kSecondNs;  // between two attempts, twice as long each time
constexpr std::uint64_t kSequenceBlock = 1'000;

}  // namespace

Agents::Agents(const Parts& parts, const OverlayOptions& options, Sequence sequence)
    : parts_(parts),
      self_(parts.reach->id()),
      network_(options.network),
      key_(options.key),
      cert_(options.agent_cert),
      sequence_(std::move(sequence)) {
  if ((options.roles & reach::kCoordinatorRole) != 0) shelf_.emplace(self_);
}

Result<std::unique_ptr<Agents>> Agents::open(const Parts& parts, const OverlayOptions& options) {
  Fs& fs = options.fs != nullptr ? *options.fs : real_fs();
  const std::string path = options.folder.empty() ? "" : options.folder + "/rendezvous.seq";
  TRY(Sequence sequence, Sequence::open(fs, path, kSequenceBlock, parts.book->wall_ms()));
  std::unique_ptr<Agents> out(new Agents(parts, options, std::move(sequence)));
  if (!out->cert_.empty()) TRY_OK(out->sign(/*here=*/true));
  return out;
}

void Agents::say(const PeerId& to, AgentFrame type, Bytes body, std::int64_t now_ns) {
  (void)parts_.reach->send(to, kAgentProtocol, type, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

// ---- what happens --------------------------------------------------------------------------------------------------

void Agents::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  switch (event.type) {
    case Type::kUp: return on_up(event, now_ns);
    case Type::kHello: return on_hello(event, now_ns);
    case Type::kDown:
    case Type::kFailed: return on_gone(event.peer, now_ns);
    case Type::kFrame: break;
    default: return;
  }
  if (event.protocol != kAgentProtocol) return;
  switch (event.frame_type) {
    case kPublish: return on_publish(event, now_ns);
    case kPublished: return on_published(event, now_ns);
    case kWhere: return on_where(event, now_ns);
    case kThere: return on_there(event, now_ns);
    default: return;
  }
}

void Agents::on_up(const reach::PeerEvent& event, std::int64_t now_ns) {
  peers_[event.peer] = {.group = group_of(event.path.remote, 24, 48)};
  placed_.erase(event.peer);  // who comes back may have begun anew
  for (Job& job : jobs_)
    if (const auto at = job.asked.find(event.peer); at != job.asked.end() && at->second.request == 0)
      send(job, event.peer, at->second, now_ns);
}

void Agents::on_hello(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto peer = peers_.find(event.peer);
  if (peer == peers_.end() || !event.hello) return;
  peer->second.coordinator = (event.hello->facts.roles & reach::kCoordinatorRole) != 0;
  if (!peer->second.coordinator) return;
  put_wait_ns_ = 0;
  put_ns_ = std::min(put_ns_, now_ns);
  look_ns_ = now_ns;
}

void Agents::on_gone(const PeerId& peer, std::int64_t now_ns) {
  peers_.erase(peer);
  for (Job& job : jobs_) {
    if (!job.asked.contains(peer)) continue;
    failed(job, peer);
    look_ns_ = now_ns;
  }
}

// ---- as a coordinator ----------------------------------------------------------------------------------------------

void Agents::on_publish(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto owner = peers_.find(event.peer);
  if (owner == peers_.end() || !shelf_ || !owner->second.puts.take(now_ns)) return;
  const auto put = decode_publish(event.body);
  if (!put) return parts_.reach->close(event.peer, transport::CloseCode::kViolation, now_ns);
  Published out{.request = put->request, .taken = Taken::kFalse, .holders = {}};
  auto record =
      rendezvous::open_record(put->record, {.network = network_, .now_ms = parts_.book->wall_ms(), .agent = {}});
  if (record && record->record.machine == event.peer) {
    out.holders = holders(record->record.agent);
    out.taken = shelf_->take(std::move(*record), known_);
  }
  counted_.refused += out.taken == Taken::kKept ? 0 : 1;
  say(event.peer, kPublished, encode(out), now_ns);
}

void Agents::on_where(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto asker = peers_.find(event.peer);
  if (asker == peers_.end() || !shelf_ || !asker->second.wheres.take(now_ns)) return;
  const auto where = decode_where(event.body);
  if (!where) return parts_.reach->close(event.peer, transport::CloseCode::kViolation, now_ns);
  There out{.request = where->request, .records = {}, .holders = holders(where->agent)};
  for (const ByteView record : shelf_->give(where->agent)) out.records.push_back(to_bytes(record));
  ++counted_.told;
  say(event.peer, kThere, encode(out), now_ns);
}

// ---- answers -------------------------------------------------------------------------------------------------------

Agents::Job* Agents::job_of(const PeerId& peer, std::uint32_t request) {
  for (Job& job : jobs_)
    if (const auto at = job.asked.find(peer); at != job.asked.end() && request != 0 && at->second.request == request)
      return &job;
  return nullptr;
}

void Agents::on_published(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto answer = decode_published(event.body);
  if (!answer) return parts_.reach->close(event.peer, transport::CloseCode::kViolation, now_ns);
  Job* job = job_of(event.peer, answer->request);
  if (job == nullptr || job->search != 0) return;
  if (answer->taken == Taken::kNotOurs || answer->taken == Taken::kFull || answer->taken == Taken::kFalse) {
    failed(*job, event.peer);
  } else {
    placed_.insert(event.peer);
    job->asked.erase(event.peer);
    job->round.answered(event.peer, answer->holders);
    let_go(event.peer);
  }
  advance(*job, now_ns);
  look_ns_ = now_ns;
}

void Agents::on_there(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto answer = decode_there(event.body);
  if (!answer) return parts_.reach->close(event.peer, transport::CloseCode::kViolation, now_ns);
  Job* job = job_of(event.peer, answer->request);
  if (job == nullptr || job->search == 0) return;
  const bool honest = std::ranges::all_of(answer->records, [&](const Bytes& record) { return take(*job, record); });
  if (honest) {
    ++job->found.answered;
    job->asked.erase(event.peer);
    job->round.answered(event.peer, answer->holders);
    let_go(event.peer);
  } else {
    ++counted_.lies;
    ++job->found.lied;
    if (liars_.size() >= kLiarsMax) liars_.erase(liars_.begin());
    liars_[event.peer] = now_ns + kLiarNs;
    failed(*job, event.peer);
  }
  if (job->grace_ns == INT64_MAX && !job->seen.places().empty()) job->grace_ns = now_ns + kGraceNs;
  advance(*job, now_ns);
  look_ns_ = now_ns;
}

bool Agents::take(Job& job, ByteView record) {
  const auto opened =
      rendezvous::open_record(record, {.network = network_, .now_ms = parts_.book->wall_ms(), .agent = job.agent});
  if (opened) {
    job.seen.add(*opened);
    return true;
  }
  // What ended meanwhile was true: clocks differ.
  return opened.error().id() == "rendezvous.expired" || opened.error().id() == "identity.expired" ||
         opened.error().id() == "identity.not_yet";
}

// ---- whom to speak with --------------------------------------------------------------------------------------------

std::vector<Coordinator> Agents::coordinators() const {
  std::map<PeerId, std::uint64_t> all;
  for (const auto& [peer, entry] : parts_.book->cache().entries()) {
    if (!entry.of_public || entry.equivocated) continue;
    const discovery::PeerRecord& r = entry.of_public->record;
    if ((r.roles & reach::kCoordinatorRole) == 0) continue;
    all[peer] = r.addresses.empty() ? 0 : group_of(to_transport(r.addresses.front()), 24, 48);
  }
  for (const auto& [peer, state] : peers_)
    if (state.coordinator) all.try_emplace(peer, state.group);
  if (shelf_) all[self_] = 0;
  std::vector<Coordinator> out;
  for (const auto& [peer, group] : all)
    if (!liars_.contains(peer)) out.push_back({.id = peer, .group = group});
  return out;
}

std::vector<PeerId> Agents::holders(const AgentId& agent) const {
  return rendezvous::holders_of(rendezvous::shard_of(agent), known_);
}

void Agents::advance(Job& job, std::int64_t now_ns) {
  for (auto next = job.round.next(); !next.empty(); next = job.round.next())
    for (const PeerId& peer : next) speak(job, peer, now_ns);
}

void Agents::speak(Job& job, const PeerId& with, std::int64_t now_ns) {
  if (liars_.contains(with)) return job.round.failed(with);  // others may name it
  ++job.found.asked;
  if (with == self_) return ask_self(job);
  Asked& asked = job.asked[with] = {.request = 0, .until_ns = now_ns + kAnswerNs};
  if (peers_.contains(with)) return send(job, with, asked, now_ns);
  if (!parts_.seeker->want(with, Hold::kRendezvous, {}, now_ns)) failed(job, with);
}

void Agents::ask_self(Job& job) {
  if (!shelf_) return job.round.failed(self_);
  if (job.search == 0) {
    (void)shelf_->take(*own_, known_);
    placed_.insert(self_);
  } else {
    for (const ByteView record : shelf_->give(job.agent)) (void)take(job, record);
    ++job.found.answered;
  }
  job.round.answered(self_, {});
}

void Agents::send(Job& job, const PeerId& to, Asked& asked, std::int64_t now_ns) {
  asked = {.request = next_request_++, .until_ns = now_ns + kAnswerNs};
  if (next_request_ == 0) next_request_ = 1;
  if (job.search == 0)
    say(to, kPublish, encode(Publish{.request = asked.request, .record = own_->bytes}), now_ns);
  else
    say(to, kWhere, encode(Where{.request = asked.request, .agent = job.agent}), now_ns);
}

void Agents::failed(Job& job, const PeerId& peer) {
  job.asked.erase(peer);
  job.round.failed(peer);
  let_go(peer);
}

// Unless another job still needs it.
void Agents::let_go(const PeerId& peer) {
  if (std::ranges::none_of(jobs_, [&](const Job& job) { return job.asked.contains(peer); }))
    parts_.seeker->drop(peer, Hold::kRendezvous);
}

// ---- our own agent -------------------------------------------------------------------------------------------------

Status Agents::sign(bool here) {
  rendezvous::Record record{.network = network_,
                            .not_after_ms = parts_.book->wall_ms() + rendezvous::kLifeMsMax,
                            .here = here,
                            .cert = cert_};
  TRY(record.seq, sequence_.next());
  TRY(own_, rendezvous::sign_record(std::move(record), *key_));
  return {};
}

void Agents::publish(std::int64_t now_ns) {
  const bool under_way = std::ranges::any_of(jobs_, [](const Job& job) { return job.search == 0; });
  if (cert_.empty() || under_way || known_.empty()) return;
  if (now_ns >= renew_ns_) {
    if (!sign(/*here=*/true)) return;  // a disk that refuses the sequence: the old one stays, it is tried again
    placed_.clear();
    renew_ns_ = now_ns + kRenewNs;
    put_ns_ = now_ns;
    put_wait_ns_ = 0;
  }
  const AgentId& agent = own_->record.agent;
  const bool everywhere =
      std::ranges::all_of(holders(agent), [&](const PeerId& peer) { return placed_.contains(peer); });
  if (everywhere || now_ns < put_ns_) return;
  put_wait_ns_ = std::clamp(2 * put_wait_ns_, kPutWaitNs, kRenewNs);
  put_ns_ = now_ns + put_wait_ns_;
  jobs_.push_back({.search = 0,
                   .agent = agent,
                   .round = rendezvous::Round(rendezvous::shard_of(agent), known_, placed_),
                   .until_ns = now_ns + kRoundNs});
  advance(jobs_.back(), now_ns);
}

void Agents::stop(std::int64_t now_ns) {
  if (cert_.empty() || placed_.empty() || !sign(/*here=*/false)) return;
  for (const PeerId& peer : placed_)
    if (peers_.contains(peer)) say(peer, kPublish, encode(Publish{.request = 0, .record = own_->bytes}), now_ns);
}

// ---- searches ------------------------------------------------------------------------------------------------------

Result<std::uint32_t> Agents::find(const AgentId& agent, std::int64_t now_ns) {
  if (jobs_.size() + ended_.size() >= kSearchesMax)
    return fail(Kind::kExhausted, "overlay.limit", text("found {} searches under way, expected fewer", kSearchesMax));
  known_ = coordinators();
  if (known_.empty())
    return fail(Kind::kUnavailable, "overlay.no_coordinator",
                "found no coordinator among the peers that are known, expected one to ask for the agent");
  const std::uint32_t search = next_search_++;
  if (next_search_ == 0) next_search_ = 1;
  jobs_.push_back({.search = search,
                   .agent = agent,
                   .round = rendezvous::Round(rendezvous::shard_of(agent), known_),
                   .until_ns = now_ns + kRoundNs});
  ++counted_.searches;
  advance(jobs_.back(), now_ns);
  look_ns_ = now_ns;
  return search;
}

std::optional<AgentPlaces> Agents::ended(std::uint32_t search) {
  const auto at = ended_.find(search);
  if (at == ended_.end()) return std::nullopt;
  AgentPlaces out = std::move(at->second);
  ended_.erase(at);
  return out;
}

void Agents::forget(std::uint32_t search) {
  ended_.erase(search);
  for (Job& job : jobs_)
    if (job.search == search) job.until_ns = 0;
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Agents::end(Job& job) {
  for (const auto& [peer, asked] : std::exchange(job.asked, {})) let_go(peer);
  if (job.search == 0 || job.until_ns == 0) return;
  job.found.places = job.seen.places();
  ended_.emplace(job.search, std::move(job.found));
}

void Agents::look(std::int64_t now_ns) {
  std::erase_if(liars_, [&](const auto& l) { return l.second <= now_ns; });
  known_ = coordinators();
  if (shelf_) shelf_->expire(parts_.book->wall_ms());
  publish(now_ns);
}

void Agents::pump(std::int64_t now_ns) {
  if (next_ns() > now_ns) return;
  look(now_ns);
  look_ns_ = now_ns + (cert_.empty() && !shelf_ && jobs_.empty() ? kIdleLookNs : kLookNs);
  for (Job& job : jobs_) {
    std::vector<PeerId> late;
    for (const auto& [peer, asked] : job.asked)
      if (asked.until_ns <= now_ns) late.push_back(peer);
    for (const PeerId& peer : late) failed(job, peer);
    advance(job, now_ns);
  }
  const auto over = [&](const Job& job) { return job.round.done() || std::min(job.until_ns, job.grace_ns) <= now_ns; };
  for (Job& job : jobs_)
    if (over(job)) end(job);
  std::erase_if(jobs_, over);
}

std::int64_t Agents::next_ns() const {
  std::int64_t next = look_ns_;
  for (const Job& job : jobs_) {
    next = std::min({next, job.until_ns, job.grace_ns});
    for (const auto& [peer, asked] : job.asked) next = std::min(next, asked.until_ns);
  }
  return next;
}

AgentCounts Agents::counts() const {
  AgentCounts out = counted_;
  out.coordinators = known_.size();
  out.placed = placed_.size();
  out.kept = shelf_ ? shelf_->size() : 0;
  return out;
}

}  // namespace hanse::overlay
