#include "base/governor/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <set>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/governor/detail/files.h"

namespace hanse::governor {

namespace {

constexpr std::string_view kStateNames[] = {"applied", "emulated", "unsupported"};
constexpr std::size_t kFileMax = 64 * 1024;
constexpr std::uint64_t kPeriodUs = 100'000;
constexpr std::uint64_t kQuotaUsMin = 1'000;
constexpr std::size_t kPathMax = 200;
constexpr int kFreezePolls = 2'000;

std::unexpected<Error> failed(std::string_view what) { return fail(Kind::kInternal, "governor.cgroup", what); }
std::unexpected<Error> bad_limit(std::string_view what) { return fail(Kind::kInvalid, "governor.bad_limit", what); }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.back() == '\n' || s.back() == ' ')) s.remove_suffix(1);
  return s;
}

bool parse_u64(std::string_view s, std::uint64_t& out) {
  s = trimmed(s);
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  return error == std::errc() && end == s.data() + s.size();
}

bool path_is_good(std::string_view path) {
  if (path.empty() || path.size() > kPathMax || path.front() == '/' || path.back() == '/') return false;
  if (path.contains("//") || path.contains("..")) return false;
  return std::ranges::all_of(path, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '/';
  });
}

// A controller of v2 reaches a group only when every group above hands it down.
void hand_down(const std::string& folder, const std::vector<std::string>& controllers) {
  for (const auto& controller : controllers)
    (void)write_small(folder + "/cgroup.subtree_control", "+" + controller);  // apply() finds out what is missing
}

Status make_folders(const std::string& root, std::string_view path, const std::vector<std::string>& controllers,
                    std::vector<std::string>& made) {
  std::string folder = root;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    hand_down(folder, controllers);
    folder += "/" + std::string(path.substr(at, end - at));
    if (mkdir(folder.c_str(), 0755) == 0) {
      made.push_back(folder);
    } else if (errno != EEXIST) {
      return fail(Kind::kUnsupported, "governor.no_cgroup", text("mkdir {}: errno {}", folder, errno));
    }
    at = end + 1;
  }
  return {};
}

std::uint64_t field_of(std::string_view stat, std::string_view name) {
  while (!stat.empty()) {
    const auto line = stat.substr(0, stat.find('\n'));
    stat.remove_prefix(std::min(stat.size(), line.size() + 1));
    std::uint64_t value = 0;
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ' &&
        parse_u64(line.substr(name.size() + 1), value))
      return value;
  }
  return 0;
}

// What to write so that the device of `written` has again what `before`, a line a device, said: no line is no limit.
std::string prior_io(std::string_view before, std::string_view written) {
  const auto device = written.substr(0, written.find(' '));
  while (!before.empty()) {
    const auto line = before.substr(0, before.find('\n'));
    before.remove_prefix(std::min(before.size(), line.size() + 1));
    if (line.starts_with(device) && line.substr(device.size()).starts_with(' ')) return std::string(line);
  }
  return std::string(device) + (written.contains('=') ? " rbps=max wbps=max riops=max wiops=max" : " 0");
}

// The kernel may answer in other words ("max 100000", pages instead of bytes, one line a device).
bool says_the_same(std::string_view written, std::string_view read) {
  written = trimmed(written);
  read = trimmed(read);
  if (written == read) return true;
  std::uint64_t a = 0, b = 0;
  if (parse_u64(written, a) && parse_u64(read, b)) return b <= a && a - b < 4096;
  if (!written.contains(':')) return false;
  // io: every word of ours is in the line of our device.
  const auto device = written.substr(0, written.find(' '));
  const auto at = read.find(device);
  if (at == std::string_view::npos) return false;
  const auto line = read.substr(at, read.find('\n', at) - at);
  for (std::size_t i = 0; i < written.size();) {
    const auto end = std::min(written.find(' ', i), written.size());
    if (!line.contains(written.substr(i, end - i))) return false;
    i = end + 1;
  }
  return true;
}

}  // namespace

std::string_view field_state_name(FieldState state) { return kStateNames[static_cast<std::size_t>(state)]; }

Result<Cgroup> Cgroup::create(const CgroupLayout& layout, std::string_view path) {
  if (!path_is_good(path)) return bad_limit(text("found group path '{}'", path));
  std::set<std::string> roots;
  for (const std::string_view controller : {"cpu", "cpuacct", "memory", "pids", "blkio"})
    if (const auto it = layout.v1.find(controller); it != layout.v1.end()) roots.insert(it->second);
  if (!layout.unified.empty()) roots.insert(layout.unified);
  if (roots.empty()) return fail(Kind::kUnsupported, "governor.no_cgroup", "found no control group hierarchy");
  Cgroup group;
  group.layout_ = layout;
  group.path_ = path;
  for (const auto& root : roots) {
    const auto& controllers = root == layout.unified ? layout.unified_controllers : std::vector<std::string>{};
    const auto status = make_folders(root, path, controllers, group.made_);
    if (!status) return std::unexpected(status.error().clone());
    group.folders_.push_back(root + "/" + group.path_);
  }
  return group;
}

