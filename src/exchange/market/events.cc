#include "exchange/market/events.h"

#include "exchange/market/detail/fields.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kEventLimits{.size_max = 1024, .depth_max = 2};
constexpr Topic kTopics[] = {Topic::kMatched, Topic::kStarted,  Topic::kReceipted, Topic::kSettled,
                             Topic::kClosed,  Topic::kRequeued, Topic::kAudited,   Topic::kPayload};

std::size_t field_count(Topic topic) {
  switch (topic) {
    case Topic::kMatched: return 8;
    case Topic::kStarted: return 4;
    case Topic::kReceipted:
    case Topic::kAudited: return 6;
    case Topic::kSettled: return 7;
    case Topic::kClosed: return 6;
    case Topic::kRequeued:
    case Topic::kPayload: return 5;
  }
  return 0;
}

Status read_rest(Fields& f, JobEvent& e) {
  switch (e.topic) {
    case Topic::kMatched:
      TRY_OK(f.fixed(3, "gxf_hash", e.gxf_hash));
      TRY_OK(f.fixed(4, "ask_id", e.ask_id));
      TRY_OK(f.amount(5, "price", e.price));
      TRY_OK(f.uint(6, "attempt", e.attempt, 1));
      return f.height(7, "deadline", e.deadline);
    case Topic::kStarted: return f.height(7, "deadline", e.deadline);
    case Topic::kPayload: TRY_OK(f.height(7, "deadline", e.deadline)); return f.fixed(15, "payload", e.payload);
    case Topic::kReceipted:
    case Topic::kAudited:
      TRY_OK(f.height(7, "deadline", e.deadline));
      TRY_OK(f.fixed(8, "receipt_hash", e.receipt_hash));
      return f.enumerator(9, "status", e.status, kRunStatusMax);
    case Topic::kSettled:
      TRY_OK(f.enumerator(9, "status", e.status, kRunStatusMax));
      TRY_OK(f.amount(10, "paid", e.paid));
      TRY_OK(f.amount(11, "fee", e.fee));
      return f.amount(12, "refund", e.refund);
    case Topic::kClosed:
      TRY_OK(f.amount(12, "refund", e.refund));
      TRY_OK(f.enumerator(13, "reason", e.reason, kCloseReasonMax));
      return f.amount(14, "penalty", e.penalty);
    case Topic::kRequeued:
      TRY_OK(f.enumerator(13, "reason", e.reason, kCloseReasonMax));
      return f.amount(14, "penalty", e.penalty);
  }
  return {};
}

}  // namespace

std::string_view topic_name(Topic topic) {
  switch (topic) {
    case Topic::kMatched: return "market.matched";
    case Topic::kStarted: return "market.started";
    case Topic::kReceipted: return "market.receipted";
    case Topic::kSettled: return "market.settled";
    case Topic::kClosed: return "market.closed";
    case Topic::kRequeued: return "market.requeued";
    case Topic::kAudited: return "market.audited";
    case Topic::kPayload: return "market.payload";
  }
  return "market.unknown";
}

Bytes encode_event(const JobEvent& e) {
  const bool matched = e.topic == Topic::kMatched;
  const bool closing = e.topic == Topic::kClosed || e.topic == Topic::kRequeued;
  const bool receipt = e.topic == Topic::kReceipted || e.topic == Topic::kAudited;
  codec::CborWriter w;
  w.map(field_count(e.topic));
  put(w, 0, e.job_id.view());
  put(w, 1, e.provider.view());
  put(w, 2, e.payer.view());
  if (matched) {
    put(w, 3, e.gxf_hash.view());
    put(w, 4, e.ask_id.view());
    put(w, 5, e.price);
    put(w, 6, e.attempt);
  }
  const bool payload = e.topic == Topic::kPayload;
  if (matched || e.topic == Topic::kStarted || receipt || payload) put(w, 7, e.deadline);
  if (receipt) put(w, 8, e.receipt_hash.view());
  if (receipt || e.topic == Topic::kSettled) put(w, 9, static_cast<std::uint64_t>(e.status));
  if (e.topic == Topic::kSettled) {
    put(w, 10, e.paid);
    put(w, 11, e.fee);
  }
  if (e.topic == Topic::kSettled || e.topic == Topic::kClosed) put(w, 12, e.refund);
  if (closing) {
    put(w, 13, static_cast<std::uint64_t>(e.reason));
    put(w, 14, e.penalty);
  }
  if (payload) put(w, 15, e.payload.view());
  return w.take();
}

Result<JobEvent> decode_event(std::string_view topic, ByteView data) {
  JobEvent e;
  const auto* found =
      std::find_if(std::begin(kTopics), std::end(kTopics), [&](Topic t) { return topic_name(t) == topic; });
  if (found == std::end(kTopics)) {
    return fail(Kind::kInvalid, "market.event", text("topic {} is unknown, expected one of market.*", topic));
  }
  e.topic = *found;
  codec::CborReader r(data, kEventLimits);
  Fields f(r, "event");
  TRY_OK(f.enter(field_count(e.topic)));
  TRY_OK(f.fixed(0, "job_id", e.job_id));
  TRY_OK(f.fixed(1, "provider", e.provider));
  TRY_OK(f.fixed(2, "payer", e.payer));
  TRY_OK(read_rest(f, e));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return e;
}

}  // namespace hanse::market
