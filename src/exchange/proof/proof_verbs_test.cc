// hanse proof as a user runs it: files in, files and one answer out.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/proof/proof_verbs.h"
#include "exchange/tensor/format.h"

namespace hanse::proof {
namespace {

struct Quiet final : plugin::Talk {
  void say(std::string_view) override {}
  void progress(std::string_view) override {}
};

struct ProofVerbs : testing::Test {
  const std::string dir = testing::TempDir() + text("/proof-verbs-{}", static_cast<std::int64_t>(getpid()));

  void SetUp() override {
    std::filesystem::create_directory(dir);
    const std::vector<std::int8_t> x{1, -2, 3, 4}, right{5, 6, -7, 8};
    write("x", tensor::encode_matrix(2, 2, x));
    write("right", tensor::encode_matrix(2, 2, right));
    write("wide", tensor::encode_matrix(1, 3, std::span(x).first(3)));
    const std::vector<tensor::Layer> layers{{2, 3, 5, 2, true, false, {1, 2, 3}, {1, 2, 3, 4, 5, 6}},
                                            {3, 1, 1, 0, false, true, {7}, {1, -1, 2}}};
    write("model", tensor::encode_model(layers));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  void write(std::string_view name, ByteView bytes) const { ASSERT_TRUE(replace_file(real_fs(), path(name), bytes)); }
  Bytes read(std::string_view name) const { return *read_file(real_fs(), path(name), 1 << 20); }
  std::string path(std::string_view name) const { return text("{}/{}", dir, name); }

  using Files = std::vector<std::pair<std::string, std::string>>;
  Result<plugin::Answer> run(std::string_view name, const Files& files) const {
    const std::vector<plugin::Verb> verbs = proof_verbs();
    plugin::VerbArgs args;
    for (const auto& [option, file] : files) args.add(option, path(file));
    Quiet quiet;
    return std::ranges::find(verbs, name, &plugin::Verb::name)->run(args, quiet);
  }
};

TEST_F(ProofVerbs, prove_a_model_and_verify_it_by_its_commitment) {
  const auto committed = run("proof commit", {{"MODEL", "model"}});
  ASSERT_TRUE(committed) << committed.error().str();
  Files files{{"PROOF", "p"}, {"model", "model"}, {"input", "x"}, {"output", "y"}};
  const auto made = run("proof make", files);
  ASSERT_TRUE(made) << made.error().str();
  // row 1: (1 - 2 4, 2 - 2 5, 3 - 2 6) + bias < 0, so 0 0 0, raw 7; row 2: acc 20 28 36, times 5 / 4: 25 35 45, raw 7 +
  // 25 - 35 + 90
  EXPECT_EQ(tensor::int32_cells(*tensor::decode_matrix(read("y"))), (std::vector<std::int32_t>{7, 87}));

  EXPECT_TRUE(run("proof verify", files));
  files[1].second = "model.commitment";
  const auto held = run("proof verify", files);
  ASSERT_TRUE(held) << held.error().str();
  EXPECT_EQ(held->text, "holds: the output is what the committed model makes of the input");

  Bytes other = read("y");
  other.back() ^= 1;
  write("y", other);
  EXPECT_EQ(run("proof verify", files).error().id(), "proof.sum");
}

TEST_F(ProofVerbs, prove_a_product) {
  const Files files{{"PROOF", "p"}, {"left", "x"}, {"right", "right"}, {"output", "c"}};
  ASSERT_TRUE(run("proof make", files));
  EXPECT_EQ(tensor::int32_cells(*tensor::decode_matrix(read("c"))), (std::vector<std::int32_t>{19, -10, -13, 50}));
  EXPECT_EQ(run("proof verify", files)->text, "holds: the output is the product of the two matrices");
  write("p", {});
  EXPECT_EQ(run("proof verify", files).error().id(), "proof.bytes");
}

TEST_F(ProofVerbs, say_what_does_not_fit) {
  EXPECT_EQ(run("proof make", {{"PROOF", "p"}, {"left", "x"}, {"model", "model"}, {"output", "y"}}).error().id(),
            "cli.usage");
  EXPECT_EQ(run("proof make", {{"PROOF", "p"}, {"left", "x"}, {"right", "right"}, {"model", "model"}, {"output", "y"}})
                .error()
                .id(),
            "cli.usage");
  EXPECT_EQ(run("proof make", {{"PROOF", "p"}, {"left", "wide"}, {"right", "x"}, {"output", "y"}}).error().message(),
            "found 3 columns and 2 rows, expected a left factor as wide as the right one is high");
  EXPECT_EQ(
      run("proof make", {{"PROOF", "p"}, {"model", "model"}, {"input", "wide"}, {"output", "y"}}).error().message(),
      "found 3 columns of input, expected 2 for this model");
  EXPECT_EQ(run("proof make", {{"PROOF", "p"}, {"model", "x"}, {"input", "x"}, {"output", "y"}}).error().id(),
            "tensor.magic");
  EXPECT_FALSE(std::filesystem::exists(path("y")));  // nothing half-written
}

}  // namespace
}  // namespace hanse::proof
