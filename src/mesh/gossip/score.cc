#include "mesh/gossip/score.h"

#include <algorithm>

namespace hanse::gossip {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kKeptNs = 3'600 * kSecondNs, kBanNs = 3'600 * kSecondNs;
constexpr std::int64_t kFirstMax = 100'000, kDeedsMax = 1'000'000, kDeficitMax = 5'000;  // thousandths
constexpr std::int64_t kDecayStepsMax = 500;  // 0.97^500 of anything here is nothing

}  // namespace

void Scores::did(std::int64_t now, const PeerId& peer, Deed deed) {
  One& o = one(now, peer);
  const auto add = [](std::int64_t& to, std::int64_t max) { to = std::min(to + 1'000, max); };
  switch (deed) {
    case Deed::kFirstDelivery: add(o.first, kFirstMax); break;
    case Deed::kInvalid: add(o.invalid, kDeedsMax); break;
    case Deed::kDeficit: add(o.deficit, kDeficitMax); break;
    case Deed::kBehaviour: add(o.behaviour, kDeedsMax); break;
  }
  if (points(o) < kScoreBanned) o.banned_until_ns = now + kBanNs;
}

void Scores::seen(std::int64_t now, const PeerId& peer) {
  const auto it = all_.find(peer);
  if (it != all_.end()) it->second.seen_ns = now;
}

void Scores::colocated(const PeerId& peer, std::uint64_t beyond) {
  const auto it = all_.find(peer);
  if (it != all_.end()) it->second.colocated = beyond;
}

std::int64_t Scores::of(std::int64_t now, const PeerId& peer) {
  const auto it = all_.find(peer);
  if (it == all_.end()) return 0;
  decay(it->second, now);
  return points(it->second);
}

bool Scores::banned(std::int64_t now, const PeerId& peer) {
  const auto it = all_.find(peer);
  return it != all_.end() && it->second.banned_until_ns > now;
}

Scores::One& Scores::one(std::int64_t now, const PeerId& peer) {
  auto it = all_.find(peer);
  if (it == all_.end()) {
    std::erase_if(all_, [&](const auto& s) {
      return all_.size() >= kScoresMax && now - s.second.seen_ns > kKeptNs && s.second.banned_until_ns <= now;
    });
    if (all_.size() >= kScoresMax)
      all_.erase(std::ranges::min_element(
          all_, {}, [](const auto& s) { return std::max(s.second.seen_ns, s.second.banned_until_ns); }));
    it = all_.emplace(peer, One{.decayed_ns = now, .seen_ns = now}).first;
  }
  decay(it->second, now);
  it->second.seen_ns = now;
  return it->second;
}

void Scores::decay(One& o, std::int64_t now) {
  std::int64_t steps = (now - o.decayed_ns) / kSecondNs;
  o.decayed_ns += steps * kSecondNs;
  for (steps = std::min(steps, kDecayStepsMax); steps > 0; --steps)
    for (std::int64_t* v : {&o.first, &o.invalid, &o.deficit, &o.behaviour}) *v = *v * 97 / 100;
}

std::int64_t Scores::points(const One& o) {
  const std::int64_t behaviour = std::max<std::int64_t>(0, o.behaviour - 4'000) / 1'000;
  const auto beyond = static_cast<std::int64_t>(std::min<std::uint64_t>(o.colocated, 12));
  return (o.first - 100 * o.invalid - 10 * o.deficit) / 1'000 - behaviour * behaviour - 10 * beyond * beyond;
}

}  // namespace hanse::gossip
