// The relay of a bootstrap node: carries datagrams between a peer that has a place here and whoever asks for it. They
// are QUIC packets of a connection of the two ends: the relay can neither read nor change them, nor does it try.
//
// A reservation lasts what was asked, kReserveSecondsMax at most, and ends with its connection. A circuit joins the one
// who asked for it and the one who has a place; it lives while bytes flow, at least one datagram in idle_s. There is no
// end by time or by bytes of a circuit; each has bytes_per_second (a burst of one second), each peer bytes_per_day.
// What is over the rate is dropped, as a full link would.
// Pure: step by step, the owner sends what `out` says over the authenticated connections it has. Times are monotonic
// nanoseconds of the caller. Threads: one at a time.
// Limits: RelayLimits. Errors: none; a refusal is a message, what is dropped is counted.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mesh/peers/token_bucket.h"
#include "mesh/relay/message.h"

namespace hanse::relay {

constexpr std::uint32_t kReserveSecondsMax = 3600;

struct RelayLimits {
  std::size_t reservations = 128;
  std::size_t circuits = 64;
  std::size_t circuits_per_peer = 8;  // either end
  std::uint32_t bytes_per_second = 256u << 10;
  std::uint64_t bytes_per_day = 10ull << 30;
  std::int64_t idle_s = 300;
};

struct Letter {
  PeerId to;
  Message message;
};
using Letters = std::vector<Letter>;

struct RelayCounts {
  std::uint64_t carried = 0, carried_bytes = 0, dropped = 0, refused = 0;
};

class Relay {
 public:
  explicit Relay(RelayLimits limits = {}) : limits_(limits) {}

  void receive(const PeerId& from, const Message& message, std::int64_t now_ns, Letters& out);
  void down(const PeerId& peer, Letters& out);  // it is not connected any more
  // Who gets a datagram that `from` sends on a circuit; nobody: it is dropped.
  std::optional<PeerId> carry(const PeerId& from, std::uint32_t circuit, std::size_t bytes, std::int64_t now_ns,
                              Letters& out);
  void tick(std::int64_t now_ns, Letters& out);
  std::int64_t next_ns() const;  // INT64_MAX: none

  std::size_t reservations() const { return places_.size(); }
  std::size_t circuits() const { return circuits_.size(); }
  const RelayCounts& counts() const { return counts_; }

 private:
  struct Circuit {
    PeerId asked, asked_for;
    peers::TokenBucket rate;
    std::int64_t used_ns = 0;
  };
  using Circuits = std::map<std::uint32_t, Circuit>;
  struct Day {
    std::int64_t since_ns = 0;
    std::uint64_t bytes = 0;
  };
  void reserve(const PeerId& from, std::uint32_t seconds, std::int64_t now_ns, Letters& out);
  void connect(const PeerId& from, const Message& message, std::int64_t now_ns, Letters& out);
  Circuits::iterator close(Circuits::iterator at, Why why, const PeerId* but, Letters& out);
  std::size_t circuits_of(const PeerId& peer) const;
  bool spend(const PeerId& peer, std::size_t bytes, std::int64_t now_ns);

  RelayLimits limits_;
  std::map<PeerId, std::int64_t> places_;  // until when
  Circuits circuits_;
  std::uint32_t next_circuit_ = 1;
  std::map<PeerId, Day> days_;
  RelayCounts counts_;
};

}  // namespace hanse::relay
