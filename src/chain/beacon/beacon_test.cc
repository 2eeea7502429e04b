// The beacon on a real ledger: contributions, closes, proofs and what others draw.
#include "chain/beacon/beacon.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"
#include "chain/ledger/test_net.h"

namespace hanse::beacon {
namespace {

using ledger::TestNet;

constexpr std::size_t kValidators = 4;

struct BeaconTest : testing::Test {
  static constexpr std::uint64_t kRoundMs = 1'000, kSteps = 500, kFirst = 100;
  ledger::TempDir dir{testing::TempDir()};
  TestNet net{8, 1'000'000, kValidators};
  BeaconParams params{.round_ms = kRoundMs, .steps = kSteps};
  std::vector<crypto::SecretKey> validators;
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app();
  std::unique_ptr<ledger::App> app = make_beacon_app();
  std::unique_ptr<ledger::Ledger> ledger;
  std::map<AccountId, std::uint64_t> nonces;
  ledger::Cut last_cut;

  void SetUp() override {
    for (std::size_t place = 0; place < kValidators; ++place)
      validators.push_back(TestNet::validator_key(place, kValidators));
    net.genesis.apps[kBeaconApp] = encode_beacon_genesis(params);
    auto opened = ledger::Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), app.get()}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
    run(kFirst, {});
  }
  std::vector<ledger::TxResult> run(std::uint64_t round, std::vector<ledger::Tx> txs) {
    const auto at = std::max(ledger->tip().header.time_ms + 1, static_cast<std::int64_t>(round * kRoundMs));
    auto made = ledger->execute({.height = ledger->tip().header.height.plus(1),
                                 .time_ms = at,
                                 .leader = net.user(0),
                                 .txs = std::move(txs),
                                 .epoch = ledger->epoch(),
                                 .id = {},
                                 .epoch_end = false});
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger->commit(*made));
    return made->results;
  }
  std::string outcome(std::uint64_t round, ledger::Tx tx) { return run(round, {std::move(tx)}).at(0).error_id; }

  ledger::Tx call(const crypto::SecretKey& key, std::uint16_t method, Bytes args) {
    ledger::SignedCall call{.network = net.network(),
                            .app = kBeaconApp,
                            .sender = {},
                            .nonce = ++nonces[crypto::account_id(key.public_key())],
                            .expires = Height{1u << 30},
                            .method = method,
                            .args = std::move(args),
                            .key = {},
                            .signature = {}};
    ledger::sign_call(call, key);
    return ledger::call_tx(call);
  }
  static Secret secret(std::size_t who, std::uint64_t round) {
    Secret out;
    out.data[0] = static_cast<std::uint8_t>(who + 1);
    out.data[1] = static_cast<std::uint8_t>(round);
    return out;
  }
  AccountId id(std::size_t who) const { return crypto::account_id(validators[who].public_key()); }
  ledger::Tx commit(std::size_t who, std::uint64_t round) {
    return call(validators[who], kMethodCommit,
                encode_commit(round, commit_hash(net.network(), round, id(who), secret(who, round))));
  }
  ledger::Tx reveal(std::size_t who, std::uint64_t round) {
    return call(validators[who], kMethodReveal, encode_reveal(round, secret(who, round)));
  }
  ledger::Tx prove(const crypto::SecretKey& key, std::uint64_t round, const crypto::VdfProof& proof) {
    return call(key, kMethodProve, encode_prove(round, proof));
  }
  Result<Round> round(std::uint64_t number) {
    Bytes argument;
    append_be(argument, number);
    TRY(const Bytes bytes, app->query("round", argument, *ledger->view()));
    return decode_round(bytes);
  }
  Result<Round> newest(std::string_view path) {
    TRY(const Bytes bytes, app->query(path, {}, *ledger->view()));
    return decode_round(bytes);
  }
  // These take part in the round, two rounds before until it is closed.
  Round closed(std::uint64_t number, const std::vector<std::size_t>& commits, const std::vector<std::size_t>& reveals) {
    for (const std::size_t who : commits) EXPECT_EQ(outcome(number - 2, commit(who, number)), "");
    for (const std::size_t who : reveals) EXPECT_EQ(outcome(number - 1, reveal(who, number)), "");
    run(number, {});
    const auto out = round(number);
    EXPECT_TRUE(out) << out.error().str();
    return out.value_or(Round{});
  }
  Result<std::optional<Hash32>> drawn(std::int64_t from_ms, std::int64_t until_ms, std::string_view purpose = "test") {
    const ledger::BlockContext context{.network = net.network(),
                                       .height = ledger->tip().header.height,
                                       .time_ms = ledger->tip().header.time_ms,
                                       .leader = {},
                                       .beacon = Hash32{{7}}};
    return draw(*ledger->view(), context, {.purpose = purpose, .from_ms = from_ms, .until_ms = until_ms});
  }
};

