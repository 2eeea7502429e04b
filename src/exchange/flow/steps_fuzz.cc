// Any bytes as a witness: refused, or they encode to themselves and are checked without a crash.
#include "base/core/check.h"
#include "exchange/flow/steps.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView in(data, size);
  const auto witness = hanse::flow::decode_witness(in);
  if (witness) {
    hanse::check(hanse::equal(hanse::flow::encode_witness(*witness), in), "what decodes has one encoding");
    static_cast<void>(hanse::flow::check_witness(*witness, {.count = 3, .root = {}, .list = {}}).has_value());
  }
  const auto claimed = hanse::market::StepsRef{.count = static_cast<std::uint32_t>(size / 32), .root = {}, .list = {}};
  static_cast<void>(hanse::flow::decode_step_list(in, claimed).has_value());
  return 0;
}
