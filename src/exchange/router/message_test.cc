#include "exchange/router/message.h"

#include <gtest/gtest.h>

#include "exchange/router/onion_world_test.h"

namespace hanse::router {
namespace {

template <class T>
std::string id_of(const Result<T>& result) {
  return result ? "" : std::string(result.error().id());
}

class MixMessage : public testing::TestWithParam<Geometry> {
 protected:
  // Two nodes that relay, two that receive: node 3 answers node 2 by a block that travels 0, 1, 2.
  SurbPair surb(std::size_t hops = 3) {
    Path path{.hops = {}, .last = Command::kSurbReply, .target = {}, .epoch = kEpoch, .expiry_epoch = kEpoch + 1};
    for (std::size_t i = 3 - hops; i < 3; ++i) path.hops.push_back(world_.hop(i));
    return *make_surb(g_, path, world_.random);
  }
  // What arrives at the block's owner.
  std::pair<Target, Bytes> travel(Bytes cell, std::size_t hops = 3) {
    Target id;
    for (std::size_t i = 3 - hops; i < 3; ++i) {
      const auto routing = world_.relay(i, cell);
      EXPECT_TRUE(routing) << i;
      if (routing) id = routing->target;
    }
    return {id, to_bytes(payload_of(g_, cell))};
  }

