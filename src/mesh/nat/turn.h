// A TURN client over UDP (RFC 8656): one allocation, its permissions and channels, kept alive until released.
//
// Servers are tried in turn: a timeout, 486 (quota), 508 (capacity) or any final refusal goes to the next, 300 to the
// alternate it names (once each), 437 to the next socket (the port is in use at the server). 401 and 438 are answered
// with realm and nonce; a server that offers PASSWORD-ALGORITHMS gets SHA-256 where it can and
// MESSAGE-INTEGRITY-SHA256; one whose nonce says it offers them and does not is refused (RFC 8489, 9.2.1). An
// allocation that the server has lost is made anew with its permissions and channels.
// Kept alive: the allocation 60 s before its end, a permission 240 s after it was granted, a channel after 540 s. A
// channel number never serves a second peer in one allocation. A permission or channel that is refused or not answered
// is forgotten: permitted() and bound() say so, and another server gives another relayed().
// Shapes: at most kTurnServersMax servers, kPermissionsMax addresses, kChannelsMax peers, kRelayedBytesMax bytes in one
// datagram. Times are monotonic nanoseconds of the caller.
// Threads: one at a time. Borrows random.
// Errors of calls: nat.turn_limit (exhausted), nat.turn_down (unavailable: no allocation), nat.turn_permission
//   (conflict: nothing granted for the peer), nat.turn_options (invalid).
// In failure(): nat.turn_denied (denied), nat.turn_refused (unavailable: the last server's answer), nat.turn_silent
//   (timeout).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "mesh/nat/stun_client.h"

namespace hanse::nat {

constexpr std::size_t kTurnServersMax = 8, kTurnSocketsMax = 4, kPermissionsMax = 32, kChannelsMax = 32;
constexpr std::size_t kRelayedBytesMax = 2048;
constexpr std::uint32_t kAllocationSeconds = 600;
constexpr std::uint16_t kChannelFirst = 0x4000, kChannelLast = 0x4fff;

struct TurnOptions {
  std::vector<Endpoint> servers;
  Credential credential;
  std::vector<std::uint16_t> sockets{0};  // the first is used, the others after a 437
  StunTiming timing;
};

enum class TurnState : std::uint8_t { kIdle, kAllocating, kReady, kReleasing, kClosed, kFailed };

struct Relayed {
  Endpoint peer;
  Bytes data;
};

struct TurnCounts {
  std::uint64_t allocations = 0, refreshes = 0, stale_nonces = 0, refused = 0, dropped = 0;
};

class TurnClient {
 public:
  static Result<TurnClient> create(TurnOptions options, Random& random);

  void start(std::int64_t now_ns, Outbox& out);
  Status permit(const Address& peer, std::int64_t now_ns, Outbox& out);
  Status bind(const Endpoint& peer, std::int64_t now_ns, Outbox& out);  // a channel, which permits too
  // Over the channel where it is bound, else in a Send indication.
  Status send(const Endpoint& peer, ByteView data, Outbox& out);
  std::optional<Relayed> receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns,
                                 Outbox& out);
  void tick(std::int64_t now_ns, Outbox& out);
  std::optional<std::int64_t> next_ns() const;
  void release(std::int64_t now_ns, Outbox& out);

  TurnState state() const { return state_; }
  const std::optional<Endpoint>& relayed() const { return relayed_; }  // what peers send to
  const std::optional<Endpoint>& mapped() const { return mapped_; }
  const Endpoint& server() const { return server_; }
  bool permitted(const Address& peer) const;
  bool bound(const Endpoint& peer) const;
  const std::optional<Error>& failure() const { return failure_; }
  const TurnCounts& counts() const { return counts_; }

 private:
  enum class Op : std::uint8_t { kAllocate, kRefresh, kPermission, kChannel };
  struct Asked {
    Op op = Op::kAllocate;
    Endpoint peer;
    int renewals = 0;  // new nonces taken for this one
  };
  struct Lease {  // of a permission or a channel
    std::uint16_t number = 0;
    bool granted = false, asked = false;
    std::int64_t due_ns = 0;
  };

  TurnClient(TurnOptions options, Random& random);
  void ask(const Asked& asked, std::int64_t now_ns, Outbox& out);
  void answered(const Asked& asked, const StunMessage& m, std::int64_t now_ns, Outbox& out);
  void granted(const Asked& asked, const StunMessage& m, std::int64_t now_ns, Outbox& out);
  bool renew(Asked asked, const StunMessage& m, std::int64_t now_ns, Outbox& out);
  bool learn(const StunMessage& m);
  void allocation_refused(const StunMessage& m, std::int64_t now_ns, Outbox& out);
  void next_server(Error why, std::int64_t now_ns, Outbox& out);
  void next_socket(std::int64_t now_ns, Outbox& out);
  void allocate(std::int64_t now_ns, Outbox& out);
  void ask_due(std::int64_t now_ns, Outbox& out);
  void drop(const Asked& asked);
  std::optional<Relayed> channel_data(ByteView datagram);
  std::optional<Relayed> data_indication(const StunMessage& m);

  TurnOptions options_;
  Random* random_;
  StunClient client_;
  std::map<TransactionId, Asked> asked_;
  TurnState state_ = TurnState::kIdle;
  Endpoint server_;
  std::size_t server_at_ = 0, socket_at_ = 0;
  std::set<Endpoint> tried_;
  std::optional<Endpoint> relayed_, mapped_;
  std::optional<std::string> realm_, nonce_;
  std::vector<std::uint16_t> algorithms_;  // offered by the server
  std::uint16_t algorithm_ = kAlgorithmMd5;
  bool anonymous_ = false;
  Bytes key_;
  std::int64_t refresh_ns_ = 0;
  bool refresh_asked_ = false;
  std::map<Address, Lease> permissions_;
  std::map<Endpoint, Lease> channels_;
  std::uint16_t channel_next_ = kChannelFirst;
  std::optional<Error> failure_;
  TurnCounts counts_;
};

}  // namespace hanse::nat
