#include "node/client/carried.h"

#include <gtest/gtest.h>

#include "node/client/test_client.h"

namespace hanse::client {
namespace {

struct CarriedTest : testing::Test {
  CarriedTest() { node.network.data[0] = 4; }
  TestClient node;
  std::size_t there = 0, back = 0;  // bytes carried last
  std::unique_ptr<Client> near = make_carried([this](Bytes question) -> Result<Bytes> {
    Bytes answer = answer_carried(node, question);
    there = question.size();
    back = answer.size();
    return answer;
  });
};

TEST_F(CarriedTest, every_question_gets_the_node_s_answer) {
  const auto info = near->info();
  ASSERT_TRUE(info) << info.error().str();
  EXPECT_EQ(info->network, node.network);
  EXPECT_EQ(info->genesis, node.genesis);
  EXPECT_EQ(info->node_id, "node");
  EXPECT_EQ(info->roles, std::vector<std::string>{"validator"});
  EXPECT_EQ(info->height, Height{12});
  const ledger::Tx tx{.app = 2, .body = Bytes(8'000, 1)};
  const auto applied = near->submit(tx);
  ASSERT_TRUE(applied) << applied.error().str();
  EXPECT_EQ(applied->tx_id, ledger::tx_id(tx));
  EXPECT_EQ(applied->height, Height{13});
  EXPECT_EQ(applied->result.events.at(0).data, tx.body);
  EXPECT_EQ(*near->query(2, "job", as_bytes("ab")), to_bytes(as_bytes("\2jobab")));
  EXPECT_EQ(*near->prove(as_bytes("key")), to_bytes(as_bytes("key")));
  const Bytes blob(3'000, 9);
  EXPECT_FALSE(*near->has_blob(crypto::blob_id(blob)));
  EXPECT_EQ(*near->put_blob(blob), crypto::blob_id(blob));
  EXPECT_TRUE(*near->has_blob(crypto::blob_id(blob)));
  EXPECT_EQ(*near->get_blob(crypto::blob_id(blob)), blob);
}

TEST_F(CarriedTest, the_genesis_is_carried_once) {
  ASSERT_TRUE(near->info());
  EXPECT_GT(back, node.genesis.size());
  const auto again = near->info();
  ASSERT_TRUE(again);
  EXPECT_LT(back, 200u);
  EXPECT_EQ(again->genesis, node.genesis);
  node.network.data[0] = 5;  // another network
  node.genesis = Bytes(10, 1);
  EXPECT_EQ(near->info()->genesis, node.genesis);
}

TEST_F(CarriedTest, a_remote_error_arrives_as_it_was) {
  const auto refused = near->query(2, "refused", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), Kind::kDenied);
  EXPECT_EQ(refused.error().id(), "test.refused");
  EXPECT_EQ(refused.error().message(), "found nothing");
  EXPECT_EQ(refused.error().code(), 7u);
  EXPECT_EQ(refused.error().path(), "nodes[2]");
  EXPECT_EQ(refused.error().context(), std::vector<std::string>{"inner"});
  EXPECT_EQ(near->get_blob({}).error().id(), "blob.not_found");
}

TEST_F(CarriedTest, a_blob_and_an_answer_one_byte_past_the_limit_are_refused_and_the_blob_is_not_sent) {
  ASSERT_TRUE(near->put_blob(Bytes(kCarriedBlobMax)));
  there = 0;
  EXPECT_EQ(near->put_blob(Bytes(kCarriedBlobMax + 1)).error().id(), "client.too_large");
  EXPECT_EQ(there, 0u);
  node.answer_bytes = kCarriedMax;
  EXPECT_EQ(near->query(2, "large", {})->size(), kCarriedMax);
  ++node.answer_bytes;
  EXPECT_EQ(near->query(2, "large", {}).error().id(), "client.too_large");
}

TEST_F(CarriedTest, what_looks_at_one_node_is_not_carried) {
  EXPECT_EQ(near->consensus().error().id(), "client.not_carried");
  EXPECT_EQ(near->certified(Height{1}).error().id(), "client.not_carried");
  EXPECT_EQ(there, 0u);
}

TEST_F(CarriedTest, events_come_once_and_in_order_over_pages_and_while_new_ones_come) {
  const auto event = [](std::uint64_t height, std::size_t size) {
    return LedgerEvent{.height = Height{height}, .event = {.topic = "market.x", .data = Bytes(size)}};
  };
  node.events = {event(1, 1)};  // before the one that is wanted
  for (std::size_t i = 0; i < 2 * kCarriedEventsMax + 3; ++i)
    node.events.push_back(event(5, i));  // one height, 3 pages
  node.events.push_back({.height = Height{6}, .event = {.topic = "other", .data = {}}});
  node.events.push_back(event(7, 2 * kCarriedEventBytesMax));
  node.events.push_back(event(7, 9));
  std::vector<std::pair<std::uint64_t, std::size_t>> seen, wanted;
  for (std::size_t i = 0; i < 2 * kCarriedEventsMax + 3; ++i) wanted.emplace_back(5, i);
  for (const std::size_t size : {2 * kCarriedEventBytesMax, std::size_t{9}, std::size_t{9999}})
    wanted.emplace_back(7, size);
  int idles = 0;
  const Status watched = near->watch(
      Height{2}, "market.",
      [&](const LedgerEvent& one) {
        seen.emplace_back(one.height.value, one.event.data.size());
        return one.event.data.size() != 9999;
      },
      [&] {
        node.events.push_back(event(7, 9999));
        return ++idles < 2;
      });
  ASSERT_TRUE(watched) << watched.error().str();
  EXPECT_EQ(seen, wanted);
  EXPECT_EQ(idles, 1);
  ASSERT_TRUE(near->watch(Height{9}, "", [](const auto&) { return true; }, [] { return false; }));  // idle ends it
}

TEST_F(CarriedTest, answers_that_lie_are_refused) {
  Bytes said;
  const auto lied_to = make_carried([&](Bytes question) -> Result<Bytes> {
    if (said.empty()) said = answer_carried(node, question);
    return said;
  });
  const Bytes blob(10, 1);
  ASSERT_TRUE(lied_to->put_blob(Bytes(10, 2)));  // from here on these words are the answer to everything
  EXPECT_EQ(lied_to->put_blob(blob).error().id(), "client.bad_reply");
  EXPECT_EQ(lied_to->get_blob(crypto::blob_id(blob)).error().id(), "client.bad_reply");
  EXPECT_EQ(lied_to->has_blob(crypto::blob_id(blob)).error().id(), "client.bad_reply");
  EXPECT_EQ(lied_to->info().error().id(), "client.bad_reply");
  EXPECT_EQ(lied_to->submit({}).error().id(), "client.bad_reply");
  const auto watched = lied_to->watch(Height{1}, "", [](const auto&) { return true; }, [] { return false; });
  EXPECT_EQ(watched.error().id(), "client.bad_reply");
  said = Bytes(3);
  EXPECT_EQ(lied_to->query(2, "job", {}).error().id(), "client.bad_reply");
}

TEST_F(CarriedTest, bytes_that_are_no_question_are_answered_with_an_error) {
  const auto carried = [&](ByteView question) {
    const auto ask = make_carried([&](Bytes) -> Result<Bytes> { return answer_carried(node, question); });
    return std::string(ask->query(1, "x", {}).error().id());
  };
  EXPECT_EQ(carried(Bytes(4)), "client.bad_question");
  EXPECT_EQ(carried(Bytes{0x84, 0x00, 0x00, 0x60, 0x40}), "client.bad_question");        // operation 0
  EXPECT_EQ(carried(Bytes{0x84, 0x09, 0x00, 0x60, 0x40}), "client.bad_question");        // past the last
  EXPECT_EQ(carried(Bytes{0x84, 0x06, 0x00, 0x60, 0x41, 0x01}), "client.bad_question");  // an id of one byte
}

}  // namespace
}  // namespace hanse::client
