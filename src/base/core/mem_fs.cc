#include "base/core/mem_fs.h"

#include <algorithm>
#include <optional>

#include "base/core/text.h"

namespace hanse {

struct MemFs::Inode {
  struct Write {
    std::uint64_t offset;
    Bytes bytes;
    std::optional<std::uint64_t> truncated_to;  // instead of bytes
  };
  Bytes now;
  Bytes durable;
  std::vector<Write> unsynced;
};

// What a folder operation did to the names: each name's new inode, or none.
struct MemFs::DirOp {
  std::string dir;
  std::vector<std::pair<std::string, std::shared_ptr<Inode>>> changes;
};

namespace {

constexpr std::size_t kSector = 512;

std::unexpected<Error> not_found(const std::string& path) {
  return fail(Kind::kNotFound, "core.fs_not_found", text("open {}: no such file", path));
}

}  // namespace

class MemFile final : public File {
 public:
  MemFile(MemFs& fs, std::shared_ptr<MemFs::Inode> inode, std::string path, OpenMode mode)
      : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), mode_(mode), generation_(fs.generation_) {}

  Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(alive());
    const Bytes& now = inode_->now;
    if (offset >= now.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(out.size(), now.size() - offset);
    std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(writable());
    return fs_.write_locked(*inode_, path_, offset, bytes);
  }

  Status append(ByteView bytes) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(writable());
    return fs_.write_locked(*inode_, path_, inode_->now.size(), bytes);
  }

  Status sync() override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(alive());
    TRY_OK(fs_.count_operation("sync", path_));
    inode_->durable = inode_->now;
    inode_->unsynced.clear();
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(alive());
    return inode_->now.size();
  }

  Status truncate(std::uint64_t size_bytes) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(writable());
    inode_->now.resize(size_bytes);
    inode_->unsynced.push_back({.offset = size_bytes, .bytes = {}, .truncated_to = size_bytes});
    return {};
  }

  Status preallocate(std::uint64_t size_bytes) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY_OK(writable());
    const std::uint64_t end = inode_->now.size();
    if (size_bytes <= end) return {};
    return fs_.write_locked(*inode_, path_, end, Bytes(size_bytes - end));
  }

 private:
  Status alive() const {
    if (generation_ != fs_.generation_)
      return fail(Kind::kUnavailable, "core.fs_io", text("use {}: the machine crashed since it was opened", path_));
    return {};
  }
  Status writable() const {
    TRY_OK(alive());
    if (mode_ == OpenMode::kRead)
      return fail(Kind::kDenied, "core.fs_denied", text("write {}: opened for reading", path_));
    return {};
  }

  MemFs& fs_;
  std::shared_ptr<MemFs::Inode> inode_;
  std::string path_;
  OpenMode mode_;
  std::uint64_t generation_;
};

MemFs::MemFs(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  dirs_["."] = true;
  dirs_["/"] = true;
}

MemFs::~MemFs() = default;

Status MemFs::count_operation(std::string_view what, const std::string& path) {
  ++operations_;
  if (operations_ != fail_operation_) return {};
  fail_operation_ = 0;
  if (fault_ == Fault::kFull)
    return fail(Kind::kExhausted, "core.fs_full", text("{} {}: no space left on device", what, path));
  return fail(Kind::kUnavailable, "core.fs_io", text("{} {}: input/output error", what, path));
}

std::uint64_t MemFs::used_locked() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->now.size();
  return used;
}

Status MemFs::write_locked(Inode& inode, const std::string& path, std::uint64_t offset, ByteView bytes) {
  const std::uint64_t grown = std::max<std::uint64_t>(inode.now.size(), offset + bytes.size()) - inode.now.size();
  const bool full = grown > 0 && capacity_bytes_ != ~std::uint64_t{0} && used_locked() + grown > capacity_bytes_;
  Status status = count_operation("write", path);
  if (status && full) status = fail(Kind::kExhausted, "core.fs_full", text("write {}: no space left on device", path));
  if (!status) {
    if (full) return status;
    bytes = bytes.first(bytes.size() / 2);
  }
  if (inode.now.size() < offset + bytes.size()) inode.now.resize(offset + bytes.size());
  std::ranges::copy(bytes, inode.now.begin() + static_cast<std::ptrdiff_t>(offset));
  inode.unsynced.push_back({.offset = offset, .bytes = to_bytes(bytes), .truncated_to = {}});
  return status;
}

