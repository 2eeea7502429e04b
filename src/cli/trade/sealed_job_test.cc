#include "cli/trade/sealed_job.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/core/mem_fs.h"
#include "chain/ledger/test_net.h"
#include "node/services/market_client_test.h"

namespace hanse::trade {
namespace {

constexpr std::size_t kPayer = 0, kProvider = 3;

class Quiet final : public plugin::Talk {
 public:
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

// A node whose blocks go on whenever somebody asks for its height, and a provider that is in the rounds.
struct Node {
  services::MarketClient client;
  Quiet talk;
  SeededRandom random{1, "sealed"};

  Node() {
    auto& w = client.world;
    EXPECT_EQ(w.add_provider(kProvider).code, 0u);
    market::AskPost ask = auction::MarketWorld::ask();
    ask.unit_price = Amount{1000};
    EXPECT_EQ(w.call(kProvider, market::Method::kAskPost, ask).code, 0u);
    client.ticking = true;
  }
  SealedJob sealed() {
    gxf::Job job = client.world.plain_job(kPayer);
    gxf::sign(job, client.world.who[kPayer], gxf::JobSigAlg::kHybrid);
    return *seal(client, job, client.world.who[kPayer], client.world.height, random);
  }
};

TEST(SealedJob, comes_back_from_its_file_and_is_refused_when_damaged) {
  Node node;
  SealedJob sealed = node.sealed();
  sealed.output_names = {"result", ""};
  const Bytes bytes = encode_sealed_job(sealed);
  EXPECT_EQ(*decode_sealed_job(bytes), sealed);
  for (std::size_t n = 0; n < bytes.size(); n += 7) EXPECT_FALSE(decode_sealed_job(ByteView(bytes).first(n)));
  Bytes version = bytes;
  version[2] = 2;
  EXPECT_EQ(decode_sealed_job(version).error().id(), "trade.file");

  MemFs fs;
  ASSERT_TRUE(fs.mkdir("net"));
  const std::string folder = sealed_folder("net/wallet.json");
  EXPECT_EQ(folder, "net/sealed");
  EXPECT_TRUE(kept(fs, folder)->empty());
  ASSERT_TRUE(keep(fs, folder, sealed));
  fs.crash(1);  // what was kept outlives a power cut
  EXPECT_EQ(*kept(fs, folder), std::vector{sealed});
  ASSERT_TRUE(fs.flip(folder + "/" + fs.list(folder)->at(0), 0, 5));
  EXPECT_EQ(kept(fs, folder).error().id(), "trade.file");
  EXPECT_TRUE(forget(fs, folder, sealed));
  EXPECT_TRUE(forget(fs, folder, sealed)) << "gone already";
  EXPECT_TRUE(kept(fs, folder)->empty());
}

TEST(SealedJob, its_file_is_for_its_owner_alone) {
  Node node;
  const ledger::TempDir dir(testing::TempDir());
  ASSERT_TRUE(keep(real_fs(), dir.path() + "/sealed", node.sealed()));
  for (const auto& entry : std::filesystem::directory_iterator(dir.path() + "/sealed"))
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
  EXPECT_EQ(std::filesystem::status(dir.path() + "/sealed").permissions(), std::filesystem::perms(0700));
}

// The program is killed after its commit and starts again from the file, twice.
TEST(SealedJob, finishes_from_its_file_wherever_it_was_left) {
  Node node;
  const SealedJob sealed = *decode_sealed_job(encode_sealed_job(node.sealed()));
  node.client.lose_answers = 1;  // applied, but nobody heard
  const auto place = commit(node.client, sealed);
  ASSERT_TRUE(place) << place.error().str();
  EXPECT_EQ(*commit(node.client, sealed), *place) << "the same place again";
  EXPECT_EQ(node.client.world.round(1).commits, 1u);
  const auto revealed = reveal(node.client, sealed, *place, node.talk);
  ASSERT_TRUE(revealed) << revealed.error().str();
  EXPECT_GT(*revealed, place->commit_until);
  node.client.seen.clear();  // another node, which has not heard these bytes
  EXPECT_TRUE(reveal(node.client, sealed, *place, node.talk)) << "revealed before";
  EXPECT_EQ(node.client.world.round(1).reveals, 1u);
}

TEST(SealedJob, says_when_it_is_too_late) {
  Node node;
  const SealedJob sealed = node.sealed();
  const auto place = commit(node.client, sealed);
  while (node.client.world.height <= place->reveal_until) ASSERT_TRUE(node.client.info());
  EXPECT_EQ(reveal(node.client, sealed, *place, node.talk).error().id(), "trade.too_late");
}

TEST(SealedJob, learns_its_fate) {
  Node node;
  std::vector<std::pair<SealedJob, market::CommitPlace>> bids;
  for (int i = 0; i < 2; ++i) {
    SealedJob sealed = node.sealed();
    const auto place = commit(node.client, sealed);
    bids.emplace_back(std::move(sealed), *place);
  }
  for (const auto& [sealed, place] : bids) ASSERT_TRUE(reveal(node.client, sealed, place, node.talk));
  while (node.client.world.height <= bids[0].second.reveal_until) ASSERT_TRUE(node.client.info());
  int matched = 0;
  for (const auto& [sealed, place] : bids) {
    const auto found = fate(node.client, gxf::decode(sealed.gxf)->job_id, place, 1000, node.talk);
    ASSERT_TRUE(found) << found.error().str();
    EXPECT_EQ(found->height, place.reveal_until);
    matched += !found->end;
    if (found->end) EXPECT_EQ(*found->end, market::BidEnd::kReduced) << "one ask with room for more drops one trade";
  }
  EXPECT_EQ(matched, 1);
  EXPECT_EQ(fate(node.client, JobId{}, bids[0].second, 0, node.talk).error().id(), "cli.wait");
}

}  // namespace
}  // namespace hanse::trade
