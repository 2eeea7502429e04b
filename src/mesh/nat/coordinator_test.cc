#include "mesh/nat/coordinator.h"

#include <gtest/gtest.h>

namespace hanse::nat {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

AccountId peer(std::uint32_t n) {
  AccountId id;
  store_be(id.data.data(), n);
  return id;
}

struct Two {
  Two() {
    EXPECT_TRUE(c.register_peer(peer(1), 11, 0));
    EXPECT_TRUE(c.register_peer(peer(2), 22, 0));
  }
  std::string forward(std::int64_t now_ns, std::size_t bytes = 100) {
    const auto r = c.forward({peer(1), peer(2), 11, bytes}, now_ns);
    return r ? std::to_string(*r) : std::string(r.error().id());
  }
  Coordinator c;
};

TEST(Coordinator, forwards_between_registered_peers_until_the_lease_ends) {
  Two t;
  EXPECT_EQ(t.forward(0), "22");
  EXPECT_EQ(*t.c.forward({peer(2), peer(1), 22, 1}, 0), 11u);
  EXPECT_EQ(t.forward(kRegistrationNs - 1), "22");
  EXPECT_EQ(t.forward(kRegistrationNs), "nat.forward_from");
  ASSERT_TRUE(t.c.register_peer(peer(1), 11, kRegistrationNs));
  EXPECT_EQ(t.forward(kRegistrationNs), "nat.forward_to");
  EXPECT_EQ(t.c.registered(kRegistrationNs), 1u);
}

TEST(Coordinator, a_sender_speaks_for_itself_only) {
  Two t;
  EXPECT_EQ(t.c.forward({peer(1), peer(2), 22, 1}, 0).error().id(), "nat.forward_from");
  EXPECT_EQ(t.c.forward({peer(3), peer(2), 22, 1}, 0).error().id(), "nat.forward_from");
  EXPECT_EQ(t.c.forward({peer(1), peer(1), 11, 1}, 0).error().id(), "nat.forward_to");
  ASSERT_TRUE(t.c.register_peer(peer(1), 33, 0));  // a new connection of the same peer
  EXPECT_EQ(t.forward(0), "nat.forward_from");
  t.c.closed(33);
  EXPECT_EQ(t.c.forward({peer(2), peer(1), 22, 1}, 0).error().id(), "nat.forward_to");
}

TEST(Coordinator, limits_bytes_and_messages_of_a_pair) {
  Two t;
  EXPECT_EQ(t.forward(0, kForwardBytesMax + 1), "nat.forward_limit");
  EXPECT_EQ(t.forward(0, kForwardBytesMax), "22");
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(t.forward(0), "22");
    EXPECT_TRUE(t.c.forward({peer(2), peer(1), 22, 1}, 0));
  }
  EXPECT_EQ(t.forward(0), "22");
  EXPECT_EQ(t.forward(60 * kSecond - 1), "nat.forward_limit");
  EXPECT_EQ(t.forward(60 * kSecond), "22");
}

TEST(Coordinator, its_memory_has_an_end) {
  Coordinator c(100);
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(c.register_peer(peer(i), i, 0));
  EXPECT_EQ(c.register_peer(peer(100), 100, 1).error().id(), "nat.coordinator_full");
  EXPECT_TRUE(c.register_peer(peer(5), 5, 1));  // a renewal
  std::size_t pairs = 0;
  for (std::uint32_t i = 0; i < 100; ++i)
    for (std::uint32_t k = i + 1; k < 100; ++k) pairs += c.forward({peer(i), peer(k), i, 1}, 1).has_value() ? 1 : 0;
  EXPECT_EQ(pairs, kPairsMax);
  EXPECT_TRUE(c.forward({peer(98), peer(99), 98, 1}, 1 + 60 * kSecond));
  EXPECT_TRUE(c.register_peer(peer(100), 100, kRegistrationNs));  // all others but 5 have ended
  EXPECT_EQ(c.registered(kRegistrationNs), 2u);
}

}  // namespace
}  // namespace hanse::nat
