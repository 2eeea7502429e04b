#include <atomic>
#include <future>
#include <latch>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/core/random.h"
#include "base/exec/backoff.h"
#include "base/exec/loop.h"
#include "base/exec/thread_pool.h"

#include <gtest/gtest.h>

namespace hanse::exec {
namespace {

std::unique_ptr<Loop> make_loop(Clock& clock) {
  auto loop = Loop::create(clock);
  EXPECT_TRUE(loop) << loop.error().str();
  return std::move(*loop);
}

TEST(Loop, runs_posted_tasks_in_order_and_stops_after_them) {
  auto loop = make_loop(system_clock());
  std::vector<int> seen;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(loop->post([&seen, i] { seen.push_back(i); }));
  loop->stop();
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
  const Status late = loop->post([] {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id(), "exec.stopped");
}

TEST(Loop, wakes_for_a_task_posted_from_another_thread) {
  auto loop = make_loop(system_clock());
  std::atomic<bool> ran = false;
  std::thread other([&] {
    ASSERT_TRUE(loop->post([&] {
      ran = true;
      loop->stop();
    }));
  });
  ASSERT_TRUE(loop->run());
  other.join();
  EXPECT_TRUE(ran);
}

TEST(Loop, fires_timers_by_instant_then_by_order_and_never_early) {
  ManualClock clock;
  auto loop = make_loop(clock);
  std::vector<int> seen;
  ASSERT_TRUE(loop->after(20, [&] { seen.push_back(2); }));
  ASSERT_TRUE(loop->after(10, [&] { seen.push_back(0); }));
  ASSERT_TRUE(loop->after(10, [&] { seen.push_back(1); }));
  const auto cancelled = loop->after(10, [&] { seen.push_back(99); });
  ASSERT_TRUE(cancelled);
  EXPECT_TRUE(loop->cancel(*cancelled));
  EXPECT_FALSE(loop->cancel(*cancelled));
  clock.advance_ns(9);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_TRUE(seen.empty());
  clock.advance_ns(1);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(seen, (std::vector<int>{0, 1}));
  clock.advance_ns(10);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
}

TEST(Loop, does_not_starve_others_for_a_timer_that_sets_itself_again) {
  ManualClock clock;
  auto loop = make_loop(clock);
  int fired = 0;
  std::function<void()> again = [&] {
    ++fired;
    ASSERT_TRUE(loop->after(0, [&] { again(); }));
  };
  ASSERT_TRUE(loop->after(0, [&] { again(); }));
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(fired, 1);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(fired, 2);
}

TEST(Loop, waits_out_a_timer_on_the_real_clock) {
  auto loop = make_loop(system_clock());
  const std::int64_t start = system_clock().mono_ns();
  ASSERT_TRUE(loop->after(3'000'000, [&] { loop->stop(); }));
  ASSERT_TRUE(loop->run());
  EXPECT_GE(system_clock().mono_ns() - start, 3'000'000);
}

TEST(Loop, tells_of_bytes_and_of_the_end_of_a_descriptor) {
  auto loop = make_loop(system_clock());
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  int reads = 0;
  bool closed = false;
  ASSERT_TRUE(loop->watch(pair[0], {}, [&](Ready r) {
    char buf[8];
    if (r.closed) {
      closed = true;
      loop->unwatch(pair[0]);
    } else if (r.readable && ::read(pair[0], buf, sizeof buf) > 0) {
      ++reads;
    }
  }));
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(reads, 0);
  ASSERT_EQ(::write(pair[1], "a", 1), 1);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_EQ(reads, 1);
  ::close(pair[1]);
  ASSERT_TRUE(loop->run_ready());
  EXPECT_TRUE(closed);
  ::close(pair[0]);
  const Status bad = loop->watch(-1, {}, [](Ready) {});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "exec.system");
}

TEST(Loop, refuses_one_past_each_limit) {
  auto loop = make_loop(system_clock());
  for (std::size_t i = 0; i < kPostedMax; ++i) ASSERT_TRUE(loop->post([] {}));
  const Status full = loop->post([] {});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().id(), "exec.full");
  EXPECT_EQ(full.error().kind(), Kind::kExhausted);
  for (std::size_t i = 0; i < kTimersMax; ++i) ASSERT_TRUE(loop->after(1'000'000'000, [] {}));
  const auto timer = loop->after(1, [] {});
  ASSERT_FALSE(timer);
  EXPECT_EQ(timer.error().id(), "exec.full");

  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  std::vector<int> copies;
  for (std::size_t i = 0; i <= kWatchesMax; ++i) copies.push_back(::dup(pair[0]));
  for (std::size_t i = 0; i < kWatchesMax; ++i) ASSERT_TRUE(loop->watch(copies[i], {}, [](Ready) {}));
  const Status watch = loop->watch(copies[kWatchesMax], {}, [](Ready) {});
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().id(), "exec.full");
  EXPECT_TRUE(loop->watch(copies[0], {.read = false, .write = true}, [](Ready) {}));  // a change is not one more
  for (const int fd : copies) {
    loop->unwatch(fd);
    ::close(fd);
  }
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST(ThreadPool, runs_everything_before_it_is_drained) {
  auto pool = ThreadPool::create({.threads = 4, .queue_max = 1000});
  ASSERT_TRUE(pool);
  std::atomic<int> sum = 0;
  for (int i = 1; i <= 1000; ++i)
    while (!(*pool)->post([&sum, i] { sum += i; })) std::this_thread::yield();
  (*pool)->drain();
  EXPECT_EQ(sum, 500500);
  const Status late = (*pool)->post([] {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id(), "exec.stopped");
}

TEST(ThreadPool, refuses_one_past_its_queue) {
  auto pool = ThreadPool::create({.threads = 1, .queue_max = 2});
  ASSERT_TRUE(pool);
  std::latch started(1), release(1);
  ASSERT_TRUE((*pool)->post([&] {
    started.count_down();
    release.wait();
  }));
  started.wait();
  ASSERT_TRUE((*pool)->post([] {}));
  ASSERT_TRUE((*pool)->post([] {}));
  EXPECT_EQ((*pool)->waiting(), 2u);
  const Status full = (*pool)->post([] {});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().id(), "exec.full");
  release.count_down();
}

TEST(ThreadPool, refuses_sizes_it_cannot_have) {
  EXPECT_TRUE(ThreadPool::create({.threads = 1, .queue_max = 1}));
  for (const PoolSize bad : {PoolSize{.threads = 0}, PoolSize{.threads = kThreadsMax + 1}, PoolSize{.queue_max = 0}}) {
    const auto pool = ThreadPool::create(bad);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.error().id(), "exec.bad_size");
  }
}

TEST(Backoff, stays_between_one_and_a_ceiling_that_doubles_to_its_limit) {
  SeededRandom random(7, "backoff");
  Backoff backoff(random, {.first_ms = 10, .most_ms = 35});
  for (const std::int64_t ceiling : {10, 20, 35, 35, 35}) {
    const auto wait = backoff.next_ms();
    EXPECT_GE(wait, 1);
    EXPECT_LE(wait, ceiling);
  }
  backoff.reset();
  for (int i = 0; i < 50; ++i) {
    EXPECT_LE(backoff.next_ms(), 10);
    backoff.reset();
  }
}

TEST(Backoff, differs_between_callers) {
  SeededRandom a(1, "a"), b(1, "b");
  Backoff x(a, {.first_ms = 100'000}), y(b, {.first_ms = 100'000});
  EXPECT_NE(x.next_ms(), y.next_ms());
}

}  // namespace
}  // namespace hanse::exec
