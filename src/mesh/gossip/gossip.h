// Gossip: one node's part in the overlay, as a pure state machine: step(now, event) -> effects. Membership (HyParView),
// failure detection (SWIM), broadcast trees (Plumtree), batch signatures, back-pressure, peer scores and reconciliation
// of what is kept, with the parameters of mesh.md 5.12 and 5.14. It links no clock, generator, socket or thread: the
// driver and the simulator (sim/mesh) carry out the effects and run this same object.
//
// The driver owns connections. A frame for a peer without one means: dial it; disconnected() tells when that failed.
// Frames of one connection arrive whole and in order (mesh.md 5.6); the node also survives loss, repetition and
// disorder. Every frame handed out is answered with sent() once its bytes left, else the peer's queue fills.
// Addresses are not known here: they are peer records (mesh.md 5.11).
//
// Delivery: each message of a subscribed topic once, in no order, from neighbours that are alive. What must be reliable
// or ordered reconciles its own sets (reconcile.h). Messages of other topics are passed on all the same.
// Trust: a message is believed, delivered and sent on only after its batch's signature is good. Peers that send what is
// false lose their place (score.h).
//
// Limits: kPeersMax peers with state, kSubscriptionsMax, queues of outbox.h, kChecksPerSecond signatures of one peer
// and kChecksQueued waiting, kParkedMax messages waiting for a key, kSessionsMax reconciliations. One thread at a time.
// Errors: gossip.payload (invalid: too large or empty topic), gossip.subscriptions (exhausted), gossip.config
// (invalid).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mesh/gossip/broadcast.h"
#include "mesh/gossip/detector.h"
#include "mesh/gossip/hlc.h"
#include "mesh/gossip/outbox.h"
#include "mesh/gossip/reconcile.h"

namespace hanse::gossip {

constexpr std::size_t kPeersMax = 256;
constexpr std::size_t kSubscriptionsMax = 64;
constexpr std::uint64_t kChecksPerSecond = 200;
constexpr std::size_t kChecksQueued = 64;
constexpr std::size_t kParkedMax = 64;
constexpr std::size_t kSessionsMax = 4;
constexpr std::uint64_t kAnnouncedPerSecond = 4'096;
constexpr std::uint64_t kReconcilesPerSecond = 8;

struct Now {
  std::int64_t mono_ns = 0;
  std::int64_t wall_ms = 0;
};

struct Config {
  MembershipConfig membership;
  DetectorConfig detector;
  BroadcastConfig broadcast;
  OutboxConfig outbox;
  std::int64_t batch_ms = 5;
  std::int64_t reconcile_ms = 30'000;  // +-20 %
  std::int64_t reconcile_window_ms = 50'000;
  std::int64_t reconcile_recent_ms = 2'000;  // what may still be on its way is left out
  std::uint64_t first_seq = 1;               // of own messages: above all that were ever used
};

// The stream that a frame belongs to (mesh.md 5.6).
enum class Protocol : std::uint8_t { kMembership = 0x10, kGossip = 0x11, kReconcile = 0x12 };

struct SendFrame {
  PeerId to;
  Protocol protocol = Protocol::kMembership;
  Frame frame;
};

enum class NoticeKind : std::uint8_t {
  kUp,        // peer is a neighbour
  kDown,      // it is none any more
  kIsolated,  // nobody to ask is left: join() again, from a cache
  kBanned,
};
struct Notice {
  NoticeKind kind = NoticeKind::kUp;
  PeerId peer;
};

struct Effects {
  std::vector<SendFrame> sends;
  std::vector<PeerId> closes;  // these connections are not wanted any more
  std::vector<Held> deliveries;
  std::vector<PeerId> keys_wanted;  // one for each message that waits for its origin's; answer with key_known()
  std::vector<Notice> notices;
};

struct Counters {
  std::uint64_t frames = 0, frames_malformed = 0, frames_ignored = 0, frames_banned = 0;
  std::uint64_t messages_invalid = 0, messages_early = 0, messages_published = 0, batches_signed = 0;
  std::uint64_t signatures_checked = 0, checks_queued = 0, checks_shed = 0, parked_shed = 0, signatures_fetched = 0;
  std::uint64_t announcements_over_budget = 0;
  std::uint64_t sessions = 0, sessions_done = 0, sessions_failed = 0, items_have = 0, items_needed = 0;
  std::uint64_t peers_evicted = 0;
  ShedCounters shed;
};

class Node {
 public:
  // `keys` and `random` are borrowed.
  static Result<std::unique_ptr<Node>> create(const Config& config, const PeerId& self, Keys& keys, Random& random,
                                              Now now);
  ~Node();

  Effects join(Now now, const PeerId& contact);
  Effects receive(Now now, const PeerId& from, ByteView frame);
  Effects connected(Now now, const PeerId& peer, std::uint64_t address_group);  // 0 = group not known
  Effects disconnected(Now now, const PeerId& peer);                            // or could not be connected
  Effects sent(Now now, const PeerId& peer, std::size_t bytes);
  Effects key_known(Now now, const PeerId& origin);
  Effects tick(Now now);  // at or after wake_ns()
  // The message's id follows when its batch is signed, at most batch_ms later; it is delivered here as well.
  Result<Effects> publish(Now now, const TopicId& topic, ByteView payload);
  Status subscribe(const TopicId& topic);
  void unsubscribe(const TopicId& topic);
  void learn(const PeerId& peer);  // a candidate from a cache or discovery

  std::int64_t wake_ns() const;
  const PeerId& self() const;
  const Membership& membership() const;
  const Detector& detector() const;
  const Broadcast& broadcast() const;
  const Counters& counters() const;
  std::int64_t score(Now now, const PeerId& peer) const;
  std::size_t peers() const;

 private:
  struct Core;
  explicit Node(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::gossip
