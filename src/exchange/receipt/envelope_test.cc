#include "exchange/receipt/envelope.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "base/core/random.h"

namespace hanse::receipt {
namespace {

using crypto::SigAlg;

Body some_body() {
  Body body;
  body.id.data.fill(1);
  body.kind = "receipt";
  body.subjects = {{.name = "gxf", .alg = "blake3", .digest = Bytes(32, 2)}};
  body.issued_ms = 1'700'000'000'000;
  body.nonce = Bytes(16, 3);
  body.chain = "hanse";
  body.height = Height{7};
  body.claims = {0x01};
  return body;
}

struct Sealed {
  crypto::Identity issuer = *crypto::Identity::from_seed(Bytes(32, 9));
  Envelope envelope = seal(some_body(), issuer);
  std::vector<crypto::PublicKey> keys = {issuer.mldsa().public_key(), issuer.ed25519().public_key()};

  std::string why(std::span<const SigAlg> required = hybrid_policy()) const {
    const auto body = open(envelope, "receipt", keys, required);
    return body ? "fine" : std::string(body.error().id());
  }
};

// The example of DSSE's protocol.md.
TEST(Envelope, pae_is_that_of_dsse) {
  EXPECT_EQ(as_text(pae("http://example.com/HelloWorld", as_bytes("hello world"))),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST(Envelope, opens_to_the_body_that_was_sealed) {
  Sealed s;
  const auto body = open(s.envelope, "receipt", s.keys, hybrid_policy());
  ASSERT_TRUE(body) << body.error().str();
  EXPECT_EQ(body->issuer, crypto::key_id(s.issuer.mldsa().public_key()));
  EXPECT_EQ(body->subjects, some_body().subjects);
  EXPECT_EQ(body->height.value, 7u);
  const auto back = decode_envelope(encode(s.envelope));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), encode(s.envelope));
}

TEST(Envelope, neither_signature_can_be_taken_away) {
  for (const std::size_t which : {0u, 1u}) {
    Sealed s;
    s.envelope.signatures.erase(s.envelope.signatures.begin() + static_cast<std::ptrdiff_t>(which));
    EXPECT_EQ(s.why(), "receipt.policy");
    EXPECT_EQ(s.why({}), "receipt.policy");  // the body asks for both even if the verifier does not
  }
}

TEST(Envelope, the_verifier_asks_even_when_the_body_does_not) {
  Sealed s;
  Body body = some_body();
  body.issuer = crypto::key_id(s.keys[0]);
  body.policy = {SigAlg::kMlDsa65};
  s.envelope.body = encode_body(body);
  const Bytes message = pae(s.envelope.type, s.envelope.body);
  s.envelope.signatures = {
      {.alg = SigAlg::kMlDsa65, .key_id = body.issuer, .bytes = s.issuer.mldsa().sign("hanse/att/v1", message)}};
  EXPECT_EQ(s.why({}), "fine");
  EXPECT_EQ(s.why(), "receipt.policy");
}

TEST(Envelope, refuses_signatures_nobody_asked_for) {
  Sealed s;
  Signature extra = s.envelope.signatures[1];
  extra.alg = SigAlg::kMlDsa87;
  s.envelope.signatures.push_back(extra);
  EXPECT_EQ(s.why(), "receipt.policy");
}

TEST(Envelope, refuses_a_key_or_signature_of_another) {
  Sealed s;
  const auto other = *crypto::Identity::from_seed(Bytes(32, 8));
  const auto original = s.keys;
  s.keys[1] = other.ed25519().public_key();
  EXPECT_EQ(s.why(), "receipt.key");
  s.keys = original;
  s.envelope.signatures[0].bytes[5] ^= 1;
  EXPECT_EQ(s.why(), "receipt.signature");
  // An issuer that is none of the signers.
  Sealed t;
  Body body = some_body();
  body.policy = {SigAlg::kEd25519};
  t.envelope.body = encode_body(body);
  const Bytes message = pae(t.envelope.type, t.envelope.body);
  t.envelope.signatures = {{.alg = SigAlg::kEd25519,
                            .key_id = crypto::key_id(t.keys[1]),
                            .bytes = t.issuer.ed25519().sign("hanse/att/v1", message)}};
  EXPECT_EQ(t.why({}), "receipt.key");
}

TEST(Envelope, refuses_another_kind) {
  Sealed s;
  s.envelope.type = envelope_type("poi");
  EXPECT_EQ(s.why(), "receipt.kind");
  Sealed t;
  Body body = some_body();
  body.kind = "poi";
  t.envelope.body = encode_body(body);
  EXPECT_EQ(t.why(), "receipt.kind");
}

TEST(Envelope, a_body_is_strict) {
  const auto refused = [](auto change) {
    Body body = some_body();
    body.policy = {SigAlg::kEd25519};
    change(body);
    const auto back = decode_body(encode_body(body));
    return back ? "fine" : std::string(back.error().id());
  };
  EXPECT_EQ(refused([](Body&) {}), "fine");
  EXPECT_EQ(refused([](Body& b) { b.subjects.clear(); }), "receipt.envelope");
  EXPECT_EQ(refused([](Body& b) { b.nonce = Bytes(15); }), "receipt.envelope");
  EXPECT_EQ(refused([](Body& b) { b.nonce = Bytes(32); }), "fine");
  EXPECT_EQ(refused([](Body& b) { b.nonce = Bytes(33); }), "codec.too_large");
  EXPECT_EQ(refused([](Body& b) { b.policy = {SigAlg::kMlDsa65, SigAlg::kEd25519}; }), "receipt.envelope");
  EXPECT_EQ(refused([](Body& b) { b.subjects.assign(kSubjectsMax, b.subjects[0]); }), "fine");
  EXPECT_EQ(refused([](Body& b) { b.subjects.assign(kSubjectsMax + 1, b.subjects[0]); }), "codec.too_large");
}

TEST(Envelope, uuid_holds_time_version_and_variant) {
  SeededRandom random(3);
  const auto id = uuid_v7(0x0123456789abll, random);
  EXPECT_EQ(load_be<std::uint32_t>(id.data.data()), 0x01234567u);
  EXPECT_EQ(id.data[6] >> 4, 7);
  EXPECT_EQ(id.data[8] >> 6, 2);
  EXPECT_NE(id, uuid_v7(0x0123456789abll, random));
}

}  // namespace
}  // namespace hanse::receipt
