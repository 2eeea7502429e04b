// The file system as a port: what a store needs to survive a crash, and no more.
// Production passes real_fs(); tests and the simulator pass a MemFs (mem_fs.h), which forgets what was not synced.
// Durability: write_at is durable after sync() of the same file; create, rename and unlink are durable after
// sync_dir() of the folder. Nothing else is promised.
// Paths are plain strings; files are created 0600, folders 0700.
// Threads: an Fs any; a File one thread at a time, but for sync(), which may run beside write_at of later bytes.
// Errors, each with the path: core.fs_not_found (not_found), core.fs_exists (conflict), core.fs_denied (denied),
// core.fs_full (exhausted: disk, quota or file size limit), core.fs_io (unavailable: anything else the system said).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse {

class File {
 public:
  virtual ~File() = default;
  virtual Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) = 0;  // fewer bytes only at the end
  virtual Status write_at(std::uint64_t offset, ByteView bytes) = 0;            // all of them, or an error
  virtual Status append(ByteView bytes) = 0;
  virtual Status sync() = 0;  // fdatasync: bytes and size, not times
  virtual Result<std::uint64_t> size() = 0;
  virtual Status truncate(std::uint64_t size_bytes) = 0;
  virtual Status preallocate(std::uint64_t size_bytes) = 0;  // reserves the space and grows the file with zeros
};

enum class OpenMode : std::uint8_t {
  kRead,    // must exist
  kWrite,   // must exist; read and write
  kCreate,  // must not exist; read and write
};

class Fs {
 public:
  virtual ~Fs() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status mkdir(const std::string& path) = 0;  // parents must exist; an existing folder is fine
  virtual Status sync_dir(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status unlink(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, ascending, without . and ..
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
};

Fs& real_fs();

// Whole files. read_file refuses more than size_max bytes (core.fs_full). replace_file leaves the old or the new
// content after a crash, never a mixture: writes path + ".tmp", syncs it, renames it, syncs the folder.
Result<Bytes> read_file(Fs& fs, const std::string& path, std::size_t size_max);
Status replace_file(Fs& fs, const std::string& path, ByteView bytes);
std::string parent_dir(std::string_view path);  // "." when there is none

}  // namespace hanse
