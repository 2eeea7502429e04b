#include "node/daemon/work.h"

#include <map>
#include <memory>
#include <mutex>

#include "base/exec/backoff.h"
#include "base/telemetry/metrics.h"
#include "exchange/flow/audit_flow.h"
#include "exchange/flow/cpu_class.h"
#include "exchange/flow/job_flow.h"
#include "exchange/flow/step_journals.h"
#include "exchange/market/view.h"
#include "store/kv/kv.h"

namespace hanse::daemon {
namespace {

constexpr std::size_t kStoreBytes = 4u << 20;  // the steps of a few jobs at a time

// The market as a provider sees it through its node.
class NodeMarket final : public flow::ProviderMarket {
 public:
  NodeMarket(client::Client& client, roles::Caller& caller) : client_(client), caller_(caller) {}

  Result<std::optional<market::Job>> job(const JobId& id) override {
    auto answer = client_.query(market::kMarketApp, "job", id.view());
    if (!answer && answer.error().kind() == Kind::kNotFound) return std::nullopt;
    TRY(const Bytes record, std::move(answer));
    return market::decode_job(record).transform([](market::Job&& job) { return std::optional(std::move(job)); });
  }
  Result<Height> height() override {
    TRY(const auto info, client_.info());
    return info.height;
  }
  Result<Bytes> gxf(const JobId& id) override { return client_.query(market::kMarketApp, "gxf", id.view()); }
  Result<Height> start(const JobId& id) override {
    TRY(const auto applied, caller_.call(market::Method::kJobStart, market::JobStart{.id = id}));
    return applied.height;
  }
  Status record(const market::JobReceipt& receipt) override {
    TRY_OK(caller_.call(market::Method::kJobReceipt, receipt));
    return {};
  }

 private:
  client::Client& client_;
  roles::Caller& caller_;
};

// What was fetched lately is kept: an artifact serves many jobs, and a blob is what its id says for ever.
class NodeBlobs final : public flow::BlobPort {
 public:
  explicit NodeBlobs(client::Client& client) : client_(client) {}
  Result<Bytes> get(const BlobId& id) override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto it = kept_.find(id); it != kept_.end()) return it->second;
    }
    TRY(Bytes bytes, client_.get_blob(id));
    if (bytes.size() > kKeptBlobMax) return bytes;
    const std::lock_guard lock(mutex_);
    if (kept_.size() >= kKeptCountMax || kept_bytes_ + bytes.size() > kKeptBytesMax) {
      kept_.clear();
      kept_bytes_ = 0;
    }
    if (kept_.emplace(id, bytes).second) kept_bytes_ += bytes.size();
    return bytes;
  }
  Result<bool> has(const BlobId& id) override { return client_.has_blob(id); }
  Result<BlobId> put(ByteView bytes) override { return client_.put_blob(bytes); }

 private:
  static constexpr std::size_t kKeptBlobMax = 1u << 20, kKeptBytesMax = 4u << 20, kKeptCountMax = 256;
  client::Client& client_;
  std::mutex mutex_;
  std::map<BlobId, Bytes> kept_;
  std::size_t kept_bytes_ = 0;
};

// Counts what the workers did.
class CountingRunner final : public runtime::Runner {
 public:
  CountingRunner(runtime::Runner& runner, Clock& clock) : runner_(runner), clock_(clock) {}

  Result<runtime::RunOutcome> run(const runtime::RunRequest& request, std::uint8_t isolation,
                                  runtime::RunControl& control) override {
    using telemetry::Metric;
    const std::int64_t start_ns = clock_.mono_ns();
    auto outcome = runner_.run(request, isolation, control);
    auto& registry = telemetry::registry();
    registry.histogram(Metric::kRuntimeJobSeconds).observe(clock_.mono_ns() - start_ns);
    registry.counter(Metric::kGseeJobs, {outcome ? runtime::run_status_name(outcome->status) : outcome.error().id()})
        .add();
    return outcome;
  }
  Status verify(const runtime::RunRequest& request, const runtime::RunOutcome& claimed, std::uint8_t isolation,
                runtime::RunControl& control) override {
    return runner_.verify(request, claimed, isolation, control);
  }
  std::vector<std::string> kinds() const override { return runner_.kinds(); }

 private:
  runtime::Runner& runner_;
  Clock& clock_;
};

// One for all jobs of the process; each of its parts may be used from several threads.
struct Work {
  Work(const WorkPorts& p, std::unique_ptr<kv::Store> s)
      : ports(p),
        store(std::move(s)),
        journal(*store, kv::Family{0}),
        market(p.client, p.caller),
        blobs(p.client),
        runner(p.runner, system_clock()) {}

