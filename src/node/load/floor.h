// Floor: the least that a three-phase protocol of `nodes` processes costs on this machine, as a program of its own to
// compare the chain with in the same minute. Each process has a UDP socket on loopback and a prewritten journal; a slot
// is a proposal, votes and second votes of 160 bytes each (consensus.md 4); no signatures, no execution, no state.
// With sync, every process writes a 4 KiB block and waits for fdatasync before each burst of messages it sends, one
// sync for all that came together. The latency is a slot's at the leader, from proposal to quorum of second votes.
// Also measures the disk alone: pwrite of 4 KiB and fdatasync, one process, nothing else.
// A lost datagram is sent again after kResendMs. Files lie in `dir` and are removed.
// Threads: one; forks `nodes - 1` children, which end with the call. Errors: load.system (internal: call and errno),
// load.floor (internal: a child failed or nothing went on).
#pragma once

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "node/load/histogram.h"

namespace hanse::load {

constexpr std::size_t kFloorMessageBytes = 160;
constexpr std::uint32_t kFloorNodesMax = 32;
constexpr std::uint32_t kFloorWindowMax = 1'024;
constexpr std::int64_t kResendMs = 50;

struct FloorOptions {
  std::string dir;  // of the journals: on the disk that is to be compared
  double seconds = 3;
  std::uint32_t nodes = 4;
  std::uint32_t window = 1;  // slots in flight
  bool sync = true;
};

struct Floor {
  Histogram slots;
  double slots_per_second = 0;
};
Result<Floor> run_floor(const FloorOptions& options);

struct RawDisk {
  Histogram syncs;
};
Result<RawDisk> run_raw_disk(const std::string& dir, double seconds);

}  // namespace hanse::load
