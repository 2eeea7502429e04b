// Foreign bytes as the file of a sealed job: refused, or they re-encode to themselves.
#include "base/core/check.h"
#include "cli/trade/sealed_job.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView in(data, size);
  const auto sealed = hanse::trade::decode_sealed_job(in);
  if (sealed) hanse::check(hanse::equal(hanse::trade::encode_sealed_job(*sealed), in), "what decodes has one encoding");
  return 0;
}
