#include "cli/inspect/inspect.h"

#include <gtest/gtest.h>

#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/consensus/messages.h"
#include "chain/consensus/replica.h"
#include "chain/ledger/call.h"
#include "chain/reputation/reputation.h"
#include "store/journal/journal.h"

namespace hanse::inspect {
namespace {

class Silent final : public plugin::Talk {
 public:
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

Result<plugin::Answer> run(const plugin::Verb& verb, const std::vector<std::pair<std::string, std::string>>& given) {
  plugin::VerbArgs args;
  for (const auto& [name, value] : given) args.add(name, value);
  Silent talk;
  return verb.run(args, talk);
}

class FakeNode final : public client::Client {
 public:
  explicit FakeNode(client::ConsensusInfo consensus) : consensus_(std::move(consensus)) {}
  Result<client::NodeInfo> info() override {
    client::NodeInfo out;
    out.version = "1.2.3";
    out.node_id = "hanse1abc";
    return out;
  }
  Result<client::ConsensusInfo> consensus() override { return std::move(consensus_); }
  Result<client::Applied> submit(const ledger::Tx& tx) override {
    if (!applied) return nothing();
    *submitted = tx;
    return *std::move(applied);
  }
  Result<Bytes> query(std::uint8_t, std::string_view path, ByteView) override {
    const auto answer = answers.find(path);
    return answer == answers.end() ? nothing() : Result<Bytes>(answer->second);
  }
  Result<Bytes> prove(ByteView) override { return nothing(); }
  Result<client::CertifiedBlock> certified(Height) override { return nothing(); }
  Result<BlobId> put_blob(ByteView) override { return nothing(); }
  Result<Bytes> get_blob(const BlobId&) override { return nothing(); }
  Result<bool> has_blob(const BlobId&) override { return nothing(); }
  Status watch(Height, std::string_view, const std::function<bool(const client::LedgerEvent&)>&,
               const std::function<bool()>&) override {
    return nothing();
  }

  std::optional<client::Applied> applied;                                  // what the ledger says
  std::shared_ptr<ledger::Tx> submitted = std::make_shared<ledger::Tx>();  // outlives the node
  std::map<std::string, Bytes, std::less<>> answers;

 private:
  static std::unexpected<Error> nothing() { return fail(Kind::kUnsupported, "test.nothing", "not here"); }
  client::ConsensusInfo consensus_;
};

plugin::Answer health(client::ConsensusInfo consensus) {
  auto node = std::make_shared<client::ConsensusInfo>(std::move(consensus));
  const auto verb =
      node_health_verb({.options = {}, .connect = [node](const plugin::VerbArgs&) {
                          return Result<std::unique_ptr<client::Client>>(std::make_unique<FakeNode>(std::move(*node)));
                        }});
  auto answer = run(verb, {});
  EXPECT_TRUE(answer) << answer.error().str();
  return std::move(*answer);
}

TEST(NodeHealth, shows_where_a_validator_is_and_why_it_is_not_ready) {
  client::ConsensusInfo good;
  good.height = Height{9};
  good.view = 3;
  good.leader = "hanse1xyz";
  const auto well = health(std::move(good));
  EXPECT_EQ(well.exit, 0);
  EXPECT_EQ(well.text,
            "node       hanse1abc\nlive       yes\nready      yes\nheight     9\nfinalized  0 (fast), 0 (economic)\n"
            "view       3, led by hanse1xyz\nlag        0 blocks\nbackup     none");
  client::ConsensusInfo bad;
  bad.lag = 64;
  bad.not_ready = Error(Kind::kUnavailable, "roles.lagging", "found 64 blocks behind");
  bad.backup.emplace();
  bad.backup->failures = 2;
  bad.backup->failure = Error(Kind::kUnavailable, "archive.unreachable", "found no server");
  const auto late = health(std::move(bad));
  EXPECT_EQ(late.exit, 1);
  EXPECT_NE(late.text.find("ready      no: found 64 blocks behind (roles.lagging)\n"), std::string::npos) << late.text;
  EXPECT_NE(late.text.find("backup     none yet; failed 2 times: found no server (archive.unreachable)"),
            std::string::npos)
      << late.text;
  EXPECT_EQ(late.json.find("not_ready")->dump(), "{\"id\":\"roles.lagging\",\"message\":\"found 64 blocks behind\"}");
  client::ConsensusInfo dead;
  dead.not_live = Error(Kind::kInternal, "ledger.halted", "found a contradiction");
  EXPECT_EQ(health(std::move(dead)).exit, 1);
}

// {0: balance 0, 1: nonce 4} of the account, {0: 5000, 1: in, 2: 4, 3: 1} of the validator.
const Bytes kAccount = {0xA2, 0x00, 0x00, 0x01, 0x04},
            kStanding = {0xA4, 0x00, 0x19, 0x13, 0x88, 0x01, 0x00, 0x02, 0x04, 0x03, 0x01};

Result<plugin::Answer> unjail(std::uint32_t code, std::shared_ptr<ledger::Tx>& submitted) {
  const auto verb =
      node_unjail_verb({.options = {},
                        .connect = [&, code](const plugin::VerbArgs&) -> Result<std::unique_ptr<client::Client>> {
                          auto fake = std::make_unique<FakeNode>(client::ConsensusInfo{});
                          fake->answers = {{"account", kAccount}, {"standing", kStanding}};
                          fake->applied = client::Applied{.tx_id = {}, .height = Height{7}, .result = {}};
                          fake->applied->result.code = code;
                          if (code != 0) fake->applied->result.error_id = "reputation.out_until";
                          submitted = fake->submitted;
                          return fake;
                        }},
                       {.options = {}, .open = [&](const plugin::VerbArgs&) -> Result<crypto::SecretKey> {
                          return crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, 7));
                        }});
  return run(verb, {});
}

TEST(NodeUnjail, sends_the_call_with_the_next_nonce_and_shows_the_standing) {
  std::shared_ptr<ledger::Tx> submitted;
  const auto answer = unjail(0, submitted);
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->json.find("score")->dump(), "5000");
  EXPECT_EQ(answer->json.find("height")->dump(), "7");
  const auto call = ledger::decode_call(submitted->body);
  ASSERT_TRUE(call) << call.error().str();
  EXPECT_EQ(call->nonce, 5u);
  EXPECT_EQ(call->app, reputation::kReputationApp);
  EXPECT_NE(answer->text.find("let in again at height 7 with a score of 5000"), std::string::npos) << answer->text;
}

