// Several nodes on one simulated network, in virtual time.
#include "mesh/lan/lan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/codec/hex.h"
#include "base/core/text.h"

namespace hanse::lan {
namespace {

constexpr std::uint32_t kIndex = 2;

AccountId peer_id(std::uint8_t n) {
  AccountId id;
  id.data.fill(n);
  return id;
}
NetworkId network_id(std::uint8_t n) {
  NetworkId id;
  id.data.fill(n);
  return id;
}
Bytes v6(std::uint8_t n) {
  Bytes out(16, 0);
  out[0] = 0xfe, out[1] = 0x80, out[15] = n;
  return out;
}

struct Node {
  Node(std::uint8_t number, std::uint64_t seed, std::uint8_t network)
      : n(number),
        random(seed),
        lan({peer_id(n), network_id(network), static_cast<std::uint16_t>(12000 + n)}, random) {}
  Bytes ip4() const { return {10, 0, 0, n}; }
  std::vector<Interface> interfaces() const { return {{kIndex, {{ip4(), 24}, {v6(n), 64}}}}; }

  std::uint8_t n;
  SeededRandom random;
  Lan lan;
  int changes = 0;
};

// Delivers a datagram after a millisecond to everybody, the sender too, as a network with looped multicast does.
struct Net {
  Node& add(std::uint8_t n, std::uint64_t seed, std::uint8_t network = 9) {
    nodes.emplace_back(n, seed, network);
    Outbox out;
    nodes.back().lan.set_interfaces(nodes.back().interfaces(), now, out);
    take(nodes.back(), out);
    return nodes.back();
  }
  void take(Node& node, Outbox& out) {
    node.changes += out.hints_changed;
    for (Datagram& d : out.datagrams) {
      ++sent;
      wire.push_back({now + kMs, node.n, std::move(d)});
    }
    out = {};
  }
  void until(std::int64_t end) {
    for (;;) {
      std::int64_t next = wire.empty() ? kNever : wire.front().at_ns;
      for (const Node& n : nodes) next = std::min(next, n.lan.next_ns());
      if (next > end) break;
      now = std::max(now, next);
      Outbox out;
      for (Node& n : nodes) {
        n.lan.tick(now, out);
        take(n, out);
      }
      while (!wire.empty() && wire.front().at_ns <= now) {
        const Flight flight = std::move(wire.front());
        wire.pop_front();
        deliver(flight);
      }
    }
    now = end;
  }
  struct Flight {
    std::int64_t at_ns;
    std::uint8_t from;
    Datagram datagram;
  };
  void deliver(const Flight& f) {
    const bool four = f.datagram.to.ip.size() == 4;
    const bool group = f.datagram.to.ip == (four ? to_bytes(kGroupV4) : to_bytes(kGroupV6));
    for (Node& n : nodes) {
      if (!group && f.datagram.to.ip != (four ? n.ip4() : v6(n.n))) continue;
      Outbox out;
      const Bytes from = four ? Bytes{10, 0, 0, f.from} : v6(f.from);
      n.lan.receive({kIndex, {.ip = from, .port = kPort}, 255}, f.datagram.bytes, now, out);
      take(n, out);
    }
  }

