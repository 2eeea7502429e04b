// The beacon: randomness on the ledger that nobody chooses (exchange.md 5.6; bytes in proto/records/beacon.md).
// Round R begins at block time R * round_ms.
//   commit    in round R - 2 a validator gives the hash of a secret
//   reveal    in round R - 1 it gives the secret
//   close     the first block of round R or later makes the seed, if anybody revealed:
//             BLAKE3("hanse/beacon-seed/1", R u64be || last value || the block's beacon || contributions)
//             contributions = BLAKE3("hanse/beacon-contributions/1", (validator || secret) in ascending order)
//   prove     from then on anybody gives the delay function's output over the seed with its proof (base/crypto/vdf.h);
//             the first true one makes the value, BLAKE3("hanse/beacon-value/1", R u64be || output || contributions)
// Who committed and did not reveal, though there were blocks to do so, is left out, and takes no part for
// kSilencedRounds. Choosing by staying silent gains nothing while the delay is longer than the time until close,
// however fast the machine; should the delay fall (who factors the modulus has none), the value is as good as one
// honest secret, but for what the silent pay. A false proof that a leader takes into a block counts: its sender proves
// no more in this round, and after kFalsePerBlock no further one of the block is looked at. A round is verified once
// when all are honest. draw() is how other applications draw. Limits: kContributorsMax a round; kKeptRounds rounds back
// are known; kPrunedPerBlock records are erased a block. Threads: ledger/app.h. Errors: beacon.round (invalid: another
// round takes this now), beacon.not_validator (denied), beacon.silenced (denied), beacon.committed, beacon.revealed,
// beacon.made (conflict), beacon.no_commit, beacon.no_round (not_found), beacon.wrong_secret (denied), beacon.full,
// beacon.busy (exhausted), beacon.record (corrupt: a record of the ledger), crypto.bad_vdf, and those of ledger/call.h.
#pragma once

#include "base/crypto/vdf.h"
#include "chain/ledger/app.h"

namespace hanse::beacon {

constexpr std::uint8_t kBeaconApp = 6;
constexpr std::uint16_t kMethodCommit = 1, kMethodReveal = 2, kMethodProve = 3;
constexpr std::size_t kContributorsMax = 128, kFalsePerBlock = 4, kPrunedPerBlock = 512;
constexpr std::uint64_t kSilencedRounds = 8, kKeptRounds = 16;
constexpr std::uint64_t kRoundMsMin = 1'000, kRoundMsMax = 86'400'000;

struct BeaconParams {
  std::uint64_t round_ms = 600'000;
  std::uint64_t steps = std::uint64_t{1} << 29;  // of the delay: nine minutes at a million a second
};
Bytes encode_beacon_genesis(const BeaconParams& params);
Result<BeaconParams> decode_beacon_genesis(ByteView bytes);

using Secret = FixedBytes<32, struct BeaconSecretTag>;
// BLAKE3("hanse/beacon-commit/1", network || round u64be || validator || secret)
Hash32 commit_hash(const NetworkId& network, std::uint64_t round, const AccountId& validator, const Secret& secret);
Bytes encode_commit(std::uint64_t round, const Hash32& hash);
Bytes encode_reveal(std::uint64_t round, const Secret& secret);
Bytes encode_prove(std::uint64_t round, const crypto::VdfProof& proof);

std::unique_ptr<ledger::App> make_beacon_app();

// Queries: "params"; "round" (argument: u64 big-endian; beacon.no_round) and "last" (the newest with a value) -> what
// decode_round reads; "open" -> the newest without a value, likewise.
struct Round {
  std::uint64_t round = 0;
  Hash32 seed = {}, contributions = {};
  std::uint64_t contributors = 0, missing = 0;
  std::int64_t closed_ms = 0;  // time of the block that made the seed
  std::optional<Hash32> value = {};
  friend bool operator==(const Round&, const Round&) = default;
};
Bytes encode(const Round& round);
Result<Round> decode_round(ByteView bytes);
// Query "mine" (argument: a round u64 big-endian and an account): what that account has done by that round.
struct Mine {
  bool validates = false;
  bool committed_ahead = false;              // for the round after the next one
  bool committed = false, revealed = false;  // for the next one
  std::uint64_t silenced_until = 0;          // takes part after that round
  friend bool operator==(const Mine&, const Mine&) = default;
};
Bytes encode(const Mine& mine);
Result<Mine> decode_mine(ByteView bytes);
// What a true proof makes of it.
Hash32 value_of(const Round& round, const crypto::VdfProof& proof);

// Randomness for another application, that nobody knew before from_ms: of the first round that closed then or later and
// has a value. Nothing: not there yet, ask in a later block. Where the network has no beacon, and from until_ms on, it
// is the block's own, which its leader can withhold.
struct Wish {
  std::string_view purpose;  // a context string: two of them never see the same
  std::int64_t from_ms = 0, until_ms = 0;
};
Result<std::optional<Hash32>> draw(const ledger::StateReader& state, const ledger::BlockContext& context,
                                   const Wish& wish);

}  // namespace hanse::beacon
