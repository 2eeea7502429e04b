#include "mesh/nat/turn.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::nat {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kPermissionNs = 240 * kSecond, kChannelNs = 540 * kSecond;
constexpr std::uint8_t kUdp = 17;
constexpr int kRenewalsMax = 3;

Error refused_by(const Endpoint& server, const StunMessage& m) {
  return Error(Kind::kUnavailable, "nat.turn_refused",
               text("found {} '{}' from {}", m.error ? m.error->code : 0, m.error ? m.error->reason : std::string(),
                    to_text(server)));
}

// RFC 8489, 18.1: four base64 letters behind the cookie of a nonce hold 24 feature bits, the last is bit 0.
std::uint32_t nonce_features(std::string_view nonce) {
  constexpr std::string_view kCookie = "obMatJos2";
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (!nonce.starts_with(kCookie) || nonce.size() < kCookie.size() + 4) return 0;
  std::uint32_t bits = 0;
  for (const char c : nonce.substr(kCookie.size(), 4)) {
    const std::size_t value = kLetters.find(c);
    if (value == std::string_view::npos) return 0;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
  }
  return bits;
}
constexpr std::uint32_t kFeatureAlgorithms = 1, kFeatureAnonymity = 2;

}  // namespace

Result<TurnClient> TurnClient::create(TurnOptions options, Random& random) {
  if (options.servers.empty() || options.servers.size() > kTurnServersMax || options.sockets.empty() ||
      options.sockets.size() > kTurnSocketsMax)
    return fail(Kind::kInvalid, "nat.turn_options",
                text("found {} servers and {} sockets, expected 1 to {} and 1 to {}", options.servers.size(),
                     options.sockets.size(), kTurnServersMax, kTurnSocketsMax));
  if (options.credential.username.empty() || options.credential.username.size() > kUsernameBytesMax)
    return fail(
        Kind::kInvalid, "nat.turn_options",
        text("found a user name of {} bytes, expected 1 to {}", options.credential.username.size(), kUsernameBytesMax));
  return TurnClient(std::move(options), random);
}

TurnClient::TurnClient(TurnOptions options, Random& random)
    : options_(std::move(options)), random_(&random), client_(random, options_.timing), server_(options_.servers[0]) {}

void TurnClient::start(std::int64_t now_ns, Outbox& out) {
  if (state_ != TurnState::kIdle) return;
  tried_.insert(server_);
  allocate(now_ns, out);
}

void TurnClient::allocate(std::int64_t now_ns, Outbox& out) {
  client_.clear();
  asked_.clear();
  relayed_.reset();
  refresh_asked_ = false;
  for (auto& [peer, lease] : permissions_) lease.granted = lease.asked = false, lease.due_ns = 0;
  for (auto& [peer, lease] : channels_) lease.granted = lease.asked = false, lease.due_ns = 0;
  state_ = TurnState::kAllocating;
  ask({Op::kAllocate, {}, 0}, now_ns, out);
}

void TurnClient::ask(const Asked& asked, std::int64_t now_ns, Outbox& out) {
  StunRequest request;
  request.socket = options_.sockets[socket_at_];
  request.server = server_;
  StunMessage& m = request.message;
  switch (asked.op) {
    case Op::kAllocate:
      m.method = StunMethod::kAllocate;
      m.requested_transport = kUdp;
      m.lifetime_s = kAllocationSeconds;
      break;
    case Op::kRefresh:
      m.method = StunMethod::kRefresh;
      m.lifetime_s = state_ == TurnState::kReleasing ? 0 : kAllocationSeconds;
      break;
    case Op::kPermission:
      m.method = StunMethod::kCreatePermission;
      m.xor_peers = {{asked.peer.ip, 0}};
      break;
    case Op::kChannel:
      m.method = StunMethod::kChannelBind;
      m.channel = channels_.at(asked.peer).number;
      m.xor_peers = {asked.peer};
      break;
  }
  if (!key_.empty()) {
    if (anonymous_)
      m.userhash = userhash(options_.credential.username, *realm_);
    else
      m.username = options_.credential.username;
    m.realm = realm_;
    m.nonce = nonce_;
    if (!algorithms_.empty()) m.password_algorithms = algorithms_, m.password_algorithm = algorithm_;
    request.seal = {algorithms_.empty() ? Integrity::kSha1 : Integrity::kSha256, key_, false};
  }
  request.seal.fingerprint = true;
  const auto id = client_.start(std::move(request), now_ns, out);
  if (id) {
    asked_[*id] = asked;
    return;
  }
  // No room for one more transaction: a lease is asked for again by the clock.
  ++counts_.dropped;
  if (asked.op == Op::kPermission) permissions_.at(asked.peer.ip).asked = false;
  if (asked.op == Op::kChannel) channels_.at(asked.peer).asked = false;
}

