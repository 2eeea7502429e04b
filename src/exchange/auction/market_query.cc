#include "exchange/auction/market_query.h"

#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/book.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

template <class Id>
Result<Id> id_argument(ByteView argument, std::string_view what) {
  Id id;
  if (!Id::from(argument, id)) {
    return fail(Kind::kInvalid, "market.query",
                text("the argument has {} bytes, expected {} of {}", argument.size(), Id::kSize, what));
  }
  return id;
}

Result<Bytes> must_get(const ledger::StateReader& state, ByteView key, std::string_view id, std::string_view what) {
  TRY(std::optional<Bytes> bytes, state.get(key));
  if (!bytes) return fail(Kind::kNotFound, id, text("the market has no {}", what));
  return *std::move(bytes);
}

// Records under prefix after the key `after` (not included), at most limit.
Result<Bytes> list(const ledger::StateReader& state, ByteView prefix, ByteView after, std::size_t limit) {
  std::vector<Bytes> records;
  TRY_OK(state.scan(prefix, after, [&](ByteView key, ByteView value) {
    if (!after.empty() && equal(key, after)) return true;
    records.push_back(to_bytes(value));
    return records.size() < limit;
  }));
  return market::encode_list(records);
}

Result<Bytes> providers(ByteView argument, const ledger::StateReader& state) {
  TRY(const auto query, market::decode_providers_query(argument));
  const Bytes after = query.after.is_zero() ? Bytes{} : market::provider_key(query.after);
  return list(state, as_bytes(market::kProviderPrefix), after, query.limit);
}

Result<Bytes> asks(ByteView argument, const ledger::StateReader& state) {
  TRY(const auto query, market::decode_asks_query(argument));
  const Bytes prefix = query.provider.is_zero() ? to_bytes(market::kAskPrefix) : market::asks_of_key(query.provider);
  const Bytes after = query.after_provider.is_zero() ? Bytes{} : market::ask_key(query.after_provider, query.after_ask);
  return list(state, prefix, after, query.limit);
}

Result<Bytes> jobs(ByteView argument, const ledger::StateReader& state) {
  TRY(const auto query, market::decode_jobs_query(argument));
  const bool by_payer = query.by == market::JobsBy::kPayer;
  const auto key = by_payer ? market::payer_job_key : market::provider_job_key;
  const Bytes from = key(query.account, query.after_height, query.after_job);
  const ByteView prefix = ByteView(from).first(from.size() - 8 - JobId::kSize);
  std::vector<JobId> ids;
  TRY_OK(state.scan(prefix, from, [&](ByteView at, ByteView) {
    if (equal(at, from)) return true;
    JobId id;
    if (JobId::from(at.last(JobId::kSize), id)) ids.push_back(id);
    return ids.size() < query.limit;
  }));
  std::vector<Bytes> records;
  for (const JobId& id : ids) {
    TRY(const market::Job job, read_job(state, id));
    records.push_back(market::encode_job(job));
  }
  return market::encode_list(records);
}

Result<Bytes> rounds(ByteView argument, const ledger::StateReader& state) {
  TRY(const auto query, market::decode_rounds_query(argument));
  TRY(const market::RoundsHead head, read_rounds(state));
  std::vector<Bytes> records;
  std::uint64_t at = query.before == 0 ? head.newest : std::min(query.before - 1, head.newest);
  for (; at > 0 && records.size() < query.limit; --at) {
    TRY(const auto found, find_round(state, at));
    if (!found) break;  // older ones are gone
    records.push_back(market::encode_round_head(*found));
  }
  return market::encode_list(records);
}

Result<Bytes> in_round(std::string_view path, ByteView argument, const ledger::StateReader& state) {
  TRY(const auto place, market::decode_round_place(argument));
  if (path == "round_part") {
    return must_get(state, market::round_part_key(place.round, place.index), "market.no_round",
                    text("part {} of round {}", place.index, place.round));
  }
  return must_get(state, market::sealed_key(place.round, place.index), "market.no_commit",
                  text("commit {} in round {}", place.index, place.round));
}

