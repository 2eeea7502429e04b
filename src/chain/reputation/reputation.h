// Reputation: how validators answer for what they signed (consensus.md 5.4 "accountability", 1.2). The one table of it,
// in integers, on the ledger: what a node suspects by itself changes nothing here.
//   score    0 to 10000, a validator starts with 10000 and is given back a twentieth of what is missing each epoch
//   out      whoever falls below 3000, or equivocates, has no power for at least 4 epochs and until it asks to be
//            let in again, with 5000 or what it has by then
//   slash    a part of the stake is due; the application that holds stakes takes the records in order
// Evidence (consensus/statement.h) is a transaction, judged with the keys of the validator set of its epoch, at most
// kEvidenceEpochsMax epochs later, each fact once, whoever brings it.
// Whoever is absent, or leads in vain, is counted from what validators show of themselves (testimony.h).
// Application 3. Genesis section: an empty map. Layouts of transactions, state keys, queries and events:
// proto/records/reputation.md. Needs the application accounts for the nonces of calls.
// Threads: free functions, any. Errors: reputation.body (invalid), reputation.evidence_epoch (invalid: too old),
// reputation.evidence_early (unavailable: of an epoch without a block yet), reputation.signer (invalid: no such
// validator), reputation.signature (denied), reputation.evidence_known (conflict: punished before),
// reputation.testimony (invalid: of another epoch, purpose or place), reputation.testimony_known (conflict: counted
// before), reputation.not_out (conflict: nothing to be let in from), reputation.out_until (denied: too early),
// reputation.record (corrupt), ledger.genesis, ledger.method, ledger.query, those of statements (consensus.evidence,
// consensus.frame) and of calls.
#pragma once

#include "chain/consensus/statement.h"
#include "chain/ledger/app.h"

namespace hanse::reputation {

constexpr std::uint8_t kReputationApp = 3;
constexpr std::uint16_t kMethodUnjail = 1;  // of a call by the validator's own account, without arguments

constexpr std::uint32_t kScoreMax = 10'000;
constexpr std::uint32_t kScoreOut = 3'000;  // below it
constexpr std::uint32_t kScoreAgain = 5'000;
constexpr std::uint64_t kOutEpochs = 4;
constexpr std::uint64_t kEvidenceEpochsMax = 2;
constexpr std::uint32_t kRecoveryBp = 500;  // of what is missing, each epoch

constexpr std::uint64_t kPresenceSlots = 256;     // a validator shows that it is there once in so many
constexpr std::uint64_t kPresenceMin = 4;         // shown by somebody, before anybody is called absent
constexpr std::uint32_t kTimeoutPowerBp = 6'700;  // of those that gave up a view, before its leader is blamed
constexpr std::uint64_t kViewsAheadMax = 1'024;

enum class Fault : std::uint8_t {
  kGeneric = 1,
  kEquivocation = 2,
  kInvalidSignature = 3,
  kMalformed = 4,
  kTimeout = 5,
  kNonParticipation = 6,
};
struct Penalty {
  std::string_view name;
  std::uint32_t score = 0;
  std::uint32_t slash_bp = 0;  // of the stake
  bool out = false;
};
Penalty penalty_of(Fault fault);

struct Standing {
  std::uint32_t score = kScoreMax;
  bool out = false;
  std::uint64_t out_until = 0;  // the first epoch in which it may be let in again
  std::uint64_t faults = 0;     // since it last had all of its score
  friend bool operator==(const Standing&, const Standing&) = default;
};
Result<Standing> decode_standing(ByteView bytes);
// Of a validator that nothing is known about: all of the score.
Result<Standing> standing(const ledger::StateReader& state, const AccountId& validator);
Bytes standing_key(const AccountId& validator);  // to be proved

// For whoever computes power: 0 while it is out.
Result<std::uint32_t> reputation_bp(const ledger::StateReader& state, const AccountId& validator);
Result<bool> jailed(const ledger::StateReader& state, const AccountId& validator);

// What is due of a stake, numbered from 0 in order. The holder of stakes remembers how far it has come.
struct Slash {
  std::uint64_t number = 0;
  AccountId validator;
  std::uint32_t stake_bp = 0;
  Fault fault = Fault::kGeneric;
  std::uint64_t epoch = 0;  // of the block that found it
  Height height;
};
constexpr std::size_t kSlashesMax = 256;  // in one answer
Result<std::vector<Slash>> slashed(const ledger::StateReader& state, std::uint64_t from_number);

struct Punished {
  AccountId validator;
  Standing before, after;
};
// For applications that find a fault themselves, in apply or end. Adds the event "reputation.punished".
struct FaultFound {
  AccountId validator;
  Fault fault = Fault::kGeneric;
  std::optional<consensus::Fact> fact = {};  // what evidence proved
};
Result<Punished> punish(ledger::State& state, const ledger::BlockContext& context, const FaultFound& found,
                        std::vector<ledger::Event>& events);

struct Named {
  AccountId validator;
  Standing standing;
};
constexpr std::size_t kStandingsMax = 1'024;
Result<std::vector<Named>> decode_standings(ByteView bytes);  // the answer of query "standings"

// What evidence proved, as long as it may be brought again.
struct Proven {
  consensus::Fact fact;
  AccountId validator;
  Height height;  // of the block that punished it
};
constexpr std::size_t kProvenMax = 256;
Result<std::vector<Proven>> decode_proven(ByteView bytes);  // the answer of query "proven", by epoch and fact id

// The data of the event "reputation.punished".
struct PunishedEvent {
  AccountId validator;
  std::string fault;
  std::uint32_t score = 0;  // after it
  bool out = false;
  std::uint32_t stake_bp = 0;
  std::optional<consensus::Fact> fact;  // its replica is not told
};
Result<PunishedEvent> decode_punished(ByteView bytes);

ledger::Tx evidence_tx(const consensus::Evidence& evidence);
ledger::Tx testimony_tx(const consensus::Statement& own);  // an attest or a view change of the running epoch
ledger::Tx unjail_tx(const NetworkId& network, const crypto::SecretKey& validator, std::uint64_t nonce, Height expires);
Hash32 fact_id(const consensus::Fact& fact);  // BLAKE3("hanse/fact/1", purpose, replica, epoch, view, place)

std::unique_ptr<ledger::App> make_reputation_app();
Bytes encode_reputation_genesis();

}  // namespace hanse::reputation
