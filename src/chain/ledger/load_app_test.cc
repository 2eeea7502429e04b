#include "chain/ledger/load_app.h"

#include <gtest/gtest.h>

namespace hanse::ledger {
namespace {

struct Load {
  explicit Load(std::size_t most = 256) {
    EXPECT_TRUE(app->genesis(encode_load_genesis(most), {}, state));
    context.leader.data.fill(3);
  }
  std::unique_ptr<App> app = make_load_app();
  MemState state;
  BlockContext context;
};

TEST(Load, counts_what_it_applies_and_who_led) {
  Load l;
  for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{256}})
    EXPECT_EQ(l.app->apply({.app = kLoadApp, .body = Bytes(n)}, l.context, l.state).code, 0u);
  const auto answer = l.app->query("totals", {}, l.state);
  ASSERT_TRUE(answer);
  const auto totals = decode_load_totals(*answer);
  ASSERT_TRUE(totals) << totals.error().str();
  EXPECT_EQ(totals->count, 3u);
  EXPECT_EQ(totals->bytes, 257u);
  EXPECT_EQ(totals->leader, l.context.leader);
}

TEST(Load, refuses_a_body_one_byte_past_the_limit_before_and_in_a_block) {
  Load l;
  EXPECT_TRUE(l.app->check({.app = kLoadApp, .body = Bytes(256)}, l.context, l.state));
  const Status refused = l.app->check({.app = kLoadApp, .body = Bytes(257)}, l.context, l.state);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "load.body");
  EXPECT_EQ(l.app->apply({.app = kLoadApp, .body = Bytes(257)}, l.context, l.state).error_id, "load.body");
  EXPECT_EQ(decode_load_totals(*l.app->query("totals", {}, l.state))->count, 0u);
}

TEST(Load, refuses_a_genesis_without_a_limit_it_can_keep) {
  const auto app = make_load_app();
  MemState state;
  EXPECT_TRUE(app->genesis(encode_load_genesis(kLoadBodyMax), {}, state));
  for (const Bytes& bad :
       {encode_load_genesis(0), encode_load_genesis(kLoadBodyMax + 1), Bytes{0xa1, 0x02, 0x01}, Bytes{0xa0}, Bytes{}}) {
    MemState empty;
    EXPECT_FALSE(app->genesis(bad, {}, empty));
    EXPECT_TRUE(empty.entries().empty());
  }
}

TEST(Load, knows_one_query_and_reads_only_whole_totals) {
  Load l;
  const auto answer = l.app->query("total", {}, l.state);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "ledger.query");
  const auto good = l.app->query("totals", {}, l.state);
  ASSERT_TRUE(good);
  for (std::size_t n = 0; n < good->size(); ++n) EXPECT_FALSE(decode_load_totals(ByteView(*good).first(n)));
}

}  // namespace
}  // namespace hanse::ledger
