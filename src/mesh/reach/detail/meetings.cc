#include "mesh/reach/detail/meetings.h"

#include "base/core/text.h"

namespace hanse::reach::detail {
namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kCorrupt, "reach.meeting", what); }

}  // namespace

Bytes encode(const Meeting& meeting) {
  Bytes out{static_cast<std::uint8_t>(meeting.kind)};
  if (meeting.kind == MeetKind::kRegister) return out;
  append(out, meeting.peer.view());
  const std::size_t count = std::min(meeting.places.size(), kPlacesOfOneMax);
  out.push_back(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) put_address(out, meeting.places[i]);
  return out;
}

Result<Meeting> decode_meeting(ByteView bytes) {
  if (bytes.empty() || bytes[0] < 1 || bytes[0] > 5) return bad("found an unknown kind, expected 1 to 5");
  Meeting out{.kind = static_cast<MeetKind>(bytes[0])};
  bytes = bytes.subspan(1);
  if (out.kind == MeetKind::kRegister) {
    if (!bytes.empty()) return bad(text("found {} bytes behind a registration", bytes.size()));
    return out;
  }
  if (bytes.size() <= PeerId::kSize) return bad(text("found {} bytes, expected a peer and its places", bytes.size()));
  PeerId::from(bytes.first(PeerId::kSize), out.peer);
  const std::size_t count = bytes[PeerId::kSize];
  bytes = bytes.subspan(PeerId::kSize + 1);
  if (count > kPlacesOfOneMax) return bad(text("found {} places, expected at most {}", count, kPlacesOfOneMax));
  for (std::size_t i = 0; i < count; ++i) {
    const auto place = take_address(bytes);
    if (!place) return bad(text("found no address at place {} of {}", i, count));
    out.places.push_back(*place);
  }
  if (!bytes.empty()) return bad(text("found {} bytes behind {} places", bytes.size(), count));
  return out;
}

void Meetings::coordinator_up(const PeerId& peer, std::int64_t now_ns) {
  if (renew_.size() >= kCoordinatorsMax && !renew_.contains(peer)) return;
  renew_[peer] = now_ns + kRegisterNs;
  out.push_back({peer, kMeetFrame, encode(Meeting{})});
}

void Meetings::call(const PeerId& peer, MeetKind kind, std::vector<Address> places) {
  const Bytes body = encode(Meeting{.kind = kind, .peer = peer, .places = std::move(places)});
  for (const auto& [coordinator, at] : renew_)
    if (coordinator != peer) out.push_back({coordinator, kMeetFrame, body});
}

void Meetings::on_deadline(std::int64_t now_ns) {
  for (auto& [coordinator, at] : renew_) {
    if (at > now_ns) continue;
    at = now_ns + kRegisterNs;
    out.push_back({coordinator, kMeetFrame, encode(Meeting{})});
  }
}

std::int64_t Meetings::next_ns() const {
  std::int64_t next = kNever;
  for (const auto& [coordinator, at] : renew_) next = std::min(next, at);
  return next;
}

}  // namespace hanse::reach::detail
