// The market's events. Topics and who is told what (proto/records/market.md):
//   market.matched    provider, price, ask, attempt, deadline of the start
//   market.payload    blob of the payload, deadline of the start
//   market.started    deadline of the receipt
//   market.receipted  receipt hash, run status, height of the settlement
//   market.audited    receipt hash, run status, last height of the verdicts
//   market.settled    run status, paid, fee, refund
//   market.closed     reason, refund, penalty
//   market.requeued   reason, penalty; provider is the one that lost the job, a market.matched follows
// Every event has job, provider and payer. Fields that a topic does not carry stay zero.
// Errors: market.event (invalid) for an unknown topic, market.record and the codec's.
#pragma once

#include "exchange/market/records.h"

namespace hanse::market {

enum class Topic : std::uint8_t { kMatched, kStarted, kReceipted, kSettled, kClosed, kRequeued, kAudited, kPayload };
std::string_view topic_name(Topic topic);  // "market.matched", ...

struct JobEvent {
  Topic topic = Topic::kMatched;
  JobId job_id{};
  AccountId provider{};
  AccountId payer{};
  BlobId gxf_hash{};
  AskId ask_id{};
  Amount price{};
  std::uint8_t attempt = 0;
  Height deadline{};
  BlobId receipt_hash{};
  BlobId payload{};
  RunStatus status = RunStatus::kOk;
  Amount paid{}, fee{}, refund{}, penalty{};
  CloseReason reason = CloseReason::kNone;
  friend bool operator==(const JobEvent&, const JobEvent&) = default;
};

Bytes encode_event(const JobEvent& event);
Result<JobEvent> decode_event(std::string_view topic, ByteView data);

}  // namespace hanse::market
