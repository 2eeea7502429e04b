// Channels: authenticated, encrypted, ordered channels between the validators of one epoch, one connection a pair.
//
// A frame is a type (u8) and a body. Frames of one priority arrive in the order they were sent and at most once; a
// frame of a higher priority overtakes the others at chunks of 16 KiB, so a vote waits for at most 64 KiB of bulk that
// was handed to the system before it. A connection that is lost loses what its queues held: protocols retransmit.
// The lower index dials the higher; the higher, where it has an address of the lower, knocks to be dialed at once.
// TLS 1.3 with X25519MLKEM768 alone, both sides prove their ML-DSA keys as raw public keys (RFC 7250); a peer is who
// its key is, before any byte of it is read. Bytes: proto/records/channel.md.
//
// Shapes: a body is 0 to FrameLimits[type] bytes; a type whose limit is 0 is refused on both sides.
// Threads: one thread inside runs every callback; a callback may call send and broadcast, never stop(), and one that
// waits makes every peer wait. send, broadcast, stats, set_peer_address, meet, is_up and port are for any thread and
// never wait for the network. stop() is for the owner's thread, and after it no callback runs.
// Owns its sockets and thread. Borrows clock, random and the key: they outlive the object.
// Errors of calls: channel.options (invalid), channel.address (invalid), channel.listen (unavailable), channel.system
//   (internal), channel.no_peer (not_found), channel.frame (invalid: a type without a limit, or a body over it),
//   channel.full (exhausted), channel.down (unavailable).
// Errors of connections (on_refused, on_down): channel.tls (denied), channel.wrong_identity (denied: another key, or
//   another index than the key's), channel.wrong_network (denied), channel.wrong_epoch (denied), channel.bad_hello
//   (corrupt), channel.bad_frame (corrupt), channel.frame_limit (exhausted), channel.silent (timeout: handshake or
//   channel), channel.closed (unavailable), channel.twin (conflict), channel.handshakes (exhausted).
// Refuses to: resume sessions, take early data, resolve names (addresses are numeric), deliver part of a frame.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/clock.h"
#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"

namespace hanse::channel {

enum class Priority : std::uint8_t { kVote, kControl, kBulk };  // strict order, highest first
constexpr std::size_t kPriorities = 3;

constexpr std::size_t kPeersMax = 128;
constexpr std::size_t kHandshakesMax = 64;                  // inbound, at once
constexpr std::uint32_t kFrameBodyMax = 16u << 20;          // no type may have a higher limit
constexpr std::uint64_t kVoteQueueBytesMax = 8u << 20;      // a peer
constexpr std::uint64_t kControlQueueBytesMax = 16u << 20;  // a peer
constexpr std::uint64_t kBulkQueueBytesMax = 128u << 20;    // a peer

constexpr std::uint32_t kReceiveBufferMax = 64u << 20;
// AES-GCM keeps its margin for 2^24.5 full records under one key (RFC 8446, 5.5); the key changes well before.
constexpr std::uint64_t kRekeyRecords = 1u << 23;

struct PeerSpec {
  std::uint16_t index = 0;
  crypto::PublicKey key;
  std::string address;  // "127.0.0.1:12001" or "[::1]:12001"; needed where ours is lower; else to knock
};

// Type to the most bytes of its body; 0 = the type is refused.
using FrameLimits = std::array<std::uint32_t, 256>;

struct QueueLimits {  // bytes of bodies that wait for one peer, by priority
  std::array<std::uint64_t, kPriorities> bytes_max{kVoteQueueBytesMax, kControlQueueBytesMax, kBulkQueueBytesMax};
};

struct Timing {
  std::int64_t handshake_ms = 5000;   // from connect or accept to a checked hello
  std::int64_t ping_ms = 1000;        // between two pings
  std::int64_t dead_after_ms = 3000;  // nothing received for so long: close
  std::int64_t redial_first_ms = 20;  // doubles, with full jitter,
  std::int64_t redial_most_ms = 2000;
  std::int64_t twin_answer_ms = 1000;  // how long the first of two connections of one key may take to answer a ping
  std::int64_t refusal_log_ms = 60'000;
};

struct Callbacks {  // all optional; all run on the one thread inside
  std::function<void(std::uint16_t peer, std::uint8_t type, Bytes body)> on_frame;
  std::function<void()> on_read;  // after one on_frame or several, before the thread sleeps
  std::function<void(std::uint16_t peer)> on_up;
  std::function<void(std::uint16_t peer, const Error& reason)> on_down;
  std::function<void(std::uint16_t index)> on_twin;  // a second process holds this peer's key, or ours; may repeat
  // A connection that did not come up. peer = kNobody while it is not known whose it was.
  std::function<void(std::uint16_t peer, const Error& reason)> on_refused;
};
constexpr std::uint16_t kNobody = 0xffff;

struct Options {
  NetworkId network;
  std::uint64_t epoch = 0;
  std::uint16_t self = 0;
  const crypto::SecretKey* key = nullptr;  // ML-DSA-65 or ML-DSA-87
  std::string listen = "127.0.0.1:0";
  std::vector<PeerSpec> peers;  // without ourselves
  FrameLimits limits{};
  QueueLimits queues;
  Timing timing;
  std::uint64_t rekey_records = kRekeyRecords;
  // Bytes that a slow reader lets the system hold, which every later vote waits behind: small makes votes quick between
  // near machines (64 KiB), but no connection is faster than twice this in a round trip. 0 = the system's choice.
  std::uint32_t receive_buffer_bytes = 0;
  Callbacks callbacks;
  Clock* clock = nullptr;    // null: system_clock()
  Random* random = nullptr;  // null: system_random(); drawn from in open() and on the thread inside
};

struct PeerStats {
  bool up = false;
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;              // bodies
  std::uint64_t dropped_full = 0;                         // send answered channel.full
  std::uint64_t dropped_down = 0;                         // send answered channel.down, or lost with a connection
  std::uint64_t connects = 0;                             // times the channel came up
  std::uint64_t refusals = 0;                             // connections of this peer that did not come up
  std::uint64_t violations = 0;                           // closed for bytes that break the format or a limit
  std::array<std::uint64_t, kPriorities> queued_bytes{};  // now
  std::int64_t rtt_us = 0;                                // of the last ping that was answered; 0 = none yet
};

struct Totals {
  std::uint64_t handshakes_refused = 0;  // one over kHandshakesMax
  std::uint64_t accepts_failed = 0;      // the system had no descriptor or memory; tried again after a pause
  std::uint64_t strangers = 0;           // inbound connections refused before a peer was known
};

class Channels {
 public:
  static Result<std::unique_ptr<Channels>> open(Options options);
  ~Channels();  // stop()
  Channels(const Channels&) = delete;
  Channels& operator=(const Channels&) = delete;

  // The body is shared, not copied: one encoding serves a broadcast.
  Status send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body);
  // To every peer; answers how many took it (the others were down or full, and are counted).
  std::size_t broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body);

  std::uint16_t port() const;
  bool is_up(std::uint16_t peer) const;
  Result<PeerStats> stats(std::uint16_t peer) const;
  Totals totals() const;
  Status set_peer_address(std::uint16_t peer, std::string_view address);  // dials at once if it waits
  // Another peer from now on, or a new address of one that is known by this index and key; peers are never forgotten.
  // channel.options when index or key are another's, or for the 129th.
  Status meet(PeerSpec peer);
  void stop();

 private:
  class Core;
  explicit Channels(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::channel
