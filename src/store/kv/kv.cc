#include "store/kv/kv.h"

#include <algorithm>
#include <array>
#include <mutex>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "base/core/check.h"
#include "base/core/text.h"
#include "store/kv/hashed_table.h"

namespace hanse::kv {
namespace {

constexpr std::size_t kGetTogether = 32;  // what RocksDB looks up in one pass

rocksdb::Slice slice(ByteView b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
ByteView view(const rocksdb::Slice& s) { return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}; }

std::unexpected<Error> store_error(const rocksdb::Status& status, std::string_view action, std::string_view path) {
  const std::string message = text("{} {}: {}", action, path, status.ToString());
  if (status.IsNoSpace()) return fail(Kind::kExhausted, "kv.full", message);
  if (status.IsCorruption()) return fail(Kind::kCorrupt, "kv.corrupt", message);
  if (status.IsIOError()) {
    if (message.find("lock") != std::string::npos) return fail(Kind::kConflict, "kv.locked", message);
    // RocksDB reports a file size limit as a plain I/O error.
    if (message.find("File too large") != std::string::npos) return fail(Kind::kExhausted, "kv.full", message);
    return fail(Kind::kUnavailable, "kv.io", message);
  }
  if (status.IsInvalidArgument() && message.find("Column famil") != std::string::npos)
    return fail(Kind::kInvalid, "kv.families", message);
  if (status.IsInvalidArgument() && message.find("does not exist") != std::string::npos)
    return fail(Kind::kNotFound, "kv.missing", message);
  return fail(Kind::kUnavailable, "kv.io", message);
}

// Remembers the first background error; RocksDB calls it from its own threads.
class BackgroundErrors final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    const std::lock_guard lock(mutex_);
    if (first_.ok()) first_ = *status;
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
  rocksdb::Status first() const {
    const std::lock_guard lock(mutex_);
    return first_;
  }

 private:
  mutable std::mutex mutex_;
  rocksdb::Status first_;
};

// consensus.md 5.7, scaled by the caller's buffer and cache sizes.
rocksdb::Options make_options(const Options& options, std::shared_ptr<BackgroundErrors> errors) {
  rocksdb::Options o;
  o.create_if_missing = options.create == Create::kIfMissing;
  o.create_missing_column_families = true;
  o.paranoid_checks = true;
  o.paranoid_file_checks = true;
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  o.max_total_wal_size = 64u << 20;
  o.db_write_buffer_size = options.write_buffer_bytes;
  o.write_buffer_size = options.write_buffer_bytes / 2;
  o.bytes_per_sync = 1u << 20;
  o.memtable_protection_bytes_per_key = 8;
  o.allow_concurrent_memtable_write = false;  // what kHashes and kSeldomRead need; writers take turns anyway
  // Most keys that are asked for and missing (transactions seen before) are settled without walking the memtable.
  o.memtable_whole_key_filtering = true;
  o.memtable_prefix_bloom_size_ratio = 0.01;
  o.block_protection_bytes_per_key = 8;
  o.compression = rocksdb::kLZ4Compression;
  o.bottommost_compression = rocksdb::kZSTD;
  o.max_background_jobs = 2;
  o.max_open_files = 1000;
  o.keep_log_file_num = 4;
  o.max_log_file_size = 4u << 20;
  o.info_log_level = rocksdb::WARN_LEVEL;
  o.max_bgerror_resume_count = 0;
  o.listeners.push_back(std::move(errors));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::HyperClockCacheOptions(options.cache_bytes, 0).MakeSharedCache();
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

rocksdb::ColumnFamilyOptions family_options(const rocksdb::Options& all, Holds holds) {
  rocksdb::ColumnFamilyOptions o(all);
  if (holds == Holds::kLargeValues || holds == Holds::kHashes) {
    o.enable_blob_files = true;
    o.min_blob_size = kSeparateMin;
  }
  if (holds == Holds::kHashes) o.memtable_factory = make_hashed_tables();
  if (holds == Holds::kSeldomRead) o.memtable_factory = std::make_shared<rocksdb::VectorRepFactory>();
  return o;
}

bool has_prefix(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

// The smallest key above every key that starts with prefix; empty when there is none.
Bytes prefix_end(ByteView prefix) {
  Bytes end = to_bytes(prefix);
  while (!end.empty() && end.back() == 0xFF) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

}  // namespace

struct Batch::Rep {
  struct Op {
    std::size_t at;  // in data: the key, then the value
    std::uint32_t key_size, value_size;
    std::uint8_t family;
    enum class What : std::uint8_t { kPut, kErase, kClear } what;
  };
  std::vector<Op> ops;
  Bytes data;

  void add(Family family, Op::What what, ByteView key, ByteView value) {
    ops.push_back({data.size(), static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size()),
                   family.index, what});
    append(data, key);
    append(data, value);
  }
  ByteView key(const Op& op) const { return ByteView(data).subspan(op.at, op.key_size); }
  ByteView value(const Op& op) const { return ByteView(data).subspan(op.at + op.key_size, op.value_size); }
};

Batch::Batch() : rep_(std::make_unique<Rep>()) {}
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
Batch::~Batch() = default;

void Batch::put(Family family, ByteView key, ByteView value) { rep_->add(family, Rep::Op::What::kPut, key, value); }
void Batch::erase(Family family, ByteView key) { rep_->add(family, Rep::Op::What::kErase, key, {}); }
void Batch::clear(Family family) { rep_->add(family, Rep::Op::What::kClear, {}, Bytes(kKeyMax, 0xFF)); }
std::size_t Batch::size_bytes() const { return rep_->data.size(); }
std::size_t Batch::count() const { return rep_->ops.size(); }

struct Snapshot::Rep {
  rocksdb::DB* db;
  const rocksdb::Snapshot* snapshot;
  Rep(rocksdb::DB* d, const rocksdb::Snapshot* s) : db(d), snapshot(s) {}
  Rep(const Rep&) = delete;
  ~Rep() { db->ReleaseSnapshot(snapshot); }
};
Snapshot::Snapshot(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

struct Store::Rep {
  std::string path;
  // Shared with RocksDB, which may call it until the handle is closed.
  std::shared_ptr<BackgroundErrors> errors = std::make_shared<BackgroundErrors>();
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // in the order of Options::families; the default one last

  ~Rep() {
    if (!db) return;
    for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
    (void)db->Close();
  }
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    check(family.index + 1u < handles.size(), "kv family was not named in Options");
    return handles[family.index];
  }
  std::unexpected<Error> error(const rocksdb::Status& status, std::string_view action) const {
    return store_error(status, action, path);
  }
};

Store::Store(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& path, Options options) {
  if (options.families.empty() || options.families.size() > kFamiliesMax)
    return fail(Kind::kInvalid, "kv.limit",
                text("found {} families, expected 1 to {}", options.families.size(), kFamiliesMax));
  auto rep = std::make_unique<Rep>();
  rep->path = path;
  const rocksdb::Options opts = make_options(options, rep->errors);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const FamilySpec& family : options.families)
    families.emplace_back(family.name, family_options(opts, family.holds));
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, opts);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(opts, path, families, &rep->handles, &db);
  if (!status.ok()) return store_error(status, "open", path);
  rep->db.reset(db);
  return std::unique_ptr<Store>(new Store(std::move(rep)));
}