Status TurnClient::permit(const Address& peer, std::int64_t now_ns, Outbox& out) {
  if (permissions_.contains(peer)) return {};
  if (permissions_.size() == kPermissionsMax)
    return fail(Kind::kExhausted, "nat.turn_limit", text("found {} permissions", kPermissionsMax));
  permissions_[peer];
  if (state_ == TurnState::kReady) ask_due(now_ns, out);
  return {};
}

Status TurnClient::bind(const Endpoint& peer, std::int64_t now_ns, Outbox& out) {
  if (channels_.contains(peer)) return {};
  if (channels_.size() == kChannelsMax || channel_next_ > kChannelLast)
    return fail(Kind::kExhausted, "nat.turn_limit", text("found {} channels", channels_.size()));
  channels_[peer].number = channel_next_++;
  if (state_ == TurnState::kReady) ask_due(now_ns, out);
  return {};
}

bool TurnClient::permitted(const Address& peer) const {
  const auto found = permissions_.find(peer);
  if (found != permissions_.end() && found->second.granted) return true;
  return std::any_of(channels_.begin(), channels_.end(),
                     [&](const auto& c) { return c.first.ip == peer && c.second.granted; });
}

bool TurnClient::bound(const Endpoint& peer) const {
  const auto found = channels_.find(peer);
  return found != channels_.end() && found->second.granted;
}

Status TurnClient::send(const Endpoint& peer, ByteView data, Outbox& out) {
  if (state_ != TurnState::kReady) return fail(Kind::kUnavailable, "nat.turn_down", "found no allocation");
  if (data.size() > kRelayedBytesMax)
    return fail(Kind::kExhausted, "nat.turn_limit", text("found {} bytes, at most {}", data.size(), kRelayedBytesMax));
  const std::uint16_t socket = options_.sockets[socket_at_];
  if (bound(peer)) {
    Bytes b;
    append_be(b, channels_.at(peer).number);
    append_be(b, static_cast<std::uint16_t>(data.size()));
    append(b, data);
    out.push_back({socket, 0, server_, std::move(b)});
    return {};
  }
  if (!permitted(peer.ip))
    return fail(Kind::kConflict, "nat.turn_permission", text("found no permission for {}", to_text(peer)));
  StunMessage m;
  m.kind = StunClass::kIndication;
  m.method = StunMethod::kSend;
  random_->fill(m.id.span());
  m.xor_peers = {peer};
  m.data = to_bytes(data);
  out.push_back({socket, 0, server_, encode_stun(m)});
  return {};
}

std::optional<Relayed> TurnClient::receive(std::uint16_t socket, const Endpoint& from, ByteView datagram,
                                           std::int64_t now_ns, Outbox& out) {
  if (from != server_ || socket != options_.sockets[socket_at_] || datagram.empty()) {
    ++counts_.dropped;
    return std::nullopt;
  }
  if ((datagram[0] & 0xf0) == 0x40) return channel_data(datagram);
  const auto m = decode_stun(datagram);
  if (m && m->kind == StunClass::kIndication) return data_indication(*m);
  const auto answer = client_.receive(socket, from, datagram, now_ns);
  if (!answer) {
    ++counts_.dropped;
    return std::nullopt;
  }
  const auto found = asked_.find(answer->id);
  if (found == asked_.end()) return std::nullopt;
  const Asked asked = found->second;
  asked_.erase(found);
  answered(asked, answer->message, now_ns, out);
  return std::nullopt;
}

std::optional<Relayed> TurnClient::channel_data(ByteView datagram) {
  if (datagram.size() >= 4) {
    const std::uint16_t number = load_be<std::uint16_t>(datagram.data());
    const std::size_t size = load_be<std::uint16_t>(datagram.data() + 2);
    for (const auto& [peer, lease] : channels_)
      if (lease.granted && lease.number == number && size <= datagram.size() - 4)
        return Relayed{peer, to_bytes(datagram.subspan(4, size))};
  }
  ++counts_.dropped;
  return std::nullopt;
}

