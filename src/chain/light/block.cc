#include "chain/light/block.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/checked.h"
#include "base/crypto/hash.h"
#include "chain/light/fields.h"

namespace hanse::light {
namespace {

constexpr std::string_view kAttestContext = "hanse/attest/2";
constexpr std::size_t kHeaderFields = 13;
constexpr std::size_t kSignatureMax = 4627;  // ML-DSA-87
constexpr std::size_t kCertificateBytesMax = kValidatorsMax * (kSignatureMax + 16);

// The same few keys sign every certificate: each is decoded once.
crypto::CheckedSignatures& attesters() {
  static crypto::CheckedSignatures keys;
  return keys;
}

}  // namespace

void write(codec::CborWriter& w, const BlockHeader& h) {
  w.map(kHeaderFields);
  w.key(0);
  w.bytes(h.network.view());
  w.key(1);
  w.u64(h.epoch);
  w.key(2);
  w.u64(h.height.value);
  w.key(3);
  w.bytes(h.parent.view());
  w.key(4);
  w.bytes(h.tx_root.view());
  w.key(5);
  w.bytes(h.receipt_root.view());
  w.key(6);
  w.bytes(h.state_root.view());
  w.key(7);
  w.i64(h.time_ms);
  w.key(8);
  w.bytes(h.leader.view());
  w.key(9);
  w.bytes(h.cut.view());
  w.key(10);
  w.bytes(h.history_root.view());
  w.key(11);
  w.bytes(h.valset_hash.view());
  w.key(12);
  w.bytes(h.next_valset_hash.view());
}

Result<BlockHeader> read_header(codec::CborReader& r) {
  BlockHeader h;
  TRY_OK(r.enter_map("header", kHeaderFields));
  TRY_OK(read_fixed(r, 0, "network", h.network));
  TRY_OK(read_u64(r, 1, "epoch", h.epoch));
  TRY_OK(read_u64(r, 2, "height", h.height.value));
  TRY_OK(read_fixed(r, 3, "parent", h.parent));
  TRY_OK(read_fixed(r, 4, "tx_root", h.tx_root));
  TRY_OK(read_fixed(r, 5, "receipt_root", h.receipt_root));
  TRY_OK(read_fixed(r, 6, "state_root", h.state_root));
  TRY_OK(expect_key(r, 7));
  TRY(h.time_ms, r.i64("time_ms"));
  TRY_OK(read_fixed(r, 8, "leader", h.leader));
  TRY_OK(read_fixed(r, 9, "cut", h.cut));
  TRY_OK(read_fixed(r, 10, "history_root", h.history_root));
  TRY_OK(read_fixed(r, 11, "valset_hash", h.valset_hash));
  TRY_OK(read_fixed(r, 12, "next_valset_hash", h.next_valset_hash));
  TRY_OK(r.leave());
  return h;
}

void write(codec::CborWriter& w, const Certificate& certificate) {
  w.array(certificate.attests.size());
  for (const Attest& attest : certificate.attests) {
    w.array(2);
    w.u64(attest.validator);
    w.bytes(attest.signature);
  }
}

Result<Certificate> read_certificate(codec::CborReader& r) {
  Certificate out;
  TRY_OK(r.enter_array("certificate", kValidatorsMax));
  while (r.more()) {
    TRY_OK(r.enter_array("attest", 2));
    TRY(const std::uint64_t validator, r.u64("validator", kValidatorsMax - 1));
    TRY(const ByteView signature, r.bytes("signature", kSignatureMax));
    TRY_OK(r.leave());
    out.attests.push_back({.validator = static_cast<std::uint16_t>(validator), .signature = to_bytes(signature)});
  }
  TRY_OK(r.leave());
  return out;
}

Bytes encode(const BlockHeader& header) {
  codec::CborWriter w;
  write(w, header);
  return w.take();
}

Result<BlockHeader> decode_header(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = 1024, .depth_max = 1});
  TRY(BlockHeader header, read_header(r));
  TRY_OK(r.finish());
  return header;
}

Hash32 header_hash(const BlockHeader& header) { return crypto::blake3("hanse/block/1", {encode(header)}); }

