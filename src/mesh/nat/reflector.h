// The reflector: a STUN server on the node's own port that tells who asks what address it is seen with, and with a
// second address lets it find out how its NAT behaves (RFC 5780: OTHER-ADDRESS, RESPONSE-ORIGIN, CHANGE-REQUEST).
//
// It cannot be made to shout: an answer has at most 1.5 times the bytes of its request (attributes that do not fit are
// left out, a request too short for the shortest answer gets none), a source gets at most 20 answers a second, and
// only Binding requests are answered, so two reflectors never answer each other.
// Shapes: sources share kSourceSlots counters by a keyed hash, an IPv6 source is its /64: memory is fixed, and two
// sources in one slot share its 20. Times are monotonic nanoseconds of the caller.
// Threads: one at a time. Errors: none; what is not answered is counted.
// Refuses to: authenticate, answer RESPONSE-PORT (it would aim answers at others).
#pragma once

#include <optional>
#include <vector>

#include "base/core/random.h"
#include "mesh/nat/stun.h"

namespace hanse::nat {

constexpr std::size_t kSourceSlots = 4096;
constexpr std::int64_t kReflectionsPerSecond = 20;

struct ReflectorOptions {
  Endpoint primary;                   // as the outside sees it
  std::optional<Endpoint> alternate;  // another address *and* another port; the four pairs must all be bound
};

struct Reflection {
  Endpoint from, to;  // from: one of the four
  Bytes bytes;
};

struct ReflectorCounts {
  std::uint64_t answered = 0, refused = 0, limited = 0, too_short = 0, not_stun = 0;
};

class Reflector {
 public:
  Reflector(const ReflectorOptions& options, Random& random);  // draws the hash key

  // `local` is the address of ours that the datagram came to.
  std::optional<Reflection> receive(const Endpoint& local, const Endpoint& from, ByteView datagram,
                                    std::int64_t now_ns);
  const ReflectorCounts& counts() const { return counts_; }

 private:
  struct Slot {
    std::int64_t full_ns = 0;  // when the bucket is full again; it holds one second
  };
  bool take_token(const Endpoint& from, std::int64_t now_ns);
  std::optional<Endpoint> origin(const Endpoint& local, const ChangeRequest& change) const;

  ReflectorOptions options_;
  FixedBytes<32> key_;
  std::vector<Slot> slots_;
  ReflectorCounts counts_;
};

}  // namespace hanse::nat
