// Quorum arithmetic in basis points of voting power (consensus.md 5.1). Never heads: a voter counts once, with its
// power.
//   W = 10000      all power
//   Q = quorum     prepare, commit, view change, stable checkpoint; two of them overlap in at least 2Q - W > F
//   F = W - Q      the most that may be Byzantine
//   A = F + 1      so much of anything includes an honest replica
//   E = economic   transferable finality
// Pure values; any thread. Errors: consensus.power (invalid: powers that do not sum to W, a bad Q or E, too many).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/core/result.h"

namespace hanse::consensus {

using Index = std::uint16_t;  // a replica, by its place in the validator set

constexpr std::size_t kReplicasMax = 128;
constexpr std::uint32_t kPowerTotal = 10'000;
constexpr std::uint32_t kQuorumMin = 6'667, kQuorumMax = 10'000;

class Power {
 public:
  static Result<Power> create(std::vector<std::uint16_t> bp, std::uint32_t quorum_bp, std::uint32_t economic_bp);

  std::size_t count() const { return bp_.size(); }
  std::uint32_t of(Index replica) const { return bp_[replica]; }
  std::uint32_t quorum() const { return quorum_; }
  std::uint32_t economic() const { return economic_; }
  std::uint32_t faulty() const { return kPowerTotal - quorum_; }
  std::uint32_t one_honest() const { return faulty() + 1; }

  // Smooth weighted round robin over kScheduleSlots turns: each replica leads in proportion to its power. The schedule
  // begins at the turn given to start_at (the epoch), so that not always the same replica leads first.
  void start_at(std::uint64_t turn);
  Index leader(std::uint64_t view) const { return schedule_[view % schedule_.size()]; }

 private:
  Power() = default;
  std::vector<std::uint16_t> bp_;
  std::uint32_t quorum_ = 0, economic_ = 0;
  std::vector<Index> schedule_;
};

// A set of replicas.
class Voters {
 public:
  bool add(Index replica) {  // false when it was in
    std::uint64_t& word = words_[replica / 64];
    const std::uint64_t bit = std::uint64_t{1} << (replica % 64);
    const bool fresh = (word & bit) == 0;
    word |= bit;
    return fresh;
  }
  bool contains(Index replica) const { return (words_[replica / 64] >> (replica % 64) & 1) != 0; }
  std::uint32_t power(const Power& power) const {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < power.count(); ++i)
      if (contains(static_cast<Index>(i))) sum += power.of(static_cast<Index>(i));
    return sum;
  }

 private:
  std::array<std::uint64_t, kReplicasMax / 64> words_{};
};

}  // namespace hanse::consensus
