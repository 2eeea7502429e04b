// Answers of an object store: any bytes are read or refused, within the limits.
#include "base/core/check.h"
#include "store/archive/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t bytes = 0;
  const auto count = [&](std::string_view path, std::string_view text) -> hanse::Status {
    hanse::check(!path.empty(), "every element has a name");
    bytes += text.size();
    return {};
  };
  (void)hanse::archive::read_xml({reinterpret_cast<const char*>(data), size}, count);
  hanse::check(bytes <= size, "nothing expands");
  return 0;
}
