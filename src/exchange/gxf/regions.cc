#include "exchange/gxf/detail/fields.h"
#include "exchange/gxf/job_file.h"

namespace hanse::gxf {

namespace {

// Append only: a bit never changes its meaning, since jobs and asks on the ledger hold numbers.
constexpr Region kRegions[] = {{"US", 0},    {"EU", 1},  {"APAC", 2},   {"UK", 3}, {"CH", 4},  {"CA", 5},
                               {"LATAM", 6}, {"MEA", 7}, {"AFRICA", 8}, {"IN", 9}, {"JP", 10}, {"AU", 11}};

}  // namespace

std::span<const Region> regions() { return kRegions; }

const Region* find_region(std::string_view name) {
  for (const Region& region : kRegions)
    if (detail::lower(region.name) == detail::lower(name)) return &region;
  return nullptr;
}

}  // namespace hanse::gxf
