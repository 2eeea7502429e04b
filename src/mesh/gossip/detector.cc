#include "mesh/gossip/detector.h"

#include <algorithm>

namespace hanse::gossip {

namespace {

// A liar may not push the own incarnation to where it cannot grow any more.
constexpr std::uint64_t kIncarnationStepMax = 1u << 20;

}  // namespace

Detector::Detector(const DetectorConfig& config, Random& random, std::int64_t now_ns)
    : config_(config), random_(random), nonce_(random.next_u64()) {
  // Nodes that start together do not probe together.
  probe_at_ns_ = now_ns + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(config_.probe_ms * kMs)));
}

void Detector::up(std::int64_t now, const PeerId& peer) {
  if (find(peer) != nullptr) return;
  // At a drawn place of the round, as SWIM asks.
  const auto at = static_cast<std::ptrdiff_t>(random_.below(watched_.size() + 1));
  watched_.insert(watched_.begin() + at, Watched{.peer = peer, .heard_ns = now});
}

void Detector::down(const PeerId& peer) {
  std::erase_if(watched_, [&](const Watched& w) { return w.peer == peer; });
  if (probe_.peer == peer) probe_.stage = Stage::kIdle;
}

void Detector::heard(std::int64_t now, const PeerId& peer) {
  if (Watched* w = find(peer)) w->heard_ns = now;
}

void Detector::receive(std::int64_t now, const PeerId& from, const Body& body, bool is_neighbour, DetectorOut& out) {
  if (const auto* asked = std::get_if<Ping>(&body)) {
    if (asked->suspected != 0 && asked->incarnation >= incarnation_ &&
        asked->incarnation - incarnation_ < kIncarnationStepMax)
      incarnation_ = asked->incarnation + 1;
    out.sends.push_back({from, Ack{.nonce = asked->nonce,
                                   .incarnation = incarnation_,
                                   .neighbour = static_cast<std::uint8_t>(is_neighbour ? 1 : 0)}});
    return;
  }
  if (const auto* ack = std::get_if<Ack>(&body)) {
    if (const auto it = relays_.find(ack->nonce); it != relays_.end()) {
      if (it->second.target != from) return;
      out.sends.push_back({it->second.asker, PingAnswer{it->second.nonce, from, ack->incarnation}});
      relays_.erase(it);
      return;
    }
    Watched* w = find(from);
    if (w == nullptr) return;
    if (ack->neighbour == 0) out.disowned.push_back(from);
    if (probe_.stage != Stage::kIdle && probe_.peer == from && probe_.nonce == ack->nonce) {
      const std::int64_t sample = now - probe_.sent_ns;
      w->rtt_ns = w->rtt_ns == 0 ? sample : w->rtt_ns - w->rtt_ns / 8 + sample / 8;
      probe_.stage = Stage::kIdle;
    }
    answered(from, ack->incarnation);
    return;
  }
  if (const auto* request = std::get_if<PingRequest>(&body)) {
    relay(now, from, *request, out);
    return;
  }
  if (const auto* answer = std::get_if<PingAnswer>(&body)) {
    if (find(from) == nullptr) return;  // helpers are neighbours
    if (probe_.stage != Stage::kIdle && probe_.peer == answer->target && probe_.nonce == answer->nonce)
      probe_.stage = Stage::kIdle;
    answered(answer->target, answer->incarnation);
  }
}

void Detector::tick(std::int64_t now, DetectorOut& out) {
  std::erase_if(relays_, [&](const auto& r) { return r.second.deadline_ns <= now; });
  if (probe_.stage != Stage::kIdle && probe_.deadline_ns <= now) next_stage(now, out);
  for (const Watched& w : watched_)
    if (w.suspected_ns >= 0 && now - w.suspected_ns >= config_.suspect_ms * kMs) out.failed.push_back(w.peer);
  for (const PeerId& peer : out.failed) {
    ++counters_.failures;
    down(peer);
  }
  if (probe_at_ns_ <= now) {
    probe_at_ns_ = now + config_.probe_ms * kMs;
    next_probe(now, out);
  }
}

std::int64_t Detector::wake_ns() const {
  std::int64_t at = probe_at_ns_;
  if (probe_.stage != Stage::kIdle) at = std::min(at, probe_.deadline_ns);
  for (const Watched& w : watched_)
    if (w.suspected_ns >= 0) at = std::min(at, w.suspected_ns + config_.suspect_ms * kMs);
  return at;
}

std::int64_t Detector::rtt_p90_ns() const {
  std::vector<std::int64_t> all;
  for (const Watched& w : watched_)
    if (w.rtt_ns > 0) all.push_back(w.rtt_ns);
  if (all.empty()) return 0;
  std::ranges::sort(all);
  return all[(all.size() * 9 + 9) / 10 - 1];
}

