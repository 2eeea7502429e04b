// Any bytes as a state of work in steps: refused, or they encode to themselves.
#include "base/core/check.h"
#include "exchange/wasm/step_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView in(data, size);
  const auto state = hanse::wasm::decode_state(in);
  if (state) hanse::check(hanse::equal(hanse::wasm::encode_state(*state), in), "what decodes has one encoding");
  return 0;
}
