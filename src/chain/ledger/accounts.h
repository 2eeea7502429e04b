// Accounts: balances and nonces, the money part of the state, used by every application that moves money.
// Invariant: total() is the sum of all balances, kept as a record of its own; total + what the applications hold
// = supply, and nothing but genesis changes supply.
// State keys: "accounts/a" + id -> {0: balance, 1: nonce}; "accounts/total" and "accounts/supply" -> integer.
// Errors: ledger.insufficient (exhausted; found, needed), ledger.nonce_reused (conflict), ledger.overflow (internal),
// ledger.account_corrupt (corrupt), ledger.genesis (invalid), ledger.method (unsupported), ledger.query (not_found).
#pragma once

#include "base/core/ids.h"
#include "base/core/units.h"
#include "chain/ledger/app.h"

namespace hanse::ledger {

struct Account {
  Amount balance;
  std::uint64_t nonce = 0;  // the highest used
};

Result<Account> read_account(const StateReader& state, const AccountId& id);  // an unknown id is an empty account
Result<Amount> accounts_total(const StateReader& state);
Result<Amount> supply(const StateReader& state);

Status credit(State& state, const AccountId& id, Amount amount);
Status debit(State& state, const AccountId& id, Amount amount);
Status use_nonce(State& state, const AccountId& id, std::uint64_t nonce);  // must exceed the one recorded

// The application number 1: method 1 = transfer {1: to, 2: amount}. Genesis section: {1: [[account id, amount], ...]},
// ids ascending. Queries: "account" (argument: 32 bytes of id) -> {0: balance, 1: nonce}; "total", "supply" -> integer.
// Event "accounts.transfer": {0: from, 1: to, 2: amount}.
constexpr std::uint8_t kAccountsApp = 1;
constexpr std::uint16_t kMethodTransfer = 1;
struct Transfer {
  AccountId to;
  Amount amount;
};
Bytes encode_transfer(const Transfer& transfer);
Result<Transfer> decode_transfer(ByteView args);
Result<Account> decode_account(ByteView bytes);                                     // the answer of query "account"
Bytes encode_accounts_genesis(std::vector<std::pair<AccountId, Amount>> balances);  // sorts; one entry per id
std::unique_ptr<App> make_accounts_app();

}  // namespace hanse::ledger
