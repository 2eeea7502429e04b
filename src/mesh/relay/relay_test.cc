#include "mesh/relay/relay.h"

#include <gtest/gtest.h>

namespace hanse::relay {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

PeerId peer(std::uint8_t number) {
  PeerId out;
  out.data[0] = number;
  return out;
}

struct Party {
  Relay relay;
  std::int64_t now_ns = 0;
  explicit Party(RelayLimits limits = {}) : relay(limits) {}

  Letters say(const PeerId& from, const Message& message) {
    Letters out;
    relay.receive(from, message, now_ns, out);
    return out;
  }
  Letters reserve(const PeerId& who, std::uint32_t seconds = 600) {
    return say(who, {.kind = Kind::kReserve, .seconds = seconds});
  }
  Letters connect(const PeerId& from, const PeerId& to, std::uint32_t request = 7) {
    return say(from, {.kind = Kind::kConnect, .request = request, .peer = to});
  }
  std::uint32_t joined(const PeerId& from, const PeerId& to) {
    const Letters out = connect(from, to);
    EXPECT_EQ(out.back().message.kind, Kind::kConnected);
    return out.back().message.circuit;
  }
  std::optional<PeerId> carry(const PeerId& from, std::uint32_t circuit, std::size_t bytes = 1200) {
    return relay.carry(from, circuit, bytes, now_ns, letters);
  }
  Letters letters;
};

TEST(Relay, joins_who_asks_with_who_has_a_place) {
  Party p;
  const Letters placed = p.reserve(peer(2));
  ASSERT_EQ(placed.size(), 1u);
  EXPECT_EQ(placed[0].message, (Message{.kind = Kind::kReserved, .seconds = 600, .bytes = 256u << 10}));
  const Letters joined = p.connect(peer(1), peer(2), 9);
  ASSERT_EQ(joined.size(), 2u);
  EXPECT_EQ(joined[0].to, peer(2));
  EXPECT_EQ(joined[0].message.kind, Kind::kIncoming);
  EXPECT_EQ(joined[0].message.peer, peer(1));
  EXPECT_EQ(joined[1].to, peer(1));
  EXPECT_EQ(joined[1].message.request, 9u);
  const std::uint32_t circuit = joined[1].message.circuit;
  EXPECT_EQ(joined[0].message.circuit, circuit);
  EXPECT_EQ(p.carry(peer(1), circuit), peer(2));
  EXPECT_EQ(p.carry(peer(2), circuit), peer(1));
  EXPECT_EQ(p.carry(peer(3), circuit), std::nullopt) << "of others";
  EXPECT_EQ(p.carry(peer(1), circuit + 1), std::nullopt);
  EXPECT_EQ(p.relay.counts().dropped, 2u);
}

TEST(Relay, refuses_who_has_no_place_and_oneself) {
  Party p;
  EXPECT_EQ(p.connect(peer(1), peer(2))[0].message.why, Why::kNotReserved);
  p.reserve(peer(1));
  EXPECT_EQ(p.connect(peer(1), peer(1))[0].message.why, Why::kNotReserved);
  p.reserve(peer(2), 10);
  p.now_ns = 11 * kSecondNs;
  EXPECT_EQ(p.connect(peer(1), peer(2))[0].message.why, Why::kNotReserved) << "its time is over";
}

TEST(Relay, holds_to_its_limits_and_one_past_them_is_refused) {
  Party p({.reservations = 2, .circuits = 3, .circuits_per_peer = 2});
  p.reserve(peer(1));
  p.reserve(peer(2));
  EXPECT_EQ(p.reserve(peer(3))[0].message.why, Why::kFull);
  EXPECT_EQ(p.reserve(peer(2))[0].message.kind, Kind::kReserved) << "who has a place keeps it";
  p.joined(peer(3), peer(1));
  p.joined(peer(4), peer(1));
  EXPECT_EQ(p.connect(peer(5), peer(1))[0].message.why, Why::kFull) << "two of one peer";
  p.joined(peer(5), peer(2));
  EXPECT_EQ(p.connect(peer(6), peer(2))[0].message.why, Why::kFull) << "three in all";
  EXPECT_EQ(p.relay.circuits(), 3u);
}

TEST(Relay, gives_a_new_circuit_to_who_asks_again_and_ends_the_old_one) {
  Party p({.circuits_per_peer = 1});
  p.reserve(peer(2));
  const std::uint32_t first = p.joined(peer(1), peer(2));
  const Letters again = p.connect(peer(1), peer(2));
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(again[0].to, peer(2));
  EXPECT_EQ(again[0].message, (Message{.kind = Kind::kClosed, .circuit = first, .why = Why::kGone}));
  EXPECT_EQ(p.carry(peer(1), first), std::nullopt);
  EXPECT_EQ(p.carry(peer(1), again[2].message.circuit), peer(2));
}

TEST(Relay, carries_at_its_rate_and_drops_what_is_over) {
  Party p({.bytes_per_second = 10'000});
  p.reserve(peer(2));
  const std::uint32_t circuit = p.joined(peer(1), peer(2));
  int carried = 0;
  for (int i = 0; i < 20; ++i) carried += p.carry(peer(1), circuit, 1000).has_value() ? 1 : 0;
  EXPECT_EQ(carried, 10) << "a second's worth at once";
  p.now_ns += kSecondNs / 2;
  carried = 0;
  for (int i = 0; i < 20; ++i) carried += p.carry(peer(2), circuit, 1000).has_value() ? 1 : 0;
  EXPECT_EQ(carried, 5);
  EXPECT_EQ(p.carry(peer(1), circuit, kCarriedMax + 1), std::nullopt);
}

TEST(Relay, closes_the_circuit_of_who_has_spent_the_day) {
  Party p({.bytes_per_day = 3000});
  p.reserve(peer(2));
  const std::uint32_t circuit = p.joined(peer(1), peer(2));
  EXPECT_TRUE(p.carry(peer(1), circuit, 1000));
  EXPECT_TRUE(p.carry(peer(1), circuit, 1000));
  EXPECT_TRUE(p.carry(peer(1), circuit, 1000));
  EXPECT_FALSE(p.carry(peer(1), circuit, 1000));
  ASSERT_EQ(p.letters.size(), 2u);
  EXPECT_EQ(p.letters[0].message.why, Why::kSpent);
  EXPECT_EQ(p.relay.circuits(), 0u);
  p.now_ns += 86'400 * kSecondNs;
  p.reserve(peer(2));
  EXPECT_TRUE(p.carry(peer(1), p.joined(peer(1), peer(2)), 1000)) << "another day";
}

TEST(Relay, ends_circuits_that_are_idle_closed_or_left) {
  Party p({.idle_s = 300});
  p.reserve(peer(2), 3600);
  const std::uint32_t first = p.joined(peer(1), peer(2));
  p.now_ns = 299 * kSecondNs;
  EXPECT_TRUE(p.carry(peer(2), first));
  p.now_ns = 598 * kSecondNs;
  Letters out;
  p.relay.tick(p.now_ns, out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(p.relay.next_ns(), 599 * kSecondNs);
  p.now_ns = 599 * kSecondNs;
  p.relay.tick(p.now_ns, out);
  EXPECT_EQ(out.size(), 2u) << "both ends hear of it";

  const std::uint32_t second = p.joined(peer(1), peer(2));
  EXPECT_TRUE(p.say(peer(3), {.kind = Kind::kLeave, .circuit = second}).empty()) << "not a third one's to close";
  const Letters closed = p.say(peer(2), {.kind = Kind::kLeave, .circuit = second});
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].to, peer(1));

  p.joined(peer(1), peer(2));
  out.clear();
  p.relay.down(peer(2), out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].to, peer(1));
  EXPECT_EQ(p.relay.reservations(), 0u);
}

TEST(RelayMessage, is_the_same_after_encoding_and_refuses_any_other_length) {
  for (std::uint8_t kind = 1; kind <= 8; ++kind) {
    Message m{.kind = static_cast<Kind>(kind)};
    const Bytes bytes = encode(m);
    const auto got = decode_message(bytes);
    ASSERT_TRUE(got) << int{kind};
    EXPECT_TRUE(equal(encode(*got), bytes));
    Bytes longer = bytes;
    longer.push_back(1);
    EXPECT_EQ(decode_message(longer).error().id(), "relay.format");
    EXPECT_EQ(decode_message(ByteView(bytes).first(bytes.size() - 1)).error().id(), "relay.format");
  }
  EXPECT_FALSE(decode_message(Bytes{9, 0, 0, 0, 0}));
  EXPECT_FALSE(decode_message(Bytes{5, 0, 0, 0, 0, 7})) << "an unknown reason";
  EXPECT_FALSE(decode_message({}));
  const Message full{.kind = Kind::kConnect, .request = 0x01020304, .peer = peer(9)};
  EXPECT_EQ(encode(full)[1], 1) << "big-endian";
  EXPECT_EQ(*decode_message(encode(full)), full);
}

TEST(RelayCarried, keeps_its_limits) {
  const Bytes some(kCarriedMax);
  const Bytes whole = carry({.towards = Towards::kEnd, .circuit = 5, .bytes = some});
  const auto got = open_carried(whole);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->circuit, 5u);
  EXPECT_EQ(got->towards, Towards::kEnd);
  EXPECT_EQ(got->bytes.size(), kCarriedMax);
  EXPECT_FALSE(open_carried(carry({.bytes = Bytes(kCarriedMax + 1)})));
  EXPECT_FALSE(open_carried(carry({.bytes = {}})));
  Bytes other = whole;
  other[0] = 0x32;
  EXPECT_EQ(open_carried(other).error().id(), "relay.format");
}

}  // namespace
}  // namespace hanse::relay
