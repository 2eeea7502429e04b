#include <cstdlib>

#include "base/core/bytes.h"
#include "base/plugin/error_wire.h"
#include "base/plugin/manifest.h"

// A manifest that is read keeps its promises; an error that decodes encodes to something that decodes to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::plugin;
  const hanse::ByteView bytes(data, size);
  if (const auto manifest = parse_manifest(hanse::as_text(bytes))) {
    if (manifest->id.empty() || manifest->capabilities.size() > kCapabilitiesMax || manifest->needs.size() > kNeedsMax)
      std::abort();
    const auto version = parse_version(manifest->version.str());
    if (!version || *version != manifest->version) std::abort();
  }
  if (const auto error = decode_error(bytes))
    if (!hanse::equal(encode_error(*error), bytes)) std::abort();
  return 0;
}
