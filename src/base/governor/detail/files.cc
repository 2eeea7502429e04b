#include "base/governor/detail/files.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::governor {

namespace {

std::unexpected<Error> failed(const std::string& path, std::string_view what, int code) {
  return fail(Kind::kInternal, "governor.cgroup", text("{} {}: errno {}", what, path, code));
}

}  // namespace

Result<std::string> read_small(const std::string& path, std::size_t size_max) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(path, "open", errno);
  std::string out;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 && out.size() <= size_max)
    out.append(buffer, static_cast<std::size_t>(n));
  const int code = errno;
  close(fd);
  if (n < 0) return failed(path, "read", code);
  if (out.size() > size_max) return failed(path, "read too much of", 0);
  return out;
}

Status write_small(const std::string& path, std::string_view value) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed(path, "open", errno);
  const ssize_t n = write(fd, value.data(), value.size());
  const int code = errno;
  close(fd);
  if (n != static_cast<ssize_t>(value.size())) return failed(path, text("write '{}' to", value), code);
  return {};
}

}  // namespace hanse::governor
