// A market of strategic players on the production market application (exchange/auction/market_app.h), in memory and
// round after round: payers with private values, providers with private costs, and adversaries of both kinds.
// Nothing of the application is gone round: every order, commit, reveal, start, receipt and verdict is a signed
// transaction that it checks. Left out: consensus, network, pool, runtime; receipts are of no real work.
// Units: values, costs and prices in ut per 1000 compute units in rows, in ut for one job elsewhere; ratios 0 to 1.
// All jobs have one size, so one slot serves any of them and the optimum of a round is exact: the values of everybody
// who wants a job now, down, against the costs of the slots of those who do the work, up, while value is above cost.
// Each slot counts once; a requeued job may find one that was left in the same round, the only way past the optimum.
// After every block the books are counted again (books.h) and every cleared round is given to market::check_record;
// a round's jobs all end before the next round begins. The first thing that does not hold ends the run.
// The same plan gives the same report and trace: BLAKE3("hanse/sim-market/1", ...) over all events in order, with
// the hash of a job's bytes left out, as those bytes hold a hedged signature.
// Threads: one a run. Limits: kRoundsMax, kPayersMax, kProvidersMax.
// Errors: bazaar.plan (invalid: a number out of its range); those of the ledger while the world is set up.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/codec/json.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::sim {

constexpr std::uint64_t kRoundsMax = 200, kPayersMax = 5'000, kProvidersMax = 2'000;
constexpr std::uint64_t kPayersMin = 20, kProvidersMin = 20;

// A mistake made on purpose, to see that the checks name it.
enum class Plant : std::uint8_t {
  kNone,
  kMoney,   // 1 ut that nobody paid, in an account
  kRecord,  // the first match of a cleared round pays 1 ut less in the record than it did
  kBond,    // 1 ut of a bond that stays locked
  kSlot,    // a slot that stays used
  kLive,    // the drain is cut short: jobs are left alive
};

struct MarketPlan {
  std::uint64_t seed = 0;
  std::uint64_t rounds = 12, payers = 1'000, providers = 150;
  Plant plant = Plant::kNone;
};

// What players do. Each payer and each provider has one.
enum class Strategy : std::uint8_t {
  kTruth,       // payer: bids its value, one job
  kShade,       // bids four fifths of it
  kExaggerate,  // bids a third more than it
  kBurst,       // bids its values, three jobs in every third round
  kBulk,        // bids its values, four jobs of one account
  kSybil,       // the same four jobs, each from an account of its own
  kWithhold,    // commits and never reveals
  kAskTruth,    // provider: asks its cost
  kAskShade,    // asks a quarter more
  kAskSplit,    // asks its cost, its slots spread over accounts of one slot each
  kNoStart,     // asks half its cost, never starts
  kNoFinish,    // asks half its cost, starts and never hands in a receipt
  kFalse,       // asks half its cost, does no work and hands in a false receipt
};
constexpr std::size_t kStrategies = 13;
std::string_view strategy_name(Strategy strategy);  // "truth", ...
bool is_provider(Strategy strategy);

struct RoundRow {
  std::uint64_t wants = 0;   // jobs that payers wanted
  std::uint64_t sealed = 0;  // matched in the round
  std::uint64_t immediate = 0;
  std::uint64_t price = 0;   // of buyers, in the round; 0: no trade
  std::uint64_t posted = 0;  // mean of the immediate orders; 0: none
  std::uint64_t served = 0;  // jobs done
  std::int64_t welfare = 0;  // value less cost of the jobs done
  std::int64_t optimum = 0;  // at most this could be had
  std::uint64_t slots = 0;   // of all providers
  double ratio() const { return optimum == 0 ? 1 : static_cast<double>(welfare) / static_cast<double>(optimum); }
  double utilisation() const { return slots == 0 ? 0 : static_cast<double>(served) / static_cast<double>(slots); }
};

struct StrategyRow {
  Strategy strategy = Strategy::kTruth;
  std::uint64_t players = 0, jobs = 0;  // jobs: wanted by payers, taken by providers
  std::uint64_t served = 0;
  std::int64_t money = 0;  // of all its accounts and bonds, end less start
  std::int64_t gain = 0;   // money and values of what was served, less costs of what was done
  // Bids or asks of sealed rounds that were cleared once more with the truth in their place, all else as it was.
  std::uint64_t tried = 0;
  std::int64_t did = 0, truth = 0;  // what these gained so, and would have with the truth
};

struct MarketFailure {
  std::string check, what;
  std::uint64_t height = 0;
};

struct MarketOutcome {
  std::vector<RoundRow> rounds;
  std::array<StrategyRow, kStrategies> strategies;
  std::vector<std::pair<std::string, std::uint64_t>> ends;       // of jobs, by reason
  std::vector<std::pair<std::string, std::uint64_t>> unmatched;  // bids of rounds, by why
  std::vector<std::pair<std::string, std::uint64_t>> refused;    // transactions, by error id
  std::uint64_t blocks = 0, transactions = 0, events = 0, checked_rounds = 0, audits = 0;
  struct Lies {
    std::uint64_t paid = 0, caught = 0;  // false receipts
    std::int64_t gain = 0;               // of who handed them in: what was paid less bonds lost
  } asked, unasked;                      // by whether the payer had asked for an audit
  std::uint64_t burned = 0, treasury = 0;
  Hash32 trace;
  std::optional<MarketFailure> failure;
};

Result<MarketOutcome> run_market(const MarketPlan& plan);
codec::Json market_json(const MarketPlan& plan, const MarketOutcome& outcome);
std::string market_text(const MarketPlan& plan, const MarketOutcome& outcome);
std::string market_svg(const MarketPlan& plan, const MarketOutcome& outcome);  // price, welfare ratio, utilisation

}  // namespace hanse::sim
