#include "mesh/peers/pool.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <utility>

#include "base/core/text.h"

namespace hanse::peers {
namespace {

using Type = PoolAction::Type;

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000 * kMs;

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.data.fill(n);
  return id;
}
Address v4(std::uint8_t a, std::uint8_t d = 1) { return *transport::parse_address(text("10.0.{}.{}:12000", a, d)); }
Address v6(int n) { return *transport::parse_address(text("[2001:db8:{}::1]:12000", n)); }
Error reset() { return Error(Kind::kUnavailable, "transport.closed", "gone"); }

// A pool of peer 50 whose dials are answered with connections 1, 2, 3, ...
struct Alone {
  explicit Alone(PoolLimits limits = {}) : pool({.self = id_of(50), .limits = limits, .random = &random}) {}
  // What it wants done, "dial 10.0.1.1:12000" and so on; dials get a connection.
  std::string actions() {
    std::string out;
    PoolAction a;
    while (pool.next_action(a)) {
      if (!out.empty()) out += ", ";
      switch (a.type) {
        case Type::kDial:
          out += text("dial {}", address_text(a.address));
          pool.dialed(a.peer, a.address, ++made, now);
          break;
        case Type::kClose: out += text("close {} {:x}", a.connection, static_cast<std::uint64_t>(a.code)); break;
        case Type::kUp: out += text("up {}", a.connection); break;
        case Type::kMoved: out += text("moved {}", a.connection); break;
        case Type::kDown: out += text("down {}", a.error->id()); break;
        case Type::kFailed: out += text("failed {}", a.error->id()); break;
      }
    }
    return out;
  }
  std::string wait(std::int64_t ns) {
    now += ns;
    pool.on_deadline(now);
    return actions();
  }
  void up(ConnectionId connection, std::uint8_t peer, bool inbound, Address from = v4(9)) {
    pool.up({.connection = connection, .peer = id_of(peer), .inbound = inbound, .remote = from}, now);
  }
  void inbound(ConnectionId connection, std::uint8_t peer, Address from = v4(9)) { up(connection, peer, true, from); }

  SeededRandom random{7, "pool"};
  std::int64_t now = kSecond;
  ConnectionId made = 0;
  Pool pool;
};

TEST(Pool, tries_addresses_one_after_another_ipv6_first_and_closes_those_that_come_late) {
  Alone a;
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(1), v6(1), v4(2)}, a.now));
  EXPECT_EQ(a.actions(), "dial [2001:db8:1::1]:12000");
  EXPECT_EQ(a.pool.next_deadline_ns(), a.now + kRaceGapNs);
  EXPECT_EQ(a.wait(kRaceGapNs - 1), "");
  EXPECT_EQ(a.wait(1), "dial 10.0.1.1:12000");
  a.pool.down(1, reset(), a.now);  // no need to wait for the next then
  EXPECT_EQ(a.actions(), "dial 10.0.2.1:12000");
  a.up(3, 1, false);
  EXPECT_EQ(a.actions(), "up 3, close 2 104");
  EXPECT_EQ(a.pool.connection(id_of(1)), 3u);
  EXPECT_EQ(a.pool.dialing(), 0u);
  EXPECT_EQ(a.pool.next_deadline_ns(), INT64_MAX);
}

TEST(Pool, an_address_that_replaces_those_of_a_round_is_tried_in_it) {
  Alone a;
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(1)}, a.now));
  EXPECT_EQ(a.actions(), "dial 10.0.1.1:12000");
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(2)}, a.now));
  EXPECT_EQ(a.actions(), "dial 10.0.2.1:12000");
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(2)}, a.now));
  EXPECT_EQ(a.actions(), "") << "the same again";
  a.up(2, 1, false);
  EXPECT_EQ(a.actions(), "up 2, close 1 104");
}

