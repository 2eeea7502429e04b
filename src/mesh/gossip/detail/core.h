// The inside of Node: its parts, and what it knows of each peer. See gossip.h.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <utility>

#include "mesh/gossip/gossip.h"

namespace hanse::gossip {

constexpr std::size_t kKnownBatchesMax = 64;  // of one peer
constexpr std::int64_t kSecondNs = 1'000 * kMs;
constexpr std::int64_t kSessionNs = 10 * kSecondNs;

// So many a second, as many at once.
class Budget {
 public:
  explicit Budget(std::uint64_t per_s) : per_s_(static_cast<std::int64_t>(per_s)) {}
  bool spend(std::int64_t now, std::int64_t n = 1) {
    refill(now);
    if (credit_ < n * kSecondNs) return false;
    credit_ -= n * kSecondNs;
    return true;
  }
  std::int64_t ready_ns(std::int64_t now) {  // when one can be spent
    refill(now);
    return credit_ >= kSecondNs ? now : now + (kSecondNs - credit_ + per_s_ - 1) / per_s_;
  }

 private:
  void refill(std::int64_t now) {
    if (at_ns_ < 0) at_ns_ = now, credit_ = per_s_ * kSecondNs;
    const std::int64_t passed = std::min(now - at_ns_, kSecondNs);
    credit_ = std::min(credit_ + passed * per_s_, per_s_ * kSecondNs);
    at_ns_ = now;
  }
  std::int64_t per_s_, credit_ = 0, at_ns_ = -1;  // credit in 1e-9 of one
};

struct Node::Core {
  struct Peer {
    Outbox outbox;
    std::deque<BatchId> batches;  // whose signature it has
    Budget checks{kChecksPerSecond}, announced{kAnnouncedPerSecond}, reconciles{kReconcilesPerSecond};
    std::deque<Gossip> unchecked;
    std::int64_t used_ns = 0;
  };
  struct Session {
    PeerId peer;
    TopicId topic;
    std::uint64_t low = 0, high = 0;
    std::int64_t deadline_ns = 0;
  };
  struct Parked {
    PeerId from;
    Gossip gossip;
  };

  Core(const Config& c, const PeerId& id, Keys& k, Random& r, Now now);

  // core.cc: what every step ends with
  Effects finish(Now now);
  void settle(Now now);
  void send(Now now, const PeerId& to, const Body& body);
  void push(Now now, const Push& p);
  void enqueue(Now now, const PeerId& to, Class cls, Frame frame, const Push* message);
  Peer& peer(std::int64_t now, const PeerId& id);
  void deed(Now now, const PeerId& peer, Deed deed);
  bool ignored(Now now, const PeerId& peer) { return scores.of(now.mono_ns, peer) < kScoreIgnored; }

  // core_messages.cc: from a frame to a delivery
  void on_gossip(Now now, const PeerId& from, Gossip gossip);
  void check_queued(Now now);
  void seal_due(Now now);

  // core_reconcile.cc
  void begin_session(Now now, const PeerId& peer, const TopicId& topic);
  void on_reconcile(Now now, const PeerId& from, const Reconcile& m);
  void tick_sessions(Now now);
  SortedItems items(const TopicId& topic, std::uint64_t low, std::uint64_t high) const;

  Config config;
  PeerId self;
  Keys& keys;
  Random& random;
  Scores scores;
  Membership membership;
  Detector detector;
  Broadcast broadcast;
  Hlc hlc;
  std::uint64_t next_seq;
  std::map<PeerId, Peer> peers;
  std::set<TopicId> subscriptions;
  Batches batches;
  std::vector<Message> unsealed;
  std::int64_t seal_at_ns = INT64_MAX;
  std::deque<Parked> parked;
  std::set<PeerId> dirty;  // whose outbox may have something to hand out
  std::map<std::uint64_t, Session> sessions;
  std::uint64_t next_session;
  std::int64_t reconcile_at_ns = 0, scores_at_ns = 0;
  std::int64_t changes_since_ns = 0, checks_at_ns = INT64_MAX;
  std::size_t changes = 0;  // of the active view, for the rule of 5.14

  // Filled during a step.
  MembershipOut member_out;
  DetectorOut detector_out;
  BroadcastOut broadcast_out;
  Effects effects;
  // The frame pushed last: the same bytes go to several peers.
  struct LastFrame {
    Held message{};  // held, so that no other one can get its address
    std::uint8_t hops = 0;
    bool flood = false, with_signature = false;
    Frame frame;
  } last;
  Counters counters;

 private:
  void drain(Now now);
  bool settle_once(Now now);
  Frame frame_of(const Push& p, bool with_signature);

  // core_messages.cc
  void verify(Now now, const PeerId& from, Gossip gossip, const MessageId& id, const BatchId& batch);
  void believe(Now now, const PeerId& from, Gossip gossip, const MessageId& id, const BatchId& batch);
  void invalid(Now now, const PeerId& from);
};

}  // namespace hanse::gossip
