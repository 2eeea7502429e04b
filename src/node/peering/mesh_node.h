// MeshNode: the mesh of one process: sockets, Reach (mesh/reach) and what a node serves its peers beside the rooms that
// use the mesh, on one thread.
//   info   protocol 0x05: which of the nodes that both know is each connected with (checks.h)
//   forward  protocol 0x31: this node's API for peers that may use it (forwards.h)
//   overlay  records of peers, finding them and agents by id, topics (node/overlay)
//   mix    protocol 0x32: carries cells of the mix, answers pings and, as an exit, calls (node/mixing); off by default
//   speed  protocol 0x24: how quickly, how evenly and how truly bytes arrive on one stream; off unless allowed
// Threads: start, stop and ~MeshNode from one thread; the calls from any, and they wait for the mesh's thread.
// Borrows the key. Limits: kSpeedsMax speed tests that arrive at once, kWaitsMax calls that wait.
// Errors of start: peering.network (invalid), those of Sockets and Reach. Of calls: peering.stopped (unavailable),
// peering.limit (exhausted), peering.timeout (timeout), peering.refused (denied: the peer takes no speed test),
// peering.damaged (corrupt: other bytes arrived), peering.not_connected (unavailable), peering.no_mix
// (unsupported: no mix here), peering.no_agent (not_found: no coordinator knows where it is), peering.other_agent
// (denied: the machine where it should be shows the papers of another), those of Reach, of overlay::Agents and of
// Mixing; dial answers with the reason when the peer is reached but may not be here (mesh/identity).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mesh/reach/reach.h"
#include "node/mixing/mixing.h"
#include "node/overlay/agents.h"
#include "node/peering/subscription.h"

namespace hanse::peering {

using reach::Known;
using transport::Address;
using transport::PeerId;

constexpr std::size_t kSpeedsMax = 16, kWaitsMax = 64;
constexpr std::int64_t kDrainMs = 10'000;  // of what we relay, when we stop

struct MeshSettings {
  std::vector<std::string> bind;  // "0.0.0.0:12000"
  NetworkId network{};
  FixedBytes<32> secret{};  // of this key alone, the same at each start: peers hear at once that we began anew
  std::uint32_t roles = 0;
  std::vector<Known> known;
  bool reserve = true, punch = true;
  bool speed_test = false;
  std::string api{};             // Unix socket of this node's API; "" = none
  bool api_for_all = false;      // any peer may speak with it
  std::set<PeerId> api_peers{};  // or these
  bool standalone = false;       // healthy without a peer
  bool lan = true;           // say and hear who is on the local network; neither of these two for a loopback address
  bool port_mapping = true;  // ask the router to let our port in
  relay::RelayLimits relay{};
  std::uint64_t peer_bytes_per_second = 0;  // that a peer may send and be sent; 0: no limit
  bool gossip = true;
  std::string folder{};                         // of what is kept over restarts; "": nothing
  identity::Trust trust{};                      // known peers are trusted as machines
  identity::Papers papers{};                    // ours; none when empty
  bool findable = true;                         // the agent of our papers can be found by its id
  std::optional<mixing::MixingSettings> mix{};  // none: no node of the mix; path, secret and answer are set here
  // Makes this node an exit of the mix: called on threads of its own, where it may wait.
  std::function<Bytes(ByteView question)> mix_answer{};
};

struct Health {
  bool healthy = false;  // connected with somebody, or standalone
  std::size_t peers = 0;
  std::vector<std::string> roles;
  std::size_t reservations = 0, circuits = 0;
  std::uint64_t carried_bytes = 0, dropped = 0;
  std::string nat;             // "unknown" before it was asked
  std::size_t neighbours = 0;  // of our network on the local one
  std::string mapping;         // "pcp 192.0.2.1:12000", or why there is none
  std::int64_t uptime_s = 0;
  reach::ReachCounts counts;
  overlay::FinderCounts finder;
  overlay::AgentCounts agents;
  std::uint64_t told = 0;  // records of others that peers told, when asked whom they know
  transport::SocketStats sockets;
  peers::Flows flows;  // of all peers since the start
  peers::MeterCounts meters;
  std::optional<identity::Who> who;  // of our own papers
};

struct PathFacts {
  PeerId peer;
  bool direct = false, inbound = false;
  std::string address;          // of a direct path
  std::optional<PeerId> relay;  // of the other kind
  std::int64_t rtt_us = 0, up_ms = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint32_t roles = 0;
  std::string punch_plan;
  std::optional<identity::Who> who;  // of papers that were proved
  std::string papers_error;          // why they were not
  peers::Flows flows;                // bytes of frames and datagrams since it is connected
};

struct NatFacts {
  std::optional<nat::NatClass> nat;
  std::vector<std::string> candidates;
  std::vector<PeerId> places;
};

struct PeerFacts {  // what this node knows of a peer, connected or not
  bool record = false, key = false;
  std::vector<std::string> addresses;
  std::vector<PeerId> relays;
};

// Which of the nodes that we know, ourselves among them, are connected.
struct MeshCheck {
  struct Node {
    PeerId peer;
    bool answered = false;
    std::size_t links = 0;  // to the other nodes here
  };
  std::vector<Node> nodes;
  std::vector<std::pair<PeerId, PeerId>> missing;  // links that one of the two, at least, does not have
  bool whole() const { return missing.empty(); }
};

struct SpeedResult {
  std::uint64_t bytes = 0;
  std::int64_t ms = 0;
  std::int64_t longest_pause_ms = 0;  // without a byte, at the receiver
  std::uint32_t streams = 0;          // that it came on
  std::uint32_t to_direct = 0, to_relay = 0;
};

class MeshNode {
 public:
  static Result<std::unique_ptr<MeshNode>> start(MeshSettings settings, const crypto::SecretKey& key);
  ~MeshNode();
  MeshNode(const MeshNode&) = delete;
  MeshNode& operator=(const MeshNode&) = delete;

