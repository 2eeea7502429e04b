// The market's records in the replicated state: read, write, and the indexes that go with them.
// A record that does not decode is market.state (corrupt): the state was written by other code or damaged.
// Threads: those of the state. Errors: market.state, market.no_provider, market.no_job (not_found), the state's.
#pragma once

#include <optional>
#include <variant>

#include "chain/ledger/state.h"
#include "exchange/auction/match.h"
#include "exchange/market/audit.h"
#include "exchange/market/records.h"
#include "exchange/market/sealed.h"
#include "exchange/market/view.h"

namespace hanse::auction {

Result<market::Params> read_params(const ledger::StateReader& state);
Result<market::Totals> read_totals(const ledger::StateReader& state);
void write_totals(ledger::State& state, const market::Totals& totals);

Result<std::optional<market::Provider>> find_provider(const ledger::StateReader& state, const AccountId& account);
Result<market::Provider> read_provider(const ledger::StateReader& state, const AccountId& account);
void write_provider(ledger::State& state, const market::Provider& provider);
void erase_provider(ledger::State& state, const AccountId& account);

Result<std::optional<market::Ask>> find_ask(const ledger::StateReader& state, const AccountId& provider,
                                            const market::AskId& id);
void insert_ask(ledger::State& state, const market::Ask& ask);  // with its entries in the price lists
void update_ask(ledger::State& state, const market::Ask& ask);  // of which the lists' keys have not changed
void erase_ask(ledger::State& state, const market::Ask& ask);

Result<market::Audit> read_audit(const ledger::StateReader& state, const JobId& id);  // market.no_job
void write_audit(ledger::State& state, const market::Audit& audit);
Result<std::optional<market::Job>> find_job(const ledger::StateReader& state, const JobId& id);
Result<market::Job> read_job(const ledger::StateReader& state, const JobId& id);
// Writes the record and moves its index entries; `before` is the record that stands, if one does.
void write_job(ledger::State& state, const market::Job& job, const std::optional<market::Job>& before);

// Jobs whose deadline is at or before `until`, by deadline and id, at most `max`.
Result<std::vector<JobId>> due_jobs(const ledger::StateReader& state, Height until, std::size_t max);
Result<bool> any_deadline(const ledger::StateReader& state);

// Asks that take part in batch rounds, by unit price, provider and id: the first `max`, with their providers.
Result<std::vector<Offer>> round_offers(const ledger::StateReader& state, std::size_t max);

Result<market::RoundsHead> read_rounds(const ledger::StateReader& state);
void write_rounds(ledger::State& state, const market::RoundsHead& head);
Result<std::optional<market::RoundHead>> find_round(const ledger::StateReader& state, std::uint64_t number);
void write_round(ledger::State& state, const market::RoundHead& head);
Result<std::optional<market::SealedBid>> find_sealed(const ledger::StateReader& state, std::uint64_t round,
                                                     std::uint64_t seq);
void write_sealed(ledger::State& state, std::uint64_t round, std::uint64_t seq, const market::SealedBid& bid);
Result<std::vector<market::SealedBid>> sealed_of(const ledger::StateReader& state, std::uint64_t round);  // by seq

// Looks for an ask; when none fits, why (over at most kDiagnosedMax asks by provider and id).
constexpr std::size_t kDiagnosedMax = 256;
Result<std::variant<Match, market::Unmatched>> match_in(const ledger::StateReader& state, const market::Bid& bid,
                                                        const MatchContext& context);

}  // namespace hanse::auction
