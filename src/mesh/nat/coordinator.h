// The coordinator of a bootstrap node: forwards the punch messages of two peers that are both registered with it, so
// that they can meet before they have a relayed connection of their own.
//
// A registration lasts two minutes and belongs to the authenticated connection that made it: a later one of the same
// peer takes its place. A message has at most kForwardBytesMax bytes, a pair of peers (either way) 10 a minute.
// The coordinator forwards bytes and reads none of them.
// Shapes: at most registrations_max peers and kPairsMax pairs in a minute. Times are monotonic nanoseconds of the
// caller. Threads: one at a time. Errors: nat.coordinator_full (exhausted), nat.forward_limit (exhausted: bytes, or
// messages of the pair),
//   nat.forward_from (denied: the sender is not registered by this connection), nat.forward_to (not_found).
#pragma once

#include <map>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::nat {

using ConnectionId = std::uint64_t;

constexpr std::int64_t kRegistrationNs = 120 * std::int64_t{1'000'000'000};
constexpr std::size_t kForwardBytesMax = 4096;
constexpr std::size_t kPairsMax = 4096;
constexpr std::uint8_t kForwardsPerMinute = 10;

class Coordinator {
 public:
  explicit Coordinator(std::size_t registrations_max = 1024) : registrations_max_(registrations_max) {}

  Status register_peer(const AccountId& peer, ConnectionId connection, std::int64_t now_ns);  // or renew
  void closed(ConnectionId connection);
  struct Forward {
    AccountId from, to;
    ConnectionId connection = 0;  // the sender's
    std::size_t bytes = 0;
  };
  // The connection that the message goes out on.
  Result<ConnectionId> forward(const Forward& forward, std::int64_t now_ns);
  std::size_t registered(std::int64_t now_ns);

 private:
  struct Registration {
    ConnectionId connection = 0;
    std::int64_t until_ns = 0;
  };
  struct Pair {
    std::int64_t since_ns = 0;
    std::uint8_t count = 0;
  };
  void age(std::int64_t now_ns);

  std::size_t registrations_max_;
  std::map<AccountId, Registration> peers_;
  std::map<std::pair<AccountId, AccountId>, Pair> pairs_;
};

}  // namespace hanse::nat
