// One JSON line a figure: what admitting a signed job costs beside the signature check it cannot do without.
#include "exchange/gxf/bad_jobs.h"
#include "exchange/gxf/gxf.h"

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/crypto/hash.h"

#include <algorithm>
#include <cstdio>
#include <functional>

namespace {

using namespace hanse;

double per_second(int times, const std::function<void()>& work) {
  double best = 0;
  for (int round = 0; round < 7; ++round) {
    const auto start = system_clock().mono_ns();
    for (int i = 0; i < times; ++i) work();
    best = std::max(best, times * 1e9 / static_cast<double>(system_clock().mono_ns() - start));
  }
  return best;
}

void print(const char* name, double value, double floor, const char* floor_what) {
  std::printf(
      "{\"room\":\"gxf\",\"name\":\"%s\",\"value\":%.0f,\"unit\":\"jobs/s\",\"floor\":%.0f,\"floor_what\":\"%s\","
      "\"ratio\":%.4f}\n",
      name, value, floor, floor_what, value / floor);
}

}  // namespace

int main() {
  SeededRandom random(1, "gxf_bench");
  const auto payer = crypto::Identity::generate(random);
  const NetworkId network{};
  const gxf::Job job = gxf::good_job(payer, network, Height{1});
  const Bytes bytes = gxf::encode(job);
  const gxf::Params params{.network = network};

  const double hash = per_second(20'000, [&] { (void)crypto::blake3("hanse/gxf/4", {bytes}); });
  const double decode = per_second(20'000, [&] { check(gxf::decode(bytes).has_value(), "it decodes"); });
  const double encode = per_second(20'000, [&] { check(gxf::encode(job).size() == bytes.size(), "it encodes"); });
  // Jobs the process has not seen, one payer; then one job that it has.
  std::vector<Bytes> fresh;
  gxf::Job each = job;
  for (int i = 0; i < 7 * 200; ++i) {
    ++each.nonce;
    check(gxf::sign(each, payer, gxf::JobSigAlg::kMlDsa65).has_value(), "it signs");
    fresh.push_back(gxf::encode(each));
  }
  std::size_t next = 0;
  const double first =
      per_second(200, [&] { check(gxf::validate(fresh.at(next++), Height{1}, params).has_value(), "valid"); });
  const double again = per_second(1'000, [&] { check(gxf::validate(bytes, Height{1}, params).has_value(), "valid"); });
  const Bytes message(32);
  const Bytes signature = payer.mldsa().sign("hanse/gxf/4", message);
  const auto& key = payer.mldsa().public_key();
  const double verify = per_second(
      1'000, [&] { check(crypto::verify(key, "hanse/gxf/4", message, signature).has_value(), "it verifies"); });
  std::fprintf(stderr, "jobs of %zu bytes\n", bytes.size());
  print("decode with job id", decode, hash, "BLAKE3 over the same bytes");
  print("encode", encode, hash, "BLAKE3 over the same bytes");
  print("validate a new job of a known payer", first, verify, "one ML-DSA-65 verification, key decoded each time");
  print("validate a job again", again, verify, "one ML-DSA-65 verification, key decoded each time");
  return 0;
}
