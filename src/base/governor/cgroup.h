// Control groups: limits that the kernel enforces, on v2, v1 and hybrid machines alike.
//
// CgroupLayout says which hierarchy has which controller (from mountinfo and cgroup.controllers, read once). Cgroup is
// one group: the same relative path made in every hierarchy it needs. apply() writes each wanted field, reads it back,
// and says for each what came of it; when one cannot be written, all written before are put back to their prior bytes.
//
//   field         v2                      v1                                             note
//   cpu_percent   cpu.max                 cpu.cfs_quota_us, cpu.cfs_period_us            period 100 ms, quota >= 1 ms
//   cpu_weight    cpu.weight 1-10000      cpu.shares = weight * 1024 / 100, at least 2
//   memory_max    memory.max              memory.limit_in_bytes                          rounded down to pages
//   memory_high   memory.high             none: kEmulated, the owner watches pressure and pauses the group
//   pids_max      pids.max                pids.max
//   io            io.max                  blkio.throttle.*                               v1: direct I/O only
//   freeze, kill, pressure: always through the v2 mount (a v1 FROZEN task cannot be killed); kUnsupported without one
//
// Errors: governor.no_cgroup (unsupported: no usable hierarchy, or not writable), governor.cgroup (internal: a write or
// a step failed, with file and errno), governor.bad_limit (invalid), governor.bad_mountinfo (corrupt).
// Threads: one at a time per object.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace hanse::governor {

enum class CgroupMode : std::uint8_t { kNone, kV1, kV2, kHybrid };
std::string_view mode_name(CgroupMode mode);

struct CgroupLayout {
  std::string unified;                                 // mount point of v2, "" = none
  std::vector<std::string> unified_controllers;        // those v2 has to give
  std::map<std::string, std::string, std::less<>> v1;  // controller -> mount point

  CgroupMode mode() const;
  bool on_v1(std::string_view controller) const { return v1.contains(controller); }
  bool on_v2(std::string_view controller) const;
};

constexpr std::size_t kMountinfoSizeMax = 1 << 20;

// Pure: the text of /proc/self/mountinfo and of the v2 root's cgroup.controllers.
Result<CgroupLayout> parse_layout(std::string_view mountinfo, std::string_view controllers);
Result<CgroupLayout> read_layout();

struct IoLimit {
  std::uint32_t major = 0, minor = 0;                                        // the block device
  std::uint64_t read_bps = 0, write_bps = 0, read_iops = 0, write_iops = 0;  // 0 = no limit
};

struct CgroupLimits {
  std::optional<std::uint32_t> cpu_percent;              // of one processor; 250 = two and a half
  std::optional<std::uint32_t> cpu_weight;               // 1 to 10000, 100 = usual
  std::optional<std::uint64_t> memory_max, memory_high;  // bytes
  std::optional<std::uint32_t> pids_max;
  std::optional<IoLimit> io;
};

enum class FieldState : std::uint8_t { kApplied, kEmulated, kUnsupported };
std::string_view field_state_name(FieldState state);
struct FieldReport {
  std::string field;  // name in CgroupLimits
  FieldState state = FieldState::kUnsupported;
  std::string read_back;  // what the kernel says the value is
  std::string note;       // "", or what to know about it
};

struct CgroupUsage {
  std::uint64_t cpu_ns = 0, memory_bytes = 0, pids = 0;
};

class Cgroup {
 public:
  // `path` is relative, e.g. "hanse/worker-7": [A-Za-z0-9._-] and single slashes. Groups above it are made too.
  static Result<Cgroup> create(const CgroupLayout& layout, std::string_view path);
  Cgroup(Cgroup&& other) noexcept;
  Cgroup& operator=(Cgroup&&) = delete;
  ~Cgroup();  // removes what create made, where no process is left

  Result<std::vector<FieldReport>> apply(const CgroupLimits& limits);
  Status add(int pid);                // into every hierarchy of the group
  Result<CgroupUsage> usage() const;  // zero where the controller is missing
  Result<std::vector<int>> processes() const;

  Status freeze();  // waits until the kernel says it is so
  Status thaw();
  Status kill();                                               // every process of the group
  std::string pressure_path(std::string_view resource) const;  // "" without v2

  const std::vector<std::string>& folders() const { return folders_; }

 private:
  struct Write {
    std::string field, path, value;
  };
  Cgroup() = default;
  std::string folder_of(std::string_view controller) const;  // "" when no hierarchy has it
  Status plan(const CgroupLimits& limits, std::vector<Write>& writes, std::vector<FieldReport>& reports) const;
  Status plan_cpu(const CgroupLimits& limits, std::vector<Write>& writes, std::vector<FieldReport>& reports) const;
  Status plan_memory(const CgroupLimits& limits, std::vector<Write>& writes, std::vector<FieldReport>& reports) const;
  Status plan_io(const IoLimit& io, std::vector<Write>& writes, std::vector<FieldReport>& reports) const;
  Status set_frozen(bool frozen);

  CgroupLayout layout_;
  std::string path_;
  std::vector<std::string> folders_;  // made here or joined, one a hierarchy
  std::vector<std::string> made_;     // folders to remove, deepest first
};

}  // namespace hanse::governor
