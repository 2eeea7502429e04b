#include "chain/ledger/accounts.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/ledger/call.h"

namespace hanse::ledger {
namespace {

AccountId id_of(std::uint8_t n) {
  AccountId id;
  id.data.fill(n);
  return id;
}

crypto::SecretKey key_of(std::uint8_t n, crypto::SigAlg alg = crypto::SigAlg::kMlDsa65) {
  return std::move(*crypto::SecretKey::from_seed(alg, Bytes(32, n)));
}

NetworkId network_of(std::uint8_t n) {
  NetworkId network;
  network.data.fill(n);
  return network;
}

BlockContext context_at(std::uint64_t height) {
  return {.network = network_of(7), .height = Height{height}, .time_ms = 1000, .leader = {}, .beacon = {}};
}

SignedCall transfer_call(const crypto::SecretKey& key, const AccountId& to, std::uint64_t amount, std::uint64_t nonce) {
  SignedCall call{.network = network_of(7),
                  .app = kAccountsApp,
                  .sender = {},
                  .nonce = nonce,
                  .expires = Height{100},
                  .method = kMethodTransfer,
                  .args = encode_transfer({.to = to, .amount = Amount{amount}}),
                  .key = {},
                  .signature = {}};
  sign_call(call, key);
  return call;
}

struct Fixture : testing::Test {
  crypto::SecretKey alice = key_of(1);
  AccountId alice_id = crypto::account_id(alice.public_key());
  AccountId bob_id = id_of(9);
  std::unique_ptr<App> app = make_accounts_app();
  MemState state;

  void SetUp() override {
    ASSERT_TRUE(
        app->genesis(encode_accounts_genesis({{alice_id, Amount{1000}}, {bob_id, Amount{5}}}), network_of(7), state));
  }
  TxResult apply(const SignedCall& call, std::uint64_t height = 1) {
    Overlay overlay(state);
    TxResult result = app->apply(call_tx(call), context_at(height), overlay);
    if (result.code == 0) overlay.commit_to(state);
    return result;
  }
  std::uint64_t balance(const AccountId& id) { return read_account(state, id)->balance.value; }
};
using Accounts = Fixture;

TEST_F(Accounts, transfer_moves_money_and_keeps_the_total) {
  EXPECT_EQ(supply(state)->value, 1005u);
  const TxResult result = apply(transfer_call(alice, bob_id, 400, 1));
  EXPECT_EQ(result.code, 0u);
  ASSERT_EQ(result.events.size(), 1u);
  EXPECT_EQ(result.events[0].topic, "accounts.transfer");
  EXPECT_EQ(balance(alice_id), 600u);
  EXPECT_EQ(balance(bob_id), 405u);
  EXPECT_EQ(accounts_total(state)->value, 1005u);
  EXPECT_EQ(read_account(state, alice_id)->nonce, 1u);
}

TEST_F(Accounts, transfer_to_oneself_changes_only_the_nonce) {
  EXPECT_EQ(apply(transfer_call(alice, alice_id, 1000, 3)).code, 0u);
  EXPECT_EQ(balance(alice_id), 1000u);
  EXPECT_EQ(accounts_total(state)->value, 1005u);
}

TEST_F(Accounts, refuses_one_more_than_the_balance) {
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1001, 1)).error_id, "ledger.insufficient");
  EXPECT_EQ(balance(alice_id), 1000u);
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1000, 1)).code, 0u);
  EXPECT_EQ(balance(alice_id), 0u);
}

TEST_F(Accounts, refuses_a_nonce_that_does_not_grow) {
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1, 5)).code, 0u);
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1, 5)).error_id, "ledger.nonce_reused");
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1, 4)).error_id, "ledger.nonce_reused");
  EXPECT_EQ(apply(transfer_call(alice, bob_id, 1, 6)).code, 0u);
}

TEST_F(Accounts, check_answers_like_apply_without_changing_anything) {
  const auto checked = [&](const SignedCall& call) { return app->check(call_tx(call), context_at(1), state); };
  EXPECT_TRUE(checked(transfer_call(alice, bob_id, 1000, 1)));
  EXPECT_EQ(checked(transfer_call(alice, bob_id, 1001, 1)).error().id(), "ledger.insufficient");
  EXPECT_EQ(checked(transfer_call(alice, bob_id, 1, 0)).error().id(), "ledger.nonce_reused");
  SignedCall other = transfer_call(alice, bob_id, 1, 1);
  other.method = 2;
  sign_call(other, alice);
  EXPECT_EQ(checked(other).error().id(), "ledger.method");
  EXPECT_EQ(app->payer(call_tx(other)), alice_id);
  EXPECT_EQ(app->payer(Tx{.app = 1, .body = Bytes(3)}), std::nullopt);
}

TEST_F(Accounts, answers_queries) {
  EXPECT_EQ(decode_account(*app->query("account", alice_id.view(), state))->balance.value, 1000u);
  EXPECT_EQ(decode_account(*app->query("account", id_of(77).view(), state))->balance.value, 0u);
  codec::CborWriter total;
  total.u64(1005);
  EXPECT_EQ(*app->query("total", {}, state), total.take());
  EXPECT_EQ(*app->query("supply", {}, state), *app->query("total", {}, state));
  EXPECT_EQ(app->query("account", Bytes(31), state).error().id(), "ledger.query");
  EXPECT_EQ(app->query("nothing", {}, state).error().id(), "ledger.query");
}

