// Queries to the market application: path names, arguments and decoded answers, for the CLI and the node.
//   path        argument                       answer
//   params      empty                          Params record
//   totals      empty                          Totals record
//   account     account id (32 bytes)          AccountView
//   provider    account id (32 bytes)          Provider record
//   provider_key  account id (32 bytes)        its key for payloads (1568 bytes)
//   providers   ProvidersQuery                 list of Provider records, by account id
//   asks        AsksQuery                      list of Ask records, by provider and ask id
//   job         job id (16 bytes)              Job record
//   jobs        JobsQuery                      list of Job records, by height submitted and job id
//   gxf         job id (16 bytes)              the GXF of a job that has not ended
//   audit       job id (16 bytes)              Audit record (audit.h) of a job that is audited
//   audits      job id, or empty               list of Audit records, by job id, after the one given
//   quote       QuoteQuery                     Quote: what the job would match at that height; nothing changes
//   rounds      RoundsQuery (sealed.h)         list of RoundHead records, newest first
//   round_part  RoundPlace                     a part of a cleared round's record
//   sealed_bid  RoundPlace                     SealedBid record of an open round
// A list holds at most kPageMax records; ask again with `after` set to the last one.
// Errors of the queries: market.no_provider, market.no_key, market.no_job, market.no_query (not_found); calls.h for
// arguments.
#pragma once

#include "exchange/market/records.h"

namespace hanse::market {

constexpr std::size_t kPageMax = 100;

struct AccountView {
  Amount balance;
  std::uint64_t nonce = 0;
  friend bool operator==(const AccountView&, const AccountView&) = default;
};

struct Quote {
  AccountId provider;
  AskId ask_id;
  Amount price;
  friend bool operator==(const Quote&, const Quote&) = default;
};

struct ProvidersQuery {
  AccountId after;  // zero: from the start
  std::uint32_t limit = kPageMax;
};
struct AsksQuery {
  AccountId provider;        // zero: of all
  AccountId after_provider;  // zero: from the start
  AskId after_ask;
  std::uint32_t limit = kPageMax;
};
enum class JobsBy : std::uint8_t { kPayer = 1, kProvider = 2 };
struct JobsQuery {
  JobsBy by = JobsBy::kPayer;
  AccountId account;
  Height after_height;  // of the last job seen, 0: from the start
  JobId after_job;
  std::uint32_t limit = kPageMax;
};

struct QuoteQuery {
  Height height;  // usually the node's height + 1
  ByteView gxf;   // decoded: borrows the argument
};

Bytes encode_query(const ProvidersQuery& query);
Bytes encode_query(const AsksQuery& query);
Bytes encode_query(const JobsQuery& query);
Bytes encode_query(const QuoteQuery& query);
Result<ProvidersQuery> decode_providers_query(ByteView argument);
Result<AsksQuery> decode_asks_query(ByteView argument);
Result<JobsQuery> decode_jobs_query(ByteView argument);
Result<QuoteQuery> decode_quote_query(ByteView argument);

Bytes encode_account_view(const AccountView& view);
Bytes encode_quote(const Quote& quote);
Bytes encode_list(const std::vector<Bytes>& records);
Result<AccountView> decode_account_view(ByteView answer);
Result<Quote> decode_quote(ByteView answer);
Result<std::vector<Provider>> decode_providers(ByteView answer);
Result<std::vector<Ask>> decode_asks(ByteView answer);
Result<std::vector<Job>> decode_jobs(ByteView answer);

// Why no ask took a job: for each constraint, how many of the asks looked at it kept out (one ask may fail several).
enum class Constraint : std::uint8_t {
  kPrecision,
  kLevel,
  kSeq,
  kBatch,
  kRegion,
  kResidency,
  kIsolation,
  kLatency,
  kValidity,
  kSlots,
  kUnits,
  kBond,
  kLimit,
  kExcluded,
  kPrivate,
};
constexpr std::size_t kConstraints = 15;
std::string_view constraint_name(Constraint constraint);  // "precision", ...

struct Unmatched {
  std::uint32_t asks_seen = 0;
  bool scan_limit = false;  // a list was left after kScanMax asks without a fit
  std::array<std::uint32_t, kConstraints> counts{};
  std::string str() const;  // "none of 5 asks fits: precision 3, limit 2"
  friend bool operator==(const Unmatched&, const Unmatched&) = default;
};
// The last count is written only where it is not zero: before there were private jobs there were 14.
// Data of the failed transaction result of a job that found no ask (error market.unmatched).
Bytes encode_unmatched(const Unmatched& unmatched);
Result<Unmatched> decode_unmatched(ByteView data);

}  // namespace hanse::market