  // Says that it goes, waits until what it relays has left, drain_ms at most, and closes every connection.
  void stop(std::int64_t drain_ms = kDrainMs);

  const PeerId& id() const;
  std::vector<Address> addresses() const;  // as bound
  Result<Health> health();
  Result<std::vector<PathFacts>> paths();
  Result<NatFacts> nat();

  Result<PeerFacts> knows(const PeerId& peer);

  enum class Until : std::uint8_t { kUp, kDirect };
  // Wants the peer from now on, and waits. peering.timeout says how far it came.
  struct Dial {
    PeerId peer;
    std::vector<Address> addresses{};
    std::vector<PeerId> relays{};
    Until until = Until::kUp;
    std::int64_t wait_ms = 10'000;
  };
  Result<PathFacts> dial(const Dial& dial);
  // Where the agent runs, that to be tried first stands first; one at least.
  Result<overlay::AgentPlaces> find_agent(const identity::AgentId& agent, std::int64_t wait_ms);
  // The first of these machines that is reached and shows this agent's papers.
  Result<PathFacts> dial_agent(const identity::AgentId& agent, Until until, std::int64_t wait_ms);
  // Whoever connects to this new Unix socket speaks with the API of the peer, which is wanted from now on.
  Status forward(const PeerId& peer, const std::string& path);
  // Messages under the topic from now on, also those that this node publishes; ends with the answer's last owner.
  Result<std::shared_ptr<Inbox>> subscribe(const std::string& topic);
  Result<std::uint64_t> publish(const std::string& topic, Bytes payload);  // its sequence number
  Result<overlay::TopicCounts> topics();
  Result<mixing::MixFacts> mix();
  // Through the mix and back; how long it took, in ns.
  Result<std::int64_t> mix_ping(const PeerId& peer, router::Lane lane, std::int64_t wait_ms);
  // A question to an exit of the mix. The lane is taken as it is named, or the call fails.
  Result<Bytes> mix_call(router::Lane lane, Bytes question, std::int64_t wait_ms);
  // For who keeps the ledger and this node's mix in step.
  Result<mixing::Mixing::ToPublish> mix_to_publish();
  Status mix_directory(router::Directory directory);  // its nodes are wanted from now on
  // Asks until all are connected, or the time is over.
  Result<MeshCheck> check(std::int64_t wait_ms);
  // progress: bytes that were handed over, from the mesh's thread.
  Result<SpeedResult> speed(const PeerId& peer, std::uint64_t bytes, std::int64_t wait_ms,
                            std::function<void(std::uint64_t)> progress);

 private:
  class Core;
  explicit MeshNode(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace hanse::peering
