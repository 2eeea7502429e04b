#include <gtest/gtest.h>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: the world of the tests

constexpr std::int64_t kRtt = 100 * kMs;

struct Cold {
  std::int64_t client_done_ns = 0;
  std::size_t flight_bytes = 0, flight_packets = 0;
  double amplification = 0;
};

Cold cold_handshake(crypto::SigAlg alg) {
  World world(1);
  const std::size_t a = world.add(test_options(1, alg)), b = world.add(test_options(2, alg));
  const ConnectionId id = world.dial(a, b);
  Cold out;
  const bool up = world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kUp) != nullptr; });
  EXPECT_TRUE(up) << world.nodes[a].story() << " /" << world.nodes[b].story();
  if (!up) return out;
  out.client_done_ns = world.nodes[a].endpoint->stats(id)->handshake_ns;
  out.flight_bytes = world.sent_bytes[b];
  out.flight_packets = world.sent_packets[b];
  EXPECT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[b].first(Event::Type::kHello) != nullptr; }));
  EXPECT_EQ(world.nodes[a].first(Event::Type::kUp)->peer, world.nodes[b].endpoint->id());
  EXPECT_EQ(world.nodes[b].first(Event::Type::kUp)->peer, world.nodes[a].endpoint->id());
  EXPECT_EQ(world.now_ns, kRtt * 3 / 2) << "HELLO travels with the end of the handshake";
  out.amplification = world.amplification;
  return out;
}

TEST(Handshake, is_one_round_trip_with_mldsa65) {
  const Cold cold = cold_handshake(crypto::SigAlg::kMlDsa65);
  std::printf("server flight: %zu bytes in %zu datagrams\n", cold.flight_bytes, cold.flight_packets);
  EXPECT_EQ(cold.client_done_ns, kRtt);
  EXPECT_LE(cold.flight_bytes, 7600u);
  EXPECT_LE(cold.amplification, 3.0);
  EXPECT_GT(cold.amplification, 1.0) << "it was measured";
}

TEST(Handshake, is_one_round_trip_with_mldsa87) {
  const Cold cold = cold_handshake(crypto::SigAlg::kMlDsa87);
  std::printf("server flight: %zu bytes in %zu datagrams\n", cold.flight_bytes, cold.flight_packets);
  EXPECT_EQ(cold.client_done_ns, kRtt);
  EXPECT_LE(cold.flight_bytes, 10'000u);
  EXPECT_LE(cold.amplification, 3.0);
}

TEST(Handshake, takes_a_second_round_trip_without_the_padding) {
  World world(1);
  const TlsProfile thin{.pad_bytes = 1 + kTagSize};
  constexpr auto kAlg = crypto::SigAlg::kMlDsa87;
  const std::size_t a = world.add(test_options(1, kAlg), &thin), b = world.add(test_options(2, kAlg));
  const ConnectionId id = world.dial(a, b);
  ASSERT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kUp) != nullptr; }));
  EXPECT_EQ(world.nodes[a].endpoint->stats(id)->handshake_ns, 2 * kRtt);
}

// Both ends of a refusal: what the one that refuses says, and what the other hears.
struct Refusal {
  std::string here, there;
  std::string frames;
};

Refusal refused(World& world, std::size_t a, std::size_t b, std::optional<PeerId> peer = {}) {
  world.dial(a, b, peer);
  world.run(20'000 * kMs, [&] {
    return world.nodes[a].first(Event::Type::kDown) != nullptr && world.nodes[b].first(Event::Type::kDown) != nullptr;
  });
  Refusal out;
  const Event* here = world.nodes[a].first(Event::Type::kDown);
  const Event* there = world.nodes[b].first(Event::Type::kDown);
  if (here != nullptr) out.here = here->error->id();
  if (there != nullptr) out.there = there->error->id();
  EXPECT_EQ(world.nodes[a].count(Event::Type::kUp), 0u) << world.nodes[a].story();
  EXPECT_EQ(world.nodes[b].count(Event::Type::kUp), 0u) << world.nodes[b].story();
  EXPECT_EQ(world.nodes[b].count(Event::Type::kHello), 0u);
  EXPECT_LE(world.amplification, 3.0);
  EXPECT_EQ(world.nodes[a].endpoint->connections(), 0u);
  EXPECT_EQ(world.nodes[b].endpoint->connections(), 0u);
  return out;
}

TEST(Refusal, of_another_identity_than_the_dialed_one) {
  World world(2);
  const std::size_t a = world.add(test_options(1)), b = world.add(test_options(2));
  // The tag names the wanted node, so the wrong one refuses already.
  const PeerId other = crypto::account_id(test_key(3).public_key());
  const Refusal r = refused(world, a, b, other);
  EXPECT_EQ(r.there, "transport.wrong_network");
  EXPECT_EQ(r.here, "transport.refused");
  EXPECT_LT(world.sent_bytes[b], 1500u) << "nothing was signed";
}

TEST(Refusal, of_another_identity_that_does_not_check_the_tag) {
  World world(2);
  const TlsProfile untagged{.tagged = false};
  Options lax = test_options(2);
  lax.admit_untagged = true;
  const std::size_t a = world.add(test_options(1), &untagged), b = world.add(std::move(lax));
  const Refusal r = refused(world, a, b, crypto::account_id(test_key(3).public_key()));
  EXPECT_EQ(r.here, "transport.wrong_identity");
  EXPECT_EQ(r.there, "transport.refused");
}

