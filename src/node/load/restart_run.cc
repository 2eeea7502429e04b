#include "node/load/restart_run.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "node/load/fill.h"
#include "node/load/program.h"

namespace hanse::load {
namespace {

using codec::Json;

// What was written is clean first: a page that is dirty stays.
Status drop_pages(const std::string& folder) {
  ::sync();
  std::error_code ec;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ec)) {
    if (!entry.is_regular_file(ec)) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const int code = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
    if (code != 0)
      return fail(Kind::kUnavailable, "load.cache",
                  text("drop the pages of {}: {}", entry.path().string(), std::strerror(code)));
  }
  return {};
}

std::uint64_t bytes_of(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code ec;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ec))
    if (entry.is_regular_file(ec)) bytes += entry.file_size(ec);
  return bytes;
}

class Run {
 public:
  Run(const RestartRunOptions& options, const std::function<void(const Figure&)>& show,
      const std::function<void(const std::string&)>& say)
      : options_(options), show_(show), say_(say) {}

  Result<bool> run() {
    if (!options_.net.empty()) {
      net_ = options_.net;
      Status done = rounds();
      (void)call("hanse", {"down", "--dir", net_, "--quiet"});
      TRY_OK(std::move(done));
      return good_;
    }
    std::string pattern = std::filesystem::absolute(options_.dir).string() + "/hanse-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
      return fail(Kind::kUnavailable, "load.program", text("make {}: {}", pattern, std::strerror(errno)));
    dir_ = pattern;
    net_ = dir_ + "/net";
    Status done = all();
    (void)call("hanse", {"down", "--dir", net_, "--quiet"});
    std::error_code ignored;
    if (!options_.keep) std::filesystem::remove_all(dir_, ignored);
    TRY_OK(std::move(done));
    return good_;
  }

 private:
  Status all() {
    TRY_OK(up());
    if (options_.vertices > 0) {
      TRY_OK(call("hanse", {"down", "--dir", net_, "--quiet"}));
      TRY(const Filled filled, fill_stores(net_, options_.vertices, [this](std::uint64_t n) {
            say_(text("{} of {} vertices", n, options_.vertices));
          }));
      figure("finalized vertices in each store", static_cast<double>(filled.vertices), "", 0, "");
      figure("their blocks", static_cast<double>(filled.height), "", 0, "");
      figure("filling took", filled.seconds, "s", 0, "");
    }
    return rounds();
  }

  Status rounds() {
    TRY_OK(up());
    for (std::uint64_t n = 0; n < options_.rounds; ++n) TRY_OK(round());
    return {};
  }

  Status up() {
    TRY_OK(call("hanse", {"up", "--dir", net_, "--validators", text("{}", kChainValidators), "--providers", "0",
                          "--load-app", "--detach", "--quiet"}));
    return {};
  }

  Status round() {
    TRY(const std::string line, call("hanse-bench",
                                     {"load", "--dir", net_, "--rate", text("{}", kChainRate), "--seconds",
                                      text("{}", options_.seconds), "--kill-leader", "--no-economic", "--json"},
                                     1));
    TRY(const Json report, codec::parse_json(line));
    TRY(const double lost, number(report, "lost"));
    TRY(const double failed, number(report, "failed"));
    good_ = good_ && lost == 0 && failed == 0;
    const Json* killed = report.find("killed");
    if (killed == nullptr) return fail(Kind::kUnavailable, "load.program", text("found no killed leader in {}", line));
    TRY(const std::string_view name, killed->as_text("killed"));
    const std::string folder = text("{}/{}", net_, name);
    if (!options_.warm) TRY_OK(drop_pages(folder));
    Clock& clock = system_clock();
    const std::int64_t began_ns = clock.mono_ns();
    Child started;
    TRY_OK(started.start("hanse", {"up", "--dir", net_, "--detach", "--quiet"}));
    Status back = wait_for_answer(net_, std::string(name), began_ns);
    const double took_ms = static_cast<double>(clock.mono_ns() - began_ns) / 1e6;
    TRY_OK(started.wait());
    TRY_OK(std::move(back));
    figure(text("{} of {:.2f} GiB, {}, started again: its next transaction final", name,
                static_cast<double>(bytes_of(folder)) / (1u << 30), options_.warm ? "warm" : "cold"),
           took_ms, "ms", 2'000, "limit, ms");
    return {};
  }

  void figure(std::string name, double value, std::string unit, double floor, std::string what) {
    show_({.name = std::move(name),
           .value = value,
           .unit = std::move(unit),
           .floor = floor,
           .floor_what = std::move(what)});
  }

  const RestartRunOptions& options_;
  const std::function<void(const Figure&)>& show_;
  const std::function<void(const std::string&)>& say_;
  std::string dir_, net_;
  bool good_ = true;
};

}  // namespace

Result<bool> run_restart(const RestartRunOptions& options, const std::function<void(const Figure&)>& show,
                         const std::function<void(const std::string&)>& say) {
  return Run(options, show, say).run();
}

}  // namespace hanse::load
