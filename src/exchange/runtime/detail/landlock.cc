#include "exchange/runtime/detail/landlock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/core/text.h"

namespace hanse::runtime {

namespace {

// As in linux/landlock.h, spelled out so that old kernel headers build the same filter.
struct RulesetAttr {
  std::uint64_t handled_fs, handled_net, scoped;
};
struct [[gnu::packed]] PathAttr {
  std::uint64_t allowed;
  std::int32_t parent_fd;
};
constexpr std::uint64_t kWriteFile = 1ull << 1, kReadFile = 1ull << 2;
constexpr unsigned kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;

// ABI 1 has 13 file rights; 2 adds refer, 3 truncate, 5 ioctl of devices.
std::uint64_t file_rights(std::uint32_t abi) {
  const unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
  return (1ull << bits) - 1;
}

std::unexpected<Error> failed(std::string_view what) {
  const int code = errno;
  return fail(Kind::kUnsupported, "runtime.sandbox", text("landlock: {}: errno {}", what, code));
}

Status allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return failed(path);
  const PathAttr attr{.allowed = rights, .parent_fd = fd};
  const long rc = syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &attr, 0);
  const int code = errno;
  close(fd);
  errno = code;
  if (rc != 0) return failed(path);
  return {};
}

}  // namespace

std::uint32_t landlock_abi() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  return abi < 0 ? 0 : static_cast<std::uint32_t>(abi);
}

Status restrict_files(const std::string& writable, const std::string& file, std::uint32_t abi) {
  if (abi == 0) {
    errno = ENOSYS;
    return failed("not there");
  }
  const RulesetAttr attr{
      .handled_fs = file_rights(abi), .handled_net = abi >= 4 ? 3u : 0u, .scoped = abi >= 6 ? 3u : 0u};
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, size, 0));
  if (ruleset < 0) return failed("create_ruleset");
  auto status = allow(ruleset, writable, file_rights(abi));
  if (status && !file.empty()) status = allow(ruleset, file, kReadFile | kWriteFile);
  if (status && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) status = failed("restrict_self");
  close(ruleset);
  return status;
}

}  // namespace hanse::runtime
