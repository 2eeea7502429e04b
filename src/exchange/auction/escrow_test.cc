#include "exchange/auction/escrow.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace hanse::auction {
namespace {

using market::CloseReason;
using market::JobState;

constexpr JobState kStates[] = {JobState::kMatched, JobState::kStarted, JobState::kReceipted,
                                JobState::kAudited, JobState::kSettled, JobState::kClosed};
constexpr EscrowEvent kEvents[] = {EscrowEvent::kStart,     EscrowEvent::kReceipt,  EscrowEvent::kCancel,
                                   EscrowEvent::kDecline,   EscrowEvent::kDeadline, EscrowEvent::kDrawn,
                                   EscrowEvent::kChallenge, EscrowEvent::kUpheld,   EscrowEvent::kRefuted};

market::Job job_in(JobState state) {
  market::Job job;
  job.state = state;
  job.matched = Height{10};
  job.deadline = Height{30};
  job.bid.expires = Height{100};
  job.price = Amount{1000};
  job.bond = Amount{1000};
  job.gas_limit = 100;
  return job;
}

TEST(EscrowStep, is_total_and_every_live_state_leaves_by_time) {
  const auto age = [](JobState state) {
    return std::ranges::find(kStates, state) - kStates;
  };  // in the order of a life
  for (const JobState state : kStates) {
    int ways = 0;
    for (const EscrowEvent event : kEvents) {
      const auto step = escrow_step(job_in(state), event, Height{30}, {});
      if (!step) {
        EXPECT_EQ(step.error().id(), "market.job_state");
        continue;
      }
      ++ways;
      EXPECT_GT(age(step->next), age(state));  // lives only move on, so they end
    }
    const bool live = !job_in(state).ended();
    EXPECT_EQ(ways > 0, live);
    EXPECT_EQ(escrow_step(job_in(state), EscrowEvent::kDeadline, Height{30}, {}).has_value(), live);
  }
}

TEST(EscrowStep, takes_the_events_of_an_audit_only_where_there_is_one) {
  const auto ways = [](JobState state, Height now) {
    std::string out;
    for (const EscrowEvent event : kEvents) out += escrow_step(job_in(state), event, now, {}) ? '+' : '-';
    return out;
  };
  // start receipt cancel decline deadline drawn challenge upheld refuted
  EXPECT_EQ(ways(JobState::kMatched, Height{30}), "+-+++----");
  EXPECT_EQ(ways(JobState::kStarted, Height{30}), "-+-++----");
  EXPECT_EQ(ways(JobState::kReceipted, Height{30}), "----+++--");
  EXPECT_EQ(ways(JobState::kAudited, Height{30}), "----+--++");
  EXPECT_EQ(ways(JobState::kReceipted, Height{31}), "----++---");  // only by time
  EXPECT_EQ(ways(JobState::kAudited, Height{31}), "----+----");
  EXPECT_EQ(ways(JobState::kSettled, Height{30}), "---------");
  EXPECT_EQ(ways(JobState::kClosed, Height{30}), "---------");
  const EscrowStep refuted = *escrow_step(job_in(JobState::kAudited), EscrowEvent::kRefuted, Height{30}, {});
  EXPECT_EQ(refuted.next, JobState::kClosed);
  EXPECT_EQ(refuted.reason, CloseReason::kFalse);
  EXPECT_EQ(refuted.penalty, Penalty::kFalse);
  EXPECT_FALSE(refuted.requeue);
}

TEST(EscrowStep, names_reason_penalty_and_requeue) {
  const auto step = [](JobState state, EscrowEvent event, int attempt = 0) {
    market::Job job = job_in(state);
    job.attempt = static_cast<std::uint8_t>(attempt);
    return *escrow_step(job, event, Height{30}, {});
  };
  const EscrowStep nostart = step(JobState::kMatched, EscrowEvent::kDeadline);
  EXPECT_EQ(nostart.reason, CloseReason::kNoStart);
  EXPECT_EQ(nostart.penalty, Penalty::kNoStart);
  EXPECT_TRUE(nostart.requeue);
  EXPECT_FALSE(step(JobState::kMatched, EscrowEvent::kDeadline, 1).requeue);
  const EscrowStep declined = step(JobState::kMatched, EscrowEvent::kDecline);
  EXPECT_EQ(declined.reason, CloseReason::kDeclined);
  EXPECT_EQ(declined.penalty, Penalty::kNone);
  EXPECT_TRUE(declined.requeue);
  const EscrowStep cancelled = step(JobState::kMatched, EscrowEvent::kCancel);
  EXPECT_EQ(cancelled.reason, CloseReason::kCancelled);
  EXPECT_FALSE(cancelled.requeue);
  const EscrowStep silent = step(JobState::kStarted, EscrowEvent::kDeadline);
  EXPECT_EQ(silent.reason, CloseReason::kNoReceipt);
  EXPECT_EQ(silent.penalty, Penalty::kNoReceipt);
  EXPECT_EQ(step(JobState::kStarted, EscrowEvent::kDecline).reason, CloseReason::kGivenUp);
  EXPECT_EQ(step(JobState::kReceipted, EscrowEvent::kDeadline).next, JobState::kSettled);
}

TEST(EscrowStep, tells_an_expired_job_from_a_late_provider) {
  market::Job job = job_in(JobState::kMatched);
  job.bid.expires = job.deadline = Height{29};  // one block before the start timeout
  const auto expired = escrow_step(job, EscrowEvent::kDeadline, Height{29}, {});
  EXPECT_EQ(expired->reason, CloseReason::kExpired);
  EXPECT_EQ(expired->penalty, Penalty::kNone);
  EXPECT_FALSE(expired->requeue);
  job.bid.expires = job.deadline = Height{30};
  const auto late = escrow_step(job, EscrowEvent::kDeadline, Height{30}, {});
  EXPECT_EQ(late->reason, CloseReason::kNoStart);
  EXPECT_FALSE(late->requeue);  // no block is left for another provider
}

TEST(EscrowStep, refuses_a_transaction_after_the_deadline) {
  EXPECT_TRUE(escrow_step(job_in(JobState::kMatched), EscrowEvent::kStart, Height{30}, {}));
  const auto late = escrow_step(job_in(JobState::kMatched), EscrowEvent::kStart, Height{31}, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id(), "market.job_deadline");
}

TEST(Pay, follows_the_outcome) {
  market::Job job = job_in(JobState::kReceipted);
  const auto pay = [&](market::RunStatus status, std::uint64_t gas) {
    job.result = market::JobResult{};
    job.result->status = status;
    job.result->gas = gas;
    const Pay p = settle_pay(job, {});
    EXPECT_EQ(p.paid.value + p.fee.value + p.refund.value, job.price.value);
    return p;
  };
  EXPECT_EQ(pay(market::RunStatus::kOk, 1).paid.value, 990u);  // the posted price is for the finished job
  EXPECT_EQ(pay(market::RunStatus::kOk, 1).fee.value, 10u);
  EXPECT_EQ(pay(market::RunStatus::kTrap, 50).paid.value, 495u);  // half of the gas, less the fee
  EXPECT_EQ(pay(market::RunStatus::kTrap, 50).refund.value, 500u);
  EXPECT_EQ(pay(market::RunStatus::kGasExhausted, 100).refund.value, 0u);
  EXPECT_EQ(pay(market::RunStatus::kTimeout, 100).refund.value, 1000u);
}

}  // namespace
}  // namespace hanse::auction
