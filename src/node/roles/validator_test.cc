#include "node/roles/validator.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "chain/ledger/test_net.h"

namespace hanse::roles {
namespace {

using ledger::TempDir;
using ledger::TestNet;

constexpr std::int64_t kWaitMs = 20'000;

struct ValidatorTest : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{3};
  std::unique_ptr<blob::BlobStore> blobs;
  std::unique_ptr<Validator> validator;

  void SetUp() override {
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
  client::Applied pay(std::uint64_t nonce) {
    auto applied = validator->submit(net.transfer(0, net.user(1), 1, nonce), kWaitMs);
    EXPECT_TRUE(applied) << applied.error().str();
    return std::move(*applied);
  }
  // The newest block has a certificate.
  void settle(Height height) {
    const std::int64_t until = system_clock().mono_ns() + kWaitMs * 1'000'000;
    while (validator->consensus()->finalized < height && system_clock().mono_ns() < until) std::this_thread::yield();
    ASSERT_GE(validator->consensus()->finalized, height);
  }
  static std::uint64_t number(const codec::Json& json, std::string_view name) {
    const auto* found = json.find(name);
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? 0 : *found->as_u64(name);
  }
  static std::string word(const codec::Json& json, std::string_view name) {
    const auto* found = json.find(name);
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? "" : std::string(*found->as_text(name));
  }
};

TEST_F(ValidatorTest, says_where_its_consensus_is) {
  const Height height = pay(1).height;
  settle(height);
  const auto info = validator->consensus();
  ASSERT_TRUE(info) << info.error().str();
  EXPECT_EQ(info->height, height);
  EXPECT_EQ(info->finalized, height);
  EXPECT_EQ(info->economic, height);
  EXPECT_EQ(info->validators, 1u);
  EXPECT_EQ(info->leader, codec::encode_id(net.genesis.validators.validators[0].id().view()));
  EXPECT_EQ(info->lag, 0u);
  EXPECT_FALSE(info->abstaining || info->not_live || info->not_ready);
  validator->stop();
  const auto stopped = validator->consensus();
  ASSERT_TRUE(stopped && stopped->not_ready);
  EXPECT_EQ(stopped->not_ready->id(), "ledger.stopped");
}

TEST_F(ValidatorTest, is_not_ready_a_window_of_slots_behind) {
  EXPECT_TRUE(check_lag(consensus::kSlotWindow - 1));
  const Status late = check_lag(consensus::kSlotWindow);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id(), "roles.lagging");
}

TEST_F(ValidatorTest, tells_how_final_a_block_is_by_height_and_by_hash) {
  const Height height = pay(1).height;
  settle(height);
  const auto by_height = validator->finality_document(height);
  ASSERT_TRUE(by_height) << by_height.error().str();
  EXPECT_EQ(word(*by_height, "finality_type"), "economic");
  EXPECT_EQ(number(*by_height, "weight_bp"), 10'000u);
  EXPECT_EQ(number(*by_height, "fast_threshold_bp"), 6'700u);
  EXPECT_EQ(number(*by_height, "economic_threshold_bp"), 8'000u);
  EXPECT_TRUE(*by_height->find("finalized")->as_bool(""));
  const auto hash = codec::fixed_from_hex<Hash32>(word(*by_height, "hash"));
  ASSERT_TRUE(hash);
  const auto by_hash = validator->finality_document(*hash);
  ASSERT_TRUE(by_hash) << by_hash.error().str();
  EXPECT_EQ(by_hash->dump(), by_height->dump());
  EXPECT_EQ(validator->finality_document(height.plus(1)).error().id(), "roles.no_height");
  EXPECT_EQ(validator->finality_document(Hash32{}).error().id(), "roles.no_block");
}

TEST_F(ValidatorTest, hands_out_certificates_that_verify) {
  const Height height = pay(1).height;
  settle(height);
  const auto block = validator->certified(height);
  ASSERT_TRUE(block) << block.error().str();
  const auto header = light::decode_header(block->header);
  const auto certificate = light::decode_certificate(block->certificate);
  ASSERT_TRUE(header && certificate);
  EXPECT_EQ(*light::verify_certificate(*header, *certificate, net.genesis.validators, 10'000), 10'000u);
  const auto document = validator->certificate_document(height);
  ASSERT_TRUE(document) << document.error().str();
  EXPECT_EQ(number(*document, "weight_bp"), 10'000u);
  EXPECT_EQ(word(*document, "grade"), "economic");
  EXPECT_EQ(word(*document, "header"), codec::to_hex(block->header));
  EXPECT_EQ(word(document->find("attests")->items().at(0), "signature"),
            codec::to_hex(certificate->attests[0].signature));
  EXPECT_EQ(validator->certified(height.plus(1)).error().id(), "roles.no_height");
}

TEST_F(ValidatorTest, has_no_certificate_of_a_block_between_attested_ones) {
  std::string last;
  for (std::uint64_t nonce = 1; nonce <= 200 && last.empty(); ++nonce) {
    const Height height = pay(nonce).height;
    if (height.value % 8 == 0) continue;
    if (const auto block = validator->certified(height); !block) last = block.error().id();
  }
  EXPECT_EQ(last, "roles.no_certificate");
}

TEST_F(ValidatorTest, shows_the_validator_set_of_an_epoch) {
  const auto set = validator->valset_document(0);
  ASSERT_TRUE(set) << set.error().str();
  EXPECT_EQ(word(*set, "hash"), codec::to_hex(light::set_hash(net.genesis.validators).view()));
  const auto& first = set->find("validators")->items().at(0);
  EXPECT_EQ(word(first, "key"), codec::to_hex(net.genesis.validators.validators[0].key.bytes));
  EXPECT_EQ(validator->valset_document(1).error().id(), "roles.no_epoch");
}

TEST_F(ValidatorTest, proves_a_transaction) {
  const auto applied = pay(1);
  settle(applied.height);
  const auto document = validator->tx_proof_document(applied.tx_id);
  ASSERT_TRUE(document) << document.error().str();
  const auto proof = light::decode_tx_proof(*codec::from_hex(word(*document, "proof")));
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_EQ(proof->tx_id, applied.tx_id);
  EXPECT_TRUE(light::verify(*proof, light::trust(net.genesis), {.grade = light::Grade::kEconomic}));
  EXPECT_EQ(validator->tx_proof_document(Hash32{}).error().id(), "ledger.not_found");
}

TEST_F(ValidatorTest, tells_of_blocks_and_their_economic_certificates_once_each) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<std::uint64_t>> heights;
  validator->listen([&](std::string_view topic, const std::string& json) {
    const auto parsed = codec::parse_json(json);
    ASSERT_TRUE(parsed) << json;
    EXPECT_EQ(word(*parsed, "topic"), topic);
    const std::lock_guard lock(mutex);
    heights[std::string(topic)].push_back(number(*parsed, "height"));
    changed.notify_all();
  });
  Height last;
  for (std::uint64_t nonce = 1; nonce <= 10; ++nonce) last = pay(nonce).height;
  {
    std::unique_lock lock(mutex);
    const auto reached = [&](const char* topic) {
      return !heights[topic].empty() && heights[topic].back() >= last.value;
    };
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::milliseconds(kWaitMs),
                                 [&] { return reached("block.fast") && reached("block.economic"); }));
    for (std::size_t i = 0; i < heights["block.fast"].size(); ++i) EXPECT_EQ(heights["block.fast"][i], i + 1);
    const auto& economic = heights["block.economic"];
    EXPECT_TRUE(std::ranges::is_sorted(economic, std::less_equal()) || economic.size() == 1);
  }
  validator->listen({});
}

TEST_F(ValidatorTest, counts_its_consensus_in_the_registry) {
  settle(pay(1).height);
  validator->refresh_metrics();
  const std::string shown = telemetry::registry().exposition();
  const auto has = [&](std::string_view line) { return ("\n" + shown).find(text("\n{}", line)) != std::string::npos; };
  EXPECT_TRUE(has("hanse_consensus_vertices_finalized_total ")) << shown;
  EXPECT_TRUE(has("hanse_consensus_attest_weight_bp 10000\n"));
  EXPECT_TRUE(has("hanse_consensus_view_timeout_seconds 0.5\n"));
  EXPECT_TRUE(has("hanse_consensus_abstain_mode 0\n"));
  EXPECT_TRUE(has("hanse_consensus_finality_time_seconds_count{grade=\"fast\"} "));
  EXPECT_FALSE(has("hanse_channel_up")) << "alone there are no channels";
}

TEST(FinalityClockTest, times_each_block_once_and_forgets_the_oldest) {
  FinalityClock clock;
  clock.admitted(Height{3}, 100);
  clock.admitted(Height{4}, 200);
  EXPECT_EQ(clock.economic(Height{2}, 1'000), std::vector<std::int64_t>{});
  EXPECT_EQ(clock.economic(Height{3}, 1'000), std::vector<std::int64_t>{900});
  EXPECT_EQ(clock.economic(Height{9}, 1'000), std::vector<std::int64_t>{800});
  EXPECT_EQ(clock.economic(Height{9}, 1'000), std::vector<std::int64_t>{});
  for (std::uint64_t h = 0; h <= kTimedBlocksMax; ++h) clock.admitted(Height{h}, static_cast<std::int64_t>(h));
  const auto all = clock.economic(Height{kTimedBlocksMax}, 0);
  EXPECT_EQ(all.size(), kTimedBlocksMax);
  EXPECT_EQ(all[0], -1);
}

}  // namespace
}  // namespace hanse::roles
