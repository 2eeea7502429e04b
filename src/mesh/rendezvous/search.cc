#include "mesh/rendezvous/search.h"

#include <algorithm>

namespace hanse::rendezvous {

Round::Round(std::uint16_t shard, std::vector<Coordinator> known, std::set<CoordinatorId> settled)
    : shard_(shard), known_(std::move(known)), settled_(std::move(settled)) {}

std::vector<CoordinatorId> Round::next() {
  std::vector<Coordinator> well;
  for (const Coordinator& c : known_)
    if (!failed_.contains(c.id)) well.push_back(c);
  std::vector<CoordinatorId> out;
  for (const CoordinatorId& who : holders_of(shard_, well)) {
    if (asked_.size() >= kAskedMax) break;
    if (!settled_.contains(who) && asked_.insert(who).second) out.push_back(who);
  }
  return out;
}

void Round::answered(const CoordinatorId& who, std::span<const CoordinatorId> named) {
  if (!asked_.contains(who)) return;
  settled_.insert(who);
  for (const CoordinatorId& one : named) {
    if (named_ >= kNamedMax) return;
    if (std::ranges::find(known_, one, &Coordinator::id) != known_.end()) continue;
    known_.push_back({.id = one});
    ++named_;
  }
}

void Round::failed(const CoordinatorId& who) { failed_.insert(who); }

bool Round::done() const {
  return std::ranges::all_of(asked_, [&](const auto& who) { return settled_.contains(who) || failed_.contains(who); });
}

void Sightings::add(const SignedRecord& record) {
  const Record& r = record.record;
  const auto at = seen_.find(r.machine);
  if (at == seen_.end()) {
    if (seen_.size() < kSeenMax) seen_.emplace(r.machine, Seen{.record = r, .told_by = 1});
    return;
  }
  Seen& seen = at->second;
  switch (succession(seen.record, r)) {
    case Succession::kNewer:
      seen.record = r;
      seen.told_by = 1;
      return;
    case Succession::kSame: ++seen.told_by; return;
    case Succession::kOlder: return;
    case Succession::kEquivocation: seen.lied = true; return;
  }
}

std::vector<Place> Sightings::places() const {
  std::vector<const Seen*> order;
  for (const auto& [machine, seen] : seen_)
    if (!seen.lied && seen.record.here) order.push_back(&seen);
  std::ranges::sort(order, [](const Seen* a, const Seen* b) { return stands_before(a->record, b->record); });
  std::vector<Place> out;
  for (const Seen* seen : order)
    out.push_back({.machine = seen->record.machine,
                   .told_by = seen->told_by,
                   .certified_ms = seen->record.certified_ms,
                   .end_ms = seen->record.not_after_ms});
  return out;
}

}  // namespace hanse::rendezvous
