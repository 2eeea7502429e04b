// Meetings: two peers that are registered with one coordinator tell each other through it where they may be reached,
// and dial at the same time, which opens NATs that map by endpoint without a relay (control frame 0x0c; layout in
// proto/records/mesh.md). The client's half; the coordinator's is nat::Coordinator. Private to this room.
// Threads: one. Limits: kCoordinatorsMax coordinators, kPlacesOfOneMax addresses of a call; what is over is cut.
// Errors: reach.meeting (corrupt: a frame).
#pragma once

#include <map>

#include "mesh/nat/coordinator.h"
#include "mesh/reach/detail/wire.h"

namespace hanse::reach::detail {

constexpr std::uint8_t kMeetFrame = 0x0c;
constexpr std::size_t kCoordinatorsMax = 4, kPlacesOfOneMax = 16;
constexpr std::int64_t kRegisterNs = 60 * kSecondNs;  // a registration lasts two minutes

enum class MeetKind : std::uint8_t {
  kRegister = 1,  // nothing else
  kCall = 2,      // to the coordinator: peer, our places; it is asked to answer
  kAnswer = 3,    // the same, which nobody answers
  kCalled = 4,    // from the coordinator: peer, its places; kCall was said
  kAnswered = 5,  // kAnswer was said
};
struct Meeting {
  MeetKind kind = MeetKind::kRegister;
  PeerId peer{};
  std::vector<Address> places;
  friend bool operator==(const Meeting&, const Meeting&) = default;
};
Bytes encode(const Meeting& meeting);
Result<Meeting> decode_meeting(ByteView bytes);

class Meetings {
 public:
  void coordinator_up(const PeerId& peer, std::int64_t now_ns);
  void coordinator_down(const PeerId& peer) { renew_.erase(peer); }
  void call(const PeerId& peer, MeetKind kind, std::vector<Address> places);  // through every coordinator
  void on_deadline(std::int64_t now_ns);
  std::int64_t next_ns() const;
  bool knows(const PeerId& coordinator) const { return renew_.contains(coordinator); }
  Letters out;

 private:
  std::map<PeerId, std::int64_t> renew_;  // by coordinator: when to register again
};

}  // namespace hanse::reach::detail
