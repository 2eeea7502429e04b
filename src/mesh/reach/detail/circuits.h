// The client of relays: places that others reach us through, and circuits to peers, each with an address that stands
// for it (Address::is_carried) so that the rooms below treat it as any path. Private to this room.
//   fd57:0002 | first 8 bytes of the relay's id | circuit u32, port 1
// Threads: one. Limits: kPlacesMax relays hold a place, kCircuitsMax circuits, kRequestsMax requests under way; one
// past is not asked for or ended at once. Errors: none; what fails is said in take_failed().
#pragma once

#include <map>

#include "mesh/reach/detail/wire.h"
#include "mesh/relay/message.h"

namespace hanse::reach::detail {

constexpr std::size_t kPlacesMax = 3, kCircuitsMax = 256, kRequestsMax = 256;
constexpr std::uint32_t kPlaceSeconds = 1800;
constexpr std::int64_t kPlaceAgainNs = 30 * kSecondNs, kRequestNs = 3 * kSecondNs;

Address carried_address(const PeerId& relay, std::uint32_t circuit);

struct Circuit {
  PeerId relay, peer;
  std::uint32_t number = 0;
  std::int64_t leave_ns = kNever;
};

class Circuits {
 public:
  bool knows(const PeerId& relay) const { return relays_.contains(relay); }
  void relay_up(const PeerId& relay, bool reserve, std::int64_t now_ns);  // it says that it relays
  // It will go: nothing is asked of it any more. Answers the addresses of its circuits, which still work.
  std::vector<Address> retire(const PeerId& relay);
  // Answers the addresses of the circuits that are gone with it.
  std::vector<Address> relay_down(const PeerId& relay);

  // Asks a relay, and the next one if it refuses; `first` before all others, `last` behind them. Nothing happens while
  // a request for the peer is under way.
  // False: no relay is there to be asked.
  bool ask(const PeerId& peer, const std::vector<PeerId>& first, const std::optional<PeerId>& last,
           std::int64_t now_ns);
  struct Opened {
    PeerId peer;
    Address address;
  };
  struct Heard {
    std::optional<Opened> opened;   // a circuit that we asked for
    std::optional<PeerId> failed;   // no relay leads to this peer
    std::optional<Address> closed;  // an address that stands for nothing any more
  };
  Heard receive(const PeerId& from, const relay::Message& message, std::int64_t now_ns);

  void leave(const Address& address, std::int64_t at_ns);  // it is not needed from then on
  const Circuit* find(const Address& address) const;
  std::optional<Address> address_of(const PeerId& relay, std::uint32_t circuit) const;
  std::vector<Address> addresses_of(const PeerId& peer) const;  // of circuits that we asked for or were offered
  std::vector<PeerId> on_deadline(std::int64_t now_ns);         // answers peers that no relay led to in time
  std::int64_t next_ns() const;
  std::vector<PeerId> places() const;  // relays that hold one for us
  bool has_relay_but(const PeerId& peer) const { return relays_.size() > (relays_.contains(peer) ? 1u : 0u); }
  Letters out;

 private:
  struct Relay {
    bool reserve = false, reserved = false;
    std::int64_t renew_ns = kNever;
  };
  struct Request {
    PeerId peer, relay;
    std::vector<PeerId> left;  // relays to be asked, the last first
    std::int64_t until_ns = 0;
  };
  bool ask_next(Request request, std::int64_t now_ns);
  void say(const PeerId& to, const relay::Message& message);

  std::map<PeerId, Relay> relays_;
  std::map<std::uint32_t, Request> requests_;
  std::uint32_t next_request_ = 1;
  std::map<Address, Circuit> circuits_;
};

}  // namespace hanse::reach::detail
