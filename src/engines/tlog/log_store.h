// The log on disk, over store/kv: entries, tiles, an index of ids and the head, changed by one synced batch at a time.
// Layout: proto/records/tlog.md. What is appended together is kept together: a bundle or tile is the concatenation of
// its pieces, so a group of one costs as little to write as its share of a large one.
// An entry has an id of the caller's (the id of an attestation): a second entry of one id is not appended, it gets the
// index of the first.
// Threads: append one; everything else any, beside it. Limits: 256 entries an append, entries of kEntryMax bytes.
// Errors: tlog.entry_size (invalid), tlog.group_size (invalid), tlog.no_store (not_found: no log in the folder),
// tlog.wrong_origin (denied: the folder has another log), tlog.store_root (corrupt: tiles and head differ),
// tlog.store (corrupt: a record of another form), tlog.path (not_found: beyond the size asked for), those of kv.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "engines/tlog/checkpoint.h"
#include "engines/tlog/tile.h"
#include "store/kv/kv.h"

namespace hanse::tlog {

constexpr std::size_t kGroupMax = 256;

struct Entry {
  Hash32 id;
  Bytes body;
};
struct Added {
  std::uint64_t index = 0;
  bool known = false;  // an earlier entry has this id
  friend bool operator==(const Added&, const Added&) = default;
};

class LogStore {
 public:
  static Result<std::unique_ptr<LogStore>> create(const std::string& path, std::string_view origin);
  static Result<std::unique_ptr<LogStore>> open(const std::string& path, std::string_view origin);

  TreeHead head() const;  // what is durable
  // All of them durable when it returns, or none; after an error of kv the store must be opened anew.
  Result<std::vector<Added>> append(std::span<const Entry> entries);

  Result<std::optional<std::uint64_t>> find(const Hash32& id) const;
  Result<Bytes> entry(std::uint64_t index) const;  // tlog.tree_range outside of the tree
  // Tiles and bundles of a tree of `size` leaves, which is at most that of head(); wider ones are not there.
  Result<Bytes> read(const Resource& resource, std::uint64_t size) const;
  Fetch fetch(std::uint64_t size) const;  // borrows the store
  Result<TreeHead> head_at(std::uint64_t size) const;

 private:
  LogStore(std::unique_ptr<kv::Store> store, std::string origin)
      : store_(std::move(store)), origin_(std::move(origin)) {}
  static Result<std::unique_ptr<LogStore>> open_store(const std::string& path, std::string_view origin,
                                                      kv::Create create);
  Status load();
  Result<Bytes> pieces(kv::Family family, ByteView prefix, std::size_t width) const;

  std::unique_ptr<kv::Store> store_;
  std::string origin_;
  Frontier frontier_;  // of append's thread
  mutable std::mutex mutex_;
  TreeHead head_;
};

}  // namespace hanse::tlog
