#include "node/peering/speed.h"

#include "base/codec/hex.h"
#include "base/core/text.h"

namespace hanse::peering {
namespace {

enum : std::uint8_t { kData = 1, kEnd = 2, kResult = 3, kRefused = 4 };
constexpr std::size_t kNumberSize = 8;
constexpr std::size_t kStreamsMax = 64;

// Cheap, and other in each chunk: what is lost, doubled or out of order changes the hash.
Bytes chunk(std::uint64_t number, std::size_t size) {
  Bytes out(kNumberSize + size, static_cast<std::uint8_t>(number * 37));
  store_be(out.data(), number);
  return out;
}

}  // namespace

void SpeedTests::say(const PeerId& to, std::uint8_t type, Bytes body, std::int64_t now_ns) {
  (void)reach_.send(to, kSpeedProtocol, type, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

Status SpeedTests::begin(const PeerId& peer, std::uint64_t bytes, std::int64_t now_ns) {
  if (!reach_.connected(peer))
    return fail(Kind::kUnavailable, "peering.not_connected",
                text("found no connection with {}, dial it first", codec::encode_id(peer.view())));
  if (const auto at = sending_.find(peer); at != sending_.end() && !at->second.ended)
    return fail(Kind::kExhausted, "peering.limit",
                text("found a speed test with {} under way", codec::encode_id(peer.view())));
  Sending& s = sending_[peer];
  s = {.total = bytes, .begun_ns = now_ns, .before = reach_.counts()};
  return {};
}

void SpeedTests::pump(std::int64_t now_ns) {
  for (auto& [peer, s] : sending_) {
    while (!s.ended && !s.full && s.sent < s.total) {
      const std::size_t size = std::min<std::uint64_t>(kSpeedChunk - kNumberSize, s.total - s.sent);
      const auto body = std::make_shared<const Bytes>(chunk(s.number, size));
      if (!reach_.send(peer, kSpeedProtocol, kData, body, now_ns)) {
        s.full = true;  // until there is room; one that is not connected any more is told by its event
        break;
      }
      s.hash.update(*body);
      s.sent += size;
      ++s.number;
    }
    if (s.ended || s.sent < s.total || s.said_end) continue;
    Bytes end(8);
    store_be(end.data(), s.total);
    append(end, s.hash.finish().view());
    s.said_end =
        reach_.send(peer, kSpeedProtocol, kEnd, std::make_shared<const Bytes>(std::move(end)), now_ns).has_value();
    s.full = !s.said_end;
  }
}

void SpeedTests::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  if (event.type == Type::kRoom) {
    if (const auto at = sending_.find(event.peer); at != sending_.end()) at->second.full = false;
  } else if (event.type == Type::kDown) {
    receiving_.erase(event.peer);
    fail_sending(event.peer, Error(Kind::kUnavailable, "peering.not_connected",
                                   text("the connection ended: {}", event.error->str())));
  } else if (event.type == Type::kFrame && event.protocol == kSpeedProtocol) {
    switch (event.frame_type) {
      case kData: return on_data(event, now_ns);
      case kEnd: return on_end(event, now_ns);
      case kResult: return on_result(event, now_ns);
      case kRefused:
        return fail_sending(event.peer, Error(Kind::kDenied, "peering.refused", "the peer takes no speed test"));
      default: return;
    }
  }
}

void SpeedTests::on_data(const reach::PeerEvent& event, std::int64_t now_ns) {
  auto at = receiving_.find(event.peer);
  if (at == receiving_.end()) {
    if (event.body.size() <= kNumberSize || load_be<std::uint64_t>(event.body.data()) != 0) return;  // of one refused
    if (!takes_ || receiving_.size() >= kSpeedsMax) return say(event.peer, kRefused, {}, now_ns);
    at = receiving_.emplace(event.peer, Receiving{}).first;
  }
  Receiving& r = at->second;
  if (event.body.size() <= kNumberSize || load_be<std::uint64_t>(event.body.data()) != r.next) r.broken = true;
  ++r.next;
  r.bytes += event.body.size() - std::min(event.body.size(), kNumberSize);
  r.hash.update(event.body);
  if (r.last_ns != 0) r.longest_ns = std::max(r.longest_ns, now_ns - r.last_ns);
  r.last_ns = now_ns;
  if (r.streams.size() < kStreamsMax) r.streams.insert({event.connection, event.stream});
}

void SpeedTests::on_end(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto at = receiving_.find(event.peer);
  if (at == receiving_.end() || event.body.size() != 8 + Hash32::kSize) return;
  const Receiving& r = at->second;
  const bool same = !r.broken && load_be<std::uint64_t>(event.body.data()) == r.bytes &&
                    equal(r.hash.finish().view(), ByteView(event.body).subspan(8));
  Bytes out(8 + 1 + 8 + 4);
  store_be(out.data(), r.bytes);
  out[8] = same ? 1 : 0;
  store_be(out.data() + 9, static_cast<std::uint64_t>(r.longest_ns / 1000));
  store_be(out.data() + 17, static_cast<std::uint32_t>(r.streams.size()));
  receiving_.erase(at);
  say(event.peer, kResult, std::move(out), now_ns);
}

void SpeedTests::on_result(const reach::PeerEvent& event, std::int64_t now_ns) {
  const auto at = sending_.find(event.peer);
  if (at == sending_.end() || !at->second.said_end || event.body.size() != 21) return;
  Sending& s = at->second;
  const std::uint64_t bytes = load_be<std::uint64_t>(event.body.data());
  if (bytes != s.total || event.body[8] != 1)
    return fail_sending(event.peer,
                        Error(Kind::kCorrupt, "peering.damaged",
                              text("found {} bytes with another hash at the peer, sent {}", bytes, s.total)));
  const reach::ReachCounts now = reach_.counts();
  s.ended =
      SpeedResult{.bytes = bytes,
                  .ms = (now_ns - s.begun_ns) / 1'000'000,
                  .longest_pause_ms = static_cast<std::int64_t>(load_be<std::uint64_t>(event.body.data() + 9) / 1000),
                  .streams = load_be<std::uint32_t>(event.body.data() + 17),
                  .to_direct = static_cast<std::uint32_t>(now.to_direct - s.before.to_direct),
                  .to_relay = static_cast<std::uint32_t>(now.to_relay - s.before.to_relay)};
}

void SpeedTests::fail_sending(const PeerId& peer, Error why) {
  const auto at = sending_.find(peer);
  if (at != sending_.end() && !at->second.ended) at->second.ended = std::unexpected(std::move(why));
}

std::optional<Result<SpeedResult>> SpeedTests::ended(const PeerId& peer) {
  const auto at = sending_.find(peer);
  if (at == sending_.end() || !at->second.ended) return std::nullopt;
  auto out = std::move(at->second.ended);
  sending_.erase(at);
  return out;
}

std::uint64_t SpeedTests::handed_over(const PeerId& peer) const {
  const auto at = sending_.find(peer);
  return at == sending_.end() ? 0 : at->second.sent;
}

}  // namespace hanse::peering
