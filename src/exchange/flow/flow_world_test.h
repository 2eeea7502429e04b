// The ports of a job's story over a market in memory, with a crash at any call of any port, for this room's tests.
#pragma once

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/auction/market_world.h"
#include "exchange/flow/job_flow.h"
#include "exchange/flow/step_journals.h"

namespace hanse::flow {

// Counts the moments at which a machine may die: before and after each call of a port.
struct Crash {
  int at = -1;  // the moment to die at; negative: never
  int moment = 0;
  Status pass() {
    if (moment++ == at) return fail(Kind::kInternal, "flow.test_crash", "the machine died");
    return {};
  }
};

// The payer is 0, the provider 1.
class FlowWorld : public ProviderMarket,
                  public PayerMarket,
                  public BlobPort,
                  public runtime::Runner,
                  public StepJournal {
 public:
  FlowWorld() {
    EXPECT_EQ(market.add_provider(1).code, 0u);
    EXPECT_EQ(market.add_ask(1).code, 0u);
    market.next_block();
  }

  // ProviderMarket and PayerMarket
  Result<std::optional<market::Job>> job(const JobId& id) override {
    TRY_OK(crash.pass());
    return auction::find_job(market.state, id);
  }
  Result<Height> height() override { return market.height; }
  Result<Bytes> gxf(const JobId& id) override {
    TRY_OK(crash.pass());
    return market.app->query("gxf", id.view(), market.state);
  }
  Result<Height> start(const JobId& id) override {
    const Height now = market.height;
    TRY_OK(call(market::Method::kJobStart, market::JobStart{id}));
    return now;
  }
  Status record(const market::JobReceipt& receipt) override { return call(market::Method::kJobReceipt, receipt); }
  Result<market::Quote> order(ByteView gxf) override {
    TRY_OK(crash.pass());
    const Bytes body = market::encode_body(market::BodyKind::kJob, gxf);
    const auto result = market.apply({.app = market::kMarketApp, .body = body});
    ++orders;
    TRY_OK(crash.pass());
    if (result.code != 0) return fail(Kind::kConflict, result.error_id, result.message);
    return market::decode_quote(result.data);
  }
  Result<Bytes> prove_job(const JobId&) override { return to_bytes("proof"); }

  // BlobPort
  Result<Bytes> get(const BlobId& id) override {
    TRY_OK(crash.pass());
    const auto it = blobs.find(id);
    if (it == blobs.end()) return fail(Kind::kNotFound, "blob.missing", text("{}", id));
    return it->second;
  }
  Result<bool> has(const BlobId& id) override { return blobs.contains(id); }
  Result<BlobId> put(ByteView bytes) override {
    TRY_OK(crash.pass());
    const BlobId id = crypto::blob_id(bytes);
    blobs[id] = to_bytes(bytes);
    TRY_OK(crash.pass());
    return id;
  }

  // Runner: an output is the node's number, its artifact's size and its inputs; out 1 is the seed.
  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, std::uint8_t isolation,
                                  runtime::RunControl& control) override {
    TRY_OK(crash.pass());
    clock.advance_ns(run_ns);
    if (on_run) on_run();
    requests.push_back(request);
    isolations.insert(isolation);
    runtime::RunOutcome outcome;
    outcome.gas = 100;
    outcome.kernel_class = request.kind + "-test";
    if (control.stop()) {
      outcome.status = runtime::RunStatus::kCancelled;
    } else if (request.node == failing_node) {
      if (failure_error) return std::unexpected(failure_error->clone());
      outcome.status = runtime::RunStatus::kTrap;
      outcome.detail = "unreachable";
    } else {
      std::string out = text("[{}:{}", request.node, request.artifact.size());
      for (const Bytes& input : request.inputs) out += " " + std::string(as_text(input));
      outcome.outputs = {to_bytes(out + "]"), to_bytes(request.seed.view())};
    }
    TRY_OK(crash.pass());
    return outcome;
  }
  std::vector<std::string> kinds() const override { return {"wasm/v1", "digits/v1"}; }

  // StepJournal
  Result<std::optional<Bytes>> find(const JobId& id, Step step) override { return journal.find(id, step); }
  Status keep(const JobId& id, Step step, ByteView bytes, Keep how) override {
    TRY_OK(crash.pass());
    TRY_OK(journal.keep(id, step, bytes, how));
    kept.emplace_back(step, how);
    return crash.pass();
  }
  Status forget(const JobId& id) override {
    TRY_OK(crash.pass());
    return journal.forget(id);
  }

  ProviderPorts provider_ports() {
    return {.market = *this,
            .blobs = *this,
            .runner = *this,
            .journal = *this,
            .identity = market.who[1],
            .clock = clock,
            .random = random,
            .network = market.network,
            .cpu_class = "x86-64-v3"};
  }
  PayerPorts payer_ports() {
    gxf::Params params;
    params.network = market.network;
    return {.market = *this, .blobs = *this, .params = params};
  }

  // Two inputs into node 0, its output into nodes 1 and 2, both into node 3.
  gxf::Job diamond() {
    gxf::Job job = market.plain_job(0);
    gxf::Node node = job.nodes[0];
    node.artifact = crypto::blob_id(module);
    job.nodes.clear();
    for (std::uint16_t id = 0; id < 4; ++id) {
      node.id = id;
      job.nodes.push_back(node);
    }
    job.edges = {{.from = 0, .to = 1, .out_ix = 0, .in_ix = 0},
                 {.from = 0, .to = 2, .out_ix = 0, .in_ix = 0},
                 {.from = 1, .to = 3, .out_ix = 0, .in_ix = 1},
                 {.from = 2, .to = 3, .out_ix = 0, .in_ix = 0}};
    std::ranges::sort(job.edges);
    job.inputs = {{.id = crypto::blob_id(first), .size_bytes = first.size(), .node = 0, .in_ix = 0},
                  {.id = crypto::blob_id(second), .size_bytes = second.size(), .node = 0, .in_ix = 1}};
    job.outputs = {{.node = 3, .out_ix = 0}, {.node = 0, .out_ix = 1}};
    job.isolation = 2;
    return job;
  }
  std::map<BlobId, ByteView> given() const {
    return {{crypto::blob_id(module), module}, {crypto::blob_id(first), first}, {crypto::blob_id(second), second}};
  }
  // The job signed, uploaded and matched.
  JobId place(gxf::Job job) {
    gxf::sign(job, market.who[0], gxf::JobSigAlg::kMlDsa65);
    const auto quote = submit_job(gxf::encode(job), given(), payer_ports());
    EXPECT_TRUE(quote) << (quote ? "" : quote.error().str());
    return job.job_id;
  }

  auction::MarketWorld market;
  ManualClock clock{1'700'000'000'000};
  SeededRandom random{5};
  Crash crash;
  std::map<BlobId, Bytes> blobs;
  MemStepJournal journal;
  std::vector<std::pair<Step, Keep>> kept;
  std::int64_t run_ns = 0;  // that each node takes
  std::function<void()> on_run;
  std::vector<runtime::RunRequest> requests;
  std::set<int> isolations;
  int failing_node = -1;
  std::optional<Error> failure_error;
  int orders = 0, calls = 0;
  Bytes module = to_bytes("module"), first = to_bytes("a"), second = to_bytes("b");

 private:
  template <class Args>
  Status call(market::Method method, const Args& args) {
    TRY_OK(crash.pass());
    const auto result = market.call(1, method, args);
    ++calls;
    TRY_OK(crash.pass());
    if (result.code != 0) return fail(Kind::kConflict, result.error_id, result.message);
    return {};
  }
};

}  // namespace hanse::flow
