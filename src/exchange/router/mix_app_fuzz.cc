// Directories come from a node that may lie, publications from anybody: any bytes give a verdict.
#include "exchange/router/mix_app.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  (void)router::decode_directory(bytes);
  static const auto app = router::make_mix_app();
  ledger::MemState state;
  (void)app->genesis(bytes, {}, state);
  (void)app->check({router::kMixApp, to_bytes(bytes)}, {}, state);
  return 0;
}