  Status run(const JobId& id, runtime::RunControl& control) {
    const flow::ProviderPorts story{.market = market,
                                    .blobs = blobs,
                                    .runner = runner,
                                    .journal = journal,
                                    .identity = ports.identity,
                                    .clock = system_clock(),
                                    .random = system_random(),
                                    .network = ports.network,
                                    .cpu_class = std::string(flow::cpu_class()),
                                    .key = ports.key};
    const Status done = flow::run_matched_job(id, story, control);
    // Matched to another meanwhile, after a restart or a lost race: nothing is left to do or to give back.
    if (!done && done.error().id() == "flow.not_ours") return journal.forget(id);
    if (done) return {};
    return std::unexpected(done.error().clone());
  }

  WorkPorts ports;
  std::unique_ptr<kv::Store> store;
  flow::KvStepJournal journal;
  NodeMarket market;
  NodeBlobs blobs;
  CountingRunner runner;
};

}  // namespace

Result<roles::JobWork> make_work(WorkPorts ports) {
  TRY(auto store,
      kv::Store::open(ports.jobs_dir,
                      {.families = {"steps"}, .cache_bytes = kStoreBytes, .write_buffer_bytes = kStoreBytes}));
  // Shared: std::function copies what it holds, and the work is one.
  const auto work = std::make_shared<Work>(ports, std::move(store));
  return roles::JobWork([work](const JobId& id, runtime::RunControl& control) { return work->run(id, control); });
}

roles::Judge make_judge(client::Client& client, roles::Caller& caller, runtime::Runner& runner, roles::Report& report) {
  struct Ports {
    Ports(client::Client& c, roles::Caller& account, runtime::Runner& r, roles::Report& out)
        : market(c, account), blobs(c), runner(r), report(out) {}
    NodeMarket market;
    NodeBlobs blobs;
    runtime::Runner& runner;
    roles::Report& report;
  };
  const auto ports = std::make_shared<Ports>(client, caller, runner, report);
  return [ports](const market::Job& job, const BlobId& witness,
                 runtime::RunControl& control) -> Result<std::optional<bool>> {
    const auto judged = flow::judge_receipt(
        job, witness, {.market = ports->market, .blobs = ports->blobs, .runner = ports->runner}, control);
    if (judged && judged->place)
      ports->report.say(logging::Level::kWarn, "one step refutes a receipt",
                        {{"job", job.bid.job_id}, {"step", *judged->place}});
    auto found = judged ? Result<std::optional<bool>>(judged->holds) : std::unexpected(judged.error().clone());
    const std::string_view finding = !found ? found.error().id() : !*found ? "unsure" : **found ? "holds" : "false";
    telemetry::registry().counter(telemetry::Metric::kAudits, {finding}).add();
    return found;
  };
}

Result<std::unique_ptr<runtime::Pool>> start_workers(const WorkerSettings& settings, roles::Report& report) {
  runtime::PoolOptions options;
  options.worker_path = settings.program;
  options.plugin_dir = settings.plugin_dir;
  options.warm = settings.warm;
  options.running_max = settings.running_max;
  options.group = settings.cgroup;
  options.group_memory_bytes = settings.cgroup_memory_bytes;
  options.group_cpu_percent = settings.cgroup_cpu_percent;
  TRY(auto pool, runtime::Pool::start(std::move(options)));
  const auto found = pool->report();
  for (const auto& failure : found.failed) report.say(logging::Level::kWarn, "job kind not loaded", {{"why", failure}});
  for (const auto& limit : found.enforced) report.say(logging::Level::kInfo, "workers limited", {{"kept", limit}});
  std::string kinds;
  for (const auto& kind : pool->kinds()) kinds += (kinds.empty() ? "" : " ") + kind;
  report.say(logging::Level::kInfo, "workers ready", {{"isolation", found.isolation.level}, {"kinds", kinds}});
  return pool;
}

Result<std::unique_ptr<client::Client>> await_node(const std::string& address, std::string_view who,
                                                   roles::Report& report,
                                                   const std::function<bool(std::int64_t ms)>& wait_ms) {
  exec::Backoff backoff(system_random(), {.first_ms = 50, .most_ms = 2'000});
  bool told = false;
  for (;;) {
    auto client = client::Client::connect(address);
    if (client) return client;
    if (client.error().kind() != Kind::kUnavailable) return client;
    if (!std::exchange(told, true))
      report.failed(logging::Level::kInfo, text("{} waits for its node", who), client.error());
    if (wait_ms(backoff.next_ms())) return std::unique_ptr<client::Client>();
  }
}

}  // namespace hanse::daemon