TEST(Pool, a_wanted_peer_is_dialed_again_ever_more_rarely_and_another_one_once) {
  Alone a;
  ASSERT_TRUE(a.pool.dial(id_of(2), {v4(2)}, a.now));
  EXPECT_EQ(a.actions(), "dial 10.0.2.1:12000");
  a.pool.down(1, reset(), a.now);
  EXPECT_EQ(a.actions(), "failed peers.unreachable");
  EXPECT_EQ(a.pool.next_deadline_ns(), INT64_MAX);
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(1)}, a.now));
  std::int64_t base_ms = 1'000;
  for (int round = 0; round < 12; ++round) {
    EXPECT_EQ(a.actions(), "dial 10.0.1.1:12000");
    a.pool.down(a.made, reset(), a.now);
    EXPECT_EQ(a.actions(), "failed peers.unreachable");
    const std::int64_t wait = a.pool.next_deadline_ns() - a.now;
    EXPECT_GE(wait, base_ms * kMs / 2) << round;
    EXPECT_LE(wait, base_ms * kMs * 3 / 2) << round;
    base_ms = std::min<std::int64_t>(2 * base_ms, 300'000);
    a.now += wait;
    a.pool.on_deadline(a.now);
  }
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(7)}, a.now));  // under way: the new address is next
  a.actions();
  a.pool.down(a.made, reset(), a.now);
  a.actions();
  ASSERT_TRUE(a.pool.want(id_of(1), {v4(8)}, a.now));  // waiting: a new address is tried at once
  EXPECT_EQ(a.actions(), "dial 10.0.8.1:12000");
  a.up(a.made, 1, false);
  a.actions();
  a.pool.down(a.made, reset(), a.now);
  EXPECT_EQ(a.actions(), "down transport.closed");
  EXPECT_LE(a.pool.next_deadline_ns() - a.now, 1'500 * kMs);  // and the waits begin anew
  a.pool.let_go(id_of(1));
  EXPECT_EQ(a.pool.next_deadline_ns(), INT64_MAX);
}

TEST(Pool, dials_at_once_and_a_second_are_limited_and_the_others_wait_their_turn) {
  Alone a({.dials_max = 3, .dials_per_second = 10});
  for (std::uint8_t n = 0; n < 12; ++n) ASSERT_TRUE(a.pool.dial(id_of(n), {v4(n)}, a.now));
  EXPECT_EQ(a.actions(), "dial 10.0.0.1:12000, dial 10.0.1.1:12000, dial 10.0.2.1:12000");
  EXPECT_EQ(a.pool.next_deadline_ns(), INT64_MAX);  // until one of those is over
  for (ConnectionId c = 1; c <= 7; ++c) {
    a.pool.down(c, reset(), a.now);
    a.actions();
  }
  EXPECT_EQ(a.made, 10u);
  a.pool.down(8, reset(), a.now);
  EXPECT_EQ(a.actions(), "failed peers.unreachable");  // ten in this second
  EXPECT_EQ(a.pool.next_deadline_ns(), a.now + 100 * kMs);
  EXPECT_EQ(a.wait(100 * kMs), "dial 10.0.10.1:12000");
}

TEST(Pool, of_two_connections_the_one_counts_whose_dialer_has_the_smaller_id) {
  {
    Alone a;  // 50 dials 1
    ASSERT_TRUE(a.pool.want(id_of(1), {v4(1)}, a.now));
    a.actions();
    a.up(1, 1, false);
    a.inbound(70, 1);
    EXPECT_EQ(a.actions(), "up 1, moved 70");
    EXPECT_EQ(a.pool.peer_of(1), id_of(1));  // still read
    EXPECT_EQ(a.wait(kDrainNs - 1), "");
    EXPECT_EQ(a.wait(1), "close 1 104");
    EXPECT_EQ(a.pool.connections(), 1u);
  }
  {
    Alone a;  // 50 dials 90
    ASSERT_TRUE(a.pool.want(id_of(90), {v4(1)}, a.now));
    a.actions();
    a.up(1, 90, false);
    a.inbound(70, 90);
    EXPECT_EQ(a.actions(), "up 1");
    a.pool.down(1, reset(), a.now);
    EXPECT_EQ(a.actions(), "moved 70");  // taken back
    EXPECT_EQ(a.wait(10 * kSecond), "");
    a.pool.down(70, reset(), a.now);
    EXPECT_EQ(a.actions(), "down transport.closed");
  }
}

TEST(Pool, a_peer_that_dials_anew_has_lost_its_old_connection) {
  Alone a;
  for (ConnectionId c = 1; c <= 2 + kDrainingMax; ++c) a.inbound(c, 1);
  EXPECT_EQ(a.actions(), "up 1, moved 2, moved 3, moved 4, moved 5, close 1 104, moved 6");
  EXPECT_EQ(a.pool.connection(id_of(1)), 6u);
  EXPECT_EQ(a.pool.connections(), 1 + kDrainingMax);
}

