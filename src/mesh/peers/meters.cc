#include "mesh/peers/meters.h"

#include <algorithm>

namespace hanse::peers {
namespace {

constexpr std::uint64_t kFrameHead = 64;  // length, type and an opening, generously

}  // namespace

std::uint64_t Meters::burst() const { return std::max<std::uint64_t>(rate_, transport::kFrameBodyMax + kFrameHead); }

Meters::Peer* Meters::find(const PeerId& peer) {
  const auto at = peers_.find(peer);
  return at == peers_.end() || !at->second.up ? nullptr : &at->second;
}

void Meters::up(const PeerId& peer, std::int64_t now_ns) {
  const auto full = [&](const std::optional<TokenBucket>& b) { return !b || b->ready_ns(now_ns, burst()) <= now_ns; };
  std::erase_if(peers_, [&](const auto& p) { return !p.second.up && full(p.second.in) && full(p.second.out); });
  Peer& p = peers_[peer];
  p.up = true;
  p.flows.clear();
  if (rate_ == 0 || p.in) return;
  p.in.emplace(rate_, burst());
  p.out.emplace(rate_, burst());
}

void Meters::down(const PeerId& peer) {
  const auto at = peers_.find(peer);
  if (at == peers_.end()) return;
  at->second.up = false;
  at->second.held.clear();  // with their connection
  at->second.wants = 0;
}

void Meters::came(const PeerId& peer, std::uint64_t protocol, std::size_t bytes) {
  totals_[protocol].bytes_in += bytes;
  if (Peer* p = find(peer)) p->flows[protocol].bytes_in += bytes;
}

bool Meters::take_datagram(const PeerId& peer, std::size_t bytes, std::int64_t now_ns) {
  Peer* p = find(peer);
  if (p != nullptr && p->in && (!p->held.empty() || !p->in->take(now_ns, tokens(bytes)))) {
    ++counts_.dropped;
    return false;
  }
  came(peer, kDatagramFlow, bytes);
  return true;
}

bool Meters::give_back(const PeerId& peer, const Held& held, std::int64_t now_ns) {
  Peer* p = find(peer);
  if (p == nullptr || !p->in || (p->held.empty() && p->in->take(now_ns, tokens(held.credit)))) return true;
  ++counts_.held_back;
  p->held.push_back(held);
  return false;
}

bool Meters::may_send(const PeerId& peer, std::uint64_t bytes, std::int64_t now_ns) {
  Peer* p = find(peer);
  if (p == nullptr || !p->out || p->out->ready_ns(now_ns, tokens(bytes)) <= now_ns) {
    if (p != nullptr && p->out) (void)p->out->take(now_ns, tokens(bytes));
    return true;
  }
  ++counts_.refused;
  p->wants = std::max(p->wants, bytes);
  return false;
}

void Meters::sent(const PeerId& peer, std::uint64_t protocol, std::size_t bytes) {
  totals_[protocol].bytes_out += bytes;
  if (Peer* p = find(peer)) p->flows[protocol].bytes_out += bytes;
}

std::int64_t Meters::next_ns() const {
  std::int64_t next = INT64_MAX;
  if (rate_ == 0) return next;
  for (const auto& [peer, p] : peers_) {
    if (!p.held.empty()) next = std::min(next, p.in->ready_ns(INT64_MIN / 8, tokens(p.held.front().credit)));
    if (p.wants != 0) next = std::min(next, p.out->ready_ns(INT64_MIN / 8, tokens(p.wants)));
  }
  return next;
}

std::vector<Held> Meters::due(std::int64_t now_ns) {
  std::vector<Held> out;
  if (rate_ == 0) return out;
  for (auto& [peer, p] : peers_)
    while (!p.held.empty() && p.in->take(now_ns, tokens(p.held.front().credit))) {
      out.push_back(p.held.front());
      p.held.pop_front();
    }
  return out;
}

std::vector<PeerId> Meters::roomy(std::int64_t now_ns) {
  std::vector<PeerId> out;
  if (rate_ == 0) return out;
  for (auto& [peer, p] : peers_)
    if (p.wants != 0 && p.out->ready_ns(now_ns, tokens(p.wants)) <= now_ns) {
      p.wants = 0;
      out.push_back(peer);
    }
  return out;
}

const Flows* Meters::flows(const PeerId& peer) const {
  const auto at = peers_.find(peer);
  return at == peers_.end() || !at->second.up ? nullptr : &at->second.flows;
}

}  // namespace hanse::peers
