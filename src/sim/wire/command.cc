#include "sim/wire/command.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::wire {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
constexpr Unit kShares[] = {{"%", 10'000}};  // parts of a million
constexpr Unit kRates[] = {{"bit", 1}, {"kbit", 1'000}, {"mbit", 1'000'000}, {"gbit", 1'000'000'000}};
constexpr Unit kBytes[] = {{"", 1}, {"k", 1'024}, {"m", 1'048'576}};
constexpr Unit kPlain[] = {{"", 1}};
constexpr Unit kThousandths[] = {{"", 1'000}};
constexpr std::uint64_t kNumberMax = 1'000'000'000;

std::string_view word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view out = rest.substr(0, rest.find(' '));
  rest.remove_prefix(out.size());
  return out;
}

std::unexpected<Error> bad(std::string_view found, std::string_view expected) {
  return fail(Kind::kInvalid, "wire.command", text("found \"{}\", expected {}", found.substr(0, 80), expected));
}

// Digits with at most three after the point, times the unit's factor; the product is a whole number.
template <std::size_t N>
Result<std::uint64_t> number(std::string_view s, const Unit (&units)[N], std::string_view expected) {
  std::uint64_t whole = 0, milli = 0;
  std::size_t at = 0;
  int decimals = -1;
  for (; at < s.size() && (s[at] == '.' || (s[at] >= '0' && s[at] <= '9')); ++at) {
    if (s[at] == '.') {
      if (decimals >= 0 || at == 0) return bad(s, expected);
      decimals = 0;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(s[at] - '0');
    if (decimals < 0) {
      whole = whole * 10 + digit;
      if (whole > kNumberMax) return bad(s, expected);
    } else {
      if (++decimals > 3) return bad(s, expected);
      milli = milli * 10 + digit;
    }
  }
  if (at == 0 || decimals == 0) return bad(s, expected);
  for (int i = std::max(decimals, 0); i < 3; ++i) milli *= 10;
  const std::string_view unit = s.substr(at);
  if (unit.empty() && whole == 0 && milli == 0) return std::uint64_t{0};
  for (const Unit& u : units) {
    std::uint64_t thousandths = 0;
    if (u.name != unit) continue;
    if (__builtin_mul_overflow(whole * 1000 + milli, u.factor, &thousandths) || thousandths % 1000 != 0) break;
    return thousandths / 1000;
  }
  return bad(s, expected);
}

Result<std::int64_t> duration(std::string_view s) {
  TRY(const std::uint64_t ns, number(s, kTimes, "a time such as 25ms, at most an hour"));
  if (ns > 3'600'000'000'000ull) return bad(s, "a time such as 25ms, at most an hour");
  return static_cast<std::int64_t>(ns);
}

Result<std::uint32_t> share(std::string_view s) {
  TRY(const std::uint64_t ppm, number(s, kShares, "a share such as 2%, at most 100%"));
  if (ppm > kCertain) return bad(s, "a share such as 2%, at most 100%");
  return static_cast<std::uint32_t>(ppm);
}

Result<std::uint64_t> within(std::string_view s, Result<std::uint64_t> value, std::uint64_t least, std::uint64_t most) {
  if (value && (*value < least || *value > most)) return bad(s, text("{} to {}, in the smallest unit", least, most));
  return value;
}

Status set_one(std::string_view name, std::string_view value, LinkOptions& o) {
  if (name == "delay") {
    TRY(o.delay_ns, duration(value));
  } else if (name == "jitter") {
    TRY(o.jitter_ns, duration(value));
  } else if (name == "late-by") {
    TRY(o.late_ns, duration(value));
  } else if (name == "loss") {
    TRY(o.loss_ppm, share(value));
  } else if (name == "late") {
    TRY(o.late_ppm, share(value));
  } else if (name == "twice") {
    TRY(o.twice_ppm, share(value));
  } else if (name == "burst") {
    TRY(const auto milli, number(value, kThousandths, "a number of packets such as 3"));
    if (milli != 0) TRY_OK(within(value, milli, 1'000, 10'000'000));
    o.burst_milli = static_cast<std::uint32_t>(milli);
  } else if (name == "rate") {
    TRY(o.rate_bps, within(value, number(value, kRates, "a rate such as 20mbit"), 0, 100'000'000'000ull));
    if (o.rate_bps > 0 && o.rate_bps < 8'000) return bad(value, "a rate of 8kbit or more, or 0");
  } else if (name == "queue") {
    TRY(o.queue_bytes, within(value, number(value, kBytes, "a size such as 64k"), 1, 1u << 30));
  } else if (name == "mtu") {
    TRY(const auto mtu, within(value, number(value, kPlain, "a size in bytes"), 68, 65'535));
    o.mtu = static_cast<std::uint32_t>(mtu);
  } else if (name == "down" || name == "up") {
    if (!value.empty()) return bad(value, text("no value after {}", name));
    o.down = name == "down";
  } else {
    return bad(name, "delay, jitter, loss, burst, late, late-by, twice, rate, queue, mtu, down, up, counts or stop");
  }
  return {};
}

}  // namespace

Result<Verb> obey(std::string_view command, Pair& options) {
  if (command.size() > kCommandBytesMax)
    return bad(command, text("at most {} bytes, here are {}", kCommandBytesMax, command.size()));
  std::string_view rest = command;
  std::string_view name = word(rest);
  bool both[2] = {true, true};
  if (name == "a>b" || name == "b>a") {
    both[name == "a>b" ? 1 : 0] = false;
    name = word(rest);
  }
  const std::string_view value = word(rest);
  if (const std::string_view more = word(rest); !more.empty()) return bad(more, "the end of the command");
  if (both[0] && both[1] && value.empty() && (name == "counts" || name == "stop"))
    return name == "stop" ? Verb::kStop : Verb::kCounts;
  Pair changed = options;  // all of it or nothing
  for (int i : {0, 1})
    if (both[i]) TRY_OK(set_one(name, value, changed[static_cast<std::size_t>(i)]));
  options = changed;
  return Verb::kSet;
}

Status Schedule::add(std::string_view at_command) {
  std::string_view rest = at_command;
  if (word(rest) != "at") return bad(at_command, "at TIME COMMAND");
  TRY(const std::int64_t at_ns, duration(word(rest)));
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  Pair nowhere;
  TRY_OK(obey(rest, nowhere));
  if (ahead_.size() >= kScheduleMax)
    return fail(Kind::kExhausted, "wire.schedule_full", text("found one command more than {} ahead", kScheduleMax));
  const auto before = std::ranges::find_if(ahead_, [&](const auto& one) { return one.first <= at_ns; });
  ahead_.emplace(before, at_ns, rest);
  return {};
}

std::optional<std::int64_t> Schedule::next_ns() const {
  if (ahead_.empty()) return std::nullopt;
  return ahead_.back().first;
}

std::optional<std::string> Schedule::take(std::int64_t now_ns) {
  if (ahead_.empty() || ahead_.back().first > now_ns) return std::nullopt;
  std::string out = std::move(ahead_.back().second);
  ahead_.pop_back();
  return out;
}

}  // namespace hanse::wire
