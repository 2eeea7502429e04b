#include "mesh/transport/detail/core.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::transport {
namespace {

constexpr std::size_t kInitialMin = 1200;  // RFC 9000, 14.1
constexpr std::size_t kOutgoingMax = 256;  // answers to strangers that wait
constexpr std::size_t kGravesMax = 1024;
constexpr std::size_t kSpareBodyMin = 64u << 10;  // below it malloc is as quick
constexpr std::size_t kSpareBodiesMax = 16;
constexpr std::size_t kResetMin = 43;            // RFC 9000, 10.3.3: shorter than what it answers, at least 21
constexpr ngtcp2_tstamp kEpoch = 1'000'000'000;  // where the endpoint's own time begins

std::unexpected<Error> bad_options(std::string_view what) { return fail(Kind::kInvalid, "transport.options", what); }

std::int64_t from_ts(ngtcp2_tstamp ts) {
  return ts >= static_cast<ngtcp2_tstamp>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(ts);
}

}  // namespace

Endpoint::Core::Core(Options given) : routes_(0, detail::CidHash{}) {
  options = std::move(given);
  random = options.random != nullptr ? options.random : &system_random();
  routes_ = decltype(routes_)(0, detail::CidHash{.key = random->next_u64() | 1});
}

Endpoint::Core::~Core() {
  for (auto& [id, connection] : connections_) connection->cids.clear();
}

Status Endpoint::Core::check_options() const {
  const Limits& l = options.limits;
  std::uint64_t frame_max = 0;
  for (const Protocol& p : options.protocols) {
    if (p.id == kControlProtocol || p.frame_bytes_max == 0 || p.frame_bytes_max > kFrameBodyMax ||
        static_cast<std::size_t>(p.priority) >= kPriorities)
      return bad_options(text("found protocol {:#x} with frames of {} bytes, expected another than 0 and 1 to {} bytes",
                              p.id, p.frame_bytes_max, kFrameBodyMax));
    if (protocol(p.id) != &p) return bad_options(text("found protocol {:#x} twice", p.id));
    frame_max = std::max<std::uint64_t>(frame_max, p.frame_bytes_max);
  }
  // Else streams that each hold a begun frame could use up the window that one of them needs to go on.
  if (l.stream_window_bytes < frame_max + 2 * kVarintMax ||
      l.connection_window_bytes < l.streams_max * (frame_max + 2 * kVarintMax) + kControlBodyMax)
    return bad_options(text("found windows of {} and {} bytes, expected a frame of {} a stream and {} of them",
                            l.stream_window_bytes, l.connection_window_bytes, frame_max, l.streams_max));
  if (l.packet_bytes_max < kPacketMax || l.packet_bytes_max > kPacketLimit)
    return bad_options(
        text("found packets of {} bytes, expected {} to {}", l.packet_bytes_max, kPacketMax, kPacketLimit));
  if (l.ack_packets < 1 || l.ack_wait_ns < 0 || l.ack_wait_ns > kAckWaitMaxNs)
    return bad_options(text("found acknowledgements after {} packets or {} ns, expected 1 or more and 0 to {}",
                            l.ack_packets, l.ack_wait_ns, kAckWaitMaxNs));
  if (l.connections_max == 0 || l.streams_max == 0 || l.events_max == 0 || l.handshake_ms < 1 || l.idle_ms < 1)
    return bad_options("found a limit of nothing");
  return {};
}

Result<std::unique_ptr<Endpoint::Core>> Endpoint::Core::create(Options options, const detail::TlsProfile& profile) {
  std::unique_ptr<Core> core(new Core(std::move(options)));
  const crypto::SecretKey* key = core->options.key;
  if (key == nullptr || (!profile.any_key && key->public_key().alg != crypto::SigAlg::kMlDsa65 &&
                         key->public_key().alg != crypto::SigAlg::kMlDsa87))
    return bad_options("found no key of our own, expected one of ML-DSA-65 or ML-DSA-87");
  TRY_OK(core->check_options());
  core->self = crypto::account_id(key->public_key());
  TRY(core->tls, detail::TlsContext::create(*key, profile));
  FixedBytes<32> secret = core->options.secret;
  if (secret.is_zero()) core->random->fill(secret.span());
  core->token_secret_ = crypto::blake3("hanse/mesh-token/1", {secret.view()});
  core->cids = std::make_unique<detail::CidMint>(secret, *core->random);
  return core;
}

