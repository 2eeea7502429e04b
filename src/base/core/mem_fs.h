// MemFs: a file system in memory that crashes the way disks do, for tests and the simulator.
// After crash(seed) every file holds what was synced, plus an arbitrary part of what was written since: each unsynced
// write is kept, lost, or torn at 512-byte sectors, by the seed. Of the folder operations since the folder's last
// sync_dir a prefix survives, as on a journaling file system. Files that were open answer core.fs_io from then on.
// Faults: the n-th operation from now (counting writes, syncs, preallocations, renames, creations) can be made to fail
// with a full disk or an I/O error; a failed write leaves an arbitrary part of its bytes behind.
// Threads: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "base/core/fs.h"
#include "base/core/random.h"

namespace hanse {

class MemFs final : public Fs {
 public:
  enum class Fault : std::uint8_t { kFull, kIo };

  explicit MemFs(std::uint64_t capacity_bytes = ~std::uint64_t{0});
  ~MemFs() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status mkdir(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;

  void crash(std::uint64_t seed);
  void fail_at(std::uint64_t operations_from_now, Fault fault);  // 1 = the next one; once
  std::uint64_t operations() const;                              // counted so far
  // Flips one bit of a file as it stands, synced or not: a bad sector. False when there is no such byte.
  bool flip(const std::string& path, std::uint64_t offset, unsigned bit);

 private:
  friend class MemFile;
  struct Inode;
  struct DirOp;

  Status count_operation(std::string_view what, const std::string& path);
  Status write_locked(Inode& inode, const std::string& path, std::uint64_t offset, ByteView bytes);
  std::uint64_t used_locked() const;

  mutable std::mutex mutex_;
  std::uint64_t capacity_bytes_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_operation_ = 0;
  Fault fault_ = Fault::kIo;
  std::uint64_t generation_ = 0;  // crashes so far
  // Shared: a name now, the same name as it was at the last sync, and open files all point to one inode.
  std::map<std::string, std::shared_ptr<Inode>> names_, durable_names_;
  std::map<std::string, bool> dirs_;
  std::vector<DirOp> pending_;
};

}  // namespace hanse
