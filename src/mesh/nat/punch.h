// Coordinated punching: two peers that have a relayed connection try to open a direct path through their NATs.
//
// The initiator offers (PUNCH), the responder answers with its own offer, the initiator sends PUNCH_SYNC and begins
// half a round trip later; the responder begins when the sync arrives (DCUtR). What each does follows from both offers:
//   kProbe        from the node's own port to every candidate of the other: three probes of TTL 3, which open the own
//                 NAT and die on the way, then probes at 0, 20, 60, 140, 300 and 620 ms
//   kPredict      the same to the ports that a counting NAT will give next: p+d to p+8d. When both count, the k-th
//                 probe of each side meets the k-th of the other. Whose port is predicted probes from a fresh socket:
//                 its own may have had a flow to the other before, which keeps its old port
//   kManySockets  one probe of TTL 3 from each of 256 sockets to the other's address, and one more after 300 ms
//   kGuess        one probe to a random port each millisecond, 2048 at most
//   kRelay        neither side can know a port of the other: said at once, nothing is sent
// The first authenticated pong wins; the side with the smaller tag nominates its pair and repeats that until answered.
// An attempt lasts at most kAttemptNs; the owner may measure its mapping anew and try again, three times in 10 s.
//
// Sockets: 0 is the node's own, 1 to fresh_sockets() are to be opened once both offers are known. Times are monotonic
// nanoseconds of the caller. Probes that do not open under the key, or that no session sent, are never answered; of
// those that do, at most kProbesMax are.
// Threads: one at a time. Borrows random. Errors: nat.punch_format, nat.punch_session (conflict: of another session or
// attempt, or out of turn), nat.punch_options (invalid). Budget: nat.punch_budget (exhausted).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mesh/nat/punch_message.h"

namespace hanse::nat {

enum class PunchPlan : std::uint8_t { kProbe, kPredict, kManySockets, kGuess, kRelay };
std::string_view punch_plan_name(PunchPlan plan);
PunchPlan plan_of(const PunchOffer& own, const PunchOffer& other);

constexpr std::int64_t kAttemptNs = 3200 * kMs, kOfferNs = 5000 * kMs;
constexpr int kPredictions = 8;
constexpr std::uint16_t kGuessesMax = 2048;
constexpr std::int64_t kGuessNs = kMs;    // between two
constexpr std::size_t kProbesMax = 4096;  // of one session, all kinds
constexpr std::uint8_t kLowTtl = 3;

struct PunchOptions {
  bool initiator = false;
  ProbeKey key;  // of this pair and session: from the connection's exporter
  PeerTag own, peer;
  PunchOffer offer;  // ours; its candidates best first, the mapped address of socket 0 before all
};

enum class PunchState : std::uint8_t { kIdle, kOffered, kAgreed, kProbing, kDone, kFailed };

struct PunchPath {
  std::uint16_t socket = 0;
  Endpoint remote;
  std::optional<Endpoint> observed;  // what the other sees us as
};

class PunchSession {
 public:
  static Result<PunchSession> create(PunchOptions options, Random& random);

  void start(std::int64_t now_ns, std::vector<Bytes>& control);  // the initiator's
  Status offer(ByteView punch, std::int64_t now_ns, std::vector<Bytes>& control);
  Status sync(ByteView punch_sync, std::int64_t now_ns);
  void receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns, Outbox& out);
  void tick(std::int64_t now_ns, Outbox& out);
  std::optional<std::int64_t> next_ns() const;

  PunchState state() const { return state_; }
  PunchPlan plan() const { return plan_; }
  bool initiator() const { return options_.initiator; }
  std::uint16_t fresh_sockets() const { return fresh_; }          // probed from, in place of the node's own
  const std::optional<PunchPath>& path() const { return path_; }  // when kDone
  std::uint64_t probes() const { return probes_; }

 private:
  struct Burst {
    std::int64_t at_ns = 0;
    std::uint8_t ttl = 0;
  };
  struct Sent {
    std::uint16_t socket = 0;
    ProbeType type = ProbeType::kPing;
  };
  PunchSession(PunchOptions options, Random& random);
  void begin(std::int64_t at_ns);
  void burst(std::uint8_t ttl, Outbox& out);
  void guess(std::int64_t now_ns, Outbox& out);
  void ask(ProbeType type, std::uint16_t socket, const Endpoint& to, std::uint8_t ttl, Outbox& out);
  void pong(const Probe& probe, std::uint16_t socket, const Endpoint& from, std::int64_t now_ns, Outbox& out);
  void pinged(const Probe& probe, std::uint16_t socket, const Endpoint& from, Outbox& out);
  bool controlling() const { return options_.own < options_.peer; }

  PunchOptions options_;
  Random* random_;
  PathNonce path_nonce_;
  PunchState state_ = PunchState::kIdle;
  PunchPlan plan_ = PunchPlan::kRelay;
  std::uint16_t fresh_ = 0;
  std::optional<PunchOffer> other_;
  std::int64_t offered_ns_ = 0, begin_ns_ = 0, end_ns_ = 0;
  std::vector<Endpoint> targets_;
  std::vector<Burst> bursts_;  // in order of time
  std::size_t burst_at_ = 0;
  std::uint16_t guesses_ = 0;
  std::vector<bool> guessed_;
  std::map<ProbeTx, Sent> sent_;
  std::uint64_t probes_ = 0, answers_ = 0;
  std::optional<PunchPath> path_, nominated_;
  std::int64_t nominate_ns_ = 0;
};

// How often hard NATs may be worked on: once a peer in 10 minutes, 4 times a node in a minute.
class PunchBudget {
 public:
  Status take(const PeerTag& peer, std::int64_t now_ns);

 private:
  std::map<PeerTag, std::int64_t> last_;  // pruned by age, so at most 40 entries
  std::vector<std::int64_t> recent_;
};

}  // namespace hanse::nat