Result<std::unique_ptr<File>> MemFs::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  auto it = names_.find(path);
  if (mode == OpenMode::kCreate) {
    if (it != names_.end()) return fail(Kind::kConflict, "core.fs_exists", text("open {}: the file exists", path));
    if (!dirs_.contains(parent_dir(path))) return not_found(path);
    TRY_OK(count_operation("create", path));
    it = names_.emplace(path, std::make_shared<Inode>()).first;
    pending_.push_back({.dir = parent_dir(path), .changes = {{path, it->second}}});
  }
  if (it == names_.end()) return not_found(path);
  return std::make_unique<MemFile>(*this, it->second, path, mode);
}

Status MemFs::mkdir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!dirs_.contains(parent_dir(path))) return not_found(path);
  dirs_[path] = true;
  return {};
}

Status MemFs::sync_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!dirs_.contains(path)) return not_found(path);
  TRY_OK(count_operation("sync folder", path));
  std::erase_if(pending_, [&](const DirOp& op) {
    if (op.dir != path) return false;
    for (const auto& [name, inode] : op.changes) {
      if (inode) {
        durable_names_[name] = inode;
      } else {
        durable_names_.erase(name);
      }
    }
    return true;
  });
  return {};
}

Status MemFs::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto it = names_.find(from);
  if (it == names_.end()) return not_found(from);
  TRY_OK(count_operation("rename", from));
  const auto inode = it->second;
  names_.erase(it);
  names_[to] = inode;
  pending_.push_back({.dir = parent_dir(to), .changes = {{from, nullptr}, {to, inode}}});
  return {};
}

Status MemFs::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (names_.erase(path) == 0) return not_found(path);
  pending_.push_back({.dir = parent_dir(path), .changes = {{path, nullptr}}});
  return {};
}

Result<bool> MemFs::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return names_.contains(path) || dirs_.contains(path);
}

Result<std::vector<std::string>> MemFs::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!dirs_.contains(path)) return not_found(path);
  std::vector<std::string> names;
  const auto add = [&](const std::string& each) {
    if (each != path && parent_dir(each) == path) names.push_back(each.substr(path == "/" ? 1 : path.size() + 1));
  };
  for (const auto& [name, inode] : names_) add(name);
  for (const auto& [name, present] : dirs_) add(name);
  std::ranges::sort(names);
  return names;
}

Result<std::uint64_t> MemFs::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  return capacity_bytes_ - std::min(capacity_bytes_, used_locked());
}

void MemFs::crash(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  SeededRandom random(seed, "mem_fs crash");
  ++generation_;
  fail_operation_ = 0;

  const std::size_t survive = pending_.empty() ? 0 : random.below(pending_.size() + 1);
  for (std::size_t i = 0; i < survive; ++i) {
    for (const auto& [name, inode] : pending_[i].changes) {
      if (inode) {
        durable_names_[name] = inode;
      } else {
        durable_names_.erase(name);
      }
    }
  }
  pending_.clear();
  names_ = durable_names_;

  for (auto& [name, inode] : names_) {
    Bytes after = inode->durable;
    for (const Inode::Write& write : inode->unsynced) {
      const std::uint64_t fate = random.below(3);
      if (fate == 0) continue;
      if (write.truncated_to) {
        after.resize(*write.truncated_to);
        continue;
      }
      if (after.size() < write.offset + write.bytes.size()) after.resize(write.offset + write.bytes.size());
      for (std::size_t at = 0; at < write.bytes.size();) {
        const std::size_t sector_end = kSector - (write.offset + at) % kSector;
        const std::size_t n = std::min(sector_end, write.bytes.size() - at);
        if (fate == 1 || random.below(2) == 0)
          std::copy_n(write.bytes.begin() + static_cast<std::ptrdiff_t>(at), n,
                      after.begin() + static_cast<std::ptrdiff_t>(write.offset + at));
        at += n;
      }
    }
    inode->unsynced.clear();
    inode->durable = after;
    inode->now = std::move(after);
  }
}

void MemFs::fail_at(std::uint64_t operations_from_now, Fault fault) {
  const std::lock_guard lock(mutex_);
  fail_operation_ = operations_ + operations_from_now;
  fault_ = fault;
}

std::uint64_t MemFs::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool MemFs::flip(const std::string& path, std::uint64_t offset, unsigned bit) {
  const std::lock_guard lock(mutex_);
  const auto it = names_.find(path);
  if (it == names_.end() || offset >= it->second->now.size()) return false;
  const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
  it->second->now[offset] ^= mask;
  if (offset < it->second->durable.size()) it->second->durable[offset] ^= mask;
  return true;
}

}  // namespace hanse
