// Audits of receipts as the ledger keeps them: calls and the record of one that is open (exchange.md 5.5).
//
// A receipted job whose payer asked for an audit is drawn at the end of its settlement window, with the chance
// audit_ppm of Params::bond, by the beacon of that block, which nobody knew when the receipt was signed; one whose
// results carry what proves them (gxf::reads_outputs) always is. Any other job is audited when somebody challenges its
// receipt before that, with a deposit. Then the validators that run auditors check the proof, or do the work again, and
// sign verdicts; more than a third of the voting power decides, so at least one honest validator is among them.
// Layouts: proto/records/market.md. Threads: values. Errors: market.record (invalid) and the codec's.
#pragma once

#include "exchange/market/records.h"

namespace hanse::market {

constexpr std::size_t kVerdictsMax = 128;  // validators of an epoch

// Method::kJobChallenge.
struct JobChallenge {
  JobId id;
  BlobId witness = {};  // where auditors look first (exchange/flow/steps.h); zero: nowhere
};
// Method::kJobVerdict, by the account of a validator of the epoch.
struct JobVerdict {
  JobId id;
  BlobId receipt_hash;  // what was judged
  bool holds = false;
};

struct Verdict {
  AccountId validator;
  bool holds = false;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};
struct Audit {
  JobId id;
  AccountId challenger;  // zero: drawn
  Amount deposit;        // of the challenger, in escrow
  std::vector<Verdict> verdicts;
  BlobId witness = {};  // of the challenge, or zero
  friend bool operator==(const Audit&, const Audit&) = default;
};

// Whether the beacon draws a receipt: the first 8 bytes of BLAKE3("hanse/audit-lot/1", beacon || receipt hash), big-
// endian, are below audit_ppm millionths of 2^64.
bool is_drawn(const Hash32& beacon, const BlobId& receipt_hash, std::uint64_t audit_ppm);
// Whether a receipt is to be judged at the end of its settlement window.
bool is_judged(const Job& receipted, const Hash32& beacon, const Params& params);

Bytes encode(const JobChallenge& call);
Bytes encode(const JobVerdict& call);
Bytes encode_audit(const Audit& audit);
Result<JobChallenge> decode_job_challenge(ByteView args);
Result<JobVerdict> decode_job_verdict(ByteView args);
Result<Audit> decode_audit(ByteView bytes);
Result<std::vector<Audit>> decode_audits(ByteView answer);  // of the query "audits" (view.h)

}  // namespace hanse::market
