#include "mesh/gossip/membership.h"

#include <algorithm>

#include "mesh/gossip/mutant.h"

namespace hanse::gossip {

namespace {

constexpr std::int64_t kNever = INT64_MAX;
constexpr std::size_t kRefusedMax = 32;
constexpr std::size_t kGroupsMax = 256;

template <class T>
bool contains(const std::vector<T>& in, const T& what) {
  return std::ranges::find(in, what) != in.end();
}

}  // namespace

Membership::Membership(const PeerId& self, const MembershipConfig& config, Random& random, std::int64_t now_ns)
    : self_(self), config_(config), random_(random) {
  shuffle_at_ns_ = now_ns + jittered(config_.shuffle_ms);
  redial_at_ns_ = now_ns + jittered(config_.redial_ms);
  refill_at_ns_ = kNever;
  join_credit_at_ns_ = now_ns;
  join_tokens_ns_ = 1'000 * kMs;
}

void Membership::join(std::int64_t now, const PeerId& contact, MembershipOut& out) {
  if (contact == self_ || is_active(contact) || requests_.size() >= kRequestsMax) return;
  requests_[contact] = {.deadline_ns = now + config_.neighbor_timeout_ms * kMs};
  out.sends.push_back({contact, Join{}});
}

void Membership::receive(std::int64_t now, const PeerId& from, const Body& body, MembershipOut& out) {
  if (from == self_) return;
  answered(now, from);
  if (std::holds_alternative<Join>(body)) {
    take_in(now, from, out);
  } else if (const auto* walking = std::get_if<ForwardJoin>(&body)) {
    walk(now, from, *walking, out);
  } else if (const auto* ask = std::get_if<Neighbor>(&body)) {
    const bool accepted = admits(from, ask->urgency);
    if (accepted)
      add_active(now, from, Side::kInbound, out);
    else
      ++counters_.requests_refused;
    out.sends.push_back({from, NeighborReply{.accepted = static_cast<std::uint8_t>(accepted ? 1 : 0)}});
    if (!accepted) add_passive(from, config_.passive);
  } else if (const auto* answer = std::get_if<NeighborReply>(&body)) {
    reply(now, from, *answer, out);
  } else if (std::holds_alternative<Disconnect>(body)) {
    if (remove_active(from, out)) add_passive(from, config_.passive_max);
    refill(now, out);
  } else if (const auto* sample = std::get_if<Shuffle>(&body)) {
    shuffled(now, from, *sample, out);
  } else if (const auto* back = std::get_if<ShuffleReply>(&body)) {
    merge(back->peers, sent_);
  }
}

// Anything from a lost peer shows that it is back, and what parted us perhaps over.
void Membership::answered(std::int64_t now, const PeerId& from) {
  lost_.erase(from);
  const auto it = requests_.find(from);
  if (it == requests_.end() || !it->second.lost || lost_are_back_) return;
  lost_are_back_ = true;
  redial_at_ns_ = std::min(redial_at_ns_, now + config_.refill_ms * kMs);
}

void Membership::failed(std::int64_t now, const PeerId& peer, MembershipOut& out) {
  const auto request = requests_.find(peer);
  const bool asked = request != requests_.end();
  if (asked) {
    if (request->second.lost) lost_are_back_ = false;
    requests_.erase(request);
  }
  if (mutant(Mutant::kFailedKept) && is_active(peer)) return;
  const bool was_active = remove_active(peer, out);
  drop_passive(peer);
  if ((was_active || asked) && peer != self_) {
    if (lost_.size() >= kLostMax && !lost_.contains(peer)) {
      auto oldest = std::ranges::min_element(lost_, {}, [](const auto& l) { return l.second.since_ns; });
      lost_.erase(oldest);
    }
    lost_.try_emplace(peer, Lost{.since_ns = now});
  }
  refill(now, out);
}

void Membership::disowned(std::int64_t now, const PeerId& peer, MembershipOut& out) {
  if (mutant(Mutant::kOneSidedKept)) return;
  const Active* link = find(peer);
  // The other side's acceptance may be on its way.
  if (link == nullptr || now - link->since_ns < config_.neighbor_timeout_ms * kMs) return;
  remove_active(peer, out);
  add_passive(peer, config_.passive_max);
  refill(now, out);
}

void Membership::banned(std::int64_t now, const PeerId& peer, MembershipOut& out) {
  remove_active(peer, out);
  drop_passive(peer);
  lost_.erase(peer);
  requests_.erase(peer);
  refill(now, out);
}

void Membership::tick(std::int64_t now, MembershipOut& out) {
  std::vector<PeerId> late;
  for (const auto& [peer, request] : requests_)
    if (request.deadline_ns <= now) late.push_back(peer);
  for (const PeerId& peer : late) {
    ++counters_.requests_timed_out;
    failed(now, peer, out);
  }
  if (refill_at_ns_ <= now) {
    refill_at_ns_ = kNever;
    refused_.clear();
    refill(now, out);
  }
  if (shuffle_at_ns_ <= now) {
    shuffle_at_ns_ = now + jittered(config_.shuffle_ms);
    if (active_.size() > config_.active) evict_one(out);
    shuffle(now, out);
    keep_outbound(now, out);
    refill(now, out);
  }
  if (redial_at_ns_ <= now) {
    redial(now, out);
    redial_at_ns_ = now + (lost_are_back_ ? config_.refill_ms * kMs : jittered(config_.redial_ms));
  }
}

std::int64_t Membership::wake_ns() const {
  std::int64_t at = std::min({shuffle_at_ns_, redial_at_ns_, refill_at_ns_});
  for (const auto& [peer, request] : requests_) at = std::min(at, request.deadline_ns);
  return at;
}

void Membership::learn(const PeerId& peer) { add_passive(peer, config_.passive); }

void Membership::set_group(const PeerId& peer, std::uint64_t group) {
  if (groups_.size() >= kGroupsMax && !groups_.contains(peer)) {
    std::erase_if(groups_, [&](const auto& g) { return !is_active(g.first); });
    if (groups_.size() >= kGroupsMax) return;
  }
  groups_[peer] = group;
}

std::vector<PeerId> Membership::sample_passive(std::size_t n) {
  std::vector<PeerId> out = passive_;
  n = std::min(n, out.size());
  for (std::size_t i = 0; i < n; ++i) std::swap(out[i], out[i + draw(out.size() - i)]);
  out.resize(n);
  return out;
}

// ---- views ---------------------------------------------------------------------------------------------------------

const Membership::Active* Membership::find(const PeerId& peer) const {
  const auto it = std::ranges::find(active_, peer, &Active::peer);
  return it == active_.end() ? nullptr : &*it;
}

std::size_t Membership::inbound() const {
  return static_cast<std::size_t>(std::ranges::count(active_, false, &Active::outbound));
}

std::uint64_t Membership::group_of(const PeerId& peer) const {
  const auto it = groups_.find(peer);
  return it == groups_.end() ? 0 : it->second;
}

bool Membership::group_full(std::uint64_t group) const {
  if (group == 0) return false;
  return static_cast<std::size_t>(std::ranges::count(active_, group, &Active::group)) >= config_.per_group_max;
}

// An inbound request.
bool Membership::admits(const PeerId& peer, Urgency urgency) const {
  if (is_active(peer)) return true;
  if (group_full(group_of(peer))) return false;
  const bool place_for_inbound = inbound() < config_.active_max - config_.outbound_min;
  if (urgency == Urgency::kLow) return place_for_inbound && active_.size() < config_.active;
  if (urgency == Urgency::kJoin) return place_for_inbound && active_.size() < config_.active_max;
  return true;  // somebody without any neighbour: another one makes room
}

void Membership::add_active(std::int64_t now, const PeerId& peer, Side side, MembershipOut& out) {
  requests_.erase(peer);
  lost_.erase(peer);
  if (peer == self_ || is_active(peer)) return;
  const bool inbound_full = side == Side::kInbound && inbound() >= config_.active_max - config_.outbound_min;
  while (active_.size() >= config_.active_max ||
         (inbound_full && inbound() >= config_.active_max - config_.outbound_min))
    evict_one(out);
  if (!mutant(Mutant::kViewsOverlap)) drop_passive(peer);
  active_.push_back({.peer = peer, .group = group_of(peer), .since_ns = now, .outbound = side == Side::kOutbound});
  out.ups.push_back(peer);
}

bool Membership::remove_active(const PeerId& peer, MembershipOut& out) {
  const auto it = std::ranges::find(active_, peer, &Active::peer);
  if (it == active_.end()) return false;
  active_.erase(it);
  out.downs.push_back(peer);
  return true;
}

// Inbound links go before the last outbound_min outbound ones do: who dials us much cannot surround us.
void Membership::evict_one(MembershipOut& out) {
  if (active_.empty()) return;
  const std::size_t outbound = active_.size() - inbound();
  std::vector<PeerId> candidates;
  for (const Active& a : active_)
    if (!a.outbound || outbound > config_.outbound_min) candidates.push_back(a.peer);
  if (candidates.empty()) candidates.push_back(active_[draw(active_.size())].peer);
  if (in_use_) {
    std::vector<PeerId> unused;
    std::ranges::copy_if(candidates, std::back_inserter(unused), [&](const PeerId& p) { return !in_use_(p); });
    if (!unused.empty()) candidates = std::move(unused);
  }
  const PeerId peer = candidates[draw(candidates.size())];
  ++counters_.evictions;
  remove_active(peer, out);
  out.sends.push_back({peer, Disconnect{}});
  add_passive(peer, config_.passive_max);
}

void Membership::add_passive(const PeerId& peer, std::size_t max) {
  if (peer == self_ && !mutant(Mutant::kSelfKept)) return;
  if ((is_active(peer) && !mutant(Mutant::kViewsOverlap)) || contains(passive_, peer)) return;
  if (lost_.contains(peer)) return;
  while (passive_.size() >= max) {
    std::swap(passive_[draw(passive_.size())], passive_.back());
    passive_.pop_back();
  }
  passive_.push_back(peer);
}

void Membership::drop_passive(const PeerId& peer) { std::erase(passive_, peer); }

// ---- filling places ------------------------------------------------------------------------------------------------

void Membership::request(std::int64_t now, const PeerId& peer, Urgency urgency, MembershipOut& out) {
  if (peer == self_ || is_active(peer) || requests_.contains(peer) || requests_.size() >= kRequestsMax) return;
  if (group_full(group_of(peer))) return;
  requests_[peer] = {.deadline_ns = now + config_.neighbor_timeout_ms * kMs};
  out.sends.push_back({peer, Neighbor{.urgency = urgency}});
}

void Membership::refill(std::int64_t now, MembershipOut& out) {
  const Urgency urgency = active_.empty() ? Urgency::kHigh : Urgency::kLow;
  std::vector<PeerId> candidates;
  for (const PeerId& p : passive_)
    if (!contains(refused_, p) && !requests_.contains(p) && !group_full(group_of(p))) candidates.push_back(p);
  while (active_.size() + requests_.size() < config_.active && requests_.size() < kRequestsAtOnce &&
         !candidates.empty()) {
    std::swap(candidates[draw(candidates.size())], candidates.back());
    request(now, candidates.back(), urgency, out);
    candidates.pop_back();
  }
  if (active_.size() + requests_.size() < config_.active && refill_at_ns_ == kNever)
    refill_at_ns_ = now + config_.refill_ms * kMs;
  if (active_.empty() && requests_.empty() && passive_.empty()) out.isolated = true;
}

void Membership::reply(std::int64_t now, const PeerId& from, const NeighborReply& m, MembershipOut& out) {
  const bool asked = requests_.erase(from) != 0;
  if (m.accepted == 0) {
    if (!asked) return;
    add_passive(from, config_.passive);
    if (refused_.size() >= kRefusedMax) refused_.erase(refused_.begin());
    refused_.push_back(from);
    refill(now, out);
    return;
  }
  if (is_active(from)) return;
  // An acceptance that comes too late, or beyond what there is place for, is given back: links have two sides.
  if (!asked || active_.size() >= config_.active_max || group_full(group_of(from))) {
    out.sends.push_back({from, Disconnect{}});
    add_passive(from, config_.passive);
    return;
  }
  add_active(now, from, Side::kOutbound, out);
}

// So that those who dial us cannot become all there is.
void Membership::keep_outbound(std::int64_t now, MembershipOut& out) {
  if (active_.size() < config_.active || active_.size() >= config_.active_max || passive_.empty()) return;
  if (active_.size() - inbound() >= config_.outbound_min) return;
  request(now, passive_[draw(passive_.size())], Urgency::kLow, out);
}

void Membership::redial(std::int64_t now, MembershipOut& out) {
  std::erase_if(lost_, [&](const auto& l) { return now - l.second.since_ns > config_.lost_ms * kMs; });
  if (lost_.empty()) lost_are_back_ = false;
  if (lost_.empty() || mutant(Mutant::kLostForgotten)) return;
  auto it = lost_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(draw(lost_.size())));
  ++counters_.redials;
  const PeerId peer = it->first;
  request(now, peer, lost_are_back_ ? Urgency::kLow : Urgency::kJoin, out);
  if (const auto asked = requests_.find(peer); asked != requests_.end()) asked->second.lost = true;
}

