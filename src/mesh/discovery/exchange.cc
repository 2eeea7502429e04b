#include "mesh/discovery/exchange.h"

#include <algorithm>
#include <vector>

namespace hanse::discovery {

Exchange::Peer* Exchange::find(const PeerId& peer) {
  const auto at = peers_.find(peer);
  return at == peers_.end() || !at->second.up ? nullptr : &at->second;
}

void Exchange::up(const PeerId& peer, std::int64_t now_ns) {
  std::erase_if(peers_, [&](const auto& p) { return !p.second.up && now_ns - p.second.left_ns > kKeptNs; });
  if (const auto known = peers_.find(peer); known != peers_.end()) {
    known->second.up = true;
    known->second.asked = false;
    return;
  }
  if (peers_.size() >= kExchangePeersMax) {
    auto oldest = peers_.end();
    for (auto at = peers_.begin(); at != peers_.end(); ++at)
      if (!at->second.up && (oldest == peers_.end() || at->second.left_ns < oldest->second.left_ns)) oldest = at;
    if (oldest == peers_.end()) return;
    peers_.erase(oldest);
  }
  peers_.emplace(peer, Peer{});
}

void Exchange::down(const PeerId& peer, std::int64_t now_ns) {
  if (Peer* p = find(peer)) {
    p->up = false;
    p->left_ns = now_ns;
  }
}

void Exchange::gave(const PeerId& peer, Record record) {
  Peer* p = find(peer);
  if (p == nullptr) return;
  if (record == Record::kTrue)
    p->good = std::min(p->good + 1, kGoodMax);
  else
    ++p->wrong;
}

std::int64_t Exchange::score(const PeerId& peer, const Score& more) const {
  const auto at = peers_.find(peer);
  if (at == peers_.end()) return 0;
  return at->second.good - kFalseCost * at->second.wrong + (more ? more(peer) : 0);
}

std::optional<PeerId> Exchange::ask(std::int64_t now_ns, Random& random, const Score& more) {
  if (now_ns < next_ns_) return std::nullopt;
  std::vector<PeerId> good;
  for (const auto& [peer, p] : peers_)
    if (p.up && now_ns - p.asked_ns >= kExchangeNs && score(peer, more) > 0) good.push_back(peer);
  if (good.empty()) return std::nullopt;
  const PeerId chosen = good[random.below(good.size())];
  Peer& p = peers_.at(chosen);
  p.asked = true;
  p.asked_ns = now_ns;
  next_ns_ = now_ns + kExchangeNs;
  return chosen;
}

bool Exchange::may_answer(const PeerId& peer, std::int64_t now_ns) {
  Peer* p = find(peer);
  if (p == nullptr || now_ns - p->answered_ns < kExchangeNs) return false;
  p->answered_ns = now_ns;
  return true;
}

bool Exchange::may_take(const PeerId& peer, std::int64_t now_ns, const Score& more) {
  Peer* p = find(peer);
  if (p == nullptr || !p->asked) return false;
  p->asked = false;
  return now_ns - p->asked_ns <= kAnswerNs && score(peer, more) > 0;
}

}  // namespace hanse::discovery
