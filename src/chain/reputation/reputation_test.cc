#include "chain/reputation/reputation.h"

#include <gtest/gtest.h>

#include "chain/ledger/test_net.h"

namespace hanse::reputation {
namespace {

using consensus::Evidence;
using consensus::Purpose;
using consensus::Statement;
using ledger::TestNet;

constexpr std::size_t kValidators = 4;

Hash32 id(std::uint8_t n) {
  Hash32 out;
  out.data.fill(n);
  return out;
}

struct Reputation : testing::Test {
  ledger::TempDir dir{testing::TempDir()};
  TestNet net{1, 1'000, kValidators};
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app(), app = make_reputation_app();
  std::unique_ptr<ledger::Ledger> ledger;
  std::uint64_t nonce = 0;

  void SetUp() override {
    net.genesis.apps[kReputationApp] = encode_reputation_genesis();
    auto opened = ledger::Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), app.get()}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = *std::move(opened);
  }
  AccountId validator(std::size_t n) const { return net.genesis.validators.validators[n].id(); }

  Statement sign(std::size_t place, Statement s, const NetworkId& network) const {
    s.replica = static_cast<consensus::Index>(place);
    Bytes message = to_bytes(network.view());
    append(message, statement_message(s));
    s.signature = TestNet::validator_key(place, kValidators).sign(consensus::purpose_context(s.purpose), message);
    return s;
  }
  Statement vertex(std::size_t place, std::uint64_t height, std::uint8_t what, std::uint64_t epoch = 0) const {
    return sign(place,
                {.purpose = Purpose::kVertex,
                 .replica = 0,
                 .epoch = epoch,
                 .view = 0,
                 .first = height,
                 .ids = {id(what)},
                 .signature = {}},
                net.network());
  }
  Evidence fork(std::size_t place, std::uint64_t height, std::uint64_t epoch = 0) const {
    return evidence_of(vertex(place, height, 1, epoch), vertex(place, height, 2, epoch));
  }

  ledger::TxResult apply(const ledger::Tx& tx, bool epoch_end = false) {
    const ledger::Cut cut{.height = ledger->tip().header.height.plus(1),
                          .time_ms = ledger->tip().header.time_ms + 5,
                          .leader = validator(0),
                          .txs = {tx},
                          .epoch = ledger->epoch(),
                          .id = {},
                          .epoch_end = epoch_end};
    auto made = ledger->execute(cut);
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger->check_determinism(cut));
    EXPECT_TRUE(ledger->commit(*made));
    EXPECT_EQ(made->results.size(), 1u) << "the same bytes again";
    return made->results.empty() ? ledger::TxResult{} : made->results[0];
  }
  ledger::TxResult bring(const Evidence& evidence) { return apply(evidence_tx(evidence)); }
  void end_epoch() { apply(net.transfer(0, validator(0), 1, ++nonce), true); }
  Standing of(std::size_t n) const { return *standing(*ledger->view(), validator(n)); }
  ledger::Tx unjail(std::size_t n, std::uint64_t with_nonce) const {
    return unjail_tx(net.network(), TestNet::validator_key(n, kValidators), with_nonce, Height{1'000'000});
  }
  std::string refused(const ledger::Tx& tx) {
    const Status before = ledger->view()->check(tx, 0);
    const std::string in_block = apply(tx).error_id;
    EXPECT_EQ(before ? "" : std::string(before.error().id()), in_block);
    return in_block;
  }
};

