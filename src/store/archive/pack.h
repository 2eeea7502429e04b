// Pack: a set of files as one zstd-compressed tar (POSIX ustar, regular files only), which `tar --zstd` also reads;
// and single buffers as zstd frames. Own ustar rather than a library: the profile is closed (no links, no folders, no
// devices, no extensions), and a general reader would bring an XML and a Unicode library into every program.
// Unpacking trusts nothing: a name is one word of [A-Za-z0-9._-] not beginning with a dot, files are created new and
// never overwritten, and count, size of a file and size of all are bounded before a byte is written.
// Threads: one at a time. Errors: archive.tar (corrupt), archive.zstd (corrupt), archive.path (denied: a name or kind
// that could leave the folder), archive.bomb (exhausted: more than the limits), archive.name (invalid: packing), and
// core.fs_*.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/fs.h"
#include "base/core/ids.h"

namespace hanse::archive {

constexpr std::uint64_t kPackedFileBytesMax = 8ull << 30;  // what a ustar size field holds

struct PackedFile {
  std::string name;
  std::uint64_t size_bytes = 0;
  Hash32 hash;  // BLAKE3-256, no context: what b3sum prints
  friend bool operator==(const PackedFile&, const PackedFile&) = default;
};

struct Packed {
  std::vector<PackedFile> files;
  std::uint64_t size_bytes = 0;  // of the compressed whole
  Hash32 hash;
};

// Packs the named files of a folder, in the order given, to a new file `out`, synced.
Result<Packed> pack(Fs& fs, const std::string& dir, const std::vector<std::string>& names, const std::string& out);

struct UnpackLimits {
  std::size_t files_max = 100'000;
  std::uint64_t bytes_max = 1ull << 40;  // of all files
};

// Takes the compressed bytes in pieces and writes the files into an existing folder, each synced.
class Unpacker {
 public:
  Unpacker(Fs& fs, std::string dir, UnpackLimits limits);
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Status feed(ByteView bytes);
  Result<std::vector<PackedFile>> finish();  // archive.tar when the end is missing

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

Bytes compress(ByteView bytes);
Result<Bytes> decompress(ByteView bytes, std::size_t size_max);

}  // namespace hanse::archive
