#include "mesh/rendezvous/shelf.h"

#include <algorithm>

namespace hanse::rendezvous {

Taken Shelf::take(SignedRecord record, std::span<const Coordinator> coordinators) {
  const Record& r = record.record;
  if (!keeps(shard_of(r.agent), self_, coordinators)) return Taken::kNotOurs;
  if (const auto agent = agents_.find(r.agent); agent != agents_.end())
    if (const auto have = agent->second.find(r.machine); have != agent->second.end())
      return replace(have->second, std::move(record));
  if (!make_place(r)) return Taken::kFull;
  by_weight_.insert(place_of(r.agent));
  ++agents_of_[r.machine];
  ++size_;
  const std::int64_t end_ms = r.not_after_ms;
  Machines& machines = agents_[r.agent];
  const MachineId machine = r.machine;
  machines.emplace(machine, Kept{.record = std::move(record), .end_ms = end_ms});
  return Taken::kKept;
}

Taken Shelf::replace(Kept& have, SignedRecord record) {
  if (!have.other.empty()) return Taken::kLied;
  switch (succession(have.record.record, record.record)) {
    case Succession::kOlder: return Taken::kOlder;
    case Succession::kSame: return Taken::kKept;
    case Succession::kNewer:
      have.end_ms = record.record.not_after_ms;
      have.record = std::move(record);
      return Taken::kKept;
    case Succession::kEquivocation: break;
  }
  have.end_ms = std::max(have.end_ms, record.record.not_after_ms);
  have.other = std::move(record.bytes);
  ++lies_;
  return Taken::kLied;
}

// Whether there is one for it now.
bool Shelf::make_place(const Record& for_this) {
  if (const auto of = agents_of_.find(for_this.machine); of != agents_of_.end() && of->second >= kAgentsMax)
    return false;
  if (const auto agent = agents_.find(for_this.agent); agent != agents_.end() && agent->second.size() >= kMachinesMax) {
    const auto last = std::ranges::max_element(agent->second, [](const auto& a, const auto& b) {
      return stands_before(a.second.record.record, b.second.record.record);
    });
    if (stands_before(last->second.record.record, for_this)) return false;
    drop(for_this.agent, MachineId(last->first));
  }
  if (size_ < kRecordsMax) return true;
  const auto lightest = *by_weight_.begin();
  if (place_of(for_this.agent) <= lightest) return false;
  const Machines& machines = agents_.at(lightest.second);
  drop(lightest.second, MachineId(machines.begin()->first));
  return true;
}

void Shelf::drop(const AgentId& agent, const MachineId& machine) {
  const auto at = agents_.find(agent);
  at->second.erase(machine);
  --size_;
  if (const auto of = agents_of_.find(machine); --of->second == 0) agents_of_.erase(of);
  if (!at->second.empty()) return;
  by_weight_.erase(place_of(agent));
  agents_.erase(at);
}

std::vector<ByteView> Shelf::give(const AgentId& agent) const {
  std::vector<ByteView> out;
  const auto at = agents_.find(agent);
  if (at == agents_.end()) return out;
  std::vector<const Kept*> order;
  for (const auto& [machine, kept] : at->second) order.push_back(&kept);
  std::ranges::sort(order,
                    [](const Kept* a, const Kept* b) { return stands_before(a->record.record, b->record.record); });
  for (const Kept* kept : order) {
    out.emplace_back(kept->record.bytes);
    if (!kept->other.empty()) out.emplace_back(kept->other);
  }
  return out;
}

void Shelf::expire(std::int64_t now_ms) {
  std::vector<std::pair<AgentId, MachineId>> ended;
  for (const auto& [agent, machines] : agents_)
    for (const auto& [machine, kept] : machines)
      if (kept.end_ms < now_ms - kSkewMs) ended.emplace_back(agent, machine);
  for (const auto& [agent, machine] : ended) drop(agent, machine);
}

}  // namespace hanse::rendezvous
