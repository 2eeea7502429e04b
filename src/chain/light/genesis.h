// Genesis: what a network starts from and what a verifier must be given to believe anything else about it.
// Quorum arithmetic (consensus.md 5.1) in basis points of voting power, which sum to exactly 10000:
//   quorum_bp Q in [6667, 8200], default 6700: fast finality      economic_bp E in [Q, 10000], default 8000
//   F = 10000 - Q may be faulty; two quorums overlap in at least 2Q - 10000 > F exactly when Q >= 6667
// NetworkId = BLAKE3("hanse/genesis/1", canonical bytes). Layout: proto/records/genesis.md.
// Pure; any thread. Errors: light.genesis (invalid: a rule broken, with the field's path) and the codec's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/codec/cbor.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "base/crypto/sign.h"

namespace hanse::light {

constexpr std::uint32_t kPowerTotalBp = 10'000;
constexpr std::uint32_t kQuorumBpMin = 6'667;
constexpr std::uint32_t kQuorumBpMax = 8'200;
constexpr std::size_t kValidatorsMax = 128;
constexpr std::size_t kGenesisBytesMax = 64u << 20;

struct Validator {
  crypto::PublicKey key;       // ML-DSA-65 or ML-DSA-87
  std::uint16_t power_bp = 0;  // 1 to 10000
  AccountId id() const { return crypto::account_id(key); }
};

// In ascending order of id; a signature names its signer by the place in this list.
struct ValidatorSet {
  std::vector<Validator> validators;
};
Status validate(const ValidatorSet& set);
Hash32 set_hash(const ValidatorSet& set);  // BLAKE3("hanse/valset/1", canonical bytes)
void write(codec::CborWriter& w, const ValidatorSet& set);
Result<ValidatorSet> read_set(codec::CborReader& r);  // not validated
ValidatorSet sorted_set(std::vector<Validator> validators);

struct Params {
  std::uint32_t quorum_bp = 6'700;
  std::uint32_t economic_bp = 8'000;
  std::uint32_t interval_ms = 1'000;  // between empty blocks when an application waits for a timeout
  std::uint32_t block_txs_max = 4'096;
  std::uint32_t block_bytes_max = 2u << 20;  // of encoded transactions
};

struct Genesis {
  std::string name;          // 1 to 64 bytes, for people
  std::int64_t time_ms = 0;  // block 0; later blocks have strictly later times
  Params params;
  ValidatorSet validators;
  std::map<std::uint8_t, Bytes> apps;  // application number -> its section, layout owned by the application
};

Status validate(const Genesis& genesis);
Bytes encode(const Genesis& genesis);
Result<Genesis> decode_genesis(ByteView bytes);  // decodes and validates
NetworkId network_id(ByteView genesis_bytes);
NetworkId network_id(const Genesis& genesis);

}  // namespace hanse::light
