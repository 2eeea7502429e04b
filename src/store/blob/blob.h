// BlobStore: content-addressed files. A blob's name is the BLAKE3 hash of its bytes (BlobId, what b3sum prints), so a
// blob never changes and what is read can be checked against its name.
// A blob is published whole: written to <dir>/tmp, synced, renamed to <dir>/<first two hex digits>/<hex id>, folder
// synced. After a crash there is no part of a blob under a name; leftovers in tmp go at the next open.
// Limits: size of a blob, sum of all (the quota counts blobs being written). One store object per folder.
// Threads: any; a Writer one thread at a time.
// Errors: blob.too_large (exhausted), blob.quota (exhausted), blob.not_found (not_found), blob.corrupt (corrupt: the
// bytes do not hash to the name; found, expected), and core.fs_*.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/core/fs.h"
#include "base/core/ids.h"
#include "base/core/random.h"

namespace hanse::blob {

struct Options {
  std::uint64_t blob_bytes_max = 1ull << 30;
  std::uint64_t quota_bytes = 16ull << 30;
};

struct Usage {
  std::uint64_t bytes = 0;  // published and being written
  std::uint64_t count = 0;  // published
};

class BlobStore;

// A blob being written. Destroying it without finish() leaves nothing behind.
class Writer {
 public:
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) = delete;
  ~Writer();
  Status append(ByteView bytes);
  Result<BlobId> finish();  // durable under its name when it returns; the writer is used up
  std::uint64_t size_bytes() const;

 private:
  friend class BlobStore;
  struct Rep;
  explicit Writer(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

class BlobStore {
 public:
  // Makes the folders when they are missing (the parent must exist), removes leftovers and counts what is there.
  static Result<std::unique_ptr<BlobStore>> open(Fs& fs, const std::string& dir, Options options, Random& random);
  ~BlobStore();

  Result<Writer> begin();
  Result<BlobId> put(ByteView bytes);

  Result<Bytes> get(const BlobId& id, std::uint64_t size_max) const;  // blob.too_large beyond size_max
  // Hands out the bytes in pieces of at most 256 KiB; blob.corrupt at the end when they did not hash to the name, so
  // do not act on them before. An error from visit ends it.
  Status read(const BlobId& id, const std::function<Status(ByteView)>& visit) const;
  Result<std::uint64_t> size(const BlobId& id) const;
  Result<bool> has(const BlobId& id) const;
  Status verify(const BlobId& id) const;
  Status remove(const BlobId& id);
  Status list(const std::function<bool(const BlobId&, std::uint64_t size_bytes)>& visit) const;  // ascending ids
  Usage usage() const;

 private:
  friend class Writer;
  struct Rep;
  explicit BlobStore(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::blob