Bytes encode(const Certificate& certificate) {
  codec::CborWriter w;
  write(w, certificate);
  return w.take();
}

Result<Certificate> decode_certificate(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kCertificateBytesMax, .depth_max = 2});
  TRY(Certificate certificate, read_certificate(r));
  TRY_OK(r.finish());
  return certificate;
}

// What chain/consensus signs as a statement about the slot, behind the network's id.
Bytes attest_message(const BlockHeader& header) {
  constexpr std::size_t kFixed = 8 + 8 + 8 + 4;
  Bytes out(header.network.data.size() + kFixed);
  std::ranges::copy(header.network.data, out.begin());
  std::uint8_t* at = out.data() + header.network.data.size();
  store_le(at, header.epoch);
  store_le(at + 8, std::uint64_t{0});
  store_le(at + 16, header.height.value);
  store_le(at + 24, std::uint32_t{1});
  append(out, header_hash(header).view());
  return out;
}

Bytes sign_header(const BlockHeader& header, const crypto::SecretKey& key) {
  return key.sign(kAttestContext, attest_message(header));
}

std::string_view grade_name(Grade grade) { return grade == Grade::kEconomic ? "economic" : "fast"; }

std::optional<Grade> parse_grade(std::string_view name) {
  for (const Grade grade : {Grade::kFast, Grade::kEconomic})
    if (name == grade_name(grade)) return grade;
  return {};
}

std::uint32_t grade_bp(Grade grade, const Params& params) {
  return grade == Grade::kEconomic ? params.economic_bp : params.quorum_bp;
}

std::optional<Grade> grade_of(std::uint32_t power_bp, const Params& params) {
  if (power_bp < params.quorum_bp) return {};
  return power_bp >= params.economic_bp ? Grade::kEconomic : Grade::kFast;
}

Result<std::uint32_t> verify_certificate(const BlockHeader& header, const Certificate& certificate,
                                         const ValidatorSet& set, std::uint32_t needed_bp) {
  std::uint32_t power = 0;
  int last = -1;
  for (const Attest& attest : certificate.attests) {
    if (attest.validator <= last)
      return fail(Kind::kDenied, "light.cert_signer",
                  text("found validator {} after {}, expected ascending places", attest.validator, last));
    if (attest.validator >= set.validators.size())
      return fail(Kind::kDenied, "light.cert_signer",
                  text("found validator {}, expected one of {}", attest.validator, set.validators.size()));
    last = attest.validator;
    power += set.validators[attest.validator].power_bp;
  }
  // Weighed before any signature is checked: a certificate that cannot suffice costs nothing.
  if (power < needed_bp)
    return fail(
        Kind::kDenied, "light.cert_weight",
        text("found signatures of {} bp at height {}, expected at least {}", power, header.height.value, needed_bp));
  if (const Hash32 found = set_hash(set); found != header.valset_hash)
    return fail(
        Kind::kDenied, "light.valset",
        text("found validator set {} at height {}, expected {}", found, header.height.value, header.valset_hash));
  const Bytes message = attest_message(header);
  for (const Attest& attest : certificate.attests) {
    const auto verifier = attesters().verifier(set.validators[attest.validator].key);
    if (!verifier || !(*verifier)->verify(kAttestContext, message, attest.signature))
      return fail(Kind::kDenied, "light.cert_signature",
                  text("found a bad signature of validator {} over block {}", attest.validator, header_hash(header)));
  }
  return power;
}

Certificate trim(const Certificate& certificate, const ValidatorSet& set, std::uint32_t needed_bp) {
  const auto power = [&](const Attest& a) {
    return a.validator < set.validators.size() ? set.validators[a.validator].power_bp : 0u;
  };
  Certificate out = certificate;
  std::ranges::stable_sort(out.attests, std::ranges::greater(), power);
  std::uint32_t sum = 0;
  std::size_t count = 0;
  while (count < out.attests.size() && sum < needed_bp) sum += power(out.attests[count++]);
  out.attests.resize(count);
  std::ranges::sort(out.attests, {}, &Attest::validator);
  return out;
}

}  // namespace hanse::light
