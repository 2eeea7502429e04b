// Holders: at which coordinators an agent is found (mesh.md 5.13). The agent's id gives one of 65,536 shards; the
// holders of a shard are the kHolders coordinators with the highest weight for it (highest random weight: Thaler and
// Ravishankar, "Using name-based mappings to increase hit rates", 1998), so that one that comes or goes moves the
// shards that are its own alone.
//   shard    the first two bytes, the lower one first, of BLAKE3("hanse-rendezvous", agent)
//   weight   BLAKE3("hanse/rendezvous-weight/1", shard u16 big-endian, coordinator's id), as a number, big-endian
// Nodes know different coordinators. So one that is asked to keep a record counts itself among the first kHolders +
// kSlack of those that it knows, and who asks is told of the holders that the other one sees.
// Not more than kPerGroup holders are taken from one group of addresses: who runs many coordinators in one place does
// not hold a shard alone. Pure; any thread. Limits: those of what is given. Errors: none.
#pragma once

#include <span>
#include <vector>

#include "mesh/identity/identity.h"

namespace hanse::rendezvous {

using identity::AgentId;
using CoordinatorId = AccountId;

constexpr std::size_t kHolders = 8, kSlack = 8, kPerGroup = 2;

struct Coordinator {
  CoordinatorId id;
  std::uint64_t group = 0;  // 0: none, so no limit
};

std::uint16_t shard_of(const AgentId& agent);
Hash32 weight_of(std::uint16_t shard, const CoordinatorId& coordinator);
// The best first, kHolders at most; `coordinators` names nobody twice.
std::vector<CoordinatorId> holders_of(std::uint16_t shard, std::span<const Coordinator> coordinators);
// Whether `self` keeps records of the shard, when it knows these.
bool keeps(std::uint16_t shard, const CoordinatorId& self, std::span<const Coordinator> coordinators);

}  // namespace hanse::rendezvous
