// What the market writes down: providers, asks, bids, jobs, parameters, totals, and the bytes of each record.
// This room knows no ledger, so that a receipt can be checked without one; exchange/auction is the application.
// Layouts: proto/records/market.md. Every decoder is strict (all keys, in order, nothing else) and bounded.
// Units: money in ut (Amount), time in blocks (Height), shares in millionths (ppm), regions as bit numbers 0..63,
// precisions as a mask with the bit (1 << Precision) of gxf::Precision.
// Threads: values. Errors: market.record (invalid, with path) and the codec's.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "exchange/gxf/gxf.h"

namespace hanse::market {

// BLAKE3("hanse/ask/1", provider || nonce of the call that posted it), first 16 bytes.
using AskId = FixedBytes<16, struct AskTag>;
AskId derive_ask_id(const AccountId& provider, std::uint64_t nonce);

constexpr std::uint64_t kPpm = 1'000'000;
constexpr std::uint16_t kRegionsMax = 64;
constexpr std::uint8_t kPrecisionsAll = 0b1'1110;
constexpr std::uint8_t kIsolationMax = 3;
constexpr std::uint8_t kLevelMax = 3;
constexpr std::uint32_t kCapacityMax = 65'536;
constexpr std::size_t kAsksPerProviderMax = 16;
constexpr std::size_t kOutputsMax = 64;
constexpr std::size_t kPayloadKeyBytes = 1568;  // an ML-KEM-1024 public key

inline std::uint8_t precision_bit(gxf::Precision p) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(p));
}

// What a provider must stand for while it has a job of price p, so that cheating does not pay (exchange.md 5.2): with
// audits at q parts of a million and g = gain_ppm of p to be won by cheating, bond = ceil(g * (1e6 - q) / q) + p.
struct BondRule {
  std::uint64_t audit_ppm = 500'000;  // q, 1 to kPpm; what the network's auditors promise
  std::uint64_t gain_ppm = kPpm;      // of the price, at most 100 * kPpm
  friend bool operator==(const BondRule&, const BondRule&) = default;
};

