#include "exchange/runtime/pool.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/detail/prepared_store.h"
#include "exchange/runtime/detail/worker.h"
#include "exchange/runtime/detail/zygote_process.h"

namespace hanse::runtime {
namespace {

std::string echo_plugin() {
  return (std::filesystem::path(default_worker_path()).parent_path() / "../lib/hanse-test/kind_echo.so").string();
}

PoolOptions options() {
  PoolOptions o;
  o.plugins = {echo_plugin()};
  o.warm = 2;
  return o;
}

std::unique_ptr<Pool> started(PoolOptions o = options()) {
  auto pool = Pool::start(std::move(o));
  if (!pool) ADD_FAILURE() << pool.error().str();
  return pool ? std::move(*pool) : nullptr;
}

RunRequest request(std::string_view word) {
  RunRequest q;
  q.kind = "echo/v1";
  q.inputs = {to_bytes(word)};
  q.limits = {.gas = 1000, .mem_pages = 16, .wall_ms = 10'000, .out_bytes = 1 << 20};
  return q;
}

Result<RunOutcome> run(Pool& pool, const RunRequest& q) {
  RunControl control;
  return pool.run(q, pool.level(), control);
}

TEST(Pool, runs_a_request_and_returns_its_outcome) {
  auto pool = started();
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->kinds(), std::vector<std::string>{"echo/v1"});
  const auto outcome = run(*pool, request("hello"));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
  EXPECT_EQ(outcome->status, RunStatus::kOk);
  EXPECT_EQ(outcome->outputs, std::vector<Bytes>{to_bytes(std::string_view("hello"))});
  EXPECT_EQ(outcome->detail, "echo");
}

TEST(Pool, nothing_of_the_machine_is_in_reach_at_any_level) {
  for (std::uint8_t level = 1; level <= kIsolationMax; ++level) {
    auto o = options();
    o.level_max = level;
    auto pool = started(o);
    ASSERT_TRUE(pool);
    if (pool->level() < level) {
      std::printf("skipped: isolation level %d is not there\n", level);
      continue;
    }
    const auto outcome = run(*pool, request("escape"));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
    for (const auto& reached : outcome->outputs)
      ADD_FAILURE() << "level " << int{level} << " reached " << as_text(reached);
  }
}

TEST(Pool, refuses_more_isolation_than_it_has) {
  auto o = options();
  o.level_max = 1;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  RunControl control;
  EXPECT_TRUE(pool->run(request("hello"), 1, control).has_value());
  const auto refused = pool->run(request("hello"), 2, control);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().id(), "runtime.isolation");
  EXPECT_EQ(refused.error().message(), "found isolation level 1, needed 2");
  EXPECT_EQ(pool->counters().runs, 1u);
}

TEST(Pool, refuses_a_kind_that_no_plugin_runs) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto q = request("hello");
  q.kind = "other/v1";
  EXPECT_EQ(run(*pool, q).error().id(), "runtime.no_kind");
}

TEST(Pool, passes_on_what_check_refuses) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto q = request("");
  q.inputs.clear();
  EXPECT_EQ(run(*pool, q).error().id(), "echo.no_input");
  RunControl control;
  EXPECT_EQ(pool->check(q, control).error().id(), "echo.no_input");
  EXPECT_TRUE(pool->check(request("x"), control).has_value());
}

