// hanse light verify as a user runs it: files in, one answer and an exit code out.
#include <gtest/gtest.h>

#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/light/light_net_test.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {
namespace {

struct Quiet final : plugin::Talk {
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

struct LightVerify : testing::Test {
  const light::Net net{{6'699, 1, 1'299, 1, 2'000}};
  const std::string dir = testing::TempDir() + text("/light-verify-{}", static_cast<std::int64_t>(getpid()));

  void SetUp() override {
    ASSERT_TRUE(real_fs().mkdir(dir));
    write("genesis.cbor", light::encode(net.genesis));
  }
  void TearDown() override {
    for (const char* name : {"genesis.cbor", "proof"}) (void)real_fs().unlink(text("{}/{}", dir, name));
    std::remove(dir.c_str());
  }
  void write(std::string_view name, ByteView bytes) const {
    ASSERT_TRUE(replace_file(real_fs(), text("{}/{}", dir, name), bytes));
  }
  void prove(const std::vector<std::uint16_t>& signers) const {
    light::LightProof proof = light::deep_proof(net, 5);
    proof.block.certificate = net.certify(proof.block.header, signers);
    write("proof", light::encode(proof));
  }
  Result<plugin::Answer> verify(std::string_view grade, std::string_view days = {}) const {
    plugin::VerbArgs args;
    args.add("FILE", dir + "/proof");
    args.add("genesis", dir + "/genesis.cbor");
    args.add("grade", std::string(grade));
    if (!days.empty()) args.add("trust-days", std::string(days));
    Quiet quiet;
    return light_verify_verb().run(args, quiet);
  }
};

TEST_F(LightVerify, answers_by_the_grade_that_is_asked_for) {
  prove({0});
  auto answer = verify("fast");
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->exit, 1);
  EXPECT_NE(answer->text.find("found signatures of 6699 bp"), std::string::npos) << answer->text;
  EXPECT_EQ(*answer->json.find("error")->find("id")->as_text("id"), "light.cert_weight");
  prove({0, 1, 2});
  answer = verify("fast");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->exit, 0);
  EXPECT_TRUE(*answer->json.find("ok")->as_bool("ok"));
  EXPECT_EQ(*answer->json.find("grade")->as_text("grade"), "fast");
  EXPECT_NE(answer->text.find("7999 of 10000 bp by 3 of 5 validators"), std::string::npos) << answer->text;
  EXPECT_EQ(verify("economic")->exit, 1);
  prove({0, 1, 2, 3});
  EXPECT_EQ(verify("economic")->exit, 0);
}

TEST_F(LightVerify, shows_transactions_too) {
  light::TxProof proof{.block = light::deep_proof(net, 5).block,
                       .tx_id = light::hash_of(7),
                       .result = Bytes(3, 1),
                       .place = {.index = 0, .count = 1},
                       .tx_path = {},
                       .receipt_path = {}};
  const Hash32 result = light::result_hash(proof.result);
  proof.block.header.tx_root = light::list_root({&proof.tx_id, 1});
  proof.block.header.receipt_root = light::list_root({&result, 1});
  proof.block.certificate = net.certify(proof.block.header, {0, 4});
  write("proof", light::encode(proof));
  const auto answer = verify("economic");
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->exit, 0) << answer->text;
  EXPECT_EQ(*answer->json.find("kind")->as_text("kind"), "transaction");
}

TEST_F(LightVerify, refuses_old_trust_damaged_files_and_unknown_grades) {
  prove({0, 4});
  EXPECT_EQ(verify("fast", "36500")->exit, 0);
  const auto old = verify("fast", "0");  // the genesis file is of 1970
  EXPECT_EQ(old->exit, 1);
  EXPECT_NE(old->text.find("light.trust_expired"), std::string::npos) << old->text;
  EXPECT_EQ(verify("slow").error().id(), "cli.usage");
  EXPECT_EQ(verify("fast", "x").error().id(), "cli.number");
  write("proof", as_bytes("no proof"));
  EXPECT_EQ(verify("fast").error().id(), "cli.no_proof");
}

}  // namespace
}  // namespace hanse::cli
