#include "sim/world/detail/world.h"

// Statements: signed and verified aside, as in production; and the way of evidence to the ledger.

namespace hanse::sim::detail {

void World::take_statements(Host& h, Effects& e) {
  for (consensus::Statement& s : e.states) {
    h.to_state.push_back(std::move(s));
    push(EventKind::kStated, now_ + h.dice.between(100, 3'000) * kUs, h.id, 0, h.gen);
  }
  for (consensus::CheckStatement& c : e.checks) {
    h.to_check.push_back(std::move(c));
    push(EventKind::kChecked, now_ + h.dice.between(50, 1'000) * kUs, h.id, 0, h.gen);
  }
  if (!h.watched) return;
  for (consensus::Evidence& evidence : e.evidence) {
    accounts_.accused(h.self, evidence);
    if (accounts_.failure()) return safety_.fail_rule(accounts_.failure()->rule, accounts_.failure()->what);
    const auto fact = contradiction(evidence);
    if (std::ranges::binary_search(h.chain.back()->facts, *fact)) continue;
    h.accusations.emplace(*fact, std::move(evidence));
    if (h.accusing) continue;
    h.accusing = true;
    push(EventKind::kAccuse, now_ + kMs, h.id, 0, h.gen);
  }
}

void World::stated(Host& h) {
  consensus::Statement own = std::move(h.to_state.front());
  h.to_state.pop_front();
  if (own.epoch != h.era->epoch) return;  // of an epoch that is over
  own.signature = h.oracle->sign(own.purpose, statement_message(own));
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) { return r.stated(now, std::move(own)); });
}

void World::checked(Host& h) {
  const consensus::CheckStatement c = std::move(h.to_check.front());
  h.to_check.pop_front();
  const consensus::Statement& s = c.statement;
  if (s.epoch != h.era->epoch) return;
  const bool good = h.oracle->verify(s.replica, s.purpose, statement_message(s), s.signature);
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) {
    return r.checked(now, c, good ? consensus::Signature::kGood : consensus::Signature::kBad);
  });
}

// Again and again until it is there: a batch may be refused, and others bring the same.
void World::accuse(Host& h) {
  h.accusing = !h.accusations.empty();
  if (!h.accusing) return;
  for (const auto& [fact, evidence] : h.accusations) {
    if (h.pool.size() > kPoolBytesMax) break;
    encode_evidence_tx(h.pool, evidence);
    ++h.pool_count;
  }
  flush_soon(h);
  push(EventKind::kAccuse, now_ + 3 * plan_.tuning.timeout_ms * kMs, h.id, 0, h.gen);
}

void World::landed(Host& h, const Block& block) {
  for (const consensus::Fact& fact : block.proven) {
    accounts_.proven(fact);
    h.accusations.erase(fact);
  }
  if (accounts_.failure()) safety_.fail_rule(accounts_.failure()->rule, accounts_.failure()->what);
}

// What the core can prove now must be on the ledger before the end. What liars do from here on may still be under way.
void World::owe() {
  for (const HostId id : core_) {
    if (host(id).place == consensus::kFollower) continue;
    for (const auto& [fact, evidence] : host(id).accusations) host(id).owed.push_back(fact);
  }
}

bool World::all_paid() const {
  return std::ranges::all_of(core_, [&](HostId id) {
    return std::ranges::all_of(hosts_[id]->owed, [&](const auto& fact) { return accounts_.landed().contains(fact); });
  });
}

}  // namespace hanse::sim::detail