TEST(Table, is_the_one_of_the_design) {
  const auto is = [](Fault fault, std::uint32_t score, std::uint32_t slash, bool out) {
    const Penalty p = penalty_of(fault);
    EXPECT_EQ(p.score, score) << p.name;
    EXPECT_EQ(p.slash_bp, slash) << p.name;
    EXPECT_EQ(p.out, out) << p.name;
  };
  is(Fault::kGeneric, 1'000, 0, false);
  is(Fault::kEquivocation, 5'000, 3'000, true);
  is(Fault::kInvalidSignature, 1'500, 1'500, false);
  is(Fault::kMalformed, 1'000, 1'000, false);
  is(Fault::kTimeout, 200, 0, false);
  is(Fault::kNonParticipation, 500, 0, false);
}

TEST_F(Reputation, everybody_starts_with_all_of_it) {
  EXPECT_EQ(of(0), Standing{});
  EXPECT_EQ(*reputation_bp(*ledger->view(), validator(0)), kScoreMax);
  EXPECT_FALSE(*jailed(*ledger->view(), validator(0)));
}

TEST_F(Reputation, two_signed_vertices_of_one_height_cost_half_and_the_power) {
  const auto result = bring(fork(2, 8));
  ASSERT_EQ(result.code, 0u) << result.message;
  ASSERT_EQ(result.events.size(), 1u);
  EXPECT_EQ(result.events[0].topic, "reputation.punished");
  const auto told = decode_punished(result.events[0].data);
  ASSERT_TRUE(told) << told.error().str();
  EXPECT_EQ(told->validator, validator(2));
  EXPECT_EQ(told->fault, "equivocation");
  EXPECT_EQ(told->score, 5'000u);
  EXPECT_TRUE(told->out);
  EXPECT_EQ(told->stake_bp, 3'000u);
  EXPECT_EQ(told->fact->place, 8u);
  EXPECT_EQ(of(2), (Standing{.score = 5'000, .out = true, .out_until = kOutEpochs, .faults = 1}));
  EXPECT_EQ(*reputation_bp(*ledger->view(), validator(2)), 0u);
  EXPECT_TRUE(*jailed(*ledger->view(), validator(2)));
  EXPECT_EQ(of(1), Standing{});
  const auto due = slashed(*ledger->view(), 0);
  ASSERT_TRUE(due);
  ASSERT_EQ(due->size(), 1u);
  EXPECT_EQ((*due)[0].validator, validator(2));
  EXPECT_EQ((*due)[0].stake_bp, 3'000u);
  EXPECT_TRUE(slashed(*ledger->view(), 1)->empty());
}

TEST_F(Reputation, each_purpose_can_be_proved) {
  const auto both = [&](Statement s, std::size_t place) {
    Statement other = s;
    other.ids[0] = id(77);
    return evidence_of(sign(place, std::move(s), net.network()), sign(place, std::move(other), net.network()));
  };
  EXPECT_EQ(bring(both({.purpose = Purpose::kAttest, .first = 8, .ids = {id(1)}, .signature = {}}, 0)).code, 0u);
  EXPECT_EQ(
      bring(both({.purpose = Purpose::kViewChange, .view = 3, .first = 0, .ids = {id(1)}, .signature = {}}, 1)).code,
      0u);
  EXPECT_EQ(
      bring(both({.purpose = Purpose::kProposals, .view = 3, .first = 9, .ids = {id(1), id(2)}, .signature = {}}, 3))
          .code,
      0u);
  for (const std::size_t n : {0, 1, 3}) EXPECT_TRUE(of(n).out) << n;
}

// What light::sign_header signs is what evidence of two attests must show.
TEST_F(Reputation, an_attest_of_a_certificate_is_a_statement) {
  light::BlockHeader header = ledger->tip().header;
  header.height = Height{8};
  const auto attest = [&](std::int64_t time_ms) {
    header.time_ms = time_ms;
    Statement s{.purpose = Purpose::kAttest, .first = 8, .ids = {light::header_hash(header)}, .signature = {}};
    s.replica = 1;
    s.signature = light::sign_header(header, TestNet::validator_key(1, kValidators));
    return s;
  };
  EXPECT_EQ(bring(evidence_of(attest(5'000), attest(6'000))).code, 0u);
  EXPECT_TRUE(of(1).out);
}

TEST_F(Reputation, a_fact_is_punished_once_whoever_brings_it) {
  ASSERT_EQ(bring(fork(2, 8)).code, 0u);
  EXPECT_EQ(refused(evidence_tx(evidence_of(vertex(2, 8, 1), vertex(2, 8, 3)))), "reputation.evidence_known");
  EXPECT_EQ(of(2).score, 5'000u);
  ASSERT_EQ(bring(fork(2, 16)).code, 0u);  // another one
  EXPECT_EQ(of(2), (Standing{.score = 0, .out = true, .out_until = kOutEpochs, .faults = 2}));
}

TEST_F(Reputation, what_proves_nothing_is_refused) {
  EXPECT_EQ(refused(evidence_tx(evidence_of(vertex(2, 8, 1), vertex(2, 16, 2)))), "consensus.evidence");
  Evidence bad = fork(2, 8);
  bad.first.signature[5] ^= 1;
  EXPECT_EQ(refused(evidence_tx(bad)), "reputation.signature");
  bad = fork(2, 8);
  bad.first.replica = bad.second.replica = 1;  // somebody else's words
  EXPECT_EQ(refused(evidence_tx(bad)), "reputation.signature");
  bad.first.replica = bad.second.replica = kValidators;
  EXPECT_EQ(refused(evidence_tx(bad)), "reputation.signer");
  ledger::Tx tx = evidence_tx(fork(2, 8));
  tx.body.pop_back();
  EXPECT_EQ(refused(tx), "reputation.body");
  tx.body = {0xA1, 0x00, 0x41, 0x07};  // evidence of one byte
  EXPECT_EQ(refused(tx), "consensus.frame");
  for (std::size_t n = 0; n < kValidators; ++n) EXPECT_EQ(of(n), Standing{}) << n;
}

TEST_F(Reputation, words_of_another_network_prove_nothing) {
  NetworkId other = net.network();
  other.data[0] ^= 1;
  const auto elsewhere = [&](std::uint8_t what) {
    return sign(2, {.purpose = Purpose::kVertex, .first = 8, .ids = {id(what)}, .signature = {}}, other);
  };
  end_epoch();
  EXPECT_EQ(refused(evidence_tx(evidence_of(elsewhere(1), elsewhere(2)))), "reputation.signature");
}

TEST_F(Reputation, evidence_is_taken_for_two_epochs) {
  const Evidence old = fork(1, 8, 0), older = fork(3, 8, 0);
  EXPECT_EQ(refused(evidence_tx(fork(1, 8, 1))), "reputation.evidence_early");
  for (int n = 0; n < 2; ++n) end_epoch();
  EXPECT_EQ(bring(old).code, 0u);
  end_epoch();
  EXPECT_EQ(bring(older).error_id, "reputation.evidence_epoch");
  EXPECT_FALSE(of(3).out);
}

TEST_F(Reputation, a_twentieth_of_what_is_missing_comes_back_each_epoch) {
  ASSERT_EQ(bring(fork(2, 8)).code, 0u);
  end_epoch();
  EXPECT_EQ(of(2).score, 5'250u);
  end_epoch();
  EXPECT_EQ(of(2).score, 5'488u);  // 5,487.5 rounded up
}

TEST_F(Reputation, out_lasts_four_epochs_and_until_it_is_asked_for) {
  ASSERT_EQ(bring(fork(2, 8)).code, 0u);
  ASSERT_EQ(bring(fork(2, 16)).code, 0u);
  EXPECT_EQ(refused(unjail(1, 1)), "reputation.not_out");
  for (std::uint64_t n = 0; n < kOutEpochs; ++n) {
    EXPECT_EQ(refused(unjail(2, n + 1)), "reputation.out_until") << n;
    end_epoch();
  }
  EXPECT_TRUE(of(2).out);  // not by itself
  const auto result = apply(unjail(2, 10));
  ASSERT_EQ(result.code, 0u) << result.message;
  EXPECT_EQ(result.events[0].topic, "reputation.unjailed");
  EXPECT_EQ(of(2).score, kScoreAgain);
  EXPECT_FALSE(of(2).out);
  ledger::Tx again = unjail_tx(net.network(), TestNet::validator_key(2, kValidators), 10, Height{999'999});
  EXPECT_EQ(refused(again), "ledger.nonce_reused");
}

TEST_F(Reputation, the_eighth_generic_fault_takes_the_power) {
  ledger::MemState state;
  ASSERT_TRUE(app->genesis(encode_reputation_genesis(), net.network(), state));
  ledger::BlockContext context{.network = net.network(), .height = Height{1}, .leader = {}, .beacon = {}, .epoch = 3};
  std::vector<ledger::Event> events;
  for (int n = 1; n <= 8; ++n) {
    const auto punished = punish(state, context, {.validator = validator(0), .fault = Fault::kGeneric}, events);
    ASSERT_TRUE(punished);
    EXPECT_EQ(punished->after.out, n == 8) << n;
  }
  EXPECT_EQ(standing(state, validator(0))->score, 2'000u);
  EXPECT_EQ(standing(state, validator(0))->out_until, 7u);
  EXPECT_EQ(events.size(), 8u);
  EXPECT_TRUE(slashed(state, 0)->empty());
}

TEST_F(Reputation, standings_are_answered_and_proved) {
  ASSERT_EQ(bring(fork(2, 8)).code, 0u);
  const auto all = decode_standings(*ledger->view()->query(kReputationApp, "standings", {}));
  ASSERT_TRUE(all) << all.error().str();
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].validator, validator(2));
  EXPECT_EQ((*all)[0].standing, of(2));
  EXPECT_EQ(*decode_standing(*ledger->view()->query(kReputationApp, "standing", validator(2).view())), of(2));
  const auto proven = decode_proven(*ledger->view()->query(kReputationApp, "proven", {}));
  ASSERT_TRUE(proven) << proven.error().str();
  ASSERT_EQ(proven->size(), 1u);
  EXPECT_EQ((*proven)[0].fact,
            (consensus::Fact{.purpose = Purpose::kVertex, .replica = 2, .epoch = 0, .view = 0, .place = 8}));
  EXPECT_EQ((*proven)[0].height, Height{1});
  EXPECT_EQ(ledger->view()->query(kReputationApp, "standing", id(1).view().first(5)).error().id(), "ledger.query");
  EXPECT_EQ(ledger->view()->query(kReputationApp, "stand", {}).error().id(), "ledger.query");
  EXPECT_TRUE(ledger->view()->get(standing_key(validator(2)))->has_value());
}

TEST_F(Reputation, refuses_calls_it_does_not_know_and_broken_records) {
  ledger::SignedCall call{.network = net.network(),
                          .app = kReputationApp,
                          .sender = {},
                          .nonce = 1,
                          .expires = Height{1'000'000},
                          .method = 2,
                          .args = {},
                          .key = {},
                          .signature = {}};
  sign_call(call, net.users[0]);
  EXPECT_EQ(refused(call_tx(call)), "ledger.method");
  ledger::MemState state;
  state.put(standing_key(validator(0)), as_bytes("?"));
  EXPECT_EQ(standing(state, validator(0)).error().id(), "reputation.record");
  EXPECT_EQ(app->genesis(as_bytes("x"), net.network(), state).error().id(), "ledger.genesis");
}

}  // namespace
}  // namespace hanse::reputation
