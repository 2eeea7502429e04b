// Proofs that need no trust in whoever hands them over, only the genesis: that a state key had a value, or had none, at
// a certified height (LightProof); that a transaction was executed with a result (TxProof).
// A validator set other than that of genesis (epoch > 0) is refused until a proof carries the handover.
// Layouts: proto/records/light_proof.md. A decoded proof re-encodes to itself. Pure; any thread.
// Errors: light.network (denied), light.epoch (unsupported), light.sparse, light.list, light.cert_*, and the codec's.
#pragma once

#include "chain/light/block.h"
#include "chain/light/list_tree.h"
#include "chain/light/sparse.h"

namespace hanse::light {

constexpr std::size_t kLightProofBytesMax = 2u << 20;

struct LightProof {
  BlockHeader header;
  Certificate certificate;
  Bytes key;
  std::optional<Bytes> value;  // nothing: the proof shows absence
  SparseProof path;
};
Bytes encode(const LightProof& proof);
Result<LightProof> decode_light_proof(ByteView bytes);

struct Shown {
  std::optional<Bytes> value;
  Grade grade = Grade::kFast;
  Height height;
  std::int64_t time_ms = 0;
};
Result<Shown> verify(const LightProof& proof, const Genesis& genesis);

struct TxProof {
  BlockHeader header;
  Certificate certificate;
  Hash32 tx_id;
  Bytes result;  // encoded TxResult (proto/records/tx.md)
  ListPlace place;
  std::vector<Hash32> tx_path, receipt_path;
};
Bytes encode(const TxProof& proof);
Result<TxProof> decode_tx_proof(ByteView bytes);
Result<Grade> verify(const TxProof& proof, const Genesis& genesis);

Hash32 result_hash(ByteView encoded_result);  // BLAKE3("hanse/tx-result/1", bytes)

}  // namespace hanse::light
