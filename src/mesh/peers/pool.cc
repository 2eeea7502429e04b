#include "mesh/peers/pool.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/core/text.h"

namespace hanse::peers {
namespace {

constexpr std::int64_t kNever = INT64_MAX;
constexpr std::int64_t kNsPerMs = 1'000'000;

// IPv4 of 24 bits, IPv6 of 48.
std::array<std::uint8_t, 6> prefix_of(const Address& address) {
  std::array<std::uint8_t, 6> out{};
  if (address.is_v4()) {
    std::copy_n(address.ip.begin() + 12, 3, out.begin());
    out[5] = 4;  // no IPv6 address of the Internet begins with what such a prefix would be
  } else {
    std::copy_n(address.ip.begin(), 6, out.begin());
  }
  return out;
}

}  // namespace

Pool::Pool(PoolOptions options)
    : options_(std::move(options)),
      random_(options_.random != nullptr ? *options_.random : system_random()),
      dial_tokens_(options_.limits.dials_per_second, options_.limits.dials_per_second) {}

// ---- what is wanted ------------------------------------------------------------------------------------------------

Result<Pool::Peers::iterator> Pool::know(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  if (peer == options_.self) return fail(Kind::kInvalid, "peers.self", "found our own id, expected a peer's");
  if (addresses.size() > kAddressesMax)
    return fail(Kind::kInvalid, "peers.address",
                text("found {} addresses, expected at most {}", addresses.size(), kAddressesMax));
  auto at = peers_.find(peer);
  if (at == peers_.end()) {
    if (peers_.size() >= options_.limits.peers_max)
      return fail(Kind::kExhausted, "peers.limit", text("found {} peers, expected fewer", peers_.size()));
    at = peers_.emplace(peer, Peer{}).first;
  }
  if (!addresses.empty()) {
    std::ranges::stable_sort(addresses, {}, [](const Address& a) { return a.is_carried() ? 2 : a.is_v4() ? 1 : 0; });
    Peer& p = at->second;
    const auto same = std::ranges::mismatch(p.addresses, addresses).in2 - addresses.begin();
    p.next_address = std::min(p.next_address, static_cast<std::size_t>(same));  // another one is tried in this round
    p.addresses = std::move(addresses);
    if (p.trying && p.dial_ns == kNever && p.next_address < p.addresses.size()) {  // one more for the round
      p.dial_ns = now_ns;
      schedule(at);
    }
  }
  return at;
}

Status Pool::want(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  const bool told = !addresses.empty();
  TRY(const auto at, know(peer, std::move(addresses), now_ns));
  Peer& p = at->second;
  p.wanted = true;
  if (p.trying) on_deadline(now_ns);
  if (p.active || p.trying || p.addresses.empty()) return {};
  if (told || p.dial_ns == kNever) {  // a new address is tried at once
    p.wait_ms = 0;
    p.next_address = 0;
    p.dial_ns = now_ns;
  }
  schedule(at);
  on_deadline(now_ns);
  return {};
}

Status Pool::dial(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  if (addresses.empty()) return fail(Kind::kInvalid, "peers.address", "found no address, expected one at least");
  TRY(const auto at, know(peer, std::move(addresses), now_ns));
  Peer& p = at->second;
  if (p.trying) on_deadline(now_ns);
  if (p.active || p.trying) return {};
  p.next_address = 0;
  p.dial_ns = now_ns;
  schedule(at);
  on_deadline(now_ns);
  return {};
}

void Pool::let_go(const PeerId& peer) {
  const auto at = peers_.find(peer);
  if (at == peers_.end()) return;
  at->second.wanted = false;
  if (!at->second.trying) at->second.dial_ns = kNever;
  schedule(at);
  forget_idle(at);
}

void Pool::close(const PeerId& peer, CloseCode code, std::int64_t now_ns) {
  const auto at = peers_.find(peer);
  if (at == peers_.end()) return;
  end_round(at);
  for (const Link& link : std::exchange(at->second.draining, {})) close_link(at, link, code);
  if (at->second.active) {
    close_link(at, *at->second.active, code);
    at->second.active.reset();
    return lost(at, Error(Kind::kUnavailable, "transport.closed", "closed by us"), now_ns);
  }
  schedule(at);
  forget_idle(at);
}

void Pool::rate(const PeerId& peer, std::int64_t points) {
  if (const auto at = peers_.find(peer); at != peers_.end()) at->second.score += points;
}

void Pool::used(const PeerId& peer, std::int64_t now_ns) {
  if (const auto at = peers_.find(peer); at != peers_.end()) at->second.used_ns = std::max(at->second.used_ns, now_ns);
}

// ---- dialing -------------------------------------------------------------------------------------------------------

void Pool::schedule(Peers::iterator at) {
  Peer& p = at->second;
  std::int64_t due = p.dial_ns;
  for (const Link& link : p.draining) due = std::min(due, link.closes_ns);
  if (due == p.due_ns) return;
  if (p.due_ns != kNever) due_.erase({p.due_ns, at->first});
  p.due_ns = due;
  if (due != kNever) due_.insert({due, at->first});
}

std::int64_t Pool::next_deadline_ns() const {
  if (due_.empty()) return kNever;
  if (dials_ < options_.limits.dials_max) return std::max(due_.begin()->first, dial_tokens_.ready_ns(INT64_MIN / 8));
  // No dial can begin before one is over: what ends draining is all that is due.
  std::int64_t next = kNever;
  for (const auto& [due, peer] : due_)
    if (peers_.at(peer).dial_ns != due) next = std::min(next, due);
  return next;
}

void Pool::on_deadline(std::int64_t now_ns) {
  std::vector<PeerId> due;
  for (auto it = due_.begin(); it != due_.end() && it->first <= now_ns; ++it) due.push_back(it->second);
  for (const PeerId& peer : due) {
    const auto at = peers_.find(peer);
    if (at == peers_.end()) continue;
    std::vector<Link>& draining = at->second.draining;
    while (!draining.empty() && draining.front().closes_ns <= now_ns) {
      const Link link = draining.front();
      draining.erase(draining.begin());
      close_link(at, link, CloseCode::kDuplicate);
    }
    if (at->second.dial_ns <= now_ns) try_dial(at, now_ns);
    schedule(at);
    forget_idle(at);
  }
}

// The next address of the round, as far as the budget allows; who has to wait stays due.
void Pool::try_dial(Peers::iterator at, std::int64_t now_ns) {
  Peer& p = at->second;
  if (p.active || p.next_address >= p.addresses.size()) {
    p.dial_ns = kNever;
    return;
  }
  if (dials_ >= options_.limits.dials_max || !dial_tokens_.take(now_ns)) return;
  p.trying = true;
  ++dials_;
  ++p.asked;
  act({.type = PoolAction::Type::kDial, .peer = at->first, .address = p.addresses[p.next_address++]});
  p.dial_ns = p.next_address < p.addresses.size() ? now_ns + kRaceGapNs : kNever;
}

void Pool::dialed(const PeerId& peer, const Address&, Result<ConnectionId> result, std::int64_t now_ns) {
  const auto at = peers_.find(peer);
  if (at == peers_.end() || at->second.asked == 0) {  // closed meanwhile
    if (result) act({.type = PoolAction::Type::kClose, .connection = *result, .code = CloseCode::kDone});
    return;
  }
  Peer& p = at->second;
  --p.asked;
  if (result) {
    p.attempts.insert(*result);
    owners_[*result] = peer;
    return;
  }
  --dials_;
  p.why = std::move(result).error();
  attempt_over(at, now_ns);
}

// One is over without success: the next address is tried at once; behind the last one the round has failed.
void Pool::attempt_over(Peers::iterator at, std::int64_t now_ns) {
  Peer& p = at->second;
  if (p.active || !p.trying) return;
  if (p.next_address < p.addresses.size()) {
    p.dial_ns = now_ns;
  } else if (p.attempts.empty() && p.asked == 0) {
    return round_failed(at, now_ns);
  }
  schedule(at);
  on_deadline(now_ns);
}

void Pool::round_failed(Peers::iterator at, std::int64_t now_ns) {
  Peer& p = at->second;
  p.trying = false;
  Error why(Kind::kUnavailable, "peers.unreachable",
            text("found no answer from {} addresses of {}{}", p.addresses.size(), at->first,
                 p.why ? text(": {}", p.why->str()) : std::string()));
  p.why.reset();
  act({.type = PoolAction::Type::kFailed, .peer = at->first, .error = std::move(why)});
  if (p.wanted) {
    p.wait_ms = std::clamp(2 * p.wait_ms, options_.limits.redial_first_ms, options_.limits.redial_most_ms);
    p.next_address = 0;
    p.dial_ns = now_ns + p.wait_ms * static_cast<std::int64_t>(500 + random_.below(1'001)) * kNsPerMs / 1'000;
  } else {
    p.dial_ns = kNever;
  }
  schedule(at);
  forget_idle(at);
  on_deadline(now_ns);  // a place among the dials is free
}

void Pool::end_round(Peers::iterator at) {
  Peer& p = at->second;
  for (const ConnectionId attempt : std::exchange(p.attempts, {})) {
    owners_.erase(attempt);
    --dials_;
    act({.type = PoolAction::Type::kClose, .connection = attempt, .code = CloseCode::kDuplicate});
  }
  dials_ -= std::exchange(p.asked, 0);  // dialed() closes what comes of them
  p.trying = false;
  p.why.reset();
  p.dial_ns = kNever;
}

// ---- connections ---------------------------------------------------------------------------------------------------

bool Pool::newer_counts(const PeerId& peer, const Link& newer, const Link& older) const {
  if (newer.inbound == older.inbound) return newer.inbound;
  if (newer.inbound && newer.up_ns - older.up_ns > kRaceNs) return true;
  const PeerId& dialer = newer.inbound ? peer : options_.self;
  const PeerId& other = newer.inbound ? options_.self : peer;
  return dialer < other;
}

bool Pool::has_room(const Link& link) const {
  if (!link.inbound) return true;
  if (link.remote.is_carried()) return inbound_ < options_.limits.inbound_max;
  const auto near = prefixes_.find(prefix_of(link.remote));
  return inbound_ < options_.limits.inbound_max &&
         (near == prefixes_.end() || near->second < options_.limits.prefix_max);
}

void Pool::up(const PoolUp& up, std::int64_t now_ns) {
  const Link link{.id = up.connection, .inbound = up.inbound, .remote = up.remote, .up_ns = now_ns};
  auto at = peers_.find(up.peer);
  const bool attempt = at != peers_.end() && at->second.attempts.erase(up.connection) > 0;
  if (attempt) {
    --dials_;
  } else if (!up.inbound) {
    return;  // an attempt that was given up; its close is on the way
  }
  owners_.erase(up.connection);
  const bool wanted = at != peers_.end() && at->second.wanted;
  const bool stranger = at == peers_.end() && peers_.size() >= options_.limits.peers_max;
  if (up.peer == options_.self || stranger || (!wanted && !has_room(link))) {
    act({.type = PoolAction::Type::kClose,
         .connection = up.connection,
         .code = up.peer == options_.self ? CloseCode::kDuplicate : CloseCode::kOverload});
    return;
  }
  if (at == peers_.end()) at = peers_.emplace(up.peer, Peer{}).first;
  Peer& p = at->second;
  owners_[link.id] = up.peer;
  ++links_;
  if (link.inbound) {
    ++inbound_;
    if (!link.remote.is_carried()) ++prefixes_[prefix_of(link.remote)];
  }
  if (!p.active) {
    p.active = link;
    p.wait_ms = 0;
    p.used_ns = now_ns;
    act({.type = PoolAction::Type::kUp, .peer = up.peer, .connection = link.id});
  } else if (newer_counts(up.peer, link, *p.active)) {
    drain(at, std::exchange(*p.active, link), now_ns);
    act({.type = PoolAction::Type::kMoved, .peer = up.peer, .connection = link.id});
  } else {
    drain(at, link, now_ns);
  }
  end_round(at);
  schedule(at);
  evict(now_ns);
  on_deadline(now_ns);
}

void Pool::drain(Peers::iterator at, Link link, std::int64_t now_ns) {
  std::vector<Link>& draining = at->second.draining;
  link.closes_ns = now_ns + kDrainNs;
  draining.push_back(link);
  if (draining.size() <= kDrainingMax) return;
  const Link oldest = draining.front();
  draining.erase(draining.begin());
  close_link(at, oldest, CloseCode::kDuplicate);
}

void Pool::forget_link(const Link& link) {
  owners_.erase(link.id);
  --links_;
  if (!link.inbound) return;
  --inbound_;
  if (link.remote.is_carried()) return;
  const auto near = prefixes_.find(prefix_of(link.remote));
  if (--near->second == 0) prefixes_.erase(near);
}

void Pool::close_link(Peers::iterator, const Link& link, CloseCode code) {
  forget_link(link);
  act({.type = PoolAction::Type::kClose, .connection = link.id, .code = code});
}

void Pool::down(ConnectionId connection, const Error& error, std::int64_t now_ns) {
  const auto owner = owners_.find(connection);
  if (owner == owners_.end()) return;
  const auto at = peers_.find(owner->second);
  Peer& p = at->second;
  if (p.attempts.erase(connection) > 0) {
    owners_.erase(owner);
    --dials_;
    p.why = error.clone();
    return attempt_over(at, now_ns);
  }
  if (p.active && p.active->id == connection) {
    forget_link(*p.active);
    p.active.reset();
    if (p.draining.empty()) return lost(at, error, now_ns);
    p.active = p.draining.back();
    p.draining.pop_back();
    act({.type = PoolAction::Type::kMoved, .peer = at->first, .connection = p.active->id});
    return schedule(at);
  }
  const auto link = std::ranges::find(p.draining, connection, &Link::id);
  forget_link(*link);
  p.draining.erase(link);
  schedule(at);
}

// Nothing is left. A wanted peer is dialed again, after a first pause, as it may have meant it.
void Pool::lost(Peers::iterator at, const Error& error, std::int64_t now_ns) {
  Peer& p = at->second;
  act({.type = PoolAction::Type::kDown, .peer = at->first, .error = error.clone()});
  p.score = 0;
  if (p.wanted && !p.addresses.empty()) {
    p.next_address = 0;
    p.dial_ns = now_ns + options_.limits.redial_first_ms * static_cast<std::int64_t>(500 + random_.below(1'001)) *
                             kNsPerMs / 1'000;
  }
  schedule(at);
  forget_idle(at);
}

void Pool::forget_idle(Peers::iterator at) {
  const Peer& p = at->second;
  if (p.wanted || p.active || p.trying || p.dial_ns != kNever || !p.draining.empty()) return;
  peers_.erase(at);
}

void Pool::evict(std::int64_t now_ns) {
  if (links_ <= options_.limits.high_water) return;
  std::vector<std::tuple<std::int64_t, std::int64_t, PeerId>> order;
  for (const auto& [peer, p] : peers_)
    if (p.active && !p.wanted) order.emplace_back(p.score, p.used_ns, peer);
  std::ranges::sort(order);
  for (const auto& [score, used_ns, peer] : order) {
    if (links_ <= options_.limits.low_water) return;
    const auto at = peers_.find(peer);
    for (const Link& link : std::exchange(at->second.draining, {})) close_link(at, link, CloseCode::kEvicted);
    close_link(at, *at->second.active, CloseCode::kEvicted);
    at->second.active.reset();
    lost(at, Error(Kind::kExhausted, "peers.evicted", text("found {} connections, expected room for others", links_)),
         now_ns);
  }
}

// ---- answers -------------------------------------------------------------------------------------------------------

bool Pool::next_action(PoolAction& out) {
  if (actions_.empty()) return false;
  out = std::move(actions_.front());
  actions_.pop_front();
  return true;
}

std::optional<ConnectionId> Pool::connection(const PeerId& peer) const {
  const auto at = peers_.find(peer);
  if (at == peers_.end() || !at->second.active) return std::nullopt;
  return at->second.active->id;
}

std::optional<PeerId> Pool::peer_of(ConnectionId connection) const {
  const auto owner = owners_.find(connection);
  if (owner == owners_.end() || peers_.at(owner->second).attempts.contains(connection)) return std::nullopt;
  return owner->second;
}

std::vector<PeerId> Pool::connected() const {
  std::vector<PeerId> out;
  for (const auto& [peer, p] : peers_)
    if (p.active) out.push_back(peer);
  return out;
}

}  // namespace hanse::peers
