// What a node does about agents, without a network: events are given to it, what it sends goes nowhere.
#include "node/overlay/agents.h"

#include <gtest/gtest.h>

#include "base/core/clock.h"
#include "base/crypto/test_key.h"
#include "node/overlay/overlay.h"

namespace hanse::overlay {
namespace {

using Type = reach::PeerEvent::Type;

constexpr std::uint8_t kAgent = 40;
constexpr std::int64_t kWallMs = 1'800'000'000'000;

NetworkId network() {
  NetworkId id;
  id.data[0] = 9;
  return id;
}
PeerId id_of(std::uint8_t number) { return crypto::account_id(crypto::test_key(number).public_key()); }
AgentId agent() { return identity::agent_id(crypto::test_key(kAgent).public_key()); }

struct Node {
  explicit Node(std::uint32_t roles = 0, Bytes agent_cert = {}) {
    reach::ReachOptions o;
    o.endpoint.network = network();
    o.endpoint.key = &crypto::test_key(1);
    const OverlayOptions with{.network = network(),
                              .key = &crypto::test_key(1),
                              .roles = roles,
                              .gossip = false,
                              .agent_cert = std::move(agent_cert),
                              .clock = &clock};
    o.endpoint.protocols = protocols(with);
    o.roles = roles;
    reach = std::move(*reach::Reach::create(std::move(o)));
    overlay = std::move(*Overlay::create(*reach, with, now));
  }
  Agents& agents() { return overlay->agents(); }
  void up(const PeerId& peer, std::uint32_t roles) {
    overlay->handle({.type = Type::kUp, .peer = peer}, now);
    reach::PeerEvent hello{.type = Type::kHello, .peer = peer};
    hello.hello.emplace().facts.roles = roles;
    overlay->handle(hello, now);
  }
  void frame(const PeerId& from, AgentFrame type, Bytes body) {
    overlay->handle(
        {.type = Type::kFrame, .peer = from, .protocol = kAgentProtocol, .frame_type = type, .body = std::move(body)},
        now);
  }
  void pass(std::int64_t ns) {
    clock.advance_ns(ns);
    now += ns;
    agents().pump(now);
  }
  ManualClock clock{kWallMs};
  std::int64_t now = kSecondNs;
  std::unique_ptr<reach::Reach> reach;
  std::unique_ptr<Overlay> overlay;
};

Bytes cert_of(std::uint8_t machine) {
  return *identity::sign_cert(
      identity::AgentCert{.subject = id_of(machine), .not_before_ms = kWallMs, .not_after_ms = kWallMs + 86'400'000},
      crypto::test_key(kAgent));
}
Bytes record_of(std::uint8_t machine) {
  rendezvous::Record record{
      .network = network(), .seq = 1, .not_after_ms = kWallMs + rendezvous::kLifeMsMax, .cert = cert_of(machine)};
  return rendezvous::sign_record(std::move(record), crypto::test_key(machine))->bytes;
}

TEST(Agents, are_kept_of_the_machine_whose_connection_it_is_alone) {
  Node n(reach::kCoordinatorRole);
  n.up(id_of(2), 0);
  n.frame(id_of(2), kPublish, encode(Publish{.request = 1, .record = record_of(3)}));
  EXPECT_EQ(n.agents().counts().kept, 0u);
  EXPECT_EQ(n.agents().counts().refused, 1u);
  n.frame(id_of(2), kPublish, encode(Publish{.request = 2, .record = record_of(2)}));
  EXPECT_EQ(n.agents().counts().kept, 1u);
  n.frame(id_of(3), kPublish, encode(Publish{.request = 2, .record = record_of(3)}));
  EXPECT_EQ(n.agents().counts().kept, 1u) << "it is not connected";
  Node other;
  other.up(id_of(2), 0);
  other.frame(id_of(2), kPublish, encode(Publish{.request = 1, .record = record_of(2)}));
  EXPECT_EQ(other.agents().counts().kept, 0u) << "it is no coordinator";
}

TEST(Agents, that_are_here_are_said_again_before_the_record_ends_and_others_end) {
  Node n(reach::kCoordinatorRole, cert_of(1));
  n.agents().pump(n.now);
  EXPECT_EQ(n.agents().counts().placed, 1u);
  n.up(id_of(2), 0);
  n.frame(id_of(2), kPublish, encode(Publish{.request = 1, .record = record_of(2)}));
  for (int minute = 1; minute <= 120; ++minute) {
    n.pass(60 * kSecondNs);
    ASSERT_EQ(n.agents().counts().kept, minute <= 35 ? 2u : 1u) << "minute " << minute;
  }
}

TEST(Agents, of_one_peer_are_looked_at_and_asked_for_so_often_and_no_more) {
  Node n(reach::kCoordinatorRole);
  n.up(id_of(2), 0);
  for (std::uint64_t i = 0; i <= 4 * kPutsPerSecond; ++i) {
    EXPECT_EQ(n.agents().counts().refused, i);
    n.frame(id_of(2), kPublish, encode(Publish{.request = 1, .record = {}}));
  }
  EXPECT_EQ(n.agents().counts().refused, 4 * kPutsPerSecond);
  for (std::uint64_t i = 0; i <= 4 * kWheresPerSecond; ++i) {
    EXPECT_EQ(n.agents().counts().told, i);
    n.frame(id_of(2), kWhere, encode(Where{.request = 1, .agent = agent()}));
  }
  EXPECT_EQ(n.agents().counts().told, 4 * kWheresPerSecond);
  n.now += kSecondNs;
  n.frame(id_of(2), kWhere, encode(Where{.request = 1, .agent = agent()}));
  EXPECT_EQ(n.agents().counts().told, 4 * kWheresPerSecond + 1);
}

TEST(Agents, are_searched_so_many_at_once_and_no_more) {
  Node n;
  EXPECT_EQ(n.agents().find(agent(), n.now).error().id(), "overlay.no_coordinator");
  n.up(id_of(2), reach::kCoordinatorRole);
  std::vector<std::uint32_t> searches;
  for (std::size_t i = 0; i < kSearchesMax; ++i) searches.push_back(*n.agents().find(agent(), n.now));
  EXPECT_EQ(n.agents().find(agent(), n.now).error().id(), "overlay.limit");
  n.now += 4 * kSecondNs;
  n.agents().pump(n.now);
  EXPECT_EQ(n.agents().find(agent(), n.now).error().id(), "overlay.limit") << "nobody fetched what they found";
  const auto ended = n.agents().ended(searches[0]);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->asked, 1u);
  EXPECT_EQ(ended->answered, 0u);
  n.agents().forget(searches[1]);
  EXPECT_TRUE(n.agents().find(agent(), n.now));
  EXPECT_TRUE(n.agents().find(agent(), n.now));
  EXPECT_EQ(n.agents().find(agent(), n.now).error().id(), "overlay.limit");
}

TEST(Agents, of_a_liar_are_not_asked_for_though_another_names_it) {
  Node n;
  n.up(id_of(2), reach::kCoordinatorRole);
  const auto first = n.agents().find(agent(), n.now);
  n.frame(id_of(2), kThere, encode(There{.request = 1, .records = {{1}}, .holders = {}}));
  n.agents().pump(n.now);
  EXPECT_EQ(n.agents().ended(*first)->lied, 1u);
  n.up(id_of(3), reach::kCoordinatorRole);
  const auto second = n.agents().find(agent(), n.now);
  n.frame(id_of(3), kThere, encode(There{.request = 2, .records = {}, .holders = {id_of(2)}}));
  n.agents().pump(n.now);
  const auto ended = n.agents().ended(*second);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->asked, 1u);
}