std::optional<Relayed> TurnClient::data_indication(const StunMessage& m) {
  if (m.method == StunMethod::kData && m.xor_peers.size() == 1 && m.data && m.not_understood.empty() &&
      permitted(m.xor_peers[0].ip))
    return Relayed{m.xor_peers[0], *m.data};
  ++counts_.dropped;
  return std::nullopt;
}

void TurnClient::answered(const Asked& asked, const StunMessage& m, std::int64_t now_ns, Outbox& out) {
  if (m.kind == StunClass::kSuccess) return granted(asked, m, now_ns, out);
  const std::uint16_t code = m.error->code;
  if (code == 401 || code == 438) {
    if (renew(asked, m, now_ns, out)) return;
    return next_server(Error(Kind::kDenied, "nat.turn_denied", refused_by(server_, m).message()), now_ns, out);
  }
  ++counts_.refused;
  if (state_ == TurnState::kReleasing) {
    state_ = TurnState::kClosed;
    return;
  }
  if (asked.op == Op::kAllocate) return allocation_refused(m, now_ns, out);
  // 437 to anything else: the server knows no allocation of ours any more.
  if (asked.op == Op::kRefresh || code == 437) return allocate(now_ns, out);
  drop(asked);
}

void TurnClient::granted(const Asked& asked, const StunMessage& m, std::int64_t now_ns, Outbox& out) {
  switch (asked.op) {
    case Op::kAllocate:
      if (!m.xor_relayed || !m.lifetime_s || !m.not_understood.empty())
        return next_server(Error(Kind::kUnavailable, "nat.turn_refused",
                                 text("found an allocation without address from {}", to_text(server_))),
                           now_ns, out);
      relayed_ = m.xor_relayed;
      mapped_ = m.xor_mapped;
      state_ = TurnState::kReady;
      failure_.reset();
      ++counts_.allocations;
      [[fallthrough]];
    case Op::kRefresh: {
      if (state_ == TurnState::kReleasing) {
        state_ = TurnState::kClosed;
        relayed_.reset();
        return;
      }
      const std::int64_t life = std::clamp<std::int64_t>(m.lifetime_s.value_or(kAllocationSeconds), 1, 3600) * kSecond;
      refresh_ns_ = now_ns + std::max(life - 60 * kSecond, life / 2);
      refresh_asked_ = false;
      counts_.refreshes += asked.op == Op::kRefresh ? 1 : 0;
      return ask_due(now_ns, out);
    }
    case Op::kPermission:
      if (const auto p = permissions_.find(asked.peer.ip); p != permissions_.end())
        p->second = {0, true, false, now_ns + kPermissionNs};
      return;
    case Op::kChannel:
      if (const auto c = channels_.find(asked.peer); c != channels_.end())
        c->second = {c->second.number, true, false, now_ns + kChannelNs};
      return;
  }
}

// Takes realm, nonce and algorithms of a 401 or 438; false when another try would fail alike.
bool TurnClient::learn(const StunMessage& m) {
  if (!m.nonce || (!m.realm && !realm_)) return false;
  const std::string realm = m.realm.value_or(realm_.value_or(""));
  const std::uint32_t features = nonce_features(*m.nonce);
  if ((features & kFeatureAlgorithms) != 0 && m.password_algorithms.empty()) return false;
  algorithms_ = (features & kFeatureAlgorithms) != 0 ? m.password_algorithms : std::vector<std::uint16_t>{};
  algorithm_ = kAlgorithmMd5;
  if (!algorithms_.empty()) {
    const auto known = [](std::uint16_t a) { return a == kAlgorithmMd5 || a == kAlgorithmSha256; };
    const auto best = std::find_if(algorithms_.begin(), algorithms_.end(), known);
    if (best == algorithms_.end()) return false;
    const bool strong = std::find(algorithms_.begin(), algorithms_.end(), kAlgorithmSha256) != algorithms_.end();
    algorithm_ = strong ? kAlgorithmSha256 : *best;
  }
  anonymous_ = (features & kFeatureAnonymity) != 0;
  realm_ = realm;
  nonce_ = m.nonce;
  key_ = long_term_key(options_.credential, realm, algorithm_);
  return true;
}

bool TurnClient::renew(Asked asked, const StunMessage& m, std::int64_t now_ns, Outbox& out) {
  // A 401 to a sealed request in the same realm: the password is wrong.
  const bool same_realm = !m.realm || m.realm == realm_;
  if (m.error->code == 401 && !key_.empty() && same_realm) return false;
  if (++asked.renewals > kRenewalsMax || !learn(m)) return false;
  counts_.stale_nonces += m.error->code == 438 ? 1 : 0;
  ask(asked, now_ns, out);
  return true;
}

