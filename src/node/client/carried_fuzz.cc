// Questions come from anybody, answers from an exit that may lie: any bytes give a verdict.
#include "node/client/carried.h"

#include "node/client/test_client.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  client::TestClient node;
  (void)client::answer_carried(node, bytes);
  const auto near = client::make_carried([&](Bytes) -> Result<Bytes> { return to_bytes(bytes); });
  (void)near->info();
  (void)near->submit({});
  (void)near->has_blob({});
  (void)near->get_blob({});
  int pages = 0;
  (void)near->watch({}, "", [&](const auto&) { return ++pages < 10; }, [] { return false; });
  return 0;
}
