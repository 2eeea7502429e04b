// Gate: nobody above is told of a peer, and nothing that it says is taken, before it is known that it may be here
// (mesh/identity/trust.h). Where trust is asked for, what a peer says waits, in order, until its HELLO has said that it
// has no papers, or its papers were proved; who may not be here is refused, and what waited is thrown away. Where it is
// not, everything passes at once, and papers are looked at as they come.
// Own papers go to every peer on a stream of their own (protocol 0x06, frame 1: identity::encode(Papers)), again on
// every connection that begins to count. Papers that end are forgotten; who may not be here without them has to go.
// Pure but for the wall clock of `clock`. Threads: one.
// Limits: kHeldMax events of a peer wait, for kPapersNs; kPapersPerPeer papers of one connection are looked at.
// Errors: those of identity, identity.no_papers (denied: none came in time, or too much came before them).
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "base/core/clock.h"
#include "mesh/identity/trust.h"
#include "mesh/peers/peers.h"

namespace hanse::reach::detail {

using peers::PeerEvent;
using transport::PeerId;

constexpr std::uint64_t kPapersProtocol = 0x06;
constexpr std::uint8_t kPapersFrame = 1;
constexpr std::uint64_t kPapersCap = 2;  // bit of HELLO's caps: papers will follow
constexpr std::size_t kHeldMax = 256;
constexpr std::int64_t kPapersNs = 5'000'000'000;
constexpr unsigned kPapersPerPeer = 4;

class Gate {
 public:
  Gate(const identity::Trust& trust, bool has_papers, Clock& clock)
      : trust_(trust), asks_(trust.asks()), has_papers_(has_papers), clock_(clock) {}

  // What may be told of it now, in order.
  std::vector<PeerEvent> handle(PeerEvent event, std::int64_t now_ns);
  void on_deadline(std::int64_t now_ns);
  std::int64_t next_ns() const;

  std::vector<PeerId> take_refused() { return std::exchange(refused_, {}); }  // to be closed; their end says why
  std::vector<PeerId> take_greeted() { return std::exchange(greeted_, {}); }  // to be sent our papers
  std::vector<PeerEvent> take_consumed() { return std::exchange(consumed_, {}); }

  const identity::Who* who(const PeerId& peer) const;       // null: no papers that hold
  std::string_view papers_error(const PeerId& peer) const;  // why they do not; "" when there are none

 private:
  struct Peer {
    bool in = false;
    std::optional<Error> refused;  // it is to go
    std::deque<PeerEvent> held;
    std::optional<identity::Who> who;
    std::string papers_error;
    unsigned papers = 0;
    std::int64_t due_ns = INT64_MAX;  // papers have to be here, or may have ended
  };
  using Peers = std::map<PeerId, Peer>;
  void on_hello(Peers::iterator at, const PeerEvent& event);
  void on_papers(Peers::iterator at, ByteView body, std::int64_t now_ns);
  void decide(Peers::iterator at);
  void refuse(Peers::iterator at, Error why);
  void look_again_at(Peer& p, std::int64_t now_ns) const;

  const identity::Trust& trust_;
  bool asks_, has_papers_;
  Clock& clock_;
  Peers peers_;
  std::vector<PeerId> refused_, greeted_;
  std::vector<PeerEvent> consumed_;
};

}  // namespace hanse::reach::detail
