#include "chain/light/range.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "chain/light/sparse.h"

namespace hanse::light {
namespace {

std::unexpected<Error> refuse(std::string_view message) { return fail(Kind::kDenied, "light.range", message); }

// The greatest hash that starts with the path's bits.
Hash32 last_below(const Hash32& path, std::uint16_t depth) {
  Hash32 out = path;
  for (std::size_t i = depth / 8u; i < out.data.size(); ++i)
    out.data[i] |= static_cast<std::uint8_t>(i == depth / 8u ? 0xFFu >> (depth % 8u) : 0xFFu);
  return out;
}

Hash32 child(const Hash32& path, std::uint16_t depth, int side) {
  Hash32 out = path;
  if (side == 1) out.data[depth / 8u] |= static_cast<std::uint8_t>(0x80u >> (depth % 8u));
  return out;
}

class Walk {
 public:
  Walk(const RangeProof& proof, const KeyRange& range, const RangeNodes& nodes)
      : proof_(proof), range_(range), nodes_(nodes), border_(proof.border) {}

  Status start() {
    hashes_.reserve(proof_.pairs.size());
    for (const RangeProof::Pair& pair : proof_.pairs) {
      const Hash32 hash = state_key_hash(pair.key);
      if (hash < range_.first || hash > range_.last)
        return refuse(text("found key hash {}, expected one from {} to {}", hash, range_.first, range_.last));
      if (!hashes_.empty() && hash <= hashes_.back())
        return refuse(text("found key hash {} after {}", hash, hashes_.back()));
      hashes_.push_back(hash);
    }
    return {};
  }

  Result<Hash32> subtree(const Hash32& path, std::uint16_t depth) {
    switch (reach(path, depth, range_)) {
      case Reach::kApart: return hash();
      case Reach::kInside: return inside(path, depth);
      case Reach::kCrosses: break;
    }
    TRY(const ByteView step, take(1));
    switch (static_cast<BorderStep>(step[0])) {
      case BorderStep::kEmpty: return Hash32{};
      case BorderStep::kPair:
        if (next_ == hashes_.size() || hashes_[next_] < path || hashes_[next_] > last_below(path, depth))
          return refuse(text("found no pair for the leaf at depth {} below {}", depth, path));
        return leaf(path, depth);
      case BorderStep::kOutside: return outside(path, depth);
      case BorderStep::kNode: return node(path, depth);
    }
    return refuse(text("found step {} at depth {}, expected 0 to 3", step[0], depth));
  }

  Status finish() const {
    if (next_ != hashes_.size())
      return refuse(text("found {} pairs with no place in the tree", hashes_.size() - next_));
    if (!border_.empty()) return refuse(text("found {} bytes after the border's end", border_.size()));
    return {};
  }

 private:
  Result<ByteView> take(std::size_t size) {
    if (size > border_.size())
      return refuse(text("found {} bytes left of the border, expected {}", border_.size(), size));
    const ByteView out = border_.first(size);
    border_ = border_.subspan(size);
    return out;
  }
  Result<Hash32> hash() {
    TRY(const ByteView bytes, take(32));
    Hash32 out;
    Hash32::from(bytes, out);
    return out;
  }

  Result<Hash32> outside(const Hash32& path, std::uint16_t depth) {
    TRY(const Hash32 key, hash());
    TRY(const Hash32 value, hash());
    if (key < path || key > last_below(path, depth))
      return refuse(text("found the leaf {} outside the subtree of depth {} at {}", key, depth, path));
    if (key >= range_.first && key <= range_.last) return refuse(text("found the leaf {} without its pair", key));
    return state_leaf_hash(key, value);
  }

  Result<Hash32> node(const Hash32& path, std::uint16_t depth) {
    if (depth >= kSparseDepthMax) return refuse(text("found a node at depth {}", depth));
    TRY(const Hash32 left, subtree(path, depth + 1u));
    TRY(const Hash32 right, subtree(child(path, depth, 1), depth + 1u));
    return inner(path, depth, left, right);
  }

