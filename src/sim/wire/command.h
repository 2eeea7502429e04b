// The words in which a wire is described: on the command line, by a schedule, and while it runs. One command a line:
//   [a>b | b>a] NAME VALUE    for one direction, or for both
//   at TIME COMMAND           TIME after the start (only before the start)
//   counts | stop             answered with the counts; end of the wire
//   NAME: delay, jitter, late-by (TIME: 25ms, 1.5s, 300us, 0)   loss, late, twice (2%, 0.1%)   burst (packets: 3, 0)
//         rate (20mbit, 500kbit, 1gbit, 0 = no limit)            queue (64k, 2m bytes)          mtu (bytes)
//         down, up (without a value)
// Numbers have at most three digits after the point.
// Limits: kCommandBytesMax a command, kScheduleMax commands ahead. Pure. Threads: values.
// Errors: wire.command (invalid; found, expected), wire.schedule_full (exhausted).
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "sim/wire/link.h"

namespace hanse::wire {

constexpr std::size_t kCommandBytesMax = 256;
constexpr std::size_t kScheduleMax = 1024;

enum class Verb : std::uint8_t { kSet, kCounts, kStop };

using Pair = std::array<LinkOptions, 2>;  // a to b, b to a

// Carries the command out on the options.
Result<Verb> obey(std::string_view command, Pair& options);

// Commands in the order of their time; those of one time in the order they were given.
class Schedule {
 public:
  Status add(std::string_view at_command);  // "at TIME COMMAND"
  std::optional<std::int64_t> next_ns() const;
  std::optional<std::string> take(std::int64_t now_ns);

 private:
  std::vector<std::pair<std::int64_t, std::string>> ahead_;  // the next one last
};

}  // namespace hanse::wire