bool Detector::suspected(const PeerId& peer) const {
  const auto it = std::ranges::find(watched_, peer, &Watched::peer);
  return it != watched_.end() && it->suspected_ns >= 0;
}

Detector::Watched* Detector::find(const PeerId& peer) {
  const auto it = std::ranges::find(watched_, peer, &Watched::peer);
  return it == watched_.end() ? nullptr : &*it;
}

// An answer that was on its way before the suspicion has the old incarnation and clears nothing.
void Detector::answered(const PeerId& peer, std::uint64_t incarnation) {
  Watched* w = find(peer);
  if (w == nullptr) return;
  if (w->suspected_ns >= 0 && incarnation > w->suspected_incarnation) {
    w->suspected_ns = -1;
    ++counters_.refutations;
  }
  w->incarnation = std::max(w->incarnation, incarnation);
}

std::int64_t Detector::patience_ns(const Watched& w) const { return std::max(config_.ack_ms * kMs, 3 * w.rtt_ns); }

void Detector::ping(std::int64_t now, Watched& w, DetectorOut& out) {
  probe_ = {
      .peer = w.peer, .nonce = ++nonce_, .sent_ns = now, .deadline_ns = now + patience_ns(w), .stage = Stage::kDirect};
  ++counters_.probes;
  const bool suspected = w.suspected_ns >= 0;
  out.sends.push_back({w.peer, Ping{.nonce = probe_.nonce,
                                    .suspected = static_cast<std::uint8_t>(suspected ? 1 : 0),
                                    .incarnation = suspected ? w.suspected_incarnation : 0}});
}

void Detector::ask_helpers(const Watched& w, std::uint64_t nonce, DetectorOut& out) {
  std::vector<PeerId> others;
  for (const Watched& o : watched_)
    if (o.peer != w.peer && o.suspected_ns < 0) others.push_back(o.peer);
  const bool suspected = w.suspected_ns >= 0;
  for (std::size_t i = 0; i < kHelpersMax && !others.empty(); ++i) {
    std::swap(others[random_.below(others.size())], others.back());
    ++counters_.probes_indirect;
    out.sends.push_back({others.back(), PingRequest{.nonce = nonce,
                                                    .target = w.peer,
                                                    .suspected = static_cast<std::uint8_t>(suspected ? 1 : 0),
                                                    .incarnation = suspected ? w.suspected_incarnation : 0}});
    others.pop_back();
  }
}

void Detector::missed(std::int64_t now, Watched& w) {
  if (now - w.heard_ns < config_.heard_ms * kMs) return;
  w.suspected_ns = now;
  w.suspected_incarnation = w.incarnation;
  ++counters_.suspicions;
}

void Detector::next_stage(std::int64_t now, DetectorOut& out) {
  Watched* w = find(probe_.peer);
  if (w == nullptr) {
    probe_.stage = Stage::kIdle;
    return;
  }
  if (probe_.stage == Stage::kDirect) {
    probe_.stage = Stage::kIndirect;
    probe_.deadline_ns = now + patience_ns(*w);
    ask_helpers(*w, probe_.nonce, out);
    return;
  }
  probe_.stage = Stage::kIdle;
  if (w->suspected_ns < 0) missed(now, *w);
}

// Suspected neighbours are asked at every turn: they have suspect_ms to answer.
void Detector::next_probe(std::int64_t now, DetectorOut& out) {
  for (Watched& w : watched_) {
    if (w.suspected_ns < 0) continue;
    if (w.heard_ns > w.suspected_ns) {  // bytes of its own, since: no doubt is left
      w.suspected_ns = -1;
      ++counters_.refutations;
      continue;
    }
    const std::uint64_t nonce = ++nonce_;
    out.sends.push_back({w.peer, Ping{.nonce = nonce, .suspected = 1, .incarnation = w.suspected_incarnation}});
    ask_helpers(w, nonce, out);
  }
  if (probe_.stage != Stage::kIdle || watched_.empty()) return;
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    Watched& w = watched_[turn_++ % watched_.size()];
    if (w.suspected_ns >= 0) continue;
    ping(now, w, out);
    return;
  }
}

void Detector::relay(std::int64_t now, const PeerId& from, const PingRequest& m, DetectorOut& out) {
  if (find(from) == nullptr || relays_.size() >= kRelaysMax) {
    ++counters_.relays_refused;
    return;
  }
  const std::uint64_t nonce = ++nonce_;
  relays_[nonce] = {.asker = from, .target = m.target, .nonce = m.nonce, .deadline_ns = now + 2 * config_.ack_ms * kMs};
  out.sends.push_back({m.target, Ping{.nonce = nonce, .suspected = m.suspected, .incarnation = m.incarnation}});
}

}  // namespace hanse::gossip
