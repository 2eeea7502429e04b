#include "exchange/wasm/plugin_cache.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::wasm {
namespace {

constexpr std::string_view kMagic = "HWASM/1\n";
constexpr std::string_view kSuffix = ".hwasm";
constexpr std::size_t kHeadBytes = 8 + 32 + 32;

Hash32 code_hash(ByteView code) { return crypto::blake3("hanse/wasm-code/1", {code}); }

bool ours_alone(const struct stat& st) { return st.st_uid == geteuid() && (st.st_mode & 022) == 0; }

std::unexpected<Error> corrupt(std::string_view why) { return fail(Kind::kCorrupt, "wasm.cache", why); }

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Kind::kUnavailable, "wasm.cache", text("write: errno {}", errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<Bytes> read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(Kind::kNotFound, "wasm.cache", text("no file {}", path));
  struct stat st{};
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !ours_alone(st) ||
      st.st_size > static_cast<off_t>(kSealedBytesMax + kHeadBytes)) {
    close(fd);
    return corrupt(text("{} is not a file of ours", path));
  }
  Bytes out(static_cast<std::size_t>(st.st_size));
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t n = read(fd, out.data() + have, out.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  close(fd);
  if (have != out.size()) return corrupt(text("{} ends at byte {} of {}", path, have, out.size()));
  return out;
}

}  // namespace

Hash32 cache_key(std::string_view engine_fingerprint, ByteView metered) {
  std::uint8_t size[8];
  store_le<std::uint64_t>(size, engine_fingerprint.size());
  return crypto::blake3("hanse/wasm-cache/1", {size, as_bytes(engine_fingerprint), metered});
}

Bytes seal(const Hash32& key, ByteView code) {
  Bytes out = to_bytes(kMagic);
  append(out, key.view());
  append(out, code_hash(code).view());
  append(out, code);
  return out;
}

Result<ByteView> unseal(const Hash32& key, ByteView sealed) {
  if (sealed.size() < kHeadBytes || as_text(sealed.first(8)) != kMagic)
    return corrupt(text("found {} bytes without the head of compiled code", sealed.size()));
  if (!equal(sealed.subspan(8, 32), key.view())) return corrupt("code of another module, engine or CPU");
  const ByteView code = sealed.subspan(kHeadBytes);
  if (!equal(sealed.subspan(40, 32), code_hash(code).view())) return corrupt("code does not match its hash");
  return code;
}

Result<CacheFolder> CacheFolder::open(std::string path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Kind::kUnavailable, "wasm.cache", text("cannot make folder {}: errno {}", path, errno));
  struct stat st{};
  if (lstat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return fail(Kind::kUnavailable, "wasm.cache", text("{} is not a folder", path));
  if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
    return fail(Kind::kDenied, "wasm.cache",
                text("folder {}: found mode {:o} of user {}, expected 700 of user {}", path,
                     unsigned{st.st_mode} & 0777, st.st_uid, geteuid()));
  return CacheFolder(std::move(path));
}

std::string CacheFolder::file_of(const Hash32& key) const { return text("{}/{}{}", path_, key, kSuffix); }

Result<Bytes> CacheFolder::find(const Hash32& key) const {
  const std::string path = file_of(key);
  auto sealed = read_file(path);
  if (!sealed) return sealed;
  if (auto code = unseal(key, *sealed); !code) {
    unlink(path.c_str());
    return std::unexpected(std::move(code).error());
  }
  return sealed;
}

void CacheFolder::make_room() const {
  DIR* dir = opendir(path_.c_str());
  if (dir == nullptr) return;
  std::vector<std::pair<std::int64_t, std::string>> files;
  while (const dirent* e = readdir(dir)) {
    const std::string file = path_ + "/" + e->d_name;
    struct stat st{};
    if (!std::string_view(e->d_name).ends_with(kSuffix) || lstat(file.c_str(), &st) != 0) continue;
    files.emplace_back(st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec, file);
  }
  closedir(dir);
  std::ranges::sort(files);
  for (std::size_t k = 0; k + kCacheFilesMax <= files.size(); ++k) unlink(files[k].second.c_str());
}

Status CacheFolder::put(const Hash32& key, ByteView sealed) const {
  make_room();
  std::string temp = path_ + "/.new-XXXXXX";
  const int fd = mkstemp(temp.data());  // mode 0600
  if (fd < 0) return fail(Kind::kUnavailable, "wasm.cache", text("cannot write in {}: errno {}", path_, errno));
  Status done = write_all(fd, sealed);
  close(fd);
  if (done && rename(temp.c_str(), file_of(key).c_str()) != 0)
    done = fail(Kind::kUnavailable, "wasm.cache", text("rename into {}: errno {}", path_, errno));
  if (!done) unlink(temp.c_str());
  return done;
}

}  // namespace hanse::wasm
