#include <gtest/gtest.h>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: the world of the tests

constexpr std::int64_t kRtt = 100 * kMs;

Options pressed(int number) {
  Options o = test_options(number);
  o.limits.retry_handshakes = 0;  // always
  return o;
}

std::int64_t up_after(World& world, std::size_t a, std::size_t b) {
  const std::int64_t began = world.now_ns;
  world.nodes[a].events.clear();
  const ConnectionId id = world.dial(a, b);
  EXPECT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kHello) != nullptr; }))
      << world.nodes[a].story() << " /" << world.nodes[b].story();
  const auto stats = world.nodes[a].endpoint->stats(id);
  return stats ? stats->handshake_ns - began : -1;
}

TEST(Retry, costs_a_round_trip_and_no_memory) {
  World world(1);
  const std::size_t a = world.add(test_options(1)), b = world.add(pressed(2));
  world.dial(a, b);
  world.run(60 * kMs);
  EXPECT_EQ(world.nodes[b].endpoint->totals().retries, 3u) << "one for each datagram of the hello";
  EXPECT_EQ(world.nodes[b].endpoint->connections(), 0u);
  EXPECT_LE(world.amplification, 3.0);
  ASSERT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kHello) != nullptr; }));
  EXPECT_EQ(world.nodes[a].endpoint->stats(1)->handshake_ns, 2 * kRtt);
  EXPECT_EQ(world.nodes[b].endpoint->connections(), 1u);
}

TEST(Retry, begins_above_the_limit_and_not_at_it) {
  for (const int limit : {3, 2}) {
    World world(1);
    Options o = test_options(9);
    o.limits.retry_per_second = static_cast<std::size_t>(limit);
    const std::size_t target = world.add(std::move(o));
    for (int i = 1; i <= 3; ++i) world.dial(world.add(test_options(i)), target);
    ASSERT_TRUE(world.run(3000 * kMs, [&] { return world.nodes[target].count(Event::Type::kHello) == 3; }));
    EXPECT_EQ(world.nodes[target].endpoint->totals().retries > 0, limit == 2);
  }
}

TEST(Retry, spares_a_dialer_that_was_here_before) {
  World world(1);
  const std::size_t a = world.add(test_options(1)), b = world.add(pressed(2));
  EXPECT_EQ(up_after(world, a, b), 2 * kRtt);
  world.run(1000 * kMs);
  EXPECT_EQ(up_after(world, a, b), kRtt) << "it showed the token of its visit";
  EXPECT_EQ(world.nodes[b].endpoint->totals().retries, 3u);
}

TEST(Retry, does_not_take_a_token_from_another_address_or_day) {
  for (const bool other_address : {false, true}) {
    World world(1);
    Options patient = test_options(1);
    const std::size_t a = world.add(std::move(patient)), b = world.add(pressed(2));
    up_after(world, a, b);
    world.run(1000 * kMs);
    if (other_address)
      world.nodes[a].address = *parse_address("10.0.0.77:12000");
    else
      world.now_ns += std::int64_t{24} * 3600 * 1000 * kMs;
    EXPECT_EQ(up_after(world, a, b), 2 * kRtt);
  }
}

// Somebody repeats a hello with a retry token that was made for another address.
TEST(Retry, token_of_somebody_else_is_refused) {
  World world(1);
  const std::size_t a = world.add(test_options(1)), b = world.add(pressed(2));
  const Address thief = *parse_address("10.0.0.66:1");
  std::vector<Bytes> stolen;
  world.filter = [&](Datagram& d) {
    if (d.from == a && world.now_ns >= kRtt && stolen.size() < 3) stolen.push_back(d.bytes);
    return true;
  };
  world.dial(a, b);
  ASSERT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kHello) != nullptr; }));
  ASSERT_EQ(stolen.size(), 3u);
  World fresh(1);  // the same keys and secrets, nobody known
  fresh.add(test_options(1));
  fresh.add(pressed(2));
  Endpoint& target = *fresh.nodes[1].endpoint;
  for (const Bytes& datagram : stolen) target.receive({world.nodes[b].address, thief}, datagram, 0, 2 * kRtt);
  EXPECT_EQ(target.connections(), 0u);
  EXPECT_EQ(target.totals().retries, 0u);
  EXPECT_EQ(target.totals().strays, 3u);
}

}  // namespace
}  // namespace hanse::transport
