// Foreign bytes as a payload, as revealed blobs and as an output: refused with one of this room's errors, or, when they
// are what was sealed, opened to it. The first byte says which job they are for.
#include "exchange/payload/payload.h"

#include "base/core/check.h"
#include "base/crypto/hash.h"

namespace p = hanse::payload;
using hanse::Bytes;
using hanse::ByteView;
using hanse::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const hanse::crypto::KemSecretKey key = p::provider_key({});
  static const p::JobSecret secret = p::job_secret({}, {}, 1);
  if (size == 0) return 0;
  const ByteView in(data + 1, size - 1);
  const std::size_t inputs = data[0] % 4, each = data[0] / 4;
  hanse::gxf::Job job;
  std::vector<Bytes> plain(inputs, Bytes(each, 1)), blobs;
  for (std::uint32_t i = 0; i < inputs; ++i) {
    blobs.push_back(p::input_blob(secret, i, plain[i]));
    job.inputs.push_back({.id = hanse::crypto::blob_id(blobs.back()), .size_bytes = blobs.back().size()});
  }
  const auto opened = p::open(job, in, {}, key);
  if (opened)
    check(hanse::equal(*p::seal(job, secret, plain, {}, key.public_key()), in), "only what was sealed opens");
  else
    check(opened.error().id().starts_with("payload."), "a refusal is of this room");
  std::vector<Bytes> given(inputs, hanse::to_bytes(in));
  const auto revealed = p::open_blobs(job, given);
  check(!revealed || given == blobs, "only the job's blobs are taken");
  const auto output = p::open_output(secret, {}, 0, in);
  if (output) check(hanse::equal(p::seal_output(secret, {}, 0, *output), in), "only what was sealed opens");
  return 0;
}
