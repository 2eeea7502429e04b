// The messages of membership and broadcast, and their bytes (mesh.md 5.6, 5.12; layouts in proto/records/gossip.md).
// A frame is a type byte and a body, at most kFrameBytesMax; the connection says who sent it. Bodies are little-endian,
// in declared order; trailing bytes are refused, and bytes that decode encode to themselves. Counts are compared with
// what is there before anything is allocated.
// Frames are not signed: the connection is authenticated. What travels on is: a Gossip message carries its origin's
// signature over the root of the batch it was published in (batch.h).
// Pure; any thread. Errors: gossip.frame (corrupt: which type, what was found, what was expected).
#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::gossip {

using PeerId = AccountId;  // BLAKE3 of the machine's public key; what the connection proved
using TopicId = FixedBytes<32, struct TopicTag>;
using MessageId = FixedBytes<32, struct MessageTag>;
using BatchId = FixedBytes<32, struct BatchTag>;

constexpr std::size_t kFrameBytesMax = 64u << 10;
constexpr std::size_t kPayloadBytesMax = 48u << 10;
constexpr std::size_t kSignatureBytesMax = 4'627;  // ML-DSA-87
constexpr std::size_t kBatchMessagesMax = 256;
constexpr std::size_t kPathMax = 8;
constexpr std::size_t kShufflePeersMax = 8;  // self, 3 active, 4 passive
constexpr std::size_t kIdsMax = 64;          // of one IHave, Graft or Fetch
constexpr std::uint8_t kTtlMax = 6;
constexpr std::uint8_t kHopsMax = 64;
constexpr std::size_t kReconcileBytesMax = kFrameBytesMax - 64;

enum class Type : std::uint8_t {
  kJoin = 1,
  kForwardJoin = 2,
  kNeighbor = 3,
  kNeighborReply = 4,
  kDisconnect = 5,
  kShuffle = 6,
  kShuffleReply = 7,
  kPing = 8,
  kAck = 9,
  kPingRequest = 10,
  kPingAnswer = 11,
  kGossip = 16,
  kIHave = 17,
  kGraft = 18,
  kPrune = 19,
  kFetch = 20,
  kReconcile = 24,
};
std::string_view type_name(Type type);

// ---- membership: HyParView (Leitao, Pereira, Rodrigues, DSN 2007) and SWIM (Das, Gupta, Motivala, DSN 2002) ---------