TEST_F(BeaconTest, a_value_is_made_of_contributions_and_the_delay_over_them) {
  const Round made = closed(kFirst + 2, {0, 1, 2, 3}, {0, 1, 2, 3});
  EXPECT_EQ(made.contributors, 4u);
  EXPECT_EQ(made.missing, 0u);
  EXPECT_EQ(made.closed_ms, static_cast<std::int64_t>((kFirst + 2) * kRoundMs));
  crypto::Blake3 contributions("hanse/beacon-contributions/1");
  std::map<AccountId, Secret> sorted;
  for (std::size_t who = 0; who < kValidators; ++who) sorted[id(who)] = secret(who, kFirst + 2);
  for (const auto& [account, s] : sorted) {
    contributions.update(account.view());
    contributions.update(s.view());
  }
  EXPECT_EQ(made.contributions, contributions.finish());
  EXPECT_EQ(newest("open")->round, kFirst + 2);
  const auto proof = crypto::vdf_eval(made.seed, kSteps);
  ASSERT_TRUE(proof);
  const auto results = run(kFirst + 2, {prove(net.users[1], kFirst + 2, *proof)});  // anybody may
  EXPECT_EQ(results[0].error_id, "");
  ASSERT_EQ(results[0].events.size(), 1u);
  EXPECT_EQ(results[0].events[0].topic, "beacon.value");
  const auto after = round(kFirst + 2);
  EXPECT_EQ(*after->value, value_of(made, *proof));
  EXPECT_EQ(decode_round(results[0].events[0].data)->value, after->value);
  EXPECT_EQ(newest("last")->round, kFirst + 2);
  EXPECT_EQ(newest("open").error().id(), "beacon.no_round");
  EXPECT_EQ(outcome(kFirst + 2, prove(net.users[0], kFirst + 2, *proof)), "beacon.made");
}

TEST_F(BeaconTest, each_contribution_changes_the_seed_and_so_does_the_value_before) {
  const Round all = closed(kFirst + 2, {0, 1}, {0, 1});
  ASSERT_EQ(outcome(kFirst + 2, prove(net.users[0], kFirst + 2, *crypto::vdf_eval(all.seed, kSteps))), "");
  const Round one = closed(kFirst + 5, {0}, {0});
  EXPECT_NE(all.seed, one.seed);
  EXPECT_NE(all.contributions, one.contributions);
}

TEST_F(BeaconTest, a_seed_is_made_of_the_last_value_the_closing_block_and_the_contributions) {
  const light::ValidatorSet set = TestNet::validator_set(kValidators);
  for (const bool with_last : {false, true}) {
    ledger::MemState state;
    ASSERT_TRUE(app->genesis(encode_beacon_genesis(params), net.network(), state));
    const auto block = [&](std::uint64_t round) {
      return ledger::BlockContext{.network = net.network(),
                                  .height = Height{2},
                                  .time_ms = static_cast<std::int64_t>(round * kRoundMs),
                                  .leader = {},
                                  .beacon = Hash32{{9}},
                                  .epoch = 1,
                                  .validators = &set};
    };
    Bytes number, last;
    append_be(number, std::uint64_t{kFirst + 2});
    last = number;
    last.resize(40, 5);
    for (std::uint64_t round = kFirst; round <= kFirst + 2; ++round) {
      if (round == kFirst + 2 && with_last) state.put(as_bytes("beacon/last"), last);
      ASSERT_TRUE(app->begin(block(round), state));
      if (round == kFirst) EXPECT_EQ(app->apply(commit(0, kFirst + 2), block(round), state).error_id, "");
      if (round == kFirst + 1) EXPECT_EQ(app->apply(reveal(0, kFirst + 2), block(round), state).error_id, "");
    }
    const Round made = *decode_round(*app->query("round", number, state));
    const Bytes before = with_last ? Bytes(32, 5) : Bytes(32);
    EXPECT_EQ(made.seed, crypto::blake3("hanse/beacon-seed/1",
                                        {number, before, block(0).beacon.view(), made.contributions.view()}));
    nonces.clear();
  }
}

