// Structured log events.
//
//   logging::log_info("bid accepted", {{"job", id}, {"price_ut", price.value}});
//
// An event is a constant sentence plus fields; the room it belongs to is the folder of the calling file. Fields take
// what text() takes: integers, bool, double, strings, FixedBytes and byte views (hex). A Secret prints as "***".
//
// A call copies one binary record into a ring of its own thread and returns; one writer thread orders the records by
// time, formats and writes them. The call does not lock, allocate (but for a thread's first) or wait for a disk. When
// the ring fills, records are dropped and counted, the least important first: trace above 1/2 full, debug above 3/4,
// info above 7/8, warn when full. An error is never dropped: it waits up to 5 ms for room, then its own thread writes
// it. At all times issued = written + lost + still in a ring; after flush() nothing of the caller is in a ring.
//
// Before start() and after stop() events of warn and above go straight to stderr; the others are not issued.
// Limits: kFieldsMax fields and kTextMax bytes of a text are kept, the rest is cut and the line ends with cut=true;
// kThreadsMax threads have rings, further ones lose all but errors.
// Threads: log_* any; start, stop from one thread. Not for signal handlers.
// Errors: logging.file (unavailable: cannot be opened), logging.level (invalid), logging.started (conflict: start
// twice), logging.flush (timeout).
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/text.h"

namespace hanse::logging {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
constexpr std::size_t kLevels = 5;
std::string_view level_name(Level level);  // "trace", "debug", "info", "warn", "error"
Result<Level> parse_level(std::string_view name);
Result<Level> level_from_env(Level otherwise);  // HANSE_LOG, or `otherwise` when it is not set

constexpr std::size_t kFieldsMax = 16;
constexpr std::size_t kTextMax = 512;
constexpr std::size_t kThreadsMax = 256;

// Wraps what must not reach a log. It has no other output.
class Secret {
 public:
  template <class T>
  explicit Secret(const T&) {}
};

struct Field {
  Field(std::string_view k, TextArg v) : key(k), value(v) {}
  Field(std::string_view k, const Secret&) : key(k), value("***") {}
  std::string_view key;
  TextArg value;
};
using Fields = std::initializer_list<Field>;

enum class Format : std::uint8_t { kPretty, kJson };

struct Options {
  Level level = Level::kInfo;
  Format format = Format::kPretty;
  std::string file;                            // empty: stderr
  std::uint64_t file_bytes_max = 64ull << 20;  // then the file is renamed to file.1 and so on
  std::uint32_t files_max = 5;
  std::uint32_t ring_bytes = 128 * 1024;  // of threads that log first after start; a power of two, >= 16 KiB
  const Clock* clock = nullptr;           // null: system_clock(); must outlive stop()
};
Status start(const Options& options);
void stop();     // writes what is left, then ends the writer
Status flush();  // everything issued before the call, by this thread or before it, is written and handed to the system

void set_level(Level level);

struct Stats {
  std::uint64_t issued[kLevels] = {};
  std::uint64_t written[kLevels] = {};
  std::uint64_t lost[kLevels] = {};  // ring full, no ring, or the sink refused the line
};
Stats stats();

// On SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT: writes what the rings hold (without locks or allocation), then lets
// the signal take its course. Best effort: a record under way in another thread is left out.
void install_crash_handler();

namespace detail {
inline std::atomic<std::uint8_t> level_min{static_cast<std::uint8_t>(Level::kWarn)};
void issue(Level level, std::string_view event, Fields fields, const std::source_location& where);
}  // namespace detail

inline bool enabled(Level level) {
  return static_cast<std::uint8_t>(level) >= detail::level_min.load(std::memory_order_relaxed);
}

inline void log_trace(std::string_view event, Fields fields = {},
                      const std::source_location& where = std::source_location::current()) {
  if (enabled(Level::kTrace)) detail::issue(Level::kTrace, event, fields, where);
}
inline void log_debug(std::string_view event, Fields fields = {},
                      const std::source_location& where = std::source_location::current()) {
  if (enabled(Level::kDebug)) detail::issue(Level::kDebug, event, fields, where);
}
inline void log_info(std::string_view event, Fields fields = {},
                     const std::source_location& where = std::source_location::current()) {
  if (enabled(Level::kInfo)) detail::issue(Level::kInfo, event, fields, where);
}
inline void log_warn(std::string_view event, Fields fields = {},
                     const std::source_location& where = std::source_location::current()) {
  if (enabled(Level::kWarn)) detail::issue(Level::kWarn, event, fields, where);
}
inline void log_error(std::string_view event, Fields fields = {},
                      const std::source_location& where = std::source_location::current()) {
  if (enabled(Level::kError)) detail::issue(Level::kError, event, fields, where);
}

}  // namespace hanse::logging
