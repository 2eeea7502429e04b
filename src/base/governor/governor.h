// The budget of a program or of a tenant: how many operations run at once, how often they touch storage, how much
// memory they hold, and, in sandbox mode, limits that the kernel enforces.
//
// Presets (systems-engines.md 1A):   cpu      memory   io per s  at once  deterministic  sandbox
//   testing()                        50 %     512 MiB  100       10       on             on
//   production()                     80 %     4 GiB    10,000    1000     off            off
// cpu_cap_percent is of the whole machine, 1 to 100.
//
// Deterministic mode: random(label) gives Philox streams named by (seed, label), so two callers never share one and the
// order in which they ask does not matter. Otherwise random() is the kernel's generator.
// Sandbox mode: open() makes a control group with the cpu and memory caps, reads them back, and refuses with
// governor.not_enforceable when the machine cannot; confine() moves processes into it. Without sandbox mode the caps
// are kept by this object's accounting only.
//
// Errors: governor.bad_config (invalid), governor.not_enforceable (unsupported), governor.not_sandboxed (conflict),
// governor.memory (exhausted), and those of permits.h and cgroup.h.
// Threads: any.
#pragma once

#include <memory>
#include <optional>

#include "base/core/random.h"
#include "base/governor/cgroup.h"
#include "base/governor/gcra.h"
#include "base/governor/memory.h"
#include "base/governor/permits.h"

namespace hanse::governor {

struct Config {
  std::optional<std::uint32_t> cpu_cap_percent;
  std::optional<std::uint64_t> ram_cap_bytes;
  std::optional<std::uint64_t> io_ops_per_s;
  bool deterministic = false;
  std::uint64_t seed = 42;
  bool sandbox = false;
  std::uint32_t concurrent_max = 1000;
  std::uint32_t waiting_max = 100'000;
  std::string group = "hanse";  // path of the control group in sandbox mode

  static Config testing();
  static Config production();
};

struct Statistics {
  std::uint64_t total = 0, throttled = 0;  // permits asked for; permits or I/O that were refused or had to wait
  std::uint64_t ram_bytes = 0, ram_peak_bytes = 0, ram_underflows = 0;
  std::uint64_t cpu_ns = 0;  // of the control group, in sandbox mode
  std::uint32_t in_use = 0, waiting = 0;
  bool paused = false;
};

class Governor {
 public:
  static Result<std::unique_ptr<Governor>> open(const Config& config, Clock& clock = system_clock());
  // With hierarchies found by the caller, e.g. delegated ones.
  static Result<std::unique_ptr<Governor>> open(const Config& config, Clock& clock, const CgroupLayout& layout);

  Result<Permit> acquire(const AcquireOptions& options = {});
  Permit try_acquire();

  // 0 when `operations` may go now, else how many ns to wait before asking again; kNever when they never can.
  std::int64_t throttle_io(std::uint64_t operations = 1);

  Status charge_memory(std::uint64_t bytes);
  void release_memory(std::uint64_t bytes);

  void pause();  // nobody gets a permit until resume
  void resume();

  std::unique_ptr<Random> random(std::string_view label) const;

  // Sandbox mode only: puts a process under the caps.
  Status confine(int pid);
  const std::vector<FieldReport>& enforced() const { return enforced_; }

  Permits& permits() { return permits_; }
  Statistics statistics() const;
  void reset_statistics();

 private:
  Governor(const Config& config, Clock& clock);

  Config config_;
  Permits permits_;
  std::optional<Gcra> io_;
  MemoryAccount memory_;
  std::optional<Cgroup> group_;
  std::vector<FieldReport> enforced_;
  std::atomic<std::uint64_t> total_{0}, throttled_{0};
};

}  // namespace hanse::governor
