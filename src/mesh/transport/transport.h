// transport: QUIC between holders of ML-DSA keys, as a state machine without sockets, clock or threads.
//
// An Endpoint dials and accepts on any number of paths. Datagrams go in with the path they came on and the time;
// datagrams, events and the next deadline come out. The same object runs over UDP (driver.h) and in a simulator.
// A peer is who its key is: TLS 1.3 with X25519MLKEM768 alone, raw public keys of ML-DSA-65 or ML-DSA-87 both ways
// (RFC 7250), ALPN "hanse/1". The dialed identity is compared with the key that was proved, before the handshake ends
// and once more when it has ended. A hello of another network is refused before anything is signed.
// Inside a connection: stream 0 is control (HELLO), every other stream belongs to a protocol and carries frames that
// arrive whole or not at all; datagrams of at most kDatagramMax bytes. Bytes: proto/records/mesh.md.
//
// Shapes: times are nanoseconds of one clock that may start anywhere; a time that goes back is taken as the last one.
// Threads: one at a time. Callbacks: `admit` alone, which may not call the endpoint.
// Owns its connections. Borrows the key and the random source, which outlive it.
// Limits: Limits below. What is over one is refused, never queued; bytes that the application has not taken hold back
// the peer (flow control), never grow here.
// Errors of calls: transport.options (invalid), transport.limit (exhausted: connections, handshakes, streams),
//   transport.no_connection (not_found), transport.no_stream (not_found), transport.frame (invalid: unknown protocol,
//   body over the limit), transport.full (exhausted: bytes or datagrams wait already), transport.system (internal).
// Errors of connections (Event::error): transport.wrong_identity (denied), transport.wrong_network (denied),
//   transport.not_admitted (denied), transport.tls (denied: group, kind of key, ALPN, broken proof),
//   transport.refused (denied: the other side refused us, code = its code), transport.closed (unavailable),
//   transport.silent (timeout), transport.bad_frame (corrupt), transport.frame_limit (exhausted), transport.version
//   (unsupported), transport.violation (corrupt: QUIC's own rules).
// Refuses to: take a ticket twice, deliver early frames of a protocol that is not early, resolve names, deliver part of
// a frame.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"
#include "mesh/transport/address.h"
#include "mesh/transport/frame.h"

