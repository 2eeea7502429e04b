// The market's transactions: arguments of its signed calls and the body that carries a call or a job.
// Layouts: proto/records/market.md. Errors: market.record, market.body and the codec's (all invalid).
#pragma once

#include "exchange/market/records.h"

namespace hanse::market {

constexpr std::uint8_t kMarketApp = 2;  // application number on the ledger

enum class Method : std::uint16_t {
  kProviderRegister = 1,
  kProviderUnbond = 2,
  kAskPost = 3,
  kAskWithdraw = 4,
  kJobStart = 5,
  kJobReceipt = 6,
  kJobCancel = 7,
  kCommit = 8,        // sealed.h
  kJobChallenge = 9,  // audit.h
  kJobVerdict = 10,
  kProviderKey = 11,
  kJobPayload = 12,
};

// A new provider, or more bond for one that stands; other fields may change while it has no asks and no jobs.
struct ProviderRegister {
  std::uint16_t region = 0;
  std::uint8_t precisions = 0;
  std::uint8_t isolation = 0;
  std::uint32_t capacity = 0;
  Amount bond;  // added to the bond held
  Bytes ed25519;
};
// Takes `amount` of the unlocked bond back; below bond_min only without asks.
struct ProviderUnbond {
  Amount amount;
};
struct AskPost {
  std::uint8_t precisions = 0;
  std::uint8_t level_max = 0;
  std::uint32_t max_seq = 0;
  std::uint16_t max_batch = 0;
  std::uint32_t latency_ms = 0;
  std::uint8_t isolation = 0;
  Amount base_price;
  Amount unit_price;
  std::uint64_t capacity_cu = 0;
  Height valid_until;
};
struct AskWithdraw {
  AskId id;
};
struct JobStart {
  JobId id;
};
struct JobReceipt {
  JobId id;
  BlobId receipt_hash;
  RunStatus status = RunStatus::kOk;
  std::uint64_t gas = 0;
  std::vector<OutputRef> outputs;  // as many as the job asks for when ok, else none
  std::optional<StepsRef> steps = {};
};
// A provider's ML-KEM-1024 key for the payloads of private jobs, or nothing to take none any more; while it has no asks
// and no jobs. Asks that are posted while there is a key take private jobs.
struct ProviderKey {
  Bytes key;
};
// From the payer of a private job, once, before the start: the blob that is sealed to its provider.
struct JobPayload {
  JobId id;
  BlobId blob;
};
// From the payer: cancels a job that has not started. From the provider: declines it before the start (no penalty),
// gives it up after (penalty of a missing receipt); either way it is offered once to another ask.
struct JobCancel {
  JobId id;
};

Bytes encode(const ProviderRegister& call);
Bytes encode(const ProviderUnbond& call);
Bytes encode(const AskPost& call);
Bytes encode(const AskWithdraw& call);
Bytes encode(const JobStart& call);
Bytes encode(const JobReceipt& call);
Bytes encode(const JobCancel& call);
Bytes encode(const ProviderKey& call);
Bytes encode(const JobPayload& call);
Result<ProviderRegister> decode_provider_register(ByteView args);
Result<ProviderUnbond> decode_provider_unbond(ByteView args);
Result<AskPost> decode_ask_post(ByteView args);
Result<AskWithdraw> decode_ask_withdraw(ByteView args);
Result<JobStart> decode_job_start(ByteView args);
Result<JobReceipt> decode_job_receipt(ByteView args);
Result<JobCancel> decode_job_cancel(ByteView args);
Result<ProviderKey> decode_provider_key(ByteView args);
Result<JobPayload> decode_job_payload(ByteView args);

// Body of a transaction for kMarketApp: {0: kind, 1: bytes}.
enum class BodyKind : std::uint8_t { kCall = 1, kJob = 2, kReveal = 3 };
struct Body {
  BodyKind kind = BodyKind::kCall;
  ByteView bytes;  // an encoded ledger::SignedCall, a GXF, or a Reveal (sealed.h); borrows the input
};
Bytes encode_body(BodyKind kind, ByteView bytes);
Result<Body> decode_body(ByteView body);

}  // namespace hanse::market
