// Blocks as a verifier sees them: a header, and the certificate that enough validators signed it.
// A block's identity is the hash of its header: BLAKE3("hanse/block/1", canonical bytes). Signatures, weights and
// finality are no part of it. Layout: proto/records/block.md.
// An Attest is ML-DSA with context "hanse/attest/2" over network, epoch, height and header hash (attest_message), so
// one signature covers the state, every block before, both validator sets and the time; and two of one validator for
// one height show by themselves that it contradicts itself. Power counts distinct validators only. Pure; any thread.
// Errors: light.cert_signer (denied: unknown, repeated or unordered), light.cert_signature (denied),
// light.cert_weight (denied: found and needed basis points), light.valset (denied: a set that is not the header's), and
// the codec's.
#pragma once

#include <optional>
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
  AccountId leader;         // zero when nobody proposed the slot, and at height 0
  Hash32 cut;               // what consensus decided, by its own name; zero at height 0
  Hash32 history_root;      // history.h over the header hashes of the heights 0 to height - 1
  Hash32 valset_hash;       // set_hash of the set that certifies this block
  Hash32 next_valset_hash;  // of the set that certifies the next one; another only where an epoch ends
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

Bytes attest_message(const BlockHeader& header);  // what an Attest signs
Bytes sign_header(const BlockHeader& header, const crypto::SecretKey& key);

enum class Grade : std::uint8_t { kFast = 1, kEconomic = 2 };
std::string_view grade_name(Grade grade);
std::optional<Grade> parse_grade(std::string_view name);  // the inverse

// What a certificate needs to reach the grade, and which grade a power reaches (nothing below quorum_bp).
std::uint32_t grade_bp(Grade grade, const Params& params);
std::optional<Grade> grade_of(std::uint32_t power_bp, const Params& params);

// The power of the certificate, at least needed_bp. Refuses it whole when any signature in it is bad, and a set that
// the header does not name.
Result<std::uint32_t> verify_certificate(const BlockHeader& header, const Certificate& certificate,
                                         const ValidatorSet& set, std::uint32_t needed_bp);
// The same certificate with the fewest signatures that still weigh needed_bp: the most powerful signers first, ties by
// place. One that weighs less stays whole.
Certificate trim(const Certificate& certificate, const ValidatorSet& set, std::uint32_t needed_bp);

// For records that hold a header or certificate.
void write(codec::CborWriter& w, const BlockHeader& header);
void write(codec::CborWriter& w, const Certificate& certificate);
Result<BlockHeader> read_header(codec::CborReader& r);
Result<Certificate> read_certificate(codec::CborReader& r);

}  // namespace hanse::light
