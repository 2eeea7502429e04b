#include "base/governor/psi.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::governor {

namespace {

std::unexpected<Error> bad(std::string_view line) {
  return fail(Kind::kCorrupt, "governor.psi",
              text("found '{}', expected some|full avg10=N.NN avg60=N.NN avg300=N.NN total=N", line));
}

bool take_number(std::string_view& s, std::uint64_t& out) {
  out = 0;
  std::size_t digits = 0;
  while (digits < s.size() && s[digits] >= '0' && s[digits] <= '9') {
    if (out > (~std::uint64_t{0} - 9) / 10) return false;
    out = out * 10 + static_cast<std::uint64_t>(s[digits++] - '0');
  }
  s.remove_prefix(digits);
  return digits > 0;
}

bool take_text(std::string_view& s, std::string_view expected) {
  if (!s.starts_with(expected)) return false;
  s.remove_prefix(expected.size());
  return true;
}

bool take_share(std::string_view& s, std::string_view name, std::uint32_t& out) {
  std::uint64_t whole = 0, part = 0;
  if (!take_text(s, name) || !take_number(s, whole) || !take_text(s, ".")) return false;
  const std::size_t before = s.size();
  if (!take_number(s, part) || before - s.size() != 2 || whole > 100) return false;
  out = static_cast<std::uint32_t>(whole * 100 + part);
  return true;
}

}  // namespace

Result<Pressure> parse_pressure(std::string_view source) {
  Pressure out;
  bool any = false;
  while (!source.empty()) {
    const auto line = source.substr(0, source.find('\n'));
    source.remove_prefix(std::min(source.size(), line.size() + 1));
    auto rest = line;
    PressureLine* into = take_text(rest, "some ") ? &out.some : take_text(rest, "full ") ? &out.full : nullptr;
    if (into == nullptr || !take_share(rest, "avg10=", into->avg10) || !take_share(rest, " avg60=", into->avg60) ||
        !take_share(rest, " avg300=", into->avg300) || !take_text(rest, " total=") ||
        !take_number(rest, into->total_us) || !rest.empty())
      return bad(line);
    any = true;
  }
  if (!any) return bad("");
  return out;
}

Result<Pressure> read_pressure(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(Kind::kUnsupported, "governor.psi", text("{}: errno {}", path, errno));
  char buffer[1024];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  const int code = errno;
  close(fd);
  if (n < 0) return fail(Kind::kUnsupported, "governor.psi", text("{}: errno {}", path, code));
  return with_context(parse_pressure({buffer, static_cast<std::size_t>(n)}), path);
}

Result<PressureTrigger> PressureTrigger::open(const TriggerOptions& options) {
  const int fd = ::open(options.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fail(Kind::kUnsupported, "governor.psi", text("{}: errno {}", options.path, errno));
  PressureTrigger trigger(fd);
  const auto wish = text("{} {} {}", options.full ? "full" : "some", options.stall_us, options.window_us);
  // The kernel wants the closing NUL too.
  if (write(fd, wish.c_str(), wish.size() + 1) < 0)
    return fail(Kind::kUnsupported, "governor.psi", text("{}: trigger '{}': errno {}", options.path, wish, errno));
  return trigger;
}

PressureTrigger::~PressureTrigger() {
  if (fd_ >= 0) close(fd_);
}

Result<bool> PressureTrigger::wait(int timeout_ms) const {
  pollfd watched{.fd = fd_, .events = POLLPRI, .revents = 0};
  if (poll(&watched, 1, timeout_ms) < 0 && errno != EINTR)
    return fail(Kind::kUnsupported, "governor.psi", text("poll: errno {}", errno));
  if (watched.revents & POLLERR) return fail(Kind::kUnsupported, "governor.psi", "the source of the trigger is gone");
  return (watched.revents & POLLPRI) != 0;
}

Backoff::Level Backoff::step(std::uint32_t some_avg10, std::int64_t now_ns) {
  if (stepped_ns_ >= 0 && now_ns - stepped_ns_ < options_.step_ns) return level_;
  stepped_ns_ = now_ns;
  if (some_avg10 >= options_.refuse_at) {
    level_ = Level::kRefuse;
  } else if (some_avg10 >= options_.shrink_at) {
    level_ = Level::kShrink;
    limit_ = std::max(options_.limit_min, static_cast<std::uint32_t>(std::uint64_t{limit_} * 7 / 10));
  } else {
    level_ = Level::kNormal;
    // Back up by the same factor, at least one at a time.
    limit_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        options_.limit_max, std::max<std::uint64_t>(limit_ + 1ull, std::uint64_t{limit_} * 10 / 7)));
  }
  return level_;
}

}  // namespace hanse::governor
