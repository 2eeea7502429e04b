// State records of the application. Private to the room.
#pragma once

#include "chain/light/genesis.h"
#include "chain/reputation/reputation.h"

namespace hanse::reputation {

constexpr std::string_view kStandingPrefix = "reputation/v";  // + account id
constexpr std::string_view kSlashPrefix = "reputation/s";     // + u64 number
constexpr std::string_view kFactPrefix = "reputation/f";      // + u64 epoch of the fact + its id
constexpr std::string_view kSetPrefix = "reputation/k";       // + u64 epoch
constexpr std::string_view kNowKey = "reputation/now";

// There from block 0 on.
struct Now {
  std::uint64_t epoch = 0;
  bool has_set = false;  // the epoch's validator set is kept
  std::uint64_t slashes = 0, facts = 0;
};
Result<Now> read_now(const ledger::StateReader& state);
void write_now(ledger::State& state, const Now& now);

void write_standing(ledger::State& state, const AccountId& validator, const Standing& standing);
Bytes encode_standing(const Standing& standing);
Bytes encode_standings(const std::vector<Named>& all);
Result<std::vector<Named>> read_standings(const ledger::StateReader& state);  // those that are not perfect

void write_slash(ledger::State& state, const Slash& slash);
void write_proven(ledger::State& state, const Proven& proven);
Result<Bytes> read_proven(const ledger::StateReader& state);  // the answer of query "proven"
Bytes set_key(std::uint64_t epoch);
Bytes fact_key(const consensus::Fact& fact);
Result<std::optional<light::ValidatorSet>> read_set_of(const ledger::StateReader& state, std::uint64_t epoch);

// What the application takes besides calls.
struct Body {
  Bytes evidence;   // or
  Bytes testimony;  // one statement
};
Result<Body> decode_body(ByteView bytes);

Bytes numbered_key(std::string_view prefix, std::uint64_t number);
// A map of unsigned integers with every key from 0 on.
Bytes encode_numbers(std::initializer_list<std::uint64_t> numbers);
Result<std::vector<std::uint64_t>> decode_numbers(ByteView bytes, std::size_t count);

// An error of a record that this room wrote itself.
std::unexpected<Error> bad_record(std::string_view key, const Error& error);

}  // namespace hanse::reputation
