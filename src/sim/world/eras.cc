#include "base/core/text.h"
#include "sim/world/detail/world.h"

// Epochs of a simulated network: who is in which set, and how a host goes from one to the next.

namespace hanse::sim::detail {

// The epoch whose first block stands on `last`; made once, as the block says it.
Era& World::era_after(const Block& last) {
  const std::uint64_t epoch = last.seq == 0 ? last.epoch : last.epoch + 1;
  const auto at = static_cast<std::size_t>(epoch - kEpoch);
  if (at < eras_.size()) return *eras_[at];
  auto era = std::make_unique<Era>();
  era->epoch = epoch;
  era->base = last.seq;
  era->places.assign(plan_.n, consensus::kFollower);
  for (Index i = 0; i < plan_.n; ++i) {
    if ((last.set >> i & 1) == 0) continue;
    era->places[i] = static_cast<Index>(era->members.size());
    era->members.push_back(i);
    era->signers.push_back(static_cast<Index>(i + 64 * last.keys[i]));
  }
  auto power = consensus::Power::create(power_of_set(plan_, last.set), 6'700, 8'000);
  check(power.has_value(), "the power of a planned set");
  power->start_at(epoch - kEpoch);
  era->power = std::move(*power);
  era->verifier = std::make_unique<HostOracle>(*signatures_, Index{0}, era->signers);
  const SafetyEpoch told{.epoch = epoch,
                         .base = last.seq,
                         .power = &*era->power,
                         .verifier = era->verifier.get(),
                         .members = era->members};
  safety_.begin_epoch(told);
  accounts_.begin_epoch(told);
  eras_.push_back(std::move(era));
  if (last.seq != 0) saw(Seen::kEpochs);
  return *eras_.back();
}

// The block that a host's epoch stands on: with the certificate of an epoch's last block it is in the next one.
const Block& World::base_of(const Host& h) const {
  const Block& newest = *h.chain.back();
  if (newest.ends)
    for (const consensus::Certificate& c : h.certificates)
      if (c.seq == newest.seq) return newest;
  return *h.chain[newest.base];
}

Index World::place_in(const Era& era, Index replica) const {
  const Index place = era.places[replica];
  return place != consensus::kFollower ? place : static_cast<Index>(era.members.size() + replica);
}

Index World::replica_at(const Era& era, Index place) const {
  if (place < era.members.size()) return era.members[place];
  const auto outside = static_cast<std::size_t>(place) - era.members.size();
  return outside < plan_.n ? static_cast<Index>(outside) : consensus::kFollower;
}

void World::make_replica(Host& h, consensus::Start start, const Block& base) {
  Era& era = era_after(base);
  h.era = &era;
  h.place = era.places[h.self];
  start.epoch_due = h.chain.back()->due;
  const std::uint64_t every = plan_.tuning.checkpoint_every;
  for (Seq at = base.seq; at < h.chain.size() && start.epoch_end == 0; at += every)
    if (h.chain[at]->due) start.epoch_end = at + every;
  const Tuning& t = plan_.tuning;
  consensus::Config config;
  config.epoch = era.epoch;
  config.self = h.place;
  config.base = base.seq;
  if (base.seq != 0) config.base_block = base.hash;
  config.power = *era.power;
  config.timeout_ms = t.timeout_ms;
  config.interval_ms = t.interval_ms;
  config.attest_every = t.attest_every;
  config.checkpoint_every = every;
  config.slots_in_flight_max = t.slots_in_flight;
  config.linger_ms = t.timeout_ms / 4;
  const Index key = h.place == consensus::kFollower ? h.self : era.signers[h.place];
  h.oracle = std::make_unique<HostOracle>(*signatures_, key, era.signers);
  auto replica = Replica::create(std::move(config), std::move(start), *h.oracle, now_of(h));
  if (!replica) return safety_.fail_rule("start", text("replica {} does not start: {}", h.self, replica.error().str()));
  h.replica = std::move(*replica);
  h.facts = h.replica->facts();
  h.timer_at = INT64_MAX;
  if (h.liar) h.liar->enter();
}

// The certificate is durable before anything of the next epoch is.
void World::next_epoch(Host& h, const consensus::EpochEnd& end) {
  const Block& last = *h.chain.back();
  if (options_.narrate) say(text("replica {} ends epoch {} at slot {}", h.self, last.epoch, last.seq));
  if (h.watched) {
    if (end.certificate.seq != last.seq || !last.ends)
      return safety_.fail_rule("epoch", text("replica {} leaves epoch {} at slot {} with the certificate of slot {}",
                                             h.self, last.epoch, last.seq, end.certificate.seq));
    safety_.certified(h.self, end.certificate);
  }
  if (failed()) return;
  std::erase_if(h.certificates, [&](const auto& old) { return old.seq == end.certificate.seq; });
  h.certificates.push_back(end.certificate);
  h.ledger_synced = std::max(h.ledger_synced, last.seq);
  count(h.replica->counters(), h.watched);
  const auto rest = h.replica->unordered();
  const bool followed = h.place == consensus::kFollower;
  consensus::Start start;
  start.executed = last.seq;
  start.executed_block = last.hash;
  start.wants_block = last.wants_block;
  start.token = h.appended;
  start.abstain = end.abstaining;
  start.abstain_bound = end.abstain_bound;
  h.release.reset();
  make_replica(h, std::move(start), last);
  if (failed()) return;
  if (h.watched) {
    safety_.entered_epoch(h.self, h.era->epoch);
    accounts_.restarted(h.self);
  }
  if (h.place == consensus::kFollower) h.owed.clear();  // it brings nothing to the ledger any more
  if (followed && h.place != consensus::kFollower) saw(Seen::kJoins);
  if (!followed && h.place == consensus::kFollower) saw(Seen::kLeaves);
  for (HostId peer = 0; peer < hosts_.size(); ++peer)
    if (peer != h.id && link(h.id, peer).up)
      step(h, Step::kOther,
           [&](Replica& r, consensus::Now now) { return r.peer_up(now, place_in(*h.era, host(peer).self)); });
  for (const consensus::VertexFrame& v : rest) {
    append(h.pool, v.batch());
    h.pool_count += v.vertex.tx_count;
  }
  if (h.pool_count > 0 && h.up) flush_soon(h);
  wake(h);
}

// The operator tells everybody who is up, and again until all honest ones have heard.
void World::change_set(std::uint64_t fault) {
  const Fault& f = plan_.faults[fault];
  std::uint32_t number = 1;
  for (std::uint64_t i = 0; i < fault; ++i) number += plan_.faults[i].kind == FaultKind::kChange ? 1 : 0;
  const Tx tx{.client = kOperator,
              .number = number,
              .key = 0,
              .kind = OpKind::kRead,
              .arg = static_cast<std::uint64_t>(f.a),
              .expected = static_cast<std::uint64_t>(f.b)};
  bool heard = false;
  for (const auto& h : hosts_) {
    if (!h->watched) continue;
    if (h->chain.back()->changes >= number) heard = true;
    if (h->up && !heard) put(*h, tx);
  }
  if (!heard && !calm_) push(EventKind::kFaultBegins, now_ + 200 * kMs, 0, fault);
}

}  // namespace hanse::sim::detail
