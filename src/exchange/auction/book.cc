#include "exchange/auction/book.h"

#include <bit>
#include <map>

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

std::unexpected<Error> corrupt(ByteView key, const Error& error) {
  return fail(Kind::kCorrupt, "market.state", text("record under {} does not decode: {}", key, error.str()));
}

template <class Record>
Result<std::optional<Record>> find(const ledger::StateReader& state, ByteView key, Result<Record> (*decode)(ByteView)) {
  TRY(const std::optional<Bytes> bytes, state.get(key));
  if (!bytes) return std::optional<Record>{};
  auto record = decode(*bytes);
  if (!record) return corrupt(key, record.error());
  return std::optional<Record>(*std::move(record));
}

template <class Record>
Result<Record> must_find(const ledger::StateReader& state, ByteView key, Result<Record> (*decode)(ByteView)) {
  TRY(std::optional<Record> record, find(state, key, decode));
  if (!record) return fail(Kind::kCorrupt, "market.state", text("no record under {}", as_text(key)));
  return *std::move(record);
}

// The provider and ask ids that end an index key.
Result<std::pair<AccountId, market::AskId>> ask_of_index(ByteView key) {
  std::pair<AccountId, market::AskId> out;
  constexpr std::size_t kTail = AccountId::kSize + market::AskId::kSize;
  if (key.size() < kTail) return fail(Kind::kCorrupt, "market.state", text("ask index key {} is short", key));
  const ByteView tail = key.last(kTail);
  check(AccountId::from(tail.first(AccountId::kSize), out.first) &&
            market::AskId::from(tail.last(market::AskId::kSize), out.second),
        "the tail of an index key has the size of its ids");
  return out;
}

// Providers read once per order, however many asks they have.
using KnownProviders = std::map<AccountId, market::Provider>;

Result<Offer> read_offer(const ledger::StateReader& state, const AccountId& provider, const market::AskId& id,
                         KnownProviders& known) {
  TRY(std::optional<market::Ask> ask, find_ask(state, provider, id));
  if (!ask) return fail(Kind::kCorrupt, "market.state", text("ask {} of {} is listed but missing", id, provider));
  auto it = known.find(provider);
  if (it == known.end()) {
    TRY(market::Provider record, read_provider(state, provider));
    it = known.emplace(provider, std::move(record)).first;
  }
  return Offer{.ask = *std::move(ask), .provider = it->second};
}

Status scan_list(const ledger::StateReader& state, ByteView prefix, KnownProviders& known, Matcher& matcher) {
  matcher.next_list();
  Status inner;
  TRY_OK(state.scan(prefix, {}, [&](ByteView key, ByteView) {
    auto ids = ask_of_index(key);
    if (!ids) {
      inner = std::unexpected(std::move(ids).error());
      return false;
    }
    auto offer = read_offer(state, ids->first, ids->second, known);
    if (!offer) {
      inner = std::unexpected(std::move(offer).error());
      return false;
    }
    return matcher.consider(*offer);
  }));
  return inner;
}

Result<market::Unmatched> diagnose(const ledger::StateReader& state, const market::Bid& bid,
                                   const MatchContext& context) {
  market::Unmatched out;
  Status inner;
  TRY_OK(state.scan(as_bytes(market::kAskPrefix), {}, [&](ByteView key, ByteView value) {
    auto ask = market::decode_ask(value);
    if (!ask) {
      inner = corrupt(key, ask.error());
      return false;
    }
    auto provider = read_provider(state, ask->provider);
    if (!provider) {
      inner = std::unexpected(std::move(provider).error());
      return false;
    }
    Terms unused;
    const std::uint32_t broken =
        violations(bid, {.ask = *std::move(ask), .provider = *std::move(provider)}, context, unused);
    for (std::size_t i = 0; i < market::kConstraints; ++i) out.counts[i] += broken >> i & 1;
    return ++out.asks_seen < kDiagnosedMax;
  }));
  TRY_OK(std::move(inner));
  return out;
}

}  // namespace

Result<market::Params> read_params(const ledger::StateReader& state) {
  return must_find(state, as_bytes(market::kParamsKey), market::decode_params);
}

Result<market::Totals> read_totals(const ledger::StateReader& state) {
  return must_find(state, as_bytes(market::kTotalsKey), market::decode_totals);
}

