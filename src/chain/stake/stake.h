// Stake: who may be a validator. Accounts put money behind a key, and where an epoch ends the application names the
// next epoch's set: power by power.h, at most churn_bp of it moving at once. A move that does not fit goes on in the
// next epochs. What leaves is given back `unbond_epochs` later than it stopped counting, so that it can answer for what
// it signed: where an epoch ends what reputation says is due of a stake, and of what is on its way back, goes to
// forfeited(). Money: stakes lie on pot(); nobody has the key of either account, so accounts' total stays true. Members
// are named by the account that pays, so a key can change: the new one counts from the next epoch on. Application 4,
// methods below. Genesis section and state: proto/records/stake.md. It needs the application accounts. An epoch is due
// after epoch_slots blocks, or as soon as the set would change. Reputation and uptime come from a StandingOf. Threads:
// free functions, any. Errors: stake.member (conflict: has joined, or its key has), stake.no_member (not_found),
// stake.amount (invalid), stake.full (exhausted: members, or amounts on their way back), stake.key (denied: no proof
// that the sender has it, or not one for validators), stake.standing (denied: a key is not changed to lose a bad name),
// stake.address (invalid), stake.record (corrupt), ledger.genesis, ledger.method, ledger.query, those of calls and
// accounts.
#pragma once

#include <functional>
#include <string>

#include "base/crypto/sign.h"
#include "chain/ledger/app.h"
#include "chain/stake/power.h"

namespace hanse::stake {

constexpr std::uint8_t kStakeApp = 4;
enum class Method : std::uint16_t { kJoin = 1, kLeave = 2, kSetStake = 3, kRotateKey = 4, kSetAddress = 5 };

constexpr std::size_t kMembersMax = 128;                          // with those that leave
constexpr std::uint16_t kNumbersFrom = 128, kNumbersMax = 1'000;  // of keys
constexpr std::size_t kReturnsMax = 16;                           // of one member, on their way back
constexpr std::size_t kAddressBytesMax = 64;

struct StakeParams {
  std::uint64_t epoch_slots = 0;  // 0: an epoch ends for a change only
  std::uint64_t stake_min = 100'000;
  std::uint32_t cap_bp = 1'500;  // at most 3300
  std::uint32_t churn_bp = 3'300;
  std::uint32_t unbond_epochs = 3;
  std::uint32_t uptime_min = 7'500;
};

struct Return {  // to the owner, at the end of that epoch
  std::uint64_t epoch = 0;
  Amount amount;
};

struct Member {
  AccountId owner;
  crypto::PublicKey key;
  Amount stake;
  std::string address;  // "127.0.0.1:12001"; "" = reached by nobody, dials itself
  bool leaving = false;
  std::vector<Return> returns;  // epochs ascending
  // Of its key, for channels: no other key has or had it. Those of the genesis file have their place in its set
  // instead.
  std::uint16_t number = 0;
  AccountId validator() const { return crypto::account_id(key); }
};

struct Standing {
  std::uint32_t reputation = kStandingMax, uptime = kStandingMax;
  bool out = false;  // no power, whatever it holds
};
using StandingOf = std::function<Result<Standing>(const ledger::StateReader& state, const AccountId& validator)>;

// What chain/reputation has of it: of who equivocated or has too little left, no power. Nothing on the ledger counts
// uptime: whoever is absent loses reputation.
Result<Standing> standing_by_reputation(const ledger::StateReader& state, const AccountId& validator);

std::unique_ptr<ledger::App> make_stake_app(StandingOf standing_of = standing_by_reputation);
const AccountId& pot();
const AccountId& forfeited();

// The data of the event "stake.slashed".
struct Slashed {
  AccountId owner, validator;
  Amount amount;
  std::uint64_t number = 0;  // of reputation's record
};
Bytes encode(const Slashed& slashed);
Result<Slashed> decode_slashed(ByteView bytes);

// Genesis: the validators of block 0, each with what stands behind it, taken from its owner's balance.
Bytes encode_stake_genesis(const StakeParams& params, const std::vector<Member>& members);

// Arguments of the calls.
struct Join {
  crypto::PublicKey key;
  Bytes proof;  // prove_key()
  Amount stake;
  std::string address;
};
struct Rotation {
  crypto::PublicKey key;
  Bytes proof;
};
Bytes encode(const Join& join);
Bytes encode(const Rotation& rotation);
Bytes encode_amount(Amount stake);
Bytes encode_address(std::string_view address);
Bytes encode_nothing();
Result<Join> decode_join(ByteView args);
Result<Rotation> decode_rotation(ByteView args);
Result<Amount> decode_amount(ByteView args);
Result<std::string> decode_address(ByteView args);
// That whoever has `key` agrees to stand for `owner` in this network.
Bytes prove_key(const crypto::SecretKey& key, const NetworkId& network, const AccountId& owner);

// What the state holds. The query "members" gives a list of the same records, "member" (argument: owner) one.
Result<std::vector<Member>> members(const ledger::StateReader& state);  // owners ascending
Result<std::optional<Member>> member(const ledger::StateReader& state, const AccountId& owner);
Result<StakeParams> params(const ledger::StateReader& state);
Result<std::vector<Member>> decode_members(ByteView bytes);

}  // namespace hanse::stake
