// Plan files are written by people.
#include <cstddef>

#include "base/core/bytes.h"
#include "base/core/check.h"
#include "sim/world/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = hanse::sim::read_plan(hanse::as_text({data, size}));
  if (!plan) return 0;
  const auto again = hanse::sim::read_plan(hanse::sim::write_plan(*plan));
  hanse::check(again && again->faults == plan->faults && again->seed == plan->seed, "a plan survives its file");
  return 0;
}
