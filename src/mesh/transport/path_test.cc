#include <gtest/gtest.h>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: the world of the tests

std::shared_ptr<const Bytes> body_of(std::size_t size) { return std::make_shared<const Bytes>(size, std::uint8_t{1}); }

// A dialer with two addresses, the second one unused, and a stream of bulk that is half way.
struct Moving : World {
  explicit Moving(std::uint64_t seed) : World(seed) {
    add(test_options(1));
    add(test_options(2));
    nodes[0].others = {*parse_address("10.0.1.1:12000")};
    here = dial(0, 1);
    EXPECT_TRUE(run(5000 * kMs, [&] { return nodes[0].first(Event::Type::kHello) != nullptr; }));
    run(1000 * kMs);
    stream = nodes[0].endpoint->open_stream(here, kBulkProtocol).value();
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(nodes[0].endpoint->send(here, stream, 1, body_of(kFrameBodyMax)));
    run(300 * kMs);
  }
  Path other() const { return {nodes[0].others[0], nodes[1].address}; }
  std::size_t frames() const { return nodes[1].count(Event::Type::kFrame); }
  bool all_arrive() {
    return run(60'000 * kMs, [&] { return frames() == 20; });
  }
  ConnectionId here = 0;
  StreamId stream = 0;
};

TEST(Migration, takes_the_streams_along) {
  Moving w(1);
  std::size_t on_old = 0, on_new = 0;
  w.filter = [&](Datagram& d) {
    if (d.from == 0) ++(d.path.remote == w.nodes[0].address ? on_old : on_new);
    return true;
  };
  ASSERT_TRUE(w.nodes[0].endpoint->migrate(w.here, w.other(), w.now_ns));
  const std::int64_t began = w.now_ns;
  ASSERT_TRUE(w.run(2000 * kMs, [&] { return w.nodes[0].first(Event::Type::kPath) != nullptr; }));
  EXPECT_EQ(w.nodes[0].first(Event::Type::kPath)->code, 0u);
  EXPECT_EQ(w.nodes[0].first(Event::Type::kPath)->path, w.other());
  EXPECT_LE(w.now_ns - began, 150 * kMs) << "one round trip and what was being sent";
  on_old = on_new = 0;
  EXPECT_TRUE(w.all_arrive()) << w.frames();
  EXPECT_GT(on_new, 1000u);
  EXPECT_LT(on_old, 10u);
  EXPECT_EQ(w.nodes[0].count(Event::Type::kReset) + w.nodes[1].count(Event::Type::kReset), 0u);
}

TEST(Migration, to_a_path_that_leads_nowhere_fails_and_the_old_one_goes_on) {
  Moving w(2);
  w.filter = [&](Datagram& d) { return d.path.remote != w.nodes[0].others[0]; };
  ASSERT_TRUE(w.nodes[0].endpoint->migrate(w.here, w.other(), w.now_ns));
  ASSERT_TRUE(w.run(20'000 * kMs, [&] { return w.nodes[0].first(Event::Type::kPath) != nullptr; }));
  EXPECT_EQ(w.nodes[0].first(Event::Type::kPath)->code, 1u);
  EXPECT_TRUE(w.all_arrive());
}

TEST(Migration, goes_back_and_forth) {
  Moving w(3);
  for (int i = 0; i < 12; ++i) {
    const Path to = i % 2 == 0 ? w.other() : w.path(0, 1);
    const Status begun = w.nodes[0].endpoint->migrate(w.here, to, w.now_ns);
    ASSERT_TRUE(begun) << i << begun.error().str();
    const std::size_t before = w.nodes[0].count(Event::Type::kPath);
    ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[0].count(Event::Type::kPath) > before; })) << i;
    EXPECT_EQ(w.nodes[0].events.back().code, 0u) << i << " at " << w.now_ns / kMs << w.nodes[1].story();
    w.run(2000 * kMs);
  }
  EXPECT_TRUE(w.all_arrive());
}

TEST(Migration, is_for_the_dialer_of_a_connection_that_is_up) {
  Moving w(4);
  const ConnectionId there = w.nodes[1].first(Event::Type::kUp)->connection;
  EXPECT_EQ(w.nodes[1].endpoint->migrate(there, w.path(1, 0), w.now_ns).error().id(), "transport.no_path");
  const ConnectionId second = w.dial(0, 1);
  EXPECT_EQ(w.nodes[0].endpoint->migrate(second, w.other(), w.now_ns).error().id(), "transport.no_path");
}

// A NAT gives the dialer another address, of which it knows nothing.
TEST(Rebinding, of_a_nat_is_followed) {
  Moving w(5);
  w.filter = [&](Datagram& d) {
    if (d.from == 0) d.path.remote = w.nodes[0].others[0];
    if (d.to == 0) {
      if (d.path.local != w.nodes[0].others[0]) return false;  // the old mapping is gone
      d.path.local = w.nodes[0].address;
    }
    return true;
  };
  EXPECT_TRUE(w.all_arrive()) << w.frames();
  ASSERT_NE(w.nodes[1].first(Event::Type::kPath), nullptr);
  EXPECT_EQ(w.nodes[1].first(Event::Type::kPath)->path.remote, w.nodes[0].others[0]);
}

// Somebody on the way copies the dialer's datagrams from an address of his own, which never answers.
TEST(Rebinding, that_somebody_makes_up_does_not_take_the_connection_away) {
  Moving w(6);
  int copies = 0;
  w.filter = [&](Datagram& d) {
    if (d.from == 0 && d.bytes.size() > 100 && copies < 40) {
      Path forged = d.path;
      forged.remote = *parse_address(text("10.9.9.{}:1", ++copies));
      w.nodes[1].endpoint->receive(forged, d.bytes, 0, w.now_ns);
    }
    return true;
  };
  EXPECT_TRUE(w.all_arrive()) << w.frames();
  EXPECT_EQ(copies, 40);
  EXPECT_EQ(w.nodes[0].count(Event::Type::kDown), 0u);
}

}  // namespace
}  // namespace hanse::transport
