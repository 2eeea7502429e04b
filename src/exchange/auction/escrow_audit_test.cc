#include <cmath>

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/market_world.h"

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;
using market::Method;

constexpr std::size_t kProvider = 0, kPayer = 1, kDoubter = 2, kValidator = 3;  // and the three after it

market::Params params(std::uint64_t audit_ppm = market::kPpm) {
  market::Params p;
  p.audit_window = 20;
  p.bond.audit_ppm = audit_ppm;
  return p;
}

struct Audited : MarketWorld {
  explicit Audited(const market::Params& p = params()) : MarketWorld(p, 8) {
    set_validators(kValidator, {2500, 2500, 2500, 2500});
    EXPECT_EQ(add_provider(kProvider).error_id, "");
    EXPECT_EQ(add_ask(kProvider).error_id, "");
  }
  // A job with a receipt, in the block after it.
  JobId receipted(gxf::Audit audit = gxf::Audit::kSampled) {
    gxf::Job j = plain_job(kPayer);
    j.audit = audit;
    EXPECT_EQ(submit(kPayer, j).error_id, "");
    EXPECT_EQ(call(kProvider, Method::kJobStart, market::JobStart{.id = j.job_id}).error_id, "");
    EXPECT_EQ(call(kProvider, Method::kJobReceipt, receipt_of(j.job_id)).error_id, "");
    next_block();
    return j.job_id;
  }
  JobId drawn() {
    const JobId id = receipted();
    skip(market::Params{}.settle_window);
    EXPECT_EQ(job(id).state, JobState::kAudited);
    return id;
  }
  std::string challenge(std::size_t i, const JobId& id) {
    return call(i, Method::kJobChallenge, market::JobChallenge{.id = id}).error_id;
  }
  std::string verdict(std::size_t i, const JobId& id, bool holds) {
    return call(i, Method::kJobVerdict,
                market::JobVerdict{.id = id, .receipt_hash = receipt_of(id).receipt_hash, .holds = holds})
        .error_id;
  }
};

TEST(Audits, a_drawn_receipt_that_holds_is_paid_once_more_than_a_third_says_so) {
  Audited w;
  const JobId id = w.drawn();
  EXPECT_EQ(w.topics().back(), "market.audited");
  EXPECT_EQ(w.verdict(kValidator, id, true), "");
  EXPECT_EQ(w.job(id).state, JobState::kAudited);
  EXPECT_EQ(read_audit(w.state, id)->verdicts.size(), 1u);
  EXPECT_EQ(w.verdict(kValidator + 1, id, true), "");
  EXPECT_EQ(w.job(id).state, JobState::kSettled);
  EXPECT_GT(w.job(id).result->paid.value, 0u);
  EXPECT_EQ(w.provider(kProvider).settled, 1u);
  EXPECT_EQ(read_audit(w.state, id).error().id(), "market.no_job");
  w.next_block();
  recount(w.state);
}

TEST(Audits, a_false_receipt_costs_the_whole_bond_and_the_payer_nothing) {
  Audited w;
  const Amount before = w.balance(kPayer);
  const JobId id = w.drawn();
  const market::Provider was = w.provider(kProvider);
  const Amount bond = w.job(id).bond, burned = w.totals().burned;
  EXPECT_GE(bond, w.job(id).price);
  EXPECT_EQ(w.verdict(kValidator, id, false), "");
  EXPECT_EQ(w.verdict(kValidator + 1, id, true), "");
  EXPECT_EQ(w.verdict(kValidator + 2, id, false), "");
  EXPECT_EQ(w.job(id).state, JobState::kClosed);
  EXPECT_EQ(w.job(id).reason, CloseReason::kFalse);
  const market::Provider is = w.provider(kProvider);
  EXPECT_EQ(is.bond, minus(was.bond, bond));
  EXPECT_EQ(is.bond_locked.value, 0u);
  EXPECT_EQ(is.used, 0u);
  EXPECT_EQ(is.reputation, 0u);
  EXPECT_EQ(is.faults, 1u);
  EXPECT_EQ(w.balance(kPayer), before);
  EXPECT_EQ(w.totals().burned, plus(burned, bond));
  EXPECT_EQ(w.events.back().penalty, bond);
  w.next_block();
  recount(w.state);
}

