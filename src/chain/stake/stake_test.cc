// Stakes on a real ledger whose epochs end when this test says.
#include "chain/stake/stake.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/test_net.h"
#include "chain/reputation/reputation.h"

namespace hanse::stake {
namespace {

using ledger::TestNet;
using light::ValidatorSet;

struct StakeTest : testing::Test {
  static constexpr std::uint64_t kFunds = 10'000'000;
  ledger::TempDir dir{testing::TempDir()};
  TestNet net{8, kFunds, 4};
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app();
  std::unique_ptr<ledger::App> app;
  std::unique_ptr<ledger::Ledger> ledger;
  std::map<AccountId, Standing> standings;
  std::map<std::size_t, std::uint64_t> nonces;
  StakeParams rules{};

  // Users 0 to 3 stand behind the four validators of the genesis.
  Member founder(std::size_t n) const {
    return {.owner = net.user(n),
            .key = TestNet::key(static_cast<std::uint8_t>(200 + n)).public_key(),
            .stake = Amount{1'000'000},
            .address = "127.0.0.1:1200",
            .leaving = false,
            .returns = {}};
  }
  void open() {
    std::vector<Member> members;
    for (std::size_t n = 0; n < 4; ++n) members.push_back(founder(n));
    net.genesis.apps[kStakeApp] = encode_stake_genesis(rules, members);
    app = make_stake_app([this](const ledger::StateReader&, const AccountId& id) -> Result<Standing> {
      const auto at = standings.find(id);
      return at == standings.end() ? Standing{} : at->second;
    });
    auto opened = ledger::Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), app.get()}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
  }
  ledger::Tx call(std::size_t user, Method method, Bytes args) {
    ledger::SignedCall call{.network = net.network(),
                            .app = kStakeApp,
                            .sender = {},
                            .nonce = ++nonces[user],
                            .expires = Height{1u << 30},
                            .method = static_cast<std::uint16_t>(method),
                            .args = std::move(args),
                            .key = {},
                            .signature = {}};
    ledger::sign_call(call, net.users[user]);
    return ledger::call_tx(call);
  }
  ledger::Tx join(std::size_t user, std::uint8_t key, std::uint64_t stake, std::string_view address = "127.0.0.1:9") {
    const auto secret = TestNet::key(key);
    return call(user, Method::kJoin,
                encode(Join{.key = secret.public_key(),
                            .proof = prove_key(secret, net.network(), net.user(user)),
                            .stake = Amount{stake},
                            .address = std::string(address)}));
  }
  ledger::Executed block(std::vector<ledger::Tx> txs, bool end = false) {
    auto made = ledger->execute({.height = ledger->tip().header.height.plus(1),
                                 .time_ms = ledger->tip().header.time_ms + 5,
                                 .leader = net.user(0),
                                 .txs = std::move(txs),
                                 .epoch = ledger->epoch(),
                                 .id = {},
                                 .epoch_end = end});
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger->commit(*made));
    return *std::move(made);
  }
  std::string outcome(ledger::Tx tx) { return block({std::move(tx)}).results.at(0).error_id; }
  ValidatorSet end_epoch() {
    block({}, true);
    return ledger->next_set();
  }
  std::uint16_t power(const ValidatorSet& set, std::uint8_t key) const {
    for (const auto& v : set.validators)
      if (v.key == TestNet::key(key).public_key()) return v.power_bp;
    return 0;
  }
  std::uint64_t balance(std::size_t user) {
    const auto view = ledger->view();
    return ledger::read_account(*view, net.user(user))->balance.value;
  }
};

