#include "chain/ledger/state.h"

#include <algorithm>

#include "base/core/check.h"

namespace hanse::ledger {
namespace {

void check_limits(ByteView key, ByteView value) {
  check(!key.empty() && key.size() <= kStateKeyMax, "state key is empty or beyond kStateKeyMax");
  check(value.size() <= kStateValueMax, "state value is beyond kStateValueMax");
}

bool has_prefix(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

bool less(ByteView a, ByteView b) { return std::ranges::lexicographical_compare(a, b); }

Bytes scan_start(ByteView prefix, ByteView from) { return less(from, prefix) ? to_bytes(prefix) : to_bytes(from); }

}  // namespace

Result<std::optional<Bytes>> MemState::get(ByteView key) const {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return std::optional<Bytes>();
  return std::optional<Bytes>(it->second);
}

Status MemState::scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const {
  for (auto it = entries_.lower_bound(scan_start(prefix, from)); it != entries_.end(); ++it) {
    if (!has_prefix(it->first, prefix)) break;
    if (!visit(it->first, it->second)) break;
  }
  return {};
}

void MemState::put(ByteView key, ByteView value) {
  check_limits(key, value);
  entries_.insert_or_assign(to_bytes(key), to_bytes(value));
}

void MemState::erase(ByteView key) {
  check_limits(key, {});
  entries_.erase(to_bytes(key));
}

Result<std::optional<Bytes>> Overlay::get(ByteView key) const {
  const auto it = writes_.find(key);
  if (it != writes_.end()) return it->second;
  return below_.get(key);
}

// Merges two ordered streams: the store below pushes its keys, and before each of them the own writes that come first.
Status Overlay::scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const {
  const Bytes start = scan_start(prefix, from);
  auto own = writes_.lower_bound(start);
  bool stopped = false;
  const auto own_left = [&] { return own != writes_.end() && has_prefix(own->first, prefix); };
  const auto visit_own = [&] {
    if (own->second && !visit(own->first, *own->second)) stopped = true;
    ++own;
  };
  TRY_OK(below_.scan(prefix, start, [&](ByteView key, ByteView value) {
    while (!stopped && own_left() && less(own->first, key)) visit_own();
    if (stopped) return false;
    if (own_left() && equal(own->first, key)) {
      visit_own();
    } else if (!visit(key, value)) {
      stopped = true;
    }
    return !stopped;
  }));
  while (!stopped && own_left()) visit_own();
  return {};
}

void Overlay::put(ByteView key, ByteView value) {
  check_limits(key, value);
  if (const auto it = writes_.find(key); it != writes_.end()) {
    it->second = to_bytes(value);
  } else {
    writes_.emplace(to_bytes(key), to_bytes(value));
  }
}

void Overlay::erase(ByteView key) {
  check_limits(key, {});
  writes_.insert_or_assign(to_bytes(key), std::nullopt);
}

void Overlay::take(Overlay& upper) {
  // Moves the nodes: what stays behind has a key that is here already.
  writes_.merge(upper.writes_);
  for (auto& [key, value] : upper.writes_) writes_.find(key)->second = std::move(value);
  upper.writes_.clear();
}

void Overlay::commit_to(State& target) const {
  for (const auto& [key, value] : writes_) {
    if (value) {
      target.put(key, *value);
    } else {
      target.erase(key);
    }
  }
}

}  // namespace hanse::ledger
