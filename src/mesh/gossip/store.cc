#include "mesh/gossip/store.h"

#include "mesh/gossip/membership.h"

#include <utility>

namespace hanse::gossip {

namespace {

std::size_t cost(const Stored& s) { return s.gossip.message.payload.size() + s.gossip.signature.size() + 512; }

}  // namespace

const SeenEntry* SeenIds::find(const MessageId& id) const {
  if (const auto it = young_.find(id); it != young_.end()) return &it->second;
  const auto it = old_.find(id);
  return it == old_.end() ? nullptr : &it->second;
}

SeenEntry* SeenIds::find(const MessageId& id) { return const_cast<SeenEntry*>(std::as_const(*this).find(id)); }

void SeenIds::add(std::int64_t now, const MessageId& id, SeenEntry entry) {
  if (young_.empty() && old_.empty()) turned_ns_ = now;
  if (young_.size() >= kSeenMax / 2 || now - turned_ns_ > seen_ms_ * kMs) {
    old_ = std::move(young_);
    young_.clear();
    turned_ns_ = now;
  }
  young_.try_emplace(id, entry);
}

void Kept::add(const StoreConfig& config, Held message) {
  if (by_id_.contains(message->id)) return;
  bytes_ += cost(*message);
  by_id_[message->id] = message;
  order_.push_back(std::move(message));
  while (bytes_ > config.kept_bytes && order_.size() > 1) drop_oldest();
}

void Kept::expire(const StoreConfig& config, std::int64_t now) {
  while (!order_.empty() && now - order_.front()->at_ns > config.kept_ms * kMs) drop_oldest();
}

Held Kept::find(const MessageId& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

void Kept::drop_oldest() {
  bytes_ -= cost(*order_.front());
  by_id_.erase(order_.front()->id);
  order_.pop_front();
}

}  // namespace hanse::gossip
