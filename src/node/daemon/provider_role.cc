#include "node/daemon/provider_role.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/text.h"
#include "exchange/runtime/pool.h"
#include "node/daemon/scale_out.h"
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
    TRY(pool_, start_workers(options_.settings.workers, report_));
    level_ = pool_->level();
    if (const PilotSettings& pilots = options_.settings.pilots; pilots.cluster != ClusterKind::kNone) {
      TRY(scale_out_, ScaleOut::start(pilots, identity_.id(), pool_->kinds()));
      level_ = pilots.runner.isolation;
    }
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
    scale_out_.reset();
    pool_.reset();
  }

 private:
  void run() {
    Status ended = serve();
    if (!ended) options_.on_end(std::move(ended));
  }

  // In the role's thread: the connection first, then the role until it stops.
  Status serve() {
    TRY(const auto client, await_node(options_.settings.node, "provider", report_, [this](std::int64_t ms) {
          std::unique_lock lock(mutex_);
          return changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
        }));
    if (!client) return {};
    roles::Caller caller(*client, identity_, options_.network);
    TRY(auto work, make_work({.client = *client,
                              .caller = caller,
                              .runner = scale_out_ ? scale_out_->runner() : *pool_,
                              .identity = identity_,
                              .report = report_,
                              .network = options_.network,
                              .jobs_dir = options_.jobs_dir,
                              .key = options_.key ? &*options_.key : nullptr}));
    roles::ProviderOptions options{.offer = options_.settings.offer,
                                   .parallel = options_.settings.workers.running_max,
                                   .recheck_ms = options_.settings.recheck_ms,
                                   .drain_ms = options_.settings.drain_ms};
    options.offer.isolation = std::min(options.offer.isolation, level_);
    if (options_.key) options.offer.payload_key = options_.key->public_key().bytes;
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

  const crypto::Identity& identity_;
  roles::Report& report_;
  const Options options_;
  std::unique_ptr<runtime::Pool> pool_;  // with pilots, only asked which kinds there are
  std::unique_ptr<ScaleOut> scale_out_;  // null: jobs run in the pool
  std::uint8_t level_ = 0;
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