void write_totals(ledger::State& state, const market::Totals& totals) {
  state.put(as_bytes(market::kTotalsKey), market::encode_totals(totals));
}

Result<std::optional<market::Provider>> find_provider(const ledger::StateReader& state, const AccountId& account) {
  return find(state, market::provider_key(account), market::decode_provider);
}

Result<market::Provider> read_provider(const ledger::StateReader& state, const AccountId& account) {
  TRY(std::optional<market::Provider> provider, find_provider(state, account));
  if (!provider) return fail(Kind::kNotFound, "market.no_provider", text("account {} is no provider", account));
  return *std::move(provider);
}

void write_provider(ledger::State& state, const market::Provider& provider) {
  state.put(market::provider_key(provider.account), market::encode_provider(provider));
}

void erase_provider(ledger::State& state, const AccountId& account) { state.erase(market::provider_key(account)); }

Result<std::optional<market::Ask>> find_ask(const ledger::StateReader& state, const AccountId& provider,
                                            const market::AskId& id) {
  return find(state, market::ask_key(provider, id), market::decode_ask);
}

void insert_ask(ledger::State& state, const market::Ask& ask) {
  update_ask(state, ask);
  constexpr std::uint8_t kPresent = 1;
  for (unsigned p = 1; p <= 4; ++p) {
    const auto precision = static_cast<gxf::Precision>(p);
    if (ask.precisions & market::precision_bit(precision))
      state.put(market::ask_index_key(precision, ask), ByteView(&kPresent, 1));
  }
  if (ask.unit_price.value != 0) state.put(market::unit_price_key(ask), ByteView(&kPresent, 1));
}

void update_ask(ledger::State& state, const market::Ask& ask) {
  state.put(market::ask_key(ask.provider, ask.id), market::encode_ask(ask));
}

void erase_ask(ledger::State& state, const market::Ask& ask) {
  state.erase(market::ask_key(ask.provider, ask.id));
  for (unsigned p = 1; p <= 4; ++p) {
    const auto precision = static_cast<gxf::Precision>(p);
    if (ask.precisions & market::precision_bit(precision)) state.erase(market::ask_index_key(precision, ask));
  }
  if (ask.unit_price.value != 0) state.erase(market::unit_price_key(ask));
}

Result<market::Audit> read_audit(const ledger::StateReader& state, const JobId& id) {
  TRY(std::optional<market::Audit> audit, find(state, market::audit_key(id), market::decode_audit));
  if (!audit) return fail(Kind::kNotFound, "market.no_job", text("job {} is not audited", id));
  return *std::move(audit);
}

void write_audit(ledger::State& state, const market::Audit& audit) {
  state.put(market::audit_key(audit.id), market::encode_audit(audit));
}

Result<std::optional<market::Job>> find_job(const ledger::StateReader& state, const JobId& id) {
  return find(state, market::job_key(id), market::decode_job);
}

Result<market::Job> read_job(const ledger::StateReader& state, const JobId& id) {
  TRY(const std::optional<Bytes> bytes, state.get(market::job_key(id)));
  if (!bytes) return fail(Kind::kNotFound, "market.no_job", text("job {} is unknown to the market", id));
  auto job = market::decode_job(*bytes);
  if (!job) return corrupt(market::job_key(id), job.error());
  return job;
}

void write_job(ledger::State& state, const market::Job& job, const std::optional<market::Job>& before) {
  constexpr std::uint8_t kPresent = 1;
  const ByteView present(&kPresent, 1);
  const JobId& id = job.bid.job_id;
  if (before) {
    if (before->deadline.value != 0) state.erase(market::deadline_key(before->deadline, id));
    if (before->provider != job.provider)
      state.erase(market::provider_job_key(before->provider, before->submitted, id));
  } else {
    state.put(market::payer_job_key(job.bid.payer, job.submitted, id), present);
  }
  if (!before || before->provider != job.provider)
    state.put(market::provider_job_key(job.provider, job.submitted, id), present);
  if (job.deadline.value != 0) state.put(market::deadline_key(job.deadline, id), present);
  state.put(market::job_key(id), market::encode_job(job));
}