TEST_F(BeaconTest, contributions_are_taken_in_their_rounds_alone_and_once) {
  const std::uint64_t r = kFirst + 2;
  EXPECT_EQ(outcome(kFirst, commit(0, r - 1)), "beacon.round");
  EXPECT_EQ(outcome(kFirst, commit(0, r + 1)), "beacon.round");
  EXPECT_EQ(outcome(kFirst, commit(0, r)), "");
  EXPECT_EQ(outcome(kFirst, commit(0, r)), "beacon.committed");
  EXPECT_EQ(outcome(kFirst, reveal(0, r)), "beacon.round");
  EXPECT_EQ(outcome(kFirst + 1, reveal(1, r)), "beacon.no_commit");
  EXPECT_EQ(outcome(kFirst + 1, call(validators[0], kMethodReveal, encode_reveal(r, secret(1, r)))),
            "beacon.wrong_secret");
  EXPECT_EQ(outcome(kFirst + 1, reveal(0, r)), "");
  EXPECT_EQ(outcome(kFirst + 1, reveal(0, r)), "beacon.revealed");
  EXPECT_EQ(outcome(kFirst + 1, commit(1, r)), "beacon.round");
  EXPECT_EQ(outcome(kFirst + 1, call(validators[0], 4, encode_reveal(r, secret(0, r)))), "ledger.method");
}

TEST_F(BeaconTest, each_account_can_ask_what_it_has_done) {
  const auto mine = [&](std::uint64_t round, const AccountId& account) {
    Bytes argument;
    append_be(argument, round);
    append(argument, account.view());
    return *decode_mine(*app->query("mine", argument, *ledger->view()));
  };
  EXPECT_EQ(mine(kFirst, net.user(0)), Mine{});
  EXPECT_EQ(mine(kFirst, id(0)), (Mine{.validates = true}));
  EXPECT_EQ(outcome(kFirst, commit(0, kFirst + 2)), "");
  EXPECT_EQ(outcome(kFirst, commit(1, kFirst + 2)), "");
  EXPECT_EQ(mine(kFirst, id(0)), (Mine{.validates = true, .committed_ahead = true}));
  EXPECT_EQ(outcome(kFirst + 1, reveal(0, kFirst + 2)), "");
  EXPECT_EQ(mine(kFirst + 1, id(0)), (Mine{.validates = true, .committed = true, .revealed = true}));
  EXPECT_EQ(mine(kFirst + 1, id(1)), (Mine{.validates = true, .committed = true}));
  run(kFirst + 2, {});
  EXPECT_EQ(mine(kFirst + 2, id(1)), (Mine{.validates = true, .silenced_until = kFirst + 2 + kSilencedRounds}));
  EXPECT_EQ(app->query("mine", Bytes(39), *ledger->view()).error().id(), "ledger.query");
}

TEST_F(BeaconTest, before_the_first_block_the_pool_takes_contributions_of_anybody) {
  ledger::MemState state;
  ASSERT_TRUE(app->genesis(encode_beacon_genesis(params), net.network(), state));
  const ledger::BlockContext next{.network = net.network(),
                                  .height = Height{1},
                                  .time_ms = static_cast<std::int64_t>(kFirst * kRoundMs),
                                  .leader = {},
                                  .beacon = {}};
  EXPECT_TRUE(app->check(commit(0, kFirst + 2), next, state));
}

