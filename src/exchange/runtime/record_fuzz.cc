#include <cstdlib>

#include "exchange/runtime/call.h"
#include "exchange/runtime/detail/wire.h"
#include "exchange/runtime/job_kind.h"
#include "exchange/runtime/kind_plugin.h"

// What decodes encodes to the very bytes it came from.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::runtime;
  if (size == 0) return 0;
  const hanse::ByteView bytes(data + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      if (const auto request = decode_request(bytes))
        if (!hanse::equal(encode_request(*request), bytes)) std::abort();
      break;
    case 1:
      if (const auto outcome = decode_outcome(bytes))
        if (!hanse::equal(encode_outcome(*outcome), bytes)) std::abort();
      break;
    case 2:
      if (const auto call = decode_call(bytes))
        if (!hanse::equal(encode_call(*call), bytes)) std::abort();
      break;
    case 3:
      if (const auto order = decode_order(bytes))
        if (order->call.size() > bytes.size()) std::abort();
      break;
    default: (void)parse_kind_config(hanse::as_text(bytes));
  }
  return 0;
}