TEST(NodeUnjail, says_why_the_ledger_refused) {
  std::shared_ptr<ledger::Tx> submitted;
  const auto answer = unjail(1, submitted);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "reputation.out_until");
  EXPECT_EQ(answer.error().kind(), Kind::kDenied);
}

struct JournalVerbs : testing::Test {
  std::string dir;
  std::unique_ptr<journal::Journal> journal;
  void SetUp() override {
    std::string pattern = testing::TempDir() + "hanse_inspect_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern + "/journal";
    auto made = journal::Journal::create(real_fs(), dir, {.segment_bytes = 16'384, .segments = 2}, system_random());
    ASSERT_TRUE(made) << made.error().str();
    journal = std::move(*made);
    Hash32 block;
    block.data.fill(0xab);
    for (std::uint64_t seq = 8; seq <= 24; seq += 8)
      append(consensus::RecordType::kAttest,
             consensus::encode(consensus::Attest{.epoch = 0, .seq = seq, .block = block, .signature = {1, 2}}));
  }
  void append(consensus::RecordType type, const Bytes& payload) {
    ASSERT_TRUE(journal->append(static_cast<std::uint8_t>(type), payload));
    ASSERT_TRUE(journal->sync());
  }
};

TEST_F(JournalVerbs, check_counts_the_records) {
  const auto answer = run(journal_check_verb(), {{"DIR", dir}});
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->json.dump(), "{\"first_seq\":1,\"last_seq\":3,\"repaired_blocks\":0,\"torn_bytes\":0}");
  EXPECT_EQ(answer->text,
            "records  1 to 3\nrepairs  0 blocks from the other mirror\ntail     0 bytes torn, never acknowledged");
  EXPECT_EQ(run(journal_check_verb(), {{"DIR", dir + "-absent"}}).error().id(), "journal.missing");
}

TEST_F(JournalVerbs, dump_shows_the_records_asked_for) {
  const auto answer = run(journal_dump_verb(), {{"DIR", dir}, {"from", "2"}, {"limit", "1"}});
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->exit, 0);
  std::string digest;
  for (int i = 0; i < 32; ++i) digest += "ab";
  EXPECT_EQ(answer->json.dump(), text("{{\"records\":[{{\"seq\":2,\"type\":\"attest\",\"epoch\":0,\"slot\":16,"
                                      "\"digest\":\"{}\",\"bytes\":54,\"note\":\"a signature of 2 bytes\"}}]}}",
                                      digest));
  EXPECT_EQ(answer->text,
            "  record  type           view      slot  digest              bytes  note\n"
            "       2  attest                     16  abababababababab       54  a signature of 2 bytes");
}

TEST_F(JournalVerbs, dump_goes_on_past_a_record_it_cannot_read_and_says_so) {
  append(consensus::RecordType::kPrepared, {1, 2, 3});
  append(static_cast<consensus::RecordType>(99), {});
  const auto answer = run(journal_dump_verb(), {{"DIR", dir}});
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->exit, 1);
  EXPECT_EQ(answer->json.find("records")->items().size(), 5u);
  EXPECT_NE(answer->text.find("type 99"), std::string::npos) << answer->text;
  EXPECT_EQ(run(journal_dump_verb(), {{"DIR", dir}, {"limit", "100001"}}).error().id(), "cli.number");
}

}  // namespace
}  // namespace hanse::inspect
