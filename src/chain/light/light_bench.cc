// What a proof costs its verifier: 4 and 31 validators, a tree of a million keys. The floor is the bare checks of the
// same signatures in the same run, alternating.
#include <algorithm>
#include <cstdio>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "chain/light/light_net_test.h"

namespace hanse::light {
namespace {

constexpr int kRuns = 200;

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void measure(std::size_t validators) {
  const Net net(equal_powers(validators));
  const LightProof proof = deep_proof(net, 20);
  const Bytes bytes = encode(proof);
  const Trusted start = trust(net.genesis);
  const Bytes message = attest_message(proof.block.header);
  std::vector<double> bare_us, verify_us;
  Clock& clock = system_clock();
  for (int n = 0; n < kRuns; ++n) {
    std::int64_t at = clock.mono_ns();
    for (const Attest& a : proof.block.certificate.attests)
      check(crypto::verify(net.genesis.validators.validators[a.validator].key, "hanse/attest/2", message, a.signature)
                .has_value(),
            "signature holds");
    bare_us.push_back(static_cast<double>(clock.mono_ns() - at) / 1000);
    at = clock.mono_ns();
    const auto decoded = decode_light_proof(bytes);
    check(decoded && verify(*decoded, start, {}).has_value(), "proof holds");
    verify_us.push_back(static_cast<double>(clock.mono_ns() - at) / 1000);
  }
  const double bare = median(bare_us), whole = median(verify_us);
  std::printf(
      "{\"room\":\"light\",\"name\":\"verify_proof_%zu\",\"value\":%.1f,\"unit\":\"us\",\"floor\":%.1f,\"floor_what\":"
      "\"its %zu signatures alone\",\"ratio\":%.3f}\n",
      validators, whole, bare, proof.block.certificate.attests.size(), whole / bare);
  std::printf(
      "{\"room\":\"light\",\"name\":\"proof_size_%zu\",\"value\":%zu,\"unit\":\"bytes\",\"floor\":%zu,"
      "\"floor_what\":\"its signatures alone\",\"ratio\":%.3f}\n",
      validators, bytes.size(), proof.block.certificate.attests.size() * 3309,
      static_cast<double>(bytes.size()) / static_cast<double>(proof.block.certificate.attests.size() * 3309));
}

}  // namespace
}  // namespace hanse::light

int main() {
  for (const std::size_t validators : {4u, 31u}) hanse::light::measure(validators);
  return 0;
}
