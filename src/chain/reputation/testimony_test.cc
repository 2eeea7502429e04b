#include "chain/reputation/testimony.h"

#include <gtest/gtest.h>

#include "chain/ledger/test_net.h"
#include "chain/reputation/records.h"

namespace hanse::reputation {
namespace {

using consensus::Purpose;
using consensus::Statement;
using ledger::TestNet;

constexpr std::size_t kValidators = 4;

struct Testimony : testing::Test {
  TestNet net{1, 1'000, kValidators};
  const light::ValidatorSet& set = net.genesis.validators;
  std::unique_ptr<ledger::App> app = make_reputation_app();
  ledger::MemState state;
  ledger::BlockContext context{
      .network = net.network(), .height = Height{100'000}, .leader = {}, .beacon = {}, .epoch = 2, .validators = &set};

  void SetUp() override {
    ASSERT_TRUE(app->genesis(encode_reputation_genesis(), net.network(), state));
    ASSERT_TRUE(app->begin(context, state));
  }
  Statement sign(std::size_t place, Purpose purpose, std::uint64_t first, consensus::View view = 0) const {
    Statement s{.purpose = purpose,
                .replica = static_cast<consensus::Index>(place),
                .epoch = context.epoch,
                .view = view,
                .first = first,
                .ids = {Hash32{}},
                .signature = {}};
    Bytes message = to_bytes(net.network().view());
    append(message, statement_message(s));
    s.signature = TestNet::validator_key(place, kValidators).sign(consensus::purpose_context(purpose), message);
    return s;
  }
  std::string show(const Statement& s) {
    const ledger::Tx tx = testimony_tx(s);
    const Status before = app->check(tx, context, state);
    const ledger::TxResult result = app->apply(tx, context, state);
    EXPECT_EQ(before ? "" : std::string(before.error().id()), result.error_id);
    return result.error_id;
  }
  std::string present(std::size_t place, std::uint64_t slot) { return show(sign(place, Purpose::kAttest, slot)); }
  std::string gave_up(std::size_t place, consensus::View view) {
    return show(sign(place, Purpose::kViewChange, 0, view));
  }
  std::vector<ledger::Event> end_epoch() {
    context.epoch_end = true;
    auto end = app->end(context, state);
    EXPECT_TRUE(end) << end.error().str();
    context.epoch_end = false;
    context.epoch += 1;
    EXPECT_TRUE(app->begin(context, state));
    return std::move(end->events);
  }
  std::uint32_t score(std::size_t place) const { return standing(state, set.validators[place].id())->score; }
  consensus::Index leader(consensus::View view) const {
    std::vector<std::uint16_t> bp;
    for (const auto& v : set.validators) bp.push_back(v.power_bp);
    return consensus::Power::create(bp, 6'700, 8'000)->leader(view);
  }
};

TEST_F(Testimony, counts_one_presence_in_so_many_slots) {
  EXPECT_EQ(present(1, 1), "");
  EXPECT_EQ(present(1, kPresenceSlots - 1), "reputation.testimony_known");
  EXPECT_EQ(present(1, kPresenceSlots), "");
  EXPECT_EQ(present(1, 5), "reputation.testimony_known");
}

TEST_F(Testimony, who_shows_less_than_half_of_the_most_was_absent) {
  for (std::uint64_t part = 0; part < 2 * kPresenceMin; ++part) {
    EXPECT_EQ(present(0, part * kPresenceSlots + 8), "");
    if (part % 2 == 0) {
      EXPECT_EQ(present(1, part * kPresenceSlots + 8), "");  // half
    }
    if (part < kPresenceMin - 1) {
      EXPECT_EQ(present(2, part * kPresenceSlots + 8), "");
    }
  }
  EXPECT_EQ(end_epoch().size(), 2u);
  EXPECT_EQ(score(0), kScoreMax);
  EXPECT_EQ(score(1), kScoreMax);
  EXPECT_EQ(score(2), kScoreMax - 500);
  EXPECT_EQ(score(3), kScoreMax - 500);
  EXPECT_TRUE(slashed(state, 0)->empty());
}

TEST_F(Testimony, nobody_is_absent_from_a_short_epoch_and_counting_begins_again) {
  for (std::uint64_t part = 0; part < kPresenceMin - 1; ++part) EXPECT_EQ(present(0, part * kPresenceSlots + 8), "");
  EXPECT_TRUE(end_epoch().empty());
  EXPECT_EQ(present(0, 8), "");  // the parts of another epoch are forgotten
  EXPECT_TRUE(end_epoch().empty());
}

TEST_F(Testimony, three_of_four_that_gave_up_a_view_blame_its_leader_once) {
  EXPECT_EQ(gave_up(0, 1), "");
  EXPECT_EQ(gave_up(0, 1), "reputation.testimony_known");
  EXPECT_EQ(gave_up(1, 1), "");
  EXPECT_EQ(gave_up(2, 1), "");
  EXPECT_EQ(gave_up(3, 1), "reputation.testimony_known");  // proved
  for (const std::size_t n : {0, 1, 2}) EXPECT_EQ(gave_up(n, kValidators + 1), "");
  EXPECT_EQ(end_epoch().size(), 1u);  // twice in vain, once punished
  for (std::size_t n = 0; n < kValidators; ++n) EXPECT_EQ(score(n), kScoreMax - (n == leader(0) ? 200 : 0)) << n;
}

TEST_F(Testimony, half_of_them_cannot_frame_a_leader) {
  EXPECT_EQ(gave_up(0, 1), "");
  EXPECT_EQ(gave_up(1, 1), "");
  EXPECT_TRUE(end_epoch().empty());
  EXPECT_EQ(gave_up(2, 1), "");  // of the next epoch: alone again
  EXPECT_TRUE(end_epoch().empty());
}

TEST_F(Testimony, refuses_what_it_does_not_count) {
  EXPECT_EQ(present(0, context.height.value + 1), "reputation.testimony");
  EXPECT_EQ(gave_up(0, kViewsAheadMax + 1), "reputation.testimony");
  EXPECT_EQ(gave_up(0, kViewsAheadMax), "");
  EXPECT_EQ(show(sign(0, Purpose::kVertex, 8)), "reputation.testimony");
  Statement s = sign(1, Purpose::kAttest, 8);
  s.replica = 2;
  EXPECT_EQ(show(s), "reputation.signature");
  s.replica = kValidators;
  EXPECT_EQ(show(s), "reputation.signer");
  s = sign(1, Purpose::kAttest, 8);
  context.epoch += 1;
  ASSERT_TRUE(app->begin(context, state));
  EXPECT_EQ(show(s), "reputation.testimony");
}

TEST_F(Testimony, who_is_out_is_not_judged_again) {
  std::vector<ledger::Event> events;
  ASSERT_TRUE(punish(state, context, {.validator = set.validators[3].id(), .fault = Fault::kEquivocation}, events));
  for (std::uint64_t part = 0; part < kPresenceMin; ++part)
    for (const std::size_t n : {0, 1, 2}) EXPECT_EQ(present(n, part * kPresenceSlots + 8), "");
  EXPECT_TRUE(end_epoch().empty());
  EXPECT_EQ(score(3), 5'250u);
}

TEST_F(Testimony, a_broken_count_is_found) {
  state.put(as_bytes("reputation/w"), as_bytes("?"));
  EXPECT_EQ(gave_up(0, 1), "reputation.record");
}

}  // namespace
}  // namespace hanse::reputation
