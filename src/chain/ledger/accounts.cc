#include "chain/ledger/accounts.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/ledger/call.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kTotalKey = "accounts/total";
constexpr std::string_view kSupplyKey = "accounts/supply";
constexpr std::size_t kGenesisAccountsMax = 1 << 20;
constexpr std::size_t kGenesisBytesMax = 64 << 20;

Bytes account_key(const AccountId& id) {
  Bytes key = to_bytes("accounts/a");
  append(key, id.view());
  return key;
}

Bytes encode_account(const Account& account) {
  codec::CborWriter w;
  w.map(2);
  w.key(0);
  w.u64(account.balance.value);
  w.key(1);
  w.u64(account.nonce);
  return w.take();
}

Status write_account(State& state, const AccountId& id, const Account& account) {
  const Bytes key = account_key(id);
  if (account.balance.value == 0 && account.nonce == 0) {
    state.erase(key);
  } else {
    state.put(key, encode_account(account));
  }
  return {};
}

Result<Amount> read_amount(const StateReader& state, std::string_view key) {
  TRY(const auto bytes, state.get(as_bytes(key)));
  if (!bytes) return Amount{};
  codec::CborReader r(*bytes);
  auto value = r.u64("amount");
  if (!value || !r.finish())
    return fail(Kind::kCorrupt, "ledger.account_corrupt",
                text("found {} under {}, expected an integer", ByteView(*bytes), key));
  return Amount{*value};
}

void write_amount(State& state, std::string_view key, Amount amount) {
  codec::CborWriter w;
  w.u64(amount.value);
  state.put(as_bytes(key), w.take());
}

std::unexpected<Error> overflow(const AccountId& id, Amount found, Amount more) {
  return fail(Kind::kInternal, "ledger.overflow",
              text("found {} on {} or in the total, {} more does not fit", found.value, id, more.value));
}

class AccountsApp final : public App {
 public:
  std::uint8_t number() const override { return kAccountsApp; }
  std::string_view name() const override { return "accounts"; }

  Status genesis(ByteView section, const NetworkId&, State& state) override {
    codec::CborReader r(section, {.size_max = kGenesisBytesMax, .depth_max = 4});
    TRY_OK(r.enter_map("accounts", 1));
    TRY(const std::uint64_t key, r.key());
    if (key != 1) return r.fail_here("ledger.genesis", text("found key {}, expected 1", key));
    TRY_OK(r.enter_array("balances", kGenesisAccountsMax));
    AccountId last;
    bool first = true;
    while (r.more()) {
      AccountId id;
      TRY_OK(r.enter_array("entry", 2));
      TRY_OK(r.fixed("id", id));
      TRY(const std::uint64_t amount, r.u64("amount"));
      TRY_OK(r.leave());
      if (!first && !(last < id))
        return r.fail_here("ledger.genesis", text("found account {} after {}, expected ascending ids", id, last));
      if (!credit(state, id, Amount{amount}))
        return r.fail_here("ledger.genesis", text("found balances whose sum does not fit 64 bits at {}", id));
      last = id;
      first = false;
    }
    TRY_OK(r.leave());
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    TRY(const Amount total, accounts_total(state));
    write_amount(state, kTotalKey, total);
    write_amount(state, kSupplyKey, total);
    return {};
  }

  Status check(const Tx& tx, const BlockContext& next, const StateReader& state) const override {
    TRY(const SignedCall call, decode_call(tx.body));
    TRY(const Transfer transfer, open(call, next));
    TRY(const Account from, read_account(state, call.sender));
    if (call.nonce <= from.nonce) return nonce_reused(call.sender, call.nonce, from.nonce);
    if (from.balance < transfer.amount) return insufficient(call.sender, from.balance, transfer.amount);
    return {};
  }

  Status begin(const BlockContext&, State&) override { return {}; }

  TxResult apply(const Tx& tx, const BlockContext& context, State& state) override {
    auto result = transfer(tx, context, state);
    return result ? *std::move(result) : failed(result.error());
  }

