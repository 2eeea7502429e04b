#include "base/governor/governor.h"

#include <algorithm>

#include <unistd.h>

#include "base/core/text.h"

namespace hanse::governor {

namespace {

class KernelRandom final : public Random {
 public:
  void fill(ByteSpan out) override { system_random().fill(out); }
};

std::unexpected<Error> bad_config(std::string_view what) { return fail(Kind::kInvalid, "governor.bad_config", what); }

Status check_config(const Config& config) {
  if (config.concurrent_max == 0) return bad_config("found concurrent_max 0, expected at least 1");
  if (config.cpu_cap_percent && (*config.cpu_cap_percent == 0 || *config.cpu_cap_percent > 100))
    return bad_config(text("found cpu_cap_percent {}, expected 1 to 100", *config.cpu_cap_percent));
  if (config.ram_cap_bytes && *config.ram_cap_bytes < 4096)
    return bad_config(text("found ram_cap_bytes {}, expected at least 4096", *config.ram_cap_bytes));
  if (config.io_ops_per_s && (*config.io_ops_per_s == 0 || *config.io_ops_per_s > kRateMax))
    return bad_config(text("found io_ops_per_s {}, expected 1 to {}", *config.io_ops_per_s, kRateMax));
  if (config.sandbox && !config.cpu_cap_percent && !config.ram_cap_bytes)
    return bad_config("found sandbox mode without a cpu or memory cap, expected one to enforce");
  return {};
}

std::unexpected<Error> not_enforceable(const Error& why) {
  return fail(Kind::kUnsupported, "governor.not_enforceable", text("sandbox mode cannot be kept: {}", why.str()));
}

}  // namespace

Config Config::testing() {
  return {.cpu_cap_percent = 50,
          .ram_cap_bytes = 512ull << 20,
          .io_ops_per_s = 100,
          .deterministic = true,
          .seed = 42,
          .sandbox = true,
          .concurrent_max = 10,
          .waiting_max = 100'000,
          .group = "hanse"};
}

Config Config::production() {
  return {.cpu_cap_percent = 80,
          .ram_cap_bytes = 4ull << 30,
          .io_ops_per_s = 10'000,
          .deterministic = false,
          .seed = 42,
          .sandbox = false,
          .concurrent_max = 1000,
          .waiting_max = 100'000,
          .group = "hanse"};
}

Governor::Governor(const Config& config, Clock& clock)
    : config_(config),
      permits_(config.concurrent_max, config.waiting_max, clock),
      memory_(config.ram_cap_bytes.value_or(UINT64_MAX)) {
  // A tenth of a second's worth at once, so that a second never holds twice its share.
  if (config.io_ops_per_s)
    io_.emplace(Rate{.per_s = *config.io_ops_per_s, .burst = std::max<std::uint64_t>(1, *config.io_ops_per_s / 10)},
                clock);
}

Result<std::unique_ptr<Governor>> Governor::open(const Config& config, Clock& clock) {
  if (!config.sandbox) return open(config, clock, CgroupLayout{});
  auto layout = read_layout();
  if (!layout) return not_enforceable(layout.error());
  return open(config, clock, *layout);
}

Result<std::unique_ptr<Governor>> Governor::open(const Config& config, Clock& clock, const CgroupLayout& layout) {
  TRY_OK(check_config(config));
  std::unique_ptr<Governor> governor(new Governor(config, clock));
  if (!config.sandbox) return governor;
  auto group = Cgroup::create(layout, config.group);
  if (!group) return not_enforceable(group.error());
  CgroupLimits limits{.cpu_percent = {},
                      .cpu_weight = {},
                      .memory_max = config.ram_cap_bytes,
                      .memory_high = {},
                      .pids_max = {},
                      .io = {}};
  const auto processors = static_cast<std::uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  if (config.cpu_cap_percent) limits.cpu_percent = *config.cpu_cap_percent * processors;
  auto reports = group->apply(limits);
  if (!reports) return not_enforceable(reports.error());
  for (const auto& report : *reports)
    if (report.state != FieldState::kApplied)
      return fail(
          Kind::kUnsupported, "governor.not_enforceable",
          text("sandbox mode cannot be kept: {} is {}: {}", report.field, field_state_name(report.state), report.note));
  governor->enforced_ = std::move(*reports);
  governor->group_.emplace(std::move(*group));
  return governor;
}

Result<Permit> Governor::acquire(const AcquireOptions& options) {
  total_.fetch_add(1, std::memory_order_relaxed);
  if (auto permit = permits_.try_acquire()) return permit;
  throttled_.fetch_add(1, std::memory_order_relaxed);
  return permits_.acquire(options);
}

Permit Governor::try_acquire() {
  total_.fetch_add(1, std::memory_order_relaxed);
  auto permit = permits_.try_acquire();
  if (!permit) throttled_.fetch_add(1, std::memory_order_relaxed);
  return permit;
}

std::int64_t Governor::throttle_io(std::uint64_t operations) {
  const auto wait_ns = io_ ? io_->take(operations) : 0;
  if (wait_ns != 0) throttled_.fetch_add(1, std::memory_order_relaxed);
  return wait_ns;
}

Status Governor::charge_memory(std::uint64_t bytes) { return memory_.charge(bytes); }
void Governor::release_memory(std::uint64_t bytes) { memory_.release(bytes); }
void Governor::pause() { permits_.pause(); }
void Governor::resume() { permits_.resume(); }

std::unique_ptr<Random> Governor::random(std::string_view label) const {
  if (config_.deterministic) return std::make_unique<SeededRandom>(config_.seed, label);
  return std::make_unique<KernelRandom>();
}

Status Governor::confine(int pid) {
  if (!group_) return fail(Kind::kConflict, "governor.not_sandboxed", "found sandbox mode off, expected it on");
  return group_->add(pid);
}

Statistics Governor::statistics() const {
  Statistics s{.total = total_,
               .throttled = throttled_,
               .ram_bytes = memory_.used(),
               .ram_peak_bytes = memory_.peak(),
               .ram_underflows = memory_.underflows(),
               .cpu_ns = 0,
               .in_use = permits_.in_use(),
               .waiting = permits_.waiting(),
               .paused = permits_.paused()};
  if (!group_) return s;
  if (const auto usage = group_->usage()) {
    s.cpu_ns = usage->cpu_ns;
    s.ram_bytes = usage->memory_bytes;
  }
  return s;
}

void Governor::reset_statistics() {
  total_ = 0;
  throttled_ = 0;
}

}  // namespace hanse::governor
