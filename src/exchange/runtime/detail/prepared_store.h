// What kinds prepared, by the hash of kind and artifact; the oldest goes when it is full. An empty entry says that
// there is nothing to prepare. Threads: any.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "base/core/ids.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::runtime {

class PreparedStore {
 public:
  explicit PreparedStore(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  static Hash32 key(const RunRequest& request);
  std::shared_ptr<const Bytes> find(const Hash32& key);  // null: not known
  void put(const Hash32& key, Bytes prepared);
  std::uint64_t bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const Bytes> bytes;  // shared: a call may still send what the store lets go
    std::list<Hash32>::iterator use;
  };
  static constexpr std::uint64_t kEntryCost = 256;

  std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<Hash32, Entry> entries_;
  std::list<Hash32> used_;  // last used first
  std::uint64_t bytes_ = 0;
};

}  // namespace hanse::runtime
