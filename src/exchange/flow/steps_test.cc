// A job in steps whose machine is a number in the open: a state is the number, a step adds the step's own number to it.
// A provider's receipt lies in each way there is; what a challenger finds refutes it by one step.
#include "exchange/flow/audit_flow.h"

#include <gtest/gtest.h>

#include "exchange/flow/flow_world_test.h"

namespace hanse::flow {
namespace {

constexpr std::uint32_t kSteps = 9;

Hash32 root_of(const Bytes& state) { return crypto::blake3("hanse/test-state/1", {state}); }

struct Steps : FlowWorld {
  Steps() {
    gxf::Job job = FlowWorld::market.plain_job(0);
    job.nodes[0].artifact = crypto::blob_id(module);
    const JobId id = place(job);
    runtime::RunControl control;
    const Status done = run_matched_job(id, provider_ports(), control);
    EXPECT_TRUE(done) << done.error().str();
    record = FlowWorld::market.job(id);
    runs.clear();
    executed = 0;
  }

  // What does the work: `lie` changes the state after a step of the whole run.
  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, std::uint8_t, runtime::RunControl&) override {
    runs.push_back(request.steps ? request.steps->count : runtime::kStepsMax);
    std::uint32_t at = 0;
    Bytes state = {0, 0};
    if (request.steps && !request.steps->state.empty()) {
      state = request.steps->state;
      if (state.size() != 2) return fail(Kind::kInvalid, "test.state", "not a state");
      at = state[0];
    }
    runtime::RunOutcome out;
    out.kernel_class = "test/1";
    for (std::uint32_t done = 0;; ++done) {
      out.steps.push_back(root_of(state));
      if (request.steps && done == request.steps->count) {
        if (no_states) return fail(Kind::kUnavailable, "test.worker", "the answer is too large");
        out.state = state;
        out.state.resize(state.size() + padding);
        return out;
      }
      ++executed;
      ++at;
      state[1] = static_cast<std::uint8_t>(state[1] + at);
      if (at == kSteps) break;
      state[0] = static_cast<std::uint8_t>(at);
    }
    out.gas = 100;
    out.outputs = {state};
    return out;
  }

  JobSources sources() { return {.market = *this, .blobs = *this, .runner = *this}; }
  Finding finding() {
    runtime::RunControl control;
    auto found = find_fault(record, sources(), control);
    EXPECT_TRUE(found) << found.error().str();
    return std::move(*found);
  }
  Judgement judged(const BlobId& witness) {
    runtime::RunControl control;
    runs.clear();
    executed = 0;
    const auto found = judge_receipt(record, witness, sources(), control);
    EXPECT_TRUE(found) << found.error().str();
    return found ? *found : Judgement{};
  }
  Judgement judged(const Witness& witness) { return judged(*put(encode_witness(witness))); }
  std::vector<Hash32> roots() { return *decode_step_list(blobs.at(record.result->steps->list), *record.result->steps); }
  // The receipt says this instead.
  void claim(const std::vector<Hash32>& list) {
    runtime::RunOutcome outcome;
    outcome.steps = list;
    record.result->steps = steps_of(outcome);
    EXPECT_TRUE(put(encode_step_list(list)));
  }

  // One step, and not the work, refutes it.
  void expect_refuted_at(std::uint32_t place) {
    const Finding found = finding();
    EXPECT_EQ(found.holds, false);
    ASSERT_TRUE(found.witness);
    EXPECT_EQ(found.witness->place, place);
    EXPECT_TRUE(check_witness(*found.witness, *record.result->steps));
    const Judgement verdict = judged(*found.witness);
    EXPECT_EQ(verdict.holds, false);
    EXPECT_EQ(verdict.place, place);
    EXPECT_EQ(runs, std::vector<std::uint32_t>{place == 0 ? 0u : 1u});
    EXPECT_EQ(executed, place == 0 ? 0u : 1u);
  }

