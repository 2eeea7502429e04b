#include "exchange/receipt/bundle.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/light/light_proof.h"
#include "exchange/receipt/receipt.h"

namespace hanse::receipt {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kGxfBytesMax = 64 * 1024;

Result<ReceiptBundle> decode_fields(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kBundleBytesMax, .depth_max = 2});
  ReceiptBundle out;
  TRY_OK(r.enter_map("bundle", 4));
  for (std::uint64_t expected = 0; expected < 4; ++expected) {
    TRY(const std::uint64_t key, r.key());
    if (key != expected) return r.fail_here("receipt.bundle", text("found key {}, expected {}", key, expected));
    switch (key) {
      case 0: {
        TRY(const std::uint64_t version, r.u64("version", 255));
        if (version != kVersion)
          return r.fail_here("receipt.bundle", text("found version {}, expected {}", version, kVersion));
        break;
      }
      case 1: {
        TRY(const ByteView v, r.bytes("signed_receipt", kSignedReceiptBytesMax));
        out.signed_receipt = to_bytes(v);
        break;
      }
      case 2: {
        TRY(const ByteView v, r.bytes("gxf", kGxfBytesMax));
        out.gxf = to_bytes(v);
        break;
      }
      default: {
        TRY(const ByteView v, r.bytes("job_proof", light::kLightProofBytesMax));
        out.job_proof = to_bytes(v);
      }
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace

Bytes encode(const ReceiptBundle& bundle) {
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.bytes(bundle.signed_receipt);
  w.key(2);
  w.bytes(bundle.gxf);
  w.key(3);
  w.bytes(bundle.job_proof);
  return w.take();
}

Result<ReceiptBundle> decode_bundle(ByteView bytes) {
  auto bundle = decode_fields(bytes);
  if (bundle) return bundle;
  return fail(Kind::kCorrupt, "receipt.bundle", text("this is no receipt file: {}", bundle.error().str()));
}

}  // namespace hanse::receipt