TEST(Audits, without_a_verdict_the_receipt_is_paid_when_the_window_ends) {
  Audited w;
  const JobId id = w.drawn();
  EXPECT_EQ(w.verdict(kValidator, id, false), "");
  w.skip(19);
  EXPECT_EQ(w.job(id).state, JobState::kAudited);
  w.next_block();
  EXPECT_EQ(w.job(id).state, JobState::kSettled);
  EXPECT_EQ(w.verdict(kValidator + 1, id, false), "market.job_state");
  recount(w.state);
}

TEST(Audits, whoever_doubts_a_receipt_stakes_a_deposit_on_it) {
  const Amount deposit = params().challenge_deposit;
  {  // rightly
    Audited w;
    const JobId id = w.receipted(gxf::Audit::kReceipts);
    const Amount before = w.balance(kDoubter), bond = w.job(id).bond;
    EXPECT_EQ(w.challenge(kDoubter, id), "");
    EXPECT_EQ(w.balance(kDoubter), minus(before, deposit));
    w.next_block();  // money is counted
    for (std::size_t i : {0u, 1u}) EXPECT_EQ(w.verdict(kValidator + i, id, false), "");
    EXPECT_EQ(w.balance(kDoubter), plus(before, Amount{bond.value / 2}));
    w.next_block();
    recount(w.state);
  }
  {  // wrongly
    Audited w;
    const JobId id = w.receipted(gxf::Audit::kReceipts);
    const Amount before = w.balance(kDoubter);
    EXPECT_EQ(w.challenge(kDoubter, id), "");
    for (std::size_t i : {0u, 1u}) EXPECT_EQ(w.verdict(kValidator + i, id, true), "");
    EXPECT_EQ(w.balance(kDoubter), minus(before, deposit));
    EXPECT_EQ(w.totals().treasury, plus(deposit, w.job(id).result->fee));
    w.next_block();
    recount(w.state);
  }
  {  // nobody judges
    Audited w;
    const JobId id = w.receipted(gxf::Audit::kReceipts);
    const Amount before = w.balance(kDoubter);
    EXPECT_EQ(w.challenge(kDoubter, id), "");
    w.skip(21);
    EXPECT_EQ(w.job(id).state, JobState::kSettled);
    EXPECT_EQ(w.balance(kDoubter), before);
    recount(w.state);
  }
}

TEST(Audits, keep_the_witness_of_a_challenge_and_the_steps_of_a_receipt) {
  Audited w;
  gxf::Job j = w.plain_job(kPayer);
  EXPECT_EQ(w.submit(kPayer, j).error_id, "");
  EXPECT_EQ(w.call(kProvider, Method::kJobStart, market::JobStart{.id = j.job_id}).error_id, "");
  market::JobReceipt receipt = w.receipt_of(j.job_id);
  receipt.steps = market::StepsRef{.count = 4, .root = {}, .list = {}};
  EXPECT_EQ(w.call(kProvider, Method::kJobReceipt, receipt).error_id, "");
  w.next_block();
  EXPECT_EQ(w.job(j.job_id).result->steps, receipt.steps);
  BlobId witness;
  witness.data.fill(7);
  EXPECT_EQ(w.call(kDoubter, Method::kJobChallenge, market::JobChallenge{.id = j.job_id, .witness = witness}).error_id,
            "");
  const auto audit = market::decode_audit(*w.app->query("audit", j.job_id.view(), w.state));
  ASSERT_TRUE(audit);
  EXPECT_EQ(audit->witness, witness);
  EXPECT_EQ(w.job(j.job_id).result->steps, receipt.steps);
}

// What is left to a cheater that sees its receipt drawn and doubts it first, with the chance q of a draw and a gain of
// one price: q (bond - reward) is to be (1 - q) price or more.
TEST(Audits, cost_a_provider_that_challenges_itself_what_cheating_wins) {
  for (const std::uint64_t ppm : {50'000u, 400'000u, 500'000u, 900'000u}) {
    Audited w(params(ppm));
    const JobId id = w.receipted();
    const Amount before = w.balance(kDoubter), price = w.job(id).price, bond = w.job(id).bond;
    EXPECT_EQ(w.challenge(kDoubter, id), "");
    for (std::size_t i : {0u, 1u}) EXPECT_EQ(w.verdict(kValidator + i, id, false), "");
    const Amount reward = minus(w.balance(kDoubter), before);
    EXPECT_EQ(reward, std::min(Amount{bond.value / 2}, price));
    EXPECT_EQ(w.totals().burned, minus(bond, reward));
    EXPECT_GE(ppm * (bond.value - reward.value), (market::kPpm - ppm) * price.value) << ppm;
    w.next_block();
    recount(w.state);
  }
}

