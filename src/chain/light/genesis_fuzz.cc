// Genesis files from strangers: what decodes is valid and re-encodes to itself.
#include "base/core/check.h"
#include "chain/light/block.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView input{data, size};
  if (const auto genesis = hanse::light::decode_genesis(input)) {
    hanse::check(hanse::equal(hanse::light::encode(*genesis), input), "a decoded genesis encodes to itself");
    hanse::check(hanse::light::validate(*genesis).has_value(), "a decoded genesis is valid");
  }
  if (const auto header = hanse::light::decode_header(input))
    hanse::check(hanse::equal(hanse::light::encode(*header), input), "a decoded header encodes to itself");
  if (const auto certificate = hanse::light::decode_certificate(input))
    hanse::check(hanse::equal(hanse::light::encode(*certificate), input), "a decoded certificate encodes to itself");
  return 0;
}
