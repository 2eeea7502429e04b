// Links: authenticated, encrypted, ordered links between the validators of a network, one QUIC connection a pair.
//
// A frame is a type (u8) and a body. Frames of one priority arrive in the order they were sent and at most once while
// the connection is the same; each priority is a stream of its own, and a packet is filled from the highest down, so a
// vote waits for what the network has already and no more. A connection that is lost loses what its queues held:
// protocols repeat. Both sides dial, by the address they have; mesh/peers keeps one connection of those that come up.
// A peer is who its key is (mesh/transport); nobody else's handshake ends. What it then says of itself, its epoch, its
// index and its process, is compared before a frame of it is taken. Bytes: proto/records/links.md.
//
// Shapes: a body is 0 to FrameLimits[type] bytes; a type whose limit is 0 is refused on both sides.
// Threads: one thread inside runs every callback; a callback may call send and broadcast, never stop(), and one that
// waits makes every peer wait. send, broadcast, stats, set_peer_address, meet, is_up and port are for any thread and
// never wait for the network. stop() is for the owner's thread, and after it no callback runs.
// Owns its sockets and thread. Borrows clock, random and the key: they outlive the object.
// Errors of calls: links.options (invalid), links.no_peer (not_found), links.frame (invalid: a type without a limit, or
//   a body over it), links.full (exhausted), links.down (unavailable); transport.address, transport.listen and
//   transport.system of open, transport.address of addresses.
// Errors of connections (on_refused, on_down): those of transport.h, links.wrong_identity (denied: another index than
//   the key's, or ourselves), links.wrong_epoch (denied), links.bad_meet (corrupt), links.bad_frame (corrupt),
//   links.frame_limit (exhausted), links.silent (timeout), links.twin (conflict), links.closed (unavailable: stopped).
// Refuses to: take early data, resolve names (addresses are numeric), deliver part of a frame.
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

namespace hanse::links {

enum class Priority : std::uint8_t { kVote, kControl, kBulk };  // strict order, highest first
constexpr std::size_t kPriorities = 3;

constexpr std::size_t kPeersMax = 128;
constexpr std::uint32_t kFrameBodyMax = 16u << 20;          // no type may have a higher limit
constexpr std::uint8_t kTypeMax = 0xfd;                     // the types above are the room's own
constexpr std::uint64_t kVoteQueueBytesMax = 8u << 20;      // a peer
constexpr std::uint64_t kControlQueueBytesMax = 16u << 20;  // a peer
constexpr std::uint64_t kBulkQueueBytesMax = 128u << 20;    // a peer

struct PeerSpec {
  std::uint16_t index = 0;
  crypto::PublicKey key;
  std::string address;  // "127.0.0.1:12001" or "[::1]:12001"; empty: it dials us
};

// Type to the most bytes of its body; 0 = the type is refused.
using FrameLimits = std::array<std::uint32_t, 256>;

struct QueueLimits {  // bytes of bodies that wait for one peer, by priority, each body counted with kFrameCost more
  std::array<std::uint64_t, kPriorities> bytes_max{kVoteQueueBytesMax, kControlQueueBytesMax, kBulkQueueBytesMax};
};
constexpr std::uint64_t kFrameCost = 16;

struct Timing {
  std::int64_t handshake_ms = 3000;   // from the first datagram to a checked MEET
  std::int64_t ping_ms = 1000;        // a sign of life is asked for when nothing was sent for so long
  std::int64_t dead_after_ms = 3000;  // nothing received for so long: close
  std::int64_t redial_first_ms = 20;  // doubles, times 0.5 to 1.5,
  std::int64_t redial_most_ms = 2000;
  std::int64_t twin_answer_ms = 1000;  // how long the first of two processes of one key may take to answer a ping
  std::int64_t refusal_log_ms = 60'000;
};

struct Callbacks {  // all optional; all run on the one thread inside
  std::function<void(std::uint16_t peer, std::uint8_t type, Bytes body)> on_frame;
  std::function<void()> on_read;  // after one on_frame or several, before the thread sends
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
  std::string listen = "127.0.0.1:0";      // UDP
  std::vector<PeerSpec> peers;             // without ourselves
  FrameLimits limits{};
  QueueLimits queues;
  Timing timing;
  Callbacks callbacks;
  Clock* clock = nullptr;    // null: system_clock()
  Random* random = nullptr;  // null: system_random(); drawn from in open() and on the thread inside
};

struct PeerStats {
  bool up = false;
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;              // bodies
  std::uint64_t dropped_full = 0;                         // send answered links.full
  std::uint64_t dropped_down = 0;                         // send answered links.down, or lost with a connection
  std::uint64_t connects = 0;                             // times the link came up
  std::uint64_t refusals = 0;                             // connections of this peer that did not come up
  std::uint64_t violations = 0;                           // closed for bytes that break the format or a limit
  std::array<std::uint64_t, kPriorities> queued_bytes{};  // now
  std::int64_t rtt_us = 0;                                // smoothed; 0 = none yet
};

struct Totals {
  std::uint64_t strangers = 0;         // inbound connections refused before a peer was known
  std::uint64_t handshakes_full = 0;   // hellos that found as many as allowed under way
  std::uint64_t datagrams_unsent = 0;  // refused by the system, as if the network had lost them
};

class Links {
 public:
  static Result<std::unique_ptr<Links>> open(Options options);
  ~Links();  // stop()
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // The body is shared, not copied, but for one above 256 KiB, which is cut into pieces once, here.
  Status send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body);
  // To every peer; answers how many took it (the others were down or full, and are counted).
  std::size_t broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body);

  std::uint16_t port() const;
  bool is_up(std::uint16_t peer) const;
  Result<PeerStats> stats(std::uint16_t peer) const;
  Totals totals() const;
  Status set_peer_address(std::uint16_t peer, std::string_view address);  // dials at once if it waits
  // Another peer from now on, or a new address of one that is known by this index and key; peers are never forgotten.
  // links.options when index or key are another's, or for the 129th.
  Status meet(PeerSpec peer);
  void stop();

 private:
  class Core;
  explicit Links(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::links
