#include "exchange/flow/audit_flow.h"

#include <gtest/gtest.h>

#include "exchange/flow/flow_world_test.h"

namespace hanse::flow {
namespace {

struct Receipted : FlowWorld {
  Receipted() {
    runtime::RunControl control;
    const JobId id = place(diamond());
    const Status done = run_matched_job(id, provider_ports(), control);
    EXPECT_TRUE(done) << done.error().str();
    record = FlowWorld::market.job(id);
  }
  Result<std::optional<bool>> judge() {
    runtime::RunControl control;
    return judge_receipt(record, {}, {.market = *this, .blobs = *this, .runner = *this}, control)
        .transform([](const Judgement& j) { return j.holds; });
  }
  hanse::market::Job record;
};

TEST(JudgeReceipt, holds_when_the_work_gives_the_same_again) {
  Receipted w;
  const auto held = w.judge();
  ASSERT_TRUE(held) << held.error().str();
  EXPECT_EQ(*held, true);
}

TEST(JudgeReceipt, fails_at_any_number_that_differs) {
  const auto with = [](auto change) {
    Receipted w;
    change(w.record);
    return *w.judge();
  };
  using hanse::market::Job;
  EXPECT_EQ(with([](Job& j) { ++j.result->gas; }), false);
  EXPECT_EQ(with([](Job& j) { j.result->outputs[1].id.data[0] ^= 1; }), false);
  EXPECT_EQ(with([](Job& j) { ++j.result->outputs[0].size_bytes; }), false);
  EXPECT_EQ(with([](Job& j) { j.result->outputs.pop_back(); }), false);
  EXPECT_EQ(with([](Job& j) { j.result->status = hanse::market::RunStatus::kTrap; }), false);
  EXPECT_EQ(with([](Job& j) { j.seed.data[0] ^= 1; }), false);
}

TEST(JudgeReceipt, of_a_trap_is_judged_too) {
  Receipted w;
  w.failing_node = 2;
  EXPECT_EQ(*w.judge(), false);
}

TEST(JudgeReceipt, says_nothing_where_the_machine_matters) {
  Receipted w;
  w.record.result->status = hanse::market::RunStatus::kTimeout;
  EXPECT_EQ(*w.judge(), std::nullopt);
  EXPECT_TRUE(runtime::is_exact("wasm-aot/1,int8-exact/1"));
  EXPECT_FALSE(runtime::is_exact("int8-exact/1,onnx-f32/1"));
  EXPECT_FALSE(runtime::is_exact("mixed/9"));
}

TEST(JudgeReceipt, that_cannot_be_judged_is_an_error_and_no_verdict) {
  Receipted w;
  w.blobs.clear();
  EXPECT_EQ(w.judge().error().id(), "blob.missing");
  Receipted crashed;
  crashed.failing_node = 1;
  crashed.failure_error = Error(Kind::kUnavailable, "runtime.worker_crashed", "it died");
  EXPECT_EQ(crashed.judge().error().id(), "runtime.worker_crashed");
  Receipted none;
  none.record.result.reset();
  EXPECT_EQ(none.judge().error().id(), "flow.no_receipt");
}

}  // namespace
}  // namespace hanse::flow