Cgroup::Cgroup(Cgroup&& other) noexcept
    : layout_(std::move(other.layout_)),
      path_(std::move(other.path_)),
      folders_(std::move(other.folders_)),
      made_(std::move(other.made_)) {
  other.made_.clear();
}

Cgroup::~Cgroup() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) rmdir(it->c_str());
}

std::string Cgroup::folder_of(std::string_view controller) const {
  if (const auto it = layout_.v1.find(controller); it != layout_.v1.end()) return it->second + "/" + path_;
  if (layout_.on_v2(controller == "blkio" ? "io" : controller)) return layout_.unified + "/" + path_;
  return "";
}

Status Cgroup::plan_cpu(const CgroupLimits& limits, std::vector<Write>& writes,
                        std::vector<FieldReport>& reports) const {
  const auto folder = folder_of("cpu");
  const bool v1 = layout_.on_v1("cpu");
  if (limits.cpu_percent) {
    if (*limits.cpu_percent == 0) return bad_limit("found cpu_percent 0, expected at least 1");
    const auto quota_us = std::max(kQuotaUsMin, *limits.cpu_percent * kPeriodUs / 100);
    if (folder.empty()) {
      reports.push_back(
          {.field = "cpu_percent", .state = FieldState::kUnsupported, .read_back = {}, .note = "no cpu controller"});
    } else if (v1) {
      writes.push_back({"cpu_percent", folder + "/cpu.cfs_period_us", text("{}", kPeriodUs)});
      writes.push_back({"cpu_percent", folder + "/cpu.cfs_quota_us", text("{}", quota_us)});
    } else {
      writes.push_back({"cpu_percent", folder + "/cpu.max", text("{} {}", quota_us, kPeriodUs)});
    }
  }
  if (limits.cpu_weight) {
    const auto weight = *limits.cpu_weight;
    if (weight < 1 || weight > 10'000) return bad_limit(text("found cpu_weight {}, expected 1 to 10000", weight));
    const auto shares = std::clamp<std::uint64_t>(std::uint64_t{weight} * 1024 / 100, 2, 262'144);
    if (folder.empty()) {
      reports.push_back(
          {.field = "cpu_weight", .state = FieldState::kUnsupported, .read_back = {}, .note = "no cpu controller"});
    } else {
      writes.push_back({"cpu_weight", folder + (v1 ? "/cpu.shares" : "/cpu.weight"), text("{}", v1 ? shares : weight)});
    }
  }
  return {};
}

Status Cgroup::plan_memory(const CgroupLimits& limits, std::vector<Write>& writes,
                           std::vector<FieldReport>& reports) const {
  const auto folder = folder_of("memory");
  const bool v1 = layout_.on_v1("memory");
  if (limits.memory_max) {
    if (*limits.memory_max < 4096)
      return bad_limit(text("found memory_max {}, expected at least 4096", *limits.memory_max));
    if (folder.empty()) {
      reports.push_back(
          {.field = "memory_max", .state = FieldState::kUnsupported, .read_back = {}, .note = "no memory controller"});
    } else {
      writes.push_back(
          {"memory_max", folder + (v1 ? "/memory.limit_in_bytes" : "/memory.max"), text("{}", *limits.memory_max)});
    }
  }
  if (limits.memory_high) {
    if (folder.empty()) {
      reports.push_back(
          {.field = "memory_high", .state = FieldState::kUnsupported, .read_back = {}, .note = "no memory controller"});
    } else if (v1) {
      reports.push_back({.field = "memory_high",
                         .state = FieldState::kEmulated,
                         .read_back = {},
                         .note = "v1 has no soft limit that slows: the owner watches usage and pressure"});
    } else {
      writes.push_back({"memory_high", folder + "/memory.high", text("{}", *limits.memory_high)});
    }
  }
  return {};
}

Status Cgroup::plan_io(const IoLimit& io, std::vector<Write>& writes, std::vector<FieldReport>& reports) const {
  const auto folder = folder_of("blkio");
  if (folder.empty()) {
    reports.push_back({.field = "io", .state = FieldState::kUnsupported, .read_back = {}, .note = "no io controller"});
    return {};
  }
  const auto device = text("{}:{} ", io.major, io.minor);
  const std::pair<std::uint64_t, std::pair<std::string_view, std::string_view>> values[] = {
      {io.read_bps, {"rbps", "read_bps_device"}},
      {io.write_bps, {"wbps", "write_bps_device"}},
      {io.read_iops, {"riops", "read_iops_device"}},
      {io.write_iops, {"wiops", "write_iops_device"}}};
  std::string v2_line = device;
  for (const auto& [value, names] : values) {
    if (value == 0) continue;
    if (layout_.on_v1("blkio"))
      writes.push_back({"io", folder + "/blkio.throttle." + std::string(names.second), device + text("{}", value)});
    v2_line += text("{}={} ", names.first, value);
  }
  if (!layout_.on_v1("blkio")) writes.push_back({"io", folder + "/io.max", std::string(trimmed(v2_line))});
  return {};
}

Status Cgroup::plan(const CgroupLimits& limits, std::vector<Write>& writes, std::vector<FieldReport>& reports) const {
  TRY_OK(plan_cpu(limits, writes, reports));
  TRY_OK(plan_memory(limits, writes, reports));
  if (limits.pids_max) {
    const auto folder = folder_of("pids");
    if (folder.empty()) {
      reports.push_back(
          {.field = "pids_max", .state = FieldState::kUnsupported, .read_back = {}, .note = "no pids controller"});
    } else {
      writes.push_back({"pids_max", folder + "/pids.max", text("{}", *limits.pids_max)});
    }
  }
  if (limits.io) TRY_OK(plan_io(*limits.io, writes, reports));
  return {};
}

Result<std::vector<FieldReport>> Cgroup::apply(const CgroupLimits& limits) {
  std::vector<Write> writes;
  std::vector<FieldReport> reports;
  TRY_OK(plan(limits, writes, reports));
  std::vector<Write> prior;
  const auto attempt = [&](const Write& w) -> Status {
    TRY(auto before, read_small(w.path, kFileMax));
    TRY_OK(write_small(w.path, w.value));
    prior.push_back({w.field, w.path, w.field == "io" ? prior_io(before, w.value) : std::string(trimmed(before))});
    TRY(const auto after, read_small(w.path, kFileMax));
    if (!says_the_same(w.value, after))
      return failed(text("wrote '{}' to {}, read back '{}'", w.value, w.path, trimmed(after)));
    const auto note = w.field == "io" && layout_.on_v1("blkio") ? "v1 throttles direct I/O only" : "";
    if (!reports.empty() && reports.back().field == w.field) reports.pop_back();
    reports.push_back(
        {.field = w.field, .state = FieldState::kApplied, .read_back = std::string(trimmed(after)), .note = note});
    return {};
  };
  for (const auto& w : writes) {
    auto status = attempt(w);
    if (status) continue;
    for (auto it = prior.rbegin(); it != prior.rend(); ++it) (void)write_small(it->path, it->value);
    return std::unexpected(std::move(status).error());
  }
  return reports;
}

Status Cgroup::add(int pid) {
  for (const auto& folder : folders_) TRY_OK(write_small(folder + "/cgroup.procs", text("{}", pid)));
  return {};
}

Result<CgroupUsage> Cgroup::usage() const {
  CgroupUsage out;
  const auto number = [](const std::string& path, std::uint64_t& into) -> Status {
    TRY(const auto content, read_small(path, kFileMax));
    if (!parse_u64(content, into)) return failed(text("{}: found '{}'", path, trimmed(content)));
    return {};
  };
  if (const auto it = layout_.v1.find("cpuacct"); it != layout_.v1.end()) {
    TRY_OK(number(it->second + "/" + path_ + "/cpuacct.usage", out.cpu_ns));
  } else if (!layout_.unified.empty()) {
    TRY(const auto stat, read_small(layout_.unified + "/" + path_ + "/cpu.stat", kFileMax));
    out.cpu_ns = field_of(stat, "usage_usec") * 1000;
  }
  if (const auto folder = folder_of("memory"); !folder.empty())
    TRY_OK(number(folder + (layout_.on_v1("memory") ? "/memory.usage_in_bytes" : "/memory.current"), out.memory_bytes));
  if (const auto folder = folder_of("pids"); !folder.empty()) TRY_OK(number(folder + "/pids.current", out.pids));
  return out;
}

Result<std::vector<int>> Cgroup::processes() const {
  std::vector<int> out;
  TRY(const auto content, read_small(folders_.front() + "/cgroup.procs", 1 << 20));
  for (std::string_view rest = content; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::uint64_t pid = 0;
    if (parse_u64(line, pid)) out.push_back(static_cast<int>(pid));
  }
  return out;
}

Status Cgroup::set_frozen(bool frozen) {
  if (layout_.unified.empty()) return fail(Kind::kUnsupported, "governor.no_cgroup", "freezing needs a v2 mount");
  const auto folder = layout_.unified + "/" + path_;
  TRY_OK(write_small(folder + "/cgroup.freeze", frozen ? "1" : "0"));
  for (int i = 0; i < kFreezePolls; ++i) {
    TRY(const auto events, read_small(folder + "/cgroup.events", kFileMax));
    if (field_of(events, "frozen") == (frozen ? 1u : 0u)) return {};
    poll(nullptr, 0, 1);
  }
  return fail(Kind::kTimeout, "governor.cgroup",
              text("{}: still not {} after {} ms", folder, frozen ? "frozen" : "thawed", kFreezePolls));
}

Status Cgroup::freeze() { return set_frozen(true); }
Status Cgroup::thaw() { return set_frozen(false); }

Status Cgroup::kill() {
  if (!layout_.unified.empty()) return write_small(layout_.unified + "/" + path_ + "/cgroup.kill", "1");
  TRY(const auto pids, processes());
  for (const int pid : pids) ::kill(pid, SIGKILL);
  return {};
}

std::string Cgroup::pressure_path(std::string_view resource) const {
  return layout_.unified.empty() ? "" : text("{}/{}/{}.pressure", layout_.unified, path_, resource);
}

}  // namespace hanse::governor