TEST(Pool, one_network_cannot_take_all_places_and_wanted_peers_have_theirs) {
  Alone a({.prefix_max = 2});
  ASSERT_TRUE(a.pool.want(id_of(9), {}, a.now));
  a.inbound(1, 1, v4(3, 1));
  a.inbound(2, 2, v4(3, 2));
  a.inbound(3, 3, v4(3, 3));
  a.inbound(4, 9, v4(3, 4));
  a.inbound(5, 5, v4(4, 1));
  EXPECT_EQ(a.actions(), "up 1, up 2, close 3 107, up 4, up 5");
  a.pool.down(1, reset(), a.now);
  a.pool.down(4, reset(), a.now);
  a.inbound(6, 6, v4(3, 9));
  EXPECT_EQ(a.actions(), "down transport.closed, down transport.closed, up 6");
}

TEST(Pool, refuses_one_inbound_more_than_its_limit_one_peer_more_and_itself) {
  Alone a({.peers_max = 3, .inbound_max = 2});
  a.inbound(1, 1, v4(1));
  a.inbound(2, 2, v4(2));
  a.inbound(3, 3, v4(3));
  EXPECT_EQ(a.actions(), "up 1, up 2, close 3 107");
  EXPECT_TRUE(a.pool.want(id_of(3), {}, a.now));
  EXPECT_EQ(a.pool.want(id_of(4), {}, a.now).error().id(), "peers.limit");
  EXPECT_EQ(a.pool.want(id_of(50), {v4(1)}, a.now).error().id(), "peers.self");
  EXPECT_EQ(a.pool.dial(id_of(3), {}, a.now).error().id(), "peers.address");
  EXPECT_EQ(a.pool.dial(id_of(3), std::vector<Address>(kAddressesMax + 1, v4(1)), a.now).error().id(), "peers.address");
  a.inbound(5, 50);
  EXPECT_EQ(a.actions(), "close 5 104");
}

TEST(Pool, evicts_the_lowest_score_and_then_the_longest_unused_but_nobody_who_is_wanted) {
  Alone a({.high_water = 5, .low_water = 3});
  ASSERT_TRUE(a.pool.want(id_of(1), {}, a.now));
  for (std::uint8_t n = 1; n <= 5; ++n) {
    a.now += kMs;
    a.inbound(n, n, v4(n));
  }
  a.pool.rate(id_of(2), 5);
  a.pool.rate(id_of(4), -1);
  a.pool.used(id_of(3), a.now + 1);
  EXPECT_EQ(a.actions(), "up 1, up 2, up 3, up 4, up 5");
  a.now += 2 * kMs;
  a.inbound(6, 6, v4(6));
  EXPECT_EQ(a.actions(),
            "up 6, close 4 105, down peers.evicted, close 5 105, down peers.evicted, close 3 105, "
            "down peers.evicted");
  a.pool.down(4, reset(), a.now);  // its end is no news
  EXPECT_EQ(a.actions(), "");
  EXPECT_EQ(a.pool.connected(), (std::vector{id_of(1), id_of(2), id_of(6)}));
}

TEST(Pool, what_comes_of_a_dial_that_was_given_up_is_closed) {
  Alone a;
  ASSERT_TRUE(a.pool.dial(id_of(1), {v4(1)}, a.now));
  a.pool.close(id_of(1), CloseCode::kDone, a.now);
  EXPECT_EQ(a.actions(), "dial 10.0.1.1:12000, close 1 100");
  a.up(1, 1, false);
  EXPECT_EQ(a.actions(), "");
  EXPECT_EQ(a.pool.connections() + a.pool.dialing(), 0u);
}

TEST(TokenBucket, gives_so_many_a_second_and_no_more_at_once_than_it_holds) {
  TokenBucket bucket(10, 5);
  for (int n = 0; n < 5; ++n) EXPECT_TRUE(bucket.take(0));
  EXPECT_FALSE(bucket.take(99 * kMs));
  EXPECT_EQ(bucket.ready_ns(0, 2), 200 * kMs);
  EXPECT_TRUE(bucket.take(100 * kMs));
  EXPECT_FALSE(bucket.take(100 * kMs));
  int taken = 0;
  for (std::int64_t now = kSecond; now < 11 * kSecond; now += kMs) taken += bucket.take(now) ? 1 : 0;
  EXPECT_EQ(taken, 5 + 99);  // full at first, then one each 100 ms
  EXPECT_TRUE(bucket.take(100 * kSecond, 5));
  EXPECT_FALSE(bucket.take(100 * kSecond));
}