namespace hanse::transport {

namespace detail {
struct TlsProfile;
}

using PeerId = AccountId;  // crypto::account_id of the peer's ML-DSA key
using StreamId = std::int64_t;
using ConnectionId = std::uint64_t;  // never used twice in one endpoint

constexpr std::size_t kDatagramMax = 1100;       // a datagram of the application that fits the smallest packet
constexpr std::size_t kDatagramsQueuedMax = 64;  // a connection
constexpr std::size_t kPacketMax = 1452;         // of UDP payload that we send, unless Limits says more
constexpr std::size_t kPacketLimit = 16384;      // and then at most
constexpr std::size_t kBatchMax = 44;            // packets of one Batch: what one UDP_SEGMENT send can take; its bytes
                                                 // are at most as many as those of so many packets of kPacketMax
constexpr std::int64_t kAckWaitMaxNs = 10'000'000;
constexpr std::size_t kTokensMax = 1024;  // of earlier visits that we keep, one a peer
constexpr std::size_t kPathsMax = 8;      // a connection knows at once

// Application codes of CONNECTION_CLOSE and RESET_STREAM.
enum class CloseCode : std::uint64_t {
  kDone = 0x100,
  kWrongIdentity = 0x101,
  kViolation = 0x102,
  kWrongNetwork = 0x103,
  kDuplicate = 0x104,
  kEvicted = 0x105,
  kBanned = 0x106,
  kOverload = 0x107,
  kVersion = 0x108,
};

// Who goes first when several streams of a connection have bytes: the first three strictly, the others in turn by
// weight.
enum class Priority : std::uint8_t { kControl, kConsensus, kMembership, kDirect, kGossip, kIhave, kBulk };
constexpr std::size_t kPriorities = 7;

struct Protocol {
  std::uint64_t id = 0;
  std::uint32_t frame_bytes_max = 0;  // of a body, at most kFrameBodyMax
  Priority priority = Priority::kBulk;
  // Its frames may be sent and are taken before the handshake has ended (0-RTT), because to act on one twice does no
  // harm.
  bool early = false;
};

struct Limits {
  std::size_t connections_max = 512;
  std::size_t inbound_max = 256;
  std::size_t handshakes_max = 128;  // inbound, at once
  // Above either of these a dialer first shows that it reads what is sent to its address (Retry): one round trip more
  // for it, no memory here. A dialer with a token of an earlier visit is spared.
  std::size_t retry_handshakes = 64;
  std::size_t retry_per_second = 500;
  std::uint32_t streams_max = 64;                     // that the peer may have open, beside stream 0
  std::uint64_t stream_window_bytes = 4u << 20;       // unread by the application, a stream
  std::uint64_t connection_window_bytes = 24u << 20;  // and a connection
  std::uint64_t send_bytes_max = 16u << 20;           // that wait or are not acknowledged, a connection
  std::size_t packet_bytes_max = kPacketMax;          // of UDP payload that we send where the path has room
  // Nothing is written because of what came, before so many packets or so long, when the application has nothing to
  // say: an acknowledgement of its own costs both ends a system call and a wake. 2 and 0: as RFC 9000, 13.2, advises.
  std::size_t ack_packets = 2;
  std::int64_t ack_wait_ns = 0;       // at most kAckWaitMaxNs
  std::size_t events_max = 1u << 16;  // not taken: nothing is read any more until some are
  std::int64_t handshake_ms = 10'000;
  std::int64_t idle_ms = 30'000;
};

struct Options {
  NetworkId network;
  const crypto::SecretKey* key = nullptr;    // ML-DSA-65 or ML-DSA-87
  std::function<bool(const PeerId&)> admit;  // who may dial us; empty: everybody of this network
  // Takes hellos without a network tag too, from tools that cannot send one; they show their network in HELLO.
  bool admit_untagged = false;
  std::vector<Protocol> protocols;
  std::vector<std::uint8_t> control_types;  // of control frames that the application takes, beside HELLO
  HelloFacts hello;
  Limits limits;
  // Keep tickets and tokens of peers for the next visit: quicker, and whoever gave them knows us again.
  bool remember_visits = true;
  // Of connection ids and reset tokens; one that stays over a restart lets peers hear at once that we forgot them.
  // Zero: drawn.
  FixedBytes<32> secret;
  Random* random = nullptr;  // null: system_random()
};

struct Event {
  enum class Type : std::uint8_t {
    kUp,        // peer: authenticated; streams may be opened. path
    kHello,     // hello: what the peer says of itself; version is the one that is spoken
    kFrame,     // stream, protocol, frame_type, body; give back credit with consumed()
    kEnd,       // stream: the peer has ended it behind a whole frame
    kReset,     // stream, code: the peer cancelled it or does not read it
    kDatagram,  // body
    kPath,      // path: the peer is reached on it from now on (code 0), or a move to it has failed (code 1)
    kRoom,      // what waits has fallen below half of the limit after a refusal
    kDown,      // error; the last event of a connection
  };
  Type type = Type::kUp;
  ConnectionId connection = 0;
  bool inbound = false;
  StreamId stream = -1;
  std::uint64_t protocol = 0;
  std::uint8_t frame_type = 0;
  std::uint64_t code = 0;
  bool early = false;        // a frame that came before the handshake had ended, of a peer that was here before
  std::uint64_t credit = 0;  // bytes of flow control that this frame holds
  PeerId peer{};
  Path path{};
  Bytes body{};
  std::optional<Hello> hello{};
  std::optional<Error> error{};
};

struct Batch {  // datagrams of one path: all of segment bytes, the last one perhaps shorter
  Path path;
  Bytes buffer;  // of the endpoint's size; only the first `size` bytes count
  std::size_t size = 0;
  std::size_t segment = 0;
  std::size_t sent = 0;  // of those bytes that are gone already: for who sends in parts
  std::uint8_t ecn = 0;
  std::uint8_t ttl = 0;  // 0: the system's
};

struct ConnectionStats {
  PeerId peer;
  bool inbound = false;
  bool up = false;
  bool early = false;                           // 0-RTT was taken
  std::int64_t begun_ns = 0, handshake_ns = 0;  // handshake_ns: instant it completed here, 0 before
  std::int64_t heard_ns = 0;                    // the last packet that its keys opened, 0 before
  std::uint64_t bytes_in = 0, bytes_out = 0;    // UDP payload
  std::uint64_t send_bytes = 0;                 // wait or are not acknowledged
  std::uint64_t flight_bytes = 0;               // in packets that are sent, neither acknowledged nor lost
  std::size_t packet_bytes = 0;                 // of the largest packet on its path, as found so far
  std::int64_t rtt_ns = 0;
  std::uint64_t cwnd_bytes = 0, bytes_lost = 0;
};

struct Totals {
  std::uint64_t strays = 0;        // datagrams that are nobody's: no QUIC, unknown connection, too short
  std::uint64_t full = 0;          // hellos that a limit refused
  std::uint64_t refused = 0;       // inbound handshakes that failed
  std::uint64_t retries = 0;       // hellos that were answered with Retry
  std::uint64_t resets = 0;        // stateless resets sent
  std::uint64_t negotiations = 0;  // version negotiations sent
};

class Endpoint {
 public:
  // profile: for tests of what is refused; null in production.
  static Result<std::unique_ptr<Endpoint>> create(Options options, const detail::TlsProfile* profile = nullptr);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const PeerId& id() const;

