// Any artifact and input: run and verify agree, whatever the bytes. Limits keep each case small.
#include "base/core/check.h"
#include "exchange/tensor/tensor_kind.h"

namespace hanse::tensor {
namespace {

int one_input(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  static SeededRandom random(1);
  static const auto kind = make_tensor_kind(random);
  const ByteView input(data, size);
  const std::size_t cut = std::min<std::size_t>(size - 4, load_le<std::uint16_t>(data));
  runtime::RunRequest q;
  q.kind = data[2] % 2 == 0 ? kMatmulKind : kMlpKind;
  q.shape.batch = data[3];
  q.shape.level = 1;
  if (data[2] & 2) q.params[kParamTrace] = std::int64_t{1};
  q.artifact = to_bytes(input.subspan(4, cut));
  q.inputs = {to_bytes(input.subspan(4 + cut))};
  q.limits = {.gas = 100'000, .mem_pages = 64, .wall_ms = 1000, .out_bytes = 100'000};
  if (!kind->check(q)) return 0;
  runtime::RunControl control;
  const auto outcome = kind->run(q, control);
  check(outcome.has_value(), "run gives an outcome");
  check(outcome->gas <= q.limits.gas, "gas stays below the limit");
  check(kind->verify(q, *outcome).has_value(), "verify accepts what run gave");
  return 0;
}

}  // namespace
}  // namespace hanse::tensor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return hanse::tensor::one_input(data, size);
}
