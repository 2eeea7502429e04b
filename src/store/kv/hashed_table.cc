#include "store/kv/hashed_table.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include <rocksdb/memtablerep.h>
#include <rocksdb/slice.h>

#include "base/core/bytes.h"
#include "base/core/random.h"

namespace hanse::kv {
namespace {

using rocksdb::MemTableRep;
using rocksdb::Slice;

constexpr std::size_t kTrailerBytes = 8;  // of an internal key, behind the user's: sequence number and kind
constexpr std::size_t kHeadsMin = 1024;

Slice user_key(const Slice& internal) { return {internal.data(), internal.size() - kTrailerBytes}; }

// With the first bytes beside it most comparisons need no look at the key.
struct Sorted {
  std::uint64_t first_bytes;
  const char* entry;
};
using SortedList = std::vector<Sorted>;  // ascending, the newest of one key first

std::uint64_t first_bytes(const Slice& key) {
  std::uint8_t bytes[8] = {};
  std::memcpy(bytes, key.data(), std::min(key.size(), sizeof bytes));
  return load_be<std::uint64_t>(bytes);
}

class Walk final : public MemTableRep::Iterator {
 public:
  Walk(const MemTableRep::KeyComparator& compare, std::shared_ptr<const SortedList> list)
      : compare_(compare), list_(std::move(list)), at_(list_->size()) {}

  bool Valid() const override { return at_ < list_->size(); }
  const char* key() const override { return (*list_)[at_].entry; }
  void Next() override { ++at_; }
  void Prev() override { at_ = at_ == 0 ? list_->size() : at_ - 1; }
  void Seek(const Slice& internal, const char*) override {
    const auto found = std::ranges::lower_bound(
        *list_, 0, {}, [&](const Sorted& s) { return compare_(s.entry, internal) < 0 ? -1 : 0; });
    at_ = static_cast<std::size_t>(found - list_->begin());
  }
  void SeekForPrev(const Slice& internal, const char* entry) override {
    Seek(internal, entry);
    if (!Valid()) return SeekToLast();
    if (compare_(key(), internal) > 0) Prev();
  }
  void SeekToFirst() override { at_ = 0; }
  void SeekToLast() override { at_ = list_->empty() ? 0 : list_->size() - 1; }

 private:
  const MemTableRep::KeyComparator& compare_;
  const std::shared_ptr<const SortedList> list_;
  std::size_t at_;
};

class HashedTable final : public MemTableRep {
 public:
  HashedTable(const KeyComparator& compare, rocksdb::Allocator* allocator)
      : MemTableRep(allocator), compare_(compare), heads_(kHeadsMin) {}

  void Insert(rocksdb::KeyHandle handle) override {
    const char* entry = static_cast<const char*>(handle);
    const std::uint32_t hash = hash_of(UserKey(entry));
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= heads_.size()) grow();
    std::uint32_t& head = heads_[hash & (heads_.size() - 1)];
    entries_.push_back({.entry = entry, .hash = hash, .next = head});
    head = static_cast<std::uint32_t>(entries_.size());
  }

  bool Contains(const char* entry) const override {
    bool found = false;
    const std::shared_lock lock(mutex_);
    visit(UserKey(entry), [&](const char* other) { found = found || compare_(other, entry) == 0; });
    return found;
  }

  void MarkReadOnly() override {
    const std::lock_guard lock(mutex_);
    read_only_ = true;
  }

  std::size_t ApproximateMemoryUsage() override { return memory_; }

  // In order, of what is there now. With an arena the caller ends the iterator without giving its memory back, which
  // goes with the table then: scans are few.
  MemTableRep::Iterator* GetIterator(rocksdb::Arena* arena) override {
    auto list = sorted();
    if (arena == nullptr) return new Walk(compare_, std::move(list));
    const std::lock_guard lock(mutex_);
    return new (places_.emplace_back().bytes.data()) Walk(compare_, std::move(list));
  }

  // What lookups use: it finds the entries of the key it seeks and nothing else.
  MemTableRep::Iterator* GetDynamicPrefixIterator(rocksdb::Arena*) override { return new Lookup(*this); }

 private:
  struct Entry {
    const char* entry;
    std::uint32_t hash;
    std::uint32_t next;  // of one head: place + 1 of the one added before; 0: none
  };

