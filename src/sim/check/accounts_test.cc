#include "sim/check/accounts.h"

#include <gtest/gtest.h>

namespace hanse::sim {
namespace {

using consensus::Evidence;
using consensus::Fact;
using consensus::Index;
using consensus::Purpose;
using consensus::Statement;
using consensus::Type;

// A signature is its signer's number.
class Plain final : public consensus::Oracle {
 public:
  Bytes sign(Purpose, ByteView) override { return {}; }
  bool verify(Index signer, Purpose, ByteView, ByteView signature) override {
    return signature.size() == 1 && signature[0] == signer;
  }
};

constexpr Index kLiar = 3;

struct AccountsTest : testing::Test {
  consensus::Power power = *consensus::Power::create({2'500, 2'500, 2'500, 2'500}, 6'700, 8'000);
  Plain oracle;
  Accounts accounts = begun();
  consensus::Facts facts{.epoch = 1};

  Accounts begun() {
    Accounts made{{.honest = {true, true, true, false}}};
    made.begin_epoch({.epoch = 1, .base = 0, .power = &power, .verifier = &oracle, .members = {0, 1, 2, 3}});
    return made;
  }

  static Statement attest(Index signer, consensus::Seq slot, std::uint8_t what) {
    Hash32 block;
    block.data.fill(what);
    return {.purpose = Purpose::kAttest,
            .replica = signer,
            .epoch = 1,
            .view = 0,
            .first = slot,
            .ids = {block},
            .signature = {static_cast<std::uint8_t>(signer)}};
  }
  void deliver(const Statement& s) {
    accounts.delivered(0, s.replica, Type::kStatement, std::make_shared<const Bytes>(encode(s)), facts);
  }
  std::string rule() {
    accounts.at(kJudgeNs);
    accounts.finish();
    return accounts.failure() ? accounts.failure()->rule : "";
  }
};

TEST_F(AccountsTest, who_was_given_both_must_accuse) {
  deliver(attest(kLiar, 8, 1));
  deliver(attest(kLiar, 8, 2));
  EXPECT_EQ(rule(), "complete");
}

TEST_F(AccountsTest, verifying_may_take_a_while) {
  accounts.at(1);
  deliver(attest(kLiar, 8, 1));
  deliver(attest(kLiar, 8, 2));
  EXPECT_EQ(rule(), "");  // one nanosecond is left
}

TEST_F(AccountsTest, an_accusation_settles_it) {
  deliver(attest(kLiar, 8, 1));
  deliver(attest(kLiar, 8, 2));
  accounts.accused(0, consensus::evidence_of(attest(kLiar, 8, 1), attest(kLiar, 8, 2)));
  EXPECT_EQ(rule(), "");
}

TEST_F(AccountsTest, nothing_is_owed_for_bad_signatures_old_slots_other_epochs_or_before_a_restart) {
  Statement forged = attest(kLiar, 8, 2);
  forged.signature = {1};
  deliver(attest(kLiar, 8, 1));
  deliver(forged);
  Statement foreign = attest(kLiar, 8, 2);
  foreign.epoch = 2;
  deliver(foreign);
  accounts.restarted(0);
  deliver(attest(kLiar, 8, 2));
  facts.stable = 32;
  deliver(attest(kLiar, 16, 1));
  deliver(attest(kLiar, 16, 2));
  EXPECT_EQ(rule(), "");
}

TEST_F(AccountsTest, nobody_honest_is_accused_or_punished) {
  accounts.accused(0, consensus::evidence_of(attest(1, 8, 1), attest(1, 8, 2)));
  EXPECT_EQ(rule(), "slash");
  Accounts others = begun();
  others.proven({.purpose = Purpose::kAttest, .replica = kLiar, .epoch = 1, .view = 0, .place = 8});
  EXPECT_FALSE(others.failure());
  others.proven({.purpose = Purpose::kAttest, .replica = 2, .epoch = 1, .view = 0, .place = 8});
  EXPECT_EQ(others.failure()->rule, "slash");
}

TEST_F(AccountsTest, an_accusation_needs_a_contradiction_and_good_signatures) {
  accounts.accused(0, consensus::evidence_of(attest(kLiar, 8, 1), attest(kLiar, 16, 2)));
  EXPECT_EQ(rule(), "evidence");
  Accounts others = begun();
  Statement forged = attest(kLiar, 8, 2);
  forged.signature = {1};
  others.accused(0, consensus::evidence_of(attest(kLiar, 8, 1), forged));
  EXPECT_EQ(others.failure()->rule, "evidence");
}

// In the set of epoch 2 the liar sits in place 0, and replica 0 in place 1.
TEST_F(AccountsTest, who_is_blamed_is_who_sat_there_in_that_epoch) {
  accounts.begin_epoch({.epoch = 2, .base = 64, .power = &power, .verifier = &oracle, .members = {3, 0, 1, 2}});
  accounts.proven({.purpose = Purpose::kAttest, .replica = 0, .epoch = 2, .view = 0, .place = 72});
  EXPECT_FALSE(accounts.failure());
  accounts.proven({.purpose = Purpose::kAttest, .replica = 3, .epoch = 2, .view = 0, .place = 72});
  EXPECT_EQ(accounts.failure()->rule, "slash");
}

}  // namespace
}  // namespace hanse::sim