  Hash32 inner(const Hash32& path, std::uint16_t depth, const Hash32& left, const Hash32& right) {
    if (nodes_) nodes_({.depth = depth, .path = path, .leaf = false, .a = left, .b = right, .key = {}});
    return state_node_hash(left, right);
  }

  Hash32 leaf(const Hash32& path, std::uint16_t depth) {
    const Hash32 value = state_value_hash(proof_.pairs[next_].value);
    if (nodes_)
      nodes_({.depth = depth,
              .path = path,
              .leaf = true,
              .a = hashes_[next_],
              .b = value,
              .key = proof_.pairs[next_].key});
    return state_leaf_hash(hashes_[next_++], value);
  }

  Result<Hash32> inside(const Hash32& path, std::uint16_t depth) {
    const auto end =
        std::upper_bound(hashes_.begin() + static_cast<std::ptrdiff_t>(next_), hashes_.end(), last_below(path, depth));
    const auto count = static_cast<std::size_t>(end - hashes_.begin()) - next_;
    if (count > 0 && hashes_[next_] < path) return refuse(text("found no place for the pair {}", hashes_[next_]));
    return build(path, depth, count);
  }

  // The next `count` pairs, which share the path: the tree as the definition builds it.
  Hash32 build(const Hash32& path, std::uint16_t depth, std::size_t count) {
    if (count == 0) return {};
    if (count == 1) return leaf(path, depth);
    const auto first = hashes_.begin() + static_cast<std::ptrdiff_t>(next_);
    const auto middle = std::partition_point(first, first + static_cast<std::ptrdiff_t>(count),
                                             [&](const Hash32& h) { return !bit_at(h, depth); });
    const auto left_count = static_cast<std::size_t>(middle - first);
    const Hash32 left = build(path, depth + 1u, left_count);
    const Hash32 right = build(child(path, depth, 1), depth + 1u, count - left_count);
    return inner(path, depth, left, right);
  }

  const RangeProof& proof_;
  const KeyRange range_;
  const RangeNodes& nodes_;
  ByteView border_;
  std::vector<Hash32> hashes_;  // of the pairs' keys
  std::size_t next_ = 0;        // pairs used
};

}  // namespace

std::optional<Hash32> next_key_hash(const Hash32& hash) {
  Hash32 out = hash;
  for (std::size_t i = out.data.size(); i-- > 0;)
    if (++out.data[i] != 0) return out;
  return std::nullopt;
}

Reach reach(const Hash32& path, std::uint16_t depth, const KeyRange& range) {
  const Hash32 last = last_below(path, depth);
  if (path > range.last || last < range.first) return Reach::kApart;
  return path >= range.first && last <= range.last ? Reach::kInside : Reach::kCrosses;
}

Status verify_range(const RangeProof& proof, const KeyRange& range, const Hash32& root, const RangeNodes& nodes) {
  if (range.last < range.first) return refuse(text("found a range from {} to {}", range.first, range.last));
  Walk walk(proof, range, nodes);
  TRY_OK(walk.start());
  TRY(const Hash32 found, walk.subtree({}, 0));
  TRY_OK(walk.finish());
  if (found != root) return refuse(text("found pairs that lead to {}, expected the root {}", found, root));
  return {};
}

Bytes encode(const RangeProof& proof) {
  codec::CborWriter w;
  w.array(2);
  w.array(2 * proof.pairs.size());
  for (const RangeProof::Pair& pair : proof.pairs) {
    w.bytes(pair.key);
    w.bytes(pair.value);
  }
  w.bytes(proof.border);
  return w.take();
}

Result<RangeProof> decode_range_proof(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRangeBytesMax, .depth_max = 2});
  RangeProof out;
  TRY_OK(r.enter_array("range proof", 2));
  TRY_OK(r.enter_array("pairs", 2 * kRangePairsMax));
  while (r.more()) {
    RangeProof::Pair& pair = out.pairs.emplace_back();
    TRY(pair.key, r.bytes("key", kRangeKeyMax));
    TRY(pair.value, r.bytes("value", kRangeValueMax));
  }
  TRY_OK(r.leave());
  TRY(const ByteView border, r.bytes("border", kRangeBorderMax));
  out.border = to_bytes(border);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace hanse::light
