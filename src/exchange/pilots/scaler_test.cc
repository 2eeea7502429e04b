#include "exchange/pilots/scaler.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::pilots {
namespace {

// Starts what it is told to, and is away when it should cancel.
class FakeCluster final : public Cluster {
 public:
  Result<std::string> start(const std::string& name, const std::string&) override {
    const std::lock_guard lock(mutex);
    jobs.push_back({text("{}", jobs.size() + 1), name});
    changed.notify_all();
    return jobs.back().id;
  }
  Result<std::vector<Listed>> list() override {
    const std::lock_guard lock(mutex);
    return jobs;
  }
  Status cancel(const std::string&) override {
    const std::lock_guard lock(mutex);
    ++cancels;
    if (away) return fail(Kind::kUnavailable, "pilots.cluster", "found nobody");
    return {};
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Listed> jobs;
  int cancels = 0;
  bool away = false;
};

int cancels_at_the_end(bool away) {
  auto runner = PilotRunner::start({});
  EXPECT_TRUE(runner) << runner.error().str();
  FakeCluster cluster;
  cluster.away = away;
  {
    Scaler scaler(**runner, cluster, {.min = 3, .max = 3, .name_prefix = "p"});
    std::unique_lock lock(cluster.mutex);
    cluster.changed.wait(lock, [&] { return cluster.jobs.size() == 3; });
  }
  return cluster.cancels;
}

TEST(Scaler, its_end_cancels_every_pilot_and_does_not_wait_for_a_cluster_that_is_away_once_for_each) {
  EXPECT_EQ(cancels_at_the_end(false), 3);
  EXPECT_EQ(cancels_at_the_end(true), 1);
}

}  // namespace
}  // namespace hanse::pilots
