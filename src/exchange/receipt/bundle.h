// ReceiptBundle: a receipt that proves itself to whoever has the genesis file, without a node: the signed receipt, the
// job it is for, and a LightProof that the ledger's record of the job says the same. File suffix ".receipt".
// Layout {0: 1, 1: signed receipt, 2: GXF, 3: light proof}; proto/records/receipt.md. At most kBundleBytesMax.
// One proof suffices: the job's record names provider (hash of its ML-DSA key), Ed25519 key and receipt (hash of all
// its bytes). Pure. Errors: receipt.bundle (corrupt), the codec's.
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::receipt {

constexpr std::size_t kBundleBytesMax = 4u << 20;
constexpr std::string_view kBundleSuffix = ".receipt";

struct ReceiptBundle {
  Bytes signed_receipt;
  Bytes gxf;
  Bytes job_proof;
};
Bytes encode(const ReceiptBundle& bundle);
Result<ReceiptBundle> decode_bundle(ByteView bytes);

}  // namespace hanse::receipt
