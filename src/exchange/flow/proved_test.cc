// Jobs whose results prove themselves, through the market's own application: what an honest provider is paid for, and
// what each lie costs. The provider runs real kinds and lies about what they give; the auditors have no part in that.
#include "exchange/flow/proved.h"

#include <gtest/gtest.h>

#include "exchange/flow/audit_flow.h"
#include "exchange/flow/flow_world_test.h"
#include "exchange/proof/proof_kind.h"
#include "exchange/tensor/tensor_kind.h"

namespace hanse::flow {
namespace {

using Lie = std::function<void(runtime::RunOutcome&)>;
constexpr std::size_t kProvider = 1, kValidator = 3;  // and the three after it

// The real kinds in this process.
struct Kinds final : runtime::Runner {
  std::unique_ptr<runtime::JobKind> tensor = tensor::make_tensor_kind(), proof = proof::make_proof_kind();
  Lie lie;
  std::function<void(runtime::RunRequest&)> swap;  // what the provider puts in place of what it was given
  int runs = 0, verified = 0;
  bool seen_artifact = false;

  runtime::JobKind& kind_for(const runtime::RunRequest& q) { return q.kind.starts_with("proof") ? *proof : *tensor; }
  Result<runtime::RunOutcome> run(const runtime::RunRequest& q, std::uint8_t, runtime::RunControl& c) override {
    ++runs;
    runtime::RunRequest asked = q;
    if (swap) swap(asked);
    auto out = kind_for(q).run(asked, c);
    if (out && lie) lie(*out);
    return out;
  }
  Status verify(const runtime::RunRequest& q, const runtime::RunOutcome& claimed, std::uint8_t,
                runtime::RunControl&) override {
    ++verified;
    seen_artifact = seen_artifact || !q.artifact.empty();
    return kind_for(q).verify(q, claimed);
  }
  std::vector<std::string> kinds() const override {
    return {std::string(tensor::kMatmulKind), std::string(tensor::kMlpKind), std::string(proof::kMlpProofKind)};
  }
};

Bytes model_bytes() {
  SeededRandom random(11, "proved model");
  std::vector<tensor::Layer> layers;
  for (const auto& [in, out] : {std::pair{12u, 9u}, std::pair{9u, 5u}}) {
    tensor::Layer layer{in, out, 300'000, 24, true, false, std::vector<std::int32_t>(out, 5), {}};
    layer.weights.resize(std::size_t{in} * out);
    random.fill({reinterpret_cast<std::uint8_t*>(layer.weights.data()), layer.weights.size()});
    layers.push_back(std::move(layer));
  }
  return tensor::encode_model(layers);
}

struct Proved : FlowWorld {
  static constexpr std::uint32_t kRows = 7;
  Kinds provider, auditor;
  Bytes model = model_bytes(), x;
  Amount bond_before;

  Proved() {
    hanse::market::Params params;
    params.audit_window = 20;
    market = auction::MarketWorld(params, 8);
    market.set_validators(kValidator, {2500, 2500, 2500, 2500});
    EXPECT_EQ(market.add_provider(kProvider).error_id, "");
    EXPECT_EQ(market.add_ask(kProvider).error_id, "");
    market.next_block();
    std::vector<std::int8_t> cells(kRows * 12);
    SeededRandom(12, "proved input").fill({reinterpret_cast<std::uint8_t*>(cells.data()), cells.size()});
    x = tensor::encode_matrix(kRows, 12, cells);
  }

  gxf::Job job_of(gxf::Audit audit, std::string_view kind, std::uint8_t outputs) {
    gxf::Job job = market.plain_job(0);
    job.audit = audit;
    gxf::Node& node = job.nodes[0];
    node.kind = gxf::NodeKind::kEngine;
    node.shape.batch = kRows;
    node.limits = {.gas = 10'000'000, .mem_pages = 100, .wall_ms = 10'000, .out_bytes = 1 << 20};
    node.params[gxf::kParamKindName] = to_bytes(kind);
    node.artifact = crypto::blob_id(model);
    if (kind == tensor::kMlpKind) node.params[tensor::kParamTrace] = std::int64_t{1};
    if (kind == proof::kMlpProofKind)
      node.params[proof::kParamCommitment] =
          encode(proof::MlpProver::commit(*tensor::decode_model(model))->commitment());
    job.inputs = {{.id = crypto::blob_id(x), .size_bytes = x.size(), .node = 0, .in_ix = 0}};
    job.outputs.clear();
    for (std::uint8_t i = 0; i < outputs; ++i) job.outputs.push_back({.node = 0, .out_ix = i});
    return job;
  }
  gxf::Job traced(std::uint8_t outputs = 3) { return job_of(gxf::Audit::kFreivalds, tensor::kMlpKind, outputs); }
  gxf::Job proved() { return job_of(gxf::Audit::kSumcheck, proof::kMlpProofKind, 2); }

  // Ordered, run by the provider, receipted and audited.
  JobId audited(gxf::Job job) {
    gxf::sign(job, market.who[0], gxf::JobSigAlg::kMlDsa65);
    const auto quote =
        submit_job(gxf::encode(job), {{crypto::blob_id(model), model}, {crypto::blob_id(x), x}}, payer_ports());
    EXPECT_TRUE(quote) << (quote ? "" : quote.error().str());
    ProviderPorts story = provider_ports();
    runtime::RunControl control;
    const Status done = run_matched_job(job.job_id,
                                        {.market = story.market,
                                         .blobs = story.blobs,
                                         .runner = provider,
                                         .journal = story.journal,
                                         .identity = story.identity,
                                         .clock = story.clock,
                                         .random = story.random,
                                         .network = story.network,
                                         .cpu_class = story.cpu_class},
                                        control);
    EXPECT_TRUE(done) << (done ? "" : done.error().str());
    bond_before = market.provider(kProvider).bond;
    market.skip(hanse::market::Params{}.settle_window + 1);
    EXPECT_EQ(market.job(job.job_id).state, hanse::market::JobState::kAudited);
    return job.job_id;
  }
  Result<std::optional<bool>> judge(const JobId& id) {
    runtime::RunControl control;
    return judge_receipt(market.job(id), {}, {.market = *this, .blobs = *this, .runner = auditor}, control)
        .transform([](const Judgement& j) { return j.holds; });
  }
  // What two validators say of it, and what becomes of it.
  hanse::market::CloseReason ended(const JobId& id) {
    const auto holds = judge(id);
    EXPECT_TRUE(holds && *holds) << (holds ? "no verdict" : holds.error().str());
    for (const std::size_t i : {kValidator, kValidator + 1}) {
      const hanse::market::JobVerdict said{
          .id = id, .receipt_hash = market.job(id).result->receipt_hash, .holds = **holds};
      EXPECT_EQ(market.call(i, hanse::market::Method::kJobVerdict, said).error_id, "");
    }
    const hanse::market::Job job = market.job(id);
    const Amount bond = market.provider(kProvider).bond;
    EXPECT_EQ(bond, *holds == true ? bond_before : auction::minus(bond_before, job.bond));
    const bool paid = job.result->paid.value > 0;
    EXPECT_TRUE(paid == **holds || job.result->status != hanse::market::RunStatus::kOk);
    market.next_block();  // money is counted
    return job.reason;
  }
};

using hanse::market::CloseReason;

TEST(ProvedReceipt, of_an_honest_provider_is_paid_and_nobody_runs_the_work_again) {
  {
    Proved w;
    EXPECT_EQ(w.ended(w.audited(w.traced())), CloseReason::kSettled);
    EXPECT_EQ(w.auditor.runs, 0);
    EXPECT_EQ(w.auditor.verified, 1);
  }
  {
    Proved w;
    gxf::Job job = w.job_of(gxf::Audit::kFreivalds, tensor::kMatmulKind, 1);
    job.inputs.push_back(job.inputs[0]);
    job.inputs[1].in_ix = 1;
    std::vector<std::int8_t> cells(144, 3);
    w.x = tensor::encode_matrix(12, 12, cells);
    for (auto& input : job.inputs) input.id = crypto::blob_id(w.x), input.size_bytes = w.x.size();
    job.nodes[0].artifact = {};
    EXPECT_EQ(w.ended(w.audited(job)), CloseReason::kSettled);
    EXPECT_EQ(w.auditor.runs, 0);
  }
  {
    Proved w;
    const JobId id = w.audited(w.proved());
    w.blobs.erase(crypto::blob_id(w.model));  // not even there
    EXPECT_EQ(w.ended(id), CloseReason::kSettled);
    EXPECT_EQ(w.auditor.runs, 0);
    EXPECT_FALSE(w.auditor.seen_artifact);
  }
}

TEST(ProvedReceipt, with_any_lie_costs_the_bond) {
  const std::vector<std::pair<std::string, Lie>> traced = {
      {"a number of the result", [](auto& o) { o.outputs[0].back() ^= 1; }},
      {"the first product", [](auto& o) { o.outputs[1].back() ^= 1; }},
      {"the last product", [](auto& o) { o.outputs[2].back() ^= 1; }},
      {"a shorter product", [](auto& o) { o.outputs[2].pop_back(); }},
      {"gas", [](auto& o) { ++o.gas; }},
      {"a trap",
       [](auto& o) {
         o.status = runtime::RunStatus::kTrap;
         o.outputs.clear();
       }},
  };
  for (const auto& [what, lie] : traced) {
    SCOPED_TRACE(what);
    Proved w;
    w.provider.lie = lie;
    EXPECT_EQ(w.ended(w.audited(w.traced())), CloseReason::kFalse);
  }
  const std::vector<std::pair<std::string, Lie>> proved = {
      {"a number of the result", [](auto& o) { o.outputs[0].back() ^= 1; }},
      {"a byte of the proof", [](auto& o) { o.outputs[1][o.outputs[1].size() / 2] ^= 1; }},
      {"a shorter proof", [](auto& o) { o.outputs[1].pop_back(); }},
      {"a result that is no matrix", [](auto& o) { o.outputs[0].clear(); }},
      {"gas", [](auto& o) { ++o.gas; }},
  };
  for (const auto& [what, lie] : proved) {
    SCOPED_TRACE(what);
    Proved w;
    w.provider.lie = lie;
    const JobId id = w.audited(w.proved());
    w.blobs.erase(crypto::blob_id(w.model));
    EXPECT_EQ(w.ended(id), CloseReason::kFalse);
    EXPECT_EQ(w.auditor.runs, 0);
  }
  for (const auto status : {runtime::RunStatus::kGasExhausted, runtime::RunStatus::kTrap}) {
    Proved w;
    w.provider.lie = [&](auto& o) {
      o.status = status;
      o.outputs.clear();
    };
    EXPECT_EQ(w.ended(w.audited(w.proved())), CloseReason::kFalse);
  }
}

TEST(ProvedReceipt, for_another_model_costs_the_bond) {
  const auto other_model = [](runtime::RunRequest& q) { q.artifact.back() ^= 0x40; };
  Proved w;
  w.provider.swap = other_model;
  EXPECT_EQ(w.ended(w.audited(w.traced())), CloseReason::kFalse);
  Proved v;  // with the commitment that goes with it
  v.provider.swap = [&](runtime::RunRequest& q) {
    other_model(q);
    q.params[proof::kParamCommitment] =
        encode(proof::MlpProver::commit(*tensor::decode_model(q.artifact))->commitment());
  };
  EXPECT_EQ(v.ended(v.audited(v.proved())), CloseReason::kFalse);
  EXPECT_EQ(v.auditor.runs, 0);
}

TEST(ProvedReceipt, of_a_refusal_is_judged_by_asking_again) {
  Proved w;
  gxf::Job job = w.proved();
  job.nodes[0].params[proof::kParamCommitment] = to_bytes("none");
  EXPECT_EQ(w.ended(w.audited(job)), CloseReason::kSettled);
  EXPECT_EQ(w.auditor.runs, 1);
  Proved v;
  job = v.traced();
  job.nodes[0].limits.gas = 10;
  EXPECT_EQ(v.ended(v.audited(job)), CloseReason::kSettled);
}

// A payer that declares fewer products than its model has cannot make an honest provider lose.
TEST(ProvedReceipt, of_a_job_that_lacks_outputs_is_judged_by_running_it) {
  Proved w;
  EXPECT_EQ(w.ended(w.audited(w.traced(2))), CloseReason::kSettled);
  EXPECT_EQ(w.auditor.runs, 1);
  Proved v;
  v.provider.lie = [](auto& o) { o.outputs[1].back() ^= 1; };
  EXPECT_EQ(v.ended(v.audited(v.traced(2))), CloseReason::kFalse);
  Proved more;  // a trap: the third product does not exist
  EXPECT_EQ(more.ended(more.audited(more.traced(4))), CloseReason::kSettled);
  EXPECT_EQ(more.auditor.runs, 1);
}

// What a provider withholds does not save it.
TEST(ProvedReceipt, whose_outputs_are_not_to_be_had_is_judged_by_running_it) {
  for (const bool lies : {false, true}) {
    Proved w;
    if (lies) w.provider.lie = [](auto& o) { o.outputs[1].back() ^= 1; };
    const JobId id = w.audited(w.proved());
    w.blobs.erase(w.market.job(id).result->outputs[1].id);
    EXPECT_EQ(w.ended(id), lies ? CloseReason::kFalse : CloseReason::kSettled);
    EXPECT_EQ(w.auditor.runs, 1);
    EXPECT_EQ(w.auditor.verified, 0);
  }
  Proved w;  // and without the model nothing is said
  const JobId id = w.audited(w.proved());
  w.blobs.clear();
  EXPECT_EQ(w.judge(id).error().id(), "blob.missing");
}

TEST(ProvedReceipt, states_the_sizes_of_what_it_names) {
  Proved w;
  const JobId id = w.audited(w.proved());
  hanse::market::Job record = w.market.job(id);
  ++record.result->outputs[1].size_bytes;
  runtime::RunControl control;
  EXPECT_EQ(judge_receipt(record, {}, {.market = w, .blobs = w, .runner = w.auditor}, control)->holds, false);
}

// These kinds have none: who names some says something false, which no proof of the outputs makes true.
TEST(ProvedReceipt, that_tells_of_steps_is_false) {
  const auto steps = [](auto& o) { o.steps = {Hash32{}}; };
  for (const bool sumcheck : {false, true}) {
    Proved w;
    w.provider.lie = steps;
    EXPECT_EQ(w.ended(w.audited(sumcheck ? w.proved() : w.traced())), CloseReason::kFalse);
    EXPECT_EQ(w.auditor.runs, 1);
  }
}

// A blob may be larger than the receipt says, and a receipt may name more than any job gives: an auditor holds neither.
TEST(ProvedReceipt, does_not_make_an_auditor_fetch_more_than_the_job_gives) {
  struct Counting final : BlobPort {
    explicit Counting(BlobPort& inner) : all(inner) {}
    Result<Bytes> get(const BlobId& id) override {
      asked.push_back(id);
      return all.get(id);
    }
    Result<bool> has(const BlobId& id) override { return all.has(id); }
    Result<BlobId> put(ByteView bytes) override { return all.put(bytes); }
    BlobPort& all;
    std::vector<BlobId> asked;
  };
  Proved w;
  const JobId id = w.audited(w.proved());
  const auto asked_for = [&](std::uint64_t first_size) {
    hanse::market::Job record = w.market.job(id);
    auto& outputs = record.result->outputs;
    outputs[0].size_bytes = first_size;
    Counting blobs(w);
    runtime::RunControl control;
    EXPECT_EQ(judge_receipt(record, {}, {.market = w, .blobs = blobs, .runner = w.auditor}, control)->holds, false);
    return std::pair(std::ranges::count(blobs.asked, outputs[0].id), std::ranges::count(blobs.asked, outputs[1].id));
  };
  EXPECT_EQ(asked_for(1), std::pair(1l, 0l));
  EXPECT_EQ(asked_for(kResultBytesMax + 1), std::pair(0l, 0l));
  EXPECT_EQ(asked_for(~std::uint64_t{0}), std::pair(0l, 0l));
}

}  // namespace
}  // namespace hanse::flow