  class Lookup final : public MemTableRep::Iterator {
   public:
    explicit Lookup(const HashedTable& table) : table_(table) {}
    bool Valid() const override { return at_ < found_.size(); }
    const char* key() const override { return found_[at_]; }
    void Next() override { ++at_; }
    void Prev() override { at_ = at_ == 0 ? found_.size() : at_ - 1; }
    void Seek(const Slice& internal, const char*) override {
      found_.clear();
      at_ = 0;
      const std::shared_lock lock(table_.mutex_);
      table_.visit(user_key(internal), [&](const char* entry) {
        if (table_.compare_(entry, internal) >= 0) found_.push_back(entry);
      });
      std::ranges::sort(found_, [this](const char* a, const char* b) { return table_.compare_(a, b) < 0; });
    }
    void SeekForPrev(const Slice&, const char*) override { at_ = found_.size(); }
    void SeekToFirst() override { at_ = found_.size(); }
    void SeekToLast() override { at_ = found_.size(); }

   private:
    const HashedTable& table_;
    std::vector<const char*> found_;
    std::size_t at_ = 0;
  };

  struct Place {
    alignas(Walk) std::array<std::byte, sizeof(Walk)> bytes;
  };

  // Seeded, as who submits transactions chooses among their hashes.
  std::uint32_t hash_of(const Slice& key) const {
    std::uint64_t hash = seed_ ^ key.size();
    for (std::size_t at = 0; at < key.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, key.data() + at, std::min<std::size_t>(8, key.size() - at));
      hash = (hash ^ word) * 0x9E37'79B9'7F4A'7C15u;
      hash ^= hash >> 32;
    }
    return static_cast<std::uint32_t>(hash);
  }

  // Under mutex_, as what follows.
  template <class Visit>
  void visit(const Slice& key, Visit visit) const {
    const std::uint32_t hash = hash_of(key);
    for (std::uint32_t at = heads_[hash & (heads_.size() - 1)]; at != 0; at = entries_[at - 1].next) {
      const Entry& e = entries_[at - 1];
      if (e.hash == hash && UserKey(e.entry) == key) visit(e.entry);
    }
  }

  void grow() {
    heads_.assign(2 * heads_.size(), 0);
    entries_.reserve(heads_.size());
    memory_ = heads_.size() * (sizeof(std::uint32_t) + sizeof(Entry));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::uint32_t& head = heads_[entries_[i].hash & (heads_.size() - 1)];
      entries_[i].next = std::exchange(head, static_cast<std::uint32_t>(i + 1));
    }
  }

  std::shared_ptr<const SortedList> sorted() {
    auto list = std::make_shared<SortedList>();
    bool last = false;
    {
      const std::shared_lock lock(mutex_);
      if (sorted_) return sorted_;
      last = read_only_;
      list->reserve(entries_.size());
      for (const Entry& e : entries_) list->push_back({.first_bytes = first_bytes(UserKey(e.entry)), .entry = e.entry});
    }
    std::ranges::sort(*list, [this](const Sorted& a, const Sorted& b) {
      return a.first_bytes != b.first_bytes ? a.first_bytes < b.first_bytes : compare_(a.entry, b.entry) < 0;
    });
    if (!last) return list;
    const std::lock_guard lock(mutex_);
    if (!sorted_) sorted_ = std::move(list);
    return sorted_;
  }

  const KeyComparator& compare_;
  const std::uint64_t seed_ = system_random().next_u64();
  std::atomic<std::size_t> memory_{0};  // beside the entries themselves
  mutable std::shared_mutex mutex_;     // for what follows
  std::vector<Entry> entries_;          // in the order they came
  std::vector<std::uint32_t> heads_;    // by hash: place + 1 of the newest; a power of two of them
  std::deque<Place> places_;
  bool read_only_ = false;
  std::shared_ptr<const SortedList> sorted_;  // once read only, for all who ask
};

class Factory final : public rocksdb::MemTableRepFactory {
 public:
  using MemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(const MemTableRep::KeyComparator& compare, rocksdb::Allocator* allocator,
                                 const rocksdb::SliceTransform*, rocksdb::Logger*) override {
    return new HashedTable(compare, allocator);
  }
  const char* Name() const override { return "HashedTable"; }
};

}  // namespace

std::shared_ptr<rocksdb::MemTableRepFactory> make_hashed_tables() { return std::make_shared<Factory>(); }

}  // namespace hanse::kv