TEST(Agents, so_many_liars_are_remembered_for_so_long) {
  Node n;
  const auto liar = [](std::size_t i) {
    PeerId peer;
    peer.data[0] = static_cast<std::uint8_t>(i >> 8);
    peer.data[1] = static_cast<std::uint8_t>(i);
    peer.data[2] = 1;
    return peer;
  };
  const Bytes lie{1};
  for (std::size_t i = 0; i <= kLiarsMax; ++i) {
    EXPECT_FALSE(n.agents().find(agent(), n.now)) << "all that are known lied";
    n.up(liar(i), reach::kCoordinatorRole);
    const auto search = n.agents().find(agent(), n.now);
    ASSERT_TRUE(search);
    const auto request = static_cast<std::uint32_t>(i + 1);
    n.frame(liar(i), kThere, encode(There{.request = request, .records = {lie}, .holders = {}}));
    ASSERT_EQ(n.agents().counts().lies, i + 1);
    n.agents().pump(n.now);
    EXPECT_EQ(n.agents().ended(*search)->lied, 1u);
  }
  const auto one = n.agents().find(agent(), n.now);
  ASSERT_TRUE(one) << "one of them is forgotten";
  n.agents().forget(*one);
  n.now += kLiarNs;
  n.agents().pump(n.now);
  const auto all = n.agents().find(agent(), n.now);
  std::optional<AgentPlaces> ended;
  for (int i = 0; i < 20 && !ended; ++i) {
    n.now += kSecondNs;
    n.agents().pump(n.now);
    ended = n.agents().ended(*all);
  }
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->asked, rendezvous::kAskedMax) << "they are asked again, as many as may be";
}

}  // namespace
}  // namespace hanse::overlay