// ---- many pools that dial each other, on links that fail -----------------------------------------------------------

struct Net {
  struct Wire {
    std::size_t dialer, acceptor;
    bool dialer_open = true, acceptor_open = true;
  };
  struct Node {
    Pool pool;
    std::map<PeerId, ConnectionId> says;  // what its actions say
  };

  Net(std::uint64_t seed, std::size_t n) : dice(seed, "net") {
    for (std::size_t i = 0; i < n; ++i)
      nodes.push_back(std::make_unique<Node>(Node{Pool({.self = id_at(i), .limits = {}, .random = &dice}), {}}));
  }
  static PeerId id_at(std::size_t node) { return id_of(static_cast<std::uint8_t>(node + 1)); }
  static std::size_t node_of(const PeerId& peer) { return peer.data[0] - 1u; }
  void later(std::int64_t ns, std::function<void()> what) { events.emplace(now + ns, std::move(what)); }
  std::int64_t delay() { return static_cast<std::int64_t>(1 + dice.below(80)) * kMs; }

  // The handshake: the dialer is up after a round trip, the acceptor half a one later.
  ConnectionId dial(std::size_t from, std::size_t to) {
    const ConnectionId id = ++made;
    wires.emplace(id, Wire{.dialer = from, .acceptor = to});
    const std::int64_t way = delay();
    const bool fails = dice.below(100) < 20;
    later(2 * way, [=, this] {
      Wire& w = wires.at(id);
      if (fails) {
        w.dialer_open = w.acceptor_open = false;
        return nodes[from]->pool.down(id, reset(), now);
      }
      if (!w.dialer_open) return;
      nodes[from]->pool.up({.connection = id, .peer = id_at(to), .inbound = false, .remote = v4(1)}, now);
      later(way, [=, this] {
        if (!wires.at(id).acceptor_open) return;
        nodes[to]->pool.up({.connection = id, .peer = id_at(from), .inbound = true, .remote = v4(1)}, now);
      });
    });
    return id;
  }
  void close(std::size_t node, ConnectionId id) {
    Wire& w = wires.at(id);
    const bool dials = w.dialer == node;
    (dials ? w.dialer_open : w.acceptor_open) = false;
    later(delay(), [=, this] {
      Wire& wire = wires.at(id);
      bool& open = dials ? wire.acceptor_open : wire.dialer_open;
      if (!std::exchange(open, false)) return;
      nodes[dials ? wire.acceptor : wire.dialer]->pool.down(id, reset(), now);
    });
  }
  void cut(ConnectionId id) {  // both ends notice, at their own time
    for (const bool dialer : {true, false})
      later(delay(), [=, this] {
        Wire& w = wires.at(id);
        if (!std::exchange(dialer ? w.dialer_open : w.acceptor_open, false)) return;
        nodes[dialer ? w.dialer : w.acceptor]->pool.down(id, reset(), now);
      });
  }
  void act(std::size_t n) {
    Node& node = *nodes[n];
    PoolAction a;
    while (node.pool.next_action(a)) {
      switch (a.type) {
        case Type::kDial: node.pool.dialed(a.peer, a.address, dial(n, node_of(a.peer)), now); break;
        case Type::kClose: close(n, a.connection); break;
        case Type::kUp:
          EXPECT_FALSE(node.says.contains(a.peer)) << "up twice";
          node.says[a.peer] = a.connection;
          break;
        case Type::kMoved:
          EXPECT_TRUE(node.says.contains(a.peer)) << "moved, and was not up";
          node.says[a.peer] = a.connection;
          break;
        case Type::kDown:
          EXPECT_EQ(node.says.erase(a.peer), 1u) << "down, and was not up";
          ++downs;
          break;
        case Type::kFailed: break;
      }
    }
  }
  void run(std::int64_t ns) {
    const std::int64_t end = now + ns;
    while (true) {
      std::int64_t next = events.empty() ? end : std::min(end, events.begin()->first);
      for (const auto& node : nodes) next = std::min(next, std::max(now, node->pool.next_deadline_ns()));
      if (next >= end) break;
      now = next;
      if (!events.empty() && events.begin()->first <= now) {
        auto event = std::move(events.begin()->second);
        events.erase(events.begin());
        event();
      }
      for (std::size_t n = 0; n < nodes.size(); ++n) {
        nodes[n]->pool.on_deadline(now);
        act(n);
      }
    }
    now = end;
  }

