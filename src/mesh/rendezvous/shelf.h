// Shelf: what a coordinator keeps for the shards that are its own: proved records by agent and machine.
//   higher sequence replaces; the same again changes nothing; an older one is refused
//   two that differ under one sequence are kept as evidence, both are given to who asks, who finds the lie itself; what
//   the machine says later is refused until both have ended
//   a record that says that the agent has left is kept and given like any, so that an older one does not come back
// Threads: one. Limits: kRecordsMax; of a further one, that whose shard gives this coordinator the lowest weight goes,
// which may be the new one. kMachinesMax machines of an agent: the last in order goes. kAgentsMax agents of a machine:
// further ones are refused. Errors: none; take() says what became of a record.
#pragma once

#include <map>
#include <set>

#include "mesh/rendezvous/holders.h"
#include "mesh/rendezvous/record.h"

namespace hanse::rendezvous {

constexpr std::size_t kRecordsMax = 4'096, kMachinesMax = 4, kAgentsMax = 8;
constexpr std::size_t kGivenMax = 2 * kMachinesMax;  // records in one answer

// kFalse is said by who receives a record: it is not proved, or not from its own machine.
enum class Taken : std::uint8_t { kKept = 0, kOlder = 1, kLied = 2, kNotOurs = 3, kFull = 4, kFalse = 5 };

class Shelf {
 public:
  explicit Shelf(const CoordinatorId& self) : self_(self) {}

  // The record was proved. `coordinators`: that are known, with or without this one.
  Taken take(SignedRecord record, std::span<const Coordinator> coordinators);
  std::vector<ByteView> give(const AgentId& agent) const;  // kGivenMax at most, the first in order first
  void expire(std::int64_t now_ms);
  std::size_t size() const { return size_; }
  std::uint64_t lies() const { return lies_; }

 private:
  struct Kept {
    SignedRecord record;
    Bytes other = {};  // of the same sequence, when it lied
    std::int64_t end_ms = 0;
  };
  using Machines = std::map<MachineId, Kept>;
  Taken replace(Kept& have, SignedRecord record);
  bool make_place(const Record& for_this);
  void drop(const AgentId& agent, const MachineId& machine);
  std::pair<Hash32, AgentId> place_of(const AgentId& agent) const { return {weight_of(shard_of(agent), self_), agent}; }

  CoordinatorId self_;
  std::map<AgentId, Machines> agents_;
  std::map<MachineId, std::size_t> agents_of_;      // how many of each machine are kept
  std::set<std::pair<Hash32, AgentId>> by_weight_;  // ours for the shard of each agent
  std::size_t size_ = 0;
  std::uint64_t lies_ = 0;
};

}  // namespace hanse::rendezvous