struct Join {  // "I am new": asks to be a neighbour and to be passed on
  friend bool operator==(const Join&, const Join&) = default;
};
struct ForwardJoin {  // the walk of somebody new
  PeerId peer = {};
  std::uint8_t ttl = 0;
  friend bool operator==(const ForwardJoin&, const ForwardJoin&) = default;
};
enum class Urgency : std::uint8_t {
  kLow = 0,   // there is a free place
  kHigh = 1,  // the sender has no neighbour at all
  kJoin = 2,  // the end of a walk, or a lost peer that is back
};
struct Neighbor {
  Urgency urgency = Urgency::kLow;
  friend bool operator==(const Neighbor&, const Neighbor&) = default;
};
struct NeighborReply {
  std::uint8_t accepted = 0;
  friend bool operator==(const NeighborReply&, const NeighborReply&) = default;
};
struct Disconnect {  // no neighbour any more; the peer may be kept as a passive one
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};
struct Shuffle {
  PeerId origin = {};
  std::uint8_t ttl = 0;
  std::vector<PeerId> peers = {};
  friend bool operator==(const Shuffle&, const Shuffle&) = default;
};
struct ShuffleReply {
  std::vector<PeerId> peers = {};
  friend bool operator==(const ShuffleReply&, const ShuffleReply&) = default;
};
struct Ping {
  std::uint64_t nonce = 0;
  std::uint8_t suspected = 0;  // 1: the receiver is, with this incarnation; a higher one clears it
  std::uint64_t incarnation = 0;
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Ack {
  std::uint64_t nonce = 0;
  std::uint64_t incarnation = 0;
  std::uint8_t neighbour = 0;  // the receiver is in the sender's active view
  friend bool operator==(const Ack&, const Ack&) = default;
};
struct PingRequest {  // ping that one for me
  std::uint64_t nonce = 0;
  PeerId target = {};
  std::uint8_t suspected = 0;
  std::uint64_t incarnation = 0;
  friend bool operator==(const PingRequest&, const PingRequest&) = default;
};
struct PingAnswer {
  std::uint64_t nonce = 0;
  PeerId target = {};
  std::uint64_t incarnation = 0;
  friend bool operator==(const PingAnswer&, const PingAnswer&) = default;
};

// ---- broadcast: Plumtree (Leitao, Pereira, Rodrigues, SRDS 2007) ---------------------------------------------------

struct Announced {
  MessageId id = {};
  std::uint8_t hops = 0;  // that the message would have had, had it been sent instead
  friend bool operator==(const Announced&, const Announced&) = default;
};
struct IHave {
  TopicId topic = {};
  std::vector<Announced> messages = {};
  friend bool operator==(const IHave&, const IHave&) = default;
};
struct Graft {  // be an eager neighbour of mine, and send these
  TopicId topic = {};
  std::vector<MessageId> ids = {};
  friend bool operator==(const Graft&, const Graft&) = default;
};
struct Prune {  // announce instead of sending
  TopicId topic = {};
  friend bool operator==(const Prune&, const Prune&) = default;
};
struct Fetch {  // send these, with their signature; no change of the tree
  TopicId topic = {};
  std::vector<MessageId> ids = {};
  friend bool operator==(const Fetch&, const Fetch&) = default;
};
struct Reconcile {  // one step of a session (reconcile.h)
  TopicId topic = {};
  std::uint64_t session = 0;
  std::uint64_t low = 0, high = 0;  // HLC range [low, high) that the session compares
  std::uint8_t answer = 0;          // 0: from who began it
  Bytes body = {};
  friend bool operator==(const Reconcile&, const Reconcile&) = default;
};

using Body = std::variant<Join, ForwardJoin, Neighbor, NeighborReply, Disconnect, Shuffle, ShuffleReply, Ping, Ack,
                          PingRequest, PingAnswer, IHave, Graft, Prune, Fetch, Reconcile>;

// What somebody published. id = BLAKE3("hanse/gossip-message/1", topic, origin, seq, hlc, hash of the payload).
struct Message {
  TopicId topic = {};
  PeerId origin = {};
  std::uint64_t seq = 0;  // the origin's, over all its topics, from 1
  std::uint64_t hlc = 0;  // hlc.h
  Bytes payload = {};
  friend bool operator==(const Message&, const Message&) = default;
};
MessageId message_id(const Message& message);

// The signed root of what one origin published within a few milliseconds.
struct Batch {
  PeerId origin = {};
  std::uint16_t count = 0;  // of messages, 1 to kBatchMessagesMax
  Hash32 root = {};
  friend bool operator==(const Batch&, const Batch&) = default;
};
BatchId batch_id(const Batch& batch);

// A message on its way.
struct Gossip {
  std::uint8_t flood = 0;  // sent beside the tree: neither a first nor a second copy changes it
  std::uint8_t hops = 0;
  Message message = {};
  std::uint16_t index = 0;  // in its batch
  Batch batch = {};         // its origin is the message's
  std::vector<Hash32> path = {};
  Bytes signature = {};  // of the batch; empty where the receiver was given it before
  friend bool operator==(const Gossip&, const Gossip&) = default;
};

using Frame = std::shared_ptr<const Bytes>;  // shared: one body goes to many peers

Bytes encode(const Body& body);
Bytes encode(const Gossip& gossip);
using Any = std::variant<Body, Gossip>;
Result<Any> decode(ByteView frame);

}  // namespace hanse::gossip