  SeededRandom dice;
  std::int64_t now = 0;
  ConnectionId made = 0;
  std::size_t downs = 0;
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<ConnectionId, Wire> wires;
  std::multimap<std::int64_t, std::function<void()>> events;
};

TEST(Pool, whatever_races_and_breaks_both_ends_agree_on_one_connection) {
  const char* const given = std::getenv("HANSE_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + (given != nullptr ? 1 : 60); ++seed) {
    SCOPED_TRACE(text("HANSE_SEED={}", seed));
    constexpr std::size_t kNodes = 5;
    Net net(seed, kNodes);
    for (std::size_t i = 0; i < kNodes; ++i)
      for (std::size_t j = 0; j < kNodes; ++j)
        if (i != j && net.dice.below(100) < 80)
          net.later(static_cast<std::int64_t>(net.dice.below(300)) * kMs,
                    [&net, i, j] { ASSERT_TRUE(net.nodes[i]->pool.want(Net::id_at(j), {v4(1), v4(2)}, net.now)); });
    net.run(10 * kSecond);
    EXPECT_EQ(net.downs, 0u) << "a race costs nobody its connection";
    for (int n = 0; n < 40; ++n) {
      net.run(static_cast<std::int64_t>(net.dice.below(400)) * kMs);
      if (net.made > 0) net.cut(1 + net.dice.below(net.made));
    }
    net.run(60 * kSecond);
    for (std::size_t i = 0; i < kNodes; ++i) {
      const Net::Node& node = *net.nodes[i];
      EXPECT_EQ(node.pool.connections(), node.says.size());  // nothing drains any more
      EXPECT_EQ(node.pool.dialing(), 0u);
      for (const auto& [peer, connection] : node.says) {
        EXPECT_EQ(node.pool.connection(peer), connection);
        const auto back = net.nodes[Net::node_of(peer)]->pool.connection(Net::id_at(i));
        EXPECT_EQ(back, connection) << i;
      }
    }
    if (testing::Test::HasFailure()) return;
  }
}

Address circuit(std::uint8_t n) { return *transport::parse_address(text("[fd57:2::{}]:1", n)); }

TEST(Dials, go_to_circuits_last_and_take_one_that_comes_while_they_are_under_way) {
  Alone a;
  ASSERT_TRUE(a.pool.want(id_of(1), {circuit(1), v6(1), v4(1)}, a.now));
  EXPECT_EQ(a.actions(), "dial [2001:db8:1::1]:12000");
  EXPECT_EQ(a.wait(kRaceGapNs), "dial 10.0.1.1:12000");
  EXPECT_EQ(a.wait(kRaceGapNs), "dial [fd57:2::1]:1");
  EXPECT_EQ(a.wait(kRaceGapNs), "");
  ASSERT_TRUE(a.pool.want(id_of(1), {v6(1), v4(1), circuit(1), circuit(2)}, a.now));
  EXPECT_EQ(a.actions(), "dial [fd57:2::2]:1") << "at once";
}

TEST(Prefix, of_circuits_is_the_relays_affair) {
  Alone a({.prefix_max = 1});
  a.inbound(101, 1, circuit(1));
  a.inbound(102, 2, circuit(2));
  EXPECT_EQ(a.actions(), "up 101, up 102");
  a.pool.down(101, reset(), a.now);
  EXPECT_EQ(a.actions(), "down transport.closed");
  a.inbound(103, 3, v4(1, 1));
  a.inbound(104, 4, v4(1, 2));
  EXPECT_EQ(a.actions(), "up 103, close 104 107");
}

TEST(Race, is_none_when_a_peer_dials_that_was_connected_long_since) {
  for (const std::uint8_t peer : {std::uint8_t{1}, std::uint8_t{99}}) {  // a smaller id than ours, and a larger one
    Alone a;
    ASSERT_TRUE(a.pool.want(id_of(peer), {v4(1)}, a.now));
    EXPECT_EQ(a.actions(), "dial 10.0.1.1:12000");
    a.up(1, peer, false);
    EXPECT_EQ(a.actions(), "up 1");
    EXPECT_EQ(a.wait(kRaceNs + kMs), "");
    a.inbound(101, peer);  // it has started anew
    EXPECT_EQ(a.actions(), "moved 101") << int{peer};
    EXPECT_EQ(a.wait(kDrainNs), "close 1 104");
  }
}

}  // namespace
}  // namespace hanse::peers
