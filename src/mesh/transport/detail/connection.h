// One QUIC connection: ngtcp2, its TLS session, its streams and paths. Private to this room.
//   connection.cc   making, datagrams in and out, ends
//   callbacks.cc    what ngtcp2 asks and tells
//   streams.cc      frames in and out, who writes next
// Paths are virtual (mesh.md 5.5): ngtcp2 sees the fixed address fd57::1 on the server's side and fd57:1::<serial> on
// the client's; a table leads from serials to real paths. So a client can move from a relay to a direct path without
// another local port, and a packet from a new source is a new serial.
// ngtcp2 ends the process when time goes back, when a server migrates and when a call is made on a connection that has
// ended: `ts` comes from the endpoint's clamped clock, migrate() refuses on servers, and an ended connection is
// destroyed by the endpoint before anything else is asked of it.
// Threads: one. Errors: those of connections in transport.h; transport.system (internal).
#pragma once

#include <deque>
#include <map>

#include "mesh/transport/detail/cid.h"
#include "mesh/transport/detail/stream.h"
#include "mesh/transport/detail/tls.h"

namespace hanse::transport::detail {

class Connection;
// What a hello's token has shown: its address is real, and which id the dialer first wrote to.
struct Validated {
  ngtcp2_token_type type = NGTCP2_TOKEN_TYPE_UNKNOWN;
  ngtcp2_cid original{};  // of Retry
};
struct Ticket {  // of an earlier connection to a peer, and what it allowed then
  SessionPtr session;
  Bytes parameters;
};
using ResetToken = FixedBytes<NGTCP2_STATELESS_RESET_TOKENLEN, struct ResetTokenTag>;

// Says to the endpoint alone: forget this connection as if its datagram had never come.
constexpr std::string_view kDropped = "transport.dropped";

// What a connection asks of its endpoint.
class Host {
 public:
  virtual ~Host() = default;
  virtual void emit(Event event) = 0;
  virtual void add_cid(const Cid& cid, Connection& connection) = 0;
  virtual void remove_cid(const Cid& cid) = 0;
  // Of the peer: a datagram that ends with it says that the peer has forgotten the connection.
  virtual void add_reset_token(const ResetToken& token, Connection& connection) = 0;
  virtual void remove_reset_token(const ResetToken& token) = 0;
  virtual void handshake_ended(Connection& connection) = 0;  // inbound, well or badly
  virtual const Protocol* protocol(std::uint64_t id) const = 0;
  virtual Bytes visit_token(const Path& path) const = 0;  // that a dialer may show next time
  virtual void keep_ticket(const PeerId& peer, Ticket ticket) = 0;
  virtual void keep_token(const PeerId& peer, ByteView token) = 0;
  virtual Bytes spare_body() = 0;  // empty, perhaps with memory
  virtual bool knows_control(std::uint8_t type) const = 0;

  Options options;
  Random* random = nullptr;
  PeerId self;
  std::unique_ptr<TlsContext> tls;
  std::unique_ptr<CidMint> cids;
};

class Connection final : private FrameSink {
 public:
  static Result<std::unique_ptr<Connection>> dial(Host& host, ConnectionId id, const Path& path, const PeerId& peer,
                                                  ByteView token, Ticket ticket, ngtcp2_tstamp ts);
  static Result<std::unique_ptr<Connection>> accept(Host& host, ConnectionId id, const Path& path,
                                                    const ngtcp2_pkt_hd& hello, const Validated& validated,
                                                    ngtcp2_tstamp ts);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Each of these ends the connection when it fails: the endpoint takes farewell() and destroys it.
  Status read(const Path& path, ByteView datagram, std::uint8_t ecn, ngtcp2_tstamp ts);
  Status write(Batch& out, std::size_t max_packets, ngtcp2_tstamp ts);
  Status on_expiry(ngtcp2_tstamp ts);
  Status migrate(const Path& path, ngtcp2_tstamp ts);
  ngtcp2_tstamp expiry() const;
  // Nothing has to be written yet: all there is to say is that something came.
  bool may_wait(ngtcp2_tstamp ts) const;
  // The datagram that tells the peer why; empty when nothing may be said.
  Bytes farewell(const Error& why, Path& path, ngtcp2_tstamp ts);
  std::uint64_t linger_ns() const { return 3 * ngtcp2_conn_get_pto(conn_); }

  Result<StreamId> open_stream(std::uint64_t protocol);
  Status send(StreamId stream, std::uint8_t type, std::shared_ptr<const Bytes> body);
  Status end(StreamId stream);
  Status cancel(StreamId stream, CloseCode code);
  Status send_datagram(Bytes body);
  std::size_t datagram_room() const;
  void keep_alive(std::uint64_t every_ns) {
    ngtcp2_conn_set_keep_alive_timeout(conn_, every_ns == 0 ? UINT64_MAX : every_ns);
  }
  void consumed(StreamId stream, std::uint64_t credit);
  Result<Hash32> binding() const;
  ConnectionStats stats() const;

