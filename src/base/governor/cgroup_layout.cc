#include <algorithm>
#include <cerrno>

#include "base/core/text.h"
#include "base/governor/cgroup.h"
#include "base/governor/detail/files.h"

namespace hanse::governor {

namespace {

constexpr std::string_view kModeNames[] = {"none", "v1", "v2", "hybrid"};
constexpr std::string_view kControllers[] = {"cpu",   "cpuacct", "memory", "pids",
                                             "blkio", "freezer", "cpuset", "devices"};

std::vector<std::string_view> words_of(std::string_view s, std::string_view separators) {
  std::vector<std::string_view> out;
  while (!s.empty()) {
    const auto end = std::min(s.find_first_of(separators), s.size());
    if (end > 0) out.push_back(s.substr(0, end));
    s.remove_prefix(std::min(s.size(), end + 1));
  }
  return out;
}

// mountinfo writes space, tab, newline and backslash as three octal digits (proc_pid_mountinfo(5)).
std::string unescape(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto digit = [&](std::size_t at) { return s[at] >= '0' && s[at] <= '7'; };
    if (s[i] == '\\' && i + 3 < s.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
      i += 3;
    } else {
      out += s[i];
    }
  }
  return out;
}

}  // namespace

std::string_view mode_name(CgroupMode mode) { return kModeNames[static_cast<std::size_t>(mode)]; }

CgroupMode CgroupLayout::mode() const {
  if (!unified.empty()) return v1.empty() ? CgroupMode::kV2 : CgroupMode::kHybrid;
  return v1.empty() ? CgroupMode::kNone : CgroupMode::kV1;
}

bool CgroupLayout::on_v2(std::string_view controller) const {
  return std::ranges::find(unified_controllers, controller) != unified_controllers.end();
}

Result<CgroupLayout> parse_layout(std::string_view mountinfo, std::string_view controllers) {
  if (mountinfo.size() > kMountinfoSizeMax)
    return fail(Kind::kCorrupt, "governor.bad_mountinfo",
                text("found {} bytes, expected at most {}", mountinfo.size(), kMountinfoSizeMax));
  CgroupLayout layout;
  for (const auto line : words_of(mountinfo, "\n")) {
    // "id parent major:minor root mountpoint options [optional ...] - type source superoptions"
    const auto fields = words_of(line, " ");
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 5 || fields.end() - dash < 4)
      return fail(Kind::kCorrupt, "governor.bad_mountinfo", text("found line '{}'", line.substr(0, 200)));
    const auto mount_point = unescape(fields[4]);
    const auto type = dash[1];
    if (type == "cgroup2" && layout.unified.empty()) layout.unified = mount_point;
    if (type != "cgroup") continue;
    for (const auto option : words_of(dash[3], ","))
      if (std::ranges::find(kControllers, option) != std::end(kControllers)) layout.v1.emplace(option, mount_point);
  }
  if (!layout.unified.empty())
    for (const auto controller : words_of(controllers, " \n")) layout.unified_controllers.emplace_back(controller);
  return layout;
}

Result<CgroupLayout> read_layout() {
  TRY(const auto mountinfo, read_small("/proc/self/mountinfo", kMountinfoSizeMax));
  TRY(auto layout, parse_layout(mountinfo, ""));
  if (layout.unified.empty()) return layout;
  TRY(const auto controllers, read_small(layout.unified + "/cgroup.controllers", 4096));
  return parse_layout(mountinfo, controllers);
}

}  // namespace hanse::governor
