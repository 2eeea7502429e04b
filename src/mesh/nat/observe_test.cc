#include "mesh/nat/observe.h"

#include <gtest/gtest.h>

namespace hanse::nat {
namespace {

const Endpoint kMine = *parse_endpoint("203.0.113.5:12000"), kLie = *parse_endpoint("192.0.2.66:53");

Observation word(std::string_view observer, const Endpoint& seen, Trust trust = Trust::kPeer) {
  return {parse_endpoint(observer)->ip, trust, seen};
}

TEST(Observe, believes_two_that_are_no_neighbours) {
  ObservedAddresses o;
  o.add(word("198.51.100.1:1", kMine), 0);
  EXPECT_TRUE(o.believed(0).empty());
  o.add(word("198.51.200.1:1", kMine), 0);  // the same /16
  EXPECT_TRUE(o.believed(0).empty());
  o.add(word("198.52.0.1:1", kMine), 0);
  EXPECT_EQ(o.believed(0), std::vector{kMine});
  ObservedAddresses six;
  six.add(word("[2001:db8:1::1]:1", kMine), 0);
  six.add(word("[2001:db8:2::1]:1", kMine), 0);
  EXPECT_TRUE(six.believed(0).empty());
  six.add(word("[2001:db9::1]:1", kMine), 0);
  EXPECT_EQ(six.believed(0), std::vector{kMine});
}

TEST(Observe, believes_one_that_the_operator_trusts) {
  ObservedAddresses o;
  o.add(word("198.51.100.1:1", kMine, Trust::kConfigured), 0);
  EXPECT_EQ(o.believed(0), std::vector{kMine});
}

TEST(Observe, an_observer_has_one_word_and_it_ages) {
  ObservedAddresses o;
  o.add(word("198.51.100.1:1", kMine), 0);
  o.add(word("198.52.100.1:1", kMine), 5);
  EXPECT_EQ(o.believed(kObservationNs - 1).size(), 1u);
  EXPECT_TRUE(o.believed(kObservationNs).empty());
  o.add(word("198.51.100.1:1", kMine), kObservationNs);
  EXPECT_EQ(o.believed(kObservationNs + 4).size(), 1u);
  o.add(word("198.51.100.1:1", kLie), kObservationNs + 4);
  EXPECT_TRUE(o.believed(kObservationNs + 4).empty());
}

TEST(Observe, a_crowd_in_one_network_neither_convinces_nor_fills_the_memory) {
  ObservedAddresses o;
  for (std::uint32_t i = 0; i < 1000; ++i) o.add({Address::v4(0xc0000200 + i), Trust::kPeer, kLie}, 0);
  EXPECT_EQ(o.refused(), 1000 - kPerNetworkMax);
  EXPECT_TRUE(o.believed(0).empty());
  o.add(word("198.51.100.1:1", kMine), 0);
  o.add(word("198.52.100.1:1", kMine), 0);
  EXPECT_EQ(o.believed(0), std::vector{kMine});
  for (std::uint32_t i = 0; i < 1000; ++i) o.add({Address::v4(0x01000001 + (i << 16)), Trust::kPeer, kMine}, 0);
  EXPECT_EQ(o.refused(), 2000 - kPerNetworkMax - (kObserversMax - kPerNetworkMax - 2));
  o.add(word("198.51.100.9:1", {kMine.ip, 0}, Trust::kConfigured), 0);
  EXPECT_EQ(o.believed(0), std::vector{kMine});
}

}  // namespace
}  // namespace hanse::nat