void TurnClient::allocation_refused(const StunMessage& m, std::int64_t now_ns, Outbox& out) {
  if (m.error->code == 437) return next_socket(now_ns, out);
  const bool follow = m.error->code == 300 && m.alternate_server && answerable(*m.alternate_server) &&
                      m.alternate_server->ip.v6 == server_.ip.v6 && tried_.size() < 2 * kTurnServersMax &&
                      tried_.insert(*m.alternate_server).second;
  if (!follow) return next_server(refused_by(server_, m), now_ns, out);
  server_ = *m.alternate_server;
  nonce_.reset(), realm_.reset(), key_.clear(), algorithms_.clear();
  allocate(now_ns, out);
}

void TurnClient::next_socket(std::int64_t now_ns, Outbox& out) {
  if (socket_at_ + 1 == options_.sockets.size())
    return next_server(Error(Kind::kUnavailable, "nat.turn_refused",
                             text("found 437 from {} on {} sockets", to_text(server_), options_.sockets.size())),
                       now_ns, out);
  ++socket_at_;
  allocate(now_ns, out);
}

void TurnClient::next_server(Error why, std::int64_t now_ns, Outbox& out) {
  failure_ = std::move(why);
  nonce_.reset(), realm_.reset(), key_.clear(), algorithms_.clear();
  while (++server_at_ < options_.servers.size()) {
    if (!tried_.insert(options_.servers[server_at_]).second) continue;
    server_ = options_.servers[server_at_];
    return allocate(now_ns, out);
  }
  client_.clear();
  asked_.clear();
  relayed_.reset();
  state_ = TurnState::kFailed;
}

void TurnClient::drop(const Asked& asked) {
  if (asked.op == Op::kPermission) permissions_.erase(asked.peer.ip);
  if (asked.op == Op::kChannel) channels_.erase(asked.peer);
}

void TurnClient::ask_due(std::int64_t now_ns, Outbox& out) {
  if (state_ != TurnState::kReady) return;
  if (!refresh_asked_ && refresh_ns_ <= now_ns) {
    refresh_asked_ = true;
    ask({Op::kRefresh, {}, 0}, now_ns, out);
  }
  for (auto& [peer, lease] : permissions_) {
    if (lease.asked || lease.due_ns > now_ns) continue;
    lease.asked = true;
    ask({Op::kPermission, {peer, 0}, 0}, now_ns, out);
  }
  for (auto& [peer, lease] : channels_) {
    if (lease.asked || lease.due_ns > now_ns) continue;
    lease.asked = true;
    ask({Op::kChannel, peer, 0}, now_ns, out);
  }
}

void TurnClient::tick(std::int64_t now_ns, Outbox& out) {
  for (const StunTimeout& gone : client_.tick(now_ns, out)) {
    const auto found = asked_.find(gone.id);
    if (found == asked_.end()) continue;  // of a server that was left
    const Asked asked = found->second;
    asked_.erase(found);
    if (state_ == TurnState::kReleasing) {
      state_ = TurnState::kClosed;
      return;
    }
    // Silence to any request: the server is gone, and with it the allocation.
    if (asked.op == Op::kAllocate || asked.op == Op::kRefresh)
      return next_server(Error(Kind::kTimeout, "nat.turn_silent", text("found no answer from {}", to_text(server_))),
                         now_ns, out);
    drop(asked);
  }
  ask_due(now_ns, out);
}

std::optional<std::int64_t> TurnClient::next_ns() const {
  std::optional<std::int64_t> next = client_.next_ns();
  if (state_ != TurnState::kReady) return next;
  const auto earlier = [&](std::int64_t due) { next = std::min(next.value_or(due), due); };
  if (!refresh_asked_) earlier(refresh_ns_);
  for (const auto& [peer, lease] : permissions_)
    if (!lease.asked) earlier(lease.due_ns);
  for (const auto& [peer, lease] : channels_)
    if (!lease.asked) earlier(lease.due_ns);
  return next;
}

void TurnClient::release(std::int64_t now_ns, Outbox& out) {
  const bool live = state_ == TurnState::kReady;
  client_.clear();
  asked_.clear();
  state_ = live ? TurnState::kReleasing : TurnState::kClosed;
  if (live) ask({Op::kRefresh, {}, 0}, now_ns, out);
}

}  // namespace hanse::nat
