// hanse-pilot: started by a cluster, not by people. See docs/internals/scale_out.md.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/pilots/pilot.h"
#include "exchange/runtime/pool.h"

namespace {

using namespace hanse;

constexpr const char* kTicketVariable = "HANSE_PILOT_TICKET";
constexpr std::string_view kUsage =
    "usage: hanse-pilot [--slots N] [--isolation-max N] [--plugins DIR] [--worker PROGRAM] [--scratch DIR]\n"
    "                   [--idle-ms N] [--ticket FILE]\n"
    "Runs jobs for a provider that is elsewhere. The ticket, one line, comes in the variable HANSE_PILOT_TICKET or in "
    "a\n"
    "file; it is good once. Ends when the provider says so or is gone.\n";

std::atomic<bool> stop{false};

struct Arguments {
  pilots::PilotOptions pilot;
  runtime::PoolOptions pool;
  std::string ticket_file;
};

bool number(std::string_view value, std::uint64_t max, std::uint64_t& out) {
  out = 0;
  if (value.empty() || value.size() > 9) return false;
  for (const char c : value) {
    if (c < '0' || c > '9') return false;
    out = out * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return out <= max;
}

bool read_arguments(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) return false;
    const std::string_view name = argv[i], value = argv[i + 1];
    std::uint64_t n = 0;
    if (name == "--slots" && number(value, pilots::kSlotsMax, n) && n > 0)
      out.pilot.slots = static_cast<std::uint32_t>(n);
    else if (name == "--isolation-max" && number(value, runtime::kIsolationMax, n))
      out.pool.level_max = static_cast<std::uint8_t>(n);
    else if (name == "--idle-ms" && number(value, 999'999'999, n))
      out.pilot.idle_ms_max = static_cast<std::int64_t>(n);
    else if (name == "--plugins")
      out.pool.plugin_dir = value;
    else if (name == "--worker")
      out.pool.worker_path = value;
    else if (name == "--scratch")
      out.pool.scratch_root = value;
    else if (name == "--ticket")
      out.ticket_file = value;
    else
      return false;
  }
  out.pool.running_max = out.pilot.slots;
  out.pool.warm = std::min<std::size_t>(out.pilot.slots, 2);
  return true;
}

Result<pilots::Ticket> read_ticket(const std::string& file) {
  if (!file.empty()) {
    TRY(const Bytes bytes, read_file(real_fs(), file, pilots::kTicketSizeMax + 1));
    return pilots::parse_ticket(as_text(bytes));
  }
  const char* value = std::getenv(kTicketVariable);
  if (value == nullptr)
    return fail(Kind::kInvalid, "pilots.bad_ticket", text("found no {} and no --ticket", kTicketVariable));
  const std::string line = value;
  ::unsetenv(kTicketVariable);  // workers inherit the environment
  return pilots::parse_ticket(line);
}

Status run(const Arguments& arguments) {
  TRY(const auto ticket, read_ticket(arguments.ticket_file));
  TRY(const auto pool, runtime::Pool::start(arguments.pool));
  pilots::PilotOptions options = arguments.pilot;
  options.isolation = pool->level();
  std::fprintf(stderr, "hanse-pilot: %s, isolation %d, %u slots\n", ticket.name.c_str(), options.isolation,
               options.slots);
  return pilots::fly(ticket, *pool, options, stop);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    std::fwrite(kUsage.data(), 1, kUsage.size(), stdout);
    return 0;
  }
  if (!read_arguments(argc, argv, arguments)) {
    std::fwrite(kUsage.data(), 1, kUsage.size(), stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { stop = true; });
  std::signal(SIGINT, [](int) { stop = true; });
  const Status done = run(arguments);
  if (done) return 0;
  std::fprintf(stderr, "hanse-pilot: %s\n", done.error().str().c_str());
  return exit_code(done.error().kind());
}
