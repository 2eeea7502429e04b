// Membership: whom this node talks to (HyParView; Leitao, Pereira, Rodrigues, DSN 2007; parameters of mesh.md 5.12).
// The active view holds neighbours with open connections, wanted on both sides; the passive view holds names to fall
// back on. Both are bounded, disjoint and never hold the own id. A pure part of Node: what it wants sent and who came
// and went is appended to MembershipOut.
//
// Joins walk: the contact takes a newcomer in and passes it to its neighbours for kArwl steps; each end of a walk
// becomes a neighbour. A place that falls free is filled from the passive view. Every shuffle_ms a sample of both views
// is exchanged with somebody kTtlMax steps away. Peers that fail are kept as lost, and one of them is asked every
// redial_ms, with the urgency of a join: so halves of a healed partition meet. When that succeeds the others are asked
// one a refill_ms, gently, until one fails.
// Of the active links some may not be inbound ones only: at least outbound_min places of active_max are kept for peers
// asked by this node, and at most per_group_max neighbours may share an address group (/16, /32; 0 = not known).
// Limits: active_max, passive_max, kRequestsMax, kLostMax. One thread at a time. Errors: none; nonsense is ignored.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/core/random.h"
#include "mesh/gossip/messages.h"

namespace hanse::gossip {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::uint8_t kArwl = 6, kPrwl = 3;
constexpr std::size_t kRequestsMax = 16;  // neighbour requests without an answer
constexpr std::size_t kRequestsAtOnce = 4;
constexpr std::size_t kLostMax = 64;

struct MembershipConfig {
  std::size_t active = 8, active_max = 12;
  std::size_t passive = 64, passive_max = 128;
  std::size_t outbound_min = 4;
  std::size_t per_group_max = 2;
  std::size_t shuffle_active = 3, shuffle_passive = 4;
  std::int64_t shuffle_ms = 30'000;  // +-20 %
  std::int64_t redial_ms = 30'000;   // +-20 %
  std::int64_t neighbor_timeout_ms = 3'000;
  std::int64_t refill_ms = 1'000;  // between tries when nobody was free
  std::int64_t lost_ms = 3'600'000;
  std::uint64_t joins_per_s = 4;
};

struct Outgoing {
  PeerId to;
  Body body;
};

struct MembershipOut {
  std::vector<Outgoing> sends;
  std::vector<PeerId> ups, downs;  // of the active view, in order
  bool isolated = false;           // nobody is left to ask: join() again from a cache
};

struct MembershipCounters {
  std::uint64_t joins_accepted = 0, joins_forwarded = 0, requests_refused = 0, evictions = 0, requests_timed_out = 0;
  std::uint64_t shuffles = 0, redials = 0;
};

class Membership {
 public:
  struct Active {
    PeerId peer;
    std::uint64_t group = 0;
    std::int64_t since_ns = 0;
    bool outbound = false;
  };

  // `random` is borrowed.
  Membership(const PeerId& self, const MembershipConfig& config, Random& random, std::int64_t now_ns);

  void join(std::int64_t now, const PeerId& contact, MembershipOut& out);
  void receive(std::int64_t now, const PeerId& from, const Body& body, MembershipOut& out);  // types 1 to 7
  void failed(std::int64_t now, const PeerId& peer, MembershipOut& out);    // by detection, or its connection broke
  void disowned(std::int64_t now, const PeerId& peer, MembershipOut& out);  // it says that we are no neighbour of its
  void banned(std::int64_t now, const PeerId& peer, MembershipOut& out);    // nothing of it is kept
  void tick(std::int64_t now, MembershipOut& out);
  std::int64_t wake_ns() const;

  // Links that carry something: others are evicted first.
  void set_in_use(std::function<bool(const PeerId&)> in_use) { in_use_ = std::move(in_use); }
  void learn(const PeerId& peer);  // a passive candidate from elsewhere: a cache, discovery
  void set_group(const PeerId& peer, std::uint64_t group);

  bool is_active(const PeerId& peer) const { return find(peer) != nullptr; }
  const std::vector<Active>& active() const { return active_; }
  const std::vector<PeerId>& passive() const { return passive_; }
  std::size_t lost() const { return lost_.size(); }
  const MembershipCounters& counters() const { return counters_; }
  // Up to n of the passive view, each once.
  std::vector<PeerId> sample_passive(std::size_t n);

 private:
  enum class Side : std::uint8_t { kInbound, kOutbound };
  struct Request {
    std::int64_t deadline_ns = 0;
    bool lost = false;  // asked because it was lost
  };
  struct Lost {
    std::int64_t since_ns = 0;
  };

  const Active* find(const PeerId& peer) const;
  std::size_t inbound() const;
  bool group_full(std::uint64_t group) const;
  std::uint64_t group_of(const PeerId& peer) const;
  bool admits(const PeerId& peer, Urgency urgency) const;
  void add_active(std::int64_t now, const PeerId& peer, Side side, MembershipOut& out);
  bool remove_active(const PeerId& peer, MembershipOut& out);
  void evict_one(MembershipOut& out);
  void add_passive(const PeerId& peer, std::size_t max);
  void drop_passive(const PeerId& peer);
  void request(std::int64_t now, const PeerId& peer, Urgency urgency, MembershipOut& out);
  void answered(std::int64_t now, const PeerId& from);
  void refill(std::int64_t now, MembershipOut& out);
  void take_in(std::int64_t now, const PeerId& from, MembershipOut& out);
  void walk(std::int64_t now, const PeerId& from, const ForwardJoin& m, MembershipOut& out);
  void reply(std::int64_t now, const PeerId& from, const NeighborReply& m, MembershipOut& out);
  void shuffle(std::int64_t now, MembershipOut& out);
  void shuffled(std::int64_t now, const PeerId& from, const Shuffle& m, MembershipOut& out);
  void merge(const std::vector<PeerId>& peers, const std::vector<PeerId>& sent);
  void redial(std::int64_t now, MembershipOut& out);
  void keep_outbound(std::int64_t now, MembershipOut& out);
  std::optional<PeerId> random_active(const PeerId& except, const PeerId& except_too);
  std::uint64_t draw(std::uint64_t bound);
  std::int64_t jittered(std::int64_t ms);

  PeerId self_;
  MembershipConfig config_;
  Random& random_;
  std::function<bool(const PeerId&)> in_use_;
  std::vector<Active> active_;
  std::vector<PeerId> passive_;
  std::map<PeerId, Request> requests_;
  std::map<PeerId, Lost> lost_;
  std::map<PeerId, std::uint64_t> groups_;  // bounded with the passive and active views
  bool lost_are_back_ = false;
  std::vector<PeerId> sent_;     // in the last own shuffle
  std::vector<PeerId> refused_;  // by whom, since the last refill began; the newest last
  std::int64_t shuffle_at_ns_ = 0, redial_at_ns_ = 0, refill_at_ns_ = 0;
  std::int64_t join_tokens_ns_ = 0;  // credit of joins, in time
  std::int64_t join_credit_at_ns_ = 0;
  MembershipCounters counters_;
};

}  // namespace hanse::gossip
