#include "base/logging/log.h"
#include "base/telemetry/metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

namespace hanse::telemetry {

namespace {

// The whole of a small file of /proc; empty when it cannot be read.
std::string read_proc(const char* path) {
  std::string out;
  if (std::FILE* file = std::fopen(path, "re")) {
    char buf[4096];
    for (std::size_t n; out.size() < 64 * 1024 && (n = std::fread(buf, 1, sizeof buf, file)) > 0;) out.append(buf, n);
    std::fclose(file);
  }
  return out;
}

// The number at position `index` of blank-separated words, or -1.
std::int64_t word_number(std::string_view text, std::size_t index) {
  for (; index > 0; --index) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return -1;
    text.remove_prefix(blank + 1);
  }
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::int64_t count_open_fds() {
  DIR* const dir = opendir("/proc/self/fd");
  if (dir == nullptr) return -1;
  std::int64_t n = -3;  // ".", ".." and the directory's own descriptor
  while (readdir(dir) != nullptr) ++n;
  closedir(dir);
  return n;
}

// Unix time in ns: boot time plus the start tick of field 22 of /proc/self/stat (proc(5)); -1 when unknown.
std::int64_t start_time_ns() {
  const std::string stat = read_proc("/proc/self/stat"), boot = read_proc("/proc/stat");
  const std::size_t name_end = stat.rfind(") "), btime = boot.find("\nbtime ");
  if (name_end == std::string::npos || btime == std::string::npos) return -1;
  const std::int64_t ticks = word_number(std::string_view(stat).substr(name_end + 2), 19),
                     seconds = word_number(std::string_view(boot).substr(btime + 7), 0), hz = sysconf(_SC_CLK_TCK);
  return ticks < 0 || seconds < 0 ? -1 : seconds * 1'000'000'000 + ticks * (1'000'000'000 / hz);
}

std::uint64_t cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) { return t.tv_sec * 1'000'000'000 + t.tv_usec * 1'000; };
  return static_cast<std::uint64_t>(ns(usage.ru_utime) + ns(usage.ru_stime));
}

}  // namespace

void refresh_process_metrics(Registry& registry) {
  if (const std::int64_t pages = word_number(read_proc("/proc/self/statm"), 1); pages >= 0)
    registry.gauge(Metric::kProcessResident).set(pages * sysconf(_SC_PAGESIZE));
  if (const std::int64_t fds = count_open_fds(); fds >= 0) registry.gauge(Metric::kProcessFds).set(fds);
  if (const std::int64_t start = start_time_ns(); start >= 0) registry.gauge(Metric::kProcessStart).set(start);
  registry.counter(Metric::kProcessCpu).raise_to(cpu_ns());
  const logging::Stats log = logging::stats();
  for (std::size_t l = 0; l < logging::kLevels; ++l) {
    const std::string_view level = logging::level_name(static_cast<logging::Level>(l));
    registry.counter(Metric::kLogEvents, {level}).raise_to(log.issued[l]);
    registry.counter(Metric::kLogLost, {level}).raise_to(log.lost[l]);
  }
}

}  // namespace hanse::telemetry
