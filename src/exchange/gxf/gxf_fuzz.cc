// A job whose fields decode re-encodes to the same bytes, whatever the rules then say of it; with its right id it
// decodes; rules, DAG and signature checks end for any job, each refusal with a code of the catalogue.
#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/codec/cbor.h"
#include "base/core/check.h"

using hanse::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView in(data, size);
  auto job = hanse::gxf::detail::decode_fields(in);
  if (!job) {
    check(job.error().code() != 0 && job.error().id().starts_with("gxf."), "a refusal is in the catalogue");
    return 0;
  }
  check(hanse::equal(hanse::gxf::encode(*job), in), "what decodes re-encodes to itself");
  check(hanse::codec::check_canonical(in).has_value(), "what decodes is canonical");
  job->job_id = hanse::gxf::derive_job_id(*job);
  const hanse::Bytes named = hanse::gxf::encode(*job);
  const auto again = hanse::gxf::decode(named);
  check(again.has_value() && *again == *job, "a job with its own id decodes to itself");
  const auto admitted = hanse::gxf::validate(named, job->not_before, {.network = job->network});
  if (!admitted) check(admitted.error().code() != 0, "a refusal has a code");
  return 0;
}
