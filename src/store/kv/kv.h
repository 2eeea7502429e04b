// Store: ordered keys and values in named families, over RocksDB (which stays in kv.cc). For what can be derived again
// or checked: a power cut may take back the newest unsynced writes, never a part of one batch. What must not be
// forgotten goes to store/journal first.
// Keys are compared as bytes; write integers big-endian. Limits: 64 families, key 4 KiB, value 64 MiB, batch 256 MiB.
// Threads: any; a Batch is a value. A Snapshot keeps old versions alive: hold it briefly.
// A failed background write (full disk, I/O) makes health() and every later write fail until the store is reopened.
// Errors: kv.corrupt (corrupt), kv.full (exhausted), kv.io (unavailable), kv.locked (conflict: another process or
// handle), kv.families (invalid: the folder has families the caller did not name), kv.missing (not_found: no store
// there and create is off), kv.exists (conflict: the folder of a checkpoint), kv.limit (invalid).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::kv {

constexpr std::size_t kFamiliesMax = 64;
constexpr std::size_t kKeyMax = 4096;
constexpr std::size_t kValueMax = 64u << 20;
constexpr std::size_t kBatchMax = 256u << 20;

// A family by its place in Options::families.
struct Family {
  std::uint8_t index = 0;
};

enum class Create : bool { kNo, kIfMissing };
enum class Sync : bool { kNo, kYes };

// What a family holds decides how it is kept; a family of either kind answers alike.
enum class Holds : std::uint8_t {
  kLookups,      // small values under keys that are asked for
  kLargeValues,  // written once: values of kSeparateMin and more lie in files of their own, which compaction leaves
                 // alone
  kHashes,       // values of any size under keys that are hashes: cheap to add to and to ask, a scan sorts first
  kSeldomRead,   // written often: cheap to add to, slow to read until it is on disk
};
constexpr std::size_t kSeparateMin = 128;

struct FamilySpec {
  FamilySpec(std::string_view n, Holds h = Holds::kLookups) : name(n), holds(h) {}
  FamilySpec(const char* n) : name(n) {}
  std::string name;
  Holds holds = Holds::kLookups;
};

struct Options {
  std::vector<FamilySpec> families;  // at least one; on disk by name, so the order may change, and what it holds too
  Create create = Create::kIfMissing;
  std::size_t cache_bytes = 64u << 20;
  std::size_t write_buffer_bytes = 64u << 20;  // all families together
};

// Writes that take effect together or not at all, in the order given.
class Batch {
 public:
  Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;
  ~Batch();
  void put(Family family, ByteView key, ByteView value);
  void erase(Family family, ByteView key);
  void clear(Family family);  // all that was written to it before; the batch puts nothing else there
  std::size_t size_bytes() const;
  std::size_t count() const;

 private:
  friend class Store;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

struct Stats {
  std::uint64_t keys_estimate = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t memtable_bytes = 0;
  std::uint64_t wal_bytes = 0;
};

// A view of one moment. May outlive other snapshots but not the store.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

 private:
  friend class Store;
  struct Rep;
  explicit Snapshot(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& path, Options options);
  ~Store();

  Result<std::optional<Bytes>> get(Family family, ByteView key, const Snapshot* at = nullptr) const;
  // The same for many keys at less than many calls: as many answers, in their order.
  Result<std::vector<std::optional<Bytes>>> get_many(Family family, std::span<const ByteView> keys,
                                                     const Snapshot* at = nullptr) const;
  // Keys that start with prefix, in byte order, from `from` on; visit returns false to stop.
  Status scan(Family family, ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit,
              const Snapshot* at = nullptr) const;
  // The last key that starts with prefix and is <= upto (empty upto = no bound), with its value.
  Result<std::optional<std::pair<Bytes, Bytes>>> last(Family family, ByteView prefix, ByteView upto = {},
                                                      const Snapshot* at = nullptr) const;
  Status write(Batch batch, Sync sync);
  Status sync();   // makes everything written so far durable
  Status flush();  // memtables of every family to tables
  Snapshot snapshot() const;
  // A store of its own in the new folder `path`: everything written so far, mostly as hard links, so the same file
  // system is best. The store may be written meanwhile; the copy is of one moment.
  Status checkpoint(const std::string& path) const;

  Status health() const;  // the background error, if there was one
  Status scrub() const;   // reads every table and checks its sums: slow, for idle times
  Stats stats() const;

 private:
  struct Rep;
  explicit Store(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace hanse::kv
