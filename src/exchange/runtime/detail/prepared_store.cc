#include "exchange/runtime/detail/prepared_store.h"

#include "base/crypto/hash.h"

namespace hanse::runtime {

Hash32 PreparedStore::key(const RunRequest& request) {
  std::uint8_t size[8];
  store_le(size, static_cast<std::uint64_t>(request.kind.size()));
  return crypto::blake3("hanse/prepared/1", {size, as_bytes(request.kind), request.artifact});
}

std::shared_ptr<const Bytes> PreparedStore::find(const Hash32& key) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return nullptr;
  used_.splice(used_.begin(), used_, it->second.use);
  return it->second.bytes;
}

void PreparedStore::put(const Hash32& key, Bytes prepared) {
  const std::uint64_t cost = prepared.size() + kEntryCost;
  const std::lock_guard lock(mutex_);
  if (cost > bytes_max_ || entries_.contains(key)) return;
  while (bytes_ + cost > bytes_max_) {
    const auto oldest = entries_.find(used_.back());
    bytes_ -= oldest->second.bytes->size() + kEntryCost;
    entries_.erase(oldest);
    used_.pop_back();
  }
  used_.push_front(key);
  entries_.emplace(key, Entry{.bytes = std::make_shared<const Bytes>(std::move(prepared)), .use = used_.begin()});
  bytes_ += cost;
}

std::uint64_t PreparedStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace hanse::runtime
