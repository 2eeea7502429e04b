// STUN transactions of a client (RFC 8489, 6.2.1): 96 random bits name a request, it is sent again after 500 ms, 1, 2,
// 4, 8 and 16 s more, and given up 8 s after the seventh (RTO 500 ms, Rc 7, Rm 16).
//
// An answer counts only when it comes to the socket that asked, from the address that was asked (or the one the request
// says answers come from), with a known id and, for a sealed request, the seal of the same key; errors 400, 401 and 438
// may come without a seal (9.2.5). All else is counted and dropped, so the true answer may still come.
// Shapes: at most kTransactionsMax at once. Times are monotonic nanoseconds of the caller.
// Threads: one at a time. Borrows random. Errors: nat.transactions (exhausted).
#pragma once

#include <map>
#include <optional>

#include "base/core/random.h"
#include "mesh/nat/stun.h"

namespace hanse::nat {

constexpr std::size_t kTransactionsMax = 64;
constexpr std::int64_t kMs = 1'000'000;

struct StunTiming {
  std::int64_t rto_ms = 500;
  int sends = 7;           // Rc
  std::int64_t last = 16;  // Rm: how many RTO after the last send
};

struct StunRequest {
  std::uint16_t socket = 0;
  Endpoint server;
  StunMessage message;  // its id is chosen by start()
  StunSeal seal;
  std::optional<Endpoint> answers_from;  // when not the server: a CHANGE-REQUEST
  std::optional<StunTiming> timing;      // when not the client's
};

struct StunAnswer {
  TransactionId id;
  std::uint16_t socket = 0;
  Endpoint server;
  StunMessage message;
  std::optional<std::int64_t> rtt_ns;  // known when the request was sent once
};

struct StunTimeout {
  TransactionId id;
  std::uint16_t socket = 0;
  Endpoint server;
};

class StunClient {
 public:
  explicit StunClient(Random& random, StunTiming timing = {}) : random_(random), timing_(timing) {}

  Result<TransactionId> start(StunRequest request, std::int64_t now_ns, Outbox& out);
  std::optional<StunAnswer> receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns);
  std::vector<StunTimeout> tick(std::int64_t now_ns, Outbox& out);  // sends again, gives up
  std::optional<std::int64_t> next_ns() const;                      // when tick has something to do
  void cancel(const TransactionId& id) { pending_.erase(id); }
  void clear() { pending_.clear(); }

  std::size_t pending() const { return pending_.size(); }
  std::uint64_t ignored() const { return ignored_; }  // datagrams that answered nothing

 private:
  struct Pending {
    StunRequest request;
    Bytes bytes;
    StunTiming timing;
    int sent = 1;
    std::int64_t sent_ns = 0, due_ns = 0;
  };
  bool belongs(const Pending& p, std::uint16_t socket, const Endpoint& from, const StunMessage& m,
               ByteView bytes) const;

  Random& random_;
  StunTiming timing_;
  std::map<TransactionId, Pending> pending_;
  std::uint64_t ignored_ = 0;
};

// A Binding request that a reflector can answer: SOFTWARE, in blanks, makes it as long as the answer needs.
StunMessage binding_request();

}  // namespace hanse::nat
