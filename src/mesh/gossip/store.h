// What was seen and what is kept of it (mesh.md 5.12). Ids of all messages for at least seen_ms or the last kSeenMax /
// 2 of them, in two generations; the messages themselves for kept_ms and up to kept_bytes a topic, oldest out first.
// Plain values; one thread at a time. Errors: none.
#pragma once

#include <deque>
#include <unordered_map>

#include "mesh/gossip/batch.h"

namespace hanse::gossip {

constexpr std::size_t kSeenMax = 65'536;

struct StoreConfig {
  std::int64_t seen_ms = 300'000;
  std::int64_t kept_ms = 60'000;
  std::size_t kept_bytes = 16u << 20;
};

struct SeenEntry {
  bool flooded = false;  // came beside the tree, and the tree has not brought it
};

class SeenIds {
 public:
  explicit SeenIds(std::int64_t seen_ms) : seen_ms_(seen_ms) {}
  const SeenEntry* find(const MessageId& id) const;
  SeenEntry* find(const MessageId& id);
  void add(std::int64_t now, const MessageId& id, SeenEntry entry);
  std::size_t size() const { return young_.size() + old_.size(); }

 private:
  std::int64_t seen_ms_;
  std::int64_t turned_ns_ = 0;
  std::unordered_map<MessageId, SeenEntry> young_, old_;
};

// The messages of one topic.
class Kept {
 public:
  void add(const StoreConfig& config, Held message);
  void expire(const StoreConfig& config, std::int64_t now);
  Held find(const MessageId& id) const;
  const std::deque<Held>& all() const { return order_; }  // oldest first
  std::size_t bytes() const { return bytes_; }

 private:
  void drop_oldest();
  std::deque<Held> order_;
  std::unordered_map<MessageId, Held> by_id_;
  std::size_t bytes_ = 0;
};

}  // namespace hanse::gossip