  hanse::market::Job record;
  std::vector<std::uint32_t> runs;  // steps asked for in each
  std::uint32_t executed = 0;
  bool no_states = false;
  std::size_t padding = 0;  // of states that are given
};

TEST(Steps, of_an_honest_receipt_are_published_and_nothing_is_found) {
  Steps w;
  ASSERT_TRUE(w.record.result->steps);
  EXPECT_EQ(w.record.result->steps->count, kSteps);
  EXPECT_EQ(w.roots().size(), kSteps);
  const Finding found = w.finding();
  EXPECT_EQ(found.holds, true);
  EXPECT_FALSE(found.witness);
  EXPECT_EQ(found.steps, kSteps);
}

TEST(Steps, one_false_state_is_found_by_one_step_wherever_it_is) {
  for (std::uint32_t k = 0; k < kSteps; ++k) {
    Steps w;
    auto list = w.roots();
    list[k].data[7] ^= 1;
    w.claim(list);
    w.expect_refuted_at(k);
  }
}

TEST(Steps, a_run_that_goes_on_from_a_false_state_is_refuted_at_its_first) {
  Steps w;
  auto list = w.roots();
  for (std::uint32_t k = 4; k < kSteps; ++k) list[k] = root_of({static_cast<std::uint8_t>(k), 200});
  w.claim(list);
  w.record.result->outputs[0].id = crypto::blob_id(as_bytes("another"));
  w.expect_refuted_at(4);
}

TEST(Steps, a_false_end_is_refuted_by_the_last_step) {
  using hanse::market::JobResult;
  using hanse::market::RunStatus;
  for (auto lie : std::vector<void (*)(JobResult&)>{
           [](JobResult& r) { ++r.gas; }, [](JobResult& r) { r.outputs[0].id.data[0] ^= 1; },
           [](JobResult& r) { ++r.outputs[0].size_bytes; }, [](JobResult& r) { r.status = RunStatus::kTrap; }}) {
    Steps w;
    lie(*w.record.result);
    w.expect_refuted_at(kSteps);
  }
}

TEST(Steps, a_false_count_is_refuted_by_the_step_where_it_ends) {
  Steps fewer;
  auto list = fewer.roots();
  list.resize(5);
  fewer.claim(list);
  fewer.expect_refuted_at(5);
  Steps more;
  list = more.roots();
  list.push_back(list.back());
  more.claim(list);
  more.expect_refuted_at(kSteps);
  Steps shifted;
  list = shifted.roots();
  list.insert(list.begin() + 3, list[3]);
  shifted.claim(list);
  shifted.expect_refuted_at(4);
}

TEST(Steps, a_list_that_is_not_the_receipts_or_is_not_there_leaves_the_plain_challenge) {
  Steps w;
  auto list = w.roots();
  list[2].data[0] ^= 1;
  w.claim(list);
  const BlobId at = w.record.result->steps->list;
  w.blobs.erase(at);
  Finding found = w.finding();
  EXPECT_EQ(found.holds, false);
  EXPECT_FALSE(found.witness);
  // A list that the root does not stand for.
  w.record.result->steps->list = *w.put(encode_step_list(std::vector<Hash32>(kSteps)));
  found = w.finding();
  EXPECT_EQ(found.holds, false);
  EXPECT_FALSE(found.witness);
  EXPECT_EQ(w.judged(BlobId{}).holds, false);
  EXPECT_EQ(w.executed, kSteps);
  EXPECT_EQ(decode_step_list(Bytes(32 * kSteps), *w.record.result->steps).error().id(), "flow.step_list");
  EXPECT_EQ(decode_step_list(Bytes(32 * kSteps - 1), *w.record.result->steps).error().id(), "flow.step_list");
}

TEST(Steps, whose_state_is_too_large_to_be_told_leave_the_plain_challenge) {
  Steps w;
  auto list = w.roots();
  list[5].data[0] ^= 1;
  w.claim(list);
  ASSERT_TRUE(w.finding().witness);
  const std::size_t rest = encode_witness(*w.finding().witness).size() + 4;  // its length takes four bytes more
  w.padding = kWitnessBytesMax - rest;
  ASSERT_TRUE(w.finding().witness);
  ++w.padding;
  EXPECT_EQ(w.finding().holds, false);
  EXPECT_FALSE(w.finding().witness);
  w.no_states = true;
  EXPECT_EQ(w.finding().holds, false);
  EXPECT_FALSE(w.finding().witness);
}

TEST(Steps, a_receipt_that_hides_or_invents_them_is_false) {
  Steps hides;
  hides.record.result->steps.reset();
  EXPECT_EQ(hides.finding().holds, false);
  EXPECT_EQ(hides.judged(BlobId{}).holds, false);
  Steps other_list;
  other_list.record.result->steps->list.data[0] ^= 1;
  EXPECT_EQ(other_list.judged(BlobId{}).holds, false);
}

// Of an honest receipt every witness leads to the whole work, and that upholds it.
TEST(Steps, no_witness_refutes_an_honest_receipt) {
  Steps w;
  const auto list = w.roots();
  for (std::uint32_t place = 0; place <= kSteps; ++place) {
    runtime::RunControl control;
    const auto before =
        w.run({.steps = runtime::StepRange{.state = {}, .count = place == 0 ? 0 : place - 1}}, 0, control);
    const Judgement verdict = w.judged(*make_witness(list, place, place == 0 ? Bytes{} : before->state));
    EXPECT_EQ(verdict.holds, true) << place;
    EXPECT_FALSE(verdict.place);
    EXPECT_EQ(w.runs.size(), 2u);
  }
}

// Nor does a challenge that points at a right step, or at nothing, clear a false one.
TEST(Steps, a_witness_of_no_use_leaves_the_whole_work_to_be_done) {
  Steps w;
  auto list = w.roots();
  list[6].data[0] ^= 1;
  w.claim(list);
  const Witness good = *w.finding().witness;
  const auto falls_back = [&](const char* what, const Witness& witness) {
    const Judgement verdict = w.judged(witness);
    EXPECT_EQ(verdict.holds, false) << what;
    EXPECT_FALSE(verdict.place) << what;
    EXPECT_GE(w.executed, kSteps) << what;
  };
  const auto with = [&](auto change) {
    Witness bent = good;
    change(bent);
    return bent;
  };
  falls_back("a right step", *make_witness(list, 2, Bytes{1, 1}));
  falls_back("another state", with([](Witness& v) { v.state[1] ^= 1; }));
  falls_back("no state", with([](Witness& v) { v.state.clear(); }));
  falls_back("a state that is none", with([](Witness& v) { v.state = Bytes(5); }));
  falls_back("another root before", with([](Witness& v) { v.before.data[0] ^= 1; }));
  falls_back("another root after", with([](Witness& v) { v.after.data[0] ^= 1; }));
  falls_back("a bent proof", with([](Witness& v) { v.after_at[0].data[0] ^= 1; }));
  falls_back("a short proof", with([](Witness& v) { v.before_at.pop_back(); }));
  falls_back("another place", with([](Witness& v) { --v.place; }));
  falls_back("the end", with([](Witness& v) { v.place = kSteps; }));
  falls_back("a place beyond it", with([](Witness& v) { v.place = kSteps + 1; }));
  falls_back("the beginning with a state", with([](Witness& v) { v.place = 0; }));
  const auto left_out = w.judged(crypto::blob_id(as_bytes("nowhere")));
  EXPECT_EQ(left_out.holds, false);
  EXPECT_FALSE(left_out.place);
  EXPECT_EQ(w.judged(*w.put(as_bytes("garbage"))).holds, false);
  // A witness against another receipt: its roots are not in this one's list.
  Steps other;
  auto others = other.roots();
  others[1].data[0] ^= 1;
  other.claim(others);
  const Judgement replayed = other.judged(good);
  EXPECT_EQ(replayed.holds, false);
  EXPECT_FALSE(replayed.place);
}

TEST(Steps, of_a_receipt_without_them_no_witness_is_looked_at) {
  Steps w;
  const Witness any = *make_witness(w.roots(), 0, {});
  w.record.result->steps.reset();
  const Judgement verdict = w.judged(any);
  EXPECT_EQ(verdict.holds, false);
  EXPECT_FALSE(verdict.place);
}

TEST(Witness, has_one_encoding) {
  Steps w;
  auto list = w.roots();
  list[6].data[0] ^= 1;
  w.claim(list);
  const Bytes bytes = encode_witness(*w.finding().witness);
  EXPECT_EQ(encode_witness(*decode_witness(bytes)), bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_witness(ByteView(bytes).first(n))) << n;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes bent = bytes;
    bent[at] ^= 1;
    const auto back = decode_witness(bent);
    if (back) EXPECT_EQ(encode_witness(*back), bent) << at;
  }
  Bytes wrong = bytes;
  wrong[1] = 1;  // the first key
  EXPECT_EQ(decode_witness(wrong).error().id(), "flow.witness");
}

TEST(FirstFalsePlace, is_where_lists_part_or_the_shorter_ends) {
  const auto list = [](std::initializer_list<std::uint8_t> bytes) {
    std::vector<Hash32> out;
    for (const std::uint8_t b : bytes) out.emplace_back().data.fill(b);
    return out;
  };
  EXPECT_EQ(first_false_place(list({1, 2, 3}), list({1, 2, 3})), 3u);
  EXPECT_EQ(first_false_place(list({9, 2, 3}), list({1, 2, 3})), 0u);
  EXPECT_EQ(first_false_place(list({1, 9, 3}), list({1, 2, 3})), 1u);
  EXPECT_EQ(first_false_place(list({1, 2}), list({1, 2, 3})), 2u);
  EXPECT_EQ(first_false_place(list({1, 2, 3, 4}), list({1, 2, 3})), 3u);
}

TEST(Range, of_a_job_of_several_nodes_is_refused) {
  FlowWorld w;
  const Materials materials{.job = w.diamond(), .blobs = {}};
  runtime::RunControl control;
  const auto refused = run_dag(materials, {}, w, control, runtime::StepRange{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "flow.no_steps");
}

}  // namespace
}  // namespace hanse::flow
