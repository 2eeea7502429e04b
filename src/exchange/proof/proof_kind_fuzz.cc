// Any commitment, model and input: run gives an outcome within its limits, and verify accepts it, with the model or
// without as far as that can decide. Limits keep each case small.
#include "base/core/check.h"
#include "exchange/proof/proof_kind.h"

namespace hanse::proof {
namespace {

int one_input(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  static const auto kind = make_proof_kind();
  const ByteView input(data + 6, size - 6);
  const std::size_t first = std::min<std::size_t>(input.size(), load_le<std::uint16_t>(data));
  const std::size_t second = std::min<std::size_t>(input.size() - first, load_le<std::uint16_t>(data + 2));
  runtime::RunRequest q;
  q.kind = kMlpProofKind;
  q.shape.batch = data[4];
  q.shape.level = data[5] & 1;
  q.artifact = to_bytes(input.first(first));
  q.params[kParamCommitment] = to_bytes(input.subspan(first, second));
  q.inputs = {to_bytes(input.subspan(first + second))};
  if ((data[5] & 2) != 0)  // what belongs to the model, so that more than refusals is met
    if (const auto model = tensor::decode_model(q.artifact); model && q.artifact.size() < 1000)
      if (const auto prover = MlpProver::commit(*model)) q.params[kParamCommitment] = encode(prover->commitment());
  q.limits = {.gas = 20'000'000, .mem_pages = 128, .wall_ms = 1000, .out_bytes = 4'000'000};
  runtime::RunControl control;
  const auto outcome = kind->run(q, control);
  check(outcome.has_value(), "run gives an outcome");
  check(outcome->gas <= q.limits.gas, "gas stays below the limit");
  check(kind->verify(q, *outcome).has_value(), "verify accepts what run gave");
  q.artifact.clear();
  const Status lean = kind->verify(q, *outcome);
  check(lean || lean.error().id() == "proof.unverifiable", "verify needs no model");
  return 0;
}

}  // namespace
}  // namespace hanse::proof

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return hanse::proof::one_input(data, size);
}
