#include "mesh/rendezvous/holders.h"

#include <algorithm>
#include <map>

#include "base/crypto/hash.h"

namespace hanse::rendezvous {

std::uint16_t shard_of(const AgentId& agent) {
  const Hash32 hash = crypto::blake3("hanse-rendezvous", {agent.view()});
  return static_cast<std::uint16_t>(hash.data[0] | (hash.data[1] << 8));
}

Hash32 weight_of(std::uint16_t shard, const CoordinatorId& coordinator) {
  const std::uint8_t be[2] = {static_cast<std::uint8_t>(shard >> 8), static_cast<std::uint8_t>(shard)};
  return crypto::blake3("hanse/rendezvous-weight/1", {ByteView(be, 2), coordinator.view()});
}

std::vector<CoordinatorId> holders_of(std::uint16_t shard, std::span<const Coordinator> coordinators) {
  std::vector<std::pair<Hash32, const Coordinator*>> ranked;
  ranked.reserve(coordinators.size());
  for (const Coordinator& c : coordinators) ranked.emplace_back(weight_of(shard, c.id), &c);
  std::ranges::sort(ranked, [](const auto& a, const auto& b) { return b.first < a.first; });
  std::vector<CoordinatorId> out;
  std::map<std::uint64_t, std::size_t> taken;
  for (const auto& [weight, c] : ranked) {
    if (out.size() == kHolders) break;
    if (c->group == 0 || ++taken[c->group] <= kPerGroup) out.push_back(c->id);
  }
  return out;
}

bool keeps(std::uint16_t shard, const CoordinatorId& self, std::span<const Coordinator> coordinators) {
  const Hash32 own = weight_of(shard, self);
  const auto before = std::ranges::count_if(
      coordinators, [&](const Coordinator& c) { return c.id != self && own < weight_of(shard, c.id); });
  return static_cast<std::size_t>(before) < kHolders + kSlack;
}

}  // namespace hanse::rendezvous
