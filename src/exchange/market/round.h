// A round of the sealed batch auction as it is written down: what went in, what came out, and the bytes of both.
// The rules that make the one from the other are in exchange/auction/clear.h; round_check.h follows them again.
// Layout: proto/records/round.md.
// Units: unit prices in ut per 1000 compute units (kCU), money in ut, time in blocks.
// Limits: kRoundBidsMax commits (a bid reveals one), kRoundAsksMax asks, kRoundBytesMax bytes of a record.
// Threads: values, free functions any.
// Errors: market.round (invalid: seq or ask twice, a seq without a commit, limits beyond 64 bits together, asks of one
// provider with different slots or bonds, a rule without audits),
// market.round_limit (exhausted), market.record (invalid, with path) and the codec's for bytes.
#pragma once

#include <vector>

#include "exchange/market/records.h"

namespace hanse::market {

constexpr std::size_t kRoundBidsMax = 10'000;
constexpr std::size_t kRoundAsksMax = 10'000;
constexpr std::size_t kRoundBytesMax = 8u << 20;
constexpr std::uint64_t kRoundVersion = 1;
constexpr std::uint64_t kKiloUnits = 1000;  // an ask's unit price is for this many compute units

using Salt = FixedBytes<32, struct SaltTag>;

struct RoundAsk {
  Ask ask;
  std::uint64_t seq = 0;  // given by the ledger when the ask was posted; enters the tie
  Amount bond;            // the provider's, unlocked; as free_slots the same in all its asks, which share them
  std::uint32_t free_slots = 0;
  friend bool operator==(const RoundAsk&, const RoundAsk&) = default;
};

// A revealed bid. seq is the index of its commit among the round's commits, in ledger order.
struct RoundBid {
  Bid bid;
  std::uint64_t seq = 0;
  Salt salt;
  Amount funds;  // held for this bid alone
  friend bool operator==(const RoundBid&, const RoundBid&) = default;
};

struct Round {
  std::uint64_t number = 0;
  Height height;                 // at which it is cleared
  Hash32 beacon;                 // of that block: known after every commit
  std::uint64_t cu_base = 1000;  // Params::cu_base
  Amount bond_min;               // Params::bond_min
  BondRule bond;                 // Params::bond
  std::vector<Hash32> commits;   // commit_of each bid, revealed or not
  std::vector<RoundAsk> asks;
  std::vector<RoundBid> bids;
  friend bool operator==(const Round&, const Round&) = default;
};

// BLAKE3("hanse/bid/1", encode_bid(bid) || salt).
Hash32 commit_of(const Bid& bid, const Salt& salt);

// Asks and trades meet in a cell: the bid's first precision, and region and level_max of the ask.
struct Cell {
  std::uint8_t precision = 0;
  std::uint16_t region = 0;
  std::uint8_t level = 0;
  friend auto operator<=>(const Cell&, const Cell&) = default;
};

struct RoundMatch {
  JobId job_id;
  AccountId provider;
  AskId ask_id;
  Cell cell;
  Amount pays;  // the payer
  Amount gets;  // the provider
  friend bool operator==(const RoundMatch&, const RoundMatch&) = default;
};

// A cell in which bids found asks. `trades` is k, after crossed trades were taken out; `kept` is k, or k - 1 when the
// round was reduced. The prices are those of the kept trades.
struct CellPrice {
  Cell cell;
  std::uint64_t trades = 0;
  std::uint64_t kept = 0;
  std::uint64_t buyer_price = 0;
  std::uint64_t seller_price = 0;
  friend bool operator==(const CellPrice&, const CellPrice&) = default;
};

// Why a bid has no match. 1 to 5: dropped before matching.
enum class BidEnd : std::uint8_t {
  kBadFields = 1,  // a field out of range, or compute units that are not those of the work
  kBadReveal = 2,  // bid and salt do not hash to the commit
  kExpired = 3,    // the job's own height has run out
  kUnfunded = 4,   // less is held than the limit
  kTwice = 5,      // a good bid of lower seq is for the same job
  kNoFit = 6,      // no ask among those looked at keeps its constraints
  kPrice = 7,      // those that do want more
  kCapacity = 8,   // those it could pay have too little left
  kScanLimit = 9,  // a list was left after the scan cap
  kCrossed = 10,   // its cell has no one price for it and for the trades before it
  kReduced = 11,   // it was the marginal trade
};
constexpr std::uint8_t kBidEndMax = 11;
std::string_view bid_end_name(BidEnd end);  // "bad_fields", ...

// Why an ask takes no part.
enum class AskEnd : std::uint8_t {
  kBadFields = 1,
  kExpired = 2,
  kUnbonded = 3,   // the bond is below bond_min
  kImmediate = 4,  // no unit price: immediate orders only
  kExhausted = 5,  // no capacity left
};
constexpr std::uint8_t kAskEndMax = 5;
std::string_view ask_end_name(AskEnd end);

struct BidFate {
  std::uint64_t seq = 0;
  BidEnd end = BidEnd::kBadFields;
  friend bool operator==(const BidFate&, const BidFate&) = default;
};
struct AskFate {
  AccountId provider;
  AskId id;
  AskEnd end = AskEnd::kBadFields;
  friend bool operator==(const AskFate&, const AskFate&) = default;
};

struct RoundOutcome {
  std::vector<RoundMatch> matches;  // by job id
  std::vector<CellPrice> cells;     // by cell
  std::vector<BidFate> unmatched;   // every bid without a match, by seq
  std::vector<AskFate> dropped;     // by provider and id
  Amount paid, received, treasury;  // paid = received + treasury
  friend bool operator==(const RoundOutcome&, const RoundOutcome&) = default;
};

struct RoundRecord {
  Round round;
  RoundOutcome outcome;
  friend bool operator==(const RoundRecord&, const RoundRecord&) = default;
};

// What a round must be before anything can be said of its bids and asks.
Status check_round(const Round& round);

// Asks are written by provider and id, bids by seq, whatever their order in the struct; the decoder asks for it.
Bytes encode_round(const RoundRecord& record);
Result<RoundRecord> decode_round(ByteView bytes);

}  // namespace hanse::market
