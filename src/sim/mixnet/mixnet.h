// The mix under an observer who sees every link: the production Mix, Sender and cells (exchange/router), in virtual
// time.
//
// What the observer sees of an event: when, from whom, to whom, and the bytes. What it knows: the protocol, that delays
// are exponential, everybody's strata, and which cells a mix passed on at once (Flash). Delays without memory make
// every cell that a mix holds as likely as any other to be the one that leaves, so its best belief about a departing
// cell is the mean of the beliefs about the cells held (Danezis, "The Traffic Analysis of Continuous-Time Mixes",
// 2004): it keeps for each mix the sum of them and their number. Beliefs start at the links from senders into the mix.
// The truth, which the observer does not see, is the message id that the receiver reads.
//
// The bound: of the Deep lane the observer's beliefs have at least the bits that senders want, they put on the truth at
// most twice what that many equal candidates would have, and the likeliest candidate (also the first-in-first-out
// guess) is right no more often than beliefs say, up to four standard deviations. No 16 bytes of a link come again on
// another. Flash promises nothing against this observer, and its row says what it costs. Every job is a cell: what a
// Deep sender says in its turn, or a Flash cell at once; Flash jobs come by a Poisson process. The same plan gives the
// same outcome and trace: BLAKE3("hanse/sim-mix/1", ...) over all cells in order. Units: entropy in bits, times in ms
// of virtual time. Threads: one a run. Floating point: none of this is replicated. Errors: mixnet.plan (invalid: a
// number out of its range).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/codec/json.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "exchange/router/entropy.h"

namespace hanse::sim {

constexpr std::uint64_t kMixJobsMax = 50'000, kMixesMin = 3, kMixesMax = 60, kMixPayersMax = 1'000, kMixExitsMax = 16;
constexpr double kMixBitsMax = 12;

struct MixPlan {
  std::uint64_t seed = 0;
  std::uint64_t deep_jobs = 1'250, flash_jobs = 8'750;
  std::uint64_t mixes = 6, exits = 3, payers = 40;  // each payer's sender has a turn a second
  router::AnonymityWanted wanted{.bits = 7, .mean_ms_min = 100, .mean_ms_max = 30'000};
  std::int64_t warm_up_ms = 20'000;  // before the first job: Deep cells that are not judged
  double mix_loops_per_s = 0;
  // Faults and lies, to see what they do.
  std::optional<std::size_t> drops;      // a mix that drops all it should pass on
  std::optional<std::uint8_t> owned;     // a stratum whose mixes tell the observer everything
  std::optional<double> bits_delivered;  // senders want these in place of wanted.bits, which the bound still asks for
};

struct LaneRow {
  std::uint64_t jobs = 0, delivered = 0;
  double bits = 0;        // mean entropy of the beliefs at delivery
  double top = 0;         // mean of the likeliest candidate's probability: how often it should be right
  double top_right = 0;   // how often it was
  double fifo_right = 0;  // how often the first-in-first-out guess was
  double on_truth = 0;    // mean probability given to the true one
  double top_sigma = 0;   // standard deviation of top_right, were beliefs honest
};

struct MixRow {  // what one mix tells of itself at the end
  double deep_per_s = 0, bits = 0;
  std::uint64_t rejected = 0, loops_sent = 0;
  bool alarm = false;
};

struct MixOutcome {
  LaneRow deep, flash;
  std::vector<MixRow> mixes;
  std::uint64_t cells = 0, repeated_blocks = 0;
  std::int64_t ms = 0;
  Hash32 trace;
  std::optional<std::string> failure;  // of the bound, in words
};

Result<MixOutcome> run_mix(const MixPlan& plan);
codec::Json mix_json(const MixPlan& plan, const MixOutcome& outcome);
std::string mix_text(const MixPlan& plan, const MixOutcome& outcome);

}  // namespace hanse::sim
