// Which neighbours are alive (SWIM; Das, Gupta, Motivala, DSN 2002; parameters of mesh.md 5.12). A pure part of Node.
// Every probe_ms one neighbour, in turns, is pinged. Without an Ack within max(ack_ms, 3 x RTT) up to kHelpersMax
// others are asked to ping it, with the same time once more. Then it is suspected for suspect_ms, and pinged with every
// turn, directly and through others, in a frame that says so; it answers with a higher incarnation, which clears it. A
// neighbour that was heard in the last heard_ms is not suspected: its connection is alive, only an Ack was late.
// Who stays suspected is reported in `failed`.
// Limits: as many neighbours as Membership has; kRelaysMax pings for others at a time. Errors: none.
#pragma once

#include <map>
#include <vector>

#include "base/core/random.h"
#include "mesh/gossip/membership.h"

namespace hanse::gossip {

constexpr std::size_t kHelpersMax = 3;
constexpr std::size_t kRelaysMax = 64;

struct DetectorConfig {
  std::int64_t probe_ms = 1'000;
  std::int64_t ack_ms = 500;
  std::int64_t suspect_ms = 3'000;
  std::int64_t heard_ms = 2'000;
};

struct DetectorOut {
  std::vector<Outgoing> sends;
  std::vector<PeerId> failed;
  std::vector<PeerId> disowned;  // they say that we are none of their neighbours
};

struct DetectorCounters {
  std::uint64_t probes = 0, probes_indirect = 0, suspicions = 0, refutations = 0, failures = 0, relays_refused = 0;
};

class Detector {
 public:
  Detector(const DetectorConfig& config, Random& random, std::int64_t now_ns);

  void up(std::int64_t now, const PeerId& peer);
  void down(const PeerId& peer);
  void heard(std::int64_t now, const PeerId& peer);  // authenticated bytes of it
  // Types 8 to 11; `is_neighbour` of the sender.
  void receive(std::int64_t now, const PeerId& from, const Body& body, bool is_neighbour, DetectorOut& out);
  void tick(std::int64_t now, DetectorOut& out);
  std::int64_t wake_ns() const;

  std::int64_t rtt_p90_ns() const;  // over the neighbours; 0 = not known
  std::uint64_t incarnation() const { return incarnation_; }
  bool suspected(const PeerId& peer) const;
  const DetectorCounters& counters() const { return counters_; }

 private:
  struct Watched {
    PeerId peer;
    std::uint64_t incarnation = 0;  // the highest seen
    std::int64_t rtt_ns = 0;
    std::int64_t heard_ns = 0;
    std::int64_t suspected_ns = -1;
    std::uint64_t suspected_incarnation = 0;
  };
  enum class Stage : std::uint8_t { kIdle, kDirect, kIndirect };
  struct Probe {
    PeerId peer;
    std::uint64_t nonce = 0;
    std::int64_t sent_ns = 0, deadline_ns = 0;
    Stage stage = Stage::kIdle;
  };
  struct Relay {
    PeerId asker, target;
    std::uint64_t nonce = 0;  // the asker's
    std::int64_t deadline_ns = 0;
  };

  Watched* find(const PeerId& peer);
  void answered(const PeerId& peer, std::uint64_t incarnation);
  void ping(std::int64_t now, Watched& w, DetectorOut& out);
  void ask_helpers(const Watched& w, std::uint64_t nonce, DetectorOut& out);
  void missed(std::int64_t now, Watched& w);
  void next_probe(std::int64_t now, DetectorOut& out);
  void next_stage(std::int64_t now, DetectorOut& out);
  void relay(std::int64_t now, const PeerId& from, const PingRequest& m, DetectorOut& out);
  std::int64_t patience_ns(const Watched& w) const;

  DetectorConfig config_;
  Random& random_;
  std::vector<Watched> watched_;
  std::size_t turn_ = 0;
  Probe probe_;
  std::map<std::uint64_t, Relay> relays_;  // by our nonce
  std::uint64_t nonce_ = 0, incarnation_ = 1;
  std::int64_t probe_at_ns_ = 0;
  DetectorCounters counters_;
};

}  // namespace hanse::gossip
