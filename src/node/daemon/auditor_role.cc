#include "node/daemon/auditor_role.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "node/daemon/work.h"
#include "node/roles/auditor.h"

namespace hanse::daemon {
namespace {

class Role final : public AuditorRole {
 public:
  Role(const crypto::Identity& identity, roles::Report& report, Options options)
      : identity_(identity), report_(report), options_(std::move(options)) {}
  ~Role() override { stop(); }

  Status begin() {
    TRY(pool_, start_workers(options_.settings.workers, report_));
    thread_ = std::thread([this] {
      if (Status ended = serve(); !ended) options_.on_end(std::move(ended));
    });
    return {};
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      if (auditor_) auditor_->stop();
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    pool_.reset();
  }

 private:
  Status serve() {
    TRY(const auto client, await_node(options_.settings.node, "auditor", report_, [this](std::int64_t ms) {
          std::unique_lock lock(mutex_);
          return changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
        }));
    if (!client) return {};
    roles::Caller caller(*client, identity_, options_.network);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return {};
      auditor_ = std::make_unique<roles::Auditor>(
          roles::Auditor::Ports{.client = *client, .caller = caller, .random = system_random(), .report = report_},
          options_.network, options_.settings.recheck_ms, make_judge(*client, caller, *pool_, report_));
    }
    Status ended = auditor_->run();
    const std::lock_guard lock(mutex_);
    auditor_.reset();  // before what it borrows
    return ended;
  }

  const crypto::Identity& identity_;
  roles::Report& report_;
  const Options options_;
  std::unique_ptr<runtime::Pool> pool_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::unique_ptr<roles::Auditor> auditor_;
};

}  // namespace

Result<std::unique_ptr<AuditorRole>> AuditorRole::start(const crypto::Identity& identity, roles::Report& report,
                                                        Options options) {
  auto role = std::make_unique<Role>(identity, report, std::move(options));
  TRY_OK(role->begin());
  return role;
}

}  // namespace hanse::daemon