Result<std::vector<JobId>> due_jobs(const ledger::StateReader& state, Height until, std::size_t max) {
  std::vector<JobId> out;
  const ByteView prefix = as_bytes(market::kDeadlinePrefix);
  TRY_OK(state.scan(prefix, {}, [&](ByteView key, ByteView) {
    const ByteView rest = key.subspan(prefix.size());
    check(rest.size() == 8 + JobId::kSize, "a deadline key is a height and a job id");
    if (load_be<std::uint64_t>(rest.data()) > until.value || out.size() == max) return false;
    check(JobId::from(rest.subspan(8), out.emplace_back()), "a deadline key ends with a job id");
    return true;
  }));
  return out;
}

Result<bool> any_deadline(const ledger::StateReader& state) {
  bool any = false;
  TRY_OK(state.scan(as_bytes(market::kDeadlinePrefix), {}, [&](ByteView, ByteView) {
    any = true;
    return false;
  }));
  return any;
}

Result<std::vector<Offer>> round_offers(const ledger::StateReader& state, std::size_t max) {
  std::vector<Offer> out;
  KnownProviders known;
  Status inner;
  TRY_OK(state.scan(as_bytes(market::kUnitPricePrefix), {}, [&](ByteView key, ByteView) {
    if (out.size() == max) return false;
    auto offer =
        ask_of_index(key).and_then([&](const auto& ids) { return read_offer(state, ids.first, ids.second, known); });
    if (!offer) {
      inner = std::unexpected(std::move(offer).error());
      return false;
    }
    out.push_back(*std::move(offer));
    return true;
  }));
  TRY_OK(std::move(inner));
  return out;
}

Result<market::RoundsHead> read_rounds(const ledger::StateReader& state) {
  TRY(const auto found, find(state, as_bytes(market::kRoundsKey), market::decode_rounds_head));
  return found.value_or(market::RoundsHead{});
}

void write_rounds(ledger::State& state, const market::RoundsHead& head) {
  state.put(as_bytes(market::kRoundsKey), market::encode_rounds_head(head));
}

Result<std::optional<market::RoundHead>> find_round(const ledger::StateReader& state, std::uint64_t number) {
  return find(state, market::round_key(number), market::decode_round_head);
}

void write_round(ledger::State& state, const market::RoundHead& head) {
  state.put(market::round_key(head.number), market::encode_round_head(head));
}

Result<std::optional<market::SealedBid>> find_sealed(const ledger::StateReader& state, std::uint64_t round,
                                                     std::uint64_t seq) {
  return find(state, market::sealed_key(round, seq), market::decode_sealed_bid);
}

void write_sealed(ledger::State& state, std::uint64_t round, std::uint64_t seq, const market::SealedBid& bid) {
  state.put(market::sealed_key(round, seq), market::encode_sealed_bid(bid));
}

Result<std::vector<market::SealedBid>> sealed_of(const ledger::StateReader& state, std::uint64_t round) {
  std::vector<market::SealedBid> out;
  Status inner;
  TRY_OK(state.scan(market::sealed_of_key(round), {}, [&](ByteView key, ByteView value) {
    auto bid = market::decode_sealed_bid(value);
    if (!bid) {
      inner = corrupt(key, bid.error());
      return false;
    }
    out.push_back(*std::move(bid));
    return true;
  }));
  TRY_OK(std::move(inner));
  return out;
}

Result<std::variant<Match, market::Unmatched>> match_in(const ledger::StateReader& state, const market::Bid& bid,
                                                        const MatchContext& context) {
  Matcher matcher(bid, context);
  KnownProviders known;
  const auto first = static_cast<gxf::Precision>(std::countr_zero(bid.precisions));
  for (std::uint16_t region = 0; region < market::kRegionsMax; ++region) {
    const bool wanted = (bid.region_mask >> region & 1) != 0;
    const bool resident = bid.residency == 0 || bid.residency == region + 1;
    if (wanted && resident) TRY_OK(scan_list(state, market::ask_list_key(first, region), known, matcher));
  }
  if (matcher.best()) return *matcher.best();
  TRY(market::Unmatched unmatched, diagnose(state, bid, context));
  unmatched.scan_limit = matcher.scan_limit();
  return unmatched;
}

}  // namespace hanse::auction
