#include "node/overlay/finder.h"

#include <algorithm>
#include <utility>

namespace hanse::overlay {
namespace {

using discovery::Proof;

constexpr std::int64_t kAnswerNs = 3 * kSecondNs;  // for a connection, and again for the answer
constexpr std::int64_t kLookNs = 5 * kSecondNs;
constexpr std::int64_t kMappedNs = 600 * kSecondNs;  // a NAT may remember whom its host spoke with
constexpr std::int64_t kCheckNs = kSecondNs, kCheckAgainNs = 3 * kSecondNs;
constexpr unsigned kChecksEach = 10;
constexpr std::size_t kLeftMax = 1'024, kHeardMax = 1'024, kAddressesKept = 4'096;

std::uint64_t table_group(const Address& a) { return group_of(a, 24, 48); }

}  // namespace

void Finder::say(const PeerId& to, FindFrame type, Bytes body, std::int64_t now_ns) {
  (void)reach_.send(to, kFindProtocol, type, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

// Unless another lookup or try still needs it.
void Finder::let_go(const PeerId& peer) {
  const bool needed =
      helps_.contains(peer) || std::ranges::any_of(jobs_, [&](const Job& job) { return job.asked.contains(peer); });
  if (!needed) holds_.release(peer, Hold::kFinding);
}

// ---- what happens --------------------------------------------------------------------------------------------------

void Finder::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  if (directory_) return;
  using Type = reach::PeerEvent::Type;
  switch (event.type) {
    case Type::kUp: return on_up(event, now_ns);
    case Type::kMoved:
    case Type::kPath:
      if (const auto at = peers_.find(event.peer); at != peers_.end() && event.code == 0) {
        at->second.remote = event.path.remote;
        at->second.direct = zone_of(event.path.remote) != Zone::kNone;
        at->second.inbound = true;  // a moved path proves nothing to others
      }
      return;
    case Type::kDown:
    case Type::kFailed: return on_gone(event.peer, now_ns);
    case Type::kFrame: break;
    default: return;
  }
  if (event.protocol != kFindProtocol) return;
  switch (event.frame_type) {
    case kFind: return on_find(event, now_ns);
    case kFound: return on_found(event, now_ns);
    case kPut: return on_put(event, now_ns);
    case kTry: return on_try(event, now_ns);
    case kTried: return on_tried(event, now_ns);
    default: return;
  }
}

void Finder::on_up(const reach::PeerEvent& event, std::int64_t now_ns) {
  Peer& p = peers_[event.peer] = {
      .remote = event.path.remote, .direct = zone_of(event.path.remote) != Zone::kNone, .inbound = event.inbound};
  const auto left = left_.find(event.peer);
  const bool fresh = left == left_.end() || now_ns - left->second > kMappedNs;
  if (p.direct && !p.inbound && fresh) enter(event.peer, p.remote, now_ns);
  if (p.direct && p.inbound && !addresses_.contains(event.peer)) {
    p.check_ns = now_ns + kCheckNs;
    look_ns_ = std::min(look_ns_, p.check_ns);
  }
  settle_helps(event.peer, p.direct && !p.inbound && fresh ? std::optional(p.remote) : std::nullopt, now_ns);
  if (publish_ns_ == INT64_MAX) publish_soon(now_ns);
  for (Job& job : jobs_)
    if (const auto at = job.asked.find(event.peer); at != job.asked.end() && at->second.request == 0)
      send_find(job, event.peer, at->second, now_ns);
}

void Finder::enter(const PeerId& peer, const Address& address, std::int64_t now_ns) {
  (void)table_.seen(now_ns, {.peer = peer, .group = table_group(address)}, Proof::kDialledBack);
  if (addresses_.size() >= kAddressesKept)
    std::erase_if(addresses_, [&](const auto& a) { return !table_.contains(a.first); });
  addresses_[peer] = address;  // one that waits may enter later
}

void Finder::on_gone(const PeerId& peer, std::int64_t now_ns) {
  if (const auto at = peers_.find(peer); at != peers_.end()) {
    if (at->second.inbound || !at->second.direct) {
      if (left_.size() >= kLeftMax) left_.erase(left_.begin());
      left_[peer] = now_ns;
    }
    peers_.erase(at);
  } else {  // it was not reached
    table_.failed(peer);
    settle_helps(peer, std::nullopt, now_ns);
  }
  for (Job& job : jobs_) {
    if (job.asked.erase(peer) == 0) continue;
    job.lookup.failed(peer);
    let_go(peer);
    look_ns_ = now_ns;
  }
}

// ---- what others ask -----------------------------------------------------------------------------------------------

void Finder::on_find(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto asker = peers_.find(event.peer);
  if (asker == peers_.end() || !asker->second.finds.take(now_ns)) return;
  const auto find = decode_find(event.body);
  if (!find) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  const Hash32 key = find->of_peer ? discovery::dht_key(PeerId{find->target.data}) : find->target;
  Found out{.request = find->request};
  // Who is here now, though nobody may have tried it: a hint for who looks for it.
  if (const auto here = peers_.find(PeerId{find->target.data}); find->of_peer && here != peers_.end())
    if (here->second.direct && may_dial(here->second.remote, asker->second.remote))
      out.contacts.push_back({.peer = here->first, .address = here->second.remote});
  for (const discovery::Contact& c : table_.closest(key, discovery::kBucketMax + 8)) {
    const auto address = addresses_.find(c.peer);
    if (c.peer == event.peer || address == addresses_.end()) continue;
    if (!out.contacts.empty() && out.contacts[0].peer == c.peer) continue;
    if (!may_dial(address->second, asker->second.remote) || out.contacts.size() >= discovery::kAnswerMax) continue;
    out.contacts.push_back({.peer = c.peer, .address = address->second});
  }
  if (find->of_peer) {
    const PeerId peer{find->target.data};
    if (const auto at = stored_.find(peer); at != stored_.end())
      out.value = Give{.key = stored_keys_.at(peer), .of_public = at->second.bytes, .of_local = {}};
    else
      out.value = book_.about(peer);
  }
  say(event.peer, kFound, encode(out), now_ns);
}

void Finder::on_put(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto owner = peers_.find(event.peer);
  if (owner == peers_.end() || !owner->second.finds.take(now_ns)) return;
  const auto give = decode_give(event.body);
  if (!give) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  if (crypto::account_id(give->key) != event.peer) return;
  const auto have = stored_.find(event.peer);
  if (have != stored_.end() && equal(have->second.bytes, give->of_public)) return;
  auto record = book_.prove(*give);
  if (!record || (have != stored_.end() && have->second.record.seq >= record->record.seq)) return;
  stored_[event.peer] = std::move(*record);
  stored_keys_[event.peer] = give->key;
  ++counted_.puts;
  if (stored_.size() <= kStoredMax) return;
  const Hash32 own = discovery::dht_key(reach_.id());
  const auto farthest = std::ranges::max_element(
      stored_, {}, [&](const auto& s) { return discovery::distance(discovery::dht_key(s.first), own); });
  stored_keys_.erase(farthest->first);
  stored_.erase(farthest);
}

// ---- whether who dialed us can be dialed ---------------------------------------------------------------------------

void Finder::on_try(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto asker = peers_.find(event.peer);
  if (asker == peers_.end() || !asker->second.tries.take(now_ns)) return;
  const auto wanted = decode_try(event.body);
  if (!wanted) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  const Contact& c = wanted->contact;
  const auto answer = [&](bool reached) {
    say(event.peer, kTried, encode(Tried{.request = wanted->request, .reached = reached}), now_ns);
  };
  if (const auto at = addresses_.find(c.peer); at != addresses_.end() && at->second == c.address) return answer(true);
  const bool may = c.peer != reach_.id() && !peers_.contains(c.peer) && !left_.contains(c.peer) &&
                   may_dial(c.address, asker->second.remote) && helping_ < kHelpsMax;
  if (!may || !holds_.hold(c.peer, Hold::kFinding, {.addresses = {c.address}, .relays = {}}, now_ns))
    return answer(false);
  ++counted_.tries;
  ++helping_;
  helps_[c.peer].push_back(
      {.asker = event.peer, .request = wanted->request, .address = c.address, .until_ns = now_ns + kAnswerNs});
}

void Finder::settle_helps(const PeerId& peer, const std::optional<Address>& reached, std::int64_t now_ns) {
  const auto at = helps_.find(peer);
  if (at == helps_.end()) return;
  for (const Help& help : at->second)
    say(help.asker, kTried, encode(Tried{.request = help.request, .reached = reached == help.address}), now_ns);
  helping_ -= at->second.size();
  helps_.erase(at);
  let_go(peer);
}

void Finder::on_tried(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto tried = decode_tried(event.body);
  if (!tried) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  const auto at = checks_.find(tried->request);
  if (at == checks_.end() || at->second.helper != event.peer) return;
  if (tried->reached) {
    enter(at->second.contact.peer, at->second.contact.address, now_ns);
    if (const auto p = peers_.find(at->second.contact.peer); p != peers_.end()) p->second.check_ns = INT64_MAX;
  }
  checks_.erase(at);
}

void Finder::check_inbound(std::int64_t now_ns) {
  std::erase_if(checks_, [&](const auto& c) { return c.second.until_ns <= now_ns; });
  for (auto& [peer, p] : peers_) {
    if (p.check_ns > now_ns || addresses_.contains(peer)) continue;
    std::vector<PeerId> helpers;
    for (const auto& [other, state] : peers_)
      if (other != peer && state.direct) helpers.push_back(other);
    p.check_ns = now_ns + kCheckAgainNs;
    if (helpers.empty() || checks_.size() >= kHelpsMax) continue;
    if (++p.checks >= kChecksEach) p.check_ns = INT64_MAX;
    const PeerId& helper = helpers[random_.below(helpers.size())];
    const std::uint32_t request = next_request_++;
    checks_[request] = {.helper = helper, .contact = {peer, p.remote}, .until_ns = now_ns + 2 * kAnswerNs};
    say(helper, kTry, encode(Try{.request = request, .contact = {peer, p.remote}}), now_ns);
  }
}

// ---- lookups -------------------------------------------------------------------------------------------------------

bool Finder::finding(const PeerId& peer) const {
  const auto is_it = [&](const auto& j) { return j.what == Job::What::kPeer && j.peer == peer; };
  return std::ranges::any_of(jobs_, is_it) || std::ranges::any_of(waiting_, is_it);
}

bool Finder::find(const PeerId& peer) {
  if (directory_ || peer == reach_.id() || finding(peer)) return true;
  if (waiting_.size() >= kJobsWaiting) return false;
  waiting_.push_back({.what = Job::What::kPeer, .peer = peer, .key = discovery::dht_key(peer)});
  look_ns_ = 0;
  return true;
}

void Finder::publish_soon(std::int64_t now_ns) { publish_ns_ = now_ns + kSecondNs; }

std::optional<Address> Finder::heard(const PeerId& peer) const {
  if (directory_) return directory_(peer);
  if (const auto at = addresses_.find(peer); at != addresses_.end()) return at->second;
  if (const auto at = heard_.find(peer); at != heard_.end()) return at->second;
  return std::nullopt;
}

std::vector<discovery::Contact> Finder::seeds(const Hash32& key) const {
  std::vector<discovery::Contact> out = table_.closest(key, discovery::kBucketMax);
  for (const auto& [peer, p] : peers_) {
    if (out.size() >= discovery::kBucketMax) break;
    if (std::ranges::find(out, peer, &discovery::Contact::peer) == out.end()) out.push_back({.peer = peer});
  }
  return out;
}

void Finder::begin(const Waiting& waiting, std::int64_t now_ns) {
  const discovery::Lookup::Config config{.radius = table_.size() < discovery::kBucketMax ? 0 : table_.radius()};
  jobs_.push_back({.what = waiting.what,
                   .peer = waiting.peer,
                   .lookup = discovery::Lookup(waiting.key, seeds(waiting.key), config),
                   .until_ns = now_ns + kJobNs});
  ++counted_.lookups;
  advance(jobs_.back(), now_ns);
}

void Finder::advance(Job& job, std::int64_t now_ns) {
  for (std::vector<PeerId> next = job.lookup.next(); !next.empty(); next = job.lookup.next())
    for (const PeerId& peer : next) ask(job, peer, now_ns);
}

void Finder::ask(Job& job, const PeerId& peer, std::int64_t now_ns) {
  if (peer == reach_.id()) return job.lookup.failed(peer);
  ++counted_.asked;
  Asked& asked = job.asked[peer] = {.request = 0, .until_ns = now_ns + kAnswerNs};
  Places places = book_.places_of(peer);
  if (const auto at = job.heard.find(peer); at != job.heard.end())
    places.addresses.insert(places.addresses.begin(), at->second);
  else if (const auto known = addresses_.find(peer); known != addresses_.end())
    places.addresses.insert(places.addresses.begin(), known->second);
  if (places.addresses.size() > discovery::kAddressesMax) places.addresses.resize(discovery::kAddressesMax);
  const bool connected = peers_.contains(peer);
  if (connected) places = {};
  if ((!connected && places.empty()) || !holds_.hold(peer, Hold::kFinding, places, now_ns)) {
    job.asked.erase(peer);
    return job.lookup.failed(peer);
  }
  if (connected) send_find(job, peer, asked, now_ns);
}

void Finder::send_find(Job& job, const PeerId& peer, Asked& asked, std::int64_t now_ns) {
  asked = {.request = next_request_++, .until_ns = now_ns + kAnswerNs};
  if (next_request_ == 0) next_request_ = 1;
  Find find{.request = asked.request, .of_peer = job.what == Job::What::kPeer, .target = job.lookup.target()};
  if (find.of_peer) find.target.data = job.peer.data;
  say(peer, kFind, encode(find), now_ns);
}

void Finder::on_found(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto found = decode_found(event.body);
  if (!found) return reach_.close(event.peer, transport::CloseCode::kViolation, now_ns);
  const auto teller = peers_.find(event.peer);
  for (Job& job : jobs_) {
    const auto asked = job.asked.find(event.peer);
    if (asked == job.asked.end() || asked->second.request != found->request || teller == peers_.end()) continue;
    job.asked.erase(asked);
    let_go(event.peer);
    std::vector<discovery::Contact> contacts;
    for (const Contact& c : found->contacts) {
      if (c.peer == reach_.id() || !may_dial(c.address, teller->second.remote)) continue;
      job.heard.try_emplace(c.peer, c.address);
      contacts.push_back({.peer = c.peer, .group = table_group(c.address)});
    }
    job.lookup.answered(event.peer, contacts);
    if (job.what == Job::What::kPeer && found->value && crypto::account_id(found->value->key) == job.peer)
      counted_.found += book_.learn(*found->value, event.peer) ? 1 : 0;
    if (const auto at = job.heard.find(job.peer); job.what == Job::What::kPeer && at != job.heard.end()) {
      if (heard_.size() >= kHeardMax) heard_.erase(heard_.begin());
      heard_[job.peer] = at->second;
    }
    look_ns_ = 0;
    return advance(job, now_ns);
  }
}

void Finder::end(Job& job, std::int64_t now_ns) {
  for (const auto& [peer, asked] : std::exchange(job.asked, {})) let_go(peer);
  if (job.what != Job::What::kPublish) return;
  const auto own = book_.about(reach_.id());
  std::size_t told = 0;
  for (const PeerId& peer : job.lookup.nearest()) {
    if (!own || own->of_public.empty() || !peers_.contains(peer)) continue;
    say(peer, kPut, encode(*own), now_ns);
    ++told;
  }
  publish_ns_ = std::min(publish_ns_, now_ns + (told == 0 ? 10 * kSecondNs : kPublishNs));
}

void Finder::pump(std::int64_t now_ns) {
  if (next_ns() > now_ns) return;
  look_ns_ = now_ns + kLookNs;
  for (Job& job : jobs_) {
    std::vector<PeerId> late;
    for (const auto& [peer, asked] : job.asked)
      if (asked.until_ns <= now_ns) late.push_back(peer);
    for (const PeerId& peer : late) {
      job.asked.erase(peer);
      job.lookup.failed(peer);
      table_.failed(peer);
      let_go(peer);
    }
    advance(job, now_ns);
    if (job.lookup.done() || job.until_ns <= now_ns) end(job, now_ns);
  }
  std::erase_if(jobs_, [&](const Job& job) { return job.lookup.done() || job.until_ns <= now_ns; });
  for (auto at = helps_.begin(); at != helps_.end();) {
    const PeerId peer = at->first;
    const bool late = at->second.front().until_ns <= now_ns;
    ++at;
    if (late) settle_helps(peer, std::nullopt, now_ns);
  }
  check_inbound(now_ns);
  std::erase_if(stored_, [&](const auto& s) {
    if (s.second.record.not_after_ms >= book_.wall_ms() - discovery::kSkewMs) return false;
    stored_keys_.erase(s.first);
    return true;
  });
  std::erase_if(left_, [&](const auto& l) { return now_ns - l.second > kMappedNs; });
  if (publish_ns_ <= now_ns && waiting_.size() < kJobsWaiting) {
    publish_ns_ = INT64_MAX - 1;  // until it has ended
    waiting_.push_back({.what = Job::What::kPublish, .peer = {}, .key = discovery::dht_key(reach_.id())});
  }
  if (jobs_.empty() && waiting_.empty())
    if (const auto key = table_.refresh_due(now_ns))
      waiting_.push_back({.what = Job::What::kRefresh, .peer = {}, .key = *key});
  while (jobs_.size() < kJobsMax && !waiting_.empty()) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    begin(next, now_ns);
    look_ns_ = std::min(look_ns_, now_ns + kSecondNs);
  }
}

std::int64_t Finder::next_ns() const {
  if (directory_) return INT64_MAX;
  std::int64_t next = std::min(look_ns_, publish_ns_);
  for (const Job& job : jobs_) {
    if (job.lookup.done()) return 0;
    next = std::min(next, job.until_ns);
    for (const auto& [peer, asked] : job.asked) next = std::min(next, asked.until_ns);
  }
  return next;
}

FinderCounts Finder::counts() const {
  FinderCounts out = counted_;
  out.table = table_.size();
  out.stored = stored_.size();
  return out;
}

}  // namespace hanse::overlay
