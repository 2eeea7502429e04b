#include "chain/light/light_proof.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/light/fields.h"

namespace hanse::light {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kKindState = 1, kKindTx = 2;
constexpr std::size_t kKeyMax = 128;
constexpr std::size_t kValueMax = 1u << 20;

Result<Grade> check_block(const BlockHeader& header, const Certificate& certificate, const Genesis& genesis) {
  const NetworkId network = network_id(genesis);
  if (header.network != network)
    return fail(Kind::kDenied, "light.network",
                text("found a proof for network {}, expected {}", header.network, network));
  if (header.epoch != 0)
    return fail(Kind::kUnsupported, "light.epoch",
                text("found epoch {}, expected 0: the proof holds no handover of the validator set", header.epoch));
  return verify_certificate(header, certificate, genesis.validators, genesis.params);
}

Status read_start(codec::CborReader& r, std::size_t fields, std::uint64_t kind, BlockHeader& header,
                  Certificate& certificate) {
  TRY_OK(r.enter_map("proof", fields));
  std::uint64_t found = 0;
  TRY_OK(read_u64(r, 0, "version", found));
  if (found != kVersion) return r.fail_here("codec.type", text("found version {}, expected {}", found, kVersion));
  TRY_OK(read_u64(r, 1, "kind", found));
  if (found != kind) return r.fail_here("codec.type", text("found a proof of kind {}, expected {}", found, kind));
  TRY_OK(expect_key(r, 2));
  TRY(header, read_header(r));
  TRY_OK(expect_key(r, 3));
  TRY(certificate, read_certificate(r));
  return {};
}

void write_start(codec::CborWriter& w, std::size_t fields, std::uint64_t kind, const BlockHeader& header,
                 const Certificate& certificate) {
  w.map(fields);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.u64(kind);
  w.key(2);
  write(w, header);
  w.key(3);
  write(w, certificate);
}

}  // namespace

Bytes encode(const LightProof& proof) {
  codec::CborWriter w;
  write_start(w, 8, kKindState, proof.header, proof.certificate);
  w.key(4);
  w.bytes(proof.key);
  w.key(5);
  w.array(proof.value ? 1 : 0);
  if (proof.value) w.bytes(*proof.value);
  w.key(6);
  w.array(proof.path.other ? 2 : 0);
  if (proof.path.other) {
    w.bytes(proof.path.other->key_hash.view());
    w.bytes(proof.path.other->value_hash.view());
  }
  write_hashes(w, 7, proof.path.siblings);
  return w.take();
}

Result<LightProof> decode_light_proof(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kLightProofBytesMax, .depth_max = 4});
  LightProof proof;
  TRY_OK(read_start(r, 8, kKindState, proof.header, proof.certificate));
  TRY_OK(expect_key(r, 4));
  TRY(const ByteView key, r.bytes("key", kKeyMax));
  proof.key = to_bytes(key);
  TRY_OK(expect_key(r, 5));
  TRY_OK(r.enter_array("value", 1));
  if (r.more()) {
    TRY(const ByteView value, r.bytes("value", kValueMax));
    proof.value = to_bytes(value);
  }
  TRY_OK(r.leave());
  TRY_OK(expect_key(r, 6));
  TRY_OK(r.enter_array("other", 2));
  if (r.more()) {
    SparseProof::Leaf other;
    TRY_OK(r.fixed("key_hash", other.key_hash));
    TRY_OK(r.fixed("value_hash", other.value_hash));
    proof.path.other = other;
  }
  TRY_OK(r.leave());
  TRY(proof.path.siblings, read_hashes(r, 7, "siblings", kSparseDepthMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return proof;
}

Result<Shown> verify(const LightProof& proof, const Genesis& genesis) {
  // The cheap part first: signatures are only checked for a path that closes.
  TRY_OK(verify_sparse(proof.path, proof.key, proof.value, proof.header.state_root));
  TRY(const Grade grade, check_block(proof.header, proof.certificate, genesis));
  return Shown{.value = proof.value, .grade = grade, .height = proof.header.height, .time_ms = proof.header.time_ms};
}

Hash32 result_hash(ByteView encoded_result) { return crypto::blake3("hanse/tx-result/1", {encoded_result}); }

Bytes encode(const TxProof& proof) {
  codec::CborWriter w;
  write_start(w, 10, kKindTx, proof.header, proof.certificate);
  w.key(4);
  w.bytes(proof.tx_id.view());
  w.key(5);
  w.bytes(proof.result);
  w.key(6);
  w.u64(proof.place.index);
  w.key(7);
  w.u64(proof.place.count);
  write_hashes(w, 8, proof.tx_path);
  write_hashes(w, 9, proof.receipt_path);
  return w.take();
}

Result<TxProof> decode_tx_proof(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kLightProofBytesMax, .depth_max = 4});
  TxProof proof;
  TRY_OK(read_start(r, 10, kKindTx, proof.header, proof.certificate));
  TRY_OK(read_fixed(r, 4, "tx_id", proof.tx_id));
  TRY_OK(expect_key(r, 5));
  TRY(const ByteView result, r.bytes("result", kValueMax));
  proof.result = to_bytes(result);
  TRY_OK(read_u64(r, 6, "index", proof.place.index));
  TRY_OK(read_u64(r, 7, "count", proof.place.count));
  TRY(proof.tx_path, read_hashes(r, 8, "tx_path", kListPathMax));
  TRY(proof.receipt_path, read_hashes(r, 9, "receipt_path", kListPathMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return proof;
}

Result<Grade> verify(const TxProof& proof, const Genesis& genesis) {
  TRY_OK(verify_list(proof.tx_id, proof.place, proof.tx_path, proof.header.tx_root));
  TRY_OK(verify_list(result_hash(proof.result), proof.place, proof.receipt_path, proof.header.receipt_root));
  return check_block(proof.header, proof.certificate, genesis);
}

}  // namespace hanse::light
