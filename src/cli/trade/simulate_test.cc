#include <gtest/gtest.h>

#include "base/core/fs.h"
#include "chain/ledger/test_net.h"
#include "cli/trade/trade_verbs.h"
#include "exchange/market/round_check.h"

namespace hanse::trade {
namespace {

class Quiet final : public plugin::Talk {
 public:
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

class Simulate : public testing::Test {
 protected:
  Simulate() : dir_(testing::TempDir()) {}
  Result<plugin::Answer> run(std::string_view content, std::vector<std::pair<std::string, std::string>> more = {}) {
    EXPECT_TRUE(replace_file(real_fs(), path("round"), as_bytes(content)));
    plugin::VerbArgs args;
    args.add("FILE", path("round"));
    for (auto& [name, value] : more) args.add(name, value);
    Quiet quiet;
    return simulate_verb().run(args, quiet);
  }
  std::string path(std::string_view name) const { return text("{}/{}", dir_.path(), name); }
  ledger::TempDir dir_;
};

// The first example of docs/internals/auction.md: 1000 units a bid.
constexpr std::string_view kExample = R"(
cu_base: 990
asks: [{unit_price: 10, capacity_cu: 1000}, {unit_price: 20, capacity_cu: 1000},
       {unit_price: 30, capacity_cu: 1000}, {unit_price: 60, capacity_cu: 1000}]
bids: [{limit: 90, seq: 1}, {limit: 80, seq: 1}, {limit: 70, seq: 1}, {limit: 20, seq: 1}]
)";

TEST_F(Simulate, clears_a_what_if) {
  const auto answer = run(kExample, {{"out", path("record")}});
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(*answer->json.find("paid_ut")->as_u64(""), 120u);
  EXPECT_EQ(answer->json.find("matched")->items().size(), 3u);
  EXPECT_NE(answer->text.find("cell int8/EU/L3: 3 of 3 trades at 40 ut for payers, 40 ut for providers"),
            std::string::npos)
      << answer->text;
  EXPECT_NE(answer->text.find("bid 3 found nothing: capacity"), std::string::npos);
  const auto record = market::decode_round(*read_file(real_fs(), path("record"), market::kRoundBytesMax));
  ASSERT_TRUE(record);
  EXPECT_TRUE(market::check_record(*record)->ok());
}

TEST_F(Simulate, leaves_bids_out_of_a_recorded_round) {
  ASSERT_TRUE(run(kExample, {{"out", path("record")}}));
  const Bytes record = *read_file(real_fs(), path("record"), market::kRoundBytesMax);
  const auto all = run(as_text(record));
  const auto less = run(as_text(record), {{"without", "2"}, {"without", "3"}});
  ASSERT_TRUE(all && less);
  EXPECT_EQ(all->json.find("matched")->items().size(), 3u);
  EXPECT_EQ(less->json.find("matched")->items().size(), 1u) << "nothing below 80 is left: the round is reduced";
  EXPECT_EQ(run(as_text(record), {{"without", "9"}}).error().id(), "cli.usage");
  const Bytes cut(record.begin(), record.end() - 1);
  EXPECT_EQ(run(as_text(cut)).error().kind(), Kind::kInvalid);
}

TEST_F(Simulate, names_what_it_does_not_understand) {
  EXPECT_EQ(run("asks: [{price: 1}]").error().id(), "trade.what_if");
  EXPECT_EQ(run("asks: [1]").error().id(), "trade.what_if");
  EXPECT_EQ(run("bids: {}").error().id(), "trade.what_if");
  EXPECT_EQ(run("bids: [{limit: 1, seq: 4294967296}]").error().id(), "trade.what_if");
  EXPECT_EQ(run("bids: [{limit: 1, precision: fp3}]").error().id(), "cli.usage");
  EXPECT_EQ(run("asks: [{region: Atlantis}]").error().id(), "cli.usage");
  EXPECT_EQ(run("asks: [").error().id(), "codec.yaml");
}

TEST(Names, are_read_as_they_are_written) {
  for (std::uint8_t mask = 2; mask <= market::kPrecisionsAll; mask = static_cast<std::uint8_t>(mask + 2))
    EXPECT_EQ(*parse_precisions(precisions_name(mask)), mask);
  EXPECT_FALSE(parse_precisions(""));
  EXPECT_EQ(region_name(*parse_region("US")), "US");
  EXPECT_EQ(region_name(63), "63");
  EXPECT_EQ(cell_name(4, *parse_region("EU"), 2), "bf16/EU/L2");
}

}  // namespace
}  // namespace hanse::trade
