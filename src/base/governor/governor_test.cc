#include "base/governor/governor.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/governor/psi.h"

namespace hanse::governor {
namespace {

TEST(Gcra, admits_the_burst_then_the_rate) {
  ManualClock clock;
  Gcra limit({.per_s = 100, .burst = 5}, clock);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.take(), 0) << i;
  EXPECT_EQ(limit.take(), 10'000'000);
  clock.advance_ns(9'999'999);
  EXPECT_EQ(limit.take(), 1);
  clock.advance_ns(1);
  EXPECT_EQ(limit.take(), 0);
  EXPECT_GT(limit.take(), 0);
}

TEST(Gcra, cost_counts_and_more_than_the_burst_never_fits) {
  ManualClock clock;
  Gcra limit({.per_s = 10, .burst = 10}, clock);
  EXPECT_EQ(limit.take(10), 0);
  EXPECT_EQ(limit.take(10), 1'000'000'000);
  EXPECT_EQ(limit.take(11), Gcra::kNever);
}

TEST(Gcra, a_refund_makes_room_but_no_more_than_was_taken) {
  ManualClock clock;
  Gcra limit({.per_s = 10, .burst = 3}, clock);
  EXPECT_EQ(limit.take(3), 0);
  limit.refund(2);
  EXPECT_EQ(limit.take(2), 0);
  EXPECT_GT(limit.take(1), 0);
  limit.refund(100);
  EXPECT_EQ(limit.take(3), 0);
  EXPECT_GT(limit.take(1), 0);
}

TEST(Gcra, sixty_four_threads_are_admitted_exactly) {
  ManualClock clock;
  constexpr std::uint64_t kRate = 1000, kBurst = 500;
  constexpr int kThreads = 64, kRounds = 10;
  Gcra limit({.per_s = kRate, .burst = kBurst}, clock);
  std::atomic<std::uint64_t> admitted{0};
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i)
          if (limit.take() == 0) admitted.fetch_add(1, std::memory_order_relaxed);
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(admitted, kBurst + static_cast<std::uint64_t>(round) * kRate / 10);
    clock.advance_ns(100'000'000);
  }
}

TEST(Gcra, ten_seconds_stay_within_half_a_percent_of_odd_rates) {
  for (const std::uint64_t rate : {3ull, 7'000ull, 123'457ull}) {
    ManualClock clock;
    Gcra limit({.per_s = rate, .burst = 1}, clock);
    std::uint64_t admitted = 0;
    const auto end_ns = 10'000'000'000;
    while (clock.mono_ns() < end_ns) {
      const auto wait_ns = limit.take();
      if (wait_ns == 0)
        ++admitted;
      else
        clock.advance_ns(wait_ns);
    }
    const auto expected = static_cast<double>(rate) * 10;
    EXPECT_NEAR(static_cast<double>(admitted), expected, std::max(1.0, expected * 0.005)) << rate;
  }
}