  std::deque<Node> nodes;
  std::deque<Flight> wire;
  std::int64_t now = 0;
  std::uint64_t sent = 0;
};

TEST(Lan, two_nodes_find_each_other_and_nobody_finds_itself) {
  Net net;
  Node& a = net.add(1, 11);
  Node& b = net.add(2, 12);
  net.until(5 * kSecond);
  ASSERT_EQ(a.lan.hints().size(), 1u);
  ASSERT_EQ(b.lan.hints().size(), 1u);
  const Hint hint = a.lan.hints()[0];
  EXPECT_EQ(hint.peer, peer_id(2));
  EXPECT_EQ(hint.network, (std::array<std::uint8_t, 4>{9, 9, 9, 9}));
  EXPECT_EQ(hint.addresses, (std::vector<Address>{{.ip = b.ip4(), .port = 12002}, {.ip = v6(2), .port = 12002}}));
  EXPECT_EQ(hint.instance, b.lan.instance(kIndex));
  EXPECT_EQ(hint.instance.size(), 16u);
  EXPECT_GE(a.changes, 1);
  EXPECT_EQ(a.lan.claim(kIndex), Claim::kHeld);
  EXPECT_EQ(a.lan.counts().malformed + a.lan.counts().foreign, 0u);
}

TEST(Lan, twenty_nodes_find_each_other_and_fall_silent) {
  const std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE(text("seed {}", seed));
  Net net;
  for (std::uint8_t i = 1; i <= 20; ++i) net.add(i, seed + i);
  net.until(10 * kSecond);
  for (const Node& n : net.nodes) EXPECT_EQ(n.lan.hints().size(), 19u) << int{n.n};
  net.until(3600 * kSecond);
  for (const Node& n : net.nodes) EXPECT_EQ(n.lan.hints().size(), 19u) << int{n.n};
  const std::uint64_t before = net.sent;
  net.until(2 * 3600 * kSecond);
  // An hour of refreshing SRV, A and AAAA of 19 peers every 96 s and more by 20 nodes over two families: without
  // sharing of answers it would be some 20 * 19 * 3 * 37 * 2 datagrams.
  EXPECT_LT(net.sent - before, 20u * 19u * 37u);
  for (const Node& n : net.nodes) EXPECT_EQ(n.lan.counts().responder.conflicts, 0u);
}

TEST(Lan, of_two_with_one_alias_one_takes_another) {
  const std::uint64_t seed = system_random().next_u64() | 1;
  SCOPED_TRACE(text("seed {}", seed));
  for (const std::int64_t apart : {std::int64_t{0}, 10 * kMs, 400 * kMs, 900 * kMs, 20 * kSecond}) {
    Net net;
    Node& a = net.add(1, seed);
    net.until(apart);
    Node& b = net.add(2, seed);
    ASSERT_EQ(a.lan.instance(kIndex).substr(0, 16), b.lan.instance(kIndex).substr(0, 16));
    net.until(apart + 20 * kSecond);
    EXPECT_EQ(a.lan.claim(kIndex), Claim::kHeld);
    EXPECT_EQ(b.lan.claim(kIndex), Claim::kHeld);
    EXPECT_NE(a.lan.instance(kIndex), b.lan.instance(kIndex)) << apart;
    ASSERT_EQ(a.lan.hints().size(), 1u) << apart;
    ASSERT_EQ(b.lan.hints().size(), 1u) << apart;
    EXPECT_EQ(a.lan.hints()[0].addresses[0].ip, b.ip4());
    EXPECT_EQ(b.lan.hints()[0].addresses[0].ip, a.ip4());
  }
}

TEST(Lan, who_leaves_is_forgotten_within_two_seconds_and_who_dies_within_two_minutes) {
  Net net;
  Node& a = net.add(1, 21);
  Node& b = net.add(2, 22);
  Node& c = net.add(3, 23);
  net.until(10 * kSecond);
  ASSERT_EQ(a.lan.hints().size(), 2u);
  Outbox out;
  b.lan.stop(out);
  net.take(b, out);
  EXPECT_EQ(b.lan.next_ns(), kNever);
  net.until(12 * kSecond);
  ASSERT_EQ(a.lan.hints().size(), 1u);
  EXPECT_EQ(a.lan.hints()[0].peer, peer_id(3));
  c.lan.set_interfaces({}, net.now, out);  // its cable is pulled: nothing is said
  net.take(c, out);
  net.until(net.now + 121 * kSecond);
  EXPECT_TRUE(a.lan.hints().empty());
}

TEST(Lan, hints_name_the_network_and_the_owner_decides) {
  Net net;
  Node& a = net.add(1, 31, 7);
  net.add(2, 32, 8);
  net.until(5 * kSecond);
  ASSERT_EQ(a.lan.hints().size(), 1u);
  EXPECT_EQ(a.lan.hints()[0].network[0], 8);
}

TEST(Lan, only_datagrams_of_this_network_are_looked_at) {
  SeededRandom random(41);
  Lan lan({peer_id(1), network_id(9), 12001}, random);
  Outbox out;
  const Interface one{kIndex, {{{10, 0, 0, 1}, 20}}};
  lan.set_interfaces(std::span(&one, 1), 0, out);
  const Message peer{
      .response = true,
      .answers = {{service_name(), Type::kPtr, false, 100, ptr_data(Name::of({"x", "_hanse", "_udp", "local"}))}}};
  const Bytes bytes = encode_message(peer);
  const auto foreign = [&](Bytes ip, int ttl, std::uint16_t port = kPort) {
    const std::uint64_t before = lan.counts().foreign;
    lan.receive({kIndex, {.ip = std::move(ip), .port = port}, ttl}, bytes, 0, out);
    return lan.counts().foreign != before;
  };
  EXPECT_FALSE(foreign({10, 0, 0, 2}, 255));
  EXPECT_FALSE(foreign({10, 0, 15, 255}, 255));
  EXPECT_TRUE(foreign({10, 0, 16, 0}, 255));
  EXPECT_TRUE(foreign({10, 0, 0, 2}, 254));
  EXPECT_TRUE(foreign({10, 0, 0, 2}, 255, 5354));
  EXPECT_TRUE(foreign({10, 0, 0, 2}, 255, 0));
  EXPECT_FALSE(foreign(v6(2), 255));
  Bytes elsewhere = v6(2);
  elsewhere[0] = 0x20;
  EXPECT_TRUE(foreign(elsewhere, 255));
  EXPECT_TRUE(foreign({}, 255));
  const std::uint64_t before = lan.counts().received;
  lan.receive({kIndex + 1, {.ip = {10, 0, 0, 2}, .port = kPort}, 255}, bytes, 0, out);
  EXPECT_EQ(lan.counts().received, before);
  lan.receive({kIndex, {.ip = {10, 0, 0, 2}, .port = kPort}, 255}, as_bytes("noise"), 0, out);
  EXPECT_EQ(lan.counts().malformed, 1u);
}

TEST(Lan, one_interface_too_many_is_left_out) {
  SeededRandom random(51);
  Lan lan({peer_id(1), network_id(9), 12001}, random);
  std::vector<Interface> many;
  for (std::uint8_t i = 1; i <= kInterfacesMax + 1; ++i) many.push_back({i, {{{10, 0, i, 1}, 24}}});
  Outbox out;
  lan.set_interfaces(many, 0, out);
  EXPECT_EQ(lan.counts().interfaces_refused, 1u);
  EXPECT_EQ(lan.instance(kInterfacesMax).size(), 16u);
  EXPECT_EQ(lan.instance(kInterfacesMax + 1), "");
  many.resize(1);
  many[0].subnets.clear();  // an interface without an address is none
  lan.set_interfaces(many, 0, out);
  EXPECT_EQ(lan.instance(1), "");
}

TEST(Lan, a_start_anew_has_another_alias) {
  SeededRandom one(1), two(2);
  EXPECT_EQ(Lan({peer_id(1), network_id(9), 1}, one).instance(1), "");
  Net net;
  const std::string first = net.add(1, 61).lan.instance(kIndex), second = net.add(1, 62).lan.instance(kIndex);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace hanse::lan