ngtcp2_tstamp Endpoint::Core::tick(std::int64_t now_ns) {
  if (!std::exchange(has_first_, true)) first_now_ns_ = now_ns;
  const std::int64_t passed = now_ns > first_now_ns_ ? now_ns - first_now_ns_ : 0;
  ts_ = std::max(ts_, kEpoch + static_cast<ngtcp2_tstamp>(passed));
  return ts_;
}

std::int64_t Endpoint::Core::to_ns(ngtcp2_tstamp ts) const {
  if (ts == 0) return 0;
  const std::int64_t since = from_ts(ts);
  if (since == INT64_MAX) return INT64_MAX;
  return first_now_ns_ + (since - static_cast<std::int64_t>(kEpoch));
}

void Endpoint::Core::emit(Event event) { events_.push_back(std::move(event)); }

void Endpoint::Core::add_cid(const Cid& cid, Connection& connection) {
  routes_[cid] = connection.id;
  connection.cids.push_back(cid);
}

void Endpoint::Core::remove_cid(const Cid& cid) { routes_.erase(cid); }

void Endpoint::Core::add_reset_token(const detail::ResetToken& token, Connection& connection) {
  reset_tokens_[token] = connection.id;
  connection.reset_tokens.push_back(token);
}

void Endpoint::Core::remove_reset_token(const detail::ResetToken& token) { reset_tokens_.erase(token); }

void Endpoint::Core::handshake_ended(Connection&) { --handshakes_; }

const Protocol* Endpoint::Core::protocol(std::uint64_t id) const {
  for (const Protocol& p : options.protocols)
    if (p.id == id) return &p;
  return nullptr;
}

bool Endpoint::Core::knows_control(std::uint8_t type) const {
  return std::ranges::find(options.control_types, type) != options.control_types.end();
}

Endpoint::Core::Connection* Endpoint::Core::find(ConnectionId connection) const {
  const auto it = connections_.find(connection);
  return it == connections_.end() ? nullptr : it->second.get();
}

Result<Endpoint::Core::Connection*> Endpoint::Core::must_find(ConnectionId connection) const {
  if (Connection* found = find(connection); found != nullptr) return found;
  return fail(Kind::kNotFound, "transport.no_connection", text("found no connection {}", connection));
}

void Endpoint::Core::receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  const ngtcp2_tstamp ts = tick(now_ns);
  ngtcp2_version_cid ids{};
  const int code = datagram.empty()
                       ? NGTCP2_ERR_INVALID_ARGUMENT
                       : ngtcp2_pkt_decode_version_cid(&ids, datagram.data(), datagram.size(), detail::kCidSize);
  if (events_.size() >= options.limits.events_max || (code != 0 && code != NGTCP2_ERR_VERSION_NEGOTIATION)) {
    ++totals_.strays;
    return;
  }
  if (code == NGTCP2_ERR_VERSION_NEGOTIATION) {
    if (datagram.size() >= kInitialMin) negotiate_version(path, ids);
    return;
  }
  const ByteView dcid(ids.dcid, ids.dcidlen);
  const auto route = routes_.find(Cid::of(dcid));
  if (route == routes_.end()) {
    if ((datagram[0] & 0x80) != 0) return meet(path, datagram, ecn, ts);
    if (Connection* connection = forgotten_by(datagram); connection != nullptr)
      return read(*connection, path, datagram, ecn, ts);
    return answer_stranger(path, datagram, dcid);
  }
  Connection* connection = find(route->second);
  if (connection == nullptr) return answer_from_grave(path, route->second, datagram.size());
  read(*connection, path, datagram, ecn, ts);
}

void Endpoint::Core::read(Connection& connection, const Path& path, ByteView datagram, std::uint8_t ecn,
                          ngtcp2_tstamp ts) {
  if (Status status = connection.read(path, datagram, ecn, ts); !status)
    return end_with(connection, status.error(), ts);
  touch(connection);
}

