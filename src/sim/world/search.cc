#include "sim/world/search.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/core/text.h"

namespace hanse::sim {

namespace {

constexpr std::size_t kShrinkRunsMax = 400;
constexpr std::int64_t kProgressEveryMs = 2'000;

bool fails_so(const Plan& plan, const Failure& failure) {
  const auto outcome = run_plan(plan);
  return outcome && outcome->failure && outcome->failure->rule == failure.rule;
}

}  // namespace

Plan shrink(const Plan& plan, const Failure& failure) {
  Plan small = plan;
  small.listed = true;
  std::size_t runs = 0;
  // Halves first, then one by one.
  for (std::size_t width = std::max<std::size_t>(small.faults.size() / 2, 1);;
       width = std::max<std::size_t>(width / 2, 1)) {
    bool smaller = false;
    for (std::size_t at = 0; at < small.faults.size() && runs < kShrinkRunsMax;) {
      Plan tried = small;
      const std::size_t end = std::min(at + width, tried.faults.size());
      tried.faults.erase(tried.faults.begin() + static_cast<std::ptrdiff_t>(at),
                         tried.faults.begin() + static_cast<std::ptrdiff_t>(end));
      ++runs;
      if (fails_so(tried, failure)) {
        small = std::move(tried);
        smaller = true;
      } else {
        at += width;
      }
    }
    if (width == 1 && (!smaller || runs >= kShrinkRunsMax)) return small;
  }
}

std::string describe(const Found& found) {
  return text("seed {}: {}: {} (at {} ms)\n  {}\n  as drawn: {}", found.plan.seed, found.failure.rule,
              found.failure.what, found.failed_ms, repro(found.small), repro(found.plan));
}

Result<SearchResult> search(const SearchOptions& options, Clock& clock,
                            const std::function<void(const SearchResult&)>& progress) {
  if (options.threads == 0 || options.threads > kSearchThreadsMax || (options.seeds == 0 && options.time_ms == 0))
    return fail(Kind::kInvalid, "world.plan",
                text("found {} threads, {} seeds, {} ms; expected 1 to {} threads and an end", options.threads,
                     options.seeds, options.time_ms, kSearchThreadsMax));
  TRY(const Plan first, make_plan({.seed = options.first_seed,
                                   .n = options.n,
                                   .slots = options.slots,
                                   .faults = {},
                                   .real_crypto = options.real_crypto}));
  SearchResult result;
  std::mutex mutex;
  std::atomic<std::uint64_t> next = options.first_seed;
  std::atomic<bool> stop = false;
  const std::int64_t began = clock.mono_ns() / 1'000'000;
  std::int64_t told = began;
  const auto work = [&] {
    for (;;) {
      const std::uint64_t seed = next.fetch_add(1);
      if (stop || (options.seeds != 0 && seed >= options.first_seed + options.seeds)) return;
      if (options.time_ms != 0 && clock.mono_ns() / 1'000'000 - began >= options.time_ms) return;
      const auto plan = make_plan(
          {.seed = seed, .n = options.n, .slots = options.slots, .faults = {}, .real_crypto = options.real_crypto});
      const auto outcome = run_plan(*plan);
      std::optional<Found> found;
      if (outcome->failure) {
        found = Found{.plan = *plan, .small = *plan, .failure = *outcome->failure, .failed_ms = outcome->failed_ms};
        if (options.shrinks) {
          found->small = shrink(*plan, *outcome->failure);
          if (const auto again = run_plan(found->small); again && again->failure) {
            found->failure = *again->failure;
            found->failed_ms = again->failed_ms;
          }
        }
      }
      const std::scoped_lock lock(mutex);
      ++result.seeds;
      result.events += outcome->events;
      result.checks += outcome->checks;
      result.slots += outcome->slots;
      result.operations += outcome->operations;
      for (std::size_t i = 0; i < kSeenCount; ++i) result.seen[i] += outcome->seen[i];
      result.time_ms = clock.mono_ns() / 1'000'000 - began;
      if (found) result.found.push_back(std::move(*found));
      if (result.found.size() >= options.failures_max) stop = true;
      if (progress && began + result.time_ms >= told + kProgressEveryMs) {
        told = began + result.time_ms;
        progress(result);
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < options.threads; ++i) threads.emplace_back(work);
  work();
  threads.clear();
  std::ranges::sort(result.found, {}, [](const Found& f) { return f.plan.seed; });
  result.time_ms = clock.mono_ns() / 1'000'000 - began;
  return result;
}

}  // namespace hanse::sim
