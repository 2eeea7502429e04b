#include "mesh/discovery/exchange.h"

#include <gtest/gtest.h>

namespace hanse::discovery {
namespace {

PeerId peer(std::uint64_t n) {
  PeerId out;
  for (int i = 0; i < 8; ++i) out.data[i] = static_cast<std::uint8_t>(n >> (56 - 8 * i));
  return out;
}
using Record = Exchange::Record;

struct Told : testing::Test {
  void good(std::uint64_t n) {
    exchange.up(peer(n), 0);
    exchange.gave(peer(n), Record::kTrue);
  }
  std::optional<PeerId> ask(std::int64_t now_ns) { return exchange.ask(now_ns, random, more); }
  bool take(std::uint64_t n, std::int64_t now_ns) { return exchange.may_take(peer(n), now_ns, more); }
  Exchange exchange;
  SeededRandom random{1, "exchange"};
  std::int64_t gossip = 0;
  Exchange::Score more = [this](const PeerId&) { return gossip; };
};

TEST_F(Told, asks_one_peer_a_minute_and_each_once_a_minute) {
  good(1);
  EXPECT_EQ(ask(0), peer(1));
  EXPECT_EQ(ask(kExchangeNs - 1), std::nullopt);
  good(2);
  EXPECT_EQ(ask(kExchangeNs - 1), std::nullopt) << "one peer, not one each";
  EXPECT_TRUE(ask(kExchangeNs));
  EXPECT_FALSE(ask(kExchangeNs));
}

TEST_F(Told, asks_nobody_whose_score_is_not_above_zero) {
  exchange.up(peer(1), 0);
  EXPECT_EQ(ask(0), std::nullopt) << "it has given nothing";
  gossip = 1;
  EXPECT_EQ(exchange.score(peer(1), more), 1);
  gossip = -1;
  exchange.gave(peer(1), Record::kTrue);
  EXPECT_EQ(ask(0), std::nullopt);
  gossip = 0;
  for (int i = 0; i < 200; ++i) exchange.gave(peer(1), Record::kTrue);
  EXPECT_EQ(exchange.score(peer(1), more), kGoodMax);
  exchange.gave(peer(1), Record::kFalse);
  EXPECT_EQ(ask(0), std::nullopt) << "one lie outweighs everything";
  EXPECT_EQ(exchange.score(peer(9), {}), 0);
}

TEST_F(Told, takes_the_answer_of_who_was_asked_once_and_in_time) {
  good(1);
  good(2);
  EXPECT_FALSE(take(1, 0)) << "nobody asked";
  const auto asked = ask(0);
  const std::uint64_t one = asked == peer(1) ? 1 : 2;
  EXPECT_FALSE(take(3 - one, 0)) << "another was asked";
  EXPECT_TRUE(take(one, kAnswerNs));
  EXPECT_FALSE(take(one, kAnswerNs)) << "a second answer";
  ASSERT_TRUE(ask(2 * kExchangeNs));
  EXPECT_FALSE(take(1, 2 * kExchangeNs + kAnswerNs + 1) || take(2, 2 * kExchangeNs + kAnswerNs + 1)) << "too late";
}

TEST_F(Told, takes_nothing_of_who_lost_its_score_or_left_meanwhile) {
  good(1);
  ASSERT_TRUE(ask(0));
  exchange.gave(peer(1), Record::kFalse);
  EXPECT_FALSE(take(1, 0));
  good(2);
  ASSERT_EQ(ask(kExchangeNs), peer(2));
  exchange.down(peer(2), kExchangeNs);
  exchange.up(peer(2), kExchangeNs);
  EXPECT_FALSE(take(2, kExchangeNs));
}

TEST_F(Told, answers_each_once_a_minute_also_when_it_comes_back) {
  exchange.up(peer(1), 0);
  EXPECT_TRUE(exchange.may_answer(peer(1), 0));
  EXPECT_FALSE(exchange.may_answer(peer(1), kExchangeNs - 1));
  exchange.down(peer(1), 1);
  EXPECT_FALSE(exchange.may_answer(peer(1), kExchangeNs));
  exchange.up(peer(1), 2);
  EXPECT_FALSE(exchange.may_answer(peer(1), kExchangeNs - 1));
  EXPECT_TRUE(exchange.may_answer(peer(1), kExchangeNs));
}

TEST_F(Told, remembers_a_lie_for_an_hour_after_the_liar_left) {
  good(1);
  exchange.gave(peer(1), Record::kFalse);
  exchange.down(peer(1), 0);
  exchange.up(peer(1), kKeptNs);
  EXPECT_LT(exchange.score(peer(1), more), 0);
  exchange.down(peer(1), kKeptNs);
  exchange.up(peer(2), 2 * kKeptNs + 1);
  EXPECT_EQ(exchange.size(), 1u);
}

TEST_F(Told, knows_so_many_peers_and_of_one_more_nothing) {
  for (std::uint64_t n = 0; n < kExchangePeersMax; ++n) exchange.up(peer(n), 0);
  exchange.up(peer(kExchangePeersMax), 0);
  EXPECT_EQ(exchange.size(), kExchangePeersMax);
  EXPECT_FALSE(exchange.may_answer(peer(kExchangePeersMax), 0));
  exchange.down(peer(7), 5);
  exchange.up(peer(kExchangePeersMax), 5);
  EXPECT_TRUE(exchange.may_answer(peer(kExchangePeersMax), 5)) << "in the place of who left";
  EXPECT_EQ(exchange.size(), kExchangePeersMax);
}

}  // namespace
}  // namespace hanse::discovery