// The genesis section of the market. encode_params gives the section; an empty section means these defaults.
struct Params {
  std::uint64_t start_timeout = 20;               // blocks from the match to job_start
  std::uint64_t run_timeout = 600;                // blocks from job_start to job_receipt
  std::uint64_t settle_window = 10;               // blocks from job_receipt to payment
  BondRule bond;                                  // locked while a job lives; at least the price
  std::uint64_t nostart_penalty_ppm = 100'000;    // of the price, burned from the bond; at most kPpm
  std::uint64_t noreceipt_penalty_ppm = 500'000;  // likewise
  std::uint64_t fee_ppm = 10'000;                 // of what a provider earns, to the treasury
  Amount bond_min{1'000'000};                     // to post asks
  std::uint64_t ask_span_max = 1'000'000;         // blocks an ask may stand
  std::uint64_t cu_base = 1'000;                  // base of the compute units of a bid
  std::uint64_t job_span_max = 1'000'000;         // gxf::Params
  std::uint8_t precisions = kPrecisionsAll;       // gxf::Params
  std::uint64_t kv_bytes_max = 1ull << 40;        // gxf::Params
  std::uint64_t commit_blocks = 10;               // a batch round takes commits, from its first on
  std::uint64_t reveal_blocks = 20;               // and reveals after that; at most 8 * commit_blocks
  Amount deposit{10'000};                         // for each commit, returned when it is revealed, else burned
  std::uint64_t audit_window = 0;                 // blocks that auditors have (audit.h); 0: nothing is audited
  Amount challenge_deposit{100'000};              // of who doubts a receipt; to the treasury when it was right
  friend bool operator==(const Params&, const Params&) = default;
};
Status check_params(const Params& params);  // market.params: spans 1..1e6, shares <= kPpm

struct Provider {
  AccountId account;
  Hash32 mldsa_key_id;  // crypto::key_id of the ML-DSA key: names it in attestation envelopes
  Bytes ed25519;        // 32 bytes, the second key of every receipt
  std::uint16_t region = 0;
  std::uint8_t precisions = 0;
  std::uint8_t isolation = 0;
  std::uint32_t capacity = 0;  // jobs at a time
  std::uint32_t used = 0;      // jobs matched, started or receipted
  std::uint32_t asks = 0;      // standing
  Amount bond;                 // held by the market, locked part included
  Amount bond_locked;
  std::uint64_t reputation = 0;  // +1 a settled job, a third lost for each that was not started or not finished
  std::uint64_t settled = 0;     // jobs
  std::uint64_t faults = 0;      // jobs not started or not finished
  friend bool operator==(const Provider&, const Provider&) = default;
};
constexpr std::uint64_t kReputationStart = 30;

// A standing offer (exchange.md 5.2). base_price enters the posted price that immediate orders pay; unit_price is what
// the ask wants per 1000 compute units in the sealed batch rounds, 0 = it takes no part in them.
struct Ask {
  AskId id;
  AccountId provider;
  std::uint16_t region = 0;
  std::uint8_t precisions = 0;
  std::uint8_t level_max = 0;
  std::uint32_t max_seq = 0;
  std::uint16_t max_batch = 0;
  std::uint32_t latency_ms = 0;
  std::uint8_t isolation = 0;
  Amount base_price;
  Amount unit_price;
  std::uint64_t capacity_cu = 0;
  std::uint64_t used_cu = 0;
  Height valid_until;          // last height at which it may be matched
  bool takes_private = false;  // its provider has a key for payloads (keys.h)
  friend bool operator==(const Ask&, const Ask&) = default;
};

// The amount of work of a job as the price formula sees it, summed over its nodes:
// weight = sum of M, load = sum of seq * batch * M, with M in tenths (INT8 10, E5M2 12, FP8 15, BF16 20).
struct Work {
  std::uint64_t weight = 0;
  std::uint64_t load = 0;
  friend bool operator==(const Work&, const Work&) = default;
};

struct Bid {
  JobId job_id;
  AccountId payer;
  std::uint8_t precisions = 0;  // all must be offered
  std::uint8_t level = 0;       // the highest of the nodes, as are seq and batch
  std::uint32_t seq = 0;
  std::uint16_t batch = 0;
  std::uint64_t region_mask = 0;
  std::uint16_t residency = 0;       // region + 1, 0 = none
  std::uint32_t max_latency_ms = 0;  // 0 = any
  std::uint8_t isolation = 0;
  Work work;
  std::uint64_t cu = 0;
  Amount limit_total;
  Height expires;
  bool is_private = false;  // its inputs are for the matched provider alone (exchange/payload)
  friend bool operator==(const Bid&, const Bid&) = default;
};

enum class JobState : std::uint8_t {
  kMatched = 1,  // escrow and bond locked, waiting for job_start
  kStarted = 2,
  kReceipted = 3,  // waiting for the settlement window
  kSettled = 4,    // ended with a receipt
  kClosed = 5,     // ended without one, or with a false one, escrow returned
  kAudited = 6,    // receipted, waiting for the verdicts of auditors
};
enum class CloseReason : std::uint8_t {
  kNone = 0,
  kSettled = 1,
  kCancelled = 2,  // by the payer before the start
  kExpired = 3,    // the job's own height ran out before the start
  kNoStart = 4,    // the provider let the start timeout pass
  kNoReceipt = 5,  // the provider let the run timeout pass
  kDeclined = 6,   // the provider said no before the start
  kGivenUp = 7,    // the provider said no after the start
  kFalse = 8,      // auditors found the receipt false
  kNoPayload = 9,  // the payer of a private job let the start timeout pass
};
constexpr std::uint64_t kCloseReasonMax = 9;
// Outcome of a run as a receipt states it; the numbers of runtime::RunStatus.
enum class RunStatus : std::uint8_t {
  kOk = 0,
  kGasExhausted = 1,
  kMemoryExceeded = 2,
  kTimeout = 3,
  kOutputTooLarge = 4,
  kTrap = 5,
  kAborted = 6,
};
constexpr std::uint8_t kRunStatusMax = 6;
std::string_view job_state_name(JobState state);         // "matched", ...
std::string_view close_reason_name(CloseReason reason);  // "no_start", ...
std::string_view run_status_name(RunStatus status);      // "gas_exhausted", ...

struct OutputRef {
  BlobId id;
  std::uint64_t size_bytes = 0;
  friend bool operator==(const OutputRef&, const OutputRef&) = default;
};

// Of a job that ran in steps: what its provider says of the states before each of them.
struct StepsRef {
  std::uint32_t count = 0;  // 1 to kStepsMax
  Hash32 root;              // crypto::merkle_root of the roots of the states
  BlobId list;              // these roots one after the other, 32 bytes each
  friend bool operator==(const StepsRef&, const StepsRef&) = default;
};
constexpr std::uint32_t kStepsMax = 65'536;

// What the provider recorded for a job.
struct JobResult {
  BlobId receipt_hash;  // blob_id of the signed receipt's bytes: where to fetch it, too
  RunStatus status = RunStatus::kOk;
  std::uint64_t gas = 0;
  std::vector<OutputRef> outputs;
  std::optional<StepsRef> steps = {};  // none: the job had none, or its run depended on the machine
  Amount paid;                         // to the provider, fee already taken; set by the settlement
  Amount fee;
  friend bool operator==(const JobResult&, const JobResult&) = default;
};

struct Job {
  Bid bid;
  BlobId gxf_hash;  // blob_id of the GXF's bytes
  JobState state = JobState::kMatched;
  CloseReason reason = CloseReason::kNone;
  std::uint8_t attempt = 0;  // 0, or 1 after the one requeue
  AccountId provider;
  FixedBytes<32> ed25519;  // of the provider at the match: the second key its receipt must carry
  AskId ask_id;
  Amount price;                                           // in escrow while the job lives; what can be earned
  Amount spread;                                          // likewise; the treasury's, of a reduced batch round
  Amount bond;                                            // of the provider, locked while the job lives
  Height submitted, matched, started, receipted, closed;  // 0 = not yet
  Height deadline;                                        // last height of the present state; 0 once ended
  std::uint64_t gas_limit = 0;                            // sum over the nodes
  std::uint32_t outputs_expected = 0;
  std::uint64_t round = 0;                   // the batch round it was matched in, 0 = an immediate order
  gxf::Audit audit = gxf::Audit::kReceipts;  // what the payer asked for
  Hash32 seed;  // BLAKE3("hanse/job-seed/1", job id || beacon of the first match): the job's randomness
  std::optional<JobResult> result;
  std::optional<BlobId> payload;  // of a private job, once its payer has given it
  bool awaits_payload() const { return bid.is_private && !payload; }
  bool ended() const { return state == JobState::kSettled || state == JobState::kClosed; }
  friend bool operator==(const Job&, const Job&) = default;
};

struct Totals {
  Amount escrow, bonds, treasury, burned;
  Amount sealed;              // deposits of commits and the limits of revealed bids, in open rounds
  std::uint64_t live = 0;     // jobs
  std::uint64_t matched = 0;  // matches ever, requeues included
  std::uint64_t settled = 0;  // jobs ever
  std::uint64_t closed = 0;   // jobs ever
  Amount volume;              // paid to providers ever
  friend bool operator==(const Totals&, const Totals&) = default;
};

Bytes encode_params(const Params& params);
Bytes encode_provider(const Provider& provider);
Bytes encode_ask(const Ask& ask);
Bytes encode_bid(const Bid& bid);
Bytes encode_job(const Job& job);
Bytes encode_totals(const Totals& totals);
Result<Params> decode_params(ByteView bytes);
Result<Provider> decode_provider(ByteView bytes);
Result<Ask> decode_ask(ByteView bytes);
Result<Bid> decode_bid(ByteView bytes);
Result<Job> decode_job(ByteView bytes);
Result<Totals> decode_totals(ByteView bytes);

}  // namespace hanse::market
