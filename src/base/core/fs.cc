#include "base/core/fs.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/text.h"

namespace hanse {
namespace {

std::unexpected<Error> os_error(std::string_view action, std::string_view path, int number) {
  const std::string message = text("{} {}: {}", action, path, std::string(::strerror(number)));
  switch (number) {
    case ENOENT: return fail(Kind::kNotFound, "core.fs_not_found", message);
    case EEXIST: return fail(Kind::kConflict, "core.fs_exists", message);
    case EACCES:
    case EPERM:
    case EROFS: return fail(Kind::kDenied, "core.fs_denied", message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return fail(Kind::kExhausted, "core.fs_full", message);
    default: return fail(Kind::kUnavailable, "core.fs_io", message);
  }
}

class RealFile final : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { ::close(fd_); }

  Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("read", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("write", path_, errno);
      done += static_cast<std::size_t>(n);
    }
    return {};
  }

  Status append(ByteView bytes) override {
    TRY(const std::uint64_t end, size());
    return write_at(end, bytes);
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return os_error("sync", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat st;
    if (::fstat(fd_, &st) != 0) return os_error("stat", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }

  Status truncate(std::uint64_t size_bytes) override {
    if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) return os_error("truncate", path_, errno);
    return {};
  }

  Status preallocate(std::uint64_t size_bytes) override {
    if (const int e = ::posix_fallocate(fd_, 0, static_cast<off_t>(size_bytes)); e != 0)
      return os_error("preallocate", path_, e);
    return {};
  }

 private:
  int fd_;
  std::string path_;
};

class RealFs final : public Fs {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    flags |= mode == OpenMode::kRead ? O_RDONLY : mode == OpenMode::kWrite ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0) return os_error("open", path, errno);
    return std::make_unique<RealFile>(fd, path);
  }

  Status mkdir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    const int number = errno;
    struct stat st;
    if (number == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
    return os_error("make folder", path, number);
  }

  Status sync_dir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return os_error("open folder", path, errno);
    const int result = ::fsync(fd);
    const int number = errno;
    ::close(fd);
    if (result != 0) return os_error("sync folder", path, number);
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from, errno);
    return {};
  }

  Status unlink(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return os_error("remove", path, errno);
    return {};
  }

  Result<bool> exists(const std::string& path) override {
    struct stat st;
    if (::stat(path.c_str(), &st) == 0) return true;
    if (errno == ENOENT) return false;
    return os_error("stat", path, errno);
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return os_error("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int number = errno;
    ::closedir(dir);
    if (number != 0) return os_error("list", path, number);
    std::ranges::sort(names);
    return names;
  }

  Result<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs st;
    if (::statvfs(path.c_str(), &st) != 0) return os_error("stat file system of", path, errno);
    return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
  }
};

}  // namespace

Fs& real_fs() {
  static RealFs fs;
  return fs;
}

std::string parent_dir(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

Result<Bytes> read_file(Fs& fs, const std::string& path, std::size_t size_max) {
  TRY(const auto file, fs.open(path, OpenMode::kRead));
  TRY(const std::uint64_t size, file->size());
  if (size > size_max)
    return fail(Kind::kExhausted, "core.fs_full",
                text("found {} bytes in {}, expected at most {}", size, path, size_max));
  Bytes bytes(size);
  TRY(const std::size_t got, file->read_at(0, bytes));
  bytes.resize(got);
  return bytes;
}

Status replace_file(Fs& fs, const std::string& path, ByteView bytes) {
  const std::string tmp = path + ".tmp";
  TRY(const bool stale, fs.exists(tmp));
  if (stale) TRY_OK(fs.unlink(tmp));
  {
    TRY(const auto file, fs.open(tmp, OpenMode::kCreate));
    TRY_OK(file->write_at(0, bytes));
    TRY_OK(file->sync());
  }
  TRY_OK(fs.rename(tmp, path));
  return fs.sync_dir(parent_dir(path));
}

}  // namespace hanse
