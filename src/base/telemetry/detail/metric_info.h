// What the rows of the catalogue are made of; see catalog.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/telemetry/metric.h"

namespace hanse::telemetry {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };
enum class Unit : std::uint8_t { kNone, kSeconds, kBytes, kUt };  // kSeconds: recorded in nanoseconds

constexpr std::size_t kLabelsMax = 2;
constexpr std::size_t kSeriesMax = 128;     // label values a metric keeps apart; further ones become "other"
constexpr std::size_t kLabelBytesMax = 64;  // of a label value; longer ones are cut
constexpr std::string_view kOverflow = "other";

struct MetricInfo {
  Metric metric;
  std::string_view name;
  MetricType type;
  Unit unit;
  std::array<std::string_view, kLabelsMax> labels;  // empty names are absent
  std::string_view help;
  std::span<const std::int64_t> buckets;  // upper bounds, ascending, in raw units; histograms only

  constexpr std::size_t label_count() const {
    std::size_t n = 0;
    while (n < kLabelsMax && !labels[n].empty()) ++n;
    return n;
  }
};

namespace detail {
constexpr std::int64_t kUs = 1'000, kMs = 1'000'000, kS = 1'000'000'000;
}  // namespace detail

}  // namespace hanse::telemetry
