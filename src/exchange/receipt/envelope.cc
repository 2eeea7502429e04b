#include "exchange/receipt/envelope.h"

#include <algorithm>
#include <set>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::receipt {
namespace {

using crypto::SigAlg;

constexpr std::string_view kSignContext = "hanse/att/v1";
constexpr std::uint64_t kBodyVersion = 1;
constexpr codec::CborLimits kLimits{.size_max = kEnvelopeBytesMax, .depth_max = 6};

Status expect_key(codec::CborReader& r, std::uint64_t expected) {
  TRY(const std::uint64_t key, r.key());
  if (key != expected) return r.fail_here("receipt.envelope", text("found key {}, expected {}", key, expected));
  return {};
}

Status full_map(codec::CborReader& r, std::string_view what, std::size_t entries) {
  TRY_OK(r.enter_map(what, entries));
  if (r.left() != entries)
    return r.fail_here("receipt.envelope", text("found {} fields, expected {}", r.left(), entries));
  return {};
}

Result<SigAlg> read_alg(codec::CborReader& r) {
  TRY(const std::uint64_t alg, r.u64("alg", 255));
  TRY_OK(crypto::sig_sizes(static_cast<std::uint8_t>(alg)));
  return static_cast<SigAlg>(alg);
}

// Strictly ascending, so that a set has one encoding.
Status ascending(codec::CborReader& r, bool first, SigAlg last, SigAlg alg) {
  if (first || last < alg) return {};
  return r.fail_here("receipt.envelope", text("algorithm {} after {}, expected ascending order",
                                              crypto::sig_alg_name(alg), crypto::sig_alg_name(last)));
}

void write_subjects(codec::CborWriter& w, const std::vector<Subject>& subjects) {
  w.array(subjects.size());
  for (const Subject& subject : subjects) {
    w.map(3);
    w.key(1);
    w.text(subject.name);
    w.key(2);
    w.text(subject.alg);
    w.key(3);
    w.bytes(subject.digest);
  }
}

Result<std::vector<Subject>> read_subjects(codec::CborReader& r) {
  std::vector<Subject> out;
  TRY_OK(r.enter_array("subjects", kSubjectsMax));
  if (!r.more()) return r.fail_here("receipt.envelope", "found no subject, expected at least one");
  while (r.more()) {
    Subject& subject = out.emplace_back();
    TRY_OK(full_map(r, "subject", 3));
    TRY_OK(expect_key(r, 1));
    TRY(subject.name, r.text("name", 64));
    TRY_OK(expect_key(r, 2));
    TRY(subject.alg, r.text("alg", 16));
    TRY_OK(expect_key(r, 3));
    TRY(const ByteView digest, r.bytes("digest", 64));
    subject.digest = to_bytes(digest);
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  return out;
}

Result<std::vector<SigAlg>> read_policy(codec::CborReader& r) {
  std::vector<SigAlg> out;
  TRY_OK(r.enter_array("policy", kSignaturesMax));
  while (r.more()) {
    TRY(const SigAlg alg, read_alg(r));
    TRY_OK(ascending(r, out.empty(), out.empty() ? alg : out.back(), alg));
    out.push_back(alg);
  }
  TRY_OK(r.leave());
  return out;
}

Status read_anchor(codec::CborReader& r, Body& body) {
  TRY_OK(full_map(r, "anchor", 3));
  TRY_OK(expect_key(r, 1));
  TRY(body.chain, r.text("chain", 32));
  TRY_OK(expect_key(r, 2));
  TRY_OK(r.fixed("genesis", body.genesis));
  TRY_OK(expect_key(r, 3));
  TRY(body.height.value, r.u64("height"));
  return r.leave();
}

Status read_head(codec::CborReader& r, Body& body) {
  TRY_OK(expect_key(r, 1));
  TRY(const std::uint64_t version, r.u64("version", 255));
  if (version != kBodyVersion)
    return r.fail_here("receipt.envelope", text("found version {}, expected {}", version, kBodyVersion));
  TRY_OK(expect_key(r, 2));
  TRY_OK(r.fixed("id", body.id));
  TRY_OK(expect_key(r, 3));
  TRY(body.kind, r.text("kind", 32));
  TRY_OK(expect_key(r, 4));
  return r.fixed("issuer", body.issuer);
}

}  // namespace

Bytes encode_body(const Body& body) {
  codec::CborWriter w;
  w.map(10);
  w.key(1);
  w.u64(kBodyVersion);
  w.key(2);
  w.bytes(body.id.view());
  w.key(3);
  w.text(body.kind);
  w.key(4);
  w.bytes(body.issuer.view());
  w.key(5);
  write_subjects(w, body.subjects);
  w.key(6);
  w.u64(static_cast<std::uint64_t>(body.issued_ms));
  w.key(9);
  w.bytes(body.nonce);
  w.key(10);
  w.map(3);
  w.key(1);
  w.text(body.chain);
  w.key(2);
  w.bytes(body.genesis.view());
  w.key(3);
  w.u64(body.height.value);
  w.key(11);
  w.raw(body.claims);
  w.key(13);
  w.array(body.policy.size());
  for (const SigAlg alg : body.policy) w.u64(static_cast<std::uint64_t>(alg));
  return w.take();
}

Result<Body> decode_body(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Body body;
  TRY_OK(full_map(r, "body", 10));
  TRY_OK(read_head(r, body));
  TRY_OK(expect_key(r, 5));
  TRY(body.subjects, read_subjects(r));
  TRY_OK(expect_key(r, 6));
  TRY(const std::uint64_t issued, r.u64("issued_ms", ~std::uint64_t{0} >> 1));
  body.issued_ms = static_cast<std::int64_t>(issued);
  TRY_OK(expect_key(r, 9));
  TRY(const ByteView nonce, r.bytes("nonce", 32));
  if (nonce.size() < 16)
    return r.fail_here("receipt.envelope", text("nonce of {} bytes, expected 16 to 32", nonce.size()));
  body.nonce = to_bytes(nonce);
  TRY_OK(expect_key(r, 10));
  TRY_OK(read_anchor(r, body));
  TRY_OK(expect_key(r, 11));
  TRY(const ByteView claims, r.raw("claims"));
  body.claims = to_bytes(claims);
  TRY_OK(expect_key(r, 13));
  TRY(body.policy, read_policy(r));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return body;
}

FixedBytes<16> uuid_v7(std::int64_t unix_ms, Random& random) {
  FixedBytes<16> id;
  random.fill(id.span());
  for (std::size_t i = 0; i < 6; ++i)
    id.data[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(unix_ms) >> (8 * (5 - i)));
  id.data[6] = static_cast<std::uint8_t>(0x70 | (id.data[6] & 0x0f));
  id.data[8] = static_cast<std::uint8_t>(0x80 | (id.data[8] & 0x3f));
  return id;
}

std::string envelope_type(std::string_view kind) { return text("application/vnd.hanse.{}+cbor;v=1", kind); }

Bytes pae(std::string_view type, ByteView body) {
  Bytes out = to_bytes(text("DSSEv1 {} {} {} ", type.size(), type, body.size()));
  append(out, body);
  return out;
}

Bytes encode(const Envelope& envelope) {
  codec::CborWriter w;
  w.map(3);
  w.key(1);
  w.text(envelope.type);
  w.key(2);
  w.bytes(envelope.body);
  w.key(3);
  w.array(envelope.signatures.size());
  for (const Signature& signature : envelope.signatures) {
    w.map(3);
    w.key(1);
    w.u64(static_cast<std::uint64_t>(signature.alg));
    w.key(2);
    w.bytes(signature.key_id.view());
    w.key(3);
    w.bytes(signature.bytes);
  }
  return w.take();
}

Result<Envelope> decode_envelope(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Envelope out;
  TRY_OK(full_map(r, "envelope", 3));
  TRY_OK(expect_key(r, 1));
  TRY(out.type, r.text("type", 128));
  TRY_OK(expect_key(r, 2));
  TRY(const ByteView body, r.bytes("body", kEnvelopeBytesMax));
  out.body = to_bytes(body);
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.enter_array("signatures", kSignaturesMax));
  while (r.more()) {
    Signature signature;
    TRY_OK(full_map(r, "signature", 3));
    TRY_OK(expect_key(r, 1));
    TRY(signature.alg, read_alg(r));
    const auto last = out.signatures.empty() ? signature.alg : out.signatures.back().alg;
    TRY_OK(ascending(r, out.signatures.empty(), last, signature.alg));
    TRY_OK(expect_key(r, 2));
    TRY_OK(r.fixed("key_id", signature.key_id));
    TRY_OK(expect_key(r, 3));
    TRY(const crypto::SigSizes sizes, crypto::sig_sizes(static_cast<std::uint8_t>(signature.alg)));
    TRY(const ByteView value, r.bytes("bytes", sizes.signature));
    signature.bytes = to_bytes(value);
    TRY_OK(r.leave());
    out.signatures.push_back(std::move(signature));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Envelope seal(Body body, const crypto::Identity& issuer) {
  const crypto::PublicKey& mldsa = issuer.mldsa().public_key();
  body.issuer = crypto::key_id(mldsa);
  body.policy = {SigAlg::kEd25519, mldsa.alg};
  Envelope out;
  out.type = envelope_type(body.kind);
  out.body = encode_body(body);
  const Bytes message = pae(out.type, out.body);
  for (const crypto::SecretKey* key : {&issuer.ed25519(), &issuer.mldsa()}) {
    out.signatures.push_back({.alg = key->public_key().alg,
                              .key_id = crypto::key_id(key->public_key()),
                              .bytes = key->sign(kSignContext, message)});
  }
  return out;
}

std::span<const SigAlg> hybrid_policy() {
  static constexpr SigAlg kHybrid[] = {SigAlg::kEd25519, SigAlg::kMlDsa65};
  return kHybrid;
}

Result<Body> open(const Envelope& envelope, std::string_view kind, std::span<const crypto::PublicKey> keys,
                  std::span<const SigAlg> required) {
  if (envelope.type != envelope_type(kind)) {
    return fail(Kind::kDenied, "receipt.kind", text("found type {}, expected {}", envelope.type, envelope_type(kind)));
  }
  TRY(Body body, decode_body(envelope.body));
  if (body.kind != kind)
    return fail(Kind::kDenied, "receipt.kind", text("found kind {}, expected {}", body.kind, kind));

  std::set<SigAlg> wanted(required.begin(), required.end());
  wanted.insert(body.policy.begin(), body.policy.end());
  const Bytes message = pae(envelope.type, envelope.body);
  bool issuer_signed = false;
  for (const Signature& signature : envelope.signatures) {
    if (wanted.erase(signature.alg) == 0) {
      return fail(Kind::kDenied, "receipt.policy",
                  text("a signature of {} is there that nobody asks for", crypto::sig_alg_name(signature.alg)));
    }
    const auto key = std::ranges::find_if(keys, [&](const crypto::PublicKey& k) {
      return k.alg == signature.alg && crypto::key_id(k) == signature.key_id;
    });
    if (key == keys.end()) {
      return fail(Kind::kDenied, "receipt.key",
                  text("the signature of {} is by key {}, which is none of the {} keys given",
                       crypto::sig_alg_name(signature.alg), signature.key_id, keys.size()));
    }
    if (!crypto::verify(*key, kSignContext, message, signature.bytes)) {
      return fail(Kind::kDenied, "receipt.signature",
                  text("the signature of {} does not verify", crypto::sig_alg_name(signature.alg)));
    }
    issuer_signed = issuer_signed || signature.key_id == body.issuer;
  }
  if (!wanted.empty()) {
    return fail(Kind::kDenied, "receipt.policy",
                text("no signature of {}, which must be there", crypto::sig_alg_name(*wanted.begin())));
  }
  if (!issuer_signed) return fail(Kind::kDenied, "receipt.key", text("the issuer {} did not sign", body.issuer));
  return body;
}

}  // namespace hanse::receipt