// ---- joins and shuffles --------------------------------------------------------------------------------------------

void Membership::take_in(std::int64_t now, const PeerId& from, MembershipOut& out) {
  const std::int64_t a_join = 1'000 * kMs / static_cast<std::int64_t>(config_.joins_per_s);
  join_tokens_ns_ = std::min(join_tokens_ns_ + (now - join_credit_at_ns_), 1'000 * kMs);
  join_credit_at_ns_ = now;
  if (is_active(from)) {
    out.sends.push_back({from, NeighborReply{.accepted = 1}});
    return;
  }
  const bool crowded = join_tokens_ns_ < a_join || group_full(group_of(from));
  if (crowded && !active_.empty()) {
    ++counters_.joins_forwarded;
    if (const auto next = random_active(from, from)) out.sends.push_back({*next, ForwardJoin{from, kArwl}});
    return;
  }
  join_tokens_ns_ -= a_join;
  ++counters_.joins_accepted;
  for (const Active& a : active_) out.sends.push_back({a.peer, ForwardJoin{from, kArwl}});
  add_active(now, from, Side::kInbound, out);
  out.sends.push_back({from, NeighborReply{.accepted = 1}});
}

void Membership::walk(std::int64_t now, const PeerId& from, const ForwardJoin& m, MembershipOut& out) {
  if (m.peer == self_ || !is_active(from)) return;
  if (m.ttl == 0 || active_.size() <= 1) {
    request(now, m.peer, Urgency::kJoin, out);
    return;
  }
  if (m.ttl == kPrwl) add_passive(m.peer, config_.passive);
  if (const auto next = random_active(from, m.peer))
    out.sends.push_back({*next, ForwardJoin{m.peer, static_cast<std::uint8_t>(m.ttl - 1)}});
  else
    request(now, m.peer, Urgency::kJoin, out);
}

void Membership::shuffle(std::int64_t, MembershipOut& out) {
  const auto to = random_active(self_, self_);
  if (!to) return;
  ++counters_.shuffles;
  std::vector<PeerId> others;
  for (const Active& a : active_)
    if (a.peer != *to) others.push_back(a.peer);
  sent_ = {self_};
  for (std::size_t i = 0; i < config_.shuffle_active && !others.empty(); ++i) {
    std::swap(others[draw(others.size())], others.back());
    sent_.push_back(others.back());
    others.pop_back();
  }
  for (const PeerId& p : sample_passive(config_.shuffle_passive)) sent_.push_back(p);
  out.sends.push_back({*to, Shuffle{.origin = self_, .ttl = kTtlMax, .peers = sent_}});
}

void Membership::shuffled(std::int64_t, const PeerId& from, const Shuffle& m, MembershipOut& out) {
  if (m.origin == self_ || !is_active(from)) return;
  if (m.ttl > 1 && active_.size() > 1) {
    if (const auto next = random_active(from, m.origin)) {
      Shuffle on = m;
      on.ttl = static_cast<std::uint8_t>(m.ttl - 1);
      out.sends.push_back({*next, std::move(on)});
      return;
    }
  }
  const std::vector<PeerId> mine = sample_passive(std::min(m.peers.size(), kShufflePeersMax));
  out.sends.push_back({m.origin, ShuffleReply{.peers = mine}});
  merge(m.peers, mine);
}

// What was just given away goes first when place is needed.
void Membership::merge(const std::vector<PeerId>& peers, const std::vector<PeerId>& sent) {
  std::size_t next = 0;
  for (const PeerId& p : peers) {
    if (is_active(p) && !mutant(Mutant::kViewsOverlap)) continue;
    if (p == self_ && !mutant(Mutant::kSelfKept)) continue;
    if (contains(passive_, p)) continue;
    while (passive_.size() >= config_.passive && next < sent.size()) drop_passive(sent[next++]);
    add_passive(p, config_.passive);
  }
}

std::optional<PeerId> Membership::random_active(const PeerId& except, const PeerId& except_too) {
  std::vector<PeerId> candidates;
  for (const Active& a : active_)
    if (a.peer != except && a.peer != except_too) candidates.push_back(a.peer);
  if (candidates.empty()) return std::nullopt;
  return candidates[draw(candidates.size())];
}

std::uint64_t Membership::draw(std::uint64_t bound) {
  if (mutant(Mutant::kForeignRandom)) return system_random().below(bound);
  return random_.below(bound);
}

std::int64_t Membership::jittered(std::int64_t ms) {  // +-20 %
  const auto fifth = static_cast<std::uint64_t>(ms) * kMs / 5;
  return ms * kMs - static_cast<std::int64_t>(fifth) + static_cast<std::int64_t>(draw(2 * fifth + 1));
}

}  // namespace hanse::gossip