  const ConnectionId id;
  const bool inbound;
  // The endpoint's bookkeeping.
  bool dirty = false;
  std::int64_t deadline_ns = INT64_MAX;
  std::vector<Cid> cids;  // that lead here
  std::vector<ResetToken> reset_tokens;
  ngtcp2_tstamp begun_ts = 0, handshake_ts = 0;
  ngtcp2_tstamp heard_ts() const { return heard_ts_; }
  bool up() const { return up_; }
  bool early() const { return early_ && !up_; }
  bool handshaking() const { return handshake_ts == 0; }

 private:
  struct Slot {
    std::uint32_t serial = 0;
    Path path;
    ngtcp2_tstamp heard_ts = 0;
  };
  struct Hooks;  // callbacks.cc
  static const ngtcp2_callbacks& callbacks(bool server);
  Connection(Host& host, ConnectionId number, bool is_inbound, const Path& path, ngtcp2_tstamp ts);
  ngtcp2_settings settings(ngtcp2_tstamp ts) const;
  ngtcp2_transport_params parameters() const;
  Status attach_tls(SSL_SESSION* resumed);
  void prepare_early(ByteView parameters);
  bool meet_early();
  int send_again();
  void keep_session(SessionPtr session);
  int say_hello();
  void virtual_path(std::uint32_t serial, ngtcp2_path_storage& out) const;
  const Path* real_path(const ngtcp2_path& path) const;
  const Slot* slot_of(const Path& path);
  const Slot& add_slot(const Path& path);
  void on_path(const ngtcp2_path& path, bool reached);
  std::uint32_t current_serial() const;
  Error why(int code) const;
  Error why_closed() const;

  int completed();  // the handshake; answers for ngtcp2
  void come_up();
  void tell_hello(Hello hello);
  int fail_callback(Error error);

  // streams.cc
  Stream* find(StreamId stream);
  Stream& add(StreamId stream, FrameReader::Of of);
  int on_opened(StreamId stream);
  int on_data(StreamId stream, ByteView bytes, bool last);
  void on_acknowledged(StreamId stream, std::uint64_t upto);
  void on_closed(StreamId stream);
  void on_reset(StreamId stream, std::uint64_t code);
  void on_stopped(StreamId stream, std::uint64_t code);
  void on_unblocked(StreamId stream);
  std::uint32_t opened(std::uint64_t protocol) override;
  Bytes body_for(std::size_t size) override;
  void frame(std::uint8_t type, Bytes body, std::uint64_t size) override;
  void control_frame(std::uint8_t type, Bytes body, std::uint64_t size);
  void give_credit(StreamId stream, std::uint64_t bytes);
  void queue_ready(Stream& stream);
  Stream* pick();
  void charge(const Stream& stream, std::size_t bytes);
  void forget_sent(Stream& stream);
  void release(std::uint64_t bytes);
  void settle(Stream& stream, ngtcp2_ssize taken, std::size_t offered, ngtcp2_ssize wrote, bool fin);
  ngtcp2_ssize write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* out, std::size_t size,
                            ngtcp2_tstamp ts);
  ngtcp2_ssize write_datagram(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* out, std::size_t size,
                              ngtcp2_tstamp ts);

  Host& host_;
  TlsSubject subject_;
  SslPtr ssl_;
  ngtcp2_crypto_ossl_ctx* tls_ = nullptr;
  ngtcp2_conn* conn_ = nullptr;
  ngtcp2_tstamp now_ts_ = 0;
  std::optional<Error> failure_;  // of a callback
  bool up_ = false;
  bool early_ = false;  // outbound: early frames may go; inbound: they may come
  bool heard_hello_ = false;
  std::optional<Hello> hello_;  // heard before the handshake had ended

  std::vector<Slot> slots_;
  std::uint32_t next_serial_ = 1;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::uint64_t packets_in_ = 0;  // that opened
  std::uint64_t unanswered_ = 0;  // since something was written
  ngtcp2_tstamp unanswered_ts_ = 0;
  ngtcp2_tstamp heard_ts_ = 0;  // the last one

  std::map<StreamId, std::unique_ptr<Stream>> streams_;
  std::array<std::deque<Stream*>, kPriorities> ready_;
  std::array<std::uint64_t, kPriorities> served_{};
  Stream* reading_ = nullptr;
  std::uint64_t send_bytes_ = 0;
  bool refused_full_ = false;
  std::deque<Bytes> datagrams_;
  std::uint64_t datagram_id_ = 0;
};

}  // namespace hanse::transport::detail
