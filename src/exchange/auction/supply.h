// The supply side of the market: providers, their bonds and their asks.
// Errors: market.bond (invalid; found, needed), market.no_provider (not_found), market.provider_busy (conflict: the
// fields of a provider change only without asks and jobs), market.provider_fields, market.ask_fields (invalid; which
// field, found, expected), market.asks_full (exhausted), market.ask_exists (conflict), market.no_ask (not_found),
// ledger.insufficient, market.provider_busy also for a key for payloads that changes meanwhile.
#pragma once

#include "chain/ledger/app.h"
#include "chain/ledger/call.h"
#include "exchange/market/calls.h"

namespace hanse::auction {

Status register_provider(ledger::State& state, const market::Params& params, const ledger::SignedCall& call,
                         const market::ProviderRegister& args);
Status unbond_provider(ledger::State& state, const market::Params& params, const AccountId& sender,
                       const market::ProviderUnbond& args);
Status set_provider_key(ledger::State& state, const AccountId& sender, const market::ProviderKey& args);
// Gives the id of the new ask.
Result<market::AskId> post_ask(ledger::State& state, const market::Params& params, const ledger::SignedCall& call,
                               Height now, const market::AskPost& args);
Status withdraw_ask(ledger::State& state, const AccountId& sender, const market::AskWithdraw& args);

}  // namespace hanse::auction
