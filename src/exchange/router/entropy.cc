#include "exchange/router/entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/core/text.h"

namespace hanse::router {
namespace {

constexpr double kTwoDelaysBits = 2.275;

double entropy_of_bit(double p) { return p <= 0 || p >= 1 ? 0 : -p * std::log2(p) - (1 - p) * std::log2(1 - p); }

}  // namespace

void EntropyMeter::departed() {
  if (held() == 0) return;
  const double share = static_cast<double>(fresh_) / static_cast<double>(held());
  const double fresh_bits = fresh_ == 0 ? 0 : std::log2(static_cast<double>(fresh_));
  bits_ = entropy_of_bit(share) + share * fresh_bits + (1 - share) * bits_;
  old_ = held() - 1;
  fresh_ = 0;
}

void RateMeter::roll(std::int64_t now_ns) {
  const std::int64_t window = now_ns / window_ns_;
  if (window_ < 0) first_ = window_ = window;
  if (window <= window_) return;
  before_ = window == window_ + 1 ? last_ : 0;
  last_ = window == window_ + 1 ? count_ : 0;
  count_ = 0;
  window_ = window;
}

void RateMeter::arrived(std::int64_t now_ns) {
  roll(now_ns);
  ++count_;
}

// The window in which counting began was not a whole one.
double RateMeter::per_second(std::int64_t now_ns) {
  roll(now_ns);
  const std::int64_t whole = std::min<std::int64_t>(window_ - first_ - 1, 2);
  if (whole <= 0) return 0;
  return (last_ + (whole == 2 ? before_ : 0)) / (static_cast<double>(whole * window_ns_) / 1e9);
}

double mix_bits(double arrivals_per_s, double delay_mean_s) {
  const double held = arrivals_per_s * delay_mean_s;
  return held <= 0 ? 0 : std::max(0.0, std::log2(std::exp(1.0) * held));
}

double cut_mean_ms(double mean_ms) {
  const double cut = static_cast<double>(kDelayMaxMs), tail = std::exp(-cut / mean_ms);
  return mean_ms - cut * tail / (1 - tail);
}

double draw_exponential(double mean, Random& random) {
  const double uniform = (static_cast<double>(random.next_u64() >> 11) + 1) * 0x1p-53;  // in (0, 1]
  return -mean * std::log(uniform);
}

std::int64_t next_event_ns(std::int64_t from_ns, double per_second, Random& random) {
  if (per_second <= 0) return std::numeric_limits<std::int64_t>::max();
  return from_ns + static_cast<std::int64_t>(draw_exponential(1e9 / per_second, random));
}

std::uint16_t draw_delay_ms(double mean_ms, Random& random) {
  for (;;) {  // ends: above the maximum is less than one draw in two for any mean below it
    const double ms = draw_exponential(mean_ms, random);
    if (ms <= static_cast<double>(kDelayMaxMs)) return static_cast<std::uint16_t>(std::max(1.0, std::round(ms)));
  }
}

Result<double> mean_delay_ms(const Traffic& traffic, const AnonymityWanted& wanted) {
  std::vector<double> rates(traffic.hops_per_s.begin(), traffic.hops_per_s.end());
  std::ranges::sort(rates);
  rates.resize(std::min<std::size_t>(rates.size(), 2));
  const auto bits = [&](double mean_ms) {
    const double mean_s = cut_mean_ms(mean_ms) / 1'000;
    double sum = 0;
    for (const double rate : rates) sum += mix_bits(rate, mean_s);
    const double meanwhile = traffic.stratum_per_s * mean_s;
    return std::min(sum, meanwhile <= 0 ? 0 : std::max(0.0, std::log2(meanwhile) + kTwoDelaysBits));
  };
  double low = wanted.mean_ms_min, high = wanted.mean_ms_max;
  if (bits(high) < wanted.bits)
    return fail(Kind::kUnavailable, "router.anon_set_too_small",
                text("found {:.1f} bits over two hops at a mean delay of {:.0f} ms, expected {:.1f}: the mixes see too "
                     "little traffic to hide a message",
                     bits(high), high, wanted.bits));
  if (bits(low) >= wanted.bits) return low;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (bits(middle) >= wanted.bits ? high : low) = middle;
  }
  return high;
}

}  // namespace hanse::router
