// The signed envelope of every attestation (attestation.md 5.3). Layout: proto/records/receipt.md.
// Signed bytes are DSSE's PAE: "DSSEv1" SP len(type) SP type SP len(body) SP body, decimal lengths
// (secure-systems-lab/dsse, protocol.md). The body is deterministic CBOR and names, inside what is signed, the
// algorithms that must have signed it; the verifier adds its own list, so taking a signature away always fails.
// Every signature present must be named by that union and must verify: there is no room for one nobody checks.
// ML-DSA and Ed25519 sign under the context "hanse/att/v1". A key is named by SHA-256(alg || public key).
// open gives the body parsed from exactly the bytes that were verified.
// Pure; any thread. Limits: envelope 64 KiB, signatures 4, subjects 80.
// Errors: receipt.envelope (invalid: type, order, version), receipt.kind (denied), receipt.policy (denied: an algorithm
// is missing or unwanted), receipt.key (denied: no such key given), receipt.signature (denied), and the codec's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "base/crypto/sign.h"

namespace hanse::receipt {

constexpr std::size_t kEnvelopeBytesMax = 64 * 1024;
constexpr std::size_t kSignaturesMax = 4;
constexpr std::size_t kSubjectsMax = 80;

struct Subject {
  std::string name;  // "gxf", "output/0"
  std::string alg;   // "blake3"
  Bytes digest;
  friend bool operator==(const Subject&, const Subject&) = default;
};

struct Body {
  FixedBytes<16> id;              // UUID version 7 (RFC 9562 section 5.7)
  std::string kind;               // "receipt"
  Hash32 issuer;                  // key id of the issuer's ML-DSA key
  std::vector<Subject> subjects;  // at least one
  std::int64_t issued_ms = 0;     // the issuer's wall clock, for people
  Bytes nonce;                    // 16 to 32 bytes
  std::string chain;              // "hanse"
  NetworkId genesis;
  Height height;                       // of the chain, as the issuer last saw it
  Bytes claims;                        // one canonical CBOR item, layout owned by the kind
  std::vector<crypto::SigAlg> policy;  // ascending: every one of these must have signed
};
Bytes encode_body(const Body& body);
Result<Body> decode_body(ByteView bytes);

FixedBytes<16> uuid_v7(std::int64_t unix_ms, Random& random);

struct Signature {
  crypto::SigAlg alg = crypto::SigAlg::kEd25519;
  Hash32 key_id;
  Bytes bytes;
};
struct Envelope {
  std::string type;
  Bytes body;
  std::vector<Signature> signatures;  // by algorithm, ascending, one each
};
std::string envelope_type(std::string_view kind);  // "application/vnd.hanse.receipt+cbor;v=1"
Bytes pae(std::string_view type, ByteView body);
Bytes encode(const Envelope& envelope);
Result<Envelope> decode_envelope(ByteView bytes);

// Signs with both keys of the identity; fills issuer and policy.
Envelope seal(Body body, const crypto::Identity& issuer);

// Ed25519 and ML-DSA-65, what every receipt must carry.
std::span<const crypto::SigAlg> hybrid_policy();
Result<Body> open(const Envelope& envelope, std::string_view kind, std::span<const crypto::PublicKey> keys,
                  std::span<const crypto::SigAlg> required);

}  // namespace hanse::receipt
