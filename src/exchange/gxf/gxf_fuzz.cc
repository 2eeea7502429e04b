// A job that decodes re-encodes to the same bytes, whatever the rules then say of it, and validate ends for any bytes.
#include "exchange/gxf/gxf.h"

#include "base/codec/cbor.h"
#include "base/core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView in(data, size);
  auto job = hanse::gxf::decode(in);
  if (job) {
    hanse::check(hanse::equal(hanse::gxf::encode(*job), in), "what decodes re-encodes to itself");
    hanse::check(hanse::codec::check_canonical(in).has_value(), "what decodes is canonical");
    const auto admitted = hanse::gxf::validate(in, job->not_before, {.network = job->network});
    if (!admitted) hanse::check(admitted.error().code() != 0, "a refusal has a code");
  } else {
    hanse::check(job.error().code() != 0 && job.error().id().starts_with("gxf."), "a refusal is in the catalogue");
  }
  return 0;
}