TEST(Bucket, a_refusal_above_gives_back_what_was_taken_below) {
  ManualClock clock;
  Bucket tenant({.per_s = 1, .burst = 2}, clock);
  Bucket job({.per_s = 1, .burst = 10}, clock, &tenant);
  Bucket operation({.per_s = 1, .burst = 10}, clock, &job);
  EXPECT_EQ(operation.take(), 0);
  EXPECT_EQ(operation.take(), 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(operation.take(), 1'000'000'000);
  // Had the refusals cost the lower limits anything, ten per burst would be gone by now.
  clock.advance_ns(2'000'000'000);
  EXPECT_EQ(operation.take(), 0);
  EXPECT_EQ(operation.take(), 0);
  operation.refund();
  EXPECT_EQ(operation.take(), 0);
}

TEST(Permits, hands_out_the_limit_and_takes_back) {
  Permits permits(2, 0);
  auto a = permits.try_acquire();
  auto b = permits.try_acquire();
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(permits.try_acquire());
  EXPECT_EQ(permits.acquire().error().id(), "governor.busy");
  a.release();
  a.release();  // once is enough
  EXPECT_EQ(permits.in_use(), 1u);
  EXPECT_TRUE(permits.acquire().has_value());
  b = Permit();
  EXPECT_EQ(permits.in_use(), 0u);
}

TEST(Permits, waiters_are_served_in_order_of_arrival) {
  Permits permits(1, 16);
  auto held = permits.try_acquire();
  std::vector<int> order;
  std::mutex mutex;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i) {
    waiters.emplace_back([&, i] {
      const auto permit = permits.acquire();
      const std::lock_guard lock(mutex);
      order.push_back(i);
    });
    while (permits.waiting() != static_cast<std::uint32_t>(i + 1)) std::this_thread::yield();
  }
  EXPECT_FALSE(permits.try_acquire());
  held.release();
  for (auto& w : waiters) w.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Permits, a_waiter_can_be_cancelled_and_leaves_no_trace) {
  Permits permits(1, 16);
  auto held = permits.try_acquire();
  std::atomic<bool> cancelled{false};
  std::thread waiter([&] {
    EXPECT_EQ(permits.acquire({.deadline_ns = 0, .cancelled = &cancelled}).error().id(), "governor.cancelled");
  });
  while (permits.waiting() != 1) std::this_thread::yield();
  cancelled = true;
  waiter.join();
  EXPECT_EQ(permits.waiting(), 0u);
  held.release();
  EXPECT_TRUE(permits.try_acquire());
}

TEST(Permits, a_deadline_ends_the_wait) {
  ManualClock clock;
  Permits permits(0, 16, clock);
  clock.advance_ns(10);
  EXPECT_EQ(permits.acquire({.deadline_ns = 9, .cancelled = nullptr}).error().id(), "governor.timeout");
}

TEST(Permits, pause_holds_everyone_and_a_new_limit_lets_in) {
  Permits permits(2, 16);
  permits.pause();
  EXPECT_TRUE(permits.paused());
  EXPECT_FALSE(permits.try_acquire());
  std::atomic<int> in{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i)
    waiters.emplace_back([&] {
      auto permit = permits.acquire();
      ++in;
      while (in < 4) std::this_thread::yield();
    });
  while (permits.waiting() != 4) std::this_thread::yield();
  EXPECT_EQ(in, 0);
  permits.resume();
  while (in != 2) std::this_thread::yield();
  EXPECT_EQ(permits.waiting(), 2u);
  permits.set_limit(4);
  for (auto& w : waiters) w.join();
  EXPECT_EQ(in, 4);
  EXPECT_EQ(permits.in_use(), 0u);
}

TEST(Permits, many_threads_never_exceed_the_limit) {
  Permits permits(3, 1000);
  std::atomic<int> inside{0}, worst{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto permit = permits.acquire();
        const int now = ++inside;
        int seen = worst;
        while (seen < now && !worst.compare_exchange_weak(seen, now)) {
        }
        --inside;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_LE(worst, 3);
  EXPECT_EQ(permits.in_use(), 0u);
}

TEST(MemoryAccount, holds_its_limit_and_never_goes_below_zero) {
  MemoryAccount account(100);
  EXPECT_TRUE(account.charge(60).has_value());
  EXPECT_TRUE(account.charge(40).has_value());
  EXPECT_EQ(account.charge(1).error().id(), "governor.memory");
  EXPECT_EQ(account.charge(UINT64_MAX).error().id(), "governor.memory");
  account.release(100);
  account.release(1);
  EXPECT_EQ(account.used(), 0u);
  EXPECT_EQ(account.underflows(), 1u);
  EXPECT_EQ(account.peak(), 100u);
}

TEST(Governor, presets_are_those_of_the_design) {
  const auto t = Config::testing();
  EXPECT_EQ(t.cpu_cap_percent, 50u);
  EXPECT_EQ(t.ram_cap_bytes, 512ull << 20);
  EXPECT_EQ(t.io_ops_per_s, 100u);
  EXPECT_EQ(t.concurrent_max, 10u);
  EXPECT_TRUE(t.deterministic && t.sandbox);
  const auto p = Config::production();
  EXPECT_EQ(p.cpu_cap_percent, 80u);
  EXPECT_EQ(p.ram_cap_bytes, 4ull << 30);
  EXPECT_EQ(p.io_ops_per_s, 10'000u);
  EXPECT_EQ(p.concurrent_max, 1000u);
  EXPECT_FALSE(p.deterministic || p.sandbox);
}

TEST(Governor, refuses_configurations_out_of_range) {
  const auto id = [](auto change) {
    auto config = Config::production();
    change(config);
    const auto opened = Governor::open(config);
    return opened ? std::string("opened") : std::string(opened.error().id());
  };
  EXPECT_EQ(id([](Config&) {}), "opened");
  EXPECT_EQ(id([](Config& c) { c.concurrent_max = 0; }), "governor.bad_config");
  EXPECT_EQ(id([](Config& c) { c.cpu_cap_percent = 0; }), "governor.bad_config");
  EXPECT_EQ(id([](Config& c) { c.cpu_cap_percent = 101; }), "governor.bad_config");
  EXPECT_EQ(id([](Config& c) { c.cpu_cap_percent = 100; }), "opened");
  EXPECT_EQ(id([](Config& c) { c.ram_cap_bytes = 4095; }), "governor.bad_config");
  EXPECT_EQ(id([](Config& c) { c.io_ops_per_s = 0; }), "governor.bad_config");
}

TEST(Governor, limits_what_it_is_asked_for_and_counts_it) {
  ManualClock clock;
  auto config = Config::production();
  config.io_ops_per_s = 100;
  config.concurrent_max = 1;
  config.ram_cap_bytes = 8192;
  auto governor = Governor::open(config, clock);
  ASSERT_TRUE(governor.has_value());
  auto& g = **governor;
  auto permit = g.acquire();
  ASSERT_TRUE(permit.has_value());
  EXPECT_FALSE(g.try_acquire());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(g.throttle_io(), 0);
  EXPECT_EQ(g.throttle_io(), 10'000'000);
  EXPECT_TRUE(g.charge_memory(8192).has_value());
  EXPECT_FALSE(g.charge_memory(1).has_value());
  auto s = g.statistics();
  EXPECT_EQ(s.total, 2u);
  EXPECT_EQ(s.throttled, 2u);
  EXPECT_EQ(s.in_use, 1u);
  EXPECT_EQ(s.ram_bytes, 8192u);
  g.release_memory(8192);
  g.pause();
  EXPECT_TRUE(g.statistics().paused);
  g.resume();
  g.reset_statistics();
  s = g.statistics();
  EXPECT_EQ(s.total + s.throttled, 0u);
  EXPECT_EQ(g.confine(1).error().id(), "governor.not_sandboxed");
}

TEST(Governor, deterministic_mode_gives_each_label_its_own_repeatable_stream) {
  auto config = Config::testing();
  config.sandbox = false;
  const auto a = Governor::open(config), b = Governor::open(config);
  ASSERT_TRUE(a && b);
  const auto first = (*a)->random("x")->next_u64();
  EXPECT_NE((*a)->random("y")->next_u64(), first);
  EXPECT_EQ((*b)->random("x")->next_u64(), first);
  config.deterministic = false;
  const auto c = Governor::open(config);
  EXPECT_NE((*c)->random("x")->next_u64(), (*c)->random("x")->next_u64());
}

TEST(Governor, sandbox_mode_without_the_means_is_refused) {
  auto config = Config::testing();
  EXPECT_EQ(Governor::open(config, system_clock(), CgroupLayout{}).error().id(), "governor.not_enforceable");
  CgroupLayout only_pids;
  only_pids.v1["pids"] = testing::TempDir();
  EXPECT_EQ(Governor::open(config, system_clock(), only_pids).error().id(), "governor.not_enforceable");
}

TEST(Psi, reads_what_the_kernel_writes) {
  const auto p = parse_pressure(
      "some avg10=1.17 avg60=0.85 avg300=100.00 total=12323453\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
  ASSERT_TRUE(p.has_value()) << p.error().str();
  EXPECT_EQ(p->some.avg10, 117u);
  EXPECT_EQ(p->some.avg60, 85u);
  EXPECT_EQ(p->some.avg300, 10'000u);
  EXPECT_EQ(p->some.total_us, 12323453u);
  EXPECT_EQ(p->full.total_us, 7u);
}

TEST(Psi, refuses_other_text) {
  for (const char* text :
       {"", "some avg10=1.1 avg60=0.85 avg300=0.00 total=1\n", "none avg10=1.17", "some avg10=1.17",
        "some avg10=101.00 avg60=0.00 avg300=0.00 total=1", "some avg10=1.00 avg60=0.00 avg300=0.00 total=",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=99999999999999999999999"})
    EXPECT_EQ(parse_pressure(text).error().id(), "governor.psi") << text;
}

TEST(Psi, the_kernel_file_and_a_trigger_work_where_they_exist) {
  const auto p = read_pressure("/proc/pressure/memory");
  if (!p) {
    std::printf("skipped: %s\n", p.error().str().c_str());
    return;
  }
  const auto trigger = PressureTrigger::open({});
  if (!trigger) {
    std::printf("skipped: %s\n", trigger.error().str().c_str());
    return;
  }
  EXPECT_TRUE(trigger->wait(0).has_value());
  EXPECT_EQ(PressureTrigger::open({.path = "/proc/pressure/memory", .full = false, .stall_us = 3'000'000}).error().id(),
            "governor.psi");
  EXPECT_EQ(read_pressure("/nonexistent").error().id(), "governor.psi");
}

TEST(Backoff, shrinks_by_a_third_each_step_refuses_and_comes_back) {
  Backoff backoff({.limit_max = 100, .limit_min = 10});
  constexpr std::int64_t kStep = 2'000'000'000;
  std::int64_t now = 0;
  EXPECT_EQ(backoff.step(1999, now), Backoff::Level::kNormal);
  EXPECT_EQ(backoff.limit(), 100u);
  EXPECT_EQ(backoff.step(2000, now += kStep), Backoff::Level::kShrink);
  EXPECT_EQ(backoff.limit(), 70u);
  backoff.step(2000, now + kStep - 1);  // too early
  EXPECT_EQ(backoff.limit(), 70u);
  for (int i = 0; i < 10; ++i) backoff.step(2000, now += kStep);
  EXPECT_EQ(backoff.limit(), 10u);
  EXPECT_EQ(backoff.step(6000, now += kStep), Backoff::Level::kRefuse);
  EXPECT_EQ(backoff.limit(), 0u);
  EXPECT_EQ(backoff.step(0, now += kStep), Backoff::Level::kNormal);
  EXPECT_EQ(backoff.limit(), 14u);
  for (int i = 0; i < 10; ++i) backoff.step(0, now += kStep);
  EXPECT_EQ(backoff.limit(), 100u);
}

}  // namespace
}  // namespace hanse::governor