Endpoint::Core::Connection* Endpoint::Core::forgotten_by(ByteView datagram) const {
  detail::ResetToken token;
  if (datagram.size() < token.kSize || !detail::ResetToken::from(datagram.last(token.kSize), token)) return nullptr;
  const auto it = reset_tokens_.find(token);
  return it == reset_tokens_.end() ? nullptr : find(it->second);
}

// The first datagram of somebody who dials us.
void Endpoint::Core::meet(const Path& path, ByteView datagram, std::uint8_t ecn, ngtcp2_tstamp ts) {
  ngtcp2_pkt_hd hello{};
  if (datagram.size() < kInitialMin || ngtcp2_accept(&hello, datagram.data(), datagram.size()) != 0) {
    ++totals_.strays;
    return;
  }
  const Limits& l = options.limits;
  if (connections_.size() >= l.connections_max || inbound_ >= l.inbound_max || handshakes_ >= l.handshakes_max) {
    ++totals_.full;
    return;
  }
  detail::Validated validated;
  if (!validate(path, hello, ts, validated)) return;
  auto made = Connection::accept(*this, next_id_, path, hello, validated, ts);
  if (!made) {
    ++totals_.full;
    return;
  }
  ++next_id_, ++inbound_, ++handshakes_;
  Connection& connection = **made;
  connections_[connection.id] = std::move(*made);
  if (Status status = connection.read(path, datagram, ecn, ts); !status) {
    if (status.error().id() == detail::kDropped) return drop(connection);
    return end_with(connection, status.error(), ts);
  }
  touch(connection);
}

// The hello's later datagrams may have overtaken its first, or somebody makes things up: no state is kept for it.
void Endpoint::Core::drop(Connection& connection) {
  ++totals_.strays;
  --inbound_, --handshakes_;
  for (const Cid& cid : connection.cids) routes_.erase(cid);
  for (const detail::ResetToken& token : connection.reset_tokens) reset_tokens_.erase(token);
  connections_.erase(connection.id);
}

void Endpoint::Core::negotiate_version(const Path& path, const ngtcp2_version_cid& ids) {
  constexpr std::uint32_t kSpoken[] = {NGTCP2_PROTO_VER_V1};
  Bytes out(128);
  std::uint8_t unused = 0;
  random->fill({&unused, 1});
  const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(out.data(), out.size(), unused, ids.scid, ids.scidlen,
                                                                 ids.dcid, ids.dcidlen, kSpoken, 1);
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++totals_.negotiations;
  queue(path, std::move(out));
}

// A packet of a connection that we have forgotten, if the id is one that we gave out.
void Endpoint::Core::answer_stranger(const Path& path, ByteView datagram, ByteView dcid) {
  if (datagram.size() <= kResetMin || !cids->is_ours(dcid)) {
    ++totals_.strays;
    return;
  }
  ngtcp2_stateless_reset_token token;
  cids->reset_token(dcid, token.data);
  Bytes out(kResetMin - 1);
  std::uint8_t noise[kResetMin - 1 - NGTCP2_STATELESS_RESET_TOKENLEN];
  random->fill(noise);
  const ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset2(out.data(), out.size(), &token, noise, sizeof noise);
  if (size <= 0) return;
  out.resize(static_cast<std::size_t>(size));
  ++totals_.resets;
  queue(path, std::move(out));
}

void Endpoint::Core::answer_from_grave(const Path& path, ConnectionId id, std::size_t size) {
  const auto it = graves_.find(id);
  if (it == graves_.end()) return;
  Grave& grave = it->second;
  grave.received += size;
  if (++grave.heard < grave.answer_at || grave.close.empty() || grave.sent + grave.close.size() > 3 * grave.received)
    return;
  grave.answer_at *= 2;
  grave.sent += grave.close.size();
  queue(path, grave.close);
}

void Endpoint::Core::queue(const Path& path, Bytes bytes) {
  if (outgoing_.size() < kOutgoingMax) outgoing_.push_back({.path = path, .bytes = std::move(bytes)});
}

