// Histogram: counts of durations in buckets whose width is at most 1/64 of their value, from 1 ns to 2^63 ns, as in
// HdrHistogram. Adding is a few instructions, so what is measured is not the measuring. Quantiles are a bucket's upper
// end: never better than what was seen, worse by at most 1.6 %.
// Threads: one at a time; merge() joins what several threads counted. Errors: none.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace hanse::load {

class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void add(std::int64_t ns) {
    const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 1));
    ++counts_[bucket_of(v)];
    ++count_;
    max_ = std::max(max_, v);
  }
  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  std::uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }
  // The duration that a share q of all did not exceed; 0 when nothing was added.
  double quantile_ms(double q) const {
    if (count_ == 0) return 0;
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= std::max<std::uint64_t>(rank, 1)) return static_cast<double>(std::min(upper_end(i), max_)) / 1e6;
    }
    return max_ms();
  }

 private:
  static constexpr std::size_t kSubBits = 6;
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) * kSub;

  static std::size_t bucket_of(std::uint64_t v) {
    if (v < kSub) return v;
    const auto shift = static_cast<std::size_t>(std::bit_width(v)) - kSubBits - 1;
    return (shift + 1) * kSub + static_cast<std::size_t>(v >> shift) - kSub;
  }
  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < kSub) return bucket;
    const std::size_t shift = bucket / kSub - 1;
    return ((bucket % kSub + kSub + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace hanse::load