TEST(Pool, survives_every_way_a_worker_can_end) {
  auto pool = started();
  ASSERT_TRUE(pool);
  const std::pair<const char*, const char*> ways[] = {{"crash segv", "signal 11"},
                                                      {"crash abort", "signal"},
                                                      {"crash exit", "exit status 7"},
                                                      {"crash socket", "signal 31"},
                                                      {"crash garbage", "ended by"},
                                                      {"crash oversized", "frame of 2147483647 bytes"},
                                                      {"gas", "1001 gas, the request allows 1000"}};
  for (const auto& [word, expected] : ways) {
    const auto outcome = run(*pool, request(word));
    ASSERT_FALSE(outcome.has_value()) << word;
    EXPECT_EQ(outcome.error().id(), "runtime.worker_crashed") << word;
    EXPECT_TRUE(outcome.error().str().contains(expected)) << word << ": " << outcome.error().str();
    EXPECT_TRUE(word == std::string_view("gas") || outcome.error().str().contains(text("about to {}", word)))
        << outcome.error().str();
  }
  EXPECT_EQ(pool->counters().crashes, std::size(ways));
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(Pool, an_exception_of_the_kind_is_a_panic_with_its_words) {
  auto pool = started();
  ASSERT_TRUE(pool);
  const auto outcome = run(*pool, request("crash throw"));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().id(), "plugin.panic");
  EXPECT_TRUE(outcome.error().str().contains("runtime.kind_threw")) << outcome.error().str();
  EXPECT_TRUE(outcome.error().str().contains("thrown on purpose")) << outcome.error().str();
}

TEST(Pool, wall_ms_ends_a_run_that_obeys_and_one_that_does_not) {
  auto o = options();
  o.grace_ms = 50;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  for (const char* word : {"spin", "hang"}) {
    auto q = request(word);
    q.limits.wall_ms = 50;
    const auto before_ns = system_clock().mono_ns();
    const auto outcome = run(*pool, q);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
    EXPECT_EQ(outcome->status, RunStatus::kTimeout) << word;
    EXPECT_GE(system_clock().mono_ns() - before_ns, 50'000'000) << word;
  }
  EXPECT_EQ(pool->counters().timeouts, 2u);
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(Pool, control_stops_a_run) {
  auto pool = started();
  ASSERT_TRUE(pool);
  for (const char* word : {"spin", "hang"}) {
    RunControl control;
    std::thread stopper([&] { control.request_stop(); });
    const auto outcome = pool->run(request(word), 0, control);
    stopper.join();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
    EXPECT_EQ(outcome->status, RunStatus::kCancelled) << word;
  }
  EXPECT_EQ(pool->counters().cancelled, 2u);
}

TEST(Pool, memory_beyond_the_request_is_refused_and_within_is_given) {
  auto o = options();
  o.memory_overhead_bytes = 32u << 20;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  auto q = request("allocate 134217728");
  q.limits.mem_pages = 16;
  const auto refused = run(*pool, q);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().id(), "runtime.out_of_memory");
  q.limits.mem_pages = 2048 + 16;  // 129 MiB
  q.limits.gas = 1'000'000;
  const auto given = run(*pool, q);
  ASSERT_TRUE(given.has_value()) << given.error().str();
  EXPECT_EQ(given->gas, 32768u);
}

TEST(Pool, noise_on_standard_error_blocks_nobody) {
  auto pool = started();
  ASSERT_TRUE(pool);
  EXPECT_TRUE(run(*pool, request("noise")).has_value());
}

TEST(Pool, prepares_an_artifact_once) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto q = request("hello");
  q.artifact = to_bytes(std::string_view("module"));
  for (int i = 0; i < 3; ++i) {
    const auto outcome = run(*pool, q);
    ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
    ASSERT_EQ(outcome->outputs.size(), 2u);
    EXPECT_EQ(as_text(outcome->outputs[1]), "prepared:module");
  }
  EXPECT_EQ(pool->counters().prepared_misses, 1u);
  EXPECT_EQ(pool->counters().prepared_hits, 2u);
}

TEST(Pool, preparing_and_verifying_have_an_end) {
  auto o = options();
  o.prepare_ms_max = 30;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  auto q = request("hello");
  q.artifact = to_bytes(std::string_view("slow"));
  EXPECT_EQ(run(*pool, q).error().id(), "runtime.prepare_timeout");
  q = request("spin");
  q.limits.wall_ms = 30;
  RunControl control;
  EXPECT_EQ(pool->verify(q, {}, 0, control).error().id(), "runtime.verify_unfinished");
}

