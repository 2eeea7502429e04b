#include "chain/light/light_proof.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/light/fields.h"

namespace hanse::light {
namespace {

constexpr std::uint64_t kVersion = 2;
constexpr std::uint64_t kKindState = 1, kKindTx = 2;
constexpr std::size_t kKeyMax = 128;
constexpr std::size_t kValueMax = 1u << 20;
constexpr codec::CborLimits kLimits{.size_max = kLightProofBytesMax, .depth_max = 6};

Status read_block(codec::CborReader& r, CertifiedHeader& out) {
  TRY_OK(expect_key(r, 2));
  TRY(out.header, read_header(r));
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.enter_array("link", 2));
  if (r.more()) {
    HistoryLink& link = out.link.emplace();
    TRY(link.certified, read_header(r));
    TRY(link.path, read_hashes(r, "path", kHistoryPathMax));
  }
  TRY_OK(r.leave());
  TRY_OK(expect_key(r, 4));
  TRY(out.certificate, read_certificate(r));
  TRY_OK(expect_key(r, 5));
  TRY_OK(r.enter_array("handovers", kHandoversMax));
  while (r.more()) {
    Handover& handover = out.handovers.emplace_back();
    TRY_OK(r.enter_array("handover", 3));
    TRY(handover.header, read_header(r));
    TRY(handover.certificate, read_certificate(r));
    TRY(handover.next, read_set(r));
    TRY_OK(r.leave());
  }
  return r.leave();
}

Status read_start(codec::CborReader& r, std::size_t fields, std::uint64_t kind, CertifiedHeader& block) {
  TRY_OK(r.enter_map("proof", fields));
  std::uint64_t found = 0;
  TRY_OK(read_u64(r, 0, "version", found));
  if (found != kVersion) return r.fail_here("codec.type", text("found version {}, expected {}", found, kVersion));
  TRY_OK(read_u64(r, 1, "kind", found));
  if (found != kind) return r.fail_here("codec.type", text("found a proof of kind {}, expected {}", found, kind));
  return read_block(r, block);
}

void write_start(codec::CborWriter& w, std::size_t fields, std::uint64_t kind, const CertifiedHeader& block) {
  w.map(fields);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.u64(kind);
  w.key(2);
  write(w, block.header);
  w.key(3);
  w.array(block.link ? 2 : 0);
  if (block.link) {
    write(w, block.link->certified);
    write_hashes(w, block.link->path);
  }
  w.key(4);
  write(w, block.certificate);
  w.key(5);
  w.array(block.handovers.size());
  for (const Handover& handover : block.handovers) {
    w.array(3);
    write(w, handover.header);
    write(w, handover.certificate);
    write(w, handover.next);
  }
}

Status check_age(const Trusted& from, const Demand& demand) {
  if (!demand.age || demand.age->now_ms - from.time_ms <= demand.age->trusting_ms) return {};
  return fail(Kind::kDenied, "light.trust_expired",
              text("found a trusted set of {} ms before now, expected at most {}", demand.age->now_ms - from.time_ms,
                   demand.age->trusting_ms));
}

// Certified headers in the order they are met: one network, epochs and heights that ascend.
class Walk {
 public:
  Walk(const Trusted& from, const Demand& demand) : trusted_(from), needed_bp_(grade_bp(demand.grade, from.params)) {}

  Result<std::uint32_t> certified(const BlockHeader& header, const Certificate& certificate) {
    if (header.network != trusted_.network)
      return fail(Kind::kDenied, "light.network",
                  text("found a proof for network {}, expected {}", header.network, trusted_.network));
    if (header.epoch < trusted_.epoch)
      return fail(
          Kind::kDenied, "light.epoch",
          text("found epoch {} at height {}, expected {} or later", header.epoch, header.height.value, trusted_.epoch));
    if (handed_over_ && header.height <= *handed_over_)
      return fail(Kind::kDenied, "light.handover",
                  text("found height {} after the handover at {}", header.height.value, handed_over_->value));
    return verify_certificate(header, certificate, trusted_.set, needed_bp_);
  }

  Status hand_over(const Handover& handover) {
    const BlockHeader& h = handover.header;
    TRY_OK(certified(h, handover.certificate));
    if (h.next_valset_hash == h.valset_hash)
      return fail(Kind::kDenied, "light.handover",
                  text("found a handover at height {} that changes nothing", h.height.value));
    if (const Hash32 found = set_hash(handover.next); found != h.next_valset_hash)
      return fail(
          Kind::kDenied, "light.valset",
          text("found next validator set {} at height {}, expected {}", found, h.height.value, h.next_valset_hash));
    TRY_OK(with_context(validate(handover.next), text("the set after height {}", h.height.value)));
    handed_over_ = h.height;
    trusted_.epoch = h.epoch + 1;
    trusted_.set = handover.next;
    trusted_.time_ms = h.time_ms;
    return {};
  }

  Trusted& trusted() { return trusted_; }

 private:
  Trusted trusted_;
  std::uint32_t needed_bp_;
  std::optional<Height> handed_over_;
};

}  // namespace

Trusted trust(const Genesis& genesis) {
  return {.network = network_id(genesis),
          .params = genesis.params,
          .epoch = 0,
          .set = genesis.validators,
          .time_ms = genesis.time_ms};
}