TEST_F(Accounts, refuses_amounts_that_do_not_fit) {
  EXPECT_EQ(credit(state, bob_id, Amount{~0ull}).error().id(), "ledger.overflow");
  EXPECT_EQ(debit(state, bob_id, Amount{6}).error().id(), "ledger.insufficient");
  EXPECT_TRUE(debit(state, bob_id, Amount{5}));
}

TEST_F(Accounts, reports_a_broken_record) {
  Bytes key = to_bytes("accounts/a");
  append(key, bob_id.view());
  state.put(key, as_bytes("?"));
  EXPECT_EQ(read_account(state, bob_id).error().id(), "ledger.account_corrupt");
}

TEST(AccountsGenesis, refuses_unsorted_ids_and_sums_beyond_64_bits) {
  const auto load = [](const Bytes& section) {
    MemState state;
    return make_accounts_app()->genesis(section, network_of(7), state);
  };
  EXPECT_TRUE(load(encode_accounts_genesis({})));
  EXPECT_TRUE(load(encode_accounts_genesis({{id_of(2), Amount{~0ull}}, {id_of(1), Amount{0}}})));
  EXPECT_EQ(load(encode_accounts_genesis({{id_of(2), Amount{~0ull}}, {id_of(1), Amount{1}}})).error().id(),
            "ledger.genesis");
  EXPECT_EQ(load(encode_accounts_genesis({{id_of(1), Amount{1}}, {id_of(1), Amount{2}}})).error().id(),
            "ledger.genesis");
}

TEST(Call, survives_encoding_and_refuses_trailing_and_missing_bytes) {
  const SignedCall call = transfer_call(key_of(1), id_of(2), 5, 9);
  const Bytes bytes = encode_call(call);
  const auto back = decode_call(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_call(*back), bytes);
  EXPECT_EQ(back->nonce, 9u);
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(decode_call(longer).error().id(), "codec.trailing");
  EXPECT_EQ(decode_call(ByteView(bytes).first(bytes.size() - 1)).error().id(), "codec.truncated");
  const Tx tx = call_tx(call);
  EXPECT_EQ(decode_tx(encode_tx(tx))->body, bytes);
  EXPECT_EQ(decode_tx(Bytes(kTxBytesMax + 1)).error().id(), "ledger.tx_too_large");
}

TEST(Call, refuses_another_network_app_key_or_height) {
  const auto key = key_of(1);
  const SignedCall good = transfer_call(key, id_of(2), 5, 9);
  EXPECT_TRUE(check_call(good, kAccountsApp, context_at(100)));
  EXPECT_EQ(check_call(good, kAccountsApp, context_at(101)).error().id(), "ledger.call_expired");
  EXPECT_EQ(check_call(good, 2, context_at(1)).error().id(), "ledger.call_app");
  BlockContext elsewhere = context_at(1);
  elsewhere.network = network_of(8);
  EXPECT_EQ(check_call(good, kAccountsApp, elsewhere).error().id(), "ledger.call_network");
  SignedCall stolen = good;
  stolen.sender = id_of(3);
  EXPECT_EQ(check_call(stolen, kAccountsApp, context_at(1)).error().id(), "ledger.call_key");
  SignedCall classical = good;
  sign_call(classical, key_of(1, crypto::SigAlg::kEd25519));
  EXPECT_EQ(check_call(classical, kAccountsApp, context_at(1)).error().id(), "ledger.call_key");
}

TEST(Call, signature_covers_every_field) {
  const SignedCall good = transfer_call(key_of(1), id_of(2), 5, 9);
  for (int field = 0; field < 5; ++field) {
    SignedCall changed = good;
    if (field == 0) changed.nonce += 1;
    if (field == 1) changed.expires = Height{101};
    if (field == 2) changed.method += 1;
    if (field == 3) changed.args.back() ^= 1;
    if (field == 4) changed.signature[0] ^= 1;
    EXPECT_EQ(check_call(changed, kAccountsApp, context_at(1)).error().id(), "ledger.call_signature") << field;
  }
  SignedCall moved = good;
  moved.app = 2;
  EXPECT_EQ(check_call(moved, 2, context_at(1)).error().id(), "ledger.call_signature");
}

TEST(TxResult, survives_encoding) {
  TxResult result = failed(Error(Kind::kInvalid, "a.b", std::string(kResultMessageMax, 'x') + "é").coded(7).at("x[1]"));
  EXPECT_EQ(result.message.size(), kResultMessageMax);
  result.data = Bytes(5, 5);
  result.events.push_back({.topic = "t", .data = Bytes(3)});
  const Bytes bytes = encode_result(result);
  const auto back = decode_result(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_result(*back), bytes);
  EXPECT_EQ(back->code, 7u);
  EXPECT_EQ(back->path, "x[1]");
  EXPECT_EQ(failed(Error(Kind::kInvalid, "a.b", "c")).code, 1u);
}

}  // namespace
}  // namespace hanse::ledger
