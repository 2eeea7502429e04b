// Foreign bytes as every record, call, event and query of the market: refused, or they re-encode to themselves.
#include "base/core/check.h"
#include "exchange/market/audit.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "exchange/market/sealed.h"
#include "exchange/market/view.h"

namespace {

template <class T, class Encode>
void same_again(const hanse::Result<T>& decoded, hanse::ByteView input, Encode encode) {
  if (decoded) hanse::check(hanse::equal(encode(*decoded), input), "what decodes has one encoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace m = hanse::market;
  const hanse::ByteView in(data, size);
  const auto call = [](const auto& v) { return m::encode(v); };
  const auto query = [](const auto& v) { return m::encode_query(v); };
  same_again(m::decode_params(in), in, [](const auto& v) { return m::encode_params(v); });
  same_again(m::decode_provider(in), in, [](const auto& v) { return m::encode_provider(v); });
  same_again(m::decode_ask(in), in, [](const auto& v) { return m::encode_ask(v); });
  same_again(m::decode_job(in), in, [](const auto& v) { return m::encode_job(v); });
  same_again(m::decode_totals(in), in, [](const auto& v) { return m::encode_totals(v); });
  same_again(m::decode_provider_register(in), in, call);
  same_again(m::decode_provider_unbond(in), in, call);
  same_again(m::decode_ask_post(in), in, call);
  same_again(m::decode_ask_withdraw(in), in, call);
  same_again(m::decode_job_receipt(in), in, call);
  same_again(m::decode_job_challenge(in), in, call);
  same_again(m::decode_job_verdict(in), in, call);
  same_again(m::decode_audit(in), in, [](const auto& v) { return m::encode_audit(v); });
  same_again(m::decode_provider_key(in), in, call);
  same_again(m::decode_job_payload(in), in, call);
  same_again(m::decode_body(in), in, [](const auto& v) { return m::encode_body(v.kind, v.bytes); });
  same_again(m::decode_providers_query(in), in, query);
  same_again(m::decode_asks_query(in), in, query);
  same_again(m::decode_jobs_query(in), in, query);
  same_again(m::decode_quote_query(in), in, query);
  same_again(m::decode_account_view(in), in, [](const auto& v) { return m::encode_account_view(v); });
  same_again(m::decode_quote(in), in, [](const auto& v) { return m::encode_quote(v); });
  same_again(m::decode_unmatched(in), in, [](const auto& v) { return m::encode_unmatched(v); });
  same_again(m::decode_commit(in), in, call);
  same_again(m::decode_reveal(in), in, call);
  same_again(m::decode_commit_place(in), in, [](const auto& v) { return m::encode_commit_place(v); });
  same_again(m::decode_sealed_bid(in), in, [](const auto& v) { return m::encode_sealed_bid(v); });
  same_again(m::decode_round_head(in), in, [](const auto& v) { return m::encode_round_head(v); });
  same_again(m::decode_rounds_head(in), in, [](const auto& v) { return m::encode_rounds_head(v); });
  same_again(m::decode_rounds_query(in), in, query);
  same_again(m::decode_round_place(in), in, query);
  same_again(m::decode_round_event(m::topic_name(m::RoundTopic::kCleared), in), in,
             [](const auto& v) { return m::encode_round_event(v); });
  for (const auto topic : {m::Topic::kMatched, m::Topic::kStarted, m::Topic::kReceipted, m::Topic::kSettled,
                           m::Topic::kClosed, m::Topic::kRequeued})
    same_again(m::decode_event(m::topic_name(topic), in), in, [](const auto& v) { return m::encode_event(v); });
  return 0;
}
