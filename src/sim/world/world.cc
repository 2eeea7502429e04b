#include "sim/world/world.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "sim/world/detail/world.h"

namespace hanse::sim {

std::string_view seen_name(Seen seen) {
  constexpr std::array<std::string_view, kSeenCount> kNames = {"slots",
                                                               "express",
                                                               "null_slots",
                                                               "caught_up",
                                                               "fetches",
                                                               "view_changes",
                                                               "new_views",
                                                               "extra_candidates",
                                                               "view_change_in_catch_up",
                                                               "abstains",
                                                               "votes_again",
                                                               "compactions",
                                                               "releases",
                                                               "checkpoints",
                                                               "economic",
                                                               "crashes",
                                                               "lost_records",
                                                               "lost_blocks",
                                                               "power_losses",
                                                               "damages",
                                                               "full_disks",
                                                               "breaks",
                                                               "partitions",
                                                               "corrupt_frames",
                                                               "lies",
                                                               "twins",
                                                               "forks",
                                                               "evidence",
                                                               "retries",
                                                               "repeats",
                                                               "other_epochs",
                                                               "oversized",
                                                               "shown",
                                                               "unsigned_leaders",
                                                               "attest_proved",
                                                               "view_change_proved",
                                                               "proposals_proved",
                                                               "vertex_proved",
                                                               "votes_proved",
                                                               "concealment_proved",
                                                               "epochs",
                                                               "joins",
                                                               "leaves",
                                                               "handovers"};
  return kNames[static_cast<std::size_t>(seen)];
}

Result<Outcome> run_plan(const Plan& plan, const RunOptions& options) {
  TRY(auto power, consensus::Power::create(plan.power, 6'700, 8'000));
  auto signatures = token_signatures(mix(plan.seed, 77));
  if (plan.tuning.real_crypto) {
    TRY(signatures, real_signatures(plan.seed, plan.n));
  }
  detail::World world(plan, options, std::move(power), std::move(signatures));
  return world.run();
}

namespace detail {

namespace {

constexpr std::int64_t kChaosMsMax = 20'000;  // then it is calm, however many slots there are
constexpr std::int64_t kTimeoutsToFinish = 20;
constexpr std::int64_t kBreaksInCalmMax = 100;  // per 10000 frames: above, no connection lives long enough to help
constexpr std::int64_t kLieEveryMs = 40;

std::vector<bool> honest_of(const Plan& plan) {
  std::vector<bool> honest(plan.n, true);
  for (const Fault& f : plan.faults)
    if (f.kind == FaultKind::kByzantine || f.kind == FaultKind::kTwins) honest[static_cast<std::size_t>(f.a)] = false;
  return honest;
}

bool in_mask(std::int64_t mask, std::size_t i) { return (static_cast<std::uint64_t>(mask) >> (i % 64) & 1) != 0; }

}  // namespace

World::World(const Plan& plan, const RunOptions& options, consensus::Power power,
             std::unique_ptr<Signatures> signatures)
    : plan_(plan),
      options_(options),
      power_(std::move(power)),
      signatures_(std::move(signatures)),
      app_({.clients = plan.tuning.clients,
            .keys = plan.tuning.keys,
            .wants_blocks = plan.tuning.wants_blocks,
            .epoch = kEpoch,
            .epoch_slots = plan.tuning.epoch_slots,
            .replicas = ~std::uint64_t{0} >> (64 - plan.n),
            .verifier = [this](std::uint64_t epoch) -> consensus::Oracle& {
              return *eras_[static_cast<std::size_t>(epoch - kEpoch)]->verifier;
            }}),
      safety_({.timeout_ms_max = consensus::Config{}.timeout_ms_max,
               .lane_bytes_max = consensus::Config{}.lane_bytes_max,
               .honest = honest_of(plan)}),
      accounts_({.honest = honest_of(plan)}),
      client_dice_(plan.seed, 4) {}

void World::push(EventKind kind, std::int64_t at, HostId id, std::uint64_t arg, std::uint32_t gen) {
  queue_.push({.at = at, .arg = arg, .gen = gen, .host = id, .kind = kind});
}

void World::say(std::string_view line) {
  if (options_.narrate) options_.narrate(text("{:>8.2f} ms  {}", static_cast<double>(now_) / 1e6, line));
}

void World::setup() {
  const std::size_t n = plan_.n;
  era_after(*app_.genesis());
  twin_of_.assign(n, 0);
  twin_mask_.assign(n, 0);
  lie_mask_ = Dice(plan_.seed, 6).next();
  std::vector<std::uint32_t> lies(n, 0);
  std::vector<Index> selves;
  for (std::size_t i = 0; i < n; ++i) selves.push_back(static_cast<Index>(i));
  const std::vector<bool> honest = honest_of(plan_);
  for (const Fault& f : plan_.faults) {
    const auto a = static_cast<std::size_t>(f.a);
    if (f.kind == FaultKind::kByzantine) lies[a] |= static_cast<std::uint32_t>(f.b);
    if (f.kind == FaultKind::kTwins && twin_of_[a] == 0) {
      twin_of_[a] = static_cast<HostId>(selves.size());
      selves.push_back(static_cast<Index>(a));
      saw(Seen::kTwins);
    }
  }
  for (std::size_t i = 0; i < selves.size(); ++i) {
    auto h = std::make_unique<Host>();
    h->id = static_cast<HostId>(i);
    h->self = selves[i];
    h->watched = honest[selves[i]];
    h->dice = Dice(plan_.seed, 1'000 + i);
    h->chain.push_back(app_.genesis());
    if (lies[selves[i]] != 0) {
      h->liar = std::make_unique<Liar>(*this, *h, lies[selves[i]], Dice(plan_.seed, 2'000 + i));
      push(EventKind::kLie, static_cast<std::int64_t>(i) * kMs, h->id);
    }
    hosts_.push_back(std::move(h));
  }
  links_.resize(hosts_.size() * hosts_.size());
  for (std::size_t i = 0; i < links_.size(); ++i) links_[i].dice = Dice(plan_.seed, 10'000 + i);
  for (const auto& h : hosts_) start(*h);
  clients_.resize(plan_.tuning.clients);
  for (std::uint32_t c = 0; c < clients_.size(); ++c) {
    clients_[c].known.resize(plan_.tuning.keys);
    push(EventKind::kClient, static_cast<std::int64_t>(5 + c) * kMs, 0, c);
  }
  for (std::size_t i = 0; i < plan_.faults.size(); ++i) {
    const Fault& f = plan_.faults[i];
    if (f.kind == FaultKind::kByzantine) continue;
    push(EventKind::kFaultBegins, f.from_ms * kMs, 0, i);
    push(EventKind::kFaultEnds, f.to_ms * kMs + 1, 0, i);
    last_fault_ns_ = std::max(last_fault_ns_, f.from_ms * kMs + 1);
  }
}

Outcome World::run() {
  setup();
  while (!queue_.empty() && !failed() && !done_) {
    Frame frame;
    const Event e = queue_.pop(frame);
    now_ = e.at;
    if (++outcome_.events > options_.events_max) {
      safety_.fail_rule("liveness", text("found {} events without an end", outcome_.events - 1));
      break;
    }
    outcome_.trace =
        mix(outcome_.trace, mix(static_cast<std::uint64_t>(e.at), e.host * 64u + static_cast<unsigned>(e.kind)));
    handle(e, frame);
    if (!calm_) maybe_calm();
  }
  finish();
  return std::move(outcome_);
}

void World::handle(const Event& e, const Frame& frame) {
  const bool current = !hosts_.empty() && e.host < hosts_.size() && hosts_[e.host]->gen == e.gen && hosts_[e.host]->up;
  switch (e.kind) {
    case EventKind::kDeliver: return deliver(e, frame);
    case EventKind::kTimer:
      if (current) timer(host(e.host));
      return;
    case EventKind::kSynced:
      if (current) synced(host(e.host), e.arg);
      return;
    case EventKind::kLedgerSynced:
      if (!current) return;
      host(e.host).ledger_synced = std::max(host(e.host).ledger_synced, e.arg);
      host(e.host).ledger_syncing = false;
      return release(host(e.host));
    case EventKind::kExecuted:
      if (current) executed(host(e.host));
      return;
    case EventKind::kSigned: {
      if (!current) return;
      Host& h = host(e.host);
      if (e.arg >= h.chain.size() || e.arg <= h.era->base) return;  // asked for in an earlier epoch
      if (e.arg % plan_.tuning.checkpoint_every == 0) h.ledger_synced = std::max(h.ledger_synced, e.arg);
      const Bytes message = consensus::attest_message(
          {.epoch = h.era->epoch, .seq = e.arg, .block = h.chain[e.arg]->hash, .signature = {}});
      Bytes signature = h.oracle->sign(consensus::Purpose::kAttest, message);
      return step(h, Step::kOther,
                  [&](Replica& r, consensus::Now now) { return r.attested(now, e.arg, std::move(signature)); });
    }
    case EventKind::kStated:
      if (current) stated(host(e.host));
      return;
    case EventKind::kChecked:
      if (current) checked(host(e.host));
      return;
    case EventKind::kAccuse:
      if (current) accuse(host(e.host));
      return;
    case EventKind::kFlush:
      if (current) flush(host(e.host));
      return;
    case EventKind::kClient: return start_operation(static_cast<std::uint32_t>(e.arg));
    case EventKind::kRetry: {
      const auto c = static_cast<std::uint32_t>(e.arg);
      if (!clients_[c].waiting || clients_[c].number != e.gen) return;
      saw(Seen::kRetries);
      return submit(c);
    }
    case EventKind::kSubmit: {
      const auto c = static_cast<std::uint32_t>(e.arg);
      if (clients_[c].number == e.gen) arrive(host(e.host), c);
      return;
    }
    case EventKind::kConnect: return connect(e.host, e.from);
    case EventKind::kFaultBegins:
      if (calm_) return;
      if (plan_.faults[e.arg].kind == FaultKind::kChange) return change_set(e.arg);
      return begin_fault(plan_.faults[e.arg]);
    case EventKind::kFaultEnds:
      if (!calm_) end_fault(plan_.faults[e.arg]);
      return;
    case EventKind::kRestart:
      if (!host(e.host).up && !host(e.host).lost) start(host(e.host));
      return;
    case EventKind::kLie:
      if (host(e.host).up) host(e.host).liar->act();
      return push(EventKind::kLie, now_ + kLieEveryMs * kMs, e.host);
    case EventKind::kDeadline: {
      // Timeouts that had to double since count with their length.
      std::int64_t longest_ms = timeout_ms_;
      for (const HostId id : core_)
        if (host(id).up) longest_ms = std::max(longest_ms, host(id).facts.timeout_ms);
      const std::int64_t end = calm_from_ns_ + kTimeoutsToFinish * longest_ms * kMs;
      if (now_ < end) return push(EventKind::kDeadline, end);
      std::string why;
      for (std::uint32_t c = 0; c < clients_.size(); ++c)
        if (clients_[c].waiting) why += text(" client {} waits for its operation {};", c, clients_[c].number);
      if (!all_paid()) why += " evidence waits for the ledger;";
      for (const HostId id : core_)
        why += text(" replica {} executed {} in view {} (wants {}){};", id, host(id).facts.executed,
                    host(id).facts.view, host(id).facts.wanted_view, host(id).facts.abstaining ? " abstaining" : "");
      return safety_.fail_rule("liveness", text("not all final {} timeouts after calm, {} agreed:{}", kTimeoutsToFinish,
                                                safety_.agreed(), why));
    }
  }
}

// ---- faults --------------------------------------------------------------------------------------------------------

void World::begin_fault(const Fault& f) {
  if (options_.narrate) say(text("fault begins: {}", fault_list({f})));
  const auto a = static_cast<std::size_t>(f.a);
  const std::size_t n = hosts_.size();
  switch (f.kind) {
    case FaultKind::kBreaks: (f.a <= kBreaksInCalmMax ? slow_breaks_ : breaks_) += f.a; return;
    case FaultKind::kReorder: reorder_ += f.a; return;
    case FaultKind::kDuplicate: duplicate_ += f.a; return;
    case FaultKind::kCorrupt: corrupt_ += f.a; return;
    case FaultKind::kSpikes:
      spikes_ = f.a;
      spike_ms_ = f.b;
      return;
    case FaultKind::kSlowNet: slow_net_ = std::max<std::int64_t>(f.a, 1); return;
    case FaultKind::kSlowNode: host(static_cast<HostId>(a)).slowness = std::max<std::int64_t>(f.b, 1); return;
    case FaultKind::kPartition:
      saw(Seen::kPartitions);
      for (HostId x = 0; x < n; ++x)
        for (HostId y = 0; y < x; ++y)
          if (in_mask(f.a, x) != in_mask(f.a, y)) block(x, y, 1);
      return;
    case FaultKind::kOneWay:
      for (HostId x = 0; x < n; ++x)
        for (HostId y = 0; y < n; ++y)
          if (x != y && in_mask(f.a, x) && in_mask(f.b, y)) mute(x, y, 1);
      return;
    case FaultKind::kCutPair:
      if (f.a != f.b) block(static_cast<HostId>(f.a), static_cast<HostId>(f.b), 1);
      return;
    case FaultKind::kPowerLoss:
      saw(Seen::kPowerLosses);
      for (const auto& h : hosts_) {
        crash(*h);
        push(EventKind::kRestart, f.to_ms * kMs + h->dice.between(0, 30) * kMs, h->id);
      }
      return;
    case FaultKind::kCrash:
    case FaultKind::kDamage:
    case FaultKind::kDiskFull: {
      Host& h = host(static_cast<HostId>(a));
      crash(h);
      if (f.kind == FaultKind::kDiskFull) {
        saw(Seen::kFullDisks);
        h.lost = true;
      } else if (f.kind == FaultKind::kDamage) {
        saw(Seen::kDamages);
        h.damaged = true;
        push(EventKind::kRestart, f.to_ms * kMs, h.id);
      } else {
        push(EventKind::kRestart, f.to_ms * kMs, h.id);
      }
      return;
    }
    case FaultKind::kStall: host(static_cast<HostId>(a)).stalled_until = f.to_ms * kMs; return;
    case FaultKind::kSlowDisk: host(static_cast<HostId>(a)).sync_factor = std::max<std::int64_t>(f.b, 1); return;
    case FaultKind::kSkew: host(static_cast<HostId>(a)).skew_ms = f.b; return;
    case FaultKind::kTwins:
      for (HostId x = 0; x < n; ++x) {
        disconnect(x, static_cast<HostId>(a));
        disconnect(x, twin_of_[a]);
      }
      twin_mask_[a] = static_cast<std::uint64_t>(f.b);
      for (HostId x = 0; x < n; ++x) {
        reconnect_soon(x, static_cast<HostId>(a), kMs);
        reconnect_soon(x, twin_of_[a], kMs);
      }
      return;
    case FaultKind::kByzantine:
    case FaultKind::kChange: return;
  }
}

void World::end_fault(const Fault& f) {
  const auto a = static_cast<HostId>(f.a);
  const std::size_t n = hosts_.size();
  switch (f.kind) {
    case FaultKind::kBreaks: (f.a <= kBreaksInCalmMax ? slow_breaks_ : breaks_) -= f.a; return;
    case FaultKind::kReorder: reorder_ -= f.a; return;
    case FaultKind::kDuplicate: duplicate_ -= f.a; return;
    case FaultKind::kCorrupt: corrupt_ -= f.a; return;
    case FaultKind::kSpikes: spikes_ = 0; return;
    case FaultKind::kSlowNet: slow_net_ = 1; return;
    case FaultKind::kSlowNode: host(a).slowness = 1; return;
    case FaultKind::kPartition:
      for (HostId x = 0; x < n; ++x)
        for (HostId y = 0; y < x; ++y)
          if (in_mask(f.a, x) != in_mask(f.a, y)) block(x, y, -1);
      return;
    case FaultKind::kOneWay:
      for (HostId x = 0; x < n; ++x)
        for (HostId y = 0; y < n; ++y)
          if (x != y && in_mask(f.a, x) && in_mask(f.b, y)) mute(x, y, -1);
      return;
    case FaultKind::kCutPair:
      if (f.a != f.b) block(a, static_cast<HostId>(f.b), -1);
      return;
    case FaultKind::kSlowDisk: host(a).sync_factor = 1; return;
    case FaultKind::kSkew: host(a).skew_ms = 0; return;
    default: return;
  }
}

// ---- calm ----------------------------------------------------------------------------------------------------------

void World::maybe_calm() {
  const bool enough = safety_.agreed() >= plan_.slots && now_ > last_fault_ns_;
  if (enough || now_ > kChaosMsMax * kMs + static_cast<std::int64_t>(plan_.slots) * 20 * kMs) calm();
}

// Honest replicas of power >= Q in every set that may come; those whose state or clock is spoilt only when it cannot be
// done without them.
void World::choose_core() {
  std::vector<std::uint64_t> sets = {app_.genesis()->set};
  for (const Fault& f : plan_.faults)
    if (f.kind == FaultKind::kChange) sets.push_back(static_cast<std::uint64_t>(f.a));
  const auto enough = [&](std::uint64_t members) {
    return std::ranges::all_of(sets, [&](std::uint64_t set) {
      const auto power = power_of_set(plan_, set);
      std::uint32_t sum = 0;
      for (std::size_t i = 0, place = 0; i < plan_.n; ++i) {
        if ((set >> i & 1) == 0) continue;
        sum += (members >> i & 1) != 0 ? power[place] : 0;
        ++place;
      }
      return sum >= power_.quorum();
    });
  };
  std::uint64_t members = 0;
  Dice dice(plan_.seed, 5);
  for (const bool spoilt : {false, true})
    for (const auto& h : hosts_) {
      const bool is_spoilt = h->skew_ms != 0 || h->slowness > 1 || h->sync_factor > 1;
      if (!h->watched || h->lost || h->damaged || is_spoilt != spoilt) continue;
      if (spoilt && enough(members)) continue;
      core_.push_back(h->id);
      members |= std::uint64_t{1} << h->self;
      if (spoilt) h->skew_ms = 0;
    }
  for (std::size_t i = core_.size(); i-- > 0;) {
    const std::uint64_t without = members & ~(std::uint64_t{1} << host(core_[i]).self);
    if (!enough(without) || !dice.chance(4'000)) continue;
    members = without;
    core_.erase(core_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void World::calm() {
  calm_ = true;
  breaks_ = 0;
  choose_core();
  if (options_.narrate) {
    std::string members;
    for (const HostId id : core_) members += text(" {}", id);
    say(text("calm: the core is{}", members));
  }
  std::int64_t slowest = slow_net_;
  std::int64_t sync_us = plan_.tuning.sync_us, stalled_until = now_;
  for (const HostId a : core_) {
    slowest = std::max(slowest, slow_net_ * host(a).slowness);
    sync_us = std::max(sync_us, plan_.tuning.sync_us * host(a).sync_factor);
    for (const HostId b : core_) {
      Link& l = link(a, b);
      if (a == b || (l.blocked == 0 && l.muted == 0 && l.up)) continue;
      l.blocked = l.muted = link(b, a).blocked = link(b, a).muted = 0;
      disconnect(a, b);
      reconnect_soon(a, b, kMs);
    }
    if (!host(a).up) push(EventKind::kRestart, now_ + host(a).dice.between(0, 20) * kMs, a);
    stalled_until = std::max(stalled_until, host(a).stalled_until);
  }
  std::int64_t timeout_ms = plan_.tuning.timeout_ms;
  for (const HostId a : core_)
    if (host(a).up) timeout_ms = std::max(timeout_ms, host(a).facts.timeout_ms);
  const std::int64_t round_ms =
      (4 * plan_.tuning.delay_us * slowest + 3 * sync_us) / 1'000 + (spikes_ > 0 ? spike_ms_ : 0);
  timeout_ms = std::max(timeout_ms, 6 * round_ms);
  for (std::uint32_t c = 0; c < clients_.size(); ++c) {
    push(EventKind::kClient, now_ + kMs, 0, c);
    if (clients_[c].waiting) submit(c);
  }
  owe();
  calm_from_ns_ = stalled_until;
  timeout_ms_ = timeout_ms;
  push(EventKind::kDeadline, stalled_until + kTimeoutsToFinish * timeout_ms * kMs);
}

bool World::core_is_level() const {
  return std::ranges::all_of(core_, [&](HostId id) { return hosts_[id]->up && hosts_[id]->chain.size() > level_; });
}

void World::count(const consensus::Counters& c, bool watched) {
  if (!watched) return;
  saw(Seen::kExpress, c.slots_express);
  saw(Seen::kNullSlots, c.slots_null);
  saw(Seen::kCaughtUp, c.slots_caught_up);
  saw(Seen::kFetches, c.fetches);
  saw(Seen::kViewChanges, c.view_changes);
  saw(Seen::kNewViews, c.new_views);
  saw(Seen::kExtraCandidates, c.extra_candidates);
  saw(Seen::kCheckpoints, c.checkpoints);
  saw(Seen::kForks, c.vertices_forked);
  saw(Seen::kShown, c.statements_shown);
  saw(Seen::kUnsignedLeaders, c.signatures_missed);
}

void World::finish() {
  for (const auto& h : hosts_)
    if (h->up) count(h->replica->counters(), h->watched);
  saw(Seen::kSlots, safety_.agreed());
  saw(Seen::kRepeats, app_.repeats());
  accounts_.at(now_);
  accounts_.finish();
  if (!failed() && accounts_.failure()) safety_.fail_rule(accounts_.failure()->rule, accounts_.failure()->what);
  for (const consensus::Fact& f : accounts_.landed()) {
    constexpr Seen kProved[] = {Seen::kAttestProved, Seen::kViewChangeProved, Seen::kProposalsProved,
                                Seen::kVertexProved, Seen::kVotesProved};
    const bool concealed = f.purpose == consensus::Purpose::kViewChange && f.place == consensus::kConcealed;
    saw(concealed ? Seen::kConcealmentProved : kProved[static_cast<std::size_t>(f.purpose) - 1]);
    outcome_.proved.push_back(f);
  }
  if (!failed()) {
    const auto history = check_history(history_);
    if (!history) safety_.fail_rule("history", history.error().str());
    if (history && !history->empty()) safety_.fail_rule("history", *history);
  }
  outcome_.failure = safety_.failure();
  outcome_.ended_ms = now_ / kMs;
  outcome_.failed_ms = failed() ? now_ / kMs : 0;
  outcome_.checks = safety_.checks();
  outcome_.slots = safety_.agreed();
}

}  // namespace detail
}  // namespace hanse::sim