  Result<EndResult> end(const BlockContext&, State&) override { return EndResult{}; }

  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    if (path == "account") {
      AccountId id;
      if (!AccountId::from(argument, id))
        return fail(Kind::kInvalid, "ledger.query",
                    text("found an argument of {} bytes, expected 32", argument.size()));
      TRY(const Account account, read_account(state, id));
      return encode_account(account);
    }
    if (path != "total" && path != "supply")
      return fail(Kind::kNotFound, "ledger.query", text("found query {}, expected account, total or supply", path));
    TRY(const Amount amount, path == "total" ? accounts_total(state) : supply(state));
    codec::CborWriter w;
    w.u64(amount.value);
    return w.take();
  }

  static std::unexpected<Error> nonce_reused(const AccountId& id, std::uint64_t found, std::uint64_t last) {
    return fail(Kind::kConflict, "ledger.nonce_reused",
                text("found nonce {} of {}, expected more than {}", found, id, last));
  }
  static std::unexpected<Error> insufficient(const AccountId& id, Amount found, Amount needed) {
    return fail(Kind::kExhausted, "ledger.insufficient",
                text("found {} on {}, needed {}", found.value, id, needed.value));
  }

 private:
  static Result<Transfer> open(const SignedCall& call, const BlockContext& context) {
    TRY_OK(check_call(call, kAccountsApp, context));
    if (call.method != kMethodTransfer)
      return fail(Kind::kUnsupported, "ledger.method",
                  text("found method {}, expected {}", call.method, kMethodTransfer));
    return decode_transfer(call.args);
  }

  static Result<TxResult> transfer(const Tx& tx, const BlockContext& context, State& state) {
    TRY(const SignedCall call, decode_call(tx.body));
    TRY(const Transfer order, open(call, context));
    TRY_OK(use_nonce(state, call.sender, call.nonce));
    TRY_OK(debit(state, call.sender, order.amount));
    TRY_OK(credit(state, order.to, order.amount));
    codec::CborWriter w;
    w.map(3);
    w.key(0);
    w.bytes(call.sender.view());
    w.key(1);
    w.bytes(order.to.view());
    w.key(2);
    w.u64(order.amount.value);
    TxResult result;
    result.events.push_back({.topic = "accounts.transfer", .data = w.take()});
    return result;
  }
};

}  // namespace

Result<Account> decode_account(ByteView bytes) {
  codec::CborReader r(bytes);
  Account account;
  TRY_OK(r.enter_map("account", 2));
  for (std::uint64_t expected = 0; expected < 2; ++expected) {
    TRY(const std::uint64_t key, r.key());
    if (key != expected) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected));
    TRY(const std::uint64_t value, r.u64(key == 0 ? "balance" : "nonce"));
    (key == 0 ? account.balance.value : account.nonce) = value;
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return account;
}

Result<Account> read_account(const StateReader& state, const AccountId& id) {
  TRY(const auto bytes, state.get(account_key(id)));
  if (!bytes) return Account{};
  auto account = decode_account(*bytes);
  if (!account)
    return fail(Kind::kCorrupt, "ledger.account_corrupt", text("record of {}: {}", id, account.error().message()));
  return account;
}

Result<Amount> accounts_total(const StateReader& state) { return read_amount(state, kTotalKey); }
Result<Amount> supply(const StateReader& state) { return read_amount(state, kSupplyKey); }

Status credit(State& state, const AccountId& id, Amount amount) {
  TRY(Account account, read_account(state, id));
  TRY(Amount total, accounts_total(state));
  if (!Amount::add(account.balance, amount, account.balance)) return overflow(id, account.balance, amount);
  if (!Amount::add(total, amount, total)) return overflow(id, total, amount);
  TRY_OK(write_account(state, id, account));
  write_amount(state, kTotalKey, total);
  return {};
}

Status debit(State& state, const AccountId& id, Amount amount) {
  TRY(Account account, read_account(state, id));
  TRY(Amount total, accounts_total(state));
  const Amount found = account.balance;
  if (!Amount::sub(account.balance, amount, account.balance)) return AccountsApp::insufficient(id, found, amount);
  if (!Amount::sub(total, amount, total)) return overflow(id, total, amount);
  TRY_OK(write_account(state, id, account));
  write_amount(state, kTotalKey, total);
  return {};
}

Status use_nonce(State& state, const AccountId& id, std::uint64_t nonce) {
  TRY(Account account, read_account(state, id));
  if (nonce <= account.nonce) return AccountsApp::nonce_reused(id, nonce, account.nonce);
  account.nonce = nonce;
  return write_account(state, id, account);
}

Bytes encode_transfer(const Transfer& transfer) {
  codec::CborWriter w;
  w.map(2);
  w.key(1);
  w.bytes(transfer.to.view());
  w.key(2);
  w.u64(transfer.amount.value);
  return w.take();
}

Result<Transfer> decode_transfer(ByteView args) {
  codec::CborReader r(args);
  Transfer transfer;
  TRY_OK(r.enter_map("transfer", 2));
  for (std::uint64_t expected = 1; expected <= 2; ++expected) {
    TRY(const std::uint64_t key, r.key());
    if (key != expected) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected));
    if (key == 1) {
      TRY_OK(r.fixed("to", transfer.to));
    } else {
      TRY(transfer.amount.value, r.u64("amount"));
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return transfer;
}

Bytes encode_accounts_genesis(std::vector<std::pair<AccountId, Amount>> balances) {
  std::ranges::sort(balances);
  codec::CborWriter w;
  w.map(1);
  w.key(1);
  w.array(balances.size());
  for (const auto& [id, amount] : balances) {
    w.array(2);
    w.bytes(id.view());
    w.u64(amount.value);
  }
  return w.take();
}

std::unique_ptr<App> make_accounts_app() { return std::make_unique<AccountsApp>(); }

}  // namespace hanse::ledger