TEST(Refusal, of_a_hello_without_a_tag) {
  World world(2);
  const TlsProfile untagged{.tagged = false};
  const std::size_t a = world.add(test_options(1), &untagged), b = world.add(test_options(2));
  EXPECT_EQ(refused(world, a, b).there, "transport.wrong_network");
  EXPECT_LT(world.sent_bytes[b], 1500u) << "nothing was signed";
}

TEST(Refusal, of_a_hello_of_another_network) {
  World world(2);
  Options other = test_options(1);
  other.network.data[0] = 8;
  const std::size_t a = world.add(std::move(other)), b = world.add(test_options(2));
  const Refusal r = refused(world, a, b);
  EXPECT_EQ(r.there, "transport.wrong_network");
  EXPECT_EQ(r.here, "transport.refused");
  EXPECT_LT(world.sent_bytes[b], 1500u) << "nothing was signed";
}

TEST(Refusal, of_a_classical_group) {
  World world(2);
  const TlsProfile classical{.groups = "X25519"};
  const std::size_t a = world.add(test_options(1), &classical), b = world.add(test_options(2));
  const Refusal r = refused(world, a, b);
  EXPECT_EQ(r.there, "transport.tls");
  EXPECT_EQ(r.here, "transport.refused");
}

TEST(Refusal, of_another_application_protocol) {
  World world(2);
  const TlsProfile foreign{.alpn = "h3"};
  const std::size_t a = world.add(test_options(1), &foreign), b = world.add(test_options(2));
  EXPECT_EQ(refused(world, a, b).there, "transport.tls");
}

// It is up for itself after one round trip and refused half a round trip later; nothing it said was taken.
TEST(Refusal, of_an_ed25519_dialer) {
  World world(2);
  const TlsProfile classical{.sigalgs = "ed25519:mldsa65", .any_key = true};
  const std::size_t a = world.add(test_options(1, crypto::SigAlg::kEd25519), &classical),
                    b = world.add(test_options(2));
  world.dial(a, b);
  ASSERT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(world.nodes[a].first(Event::Type::kDown)->error->id(), "transport.refused");
  ASSERT_EQ(world.nodes[b].events.size(), 1u) << world.nodes[b].story();
  EXPECT_EQ(world.nodes[b].events[0].error->id(), "transport.tls");
}

TEST(Refusal, of_an_ed25519_listener) {
  World world(2);
  const TlsProfile classical{.sigalgs = "ed25519:mldsa65", .any_key = true};
  const std::size_t a = world.add(test_options(1)),
                    b = world.add(test_options(2, crypto::SigAlg::kEd25519), &classical);
  const Refusal r = refused(world, a, b);
  EXPECT_EQ(r.there, "transport.tls");
  EXPECT_EQ(r.here, "transport.refused");
}

TEST(Refusal, of_somebody_the_policy_does_not_admit) {
  World world(2);
  Options closed = test_options(2);
  closed.admit = [](const PeerId& id) { return id == crypto::account_id(test_key(5).public_key()); };
  const std::size_t a = world.add(test_options(1)), b = world.add(std::move(closed));
  world.dial(a, b);
  ASSERT_TRUE(world.run(5000 * kMs, [&] { return world.nodes[a].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(world.nodes[b].first(Event::Type::kDown)->error->id(), "transport.not_admitted");
  EXPECT_EQ(world.nodes[a].first(Event::Type::kDown)->error->id(), "transport.refused");
  EXPECT_EQ(world.nodes[b].count(Event::Type::kUp), 0u);
  EXPECT_EQ(world.nodes[a].count(Event::Type::kHello), 0u);
}

TEST(Handshake, gives_up_on_a_black_hole_and_leaves_nothing) {
  World world(3);
  const std::size_t a = world.add(test_options(1)), b = world.add(test_options(2));
  world.filter = [](Datagram&) { return false; };
  world.dial(a, b);
  ASSERT_TRUE(world.run(30'000 * kMs, [&] { return world.nodes[a].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(world.nodes[a].first(Event::Type::kDown)->error->id(), "transport.silent");
  EXPECT_EQ(world.now_ns, 10'000 * kMs);
  EXPECT_EQ(world.nodes[a].endpoint->connections(), 0u);
}

TEST(Handshake, survives_loss_and_stays_within_three_times) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    World world(seed);
    world.loss_percent = 20;
    const std::size_t a = world.add(test_options(1)), b = world.add(test_options(2));
    world.dial(a, b);
    EXPECT_TRUE(world.run(10'000 * kMs, [&] { return world.nodes[b].first(Event::Type::kHello) != nullptr; }))
        << world.nodes[a].story() << " /" << world.nodes[b].story();
    EXPECT_LE(world.amplification, 3.0);
  }
}

TEST(Handshake, both_ends_share_a_binding_that_no_other_connection_has) {
  World world(4);
  const std::size_t a = world.add(test_options(1)), b = world.add(test_options(2));
  std::vector<Hash32> seen;
  for (int i = 0; i < 2; ++i) {
    const ConnectionId id = world.dial(a, b);
    ASSERT_TRUE(world.run(1000 * kMs));
    const auto here = world.nodes[a].endpoint->binding(id);
    const auto there = world.nodes[b].endpoint->binding(world.nodes[b].events.back().connection);
    ASSERT_TRUE(here && there);
    EXPECT_EQ(*here, *there);
    seen.push_back(*here);
  }
  EXPECT_NE(seen[0], seen[1]);
}

}  // namespace
}  // namespace hanse::transport