  OnionWorld world_{GetParam()};
  const Geometry& g_ = world_.geometry;
};

INSTANTIATE_TEST_SUITE_P(Suites, MixMessage, testing::Values(kXWingGeometry, kMlKemGeometry),
                         [](const auto& i) { return std::string(crypto::kem_alg_name(i.param.kem)); });

TEST_P(MixMessage, an_answer_comes_back_by_a_block_that_travelled_in_a_message) {
  SurbBook book(g_);
  for (std::size_t hops = 1; hops <= 3; ++hops) {
    Message question = world_.message(17);
    for (int i = 0; i < 2; ++i) {
      SurbPair pair = surb(hops);
      ASSERT_TRUE(book.add(std::move(pair.secrets)));
      if (question.surbs.size() < surbs_max(g_)) question.surbs.push_back(std::move(pair.block));
    }
    auto got = decode_message(g_, encode_message(g_, question, world_.random)->view());
    ASSERT_TRUE(got) << got.error().str();
    EXPECT_EQ(got->body, question.body);
    ASSERT_EQ(got->surbs.size(), question.surbs.size());
    for (Surb& block : got->surbs) {
      const Message answer = world_.message(body_max(g_, Carries::kReply, 0));
      const auto reply = reply_cell(g_, std::move(block), answer, world_.random);
      ASSERT_TRUE(reply) << reply.error().str();
      EXPECT_EQ(reply->first, world_.nodes[3 - hops]);
      EXPECT_EQ(reply->cell.size(), kCellSize);
      const auto [id, payload] = travel(reply->cell, hops);
      const auto opened = book.open(id, payload);
      ASSERT_TRUE(opened) << opened.error().str();
      EXPECT_EQ(opened->body, answer.body);
    }
  }
}

TEST_P(MixMessage, a_block_opens_one_answer) {
  SurbBook book(g_);
  SurbPair pair = surb();
  ASSERT_TRUE(book.add(std::move(pair.secrets)));
  const auto reply = reply_cell(g_, std::move(pair.block), world_.message(5), world_.random);
  const ReplayTag first = open_layer(g_, reply->cell, world_.key(0))->tag;
  const auto [id, payload] = travel(reply->cell);
  EXPECT_TRUE(book.open(id, payload));
  EXPECT_EQ(id_of(book.open(id, payload)), "router.surb_unknown");
  EXPECT_EQ(open_layer(g_, reply->cell, world_.key(0))->tag, first);  // so its first relay refuses it as well
}

TEST_P(MixMessage, an_altered_answer_is_refused_and_spends_its_block) {
  SurbBook book(g_);
  SurbPair pair = surb();
  ASSERT_TRUE(book.add(std::move(pair.secrets)));
  Bytes cell = reply_cell(g_, std::move(pair.block), world_.message(5), world_.random)->cell;
  cell[kHeadSize + g_.header(3) + 4000] ^= 1;
  const auto [id, payload] = travel(cell);
  EXPECT_EQ(id_of(book.open(id, payload)), "router.payload");
  EXPECT_EQ(id_of(book.open(id, payload)), "router.surb_unknown");
}

TEST_P(MixMessage, blocks_end_with_their_epoch) {
  SurbBook book(g_);
  SurbPair pair = surb();
  const Target id = pair.secrets.id;
  ASSERT_TRUE(book.add(std::move(pair.secrets)));
  book.expire(kEpoch + 1);
  EXPECT_EQ(book.size(), 1U);
  book.expire(kEpoch + 2);
  EXPECT_EQ(id_of(book.open(id, Bytes(g_.payload))), "router.surb_unknown");
}

TEST_P(MixMessage, a_book_has_a_limit) {
  SurbBook book(g_, 2);
  EXPECT_TRUE(book.add(surb().secrets));
  EXPECT_TRUE(book.add(surb().secrets));
  EXPECT_EQ(book.add(surb().secrets).error().id(), "router.surbs_full");
}

TEST_P(MixMessage, bodies_and_blocks_one_past_their_limit_are_refused) {
  const auto sent = [&](const Message& m) { return id_of(encode_message(g_, m, world_.random)); };
  const std::size_t max = body_max(g_, Carries::kRequest, 0);
  EXPECT_EQ(sent(world_.message(max)), "");
  EXPECT_EQ(sent(world_.message(max + 1)), "router.message");
  Message m = world_.message(body_max(g_, Carries::kRequest, 1));
  m.surbs.push_back(surb().block);
  EXPECT_EQ(sent(m), "");
  m.body.push_back(0);
  EXPECT_EQ(sent(m), "router.message");
  m.body.clear();
  m.surbs[0].header.pop_back();
  EXPECT_EQ(sent(m), "router.surb");
  m.surbs.clear();
  for (int i = 0; i < 3; ++i) m.surbs.push_back(surb().block);
  EXPECT_EQ(sent(m), "router.message");
  m = world_.message(1);
  m.fragment = 1;
  EXPECT_EQ(sent(m), "router.message");
  const auto reply = reply_cell(g_, surb().block, world_.message(body_max(g_, Carries::kReply, 0) + 1), world_.random);
  EXPECT_EQ(id_of(reply), "router.message");
  Surb cut = surb().block;
  cut.layers = 2;
  EXPECT_EQ(id_of(reply_cell(g_, std::move(cut), world_.message(1), world_.random)), "router.surb");
  EXPECT_EQ(id_of(make_surb(g_, world_.path(2), world_.random)), "router.surb");
}

TEST_P(MixMessage, payloads_against_the_layout_are_refused) {
  Message m = world_.message(5);
  m.surbs.push_back(surb().block);
  const auto good = encode_message(g_, m, world_.random);
  const auto altered = [&](std::size_t at, std::uint8_t value) {
    Bytes bytes = to_bytes(good->view());
    bytes[at] = value;
    return id_of(decode_message(g_, bytes));
  };
  EXPECT_EQ(altered(0, 0), "");
  EXPECT_EQ(altered(31, 1), "router.payload");  // zeros that tell an altered payload
  EXPECT_EQ(altered(33, 3), "router.payload");  // three blocks
  EXPECT_EQ(altered(34, 1), "router.payload");  // reserved
  EXPECT_EQ(altered(36, 1), "router.payload");  // 16 MiB of body
  EXPECT_EQ(altered(57, 1), "router.payload");  // fragment 1 of 1
  EXPECT_EQ(altered(60, 2), "router.payload");  // version of the block
  EXPECT_EQ(altered(61, 9), "router.payload");  // suite
  EXPECT_EQ(altered(62, 0), "router.payload");  // layers
  EXPECT_EQ(altered(62, 5), "router.payload");
  EXPECT_EQ(altered(63, 1), "router.payload");                      // flags
  EXPECT_EQ(altered(60 + 40 + g_.header(3), 1), "router.payload");  // padding of a block of three layers
  EXPECT_EQ(id_of(decode_message(g_, good->view().first(g_.payload - 1))), "router.payload");
}

TEST(MixMessageXWing, room_for_bodies_is_that_of_the_record_page) {
  EXPECT_EQ(kXWingGeometry.surb(), 5'000U);
  EXPECT_EQ(surbs_max(kXWingGeometry), 2U);
  EXPECT_EQ(surbs_max(kMlKemGeometry), 1U);
  EXPECT_EQ(body_max(kXWingGeometry, Carries::kRequest, 0), 11'204U);
  EXPECT_EQ(body_max(kXWingGeometry, Carries::kRequest, 1), 6'204U);
  EXPECT_EQ(body_max(kXWingGeometry, Carries::kRequest, 2), 1'204U);
  EXPECT_EQ(body_max(kXWingGeometry, Carries::kReply, 0), 11'188U);
}

}  // namespace
}  // namespace hanse::router
