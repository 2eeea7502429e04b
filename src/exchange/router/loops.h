// Cells that a node sends to itself through the mix: those that do not come back in time tell of mixes that drop, delay
// or flood (the n-1 attack). Plain value; times are the caller's monotonic nanoseconds.
// Limits: kLoopsMax on their way (the oldest counts as lost then); judged over the last kLoopsJudged. Errors: none.
#pragma once

#include <deque>
#include <map>

#include "exchange/router/packet.h"

namespace hanse::router {

constexpr std::size_t kLoopsMax = 4'096;
constexpr std::size_t kLoopsJudged = 50;
constexpr std::uint64_t kLoopsBackPercentMin = 80;

class Loops {
 public:
  void sent(const Target& id, std::int64_t deadline_ns);
  bool back(const Target& id);  // false: not one of ours, or too late
  bool waits(const Target& id) const { return waiting_.contains(id); }
  void tick(std::int64_t now_ns);
  bool alarm() const { return alarm_; }  // fewer than kLoopsBackPercentMin of kLoopsJudged came back
  std::size_t on_their_way() const { return waiting_.size(); }

 private:
  void judge(bool came_back);

  std::map<Target, std::int64_t> waiting_;
  std::deque<bool> judged_;
  bool alarm_ = false;
};

}  // namespace hanse::router
