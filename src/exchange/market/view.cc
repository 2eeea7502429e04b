#include "exchange/market/view.h"

#include "exchange/market/audit.h"

#include "exchange/market/detail/fields.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kArgumentLimits{.size_max = 1024, .depth_max = 3};
constexpr codec::CborLimits kAnswerLimits{.size_max = 1 << 20, .depth_max = 6};

template <class Record>
Result<std::vector<Record>> read_list(ByteView answer, Result<Record> (*decode)(ByteView)) {
  codec::CborReader r(answer, kAnswerLimits);
  std::vector<Record> out;
  TRY_OK(r.enter_array("records", kPageMax));
  while (r.more()) {
    TRY(const ByteView record, r.bytes("record", answer.size()));
    TRY(Record decoded, decode(record));
    out.push_back(std::move(decoded));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Status check_limit(codec::CborReader& r, std::uint32_t limit) {
  if (limit == 0) return r.fail_here("market.record", text("limit is 0, expected 1 to {}", kPageMax));
  return {};
}

}  // namespace

Bytes encode_query(const ProvidersQuery& query) {
  codec::CborWriter w;
  w.map(2);
  put(w, 0, query.after.view());
  put(w, 1, query.limit);
  return w.take();
}

Result<ProvidersQuery> decode_providers_query(ByteView argument) {
  codec::CborReader r(argument, kArgumentLimits);
  Fields f(r, "query");
  ProvidersQuery q;
  TRY_OK(f.enter(2));
  TRY_OK(f.fixed(0, "after", q.after));
  TRY_OK(f.uint(1, "limit", q.limit, kPageMax));
  TRY_OK(check_limit(r, q.limit));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return q;
}

Bytes encode_query(const AsksQuery& query) {
  codec::CborWriter w;
  w.map(4);
  put(w, 0, query.provider.view());
  put(w, 1, query.after_provider.view());
  put(w, 2, query.after_ask.view());
  put(w, 3, query.limit);
  return w.take();
}

Result<AsksQuery> decode_asks_query(ByteView argument) {
  codec::CborReader r(argument, kArgumentLimits);
  Fields f(r, "query");
  AsksQuery q;
  TRY_OK(f.enter(4));
  TRY_OK(f.fixed(0, "provider", q.provider));
  TRY_OK(f.fixed(1, "after_provider", q.after_provider));
  TRY_OK(f.fixed(2, "after_ask", q.after_ask));
  TRY_OK(f.uint(3, "limit", q.limit, kPageMax));
  TRY_OK(check_limit(r, q.limit));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return q;
}

Bytes encode_query(const JobsQuery& query) {
  codec::CborWriter w;
  w.map(5);
  put(w, 0, static_cast<std::uint64_t>(query.by));
  put(w, 1, query.account.view());
  put(w, 2, query.after_height);
  put(w, 3, query.after_job.view());
  put(w, 4, query.limit);
  return w.take();
}

Result<JobsQuery> decode_jobs_query(ByteView argument) {
  codec::CborReader r(argument, kArgumentLimits);
  Fields f(r, "query");
  JobsQuery q;
  TRY_OK(f.enter(5));
  TRY_OK(f.enumerator(0, "by", q.by, static_cast<std::uint64_t>(JobsBy::kProvider)));
  if (q.by != JobsBy::kPayer && q.by != JobsBy::kProvider)
    return r.fail_here("market.record", "by is 0, expected 1 (payer) or 2 (provider)");
  TRY_OK(f.fixed(1, "account", q.account));
  TRY_OK(f.height(2, "after_height", q.after_height));
  TRY_OK(f.fixed(3, "after_job", q.after_job));
  TRY_OK(f.uint(4, "limit", q.limit, kPageMax));
  TRY_OK(check_limit(r, q.limit));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return q;
}

Bytes encode_query(const QuoteQuery& query) {
  codec::CborWriter w;
  w.map(2);
  put(w, 0, query.height);
  put(w, 1, query.gxf);
  return w.take();
}

Result<QuoteQuery> decode_quote_query(ByteView argument) {
  constexpr std::size_t kGxfMax = 64 * 1024;
  codec::CborReader r(argument, {.size_max = kGxfMax + 64, .depth_max = 2});
  Fields f(r, "query");
  QuoteQuery q;
  TRY_OK(f.enter(2));
  TRY_OK(f.height(0, "height", q.height));
  TRY_OK(f.key(1));
  TRY(q.gxf, r.bytes("gxf", kGxfMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return q;
}

Bytes encode_account_view(const AccountView& view) {
  codec::CborWriter w;
  w.map(2);
  put(w, 0, view.balance);
  put(w, 1, view.nonce);
  return w.take();
}

Result<AccountView> decode_account_view(ByteView answer) {
  codec::CborReader r(answer, kAnswerLimits);
  Fields f(r, "account");
  AccountView view;
  TRY_OK(f.enter(2));
  TRY_OK(f.amount(0, "balance", view.balance));
  TRY_OK(f.uint(1, "nonce", view.nonce));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return view;
}

Bytes encode_quote(const Quote& quote) {
  codec::CborWriter w;
  w.map(3);
  put(w, 0, quote.provider.view());
  put(w, 1, quote.ask_id.view());
  put(w, 2, quote.price);
  return w.take();
}

Result<Quote> decode_quote(ByteView answer) {
  codec::CborReader r(answer, kAnswerLimits);
  Fields f(r, "quote");
  Quote quote;
  TRY_OK(f.enter(3));
  TRY_OK(f.fixed(0, "provider", quote.provider));
  TRY_OK(f.fixed(1, "ask_id", quote.ask_id));
  TRY_OK(f.amount(2, "price", quote.price));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return quote;
}

Bytes encode_list(const std::vector<Bytes>& records) {
  codec::CborWriter w;
  w.array(records.size());
  for (const Bytes& record : records) w.bytes(record);
  return w.take();
}

Result<std::vector<Provider>> decode_providers(ByteView answer) { return read_list<Provider>(answer, decode_provider); }
Result<std::vector<Ask>> decode_asks(ByteView answer) { return read_list<Ask>(answer, decode_ask); }
Result<std::vector<Audit>> decode_audits(ByteView answer) { return read_list<Audit>(answer, decode_audit); }
Result<std::vector<Job>> decode_jobs(ByteView answer) { return read_list<Job>(answer, decode_job); }

std::string_view constraint_name(Constraint constraint) {
  static constexpr std::string_view kNames[kConstraints] = {"precision", "level",     "seq",     "batch",    "region",
                                                            "residency", "isolation", "latency", "validity", "slots",
                                                            "units",     "bond",      "limit",   "excluded", "private"};
  return kNames[static_cast<std::size_t>(constraint)];
}

std::string Unmatched::str() const {
  if (asks_seen == 0) return "there is no ask";
  std::string out = text("none of {} asks fits:", asks_seen);
  for (std::size_t i = 0; i < kConstraints; ++i) {
    if (counts[i] > 0) out += text(" {} {},", constraint_name(static_cast<Constraint>(i)), counts[i]);
  }
  out.pop_back();
  return out;
}

Bytes encode_unmatched(const Unmatched& unmatched) {
  codec::CborWriter w;
  w.map(3);
  put(w, 0, unmatched.asks_seen);
  w.key(1);
  w.boolean(unmatched.scan_limit);
  w.key(2);
  const std::size_t written = kConstraints - (unmatched.counts.back() == 0);
  w.array(written);
  for (std::size_t i = 0; i < written; ++i) w.u64(unmatched.counts[i]);
  return w.take();
}

Result<Unmatched> decode_unmatched(ByteView data) {
  codec::CborReader r(data, kArgumentLimits);
  Fields f(r, "unmatched");
  Unmatched out;
  TRY_OK(f.enter(3));
  TRY_OK(f.uint(0, "asks_seen", out.asks_seen));
  TRY_OK(f.key(1));
  TRY(out.scan_limit, r.boolean("scan_limit"));
  TRY_OK(f.key(2));
  TRY_OK(r.enter_array("counts", kConstraints));
  const std::size_t written = r.left();
  if (written + 1 < kConstraints) return r.fail_here("market.record", "found fewer than 14 counts");
  for (std::size_t i = 0; i < written; ++i) {
    TRY(const std::uint64_t v, r.u64("count", ~std::uint32_t{0}));
    out.counts[i] = static_cast<std::uint32_t>(v);
  }
  if (written == kConstraints && out.counts.back() == 0)
    return r.fail_here("market.record", "found a last count of 0, expected none");
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace hanse::market