TEST(Pool, says_why_no_worker_comes) {
  auto o = options();
  o.level_max = 2;
  o.scratch_root = "/nonexistent";
  o.spawn_ms_max = 30;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  if (pool->level() < 2) return;
  const auto outcome = run(*pool, request("hello"));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().id(), "runtime.no_worker");
  EXPECT_TRUE(outcome.error().message().contains("runtime.spawn: scratch directory /nonexistent"))
      << outcome.error().str();
}

TEST(Pool, a_kind_has_one_plugin) {
  auto o = options();
  o.plugins.push_back(std::filesystem::path(echo_plugin()).replace_filename("kind_twin.so").string());
  auto pool = started(o);
  ASSERT_TRUE(pool);
  ASSERT_EQ(pool->report().failed.size(), 1u);
  EXPECT_TRUE(pool->report().failed[0].contains("runtime.kind_twice")) << pool->report().failed[0];
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(Pool, verify_accepts_the_outcome_and_no_other) {
  auto pool = started();
  ASSERT_TRUE(pool);
  const auto q = request("hello");
  auto outcome = run(*pool, q);
  ASSERT_TRUE(outcome.has_value());
  RunControl control;
  EXPECT_TRUE(pool->verify(q, *outcome, 0, control).has_value());
  outcome->outputs[0][0] ^= 1;
  EXPECT_EQ(pool->verify(q, *outcome, 0, control).error().id(), "runtime.mismatch");
}

TEST(Pool, many_callers_share_few_workers) {
  auto o = options();
  o.running_max = 3;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int i = 0; i < 12; ++i)
    callers.emplace_back([&, i] {
      for (int n = 0; n < 4; ++n) {
        const auto word = text("{} {}", i, n);
        const auto outcome = run(*pool, request(word));
        if (outcome && as_text(outcome->outputs[0]) == word) ++good;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(good, 48);
}

TEST(Pool, a_full_queue_is_refused) {
  auto o = options();
  o.running_max = 1;
  o.waiting_max = 1;
  auto pool = started(o);
  ASSERT_TRUE(pool);
  RunControl stop;
  const auto spin = [&] {
    const auto outcome = pool->run(request("spin"), 0, stop);
    EXPECT_TRUE(outcome && outcome->status == RunStatus::kCancelled);
  };
  std::thread first(spin);
  while (pool->counters().running != 1) std::this_thread::yield();
  std::thread second(spin);
  while (pool->counters().waiting != 1) std::this_thread::yield();
  EXPECT_EQ(run(*pool, request("hello")).error().id(), "runtime.busy");
  stop.request_stop();
  first.join();
  second.join();
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(Pool, a_request_one_byte_over_the_limit_is_refused) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto q = request("hello");
  q.inputs.emplace_back(kRequestSizeMax);
  EXPECT_EQ(run(*pool, q).error().id(), "runtime.request_too_large");
}

TEST(Pool, megabytes_pass_through) {
  auto pool = started();
  ASSERT_TRUE(pool);
  auto q = request("big");
  q.inputs.emplace_back(20u << 20, std::uint8_t{7});
  q.limits.out_bytes = 21u << 20;
  const auto outcome = run(*pool, q);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().str();
  EXPECT_EQ(outcome->outputs[1], q.inputs[1]);
}

TEST(Pool, start_says_why_it_cannot) {
  auto o = options();
  o.worker_path = "/nonexistent/hanse-worker";
  EXPECT_EQ(Pool::start(o).error().id(), "runtime.zygote");
  o.worker_path = "/bin/false";
  EXPECT_EQ(Pool::start(o).error().id(), "runtime.zygote");
}

TEST(Pool, a_killed_zygote_is_replaced) {
  auto pool = started();
  ASSERT_TRUE(pool);
  const int first = pool->report().zygote_pid;
  ASSERT_GT(first, 0);
  kill(first, SIGKILL);
  while (pool->report().zygote_pid == first) std::this_thread::yield();
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
  EXPECT_EQ(pool->counters().zygotes, 2u);
}

// Every process whose parent is `pid`.
std::vector<int> children_of(int pid) {
  std::ifstream children(text("/proc/{}/task/{}/children", pid, pid));
  std::vector<int> out;
  for (int child = 0; children >> child;) out.push_back(child);
  return out;
}

TEST(Pool, a_warm_worker_that_dies_is_replaced_unseen) {
  auto pool = started();
  ASSERT_TRUE(pool);
  while (pool->warm_now() < 2) std::this_thread::yield();
  const auto idle = children_of(pool->report().zygote_pid);
  if (idle.empty()) {
    std::printf("skipped: this kernel does not list children\n");
    return;
  }
  for (const int worker : idle) kill(worker, SIGKILL);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(Pool, ends_its_processes_when_it_ends) {
  auto pool = started();
  ASSERT_TRUE(pool);
  while (pool->warm_now() < 2) std::this_thread::yield();
  const int zygote = pool->report().zygote_pid;
  auto processes = children_of(zygote);
  processes.push_back(zygote);
  pool.reset();
  for (const int pid : processes) EXPECT_NE(kill(pid, 0), 0) << pid;
}

TEST(Pool, its_control_group_is_kept_by_the_kernel_or_refused) {
  auto o = options();
  o.group = text("hanse-test-{}/workers", getpid());
  o.group_memory_bytes = 256u << 20;
  o.memory_overhead_bytes = 2ull << 30;  // more than the group has, so that the group is what stops it
  auto pool = Pool::start(o);
  if (!pool) {
    EXPECT_EQ(pool.error().id(), "governor.not_enforceable");
    std::printf("skipped: %s\n", pool.error().str().c_str());
    return;
  }
  EXPECT_EQ((*pool)->report().enforced.size(), 2u);
  const auto outcome = run(**pool, request("allocate 536870912"));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().id(), "runtime.worker_crashed");
  EXPECT_TRUE(outcome.error().message().contains("signal 9")) << outcome.error().str();
  EXPECT_TRUE(run(**pool, request("hello")).has_value());
}

TEST(Pool, reports_plugins_that_did_not_load) {
  auto o = options();
  o.plugins.push_back("/nonexistent/plugin.so");
  auto pool = started(o);
  ASSERT_TRUE(pool);
  ASSERT_EQ(pool->report().failed.size(), 1u);
  EXPECT_TRUE(pool->report().failed[0].contains("plugin.open"));
  EXPECT_TRUE(run(*pool, request("hello")).has_value());
}

TEST(PreparedStore, lets_the_least_used_go_and_refuses_what_never_fits) {
  PreparedStore store(3 * (1000 + 256));
  const auto key = [](std::uint8_t n) {
    Hash32 h;
    h.data.fill(n);
    return h;
  };
  for (std::uint8_t n = 1; n <= 3; ++n) store.put(key(n), Bytes(1000, n));
  EXPECT_EQ(store.bytes(), 3u * 1256u);
  EXPECT_TRUE(store.find(key(1)));
  store.put(key(4), Bytes(1000, 4));
  EXPECT_FALSE(store.find(key(2)));
  EXPECT_TRUE(store.find(key(1)));
  store.put(key(5), Bytes(3 * 1256, 5));
  EXPECT_FALSE(store.find(key(5)));
  EXPECT_EQ(store.bytes(), 3u * 1256u);
}

TEST(Ring, keeps_the_last_words) {
  Ring ring;
  for (int i = 0; i < 10; ++i) ring.add(std::string(kLastWordsMax / 2, static_cast<char>('a' + i)));
  EXPECT_EQ(ring.tail(~std::size_t{0}).size(), kLastWordsMax);
  EXPECT_EQ(ring.tail(2), "jj");
  ring.add(std::string(3 * kLastWordsMax, 'z'));
  EXPECT_EQ(ring.tail(kLastWordsMax), std::string(kLastWordsMax, 'z'));
}

}  // namespace
}  // namespace hanse::runtime
