// A validator that keeps the beacon going, on a real chain.
#include "node/roles/beacon_keeper.h"

#include <gtest/gtest.h>

#include "chain/ledger/test_net.h"
#include "node/roles/validator.h"

namespace hanse::roles {
namespace {

using ledger::TempDir;
using ledger::TestNet;

struct BeaconKeeperTest : testing::Test {
  static constexpr std::uint64_t kSteps = 20'000;
  std::uint64_t steps = kSteps;
  TempDir dir{testing::TempDir()};
  TestNet net{2};
  crypto::SecretKey key = TestNet::validator_key();
  std::unique_ptr<blob::BlobStore> blobs;
  std::unique_ptr<Validator> validator;

  void SetUp() override {
    const beacon::BeaconParams params{.round_ms = beacon::kRoundMsMin, .steps = steps};
    net.genesis.apps[beacon::kBeaconApp] = beacon::encode_beacon_genesis(params);
    blobs = std::move(*blob::BlobStore::open(real_fs(), dir.path() + "/blobs", {}, system_random()));
    auto opened = Validator::open(net.genesis, TestNet::validator_key(), *blobs,
                                  {.dir = dir.path() + "/chain",
                                   .journal_segment_bytes = 64u << 10,
                                   .network = {},
                                   .version = "1.2.3",
                                   .roles = {"validator"}});
    ASSERT_TRUE(opened) << opened.error().str();
    validator = std::move(*opened);
  }
  std::unique_ptr<BeaconKeeper> keeper(bool proves) {
    auto out = BeaconKeeper::start(
        *validator, {.network = net.network(), .key = &key, .secret = FixedBytes<32>{{3}}, .proves = proves});
    EXPECT_TRUE(out) << out.error().str();
    return std::move(*out);
  }
  std::optional<beacon::Round> newest(std::string_view path) {
    const auto bytes = validator->query(beacon::kBeaconApp, path, {});
    if (!bytes) return std::nullopt;
    return *beacon::decode_round(*bytes);
  }
  template <class F>
  static bool until(F&& holds) {
    const std::int64_t end = system_clock().mono_ns() + 30'000'000'000;
    while (!holds())
      if (system_clock().mono_ns() > end) return false;
    return true;
  }
};

TEST_F(BeaconKeeperTest, makes_values_round_after_round_and_goes_on_after_a_restart) {
  auto one = keeper(true);
  ASSERT_TRUE(until([&] { return newest("last").has_value(); })) << one->last_error();
  const beacon::Round first = *newest("last");
  EXPECT_EQ(first.contributors, 1u);
  EXPECT_EQ(first.missing, 0u);
  const auto proof = crypto::vdf_eval(first.seed, kSteps);
  EXPECT_EQ(first.value, beacon::value_of(first, *proof));
  one->stop();
  one = keeper(true);  // reveals what was committed before
  ASSERT_TRUE(until([&] { return newest("last")->round >= first.round + 2; })) << one->last_error();
  EXPECT_EQ(newest("last")->missing, 0u);
}

TEST_F(BeaconKeeperTest, leaves_the_proof_to_others_when_told_to) {
  const auto one = keeper(false);
  ASSERT_TRUE(until([&] { return newest("open").has_value(); })) << one->last_error();
  EXPECT_FALSE(newest("last"));
}

struct LongDelay : BeaconKeeperTest {
  LongDelay() { steps = crypto::kVdfStepsMax; }  // a quarter of an hour
};
TEST_F(LongDelay, ends_while_it_evaluates_and_contributes_meanwhile) {
  const auto one = keeper(true);
  ASSERT_TRUE(until([&] { return newest("open").has_value(); }));
  const std::uint64_t first = newest("open")->round;
  EXPECT_TRUE(until([&] { return newest("open")->round > first; })) << one->last_error();
  EXPECT_FALSE(newest("last"));
  one->stop();
}

}  // namespace
}  // namespace hanse::roles
