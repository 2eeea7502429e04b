// Test program: writes one .gxf file for every rule of validate that a job can break, for the end-to-end tests to
// submit. usage: gxf_bad_jobs KEYFILE GENESIS HEIGHT NONCE OUT_DIR. Prints one line a file: FILE CODE PATH (PATH may be
// -). good-1.gxf and good-2.gxf are different valid jobs with the same nonce; fp8.gxf asks for fp8.
#include <cstdio>
#include <cstdlib>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "chain/light/genesis.h"
#include "exchange/gxf/bad_jobs.h"

namespace hanse::gxf {
namespace {

Status write_job(Job job, const crypto::Identity& payer, const std::string& path) {
  TRY_OK(sign(job, payer, JobSigAlg::kMlDsa65));
  return replace_file(real_fs(), path, encode(job));
}

Status run(char** argv) {
  TRY(const auto seeds, crypto::open_key_file(argv[1], {}, {.allow_unencrypted = true}));
  TRY(const auto payer, seeds.identity());
  TRY(const Bytes genesis, read_file(real_fs(), argv[2], light::kGenesisBytesMax));
  const NetworkId network = light::network_id(genesis);
  const Height height{std::strtoull(argv[3], nullptr, 10)};
  const std::string folder = argv[5];
  TRY_OK(real_fs().mkdir(folder));
  int number = 0;
  for (const BadJob& bad : bad_jobs(payer, network, height)) {
    const std::string path = text("{}/bad-{}.gxf", folder, number++);
    TRY_OK(replace_file(real_fs(), path, bad.bytes));
    const std::string line =
        text("{} {} {}\n", path, static_cast<unsigned>(bad.code), bad.path.empty() ? "-" : bad.path);
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
  Job good = good_job(payer, network, height);
  good.nonce = std::strtoull(argv[4], nullptr, 10);
  good.lane = Lane::kFlash;
  TRY_OK(write_job(good, payer, folder + "/good-1.gxf"));
  good.priority = 130;
  TRY_OK(write_job(good, payer, folder + "/good-2.gxf"));
  good.nonce += 1;
  for (Node& node : good.nodes) node.precision = Precision::kFp8;
  return write_job(good, payer, folder + "/fp8.gxf");
}

}  // namespace
}  // namespace hanse::gxf

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const hanse::Status done = hanse::gxf::run(argv);
  if (done) return 0;
  std::fprintf(stderr, "gxf_bad_jobs: %s\n", done.error().str().c_str());
  return hanse::exit_code(done.error().kind());
}