TEST(Audits, say_what_they_do_not_take) {
  Audited w;
  const JobId id = w.receipted(gxf::Audit::kReceipts);
  EXPECT_EQ(w.verdict(kValidator, id, true), "market.job_state");  // nobody doubts it
  EXPECT_EQ(w.challenge(kDoubter, JobId{}), "market.no_job");
  EXPECT_EQ(w.challenge(kDoubter, id), "");
  EXPECT_EQ(w.challenge(kDoubter, id), "market.job_state");
  EXPECT_EQ(w.verdict(kDoubter, id, false), "market.not_auditor");
  EXPECT_EQ(w.verdict(kProvider, id, true), "market.not_auditor");
  EXPECT_EQ(w.verdict(kValidator, id, true), "");
  EXPECT_EQ(w.verdict(kValidator, id, true), "market.verdict_twice");
  EXPECT_EQ(w.verdict(kValidator, id, false), "market.verdict_twice");
  const auto other =
      w.call(kValidator + 1, Method::kJobVerdict, market::JobVerdict{.id = id, .receipt_hash = {}, .holds = true});
  EXPECT_EQ(other.error_id, "market.other_receipt");
  EXPECT_EQ(w.job(id).state, JobState::kAudited);

  market::Params dear = params();
  dear.challenge_deposit = Amount{1'000'000'000'000};
  Audited poor(dear);
  EXPECT_EQ(poor.challenge(kDoubter, poor.receipted()), "ledger.insufficient");

  Audited off(market::Params{});
  const JobId unaudited = off.receipted(gxf::Audit::kReceipts);
  EXPECT_EQ(off.challenge(kDoubter, unaudited), "market.no_audits");
  off.skip(10);
  EXPECT_EQ(off.job(unaudited).state, JobState::kSettled);
}

TEST(Audits, count_the_power_of_those_who_are_validators_now) {
  Audited w;
  const JobId id = w.drawn();
  EXPECT_EQ(w.verdict(kValidator, id, false), "");
  w.set_validators(kValidator + 1, {3333, 3333, 3334});  // the first one has left
  EXPECT_EQ(w.verdict(kValidator + 1, id, false), "");
  EXPECT_EQ(w.job(id).state, JobState::kAudited);  // 3333 of 10000 is no more than a third
  EXPECT_EQ(read_audit(w.state, id)->verdicts.size(), 1u);
  EXPECT_EQ(w.verdict(kValidator + 2, id, false), "");
  EXPECT_EQ(w.job(id).state, JobState::kClosed);
}

TEST(Audits, draw_those_whose_payer_asked_and_as_many_as_promised) {
  Audited w;
  const JobId unasked = w.receipted(gxf::Audit::kReceipts);
  w.skip(10);
  EXPECT_EQ(w.job(unasked).state, JobState::kSettled);
  for (const std::uint64_t ppm : {1'000u, 50'000u, 500'000u}) {
    int drawn = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      Hash32 beacon;
      store_be(beacon.data.data(), i);
      drawn += market::is_drawn(beacon, BlobId{}, ppm) ? 1 : 0;
    }
    const double mean = 20'000.0 * static_cast<double>(ppm) / 1e6;
    EXPECT_NEAR(drawn, mean, 5 * std::sqrt(mean)) << ppm;
  }
  EXPECT_TRUE(market::is_drawn({}, {}, market::kPpm));
}

