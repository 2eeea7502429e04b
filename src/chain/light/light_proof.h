// Proofs that need no trust in whoever hands them over, only the genesis or a later set the verifier trusts already:
// that a state key had a value, or had none, at a certified height (LightProof); that a transaction was executed with a
// result (TxProof). Both show a block header and why it is believed: a certificate over it, or over a later header
// whose history holds it, and a handover for each change of the validator set on the way. The verifier demands a grade
// of every certificate and walks the handovers in order. It refuses another network, a set it was not led to, epochs
// and heights that do not ascend, a handover that changes nothing, and a starting point older than its trusting period:
// signers who left long ago risk nothing by signing another history. Layouts: proto/records/light_proof.md. A decoded
// proof re-encodes to itself. Pure; any thread. Errors: light.network (denied), light.epoch (denied: found, expected),
// light.handover (denied), light.trust_expired (denied), light.valset (denied), light.sparse, light.list, light.cert_*,
// and the codec's.
#pragma once

#include <variant>

#include "chain/light/block.h"
#include "chain/light/history.h"
#include "chain/light/sparse.h"

namespace hanse::light {

constexpr std::size_t kLightProofBytesMax = 16u << 20;
constexpr std::size_t kHandoversMax = 64;
constexpr std::size_t kHistoryPathMax = 64;

// The last header of an epoch, certified by the set before, and the set it hands over to.
struct Handover {
  BlockHeader header;
  Certificate certificate;
  ValidatorSet next;
};
// A later header, whose history holds the one that is shown.
struct HistoryLink {
  BlockHeader certified;
  std::vector<Hash32> path;  // siblings from the leaf up
};
struct CertifiedHeader {
  BlockHeader header;  // the one that is shown
  std::optional<HistoryLink> link;
  Certificate certificate;  // over link->certified, or over header when there is no link
  std::vector<Handover> handovers;

  const BlockHeader& certified() const { return link ? link->certified : header; }
};

// What a verifier starts from.
struct Trusted {
  NetworkId network;
  Params params;
  std::uint64_t epoch = 0;
  ValidatorSet set;
  std::int64_t time_ms = 0;  // when the set was last known to be in force
};
Trusted trust(const Genesis& genesis);

struct Demand {
  Grade grade = Grade::kFast;  // of every certificate
  // Nothing: any age. Otherwise the starting point may be this much older than now.
  struct Age {
    std::int64_t now_ms = 0;
    std::int64_t trusting_ms = 0;
  };
  std::optional<Age> age = {};
};

struct Believed {
  Grade grade = Grade::kFast;  // that the certificate reaches
  std::uint32_t power_bp = 0;
  std::size_t signers = 0;
  Height height;  // of the header that is shown
  std::int64_t time_ms = 0;
  Trusted trusted;  // the set that signed, to start from next time
};
Result<Believed> verify(const CertifiedHeader& block, const Trusted& from, const Demand& demand);

struct LightProof {
  CertifiedHeader block;
  Bytes key;
  std::optional<Bytes> value;  // nothing: the proof shows absence
  SparseProof path;
};
Bytes encode(const LightProof& proof);
Result<LightProof> decode_light_proof(ByteView bytes);
Result<Believed> verify(const LightProof& proof, const Trusted& from, const Demand& demand);

struct TxProof {
  CertifiedHeader block;
  Hash32 tx_id;
  Bytes result;  // encoded TxResult (proto/records/tx.md)
  ListPlace place;
  std::vector<Hash32> tx_path, receipt_path;
};
Bytes encode(const TxProof& proof);
Result<TxProof> decode_tx_proof(ByteView bytes);
Result<Believed> verify(const TxProof& proof, const Trusted& from, const Demand& demand);

Result<std::variant<LightProof, TxProof>> decode_proof(ByteView bytes);  // of either kind

Hash32 result_hash(ByteView encoded_result);  // BLAKE3("hanse/tx-result/1", bytes)

}  // namespace hanse::light
