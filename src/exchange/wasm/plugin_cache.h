// Compiled modules between runs: a sealed form that names what it was made from and carries its hash, and a folder of
// such files. A folder entry is used only when this engine on this CPU made it from exactly this module.
// Sealed: "HWASM/1\n", key (32), BLAKE3("hanse/wasm-code/1", code) (32), code.
// The folder is 0700 and ours, files are 0600 and written beside their name, then renamed; at most kCacheFilesMax, the
// one untouched longest goes first.
// Errors: wasm.cache (corrupt: a seal that does not fit; denied: a folder that others may write; unavailable: disk).
#pragma once

#include <string>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::wasm {

constexpr std::size_t kCacheFilesMax = 256;
constexpr std::size_t kSealedBytesMax = 64u << 20;

Hash32 cache_key(std::string_view engine_fingerprint, ByteView metered);
Bytes seal(const Hash32& key, ByteView code);
Result<ByteView> unseal(const Hash32& key, ByteView sealed);  // a view into `sealed`

class CacheFolder {
 public:
  static Result<CacheFolder> open(std::string path);  // makes the last component when it is missing
  Result<Bytes> find(const Hash32& key) const;        // kNotFound when there is none; a bad file is removed
  Status put(const Hash32& key, ByteView sealed) const;

 private:
  explicit CacheFolder(std::string path) : path_(std::move(path)) {}
  std::string file_of(const Hash32& key) const;
  void make_room() const;
  std::string path_;
};

}  // namespace hanse::wasm