// Anybody says anything, validators come and go, jobs have spreads and are offered again. No money is lost or made
// (each block checks that, and recount adds up the records), and every life ends.
TEST(Audits, keep_all_money_whatever_is_said) {
  constexpr std::size_t kOther = 7;
  std::size_t refuted = 0, upheld = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed);
    const auto below = [&](std::uint64_t n) { return random.next_u64() % n; };
    Audited w(params(300'000));
    EXPECT_EQ(w.add_provider(kOther).error_id, "");
    EXPECT_EQ(w.add_ask(kOther).error_id, "");
    std::vector<JobId> jobs;
    for (int step = 0; step < 250; ++step) {
      if (jobs.empty() || below(6) == 0) {
        gxf::Job j = w.plain_job(kPayer);
        j.audit = below(2) == 0 ? gxf::Audit::kSampled : gxf::Audit::kReceipts;
        if (w.submit(kPayer, j).error_id.empty()) jobs.push_back(j.job_id);
        continue;
      }
      const JobId id = jobs[below(jobs.size())];
      const market::Job job = w.job(id);
      const std::size_t provider = job.provider == w.who[kProvider].id() ? kProvider : kOther;
      switch (below(9)) {
        case 0:
        case 1: (void)w.call(provider, Method::kJobStart, market::JobStart{.id = id}); break;
        case 2:
        case 3: (void)w.call(provider, Method::kJobReceipt, w.receipt_of(id)); break;
        case 4: (void)w.challenge(below(8), id); break;
        case 5:
          for (const JobId& each : jobs) (void)w.verdict(kValidator + below(4), each, below(2) == 0);
          break;
        case 6: (void)w.call(below(8), Method::kJobCancel, market::JobCancel{.id = id}); break;
        case 7:
          if (below(2) == 0)
            w.set_validators(kValidator + below(2), {4000, 3000, 3000});
          else
            (void)w.call(provider, Method::kProviderUnbond, market::ProviderUnbond{.amount = Amount{below(300'000)}});
          break;
        default:
          if (!job.ended() && job.spread.value == 0) {  // as of a reduced round
            market::Job wider = job;
            wider.spread = Amount{777};
            market::Totals totals = w.totals();
            totals.escrow = plus(totals.escrow, wider.spread);
            ASSERT_TRUE(ledger::debit(w.state, job.bid.payer, wider.spread));
            write_totals(w.state, totals);
            write_job(w.state, wider, job);
          }
      }
      if (below(4) == 0) {
        w.next_block();
        recount(w.state);
      }
    }
    w.skip(1'500);
    recount(w.state);
    for (const JobId& id : jobs) {
      const market::Job job = w.job(id);
      EXPECT_TRUE(job.ended());
      EXPECT_FALSE(read_audit(w.state, id));
      refuted += job.reason == CloseReason::kFalse ? 1 : 0;
      upheld += job.reason == CloseReason::kSettled ? 1 : 0;
    }
    EXPECT_EQ(w.totals().escrow.value, 0u);
    for (const std::size_t p : {kProvider, kOther}) {
      EXPECT_EQ(w.provider(p).bond_locked.value, 0u);
      EXPECT_EQ(w.provider(p).used, 0u);
    }
  }
  EXPECT_GT(refuted, 0u);
  EXPECT_GT(upheld, 0u);
}

TEST(Audits, are_listed_for_those_who_judge) {
  Audited w;
  const JobId a = w.drawn(), b = w.drawn();
  const auto listed = *market::decode_audits(*w.app->query("audits", {}, w.state));
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].id, std::min(a, b));
  const auto rest = *market::decode_audits(*w.app->query("audits", listed[0].id.view(), w.state));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].id, std::max(a, b));
  EXPECT_EQ(w.app->query("audit", JobId{}.view(), w.state).error().id(), "market.no_job");
  EXPECT_EQ(w.app->query("audits", as_bytes("short"), w.state).error().id(), "market.query");
}

TEST(Audits, are_read_back_as_written) {
  market::Audit audit{.id = {}, .challenger = {}, .deposit = Amount{7}, .verdicts = {}};
  for (std::size_t i = 0; i < market::kVerdictsMax; ++i) {
    AccountId id;
    store_be(id.data.data(), std::uint32_t(i));
    audit.verdicts.push_back({.validator = id, .holds = i % 3 == 0});
  }
  EXPECT_EQ(*market::decode_audit(market::encode_audit(audit)), audit);
  audit.verdicts.push_back({});
  EXPECT_FALSE(market::decode_audit(market::encode_audit(audit)));
  const market::JobVerdict call{.id = {}, .receipt_hash = {}, .holds = true};
  EXPECT_TRUE(market::decode_job_verdict(market::encode(call))->holds);
  Bytes bytes = market::encode(call);
  bytes.back() = 2;
  EXPECT_EQ(market::decode_job_verdict(bytes).error().id(), "codec.type");
}

}  // namespace
}  // namespace hanse::auction
