// When an address that others see us with is believed: two observers that agree and are not neighbours (different /16,
// or /32 of IPv6), or one that the operator trusts. One liar, or many in one network, cannot make a node publish
// another machine's address. Shapes: the last word of an observer counts, for kObservationNs; at most kObserversMax
// observers, of which at most kPerNetworkMax in one network, so a crowd cannot push others out. Times are monotonic
// nanoseconds of the caller. Threads: one at a time. Errors: none; what is not taken is counted.
#pragma once

#include <map>
#include <vector>

#include "mesh/nat/endpoint.h"

namespace hanse::nat {

constexpr std::size_t kObserversMax = 64, kPerNetworkMax = 4, kReflexiveMax = 4;
constexpr std::int64_t kObservationNs = 1200 * std::int64_t{1'000'000'000};

enum class Trust : std::uint8_t { kPeer, kConfigured };

struct Observation {
  Address observer;
  Trust trust = Trust::kPeer;
  Endpoint seen;
};

class ObservedAddresses {
 public:
  void add(const Observation& observation, std::int64_t now_ns);
  // The believed ones, most observers first; at most kReflexiveMax.
  std::vector<Endpoint> believed(std::int64_t now_ns);
  std::uint64_t refused() const { return refused_; }

 private:
  struct Word {
    Endpoint seen;
    Trust trust = Trust::kPeer;
    std::int64_t until_ns = 0;
  };
  std::map<Address, Word> words_;
  std::uint64_t refused_ = 0;
};

}  // namespace hanse::nat
