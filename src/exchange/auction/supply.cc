#include "exchange/auction/supply.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/book.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

std::unexpected<Error> bad_provider(std::string_view field, std::uint64_t found, std::string_view expected) {
  return fail(Kind::kInvalid, "market.provider_fields", text("{} is {}, expected {}", field, found, expected));
}

std::unexpected<Error> bad_ask(std::string_view field, std::uint64_t found, std::string_view expected) {
  return fail(Kind::kInvalid, "market.ask_fields", text("{} is {}, expected {}", field, found, expected));
}

// Moves money between an account and the bonds the market holds.
Status add_bond(ledger::State& state, market::Provider& provider, Amount amount) {
  TRY_OK(ledger::debit(state, provider.account, amount));
  TRY(market::Totals totals, read_totals(state));
  check(Amount::add(totals.bonds, amount, totals.bonds) && Amount::add(provider.bond, amount, provider.bond),
        "a bond of existing money fits");
  write_totals(state, totals);
  return {};
}

Status take_bond(ledger::State& state, market::Provider& provider, Amount amount) {
  TRY(market::Totals totals, read_totals(state));
  check(Amount::sub(totals.bonds, amount, totals.bonds) && Amount::sub(provider.bond, amount, provider.bond),
        "an unlocked bond is held");
  write_totals(state, totals);
  return ledger::credit(state, provider.account, amount);
}

Status check_provider(const market::Params& params, const market::ProviderRegister& args) {
  if (args.precisions == 0 || (args.precisions & ~params.precisions) != 0)
    return bad_provider("precisions", args.precisions, text("a mask within {}", params.precisions));
  if (args.capacity == 0) return bad_provider("capacity", 0, "at least 1");
  return {};
}

bool same_fields(const market::Provider& provider, const market::ProviderRegister& args) {
  return provider.region == args.region && provider.precisions == args.precisions &&
         provider.isolation == args.isolation && provider.capacity == args.capacity && provider.ed25519 == args.ed25519;
}

Status check_ask(const market::Params& params, const market::Provider& provider, Height now,
                 const market::AskPost& args) {
  if (args.precisions == 0 || (args.precisions & ~provider.precisions) != 0)
    return bad_ask("precisions", args.precisions, text("a mask within the provider's {}", provider.precisions));
  if (args.max_seq == 0) return bad_ask("max_seq", 0, "at least 1");
  if (args.max_batch == 0) return bad_ask("max_batch", 0, "at least 1");
  if (args.isolation > provider.isolation)
    return bad_ask("isolation", args.isolation, text("at most the provider's {}", provider.isolation));
  if (args.capacity_cu == 0) return bad_ask("capacity_cu", 0, "at least 1");
  if (args.valid_until < now) return bad_ask("valid_until", args.valid_until.value, text("at least {}", now.value));
  if (args.valid_until.value - now.value > params.ask_span_max)
    return bad_ask("valid_until", args.valid_until.value, text("at most {}", now.plus(params.ask_span_max).value));
  if (provider.bond < params.bond_min) {
    return fail(Kind::kInvalid, "market.bond",
                text("the bond is {}, an ask needs {}", provider.bond.value, params.bond_min.value));
  }
  if (provider.asks >= market::kAsksPerProviderMax) {
    return fail(Kind::kExhausted, "market.asks_full",
                text("{} asks stand, at most {} are allowed", provider.asks, market::kAsksPerProviderMax));
  }
  return {};
}

}  // namespace

Status register_provider(ledger::State& state, const market::Params& params, const ledger::SignedCall& call,
                         const market::ProviderRegister& args) {
  TRY_OK(check_provider(params, args));
  TRY(std::optional<market::Provider> known, find_provider(state, call.sender));
  market::Provider provider;
  if (known) {
    provider = *std::move(known);
    const bool busy = provider.asks > 0 || provider.used > 0;
    if (busy && !same_fields(provider, args)) {
      return fail(Kind::kConflict, "market.provider_busy",
                  text("{} asks and {} jobs stand, only the bond can change", provider.asks, provider.used));
    }
  } else {
    provider.account = call.sender;
    provider.reputation = market::kReputationStart;
  }
  provider.mldsa_key_id = crypto::key_id(call.key);
  provider.ed25519 = args.ed25519;
  provider.region = args.region;
  provider.precisions = args.precisions;
  provider.isolation = args.isolation;
  provider.capacity = args.capacity;
  TRY_OK(add_bond(state, provider, args.bond));
  if (provider.bond < params.bond_min) {
    return fail(Kind::kInvalid, "market.bond",
                text("the bond is {}, a provider needs {}", provider.bond.value, params.bond_min.value));
  }
  write_provider(state, provider);
  return {};
}