namespace {
template <class SnapshotRep>
rocksdb::ReadOptions read_options(const SnapshotRep* at) {
  rocksdb::ReadOptions o;
  o.verify_checksums = true;
  if (at != nullptr) o.snapshot = at->snapshot;
  return o;
}
}  // namespace

Result<std::optional<Bytes>> Store::get(Family family, ByteView key, const Snapshot* at) const {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  rocksdb::PinnableSlice value;
  const auto status =
      rep_->db->Get(read_options(at ? at->rep_.get() : nullptr), rep_->handle(family), slice(key), &value);
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return rep_->error(status, "read");
  return std::optional<Bytes>(to_bytes(view(value)));
}

Result<std::vector<std::optional<Bytes>>> Store::get_many(Family family, std::span<const ByteView> keys,
                                                          const Snapshot* at) const {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  const rocksdb::ReadOptions options = read_options(at ? at->rep_.get() : nullptr);
  std::vector<std::optional<Bytes>> out;
  out.reserve(keys.size());
  std::array<rocksdb::Slice, kGetTogether> names;
  std::array<rocksdb::PinnableSlice, kGetTogether> values;
  std::array<rocksdb::Status, kGetTogether> found;
  while (!keys.empty()) {
    const auto some = keys.first(std::min(keys.size(), kGetTogether));
    keys = keys.subspan(some.size());
    std::ranges::transform(some, names.begin(), slice);
    rep_->db->MultiGet(options, rep_->handle(family), some.size(), names.data(), values.data(), found.data());
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!found[i].ok() && !found[i].IsNotFound()) return rep_->error(found[i], "read");
      out.push_back(found[i].ok() ? std::optional(to_bytes(view(values[i]))) : std::nullopt);
      values[i].Reset();
    }
  }
  return out;
}

Status Store::scan(Family family, ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit,
                   const Snapshot* at) const {
  const std::unique_ptr<rocksdb::Iterator> it(
      rep_->db->NewIterator(read_options(at ? at->rep_.get() : nullptr), rep_->handle(family)));
  const bool from_later = std::ranges::lexicographical_compare(prefix, from);
  for (it->Seek(slice(from_later ? from : prefix)); it->Valid(); it->Next()) {
    if (!has_prefix(view(it->key()), prefix)) break;
    if (!visit(view(it->key()), view(it->value()))) break;
  }
  if (!it->status().ok()) return rep_->error(it->status(), "scan");
  return {};
}

