// Manifests and segments from strangers: what decodes encodes to itself (a segment after decompression), within limits.
#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "chain/backup/record.h"

namespace {

// The seal is put on here, or no input would ever get past it.
hanse::Bytes sealed(std::string_view kind, hanse::ByteView payload) {
  hanse::codec::CborWriter w;
  w.map(3);
  w.key(0);
  w.text(kind);
  w.key(1);
  w.bytes(payload);
  w.key(2);
  w.bytes(hanse::crypto::blake3("hanse/backup/1", {payload}).view());
  return w.take();
}

void manifest(hanse::ByteView bytes) {
  if (const auto got = hanse::backup::decode_manifest(bytes))
    hanse::check(hanse::equal(hanse::backup::encode(*got), bytes), "a decoded manifest encodes to itself");
}

void segment(hanse::ByteView bytes) {
  const auto got = hanse::backup::decode_segment(bytes);
  if (!got) return;
  const hanse::Bytes again = hanse::backup::encode(*got);
  const auto twice = hanse::backup::decode_segment(again);
  hanse::check(twice && hanse::equal(hanse::backup::encode(*twice), again), "a decoded segment encodes to itself");
  for (const auto& block : got->blocks) (void)hanse::backup::cut_of(block);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView input{data, size};
  manifest(input);
  manifest(sealed("hanse-backup-manifest", input));
  segment(input);
  segment(sealed("hanse-backup-segment", input));
  segment(sealed("hanse-backup-segment", hanse::archive::compress(input)));
  return 0;
}