TEST_F(BeaconTest, who_is_no_validator_does_not_contribute) {
  const Hash32 hash = commit_hash(net.network(), kFirst + 2, net.user(1), {});
  EXPECT_EQ(outcome(kFirst, call(net.users[1], kMethodCommit, encode_commit(kFirst + 2, hash))),
            "beacon.not_validator");
}

TEST_F(BeaconTest, who_does_not_reveal_is_left_out_and_silent_for_a_while) {
  const std::uint64_t r = kFirst + 2;
  const Round made = closed(r, {0, 1, 2}, {0, 1});
  EXPECT_EQ(made.contributors, 2u);
  EXPECT_EQ(made.missing, 1u);
  EXPECT_EQ(outcome(r, commit(2, r + 2)), "beacon.silenced");
  EXPECT_EQ(outcome(r, commit(1, r + 2)), "");
  EXPECT_EQ(outcome(r + kSilencedRounds - 2, commit(2, r + kSilencedRounds)), "beacon.silenced");
  EXPECT_EQ(outcome(r + kSilencedRounds - 1, commit(2, r + kSilencedRounds + 1)), "");
}

TEST_F(BeaconTest, who_could_not_reveal_for_want_of_blocks_is_excused) {
  const std::uint64_t r = kFirst + 2;
  EXPECT_EQ(outcome(kFirst, commit(0, r)), "");
  EXPECT_EQ(outcome(r, commit(0, r + 2)), "") << "there was no block in the round before";
  EXPECT_EQ(round(r).error().id(), "beacon.no_round");
}

TEST_F(BeaconTest, a_round_that_nobody_reveals_for_has_no_seed) {
  EXPECT_EQ(outcome(kFirst, commit(0, kFirst + 2)), "");
  run(kFirst + 1, {});
  run(kFirst + 2, {});
  EXPECT_EQ(round(kFirst + 2).error().id(), "beacon.no_round");
  EXPECT_EQ(outcome(kFirst + 2, prove(net.users[0], kFirst + 2, {})), "beacon.no_round");
}

TEST_F(BeaconTest, a_false_proof_makes_no_value_and_costs_its_sender_the_round) {
  const std::uint64_t r = kFirst + 2;
  const Round made = closed(r, {0}, {0});
  const auto proof = *crypto::vdf_eval(made.seed, kSteps);
  auto bad = proof;
  bad.pi.data[200] ^= 1;
  const ledger::Tx tx = prove(net.users[0], r, bad);
  ledger::BlockContext next{.network = net.network(),
                            .height = ledger->tip().header.height.plus(1),
                            .time_ms = ledger->tip().header.time_ms + 1,
                            .leader = {},
                            .beacon = {}};
  const auto checked = app->check(tx, next, *ledger->view());
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().id(), "crypto.bad_vdf") << "an honest pool does not take it";
  const auto results = run(r, {tx});
  EXPECT_EQ(results[0].events.at(0).topic, "beacon.false_proof");
  EXPECT_FALSE(round(r)->value);
  EXPECT_EQ(outcome(r, prove(net.users[0], r, proof)), "beacon.busy");
  EXPECT_EQ(outcome(r, prove(net.users[1], r, proof)), "");
}

TEST_F(BeaconTest, so_many_false_proofs_of_a_block_are_looked_at_and_no_more) {
  const std::uint64_t r = kFirst + 2;
  const Round made = closed(r, {0}, {0});
  const auto proof = *crypto::vdf_eval(made.seed, kSteps);
  auto bad = proof;
  bad.y.data[200] ^= 1;
  std::vector<ledger::Tx> txs;
  for (std::size_t user = 0; user <= kFalsePerBlock; ++user) txs.push_back(prove(net.users[user], r, bad));
  txs.push_back(prove(net.users[kFalsePerBlock + 1], r, proof));
  const auto results = run(r, std::move(txs));
  for (std::size_t i = 0; i < kFalsePerBlock; ++i) EXPECT_EQ(results[i].error_id, "") << i;
  EXPECT_EQ(results[kFalsePerBlock].error_id, "beacon.busy");
  EXPECT_EQ(results[kFalsePerBlock + 1].error_id, "beacon.busy") << "the next block takes it";
  EXPECT_EQ(outcome(r, prove(net.users[kFalsePerBlock + 1], r, proof)), "");
}

