// The program hanse-verify as a user runs it: exit codes, output, and what it is linked with.
#include <cstdio>
#include <cstdlib>

#include <sys/wait.h>

#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/receipt/receipt_world_test.h"

namespace hanse::receipt {
namespace {

struct Ran {
  int exit = -1;
  std::string out;
};

Ran run(const std::string& command) {
  Ran ran;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return ran;
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) ran.out.append(buffer, n);
  const int status = pclose(pipe);
  ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

class HanseVerify : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* bin = std::getenv("HANSE_BIN_DIR");
    program_ = text("{}/hanse-verify", bin != nullptr ? bin : "build/bin");
    dir_ = testing::TempDir() + text("/hanse-verify-{}", static_cast<std::int64_t>(getpid()));
    ASSERT_TRUE(real_fs().mkdir(dir_));
    ReceiptWorld w;
    w.settle_a_job();
    write("job.receipt", encode(w.bundle()));
    write("genesis.cbor", light::encode(w.genesis));
    write("other.cbor", light::encode(ReceiptWorld("othernet").genesis));
    write("output", w.output);
    write("wrong", as_bytes("another answer"));
    Bytes bad = encode(w.bundle());
    bad.resize(bad.size() / 2);
    write("half.receipt", bad);
    ReceiptWorld graded("testnet", {6'699, 1, 1'299, 1, 2'000});
    graded.settle_a_job();
    write("graded.cbor", light::encode(graded.genesis));
    const std::vector<std::uint16_t> signers[] = {{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}};
    const char* const names[] = {"6699.receipt", "6700.receipt", "7999.receipt", "8000.receipt"};
    for (std::size_t i = 0; i < 4; ++i) {
      ReceiptBundle bundle = graded.bundle();
      bundle.job_proof = light::encode(graded.prove(market::job_key(graded.order.job_id), signers[i]));
      write(names[i], encode(bundle));
    }
  }
  static void TearDownTestSuite() {
    for (const char* name : {"job.receipt", "genesis.cbor", "other.cbor", "output", "wrong", "half.receipt",
                             "graded.cbor", "6699.receipt", "6700.receipt", "7999.receipt", "8000.receipt"})
      (void)real_fs().unlink(text("{}/{}", dir_, name));
    std::remove(dir_.c_str());
  }
  static void write(std::string_view name, ByteView bytes) {
    ASSERT_TRUE(replace_file(real_fs(), text("{}/{}", dir_, name), bytes));
  }
  Ran verify(std::string_view arguments) { return run(text("cd {} && {} {} 2>&1", dir_, program_, arguments)); }

  static std::string program_, dir_;
};
std::string HanseVerify::program_, HanseVerify::dir_;

TEST_F(HanseVerify, prints_a_table_and_ok) {
  const Ran ran = verify("job.receipt --output output");
  EXPECT_EQ(ran.exit, 0) << ran.out;
  EXPECT_TRUE(ran.out.starts_with("signatures   ok")) << ran.out;
  EXPECT_TRUE(ran.out.ends_with("ok: paid\n")) << ran.out;
}

TEST_F(HanseVerify, exits_by_the_kind_of_answer) {
  EXPECT_EQ(verify("job.receipt --genesis other.cbor").exit, 1);
  EXPECT_EQ(verify("job.receipt --output wrong").exit, 1);
  EXPECT_EQ(verify("job.receipt --output output --output output").exit, 1);
  EXPECT_EQ(verify("").exit, 2);
  EXPECT_EQ(verify("job.receipt --unknown").exit, 2);
  EXPECT_EQ(verify("job.receipt --genesis").exit, 2);
  EXPECT_EQ(verify("job.receipt job.receipt").exit, 2);
  EXPECT_EQ(verify("none.receipt").exit, 2);
  EXPECT_EQ(verify("job.receipt --genesis none.cbor").exit, 2);
  EXPECT_EQ(verify("half.receipt").exit, 5);
  EXPECT_EQ(verify("job.receipt --genesis output").exit, 5);
  EXPECT_EQ(verify("--help").exit, 0);
}

TEST_F(HanseVerify, asks_for_the_weight_of_a_grade_to_the_basis_point) {
  const auto ask = [&](std::string_view bp, std::string_view grade) {
    return verify(text("{}.receipt --genesis graded.cbor {}", bp, grade));
  };
  const Ran light = ask("6699", "");
  EXPECT_EQ(light.exit, 1);
  EXPECT_NE(light.out.find("found signatures of 6699 bp"), std::string::npos) << light.out;
  EXPECT_NE(light.out.find("expected at least 6700"), std::string::npos) << light.out;
  EXPECT_EQ(ask("6699", "--grade fast").exit, 1);
  EXPECT_EQ(ask("6700", "").exit, 0);
  EXPECT_EQ(ask("6700", "--grade fast").exit, 0);
  const Ran heavy = ask("7999", "--grade economic");
  EXPECT_EQ(heavy.exit, 1);
  EXPECT_NE(heavy.out.find("found signatures of 7999 bp"), std::string::npos) << heavy.out;
  EXPECT_NE(heavy.out.find("expected at least 8000"), std::string::npos) << heavy.out;
  const Ran economic = ask("8000", "--grade economic");
  EXPECT_EQ(economic.exit, 0);
  EXPECT_NE(economic.out.find("finality economic"), std::string::npos) << economic.out;
  EXPECT_EQ(ask("8000", "--grade slow").exit, 2);
  EXPECT_EQ(ask("8000", "--grade").exit, 2);
}

TEST_F(HanseVerify, speaks_json) {
  const auto good = codec::parse_json(verify("job.receipt --json").out);
  ASSERT_TRUE(good);
  EXPECT_TRUE(*good->find("ok")->as_bool("ok"));
  EXPECT_EQ(*good->find("level")->as_text("level"), "paid");
  EXPECT_EQ(good->find("checks")->items().size(), 6u);
  for (const char* arguments : {"half.receipt --json", "--json", "job.receipt --json --genesis other.cbor"}) {
    const auto bad = codec::parse_json(verify(arguments).out);
    ASSERT_TRUE(bad) << arguments;
    const codec::Json* error = bad->find("error");
    ASSERT_NE(error, nullptr) << arguments;
    for (const char* field : {"id", "code", "message", "path"}) EXPECT_NE(error->find(field), nullptr) << field;
  }
}

// Checking a receipt needs nobody's node: neither store nor network nor engine is linked.
TEST_F(HanseVerify, is_linked_with_no_store_network_or_engine) {
  const Ran needed = run(text("readelf -d {}", program_));
  ASSERT_EQ(needed.exit, 0);
  ASSERT_NE(needed.out.find("(NEEDED)"), std::string::npos);
  const Ran all = run(text("ldd {}", program_));
  ASSERT_NE(all.out.find("libcrypto"), std::string::npos) << all.out;
  for (const char* library : {"rocksdb", "grpc", "protobuf", "wasmedge", "LLVM", "ngtcp2", "onnx"})
    EXPECT_EQ(all.out.find(library), std::string::npos) << library;
}

}  // namespace
}  // namespace hanse::receipt