Result<Bytes> audits(ByteView argument, const ledger::StateReader& state) {
  JobId after;
  if (!argument.empty()) {
    TRY(after, id_argument<JobId>(argument, "a job id"));
  }
  const Bytes from = argument.empty() ? Bytes{} : market::audit_key(after);
  return list(state, as_bytes(market::kAuditPrefix), from, market::kPageMax);
}

Result<Bytes> account(ByteView argument, const ledger::StateReader& state) {
  TRY(const AccountId id, id_argument<AccountId>(argument, "an account id"));
  TRY(const ledger::Account found, ledger::read_account(state, id));
  return market::encode_account_view({.balance = found.balance, .nonce = found.nonce});
}

Result<Bytes> quote(ByteView argument, const ledger::StateReader& state) {
  TRY(const market::QuoteQuery query, market::decode_quote_query(argument));
  TRY(const gxf::Job job, gxf::decode(query.gxf));
  TRY(const market::Params params, read_params(state));
  TRY(const market::Bid bid, bid_of(job, params));
  const MatchContext context{.height = query.height, .beacon = {}, .bond = params.bond, .excluded = std::nullopt};
  TRY(const auto found, match_in(state, bid, context));
  if (const auto* unmatched = std::get_if<market::Unmatched>(&found))
    return fail(Kind::kConflict, "market.unmatched", unmatched->str());
  const Match& match = std::get<Match>(found);
  return market::encode_quote(
      {.provider = match.offer.ask.provider, .ask_id = match.offer.ask.id, .price = match.price});
}

}  // namespace

gxf::Params job_params(const market::Params& params, const NetworkId& network) {
  return {.network = network,
          .span_max = params.job_span_max,
          .precisions = params.precisions,
          .kv_bytes_max = params.kv_bytes_max};
}

Result<Bytes> answer_query(std::string_view path, ByteView argument, const ledger::StateReader& state) {
  if (path == "params") return must_get(state, as_bytes(market::kParamsKey), "market.state", path);
  if (path == "totals") return must_get(state, as_bytes(market::kTotalsKey), "market.state", path);
  if (path == "account") return account(argument, state);
  if (path == "providers") return providers(argument, state);
  if (path == "asks") return asks(argument, state);
  if (path == "jobs") return jobs(argument, state);
  if (path == "quote") return quote(argument, state);
  if (path == "audits") return audits(argument, state);
  if (path == "rounds") return rounds(argument, state);
  if (path == "round_part" || path == "sealed_bid") return in_round(path, argument, state);
  if (path == "provider") {
    TRY(const AccountId id, id_argument<AccountId>(argument, "an account id"));
    return must_get(state, market::provider_key(id), "market.no_provider", text("provider {}", id));
  }
  if (path == "provider_key") {
    TRY(const AccountId id, id_argument<AccountId>(argument, "an account id"));
    TRY(std::optional<Bytes> key, state.get(market::payload_key_key(id)));
    if (!key) return fail(Kind::kNotFound, "market.no_key", text("provider {} has no key for payloads", id));
    return *std::move(key);
  }
  if (path == "job" || path == "gxf" || path == "audit") {
    TRY(const JobId id, id_argument<JobId>(argument, "a job id"));
    const bool job = path == "job", gxf = path == "gxf";
    const Bytes key = job ? market::job_key(id) : gxf ? market::gxf_key(id) : market::audit_key(id);
    return must_get(state, key, "market.no_job", text("{} {}", job ? "job" : gxf ? "live job" : "audited job", id));
  }
  return fail(
      Kind::kNotFound, "market.no_query",
      text("query {} is unknown, expected params, totals, account, provider, provider_key, providers, asks, job, jobs, "
           "gxf, audit, audits, quote, rounds, round_part or sealed_bid",
           path));
}

}  // namespace hanse::auction
