#include "chain/consensus/replica.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

namespace hanse::consensus {

// ---- the door ------------------------------------------------------------------------------------------------------

Replica::Replica(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Replica::~Replica() = default;

Result<std::unique_ptr<Replica>> Replica::create(Config config, Start start, Oracle& oracle, Now now) {
  if (!config.power || (config.self >= config.power->count() && config.self != kFollower))
    return fail(Kind::kInvalid, "consensus.config",
                text("found replica {}, expected one of the power table", config.self));
  if (config.checkpoint_every != 0 && (config.base % config.checkpoint_every != 0 || start.executed < config.base))
    return fail(Kind::kInvalid, "consensus.config",
                text("found epoch {} behind slot {} and block {}, expected a checkpoint slot and no earlier block",
                     config.epoch, config.base, start.executed));
  if (config.attest_every == 0 || config.checkpoint_every == 0 || config.checkpoint_every % config.attest_every != 0 ||
      2 * config.checkpoint_every > kSlotWindow || config.timeout_ms <= 0)
    return fail(
        Kind::kInvalid, "consensus.config",
        text("found checkpoints every {} slots, attests every {}, timeout {} ms; expected checkpoints a multiple of "
             "attests, at most {}, a timeout above 0",
             config.checkpoint_every, config.attest_every, config.timeout_ms, kSlotWindow / 2));
  auto core = std::make_unique<Core>(std::move(config), oracle);
  core->now = now;
  TRY_OK(core->start(std::move(start)));
  return std::unique_ptr<Replica>(new Replica(std::move(core)));
}

Effects Replica::receive(Now now, Index from, std::uint8_t type, Frame body) {
  core_->now = now;
  if (type == 0 || type >= kTypeCount || body->size() > frame_bytes_max(type) || from >= kReplicasMax) {
    ++core_->counters.frames_malformed;
  } else if (!core_->halted && !core_->ended) {
    if (from < core_->power.count()) {
      core_->receive(from, static_cast<Type>(type), body);
    } else {
      core_->receive_from_outside(from, static_cast<Type>(type), body);
    }
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::tick(Now now) {
  core_->now = now;
  if (!core_->halted && !core_->ended) {
    core_->tick();
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::durable(Now now, std::uint64_t token) {
  core_->now = now;
  if (!core_->halted) {
    core_->durable(token);
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::executed(Now now, const Reached& reached) {
  core_->now = now;
  if (!core_->halted) {
    core_->executed_slot(reached);
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::attested(Now now, Seq seq, Bytes signature) {
  core_->now = now;
  if (core_->halted || core_->ended) return {};
  // Also when the others made their certificate meanwhile: the economic one may need us.
  if (const auto asked = core_->signing.extract(seq)) {
    Attest attest{.epoch = core_->config.epoch, .seq = seq, .block = asked.mapped(), .signature = std::move(signature)};
    const auto body = std::make_shared<const Bytes>(encode(attest));
    const std::uint64_t token = core_->persist(RecordType::kAttest, body, core_->patience(kAttestPatienceNs));
    core_->own_attests[seq] = std::move(attest);
    core_->send_after(mutant(Mutant::kAttestBeforeDurable) ? 0 : token, Type::kAttest, body);
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::stated(Now now, Statement statement) {
  core_->now = now;
  if (!core_->halted && !core_->ended) {
    core_->stated(std::move(statement));
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::checked(Now now, const CheckStatement& what, Signature found) {
  core_->now = now;
  if (!core_->halted && !core_->ended) {
    core_->checked(what, found);
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::peer_up(Now now, Index peer) {
  core_->now = now;
  if (!core_->halted && !core_->ended && peer < core_->power.count() && peer != core_->config.self) {
    core_->peer_up(peer);
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Result<Effects> Replica::submit(Now now, ByteView batch, std::uint32_t tx_count) {
  core_->now = now;
  TRY_OK(core_->submit(batch, tx_count));
  core_->settle();
  return std::exchange(core_->out, {});
}

Effects Replica::compact(Now now) {
  core_->now = now;
  core_->compact();
  return std::exchange(core_->out, {});
}

std::int64_t Replica::batch_at_ns() const { return core_->batch_at(); }
bool Replica::lane_open() const { return core_->lane_open(); }
std::int64_t Replica::wake_ns() const { return core_->wake(); }
const Counters& Replica::counters() const { return core_->counters; }
std::vector<Tip> Replica::cut() const { return core_->lanes->cut(); }

std::size_t Execute::bytes() const {
  std::size_t sum = 0;
  for (const VertexFrame& v : vertices) sum += v.frame->size();
  return sum;
}

Facts Replica::facts() const {
  const Core& c = *core_;
  const bool votes = !c.follows();
  Facts f{.epoch = c.config.epoch,
          .epoch_end = c.end_seq,
          .view = c.view,
          .wanted_view = c.wanted_view,
          .leader = c.power.leader(c.view),
          .stable = c.stable.seq,
          .committed = c.handed,
          .executed = c.done,
          .certified = c.certified,
          .reported = c.reported(),
          .abstaining = c.abstaining,
          .halted = c.halted,
          .held = c.held,
          .follower = !votes,
          .ended = c.ended,
          .lane_vertices = votes ? c.lanes->count(c.config.self) : 0,
          .lane_bytes = votes ? c.lanes->bytes(c.config.self) : 0,
          .pending_slots = 0,
          .log_slots = c.slots.all().size(),
          .timeout_ms = c.timeout_ns / kNsPerMs};
  for (const auto& [seq, s] : c.slots.all())
    if (seq > c.handed && s.accepted && !s.decided) ++f.pending_slots;
  return f;
}

Frame slot_frame(Seq seq, const std::optional<Proposal>& proposal) {
  Slot slot{.seq = seq, .null = !proposal, .proposal = {}};
  if (proposal) slot.proposal = *proposal;
  return std::make_shared<const Bytes>(encode(slot));
}

// ---- frames --------------------------------------------------------------------------------------------------------

void Replica::Core::receive(Index from, Type type, const Frame& body) {
  const auto handle = [&](auto decoded, auto use) {
    if (!decoded) {
      ++counters.frames_malformed;
      return;
    }
    use(*decoded);
  };
  const auto current = [&](auto decoded, auto use) {
    handle(std::move(decoded), [&](auto& message) {
      if (!other_epoch(message)) use(message);
    });
  };
  if (from == config.self) return;
  switch (type) {
    case Type::kVertex: return on_vertex(from, body);
    case Type::kAck: return current(decode_ack(*body), [&](const Ack& m) { on_ack(from, m); });
    case Type::kPrePrepare:
      return handle(decode_pre_prepare(*body), [&](const PrePrepare& m) { on_pre_prepare(from, m); });
    case Type::kPrepare:
      ++counters.prepares_received;
      return current(decode_vote(*body), [&](const Vote& m) { on_vote(from, Phase::kPrepare, m); });
    case Type::kCommit:
      ++counters.commits_received;
      return current(decode_vote(*body), [&](const Vote& m) { on_vote(from, Phase::kCommit, m); });
    case Type::kAttest: return current(decode_attest(*body), [&](const Attest& m) { on_attest(from, m); });
    case Type::kViewChange:
      return current(decode_view_change(*body), [&](const ViewChange& m) { on_view_change(from, m); });
    case Type::kNewView: return current(decode_new_view(*body), [&](const NewView& m) { on_new_view(from, m, body); });
    case Type::kStatus:
      return handle(decode_status(*body), [&](const StatusReport& m) {
        if (m.epoch != config.epoch) on_other_epoch(from, m);
        if (!other_epoch(m)) on_status(from, m);
      });
    case Type::kHandover: return current(decode_handover(*body), [&](const Handover& m) { on_handover(m); });
    case Type::kFetchVertex:
      return handle(decode_fetch_vertex(*body), [&](const FetchVertex& m) { on_fetch_vertex(from, m); });
    case Type::kFetchSlots:
      return handle(decode_fetch_slots(*body), [&](const FetchSlots& m) { on_fetch_slots(from, m); });
    case Type::kSlot: return handle(decode_slot(*body), [&](const Slot& m) { on_slot(from, m); });
    case Type::kFetchProposal:
      return handle(decode_fetch_proposal(*body), [&](const FetchProposal& m) { on_fetch_proposal(from, m); });
    case Type::kProposal: return handle(decode_proposal(*body), [&](const Proposal& m) { on_proposal(m); });
    case Type::kStatement: return current(decode_statement(*body), [&](const Statement& m) { on_statement(from, m); });
    case Type::kFetchStatement:
      return current(decode_fetch_statement(*body), [&](const FetchStatement& m) { on_fetch_statement(from, m); });
  }
}

// ---- durability ----------------------------------------------------------------------------------------------------

std::uint64_t Replica::Core::persist(RecordType type, Frame payload, std::int64_t patience_ns) {
  out.records.push_back({.type = type, .payload = std::move(payload), .patience_ns = patience_ns});
  return ++last_token;
}

std::uint64_t Replica::Core::persist_height(RecordType type, std::uint64_t height) {
  Bytes payload(sizeof height);
  store_le(payload.data(), height);
  return persist(type, std::make_shared<const Bytes>(std::move(payload)));
}

void Replica::Core::send(Index to, Type type, Frame body) {
  out.sends.push_back({.to = to, .type = type, .body = std::move(body)});
}

void Replica::Core::send_after(std::uint64_t token, Type type, Frame body, Reach reach) {
  if (token <= durable_token && (deferred.empty() || token == 0)) {
    own(type, body);
    if (reach == Reach::kEverybody && power.count() > 1) send(kEveryone, type, std::move(body));
    return;
  }
  deferred.push_back({.token = token, .type = type, .body = std::move(body), .reach = reach});
}

void Replica::Core::durable(std::uint64_t token) {
  durable_token = std::max(durable_token, std::min(token, last_token));
  while (!deferred.empty() && deferred.front().token <= durable_token) {
    const Deferred next = std::move(deferred.front());
    deferred.pop_front();
    own(next.type, next.body);
    if (next.reach == Reach::kEverybody && power.count() > 1) send(kEveryone, next.type, next.body);
  }
  sign_marks();
  if (compacting && compacting->second <= durable_token) {
    out.released = compacting->first;
    compacting.reset();
  }
}

// What we send counts for us too, from the moment it may be sent.
void Replica::Core::own(Type type, const Frame& body) {
  switch (type) {
    case Type::kAck:
      if (const auto ack = decode_ack(*body)) on_ack(config.self, *ack);
      return;
    case Type::kPrePrepare:
      ++counters.proposals_sent;
      if (const auto m = decode_pre_prepare(*body)) {
        const Vote vote{
            .epoch = config.epoch, .view = m->view, .seq = m->proposal.seq, .digest = digest_of(m->proposal)};
        vote_from_self(vote, Phase::kPrepare);
        sign_later(vote);
      }
      return;
    case Type::kPrepare:
      ++counters.prepares_sent;
      if (const auto vote = decode_vote(*body)) {
        vote_from_self(*vote, Phase::kPrepare);
        seal_later(Phase::kPrepare, *vote);
      }
      return;
    case Type::kCommit:
      ++counters.commits_sent;
      if (const auto vote = decode_vote(*body)) {
        vote_from_self(*vote, Phase::kCommit);
        seal_later(Phase::kCommit, *vote);
      }
      return;
    case Type::kAttest:
      if (const auto attest = decode_attest(*body)) {
        store_attest(*attest, config.self);
        collect(attest->seq);
      }
      return;
    case Type::kViewChange:
      if (const auto vc = decode_view_change(*body)) changes[config.self] = *vc;
      return;
    default: return;
  }
}

void Replica::Core::halt(std::string why) {
  if (halted) return;
  halted = true;
  out.notices.push_back({.kind = NoticeKind::kHalted, .replica = config.self, .number = done, .text = std::move(why)});
}

// ---- time ----------------------------------------------------------------------------------------------------------

void Replica::Core::settle() {
  if (halted || ended) return;
  acknowledge();
  for (auto& [seq, s] : slots.all())
    if (s.accepted && !s.prepare_sent) try_prepare(seq, s);
  hand_over();
  propose();
  if (catch_up_due_ns == kNever && (behind() || bodies_missing())) catch_up_due_ns = ns() + config.fetch_ms * kNsPerMs;
  if (changing()) lead_new_view();
  if (abstaining) stop_abstaining();
  watch_progress();
  end_epoch();
}

void Replica::Core::tick() {
  if (idle_at_ns <= ns()) attest_when_idle();
  if (status_due_ns <= ns()) {
    if (power.count() > 1) send_status(kEveryone);
    shows_left = kShowsMax;
    if (!work_waits()) seal_votes();
    const bool busy = work_waits() || changing() || (!follows() && lanes->count(config.self) > 0);
    if (!follows()) repeat_lane();
    status_due_ns = ns() + config.status_ms * kNsPerMs * (busy ? 1 : 5);
    courtesy();
  }
  ask_for_wanted();
  catch_up();
  if (changing() && resend_due_ns <= ns()) {
    if (change_sent()) send(kEveryone, Type::kViewChange, own_change);
    resend_due_ns = ns() + timeout_ns / 2;
  }
  if (unsigned_due_ns <= ns()) give_up_unsigned();
  if (changing() && view_due_ns <= ns()) {
    if (!mutant(Mutant::kTimerNotDoubled)) timeout_ns = std::min(2 * timeout_ns, config.timeout_ms_max * kNsPerMs);
    start_view_change(wanted_view + 1);
  } else if (!changing() && std::min({progress_due_ns, empty_due_ns, censor_due_ns}) <= ns()) {
    if (view > 0 && good_slots == 0) timeout_ns = std::min(2 * timeout_ns, config.timeout_ms_max * kNsPerMs);
    start_view_change(view + 1);
  }
}

std::int64_t Replica::Core::wake() const {
  if (halted || ended) return kNever;
  std::int64_t at = std::min({idle_at_ns, status_due_ns, catch_up_due_ns, linger_due_ns});
  if (silent()) {
    // Nothing that a vote would be for: it may have become so in the middle of a view change.
  } else if (changing()) {
    at = std::min({at, resend_due_ns, view_due_ns});
  } else {
    at = std::min({at, progress_due_ns, empty_due_ns, censor_due_ns, paced_until_ns, unsigned_due_ns});
  }
  for (const auto& [id, w] : wanted) at = std::min(at, w.due_ns);
  if (needs_empty_slot())
    at = std::min(at, paced_until_ns == kNever ? empty_slot_ns() : std::max(empty_slot_ns(), paced_until_ns));
  return at;
}

}  // namespace hanse::consensus