void Endpoint::Core::touch(Connection& connection) {
  if (!std::exchange(connection.dirty, true)) dirty_.push_back(connection.id);
}

void Endpoint::Core::schedule(Connection& connection) {
  const std::int64_t at = to_ns(connection.expiry());
  if (at == connection.deadline_ns) return;
  if (connection.deadline_ns != INT64_MAX) deadlines_.erase({connection.deadline_ns, connection.id});
  connection.deadline_ns = at;
  if (at != INT64_MAX) deadlines_.insert({at, connection.id});
}

bool Endpoint::Core::transmit(Batch& out, std::int64_t now_ns, std::size_t max_packets) {
  const ngtcp2_tstamp ts = tick(now_ns);
  out.buffer.resize(kBatchMax * kPacketMax);
  out.sent = 0;
  out.ttl = 0;
  if (!outgoing_.empty()) {
    const Outgoing& first = outgoing_.front();
    std::ranges::copy(first.bytes, out.buffer.begin());
    out.path = first.path;
    out.size = out.segment = first.bytes.size();
    out.ecn = 0;
    outgoing_.pop_front();
    return true;
  }
  while (!dirty_.empty()) {
    const ConnectionId id = dirty_.front();
    dirty_.pop_front();
    Connection* connection = find(id);
    if (connection == nullptr) continue;
    connection->dirty = false;
    if (connection->may_wait(ts)) {
      schedule(*connection);
      continue;
    }
    if (Status status = connection->write(out, std::clamp<std::size_t>(max_packets, 1, kBatchMax), ts); !status) {
      end_with(*connection, status.error(), ts);
      if (!outgoing_.empty()) return transmit(out, now_ns, max_packets);
      continue;
    }
    schedule(*connection);
    if (out.size == 0) continue;
    touch(*connection);  // behind the others; it may have more to say
    return true;
  }
  return false;
}

std::int64_t Endpoint::Core::next_deadline_ns() const {
  std::int64_t at = INT64_MAX;
  if (!deadlines_.empty()) at = deadlines_.begin()->first;
  if (!grave_ends_.empty()) at = std::min(at, to_ns(grave_ends_.begin()->first));
  return at;
}

void Endpoint::Core::on_deadline(std::int64_t now_ns) {
  const ngtcp2_tstamp ts = tick(now_ns);
  const std::int64_t now = to_ns(ts);
  while (!grave_ends_.empty() && grave_ends_.begin()->first <= ts) {
    const ConnectionId id = grave_ends_.begin()->second;
    for (const Cid& cid : graves_[id].cids) routes_.erase(cid);
    graves_.erase(id);
    grave_ends_.erase(grave_ends_.begin());
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Connection* connection = find(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    connection->deadline_ns = INT64_MAX;
    if (Status status = connection->on_expiry(ts); !status) {
      end_with(*connection, status.error(), ts);
      continue;
    }
    touch(*connection);  // transmit schedules it anew
  }
}

bool Endpoint::Core::next_event(Event& out) {
  if (events_.empty()) return false;
  out = std::move(events_.front());
  events_.pop_front();
  return true;
}

Result<ConnectionId> Endpoint::Core::dial(const Path& path, const PeerId& peer, std::int64_t now_ns) {
  if (connections_.size() >= options.limits.connections_max)
    return fail(Kind::kExhausted, "transport.limit",
                text("found {} connections, expected at most {}", connections_.size(), options.limits.connections_max));
  // Both are shown once: who sees one twice knows that it is the same dialer.
  const Bytes token = tokens_.take(peer);
  TRY(std::unique_ptr<Connection> made,
      Connection::dial(*this, next_id_, path, peer, token, tickets_.take(peer), tick(now_ns)));
  Connection& connection = *made;
  connections_[next_id_++] = std::move(made);
  touch(connection);
  return connection.id;
}

bool Endpoint::Core::may_send_early(ConnectionId id) const {
  const Connection* connection = find(id);
  return connection != nullptr && connection->early();
}

Status Endpoint::Core::migrate(ConnectionId id, const Path& path, std::int64_t now_ns) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->migrate(path, tick(now_ns));
}