TEST_F(StakeTest, a_join_counts_from_the_next_epoch_on_and_no_more_than_churn_moves) {
  rules.cap_bp = 3'300;
  open();
  EXPECT_FALSE(block({}).epoch_due);
  const auto joined = block({join(4, 100, 1'000'000)});
  EXPECT_EQ(joined.results[0].error_id, "");
  EXPECT_TRUE(joined.epoch_due);
  EXPECT_TRUE(joined.wants_block);
  EXPECT_EQ(balance(4), kFunds - 1'000'000);
  EXPECT_EQ(member(*ledger->view(), net.user(4))->value().number, kNumbersFrom);
  EXPECT_EQ(power(ledger->next_set(), 100), 0);
  const ValidatorSet set = end_epoch();
  EXPECT_EQ(set.validators.size(), 5u);
  EXPECT_EQ(power(set, 100), 2'000);
  EXPECT_EQ(power(set, 200), 2'000);
  EXPECT_EQ(ledger->epoch(), 1u);
  EXPECT_FALSE(block({}).epoch_due);
}

TEST_F(StakeTest, a_move_beyond_the_churn_goes_on_in_the_next_epoch) {
  rules.churn_bp = 1'000;
  open();
  block({join(4, 100, 1'000'000)});
  EXPECT_EQ(power(end_epoch(), 100), 1'000);
  EXPECT_TRUE(block({}).epoch_due);
  EXPECT_EQ(power(end_epoch(), 100), 2'000);
  EXPECT_FALSE(block({}).epoch_due);
}

TEST_F(StakeTest, who_leaves_has_the_money_back_after_it_can_answer_no_more) {
  open();
  block({join(4, 100, 2'000'000)});
  end_epoch();
  EXPECT_EQ(outcome(call(4, Method::kLeave, encode_nothing())), "");
  EXPECT_EQ(outcome(call(4, Method::kLeave, encode_nothing())), "stake.member");
  EXPECT_EQ(power(end_epoch(), 100), 0);  // epoch 1 ends
  for (int epoch = 2; epoch < 4; ++epoch) {
    end_epoch();
    EXPECT_EQ(balance(4), kFunds - 2'000'000) << epoch;
  }
  end_epoch();  // epoch 4 = 1 + 3
  EXPECT_EQ(balance(4), kFunds);
  EXPECT_FALSE(member(*ledger->view(), net.user(4))->has_value());
  EXPECT_EQ(balance(0), kFunds - 1'000'000);
  EXPECT_EQ(ledger::read_account(*ledger->view(), pot())->balance.value, 4'000'000u);
}

TEST_F(StakeTest, a_key_is_not_changed_to_lose_a_bad_name) {
  open();
  const auto fresh = TestNet::key(101);
  const auto rotate = [&] {
    return outcome(
        call(1, Method::kRotateKey,
             encode(Rotation{.key = fresh.public_key(), .proof = prove_key(fresh, net.network(), net.user(1))})));
  };
  const AccountId validator = member(*ledger->view(), net.user(1))->value().validator();
  standings[validator] = {.reputation = kStandingMax, .uptime = kStandingMax, .out = true};
  EXPECT_EQ(rotate(), "stake.standing");
  standings[validator] = {.reputation = kStandingMax - 1, .uptime = kStandingMax, .out = false};
  EXPECT_EQ(rotate(), "stake.standing");
  standings.clear();
  EXPECT_EQ(rotate(), "");
}

TEST_F(StakeTest, a_rotated_key_takes_over_at_the_end_with_the_same_power) {
  rules.churn_bp = 1;  // a rotation is no churn
  open();
  const auto fresh = TestNet::key(101);
  const Rotation rotation{.key = fresh.public_key(), .proof = prove_key(fresh, net.network(), net.user(1))};
  EXPECT_EQ(outcome(call(1, Method::kRotateKey, encode(rotation))), "");
  const auto again = TestNet::key(102);
  EXPECT_EQ(
      outcome(call(1, Method::kRotateKey,
                   encode(Rotation{.key = again.public_key(), .proof = prove_key(again, net.network(), net.user(1))}))),
      "");
  EXPECT_EQ(member(*ledger->view(), net.user(1))->value().number, kNumbersFrom + 1);
  EXPECT_EQ(power(ledger->next_set(), 201), 2'500);
  const ValidatorSet set = end_epoch();
  EXPECT_EQ(power(set, 102), 2'500);
  EXPECT_EQ(power(set, 201), 0);
  EXPECT_EQ(set.validators.size(), 4u);
}

TEST_F(StakeTest, standing_counts_and_who_is_out_has_no_power) {
  open();
  standings[founder(2).validator()] = {.reputation = 0, .uptime = 10'000, .out = true};
  standings[founder(3).validator()] = {.reputation = 10'000, .uptime = 7'499, .out = false};
  const ValidatorSet set = end_epoch();
  EXPECT_EQ(power(set, 202) + power(set, 203), 5'000 - 3'300);  // both leave; churn lets 3300 go at once
  const ValidatorSet next = end_epoch();
  EXPECT_EQ(next.validators.size(), 2u);
  standings[founder(0).validator()].out = standings[founder(1).validator()].out = true;
  EXPECT_EQ(light::set_hash(end_epoch()), light::set_hash(next));  // somebody has to
}

// With reputation as it judges evidence.
struct Judged : StakeTest {
  std::unique_ptr<ledger::App> judge = reputation::make_reputation_app();

  void SetUp() override {
    net.genesis.apps[reputation::kReputationApp] = reputation::encode_reputation_genesis();
    net.genesis.apps[kStakeApp] = encode_stake_genesis(rules, {founder(0), founder(1), founder(2), founder(3)});
    app = make_stake_app();
    auto opened =
        ledger::Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), app.get(), judge.get()}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
    block({});
  }
  // Of founder 2, in epoch 0.
  consensus::Statement attest(std::uint64_t slot, std::uint8_t what) const {
    const auto secret = TestNet::key(202);
    const auto& all = net.genesis.validators.validators;
    const auto liar = std::ranges::find(all, secret.public_key(), &light::Validator::key) - all.begin();
    consensus::Statement s{.purpose = consensus::Purpose::kAttest,
                           .replica = static_cast<consensus::Index>(liar),
                           .epoch = 0,
                           .view = 0,
                           .first = slot,
                           .ids = {crypto::blake3("hanse/test/1", {ByteView(&what, 1)})},
                           .signature = {}};
    Bytes message = to_bytes(net.network().view());
    append(message, consensus::statement_message(s));
    s.signature = secret.sign(consensus::purpose_context(s.purpose), message);
    return s;
  }
  void prove(std::uint64_t slot) {
    const auto judged = block({reputation::evidence_tx(consensus::evidence_of(attest(slot, 1), attest(slot, 2)))});
    ASSERT_EQ(judged.results.at(0).error_id, "");
  }
  std::uint64_t lying_on(const AccountId& account) {
    return ledger::read_account(*ledger->view(), account)->balance.value;
  }
};

TEST_F(Judged, who_is_proved_to_have_signed_twice_loses_power_and_a_part_of_the_stake) {
  prove(8);
  EXPECT_EQ(member(*ledger->view(), net.user(2))->value().stake.value, 1'000'000u);  // until the epoch ends
  const ledger::Executed last = block({}, true);
  const auto told = std::ranges::find(last.events, "stake.slashed", &ledger::Event::topic);
  ASSERT_NE(told, last.events.end());
  const auto slashed = decode_slashed(told->data);
  ASSERT_TRUE(slashed) << slashed.error().str();
  EXPECT_EQ(slashed->owner, net.user(2));
  EXPECT_EQ(slashed->validator, founder(2).validator());
  EXPECT_EQ(slashed->amount.value, 300'000u);
  EXPECT_EQ(member(*ledger->view(), net.user(2))->value().stake.value, 700'000u);
  EXPECT_EQ(lying_on(pot()), 3'700'000u);
  EXPECT_EQ(lying_on(forfeited()), 300'000u);
  EXPECT_EQ(power(end_epoch(), 202), 0);
  EXPECT_EQ(lying_on(forfeited()), 300'000u);  // once
  prove(16);
  end_epoch();
  EXPECT_EQ(lying_on(forfeited()), 300'000u + 210'000u);
}

TEST_F(Judged, what_is_on_its_way_back_is_answered_with_too) {
  EXPECT_EQ(outcome(call(2, Method::kLeave, encode_nothing())), "");
  end_epoch();
  end_epoch();
  prove(8);
  end_epoch();
  EXPECT_EQ(lying_on(forfeited()), 300'000u);
  end_epoch();
  end_epoch();
  EXPECT_EQ(balance(2), kFunds - 300'000);
}

TEST_F(Judged, a_key_that_was_changed_still_answers_for_its_owner) {
  const auto fresh = TestNet::key(101);
  EXPECT_EQ(
      outcome(call(2, Method::kRotateKey,
                   encode(Rotation{.key = fresh.public_key(), .proof = prove_key(fresh, net.network(), net.user(2))}))),
      "");
  end_epoch();
  end_epoch();
  prove(8);  // two epochs later, the last in which it is taken
  end_epoch();
  EXPECT_EQ(member(*ledger->view(), net.user(2))->value().stake.value, 700'000u);
}

TEST_F(StakeTest, an_epoch_of_a_fixed_length_is_due_after_so_many_blocks) {
  rules.epoch_slots = 3;
  open();
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_FALSE(block({}).epoch_due);
    EXPECT_FALSE(block({}).epoch_due);
    EXPECT_TRUE(block({}).epoch_due);
    EXPECT_FALSE(block({}, true).epoch_due);
  }
}

TEST_F(StakeTest, refuses_what_would_break_a_rule) {
  open();
  EXPECT_EQ(outcome(join(4, 100, 99'999)), "stake.amount");
  EXPECT_EQ(outcome(join(4, 100, kFunds + 1)), "ledger.insufficient");
  EXPECT_EQ(outcome(join(4, 200, 1'000'000)), "stake.member");  // another's key
  EXPECT_EQ(outcome(join(0, 100, 1'000'000)), "stake.member");
  EXPECT_EQ(outcome(join(4, 100, 1'000'000, "example.org:1")), "stake.address");
  const auto secret = TestNet::key(100);
  EXPECT_EQ(outcome(call(4, Method::kJoin,
                         encode(Join{.key = secret.public_key(),
                                     .proof = prove_key(secret, net.network(), net.user(5)),
                                     .stake = Amount{1'000'000},
                                     .address = ""}))),
            "stake.key");
  EXPECT_EQ(outcome(call(5, Method::kLeave, encode_nothing())), "stake.no_member");
  EXPECT_EQ(outcome(call(5, static_cast<Method>(9), encode_nothing())), "ledger.method");
  EXPECT_EQ(outcome(call(0, Method::kSetAddress, encode_address("[::1]:5"))), "");
  EXPECT_EQ(member(*ledger->view(), net.user(0))->value().address, "[::1]:5");
  for (std::uint64_t i = 0; i < kReturnsMax; ++i)
    EXPECT_EQ(outcome(call(0, Method::kSetStake, encode_amount(Amount{900'000 - i}))), "");
  EXPECT_EQ(member(*ledger->view(), net.user(0))->value().returns.size(), 1u);  // of one epoch
  EXPECT_EQ(app->query("nothing", {}, *ledger->view()).error().id(), "ledger.query");
  EXPECT_EQ(decode_members(*app->query("members", {}, *ledger->view()))->size(), 4u);
}

TEST_F(StakeTest, members_and_amounts_on_their_way_have_limits) {
  rules.unbond_epochs = 100;
  rules.epoch_slots = 1;
  open();
  for (std::uint64_t i = 0; i < kReturnsMax; ++i) {
    EXPECT_EQ(outcome(call(0, Method::kSetStake, encode_amount(Amount{900'000 - i}))), "") << i;
    end_epoch();
  }
  EXPECT_EQ(outcome(call(0, Method::kSetStake, encode_amount(Amount{500'000}))), "stake.full");
  EXPECT_EQ(balance(0), kFunds - 1'000'000);
}

TEST_F(StakeTest, a_genesis_that_breaks_a_rule_is_refused) {
  const auto refused = [&](const StakeParams& p, const std::vector<Member>& members) {
    ledger::MemState state;
    const auto made = make_stake_app();
    const Status status = made->genesis(encode_stake_genesis(p, members), net.network(), state);
    return status ? std::string() : std::string(status.error().id());
  };
  EXPECT_EQ(refused({.cap_bp = 3'301}, {}), "ledger.genesis");
  EXPECT_EQ(refused({.churn_bp = 3'301}, {}), "ledger.genesis");
  EXPECT_EQ(refused({.unbond_epochs = 2}, {}), "ledger.genesis");
  EXPECT_EQ(refused({}, {founder(0)}), "ledger.insufficient");
  Member leaving = founder(0);
  leaving.leaving = true;
  EXPECT_EQ(refused({}, {leaving}), "ledger.genesis");
  EXPECT_EQ(refused({}, {}), "");
}

}  // namespace
}  // namespace hanse::stake
