// The disk side of key files.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/core/fd.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"

namespace hanse::crypto {
namespace {

// A name in an open directory: everything below goes through the directory's descriptor, so that swapping a parent
// directory under a running call changes nothing.
struct Place {
  Fd dir;
  std::string name;
  std::string path;
};

std::unexpected<Error> io(std::string_view what, std::string_view path) {
  return fail(Kind::kUnavailable, "crypto.keyfile_io", text("{} {}: {}", what, path, std::strerror(errno)));
}
std::unexpected<Error> exists(std::string_view path) {
  return fail(Kind::kConflict, "crypto.keyfile_exists", text("found {}, expected no such file", path));
}
std::unexpected<Error> symlink(std::string_view path) {
  return fail(Kind::kDenied, "crypto.keyfile_symlink", text("{} is a symbolic link, expected a regular file", path));
}

Result<Place> locate(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string dir = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    errno = EISDIR;
    return io("use as key file", path);
  }
  Fd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == ENOENT) return fail(Kind::kNotFound, "crypto.keyfile_missing", text("no directory {}", dir));
    return io("open directory", dir);
  }
  return Place{std::move(fd), std::move(name), path};
}

// Before half a second of scrypt, and again by the rename: what may not be overwritten is not.
Status check_target(const Place& place, bool replace) {
  struct stat st;
  if (fstatat(place.dir.get(), place.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return io("look at", place.path);
  }
  if (S_ISLNK(st.st_mode)) return symlink(place.path);
  if (!replace || !S_ISREG(st.st_mode)) return exists(place.path);
  return {};
}

Status check_trust(const struct stat& st, const std::string& path) {
  if (!S_ISREG(st.st_mode)) {
    errno = EINVAL;
    return io("read as a regular file", path);
  }
  if (st.st_uid != geteuid())
    return fail(Kind::kDenied, "crypto.keyfile_owner",
                text("{} belongs to user {}, expected {}", path, st.st_uid, geteuid()));
  if ((st.st_mode & 077) != 0)
    return fail(Kind::kDenied, "crypto.keyfile_mode",
                text("{} has mode {:o}, expected 600 or less", path, static_cast<unsigned>(st.st_mode & 07777)));
  return {};
}

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io("write", path);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fsync(fd) != 0) return io("sync", path);
  return {};
}

Status put_in_place(const Place& place, const std::string& temporary, bool replace) {
  const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
  const int dir = place.dir.get();
  if (renameat2(dir, temporary.c_str(), dir, place.name.c_str(), flags) == 0) return {};
  if (errno == EEXIST) return exists(place.path);
  if (errno != EINVAL || replace) return io("rename into place", place.path);
  // A file system without RENAME_NOREPLACE: a hard link refuses an existing name just as well.
  if (linkat(dir, temporary.c_str(), dir, place.name.c_str(), 0) != 0)
    return errno == EEXIST ? exists(place.path) : io("link into place", place.path);
  if (unlinkat(dir, temporary.c_str(), 0) != 0) return io("unlink", temporary);
  return {};
}

Result<SecureBytes> read_content(const std::string& path) {
  TRY(const Place place, locate(path));
  const Fd fd(openat(place.dir.get(), place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == ELOOP) return symlink(path);
    if (errno == ENOENT) return fail(Kind::kNotFound, "crypto.keyfile_missing", text("no key file {}", path));
    return io("open", path);
  }
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return io("look at", path);
  TRY_OK(check_trust(st, path));
  SecureBytes content(kKeyFileMax + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = read(fd.get(), content.span().data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io("read", path);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  return SecureBytes(content.view().first(size));
}

}  // namespace

Status write_key_file(const std::string& path, const KeySeeds& seeds, std::string_view passphrase, Random& random,
                      KeyFileOptions options) {
  TRY(const Place place, locate(path));
  TRY_OK(check_target(place, options.replace));
  TRY(std::string content, encode_key_file(seeds, passphrase, random, options));
  const std::string temporary = text(".{}.{:x}", place.name, random.next_u64());
  const Fd fd(openat(place.dir.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return io("create", path);
  Status done = write_all(fd.get(), content, path);
  wipe({reinterpret_cast<std::uint8_t*>(content.data()), content.size()});
  if (done) done = check_target(place, options.replace);
  if (done) done = put_in_place(place, temporary, options.replace);
  if (!done) {
    unlinkat(place.dir.get(), temporary.c_str(), 0);
    return done;
  }
  if (fsync(place.dir.get()) != 0) return io("sync the directory of", path);
  return {};
}

Result<KeyFileInfo> read_key_file(const std::string& path) {
  TRY(const SecureBytes content, read_content(path));
  return with_context(parse_key_file(as_text(content.view())), text("read key file {}", path));
}

Result<KeySeeds> open_key_file(const std::string& path, std::string_view passphrase, KeyFileOptions options) {
  TRY(const SecureBytes content, read_content(path));
  return with_context(unlock_key_file(as_text(content.view()), passphrase, options), text("open key file {}", path));
}

}  // namespace hanse::crypto