TEST_F(BeaconTest, past_rounds_are_erased) {
  const std::uint64_t r = kFirst + 2;
  closed(r, {0}, {0});
  run(r + kKeptRounds, {});
  EXPECT_TRUE(round(r));
  run(r + kKeptRounds + 1, {});
  EXPECT_EQ(round(r).error().id(), "beacon.no_round");
}

TEST_F(BeaconTest, one_contributor_past_the_limit_is_refused) {
  ledger::MemState state;
  ASSERT_TRUE(app->genesis(encode_beacon_genesis(params), net.network(), state));
  const light::ValidatorSet set = TestNet::validator_set(kValidators);
  const ledger::BlockContext context{.network = net.network(),
                                     .height = Height{2},
                                     .time_ms = static_cast<std::int64_t>(kFirst * kRoundMs),
                                     .leader = {},
                                     .beacon = {},
                                     .epoch = 1,
                                     .validators = &set};
  ASSERT_TRUE(app->begin(context, state));
  Bytes key = to_bytes("beacon/C");
  append_be(key, kFirst + 2);
  key.resize(key.size() + 32, 0);
  for (std::size_t i = 0; i + 1 < kContributorsMax; ++i) {
    key.back() = static_cast<std::uint8_t>(i);
    state.put(key, Bytes(32));
  }
  EXPECT_EQ(app->apply(commit(0, kFirst + 2), context, state).error_id, "");
  EXPECT_EQ(app->apply(commit(1, kFirst + 2), context, state).error_id, "beacon.full");
}

TEST_F(BeaconTest, parameters_out_of_range_are_no_genesis) {
  const auto refused = [](BeaconParams p) { return !decode_beacon_genesis(encode_beacon_genesis(p)); };
  EXPECT_FALSE(refused({.round_ms = kRoundMsMin, .steps = 1}));
  EXPECT_FALSE(refused({.round_ms = kRoundMsMax, .steps = crypto::kVdfStepsMax}));
  EXPECT_TRUE(refused({.round_ms = kRoundMsMin - 1, .steps = 1}));
  EXPECT_TRUE(refused({.round_ms = kRoundMsMax + 1, .steps = 1}));
  EXPECT_TRUE(refused({.round_ms = kRoundMsMin, .steps = 0}));
  EXPECT_TRUE(refused({.round_ms = kRoundMsMin, .steps = crypto::kVdfStepsMax + 1}));
}

// ---- drawing -------------------------------------------------------------------------------------------------------

TEST_F(BeaconTest, a_draw_waits_for_the_first_round_that_closed_late_enough) {
  const std::uint64_t r = kFirst + 2;
  const std::int64_t never = INT64_MAX;
  const Round made = closed(r, {0}, {0});
  EXPECT_EQ(*drawn(made.closed_ms, never), std::nullopt) << "no value yet";
  ASSERT_EQ(outcome(r, prove(net.users[0], r, *crypto::vdf_eval(made.seed, kSteps))), "");
  const auto one = drawn(made.closed_ms, never);
  ASSERT_TRUE(*one);
  EXPECT_EQ(**drawn(0, never), **one);
  EXPECT_NE(**drawn(0, never, "another purpose"), **one);
  EXPECT_EQ(*drawn(made.closed_ms + 1, never), std::nullopt) << "it was known before";
}

TEST_F(BeaconTest, a_draw_takes_the_blocks_own_when_it_has_waited_long_enough) {
  const std::int64_t now = ledger->tip().header.time_ms;
  EXPECT_EQ(*drawn(0, now + 1), std::nullopt);
  EXPECT_NE(*drawn(0, now), std::nullopt);
  ledger::MemState none;
  const ledger::BlockContext context{.network = {}, .height = {}, .time_ms = 5, .leader = {}, .beacon = Hash32{{7}}};
  EXPECT_EQ(*draw(none, context, {.purpose = "test", .from_ms = 0, .until_ms = 100}), context.beacon);
}

}  // namespace
}  // namespace hanse::beacon
