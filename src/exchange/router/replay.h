// Which cells of one epoch key were seen: an exact set of 8-byte fingerprints of replay tags, open addressing with
// linear probing. Tags come out of the layer's key derivation, so they are random to everybody but the sender.
// Two tags with one fingerprint: of n cells a new one is refused as a replay with probability n / 2^64; a replay is
// never let through.
// A full set refuses what is new (router.replay_full) and forgets nothing: its owner stops reading cells. Memory is 8
// bytes a slot for a load of at most 7 in 10, taken in doublings up to the limit.
// Threads: one at a time. Errors: router.replay (conflict: seen before), router.replay_full (exhausted).
#pragma once

#include <vector>

#include "exchange/router/packet.h"

namespace hanse::router {

constexpr std::size_t kReplayMax = 6'600'000;  // 10,000 cells a second for an epoch of 600 s and its grace of 60 s

class ReplaySet {
 public:
  explicit ReplaySet(std::size_t tags_max = kReplayMax);
  Status add(const ReplayTag& tag);  // test and set
  bool full() const { return count_ >= tags_max_; }
  std::size_t size() const { return count_; }
  std::vector<std::uint64_t> fingerprints() const;  // in no order
  Status restore(const std::vector<std::uint64_t>& fingerprints);

 private:
  Status add(std::uint64_t fingerprint);
  void grow();

  std::size_t tags_max_;
  std::size_t count_ = 0;
  bool zero_seen_ = false;            // 0 marks an empty slot
  std::vector<std::uint64_t> slots_;  // a power of two of them
};

}  // namespace hanse::router
