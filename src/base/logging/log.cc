#include "base/logging/log.h"

#include "base/logging/detail/core.h"

#include <csignal>
#include <cstdlib>

namespace hanse::logging {

namespace {

constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error"};

void on_crash(int signal) {
  detail::Core::get().crash_flush();
  raise(signal);  // SA_RESETHAND: this time the default action, once the handler has returned
}

}  // namespace

std::string_view level_name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

Result<Level> parse_level(std::string_view name) {
  for (std::size_t l = 0; l < kLevels; ++l)
    if (kNames[l] == name) return static_cast<Level>(l);
  return fail(Kind::kInvalid, "logging.level",
              text("found level '{}', expected trace, debug, info, warn or error", name));
}

Result<Level> level_from_env(Level otherwise) {
  const char* name = std::getenv("HANSE_LOG");
  if (name == nullptr || *name == '\0') return otherwise;
  return with_context(parse_level(name), "read HANSE_LOG");
}

Status start(const Options& options) {
  TRY_OK(detail::Core::get().start(options));
  set_level(options.level);
  return {};
}

void stop() {
  set_level(Level::kWarn);
  detail::Core::get().stop();
}

Status flush() { return detail::Core::get().flush(); }

void set_level(Level level) { detail::level_min.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed); }

Stats stats() { return detail::Core::get().stats(); }

void install_crash_handler() {
  detail::Core::get();  // made here: a signal handler must not be the first to ask
  struct sigaction action{};
  action.sa_handler = on_crash;
  action.sa_flags = SA_RESETHAND | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(signal, &action, nullptr);
}

void detail::issue(Level level, std::string_view event, Fields fields, const std::source_location& where) {
  Core::get().issue(level, event, fields, where);
}

}  // namespace hanse::logging
