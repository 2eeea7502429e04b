#include "node/daemon/provider_role.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/text.h"
#include "base/exec/backoff.h"
#include "exchange/runtime/pool.h"
#include "node/daemon/work.h"
#include "node/roles/provider.h"

namespace hanse::daemon {
namespace {

class Role final : public ProviderRole {
 public:
  Role(const crypto::Identity& identity, roles::Report& report, Options options)
      : identity_(identity), report_(report), options_(std::move(options)) {}
  ~Role() override { stop(); }

  Status begin() {
    const auto& s = options_.settings;
    runtime::PoolOptions pool;
    pool.worker_path = s.worker;
    pool.plugin_dir = s.plugin_dir;
    pool.warm = s.warm_workers;
    pool.running_max = s.parallel;
    pool.group = s.cgroup;
    pool.group_memory_bytes = s.cgroup_memory_bytes;
    pool.group_cpu_percent = s.cgroup_cpu_percent;
    TRY(pool_, runtime::Pool::start(std::move(pool)));
    const auto found = pool_->report();
    for (const auto& failure : found.failed)
      report_.say(logging::Level::kWarn, "job kind not loaded", {{"why", failure}});
    for (const auto& limit : found.enforced) report_.say(logging::Level::kInfo, "workers limited", {{"kept", limit}});
    std::string kinds;
    for (const auto& kind : pool_->kinds()) kinds += (kinds.empty() ? "" : " ") + kind;
    report_.say(logging::Level::kInfo, "workers ready", {{"isolation", found.isolation.level}, {"kinds", kinds}});
    thread_ = std::thread([this] { run(); });
    return {};
  }

  Status ready() const override {
    const std::lock_guard lock(mutex_);
    if (provider_ && provider_->is_standing()) return {};
    return fail(Kind::kUnavailable, "daemon.not_standing", "found no ask of this provider on the market yet");
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (provider_) provider_->stop();
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    pool_.reset();
  }

 private:
  void run() {
    Status ended = serve();
    if (!ended) options_.on_end(std::move(ended));
  }

  // In the role's thread: the connection first, then the role until it stops.
  Status serve() {
    TRY(const auto client, connect());
    if (!client) return {};
    roles::Caller caller(*client, identity_, options_.network);
    TRY(auto work, make_work({.client = *client,
                              .caller = caller,
                              .runner = *pool_,
                              .identity = identity_,
                              .report = report_,
                              .network = options_.network,
                              .jobs_dir = options_.jobs_dir}));
    roles::ProviderOptions options{.offer = options_.settings.offer,
                                   .parallel = options_.settings.parallel,
                                   .recheck_ms = options_.settings.recheck_ms,
                                   .drain_ms = options_.settings.drain_ms};
    options.offer.isolation = std::min(options.offer.isolation, pool_->level());
    options.offer.ed25519 = identity_.ed25519().public_key().bytes;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return {};
      provider_ = std::make_unique<roles::Provider>(roles::Provider::Ports{.client = *client,
                                                                           .caller = caller,
                                                                           .clock = system_clock(),
                                                                           .random = system_random(),
                                                                           .report = report_},
                                                    options_.network, std::move(options), std::move(work));
    }
    Status ended = provider_->run();
    const std::lock_guard lock(mutex_);
    provider_.reset();  // before what it borrows
    return ended;
  }

  // Null when the role was stopped first.
  Result<std::unique_ptr<client::Client>> connect() {
    exec::Backoff backoff(system_random(), {.first_ms = 50, .most_ms = 2'000});
    bool told = false;
    for (;;) {
      auto client = client::Client::connect(options_.settings.node);
      if (client) return client;
      if (client.error().kind() != Kind::kUnavailable) return client;
      if (!told) report_.failed(logging::Level::kInfo, "provider waits for its node", client.error());
      told = true;
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, std::chrono::milliseconds(backoff.next_ms()), [this] { return stopping_; }))
        return std::unique_ptr<client::Client>();
    }
  }

  const crypto::Identity& identity_;
  roles::Report& report_;
  const Options options_;
  std::unique_ptr<runtime::Pool> pool_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::unique_ptr<roles::Provider> provider_;
};

}  // namespace

Result<std::unique_ptr<ProviderRole>> ProviderRole::start(const crypto::Identity& identity, roles::Report& report,
                                                          Options options) {
  auto role = std::make_unique<Role>(identity, report, std::move(options));
  TRY_OK(role->begin());
  return role;
}

}  // namespace hanse::daemon