Result<Believed> verify(const CertifiedHeader& block, const Trusted& from, const Demand& demand) {
  TRY_OK(check_age(from, demand));
  const BlockHeader& top = block.certified();
  // The cheap part first: signatures are only checked for a path that closes.
  if (block.link)
    TRY_OK(with_context(verify_list(header_hash(block.header), {block.header.height.value, top.height.value},
                                    block.link->path, top.history_root),
                        text("history of block {}", top.height.value)));
  Walk walk(from, demand);
  for (const Handover& handover : block.handovers) TRY_OK(walk.hand_over(handover));
  TRY(const std::uint32_t power, walk.certified(top, block.certificate));
  Trusted& trusted = walk.trusted();
  trusted.epoch = top.epoch;
  trusted.time_ms = top.time_ms;
  return Believed{.grade = grade_of(power, from.params).value_or(demand.grade),
                  .power_bp = power,
                  .signers = block.certificate.attests.size(),
                  .height = block.header.height,
                  .time_ms = block.header.time_ms,
                  .trusted = std::move(trusted)};
}

Bytes encode(const LightProof& proof) {
  codec::CborWriter w;
  write_start(w, 10, kKindState, proof.block);
  w.key(6);
  w.bytes(proof.key);
  w.key(7);
  w.array(proof.value ? 1 : 0);
  if (proof.value) w.bytes(*proof.value);
  w.key(8);
  w.array(proof.path.other ? 2 : 0);
  if (proof.path.other) {
    w.bytes(proof.path.other->key_hash.view());
    w.bytes(proof.path.other->value_hash.view());
  }
  write_hashes(w, 9, proof.path.siblings);
  return w.take();
}

Result<LightProof> decode_light_proof(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  LightProof proof;
  TRY_OK(read_start(r, 10, kKindState, proof.block));
  TRY_OK(expect_key(r, 6));
  TRY(const ByteView key, r.bytes("key", kKeyMax));
  proof.key = to_bytes(key);
  TRY_OK(expect_key(r, 7));
  TRY_OK(r.enter_array("value", 1));
  if (r.more()) {
    TRY(const ByteView value, r.bytes("value", kValueMax));
    proof.value = to_bytes(value);
  }
  TRY_OK(r.leave());
  TRY_OK(expect_key(r, 8));
  TRY_OK(r.enter_array("other", 2));
  if (r.more()) {
    SparseProof::Leaf other;
    TRY_OK(r.fixed("key_hash", other.key_hash));
    TRY_OK(r.fixed("value_hash", other.value_hash));
    proof.path.other = other;
  }
  TRY_OK(r.leave());
  TRY(proof.path.siblings, read_hashes(r, 9, "siblings", kSparseDepthMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return proof;
}

Result<Believed> verify(const LightProof& proof, const Trusted& from, const Demand& demand) {
  TRY_OK(verify_sparse(proof.path, proof.key, proof.value, proof.block.header.state_root));
  return verify(proof.block, from, demand);
}

Hash32 result_hash(ByteView encoded_result) { return crypto::blake3("hanse/tx-result/1", {encoded_result}); }

Bytes encode(const TxProof& proof) {
  codec::CborWriter w;
  write_start(w, 12, kKindTx, proof.block);
  w.key(6);
  w.bytes(proof.tx_id.view());
  w.key(7);
  w.bytes(proof.result);
  w.key(8);
  w.u64(proof.place.index);
  w.key(9);
  w.u64(proof.place.count);
  write_hashes(w, 10, proof.tx_path);
  write_hashes(w, 11, proof.receipt_path);
  return w.take();
}

Result<TxProof> decode_tx_proof(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  TxProof proof;
  TRY_OK(read_start(r, 12, kKindTx, proof.block));
  TRY_OK(read_fixed(r, 6, "tx_id", proof.tx_id));
  TRY_OK(expect_key(r, 7));
  TRY(const ByteView result, r.bytes("result", kValueMax));
  proof.result = to_bytes(result);
  TRY_OK(read_u64(r, 8, "index", proof.place.index));
  TRY_OK(read_u64(r, 9, "count", proof.place.count));
  TRY(proof.tx_path, read_hashes(r, 10, "tx_path", kListPathMax));
  TRY(proof.receipt_path, read_hashes(r, 11, "receipt_path", kListPathMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return proof;
}

Result<std::variant<LightProof, TxProof>> decode_proof(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  TRY_OK(r.enter_map("proof", 12));
  std::uint64_t version = 0, kind = 0;
  TRY_OK(read_u64(r, 0, "version", version));
  TRY_OK(read_u64(r, 1, "kind", kind));
  if (kind == kKindTx) {
    TRY(TxProof proof, decode_tx_proof(bytes));
    return proof;
  }
  TRY(LightProof proof, decode_light_proof(bytes));
  return proof;
}

Result<Believed> verify(const TxProof& proof, const Trusted& from, const Demand& demand) {
  const BlockHeader& header = proof.block.header;
  TRY_OK(verify_list(proof.tx_id, proof.place, proof.tx_path, header.tx_root));
  TRY_OK(verify_list(result_hash(proof.result), proof.place, proof.receipt_path, header.receipt_root));
  return verify(proof.block, from, demand);
}

}  // namespace hanse::light