Result<std::optional<std::pair<Bytes, Bytes>>> Store::last(Family family, ByteView prefix, ByteView upto,
                                                           const Snapshot* at) const {
  const std::unique_ptr<rocksdb::Iterator> it(
      rep_->db->NewIterator(read_options(at ? at->rep_.get() : nullptr), rep_->handle(family)));
  if (!upto.empty()) {
    it->SeekForPrev(slice(upto));
  } else if (const Bytes end = prefix_end(prefix); end.empty()) {
    it->SeekToLast();
  } else {
    it->SeekForPrev(slice(end));
    if (it->Valid() && equal(view(it->key()), end)) it->Prev();
  }
  if (!it->status().ok()) return rep_->error(it->status(), "seek in");
  if (!it->Valid() || !has_prefix(view(it->key()), prefix)) return std::optional<std::pair<Bytes, Bytes>>();
  return std::optional(std::pair(to_bytes(view(it->key())), to_bytes(view(it->value()))));
}

Status Store::write(Batch batch, Sync sync) {
  TRY_OK(health());
  if (batch.size_bytes() > kBatchMax)
    return fail(Kind::kInvalid, "kv.limit",
                text("found a batch of {} bytes, expected at most {}", batch.size_bytes(), kBatchMax));
  Batch::Rep& in = *batch.rep_;
  // Keys in order, so that each is inserted near the one before; stable, so that the last write to a key still wins.
  std::ranges::stable_sort(in.ops, [&](const Batch::Rep::Op& a, const Batch::Rep::Op& b) {
    return a.family != b.family ? a.family < b.family : as_text(in.key(a)) < as_text(in.key(b));
  });
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);                    // of this thread: nobody reads the counters
  rocksdb::WriteBatch out(in.data.size() + in.ops.size() * 12, 0, 8, 0);  // 8 bytes of protection a key
  for (const Batch::Rep::Op& op : in.ops) {
    if (op.key_size > kKeyMax || op.value_size > kValueMax)
      return fail(Kind::kInvalid, "kv.limit",
                  text("found a key of {} and a value of {} bytes, expected at most {} and {}", op.key_size,
                       op.value_size, kKeyMax, kValueMax));
    auto* handle = rep_->handle(Family{op.family});
    const rocksdb::Slice key = slice(in.key(op));
    const rocksdb::Slice value = slice(in.value(op));
    const auto status = op.what == Batch::Rep::Op::What::kErase   ? out.Delete(handle, key)
                        : op.what == Batch::Rep::Op::What::kClear ? out.DeleteRange(handle, key, value)
                                                                  : out.Put(handle, key, value);
    if (!status.ok()) return rep_->error(status, "fill a batch for");
  }
  rocksdb::WriteOptions o;
  o.sync = sync == Sync::kYes;
  o.memtable_insert_hint_per_batch = true;
  const auto status = rep_->db->Write(o, &out);
  if (!status.ok()) return rep_->error(status, "write");
  return {};
}

Status Store::sync() {
  const auto status = rep_->db->FlushWAL(true);
  if (!status.ok()) return rep_->error(status, "sync");
  return {};
}

Status Store::flush() {
  const auto status = rep_->db->Flush(rocksdb::FlushOptions(), rep_->handles);
  if (!status.ok()) return rep_->error(status, "flush");
  return {};
}

Snapshot Store::snapshot() const {
  return Snapshot(std::make_unique<Snapshot::Rep>(rep_->db.get(), rep_->db->GetSnapshot()));
}

Status Store::checkpoint(const std::string& path) const {
  TRY_OK(health());
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(rep_->db.get(), &made);
  if (!status.ok()) return rep_->error(status, "checkpoint");
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  status = checkpoint->CreateCheckpoint(path, 0);  // 0: memtables are flushed first, so no log is copied
  if (status.IsInvalidArgument() && status.ToString().find("exists") != std::string::npos)
    return fail(Kind::kConflict, "kv.exists", text("found {}, expected no such folder yet", path));
  if (!status.ok()) return store_error(status, "checkpoint to", path);
  return {};
}

Status Store::health() const {
  const rocksdb::Status first = rep_->errors->first();
  if (first.ok()) return {};
  return rep_->error(first, "background work in");
}

Status Store::scrub() const {
  const auto status = rep_->db->VerifyChecksum();
  if (!status.ok()) return rep_->error(status, "scrub");
  return {};
}

Stats Store::stats() const {
  Stats out;
  for (auto* handle : rep_->handles) {
    std::uint64_t v = 0;
    if (rep_->db->GetIntProperty(handle, "rocksdb.estimate-num-keys", &v)) out.keys_estimate += v;
    if (rep_->db->GetIntProperty(handle, "rocksdb.total-sst-files-size", &v)) out.table_bytes += v;
    if (rep_->db->GetIntProperty(handle, "rocksdb.cur-size-all-mem-tables", &v)) out.memtable_bytes += v;
  }
  std::vector<std::unique_ptr<rocksdb::LogFile>> logs;
  if (rep_->db->GetSortedWalFiles(logs).ok())
    for (const auto& log : logs) out.wal_bytes += log->SizeFileBytes();
  return out;
}

}  // namespace hanse::kv
