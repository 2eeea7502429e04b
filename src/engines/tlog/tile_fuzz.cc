// Entry bundles and paths of resources: what parses has one form.
#include "base/core/check.h"
#include "engines/tlog/tile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace tlog = hanse::tlog;
  if (size == 0) return 0;
  const hanse::ByteView in = hanse::ByteView(data, size).subspan(1);
  if (const auto entries = tlog::parse_bundle(in, data[0])) {
    hanse::Bytes again;
    for (const hanse::ByteView entry : *entries) tlog::append_entry(again, entry);
    hanse::check(hanse::equal(again, in) && entries->size() == data[0], "a bundle has one form");
  }
  if (const auto resource = tlog::parse_resource(hanse::as_text(in)))
    hanse::check(tlog::resource_path(*resource) == hanse::as_text(in), "a path has one form");
  return 0;
}