  // One datagram. Never fails: what a stranger sends is counted or answered.
  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns);
  // Fills at most max_packets datagrams of one connection; false when nothing has to go out now.
  bool transmit(Batch& out, std::int64_t now_ns, std::size_t max_packets = kBatchMax);
  std::int64_t next_deadline_ns() const;  // INT64_MAX: none
  void on_deadline(std::int64_t now_ns);
  bool next_event(Event& out);

  // With a ticket of an earlier visit, streams of early protocols may be opened and written at once: what they say then
  // goes with the first datagrams. Whether it arrives early or is sent again after the handshake, the peer decides.
  Result<ConnectionId> dial(const Path& path, const PeerId& peer, std::int64_t now_ns);
  bool may_send_early(ConnectionId connection) const;
  // Moves an outbound connection, streams and all, to another path once the peer has answered there (kPath).
  // Errors: transport.no_connection, transport.no_path (unavailable: inbound, not confirmed yet, or a move is under
  // way).
  Status migrate(ConnectionId connection, const Path& path, std::int64_t now_ns);
  void close(ConnectionId connection, CloseCode code, std::int64_t now_ns);
  void close_all(CloseCode code, std::int64_t now_ns);

  Result<StreamId> open_stream(ConnectionId connection, std::uint64_t protocol);  // both ways
  // The body is shared, not copied, until it is acknowledged.
  Status send(ConnectionId connection, StreamId stream, std::uint8_t type, std::shared_ptr<const Bytes> body);
  Status send_control(ConnectionId connection, std::uint8_t type, std::shared_ptr<const Bytes> body);
  Status end(ConnectionId connection, StreamId stream);  // behind the frames sent so far
  // Gives up what was not delivered: the peer sees kReset, never part of a frame. Stops reading too.
  Status cancel(ConnectionId connection, StreamId stream, CloseCode code);
  // At most datagram_room() bytes, which is kDatagramMax at least and changes with the path; what is larger than a
  // packet of the path that it goes out on is lost.
  Status send_datagram(ConnectionId connection, Bytes body);
  std::size_t datagram_room(ConnectionId connection) const;  // 0: no connection
  // Asks the peer for a sign of life so long after the last packet that was sent; 0 (the default): never.
  void keep_alive(ConnectionId connection, std::int64_t every_ns);
  void consumed(ConnectionId connection, StreamId stream, std::uint64_t credit);
  // The same for a kFrame event, and its body's memory serves the next frames.
  void consumed(Event event);
  // 32 bytes that both ends of one connection share and nobody else knows (RFC 8446, 7.5, "EXPORTER-hanse-bind").
  Result<Hash32> binding(ConnectionId connection) const;

  Result<ConnectionStats> stats(ConnectionId connection) const;
  std::size_t connections() const;
  Totals totals() const;

 private:
  class Core;
  explicit Endpoint(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::transport