void Endpoint::Core::close(ConnectionId id, CloseCode code, std::int64_t now_ns) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  end_with(*connection,
           Error(Kind::kUnavailable, "transport.closed", "the connection was closed here")
               .coded(static_cast<std::uint32_t>(code)),
           tick(now_ns));
}

void Endpoint::Core::close_all(CloseCode code, std::int64_t now_ns) {
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  std::ranges::sort(ids);
  for (const ConnectionId id : ids) close(id, code, now_ns);
}

void Endpoint::Core::end_with(Connection& connection, const Error& why, ngtcp2_tstamp ts) {
  Path path;
  Grave grave{.close = connection.farewell(why, path, ts), .cids = std::move(connection.cids)};
  if (!grave.close.empty()) queue(path, grave.close);
  if (connection.deadline_ns != INT64_MAX) deadlines_.erase({connection.deadline_ns, connection.id});
  for (const detail::ResetToken& token : connection.reset_tokens) reset_tokens_.erase(token);
  if (connection.inbound) --inbound_;
  if (connection.inbound && connection.handshaking()) {
    --handshakes_;
    ++totals_.refused;
  }
  Event event{.type = Event::Type::kDown, .connection = connection.id, .inbound = connection.inbound};
  event.peer = connection.stats().peer;
  event.error = why.clone();
  event.code = why.code();
  const ConnectionId id = connection.id;
  const ngtcp2_tstamp until = ts + connection.linger_ns();
  if (!why.id().ends_with(".silent") && graves_.size() < kGravesMax) {
    grave_ends_.insert({until, id});
    graves_[id] = std::move(grave);
  } else {
    for (const Cid& cid : grave.cids) routes_.erase(cid);
  }
  connections_.erase(id);
  emit(std::move(event));
}

Result<StreamId> Endpoint::Core::open_stream(ConnectionId id, std::uint64_t number) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->open_stream(number);
}

Status Endpoint::Core::send(ConnectionId id, StreamId stream, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->send(stream, type, std::move(body));
}

Status Endpoint::Core::end(ConnectionId id, StreamId stream) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->end(stream);
}

Status Endpoint::Core::cancel(ConnectionId id, StreamId stream, CloseCode code) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->cancel(stream, code);
}

void Endpoint::Core::keep_alive(ConnectionId id, std::int64_t every_ns) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->keep_alive(static_cast<std::uint64_t>(std::max<std::int64_t>(every_ns, 0)));
  touch(*connection);
}

std::size_t Endpoint::Core::datagram_room(ConnectionId id) const {
  const Connection* connection = find(id);
  return connection == nullptr ? 0 : connection->datagram_room();
}

Status Endpoint::Core::send_datagram(ConnectionId id, Bytes body) {
  TRY(Connection * connection, must_find(id));
  touch(*connection);
  return connection->send_datagram(std::move(body));
}

void Endpoint::Core::consumed(ConnectionId id, StreamId stream, std::uint64_t credit) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->consumed(stream, credit);
  touch(*connection);
}

void Endpoint::Core::consumed(Event event) {
  consumed(event.connection, event.stream, event.credit);
  if (event.body.capacity() < kSpareBodyMin || spare_bodies_.size() == kSpareBodiesMax) return;
  event.body.clear();
  spare_bodies_.push_back(std::move(event.body));
}

// Memory that the system has just taken back costs a page fault for each 4 KiB when it is touched again.
Bytes Endpoint::Core::spare_body() {
  if (spare_bodies_.empty()) return {};
  Bytes out = std::move(spare_bodies_.back());
  spare_bodies_.pop_back();
  return out;
}

Result<Hash32> Endpoint::Core::binding(ConnectionId id) const {
  TRY(const Connection* connection, must_find(id));
  return connection->binding();
}

Result<ConnectionStats> Endpoint::Core::stats(ConnectionId id) const {
  TRY(const Connection* connection, must_find(id));
  ConnectionStats out = connection->stats();
  out.begun_ns = to_ns(connection->begun_ts);
  out.handshake_ns = to_ns(connection->handshake_ts);
  out.heard_ns = to_ns(connection->heard_ts());
  return out;
}

}  // namespace hanse::transport
