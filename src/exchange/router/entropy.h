// How well a mix hides: measured per mix, and what a sender must ask of the mixes of its path.
//   EntropyMeter   the entropy of who a departing cell was, to somebody who sees all links (Loopix, USENIX Security
//   2017,
//                  section 4.1.3): with k arrivals since the last departure and l cells left over from before it,
//                  H(t) = h(k/(k+l)) + k/(k+l) log2 k + l/(k+l) H(t-1), h the entropy of one bit. For Poisson arrivals
//                  of rate r and exponential delays of mean d it stays about log2(e r d) (Danezis, "The Traffic
//                  Analysis of Continuous-Time Mixes", 2004)
//   RateMeter      arrivals a second over the last two whole windows, of 10 s as a rule: what a mix publishes
//   mean_delay     the smallest mean delay a hop with which two honest hops give the target of bits. Two bounds hold at
//                  once: the sum of log2(e r d) over the two hops that see the least traffic (exchange.md 5.1), and, as
//                  hops share their traffic and cannot hide a cell among more than the whole mix carries meanwhile,
//                  log2(R d) + h: R the cells a second of the whole stratum, h the entropy of two exponential delays of
//                  mean 1 added up, (2 - psi(2)) / ln 2 = 2.275 bits. sim/mixnet measures that the sum alone
//                  promises too much: 5.6 bits from end to end where it says 7. Delays are drawn again above
//                  kDelayMaxMs, so the mean that counts is the smaller one of the cut distribution
// Floating point: none of this is replicated. Plain values. Errors: router.anon_set_too_small (unavailable: not even
// the longest mean delay gives the target; the message is not sent, and no other lane is taken for it).
#pragma once

#include <cstdint>
#include <span>

#include "base/core/random.h"
#include "base/core/result.h"

namespace hanse::router {

constexpr std::int64_t kDelayMaxMs = 65'535;  // what a cell's u16 holds

class EntropyMeter {
 public:
  void arrived() { ++fresh_; }
  void departed();
  double bits() const { return bits_; }  // of the last departure
  std::uint64_t held() const { return fresh_ + old_; }

 private:
  std::uint64_t fresh_ = 0, old_ = 0;
  double bits_ = 0;
};

class RateMeter {
 public:
  static constexpr std::int64_t kWindowNs = 10'000'000'000;
  explicit RateMeter(std::int64_t window_ns = kWindowNs) : window_ns_(window_ns) {}
  void arrived(std::int64_t now_ns);
  double per_second(std::int64_t now_ns);  // 0 before the first whole window

 private:
  void roll(std::int64_t now_ns);
  std::int64_t window_ns_;
  std::int64_t window_ = -1;  // number of the window being filled
  std::int64_t first_ = -1;
  double count_ = 0, last_ = 0, before_ = 0;
};

double mix_bits(double arrivals_per_s, double delay_mean_s);  // log2(e r d), not below 0
double cut_mean_ms(double mean_ms);                           // of an exponential drawn again above kDelayMaxMs
std::uint16_t draw_delay_ms(double mean_ms, Random& random);  // 1 to kDelayMaxMs
double draw_exponential(double mean, Random& random);
std::int64_t next_event_ns(std::int64_t from_ns, double per_second, Random& random);  // of a Poisson process

struct AnonymityWanted {
  double bits = 12;  // over two hops
  double mean_ms_min = 500;
  double mean_ms_max = 30'000;
};
struct Traffic {
  std::span<const double> hops_per_s;  // that each mix of the path sees
  double stratum_per_s = 0;            // of the quietest stratum, all its mixes together
};
Result<double> mean_delay_ms(const Traffic& traffic, const AnonymityWanted& wanted);

}  // namespace hanse::router