Status unbond_provider(ledger::State& state, const market::Params& params, const AccountId& sender,
                       const market::ProviderUnbond& args) {
  TRY(market::Provider provider, read_provider(state, sender));
  Amount unlocked, left;
  check(Amount::sub(provider.bond, provider.bond_locked, unlocked), "the locked part is within the bond");
  if (args.amount.value == 0 || unlocked < args.amount) {
    return fail(Kind::kInvalid, "market.bond",
                text("{} asked back, expected 1 to the unlocked {}", args.amount.value, unlocked.value));
  }
  check(Amount::sub(provider.bond, args.amount, left), "less than the bond is taken");
  if (provider.asks > 0 && left < params.bond_min) {
    return fail(Kind::kConflict, "market.provider_busy",
                text("{} would be left with {} asks standing, expected at least {}", left.value, provider.asks,
                     params.bond_min.value));
  }
  TRY_OK(take_bond(state, provider, args.amount));
  // The record stays while it holds something against its owner, so that leaving does not clean a bad name.
  const bool forget = left.value == 0 && provider.asks == 0 && provider.used == 0 && provider.faults == 0;
  if (forget) {
    erase_provider(state, sender);
    state.erase(market::payload_key_key(sender));
  } else {
    write_provider(state, provider);
  }
  return {};
}

// What is sealed to a matched provider opens until its job has ended: the key stays as long as there can be a match.
Status set_provider_key(ledger::State& state, const AccountId& sender, const market::ProviderKey& args) {
  TRY(const market::Provider provider, read_provider(state, sender));
  const Bytes key = market::payload_key_key(sender);
  TRY(const std::optional<Bytes> known, state.get(key));
  if (known.value_or(Bytes{}) == args.key) return {};
  if (provider.asks > 0 || provider.used > 0)
    return fail(Kind::kConflict, "market.provider_busy",
                text("{} asks and {} jobs stand, the key for payloads cannot change", provider.asks, provider.used));
  if (args.key.empty())
    state.erase(key);
  else
    state.put(key, args.key);
  return {};
}

Result<market::AskId> post_ask(ledger::State& state, const market::Params& params, const ledger::SignedCall& call,
                               Height now, const market::AskPost& args) {
  TRY(market::Provider provider, read_provider(state, call.sender));
  TRY_OK(check_ask(params, provider, now, args));
  market::Ask ask;
  ask.id = market::derive_ask_id(call.sender, call.nonce);
  TRY(const std::optional<market::Ask> taken, find_ask(state, call.sender, ask.id));
  if (taken) return fail(Kind::kConflict, "market.ask_exists", text("ask {} stands already", ask.id));
  ask.provider = call.sender;
  ask.region = provider.region;
  ask.precisions = args.precisions;
  ask.level_max = args.level_max;
  ask.max_seq = args.max_seq;
  ask.max_batch = args.max_batch;
  ask.latency_ms = args.latency_ms;
  ask.isolation = args.isolation;
  ask.base_price = args.base_price;
  ask.unit_price = args.unit_price;
  ask.capacity_cu = args.capacity_cu;
  ask.valid_until = args.valid_until;
  TRY(const std::optional<Bytes> key, state.get(market::payload_key_key(call.sender)));
  ask.takes_private = key.has_value();
  ++provider.asks;
  insert_ask(state, ask);
  write_provider(state, provider);
  return ask.id;
}

Status withdraw_ask(ledger::State& state, const AccountId& sender, const market::AskWithdraw& args) {
  TRY(const std::optional<market::Ask> ask, find_ask(state, sender, args.id));
  if (!ask) return fail(Kind::kNotFound, "market.no_ask", text("{} has no ask {}", sender, args.id));
  TRY(market::Provider provider, read_provider(state, sender));
  check(provider.asks > 0, "a standing ask is counted");
  --provider.asks;
  erase_ask(state, *ask);
  write_provider(state, provider);
  return {};
}

}  // namespace hanse::auction
