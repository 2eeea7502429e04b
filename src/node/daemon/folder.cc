#include "node/daemon/folder.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"

namespace hanse::daemon {

namespace {

// A node that was killed a moment ago may hold its lock until the kernel has taken it apart.
constexpr int kLockWaitMs = 2'000;
constexpr int kLockPauseMs = 20;

bool lock_within(int fd, int wait_ms) {
  for (int waited_ms = 0;; waited_ms += kLockPauseMs) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (waited_ms >= wait_ms) return false;
    ::poll(nullptr, 0, kLockPauseMs);
  }
}

}  // namespace

Result<Folder> Folder::hold(const std::string& dir) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Kind::kDenied, "daemon.folder", text("make {}: {}", dir, std::strerror(errno)));
  struct stat st{};
  if (::stat(dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
    return fail(Kind::kDenied, "daemon.folder", text("found {} not to be a folder of ours that only we write", dir));
  const std::string path = dir + "/hansed.pid";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(Kind::kDenied, "daemon.folder", text("open {}: {}", path, std::strerror(errno)));
  if (!lock_within(fd, kLockWaitMs)) {
    char pid[24] = {};
    const ssize_t n = ::read(fd, pid, sizeof pid - 1);
    ::close(fd);
    const std::string_view found(pid, n > 0 ? static_cast<std::size_t>(n) : 0);
    return fail(Kind::kConflict, "daemon.running",
                text("found process {} at work in {}, expected none", found.substr(0, found.find('\n')), dir));
  }
  Folder folder(dir, fd);
  const std::string line = text("{}\n", ::getpid());
  if (::ftruncate(fd, 0) != 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return fail(Kind::kExhausted, "daemon.folder", text("write {}: {}", path, std::strerror(errno)));
  folder.remove_ready();  // of a process that was killed
  return folder;
}

Folder::~Folder() {
  if (lock_fd_ < 0) return;
  remove_ready();
  ::unlink(path("hansed.pid").c_str());
  ::close(lock_fd_);
}

Status Folder::bind_network(const NetworkId& network) {
  const std::string name = path("network");
  const auto found = read_file(real_fs(), name, 256);
  if (!found) {
    if (found.error().kind() != Kind::kNotFound) return std::unexpected(found.error().clone());
    return replace_file(real_fs(), name, as_bytes(codec::to_hex(network.view()) + "\n"));
  }
  std::string_view hex = as_text(*found);
  if (!hex.empty() && hex.back() == '\n') hex.remove_suffix(1);
  if (hex == codec::to_hex(network.view())) return {};
  return fail(Kind::kConflict, "daemon.other_network",
              text("found data of network {} in {}, expected {}", hex.substr(0, 64), dir_, network));
}

Status Folder::write_ready(std::string_view line) { return replace_file(real_fs(), path("ready"), as_bytes(line)); }

void Folder::remove_ready() { ::unlink(path("ready").c_str()); }

}  // namespace hanse::daemon
