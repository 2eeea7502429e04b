// Broadcast trees (Plumtree; Leitao, Pereira, Rodrigues, SRDS 2007; parameters of mesh.md 5.12). A pure part of Node.
// In each topic every neighbour is eager (gets messages) or lazy (gets their ids, at most announce_ms later). All begin
// eager; a second copy prunes the link it came by, so a tree is left. What was announced and does not come within
// graft_ns is asked for, and its announcer becomes eager: the tree mends itself. An announcement that is optimise_hops
// shorter than the way a message came moves the tree there.
// Own messages go to every neighbour and kFloodPassive passive peers. Copies beside the tree are marked: they are
// delivered and change nothing in the tree; who has one sends it on when the tree brings it too, or after 2 x graft_ns.
// Nothing is believed here: Node checks a message before accept() sends it on.
// Limits: kTopicsMax topics (the one unused longest is forgotten), kMissingMax ids announced and not here,
// kAnnouncersMax of each, kAnnounceMax ids waiting for one neighbour. One thread at a time. Errors: none.
#pragma once

#include <functional>
#include <map>
#include <queue>

#include "mesh/gossip/membership.h"
#include "mesh/gossip/score.h"
#include "mesh/gossip/store.h"

namespace hanse::gossip {

constexpr std::size_t kTopicsMax = 64;
constexpr std::size_t kMissingMax = 4'096;
constexpr std::size_t kAnnouncersMax = 12;
constexpr std::size_t kAnnounceMax = 4'096;
constexpr std::size_t kFloodPassive = 4;

struct BroadcastConfig {
  std::int64_t announce_ms = 5;
  std::uint8_t optimise_hops = 3;
  std::int64_t graft_ms_min = 200;  // or 3 x RTT, whichever is longer; half of it for the next announcer
  std::int64_t opportunistic_ms = 60'000;
  StoreConfig store;
};

struct Push {
  PeerId to;
  Held message;
  std::uint8_t hops = 0;
  // kBeside and kFetched leave the tree alone; kAsked and kFetched bring their signature whatever was sent before.
  enum class Way : std::uint8_t { kTree, kBeside, kAsked, kFetched } way = Way::kTree;
};

struct Arrival {  // how a message came
  PeerId from;
  bool flood = false;
  std::uint8_t hops = 0;
};

struct BroadcastOut {
  std::vector<Outgoing> sends;
  std::vector<Push> pushes;
  std::vector<Held> deliveries;
  std::vector<std::pair<PeerId, Deed>> deeds;
};

struct BroadcastCounters {
  std::uint64_t delivered = 0, duplicates = 0, grafts_sent = 0, grafts_received = 0, prunes_sent = 0, optimised = 0;
  std::uint64_t announced = 0, announcements_dropped = 0, missing_dropped = 0, not_kept = 0;
};

class Broadcast {
 public:
  // `worth` tells a peer's score. Both are borrowed.
  Broadcast(const BroadcastConfig& config, std::function<std::int64_t(const PeerId&)> worth, std::int64_t now_ns);

  void up(const PeerId& peer);
  void down(const PeerId& peer, BroadcastOut& out);

  void publish(std::int64_t now, Held message, const std::vector<PeerId>& passive, BroadcastOut& out);
  // True when the message was seen before; then it has been dealt with.
  bool repeated(std::int64_t now, const Arrival& arrival, const TopicId& topic, const MessageId& id, BroadcastOut& out);
  void accept(std::int64_t now, const Arrival& arrival, Held message, BroadcastOut& out);
  void receive(std::int64_t now, const PeerId& from, const Body& body, BroadcastOut& out);  // types 17 to 20
  void slowed(std::int64_t now, const PeerId& peer, const std::vector<Push>& shed);         // its queue was full
  void announce_later(std::int64_t now, const PeerId& peer, const IHave& shed);
  // Whose queue is too full for announcements.
  void set_congested(std::function<bool(const PeerId&)> congested) { congested_ = std::move(congested); }
  void tick(std::int64_t now, BroadcastOut& out);
  std::int64_t wake_ns() const;
  void set_graft_ns(std::int64_t ns) { graft_ns_ = ns; }

  bool seen(const MessageId& id) const { return seen_.find(id) != nullptr; }
  const Kept* kept(const TopicId& topic) const;
  Held find(const TopicId& topic, const MessageId& id) const;  // a zero topic: any
  std::size_t topics() const { return topics_.size(); }
  std::vector<TopicId> topic_ids() const;
  std::size_t eager(const TopicId& topic) const;
  bool carries(const PeerId& peer) const;  // it is eager in some topic
  std::size_t missing() const { return missing_.size(); }
  const BroadcastCounters& counters() const { return counters_; }

 private:
  struct Link {
    PeerId peer;
    bool eager = true;
    bool slow = false;  // stays lazy until it asks
    std::vector<Announced> announce = {};
    std::vector<MessageId> asked = {};  // given to it on request, the newest last
  };
  struct Topic {
    std::vector<Link> links;
    Kept kept;
    std::int64_t used_ns = 0;
  };
  struct Announcer {
    PeerId peer;
    std::uint8_t hops = 0;
  };
  struct Missing {
    TopicId topic;
    std::int64_t deadline_ns = 0;
    std::vector<Announcer> announcers = {};  // the next one to ask first
    std::vector<Announcer> all = {};         // for the choice of a shorter way
    PeerId asked = {};
    bool waits = false;  // for `asked`
  };
  struct Timer {
    std::int64_t at_ns;
    MessageId id;
    friend bool operator>(const Timer& a, const Timer& b) {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.id > b.id;
    }
  };

  Topic& topic(std::int64_t now, const TopicId& id);
  static Link* link(Topic& topic, const PeerId& peer);
  bool may_be_eager(const Link& link) const;
  Link* best_lazy(Topic& topic);
  void push_eager(std::int64_t now, Topic& topic, const PeerId& except, const Held& message, std::uint8_t hops,
                  BroadcastOut& out);
  void announce(std::int64_t now, Link& link, const MessageId& id, std::uint8_t hops);
  void flush(std::int64_t now, const TopicId& id, Link& link, BroadcastOut& out);
  void announced(std::int64_t now, const PeerId& from, const IHave& m);
  void grafted(std::int64_t now, const PeerId& from, const Graft& m, BroadcastOut& out);
  void optimise(Topic& topic, const Arrival& arrival, const Missing& missing, BroadcastOut& out);
  void ask(std::int64_t now, const MessageId& id, Missing& missing,
           std::map<std::pair<PeerId, TopicId>, std::vector<MessageId>>& grafts, BroadcastOut& out);
  void wait_until(const MessageId& id, Missing& missing, std::int64_t at_ns);
  void graft_opportunistically(BroadcastOut& out);

  struct Beside {
    std::int64_t at_ns = 0;
    TopicId topic;
    MessageId id;
  };
  void pass_on_flooded(std::int64_t now, BroadcastOut& out);

  BroadcastConfig config_;
  std::function<std::int64_t(const PeerId&)> worth_;
  std::function<bool(const PeerId&)> congested_;
  std::vector<PeerId> peers_;
  std::map<TopicId, Topic> topics_;
  SeenIds seen_;
  std::unordered_map<MessageId, Missing> missing_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::deque<Beside> beside_;  // flooded copies that wait for the tree, oldest first
  std::int64_t graft_ns_ = 0;
  std::int64_t flush_at_ns_ = INT64_MAX;
  std::int64_t opportunistic_at_ns_ = 0, expire_at_ns_ = 0;
  BroadcastCounters counters_;
};

}  // namespace hanse::gossip
