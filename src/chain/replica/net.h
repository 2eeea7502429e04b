// Net: how the driver reaches the other validators, as a port: links in production, a double in tests.
// Peers have numbers that stay when sets change (seats.h), and may be met while it runs.
// A frame may be lost at any time and is then sent again by the protocol's own timers; what arrives comes from the
// replica that is named, whole, and in order within its class.
// Threads: send from any; the callbacks come from threads of the Net's that hold no lock, and send from there.
#pragma once

#include <functional>

#include "chain/consensus/replica.h"

namespace hanse::replica {

using PeerNumber = std::uint16_t;
constexpr PeerNumber kNobody = 0xFFFF;

class Net {
 public:
  struct Events {
    std::function<void(PeerNumber from, std::uint8_t type, consensus::Frame body)> frame;
    std::function<void()> read;  // after one frame or several, which are worked on now, on this thread
    std::function<void(PeerNumber peer)> up;
    std::function<void(PeerNumber whose)> twin;  // a second process holds this replica's key
  };
  enum class Sent : std::uint8_t { kYes, kFull, kDown };
  struct Peer {
    bool up = false;
    std::uint64_t frames_in = 0, frames_out = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t dropped = 0;  // frames that found no room or no channel
    std::int64_t rtt_us = 0;    // 0 = not known
  };

  virtual ~Net() = default;
  virtual Status start(Events events) = 0;
  virtual Sent send(PeerNumber to, consensus::Type type, const consensus::Frame& body) = 0;  // kNobody: to all
  virtual void stop() = 0;                                                                   // no callback after it
  virtual Peer peer(PeerNumber number) const = 0;
  // Another peer, or a new address of a known one; "" = it dials itself.
  virtual Status meet(PeerNumber number, const crypto::PublicKey& key, std::string_view address) {
    (void)number, (void)key, (void)address;
    return {};  // where everybody is known from the start
  }
  virtual std::uint16_t port() const = 0;  // where it listens; 0 = nowhere
  virtual Status set_address(PeerNumber peer, std::string_view address) = 0;
};

}  // namespace hanse::replica
