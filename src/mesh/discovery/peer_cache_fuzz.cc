// A cache file that somebody damaged: peers within the limit, each proved, or an error.
#include "base/core/check.h"
#include "mesh/discovery/peer_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const auto cache = discovery::decode_cache(ByteView(data, size), {.network = {}, .now_ms = 1'800'000'000'000});
  if (cache) check(cache->size() <= discovery::kCachedPeersMax, "peers are bounded");
  return 0;
}
