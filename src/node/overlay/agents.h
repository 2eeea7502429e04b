// Agents: finding an agent by its id (protocol 0x07, frames in wire.h; the rules in mesh/rendezvous). A node with an
// agent's certificate says at the holders of the agent's shard that the agent is here: every kRenewNs anew, at a holder
// that it learns of at once, and that the agent has left when the node stops. A coordinator keeps what it can prove and
// what its owner's own connection brings, for the shards that are its own. Who looks for an agent asks the holders and
// proves each answer itself: a coordinator can hide a record, not make one; one that gives a false record is not spoken
// with for kLiarNs. Once something is found the others have kGraceNs to say something newer.
// Coordinators are those with that role in their public record, or in HELLO while they are connected.
// Threads: one. Borrows what the overlay owns. DIR/rendezvous.seq keeps the sequence.
// Limits: kSearchesMax searches, those that ended and were not fetched among them; kLiarsMax liars; kPutsPerSecond of
// one peer are looked at and kWheresPerSecond answered, more are ignored; those of Round, Sightings and Shelf.
// Errors: overlay.limit (exhausted), overlay.no_coordinator (unavailable), of open those of Sequence and sign_record.
#pragma once

#include "mesh/rendezvous/search.h"
#include "mesh/rendezvous/shelf.h"
#include "node/overlay/seeker.h"

namespace hanse::overlay {

using rendezvous::AgentId;

constexpr std::size_t kSearchesMax = 32, kLiarsMax = 256;
constexpr std::uint64_t kPutsPerSecond = 2, kWheresPerSecond = 16;
constexpr std::int64_t kRenewNs = 600 * kSecondNs, kLiarNs = 3'600 * kSecondNs, kGraceNs = kSecondNs / 4;

struct AgentPlaces {
  std::vector<rendezvous::Place> places = {};
  std::size_t asked = 0, answered = 0;  // coordinators
  std::size_t lied = 0;                 // that gave a false record
};

struct AgentCounts {
  std::size_t coordinators = 0;          // that are known
  std::size_t placed = 0;                // coordinators that keep our record
  std::size_t kept = 0;                  // records of others, as a coordinator
  std::uint64_t refused = 0, told = 0;   // records that were not taken, questions answered
  std::uint64_t searches = 0, lies = 0;  // of coordinators
};

class Agents {
 public:
  struct Parts {
    reach::Reach* reach = nullptr;
    Seeker* seeker = nullptr;
    Book* book = nullptr;
  };
  static Result<std::unique_ptr<Agents>> open(const Parts& parts, const OverlayOptions& options);

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;
  void stop(std::int64_t now_ns);  // says that our agent has left

  Result<std::uint32_t> find(const AgentId& agent, std::int64_t now_ns);
  std::optional<AgentPlaces> ended(std::uint32_t search);  // once
  void forget(std::uint32_t search);
  AgentCounts counts() const;

 private:
  struct Asked {
    std::uint32_t request = 0;  // 0: not connected yet
    std::int64_t until_ns = 0;
  };
  struct Job {
    std::uint32_t search = 0;  // 0: it publishes
    AgentId agent;
    rendezvous::Round round;
    std::int64_t until_ns = 0, grace_ns = INT64_MAX;
    std::map<PeerId, Asked> asked = {};
    rendezvous::Sightings seen = {};
    AgentPlaces found = {};
  };
  struct Peer {
    bool coordinator = false;
    std::uint64_t group = 0;
    peers::TokenBucket puts{kPutsPerSecond, 4 * kPutsPerSecond}, wheres{kWheresPerSecond, 4 * kWheresPerSecond};
  };
  Agents(const Parts& parts, const OverlayOptions& options, Sequence sequence);

  void on_up(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_hello(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_gone(const PeerId& peer, std::int64_t now_ns);
  void on_publish(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_published(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_where(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_there(const reach::PeerEvent& event, std::int64_t now_ns);
  void say(const PeerId& to, AgentFrame type, Bytes body, std::int64_t now_ns);

  void look(std::int64_t now_ns);
  std::vector<rendezvous::Coordinator> coordinators() const;
  std::vector<PeerId> holders(const AgentId& agent) const;
  Status sign(bool here);
  void publish(std::int64_t now_ns);
  Job* job_of(const PeerId& peer, std::uint32_t request);
  void advance(Job& job, std::int64_t now_ns);
  void speak(Job& job, const PeerId& with, std::int64_t now_ns);
  void ask_self(Job& job);
  void send(Job& job, const PeerId& to, Asked& asked, std::int64_t now_ns);
  void failed(Job& job, const PeerId& peer);
  void let_go(const PeerId& peer);
  bool take(Job& job, ByteView record);  // false: it is no true record
  void end(Job& job);

  Parts parts_;
  PeerId self_;
  NetworkId network_;
  const crypto::SecretKey* key_;
  Bytes cert_;  // empty: no agent is here
  Sequence sequence_;
  std::optional<rendezvous::Shelf> shelf_;  // a coordinator's
  std::map<PeerId, Peer> peers_;            // connected
  std::map<PeerId, std::int64_t> liars_;    // and until when
  std::vector<rendezvous::Coordinator> known_;
  std::deque<Job> jobs_;
  std::map<std::uint32_t, AgentPlaces> ended_;
  std::optional<rendezvous::SignedRecord> own_;
  std::set<PeerId> placed_;  // who keeps it
  std::int64_t look_ns_ = 0, renew_ns_ = 0, put_ns_ = 0, put_wait_ns_ = 0;
  std::uint32_t next_request_ = 1, next_search_ = 1;
  AgentCounts counted_;
};

}  // namespace hanse::overlay
