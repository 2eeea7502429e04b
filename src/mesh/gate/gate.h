// Gate: TLS 1.3 over TCP for programs that come from elsewhere, handed on as plain bytes on a descriptor. Whoever takes
// a connection (node/api, whose gRPC library has no post-quantum TLS of its own) sees neither keys nor records.
//   Gate       listens on several ports, shakes hands, and gives each connection to `taken` as one end of a socket
//              pair, with what the handshake proved of the visitor
//   Line       the other side: dials, proves whom it reached, and gives a descriptor too
// TLS: 1.3 alone; key exchange X25519MLKEM768, and where a visitor has nothing else X25519 (the visitor alone: a Line
// offers the first only); ALPN h2, absent or shown. Certificates are self-signed and stand for their key: ours has the
// node's ML-DSA-65 key, and a second one its Ed25519 key for visitors that know nothing newer. A visitor's certificate
// is asked for and may be absent; if shown it has an ML-DSA key and the visitor proves that it holds it. Who that key's
// owner is (AccountId) is told; whether he may do anything is for others to say. Dates and names in it mean nothing.
// No session is resumed: a proof is as old as its connection. Nothing is sent before the handshake is over.
// Limits, each refused by closing: connections_max; handshakes_max at once, handshake_ms each; a connection whose first
// call does not begin within first_call_ms, or that rests for idle_ms without a call (Visitor says what is called).
// Memory: kPieceBytes each way of a connection, and what OpenSSL keeps.
// Threads: start and stop from one; a thread of the gate's own moves all bytes and calls `taken`, which must not wait.
// Errors: gate.address (invalid), gate.port_in_use (conflict), gate.system (internal: what the system or OpenSSL said).
// Of a Line: gate.unreachable (unavailable), gate.refused (denied: the handshake failed), gate.wrong_identity (denied),
// gate.timeout (timeout).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/fd.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"

namespace hanse::gate {

constexpr std::size_t kPieceBytes = 32u << 10;
constexpr std::size_t kPortsMax = 8;

// What is known of a connection. Threads: any.
class Visitor {
 public:
  explicit Visitor(std::optional<AccountId> shown, std::int64_t now_ns) : identity(shown), rests_since_ns_(now_ns) {}
  const std::optional<AccountId> identity;  // whose key its certificate has; nothing: it showed none

  void began() {
    called_ = true;
    ++running_;
  }
  void ended(std::int64_t now_ns) {
    rests_since_ns_ = now_ns;
    --running_;
  }
  bool called() const { return called_; }
  std::optional<std::int64_t> rests_since_ns() const {  // nothing while a call runs
    if (running_ > 0) return std::nullopt;
    return rests_since_ns_.load();
  }

 private:
  std::atomic<bool> called_{false};
  std::atomic<std::uint32_t> running_{0};
  std::atomic<std::int64_t> rests_since_ns_;
};

struct Options {
  std::vector<std::string> addresses;  // "127.0.0.1:50051"; port 0 picks one; at most kPortsMax
  std::uint32_t connections_max = 64;
  std::uint32_t handshakes_max = 16;
  std::int64_t handshake_ms = 5'000;
  std::int64_t first_call_ms = 10'000;
  std::int64_t idle_ms = 300'000;
};

struct Counts {
  std::uint64_t taken = 0, refused_full = 0, refused_handshakes = 0, failed_handshakes = 0, late_handshakes = 0,
                quiet = 0;
  std::size_t open = 0;
};

class Gate {
 public:
  // port: its place in `addresses`. plain: non-blocking, the taker's to close; nobody else has its number meanwhile.
  using Taken = std::function<void(std::size_t port, Fd plain, std::shared_ptr<Visitor> visitor)>;
  static Result<std::unique_ptr<Gate>> start(const crypto::Identity& identity, Options options, Taken taken);
  virtual ~Gate() = default;
  virtual std::vector<std::uint16_t> ports() const = 0;
  virtual Counts counts() const = 0;
  virtual std::string certificates() const = 0;  // both, as PEM, for visitors that pin them
  virtual void stop() = 0;                       // closes all of it
};

struct Dial {
  std::string address;                     // numeric
  AccountId server;                        // who must be there
  const crypto::SecretKey* key = nullptr;  // shows a certificate of this ML-DSA-65 key; null: none
  std::int64_t wait_ms = 5'000;
};

class Line {
 public:
  static Result<std::unique_ptr<Line>> dial(const Dial& dial);
  virtual ~Line() = default;  // closes the connection
  virtual Fd take() = 0;      // once: the plain end, non-blocking
};

}  // namespace hanse::gate
