// Search: what a node does that looks for an agent, or publishes one, without the network: which coordinators are still
// to be asked (Round), and what their answers say together (Sightings; mesh.md 5.13). Nothing that a coordinator says
// is believed: records are proved before they come here (record.h), and the name of another coordinator is a hint.
//   Round      the holders of the shard (holders.h) among those that are known, that others named and that did not
//              fail: each is to be spoken with once; for one that failed the next in rank
//   Sightings  of each machine its newest record; one whose records differ under one sequence is left out, one that
//              says that the agent has left too
// Values; any thread. Limits: kAskedMax coordinators of a Round, kNamedMax that others name; kSeenMax machines of
// Sightings, of a further one nothing is kept. Errors: none.
#pragma once

#include <map>
#include <set>

#include "mesh/rendezvous/holders.h"
#include "mesh/rendezvous/record.h"

namespace hanse::rendezvous {

constexpr std::size_t kAskedMax = 24, kNamedMax = 64, kSeenMax = 32;

class Round {
 public:
  // Who is in `settled` is not spoken with, and holds its place.
  Round(std::uint16_t shard, std::vector<Coordinator> known, std::set<CoordinatorId> settled = {});

  std::vector<CoordinatorId> next();  // whom to speak with now; each is given once
  void answered(const CoordinatorId& who, std::span<const CoordinatorId> named);
  void failed(const CoordinatorId& who);
  bool done() const;  // nobody is to be asked and nobody owes an answer; after next()
  std::size_t asked() const { return asked_.size(); }
  const std::set<CoordinatorId>& settled() const { return settled_; }

 private:
  std::uint16_t shard_;
  std::vector<Coordinator> known_;
  std::set<CoordinatorId> asked_, settled_, failed_;
  std::size_t named_ = 0;
};

struct Place {
  MachineId machine = {};
  std::size_t told_by = 0;  // coordinators that gave this record
  std::int64_t certified_ms = 0, end_ms = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

class Sightings {
 public:
  void add(const SignedRecord& record);
  std::vector<Place> places() const;  // that to be tried first stands first

 private:
  struct Seen {
    Record record;
    std::size_t told_by = 0;
    bool lied = false;
  };
  std::map<MachineId, Seen> seen_;
};

}  // namespace hanse::rendezvous
