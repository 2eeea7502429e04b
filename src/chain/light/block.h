// Blocks as a verifier sees them: a header, and the certificate that enough validators signed it.
// A block's identity is the hash of its header: BLAKE3("hanse/block/1", canonical bytes). Signatures, weights and
// finality are no part of it. Layout: proto/records/block.md.
// An Attest is ML-DSA with context "hanse/attest/1" over the header hash; power counts distinct validators only.
// Pure; any thread.
// Errors: light.cert_signer (denied: unknown, repeated or unordered), light.cert_signature (denied),
// light.cert_weight (denied: found and needed basis points), and the codec's.
#pragma once

#include <vector>

#include "base/codec/cbor.h"
#include "chain/light/genesis.h"

namespace hanse::light {

struct BlockHeader {
  NetworkId network;
  std::uint64_t epoch = 0;
  Height height;
  Hash32 parent;        // header hash of height - 1; zero at height 0
  Hash32 tx_root;       // list_root of tx ids
  Hash32 receipt_root;  // list_root of BLAKE3("hanse/tx-result/1", encoded TxResult), in the same order
  Hash32 state_root;    // sparse tree over the application state after this block
  std::int64_t time_ms = 0;
  AccountId leader;  // zero at height 0
  friend bool operator==(const BlockHeader&, const BlockHeader&) = default;
};
Bytes encode(const BlockHeader& header);
Result<BlockHeader> decode_header(ByteView bytes);
Hash32 header_hash(const BlockHeader& header);

struct Attest {
  std::uint16_t validator = 0;  // place in the validator set
  Bytes signature;
};
struct Certificate {
  std::vector<Attest> attests;  // validators strictly ascending
};
Bytes encode(const Certificate& certificate);
Result<Certificate> decode_certificate(ByteView bytes);

Bytes sign_header(const BlockHeader& header, const crypto::SecretKey& key);

enum class Grade : std::uint8_t { kFast = 1, kEconomic = 2 };
std::string_view grade_name(Grade grade);

// The grade the certificate reaches. Refuses it whole when any signature in it is bad.
Result<Grade> verify_certificate(const BlockHeader& header, const Certificate& certificate, const ValidatorSet& set,
                                 const Params& params);

// For records that hold a header or certificate.
void write(codec::CborWriter& w, const BlockHeader& header);
void write(codec::CborWriter& w, const Certificate& certificate);
Result<BlockHeader> read_header(codec::CborReader& r);
Result<Certificate> read_certificate(codec::CborReader& r);

}  // namespace hanse::light
