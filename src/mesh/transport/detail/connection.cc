#include "mesh/transport/detail/connection.h"

#include <netinet/in.h>

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::transport::detail {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kPathQuietNs = 1000 * kNsPerMs;
// Ethernet behind a tunnel, Ethernet, jumbo frames (9000 without the heads of IPv6 and UDP), machines of one host.
constexpr std::uint16_t kProbes[] = {1350, kPacketMax, 8952, kPacketLimit};
constexpr std::uint64_t kCryptoErrorFirst = 0x100, kCryptoErrorLast = 0x1ff;  // RFC 9001, 4.8
constexpr std::uint8_t kFixed[16] = {0xfd, 0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

void fill(sockaddr_in6& out, std::uint32_t serial) {
  out = {};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(1);
  std::memcpy(out.sin6_addr.s6_addr, kFixed, sizeof kFixed);
  if (serial == 0) return;
  out.sin6_addr.s6_addr[3] = 1;
  store_be(out.sin6_addr.s6_addr + 12, serial);
}

std::uint32_t serial_of(const ngtcp2_addr& address) {
  if (address.addrlen != sizeof(sockaddr_in6)) return 0;
  sockaddr_in6 in{};
  std::memcpy(&in, address.addr, sizeof in);
  return load_be<std::uint32_t>(in.sin6_addr.s6_addr + 12);
}

// The same wire: the system may name our address only with the first datagram that comes.
bool same(const Path& a, const Path& b) {
  return a.remote == b.remote && a.local.port == b.local.port &&
         (a.local.ip == b.local.ip || a.local.ip == Address{}.ip || b.local.ip == Address{}.ip);
}

CloseCode code_of(const Error& why) {
  const std::string_view id = why.id();
  if (id == "transport.wrong_identity") return CloseCode::kWrongIdentity;
  if (id == "transport.wrong_network") return CloseCode::kWrongNetwork;
  if (id == "transport.version") return CloseCode::kVersion;
  if (id == "transport.not_admitted") return CloseCode::kBanned;
  if (id == "transport.closed") return why.code() != 0 ? static_cast<CloseCode>(why.code()) : CloseCode::kDone;
  return CloseCode::kViolation;
}

}  // namespace

Connection::Connection(Host& host, ConnectionId number, bool is_inbound, const Path& path, ngtcp2_tstamp ts)
    : id(number), inbound(is_inbound), begun_ts(ts), host_(host), now_ts_(ts) {
  subject_.inbound = is_inbound;
  subject_.network = host.options.network;
  subject_.self = host.self;
  subject_.admit_untagged = host.options.admit_untagged;
  subject_.owner = this;
  subject_.on_session = [](void* self, SessionPtr session) {
    static_cast<Connection*>(self)->keep_session(std::move(session));
  };
  subject_.conn_ref.get_conn = [](ngtcp2_crypto_conn_ref* ref) {
    auto* subject = static_cast<TlsSubject*>(ref->user_data);
    return subject->conn;
  };
  slots_.push_back({.serial = next_serial_++, .path = path, .heard_ts = now_ts_});
}

Connection::~Connection() {
  if (ssl_ != nullptr) {
    SSL_set_app_data(ssl_.get(), nullptr);  // SSL_free would ask for a connection that is going
    // QUIC has its own ends; without this OpenSSL takes the session for broken and forgets the peer's ticket.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ssl_.reset();
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);
  if (tls_ != nullptr) ngtcp2_crypto_ossl_ctx_del(tls_);
}

ngtcp2_settings Connection::settings(ngtcp2_tstamp ts) const {
  ngtcp2_settings out;
  ngtcp2_settings_default(&out);
  out.initial_ts = ts;
  out.cc_algo = NGTCP2_CC_ALGO_BBR;  // CUBIC fills any buffer on a path without loss (mesh.md 5.2)
  out.initial_rtt = 100 * kNsPerMs;
  out.ack_thresh = host_.options.limits.ack_packets;
  out.max_tx_udp_payload_size = host_.options.limits.packet_bytes_max;
  out.pmtud_probes = kProbes;
  out.pmtud_probeslen = static_cast<std::size_t>(
      std::ranges::upper_bound(kProbes, host_.options.limits.packet_bytes_max) - std::begin(kProbes));
  out.handshake_timeout = static_cast<std::uint64_t>(host_.options.limits.handshake_ms) * kNsPerMs;
  out.rand_ctx.native_handle = host_.random;
  return out;
}

ngtcp2_transport_params Connection::parameters() const {
  const Limits& limits = host_.options.limits;
  ngtcp2_transport_params out;
  ngtcp2_transport_params_default(&out);
  out.initial_max_stream_data_bidi_local = limits.stream_window_bytes;
  out.initial_max_stream_data_bidi_remote = limits.stream_window_bytes;
  out.initial_max_data = limits.connection_window_bytes;
  out.initial_max_streams_bidi = limits.streams_max + (inbound ? 1u : 0u);  // stream 0 is the client's
  out.max_idle_timeout = static_cast<std::uint64_t>(limits.idle_ms) * kNsPerMs;
  out.active_connection_id_limit = 4;
  out.max_datagram_frame_size = 65535;
  return out;
}

Status Connection::attach_tls(SSL_SESSION* resumed) {
  subject_.conn = conn_;
  TRY(ssl_, host_.tls->session(subject_, resumed));
  if (ngtcp2_crypto_ossl_ctx_new(&tls_, ssl_.get()) != 0)
    return fail(Kind::kInternal, "transport.system", "no memory for a TLS session");
  ngtcp2_conn_set_tls_native_handle(conn_, tls_);
  return {};
}

Result<std::unique_ptr<Connection>> Connection::accept(Host& host, ConnectionId id, const Path& path,
                                                       const ngtcp2_pkt_hd& hello, const Validated& validated,
                                                       ngtcp2_tstamp ts) {
  std::unique_ptr<Connection> made(new Connection(host, id, true, path, ts));
  ngtcp2_cid scid;
  host.cids->mint(scid);
  ngtcp2_transport_params params = made->parameters();
  const bool after_retry = validated.type == NGTCP2_TOKEN_TYPE_RETRY;
  params.original_dcid = after_retry ? validated.original : hello.dcid;
  params.original_dcid_present = 1;
  params.retry_scid = hello.dcid;
  params.retry_scid_present = after_retry ? 1 : 0;
  params.stateless_reset_token_present = 1;
  host.cids->reset_token({scid.data, scid.datalen}, params.stateless_reset_token);
  ngtcp2_settings settings = made->settings(ts);
  if (validated.type != NGTCP2_TOKEN_TYPE_UNKNOWN) {
    settings.token = hello.token;
    settings.tokenlen = hello.tokenlen;
    settings.token_type = validated.type;
  }
  ngtcp2_path_storage where;
  made->virtual_path(made->slots_[0].serial, where);
  if (ngtcp2_conn_server_new(&made->conn_, &hello.scid, &scid, &where.path, hello.version, &callbacks(true), &settings,
                             &params, nullptr, made.get()) != 0)
    return fail(Kind::kInternal, "transport.system", "ngtcp2 made no server connection");
  TRY_OK(made->attach_tls(nullptr));
  host.add_cid(Cid::of(scid), *made);
  host.add_cid(Cid::of(hello.dcid), *made);
  made->add(0, FrameReader::Of::kControl);
  return made;
}

Result<std::unique_ptr<Connection>> Connection::dial(Host& host, ConnectionId id, const Path& path, const PeerId& peer,
                                                     ByteView token, Ticket ticket, ngtcp2_tstamp ts) {
  std::unique_ptr<Connection> made(new Connection(host, id, false, path, ts));
  made->subject_.expected = peer;
  ngtcp2_cid scid, dcid;
  host.cids->mint(scid);
  dcid.datalen = kCidSize;
  host.random->fill({dcid.data, dcid.datalen});
  const ngtcp2_transport_params params = made->parameters();
  ngtcp2_settings settings = made->settings(ts);
  if (!token.empty()) {
    settings.token = token.data();
    settings.tokenlen = token.size();
    settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  ngtcp2_path_storage where;
  made->virtual_path(made->slots_[0].serial, where);
  if (ngtcp2_conn_client_new(&made->conn_, &dcid, &scid, &where.path, NGTCP2_PROTO_VER_V1, &callbacks(false), &settings,
                             &params, nullptr, made.get()) != 0)
    return fail(Kind::kInternal, "transport.system", "ngtcp2 made no client connection");
  TRY_OK(made->attach_tls(ticket.session.get()));
  host.add_cid(Cid::of(scid), *made);
  made->add(0, FrameReader::Of::kControl);
  if (ticket.session != nullptr) made->prepare_early(ticket.parameters);
  return made;
}

void Connection::virtual_path(std::uint32_t serial, ngtcp2_path_storage& out) const {
  sockaddr_in6 moving, fixed;
  fill(moving, serial);
  fill(fixed, 0);
  const auto* local = reinterpret_cast<const ngtcp2_sockaddr*>(inbound ? &fixed : &moving);
  const auto* remote = reinterpret_cast<const ngtcp2_sockaddr*>(inbound ? &moving : &fixed);
  ngtcp2_path_storage_init(&out, local, sizeof fixed, remote, sizeof fixed, nullptr);
}

const Path* Connection::real_path(const ngtcp2_path& path) const {
  const std::uint32_t serial = serial_of(inbound ? path.remote : path.local);
  for (const Slot& slot : slots_)
    if (slot.serial == serial) return &slot.path;
  return nullptr;
}

std::uint32_t Connection::current_serial() const {
  const ngtcp2_path* path = ngtcp2_conn_get_path(conn_);
  return serial_of(inbound ? path->remote : path->local);
}

// A server meets a client on new paths; a client takes answers only from where it has sent to.
const Connection::Slot* Connection::slot_of(const Path& path) {
  const ngtcp2_tstamp ts = now_ts_;
  for (Slot& slot : slots_) {
    if (!same(slot.path, path)) continue;
    if (slot.path.local.ip == Address{}.ip) slot.path.local.ip = path.local.ip;
    // A client that comes back to an old path is met as on a new one: ngtcp2 1.22 does not retire the connection id of
    // the path it leaves for one that it remembers, and has none left after a few such moves.
    if (inbound && ts - slot.heard_ts > kPathQuietNs && slot.serial != current_serial()) slot.serial = next_serial_++;
    slot.heard_ts = ts;
    return &slot;
  }
  if (inbound) return handshaking() ? nullptr : &add_slot(path);
  // The uplink of a dialer has another address than before, of which its peer may know nothing yet.
  const std::uint32_t current = current_serial();
  const auto moved = std::ranges::find_if(slots_, [&](const Slot& slot) {
    return slot.serial == current && slot.path.remote == path.remote && slot.path.local.port == path.local.port;
  });
  if (moved == slots_.end()) return nullptr;
  moved->path.local.ip = path.local.ip;
  return &*moved;
}

const Connection::Slot& Connection::add_slot(const Path& path) {
  if (slots_.size() == kPathsMax) {  // the oldest that is not in use gives way
    const std::uint32_t current = current_serial();
    slots_.erase(std::ranges::find_if(slots_, [&](const Slot& s) { return s.serial != current; }));
  }
  slots_.push_back({.serial = next_serial_++, .path = path, .heard_ts = now_ts_});
  return slots_.back();
}

Status Connection::migrate(const Path& path, ngtcp2_tstamp ts) {
  now_ts_ = ts;
  if (inbound || !up_)
    return fail(Kind::kUnavailable, "transport.no_path", "only the dialer moves a connection, and only one that is up");
  const std::uint32_t current = current_serial();
  for (const Slot& slot : slots_)
    if (slot.serial == current && same(slot.path, path))
      return fail(Kind::kUnavailable, "transport.no_path", "the connection is on that path already");
  // A new serial even for a path that was known: ngtcp2 wants another local address each time.
  std::erase_if(slots_, [&](const Slot& slot) { return same(slot.path, path); });
  ngtcp2_path_storage where;
  virtual_path(add_slot(path).serial, where);
  const int code = ngtcp2_conn_initiate_migration(conn_, &where.path, ts);
  if (code == 0) return {};
  slots_.pop_back();
  return fail(Kind::kUnavailable, "transport.no_path",
              text("the connection cannot move now: {}", std::string_view(ngtcp2_strerror(code))));
}

void Connection::on_path(const ngtcp2_path& path, bool reached) {
  const Path* real = real_path(path);
  if (real == nullptr || !up_) return;
  Event event{.type = Event::Type::kPath, .connection = id, .inbound = inbound, .code = reached ? 0u : 1u};
  event.path = *real;
  host_.emit(std::move(event));
}

Status Connection::read(const Path& path, ByteView datagram, std::uint8_t ecn, ngtcp2_tstamp ts) {
  now_ts_ = ts;
  const Slot* slot = slot_of(path);
  if (slot == nullptr) return {};  // a datagram that somebody sent from elsewhere
  bytes_in_ += datagram.size();
  ngtcp2_path_storage where;
  virtual_path(slot->serial, where);
  const ngtcp2_pkt_info info{.ecn = static_cast<std::uint8_t>(ecn & NGTCP2_ECN_MASK)};
  const int code = ngtcp2_conn_read_pkt(conn_, &where.path, &info, datagram.data(), datagram.size(), ts);
  if (code != 0) return std::unexpected(why(code));
  ngtcp2_conn_info facts{};
  ngtcp2_conn_get_conn_info(conn_, &facts);
  if (facts.pkt_recv > packets_in_) heard_ts_ = ts;
  if (unanswered_ == 0) unanswered_ts_ = ts;
  unanswered_ += facts.pkt_recv - packets_in_;
  packets_in_ = facts.pkt_recv;
  return {};
}

Status Connection::write(Batch& out, std::size_t max_packets, ngtcp2_tstamp ts) {
  now_ts_ = ts;
  unanswered_ = 0;
  ngtcp2_path_storage where;
  ngtcp2_path_storage_zero(&where);
  ngtcp2_pkt_info info{};
  const std::size_t quantum = ngtcp2_conn_get_send_quantum(conn_) / ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  const std::size_t packets = std::clamp<std::size_t>(quantum, 1, max_packets);
  out.size = out.segment = 0;
  const ngtcp2_ssize size = ngtcp2_conn_write_aggregate_pkt2(
      conn_, &where.path, &info, out.buffer.data(), out.buffer.size(), &out.segment,
      [](ngtcp2_conn*, ngtcp2_path* path, ngtcp2_pkt_info* pi, std::uint8_t* at, std::size_t room, ngtcp2_tstamp when,
         void* self) { return static_cast<Connection*>(self)->write_packet(path, pi, at, room, when); },
      packets, ts);
  if (size < 0) return std::unexpected(why(static_cast<int>(size)));
  ngtcp2_conn_update_pkt_tx_time(conn_, ts);
  if (size == 0) return {};
  const Path* real = real_path(where.path);
  if (real == nullptr) return {};  // of a path that was forgotten since: lost like any other datagram
  out.path = *real;
  out.ecn = info.ecn;
  out.size = static_cast<std::size_t>(size);
  bytes_out_ += out.size;
  return {};
}

bool Connection::may_wait(ngtcp2_tstamp ts) const {
  const Limits& limits = host_.options.limits;
  return up_ && unanswered_ > 0 && unanswered_ < limits.ack_packets &&
         ts < unanswered_ts_ + static_cast<ngtcp2_tstamp>(limits.ack_wait_ns) && datagrams_.empty() &&
         std::ranges::all_of(ready_, [](const auto& streams) { return streams.empty(); });
}

// ngtcp2 would acknowledge after an eighth of a round trip, which is nothing between near machines.
ngtcp2_tstamp Connection::expiry() const {
  const ngtcp2_tstamp at = ngtcp2_conn_get_expiry(conn_);
  if (!may_wait(now_ts_)) return at;
  return std::max(at, unanswered_ts_ + static_cast<ngtcp2_tstamp>(host_.options.limits.ack_wait_ns));
}

Status Connection::on_expiry(ngtcp2_tstamp ts) {
  now_ts_ = ts;
  const int code = ngtcp2_conn_handle_expiry(conn_, ts);
  if (code == 0) return {};
  return std::unexpected(why(code));
}

Bytes Connection::farewell(const Error& error, Path& path, ngtcp2_tstamp ts) {
  if (error.id() == "transport.silent" || ngtcp2_conn_in_draining_period(conn_) != 0) return {};
  if (ngtcp2_conn_in_closing_period(conn_) != 0) return {};
  ngtcp2_ccerr reason;
  ngtcp2_ccerr_default(&reason);
  const std::uint8_t alert = ngtcp2_conn_get_tls_alert(conn_);
  if (handshaking() && alert != 0)
    ngtcp2_ccerr_set_tls_alert(&reason, alert, nullptr, 0);
  else if (error.id() == "transport.violation" && error.code() != 0)
    ngtcp2_ccerr_set_transport_error(&reason, error.code(), nullptr, 0);
  else
    ngtcp2_ccerr_set_application_error(&reason, static_cast<std::uint64_t>(code_of(error)), nullptr, 0);
  ngtcp2_path_storage where;
  ngtcp2_path_storage_zero(&where);
  ngtcp2_pkt_info info{};
  Bytes out(kPacketMax);
  const ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(conn_, &where.path, &info, out.data(), out.size(), &reason, ts);
  const Path* real = size > 0 ? real_path(where.path) : nullptr;
  if (real == nullptr) return {};
  path = *real;
  out.resize(static_cast<std::size_t>(size));
  bytes_out_ += out.size();
  return out;
}

Error Connection::why_closed() const {
  const ngtcp2_ccerr* reason = ngtcp2_conn_get_ccerr(conn_);
  const std::uint64_t code = reason->error_code;
  const auto coded = static_cast<std::uint32_t>(code);
  if (reason->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    if (code == static_cast<std::uint64_t>(CloseCode::kDone))
      return Error(Kind::kUnavailable, "transport.closed", "the peer closed the connection").coded(coded);
    return Error(Kind::kDenied, "transport.refused", text("the peer closed with code {:#x}", code)).coded(coded);
  }
  if (code >= kCryptoErrorFirst && code <= kCryptoErrorLast)
    return Error(Kind::kDenied, "transport.refused",
                 text("the peer refused the handshake with TLS alert {}", code - kCryptoErrorFirst))
        .coded(coded);
  return Error(Kind::kUnavailable, "transport.closed", text("the peer closed with QUIC code {:#x}", code)).coded(coded);
}

Error Connection::why(int code) const {
  if (failure_) return failure_->clone();
  if (subject_.refusal) return subject_.refusal->clone();
  switch (code) {
    case NGTCP2_ERR_CRYPTO:
      return Error(Kind::kDenied, "transport.tls",
                   text("the handshake failed with TLS alert {}", ngtcp2_conn_get_tls_alert(conn_)))
          .coded(ngtcp2_conn_get_tls_alert(conn_));
    case NGTCP2_ERR_DRAINING: return why_closed();
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY: return Error(Kind::kUnavailable, kDropped, "the first datagram holds no begin of a hello");
    case NGTCP2_ERR_CLOSING: return Error(Kind::kUnavailable, "transport.closed", "the connection was dropped");
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return Error(Kind::kTimeout, "transport.silent",
                   text("no handshake within {} ms", host_.options.limits.handshake_ms));
    case NGTCP2_ERR_IDLE_CLOSE:
      return Error(Kind::kTimeout, "transport.silent",
                   text("nothing was heard within {} ms", host_.options.limits.idle_ms));
    default:
      return Error(Kind::kCorrupt, "transport.violation", std::string_view(ngtcp2_strerror(code)))
          .coded(static_cast<std::uint32_t>(ngtcp2_err_infer_quic_transport_error_code(code)));
  }
}

Result<Hash32> Connection::binding() const {
  Hash32 out;
  constexpr std::string_view kLabel = "EXPORTER-hanse-bind";
  if (!up_ || SSL_export_keying_material(ssl_.get(), out.data.data(), out.data.size(), kLabel.data(), kLabel.size(),
                                         nullptr, 0, 0) != 1)
    return fail(Kind::kUnavailable, "transport.no_connection", "the connection is not up");
  return out;
}

ConnectionStats Connection::stats() const {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info(conn_, &info);
  return {.peer = subject_.proved.value_or(subject_.expected),
          .inbound = inbound,
          .up = up_,
          .early = early_ && SSL_get_early_data_status(ssl_.get()) == SSL_EARLY_DATA_ACCEPTED,
          .begun_ns = 0,
          .handshake_ns = 0,
          .heard_ns = 0,
          .bytes_in = bytes_in_,
          .bytes_out = bytes_out_,
          .send_bytes = send_bytes_,
          .flight_bytes = info.bytes_in_flight,
          .packet_bytes = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_),
          .rtt_ns = static_cast<std::int64_t>(info.smoothed_rtt),
          .cwnd_bytes = info.cwnd,
          .bytes_lost = info.bytes_lost};
}

}  // namespace hanse::transport::detail
