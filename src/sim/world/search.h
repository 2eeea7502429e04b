// Search: many seeds, on several threads; what fails is shrunk to the faults it needs and told in one line.
// Threads: blocks its caller and runs `threads` of its own; `progress` is called under a lock from any of them.
// Errors: world.plan.
#pragma once

#include <functional>

#include "base/core/clock.h"
#include "sim/world/world.h"

namespace hanse::sim {

constexpr unsigned kSearchThreadsMax = 256;

struct SearchOptions {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 0;   // 0: as many as fit into the time
  std::int64_t time_ms = 0;  // 0: no limit of time
  std::uint16_t n = 0;
  std::uint32_t slots = 200;
  unsigned threads = 2;
  std::size_t failures_max = 8;  // then it stops
  bool shrinks = true;
  bool real_crypto = false;
};

struct Found {
  Plan plan, small;  // as drawn; with the faults it needs
  Failure failure;   // of the small one
  std::int64_t failed_ms = 0;
};

struct SearchResult {
  std::uint64_t seeds = 0, events = 0, checks = 0, slots = 0, operations = 0;
  std::int64_t time_ms = 0;
  Coverage seen{};
  std::vector<Found> found;  // by seed
};
Result<SearchResult> search(const SearchOptions& options, Clock& clock,
                            const std::function<void(const SearchResult&)>& progress);

// Leaves out faults one by one, as long as the same rule is broken.
Plan shrink(const Plan& plan, const Failure& failure);

std::string describe(const Found& found);  // several lines, the reproduction among them

}  // namespace hanse::sim
