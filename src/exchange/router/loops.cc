#include "exchange/router/loops.h"

#include <algorithm>

namespace hanse::router {

void Loops::sent(const Target& id, std::int64_t deadline_ns) {
  if (waiting_.size() >= kLoopsMax) {
    waiting_.erase(std::ranges::min_element(waiting_, {}, [](const auto& w) { return w.second; }));
    judge(false);
  }
  waiting_.emplace(id, deadline_ns);
}

bool Loops::back(const Target& id) {
  if (waiting_.erase(id) == 0) return false;
  judge(true);
  return true;
}

void Loops::tick(std::int64_t now_ns) {
  const std::size_t lost = std::erase_if(waiting_, [now_ns](const auto& w) { return w.second <= now_ns; });
  for (std::size_t i = 0; i < lost; ++i) judge(false);
}

void Loops::judge(bool came_back) {
  judged_.push_back(came_back);
  if (judged_.size() > kLoopsJudged) judged_.pop_front();
  const auto back = static_cast<std::uint64_t>(std::ranges::count(judged_, true));
  alarm_ = judged_.size() == kLoopsJudged && back * 100 < kLoopsJudged * kLoopsBackPercentMin;
}

}  // namespace hanse::router
