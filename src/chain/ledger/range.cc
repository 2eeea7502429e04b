#include "chain/ledger/range.h"

#include <algorithm>

#include "base/core/text.h"
#include "chain/ledger/tree_node.h"

namespace hanse::ledger {
namespace {

using light::KeyRange;
using light::kSparseDepthMax;

constexpr std::uint16_t kLookDepth = 9;  // a look takes the subtree so far above a leaf: about 2^9 leaves

std::unexpected<Error> corrupt(std::string_view message) {
  return fail(Kind::kCorrupt, "ledger.tree_corrupt", message);
}

TreePath truncated(const Hash32& hash, std::uint16_t depth) {
  TreePath out{{}, depth};
  std::copy_n(hash.data.begin(), (depth + 7u) / 8u, out.bits.data.begin());
  if (depth % 8 != 0) out.bits.data[depth / 8u] &= static_cast<std::uint8_t>(0xFF00u >> (depth % 8u));
  return out;
}

Hash32 last_below(const TreePath& path) {
  Hash32 out = path.bits;
  for (std::size_t i = path.depth / 8u; i < out.data.size(); ++i)
    out.data[i] |= static_cast<std::uint8_t>(i == path.depth / 8u ? 0xFFu >> (path.depth % 8u) : 0xFFu);
  return out;
}

struct Leaf {
  Hash32 key_hash;
  Bytes key;
};

class Prover {
 public:
  Prover(const TreeReader& reader, const KeyRange& range, std::size_t bytes_max)
      : reader_(reader), range_(range), bytes_max_(bytes_max) {}

  Result<RangeAnswer> run() {
    RangeAnswer out{.last = range_.last, .pairs = 0, .proof = {}};
    for (Hash32 first = range_.first;;) {
      Hash32 last;
      TRY(const std::vector<Leaf> leaves, look(first, last));
      TRY(const bool full, take(leaves, out.last));
      if (full) break;
      const auto next = light::next_key_hash(last);
      if (last >= range_.last || !next) {
        out.last = range_.last;
        break;
      }
      first = *next;
    }
    light::RangeProof proof;
    for (std::size_t i = 0; i < keys_.size(); ++i) proof.pairs.push_back({.key = keys_[i], .value = values_[i]});
    TRY_OK(border(TreePath{}, {}, {.first = range_.first, .last = out.last}, proof.border));
    out.pairs = proof.pairs.size();
    out.proof = light::encode(proof);
    return out;
  }

 private:
  // The leaves from `first` to the end of a subtree of bearable size; `last` says where that is.
  Result<std::vector<Leaf>> look(const Hash32& first, Hash32& last) {
    TRY(const std::uint16_t depth, depth_at(first));
    std::vector<Leaf> leaves;
    for (std::uint16_t top = depth > kLookDepth ? static_cast<std::uint16_t>(depth - kLookDepth) : 0;; top += 2) {
      top = std::min(top, depth);
      last = std::min(range_.last, last_below(truncated(first, top)));
      TRY(const bool all, collect({first, last}, top, leaves));
      if (all) break;
      if (top == depth) return corrupt(text("found more than {} leaves below depth {}", kRangeLeavesMax, depth));
    }
    std::ranges::sort(leaves, {}, &Leaf::key_hash);
    return leaves;
  }

  // Where the path of a key hash ends.
  Result<std::uint16_t> depth_at(const Hash32& key_hash) {
    TreePath path;
    TRY(TreeNode node, load_node(reader_.node, path));
    while (node.type == TreeNode::Type::kInner) {
      if (path.depth >= kSparseDepthMax) return corrupt(text("found an inner node at depth {}", path.depth));
      const bool right = light::bit_at(key_hash, path.depth);
      path = path.child(right);
      TRY(node, load_child(reader_.node, path, right ? node.b : node.a));
    }
    return path.depth;
  }

  // False: there are too many. A node of a level stands on one of the level above, so an empty level is the last.
  Result<bool> collect(const KeyRange& part, std::uint16_t top, std::vector<Leaf>& out) {
    out.clear();
    std::optional<Error> bad;
    for (std::uint16_t depth = top; depth <= kSparseDepthMax; ++depth) {
      Bytes prefix;
      append_be(prefix, depth);
      const Bytes end = truncated(part.last, depth).record_key();
      std::size_t seen = 0;
      TRY_OK(reader_.nodes(prefix, truncated(part.first, depth).record_key(), [&](ByteView key, ByteView record) {
        if (as_text(key) > as_text(end) || ++seen > 2 * kRangeLeavesMax) return false;
        if (record.empty() || record[0] != static_cast<std::uint8_t>(TreeNode::Type::kLeaf)) return true;
        auto node = decode_node(record, depth);
        if (!node || node->key.empty()) {
          bad = node ? corrupt(text("found the leaf {} without its key", node->a)).error().clone()
                     : std::move(node).error();
          return false;
        }
        if (node->a >= part.first && node->a <= part.last) out.push_back({node->a, std::move(node->key)});
        return out.size() <= kRangeLeavesMax;
      }));
      if (bad) return std::unexpected(std::move(*bad));
      if (out.size() > kRangeLeavesMax || seen > 2 * kRangeLeavesMax) return false;
      if (seen == 0) break;
    }
    return true;
  }

  // True: no more fits, and `last` is the last pair that did.
  Result<bool> take(const std::vector<Leaf>& leaves, Hash32& last) {
    for (const Leaf& leaf : leaves) {
      TRY(auto value, reader_.value(leaf.key));
      if (!value) return corrupt(text("found no value for the leaf {}", leaf.key_hash));
      const std::size_t size = leaf.key.size() + value->size() + 6;
      if (!keys_.empty() && (bytes_ + size > bytes_max_ || keys_.size() == light::kRangePairsMax)) return true;
      bytes_ += size;
      keys_.push_back(leaf.key);
      values_.push_back(*std::move(value));
      last = leaf.key_hash;
    }
    return bytes_ >= bytes_max_;
  }

  Status border(const TreePath& path, const Hash32& hash, const KeyRange& part, Bytes& out) {
    switch (light::reach(path.bits, path.depth, part)) {
      case light::Reach::kApart: append(out, hash.view()); return {};
      case light::Reach::kInside: return {};
      case light::Reach::kCrosses: break;
    }
    if (path.depth > kSparseDepthMax) return corrupt(text("found an inner node at depth {}", kSparseDepthMax));
    const auto step = [&](light::BorderStep what) { out.push_back(static_cast<std::uint8_t>(what)); };
    TRY(const TreeNode node, path.depth == 0 ? load_node(reader_.node, path) : load_child(reader_.node, path, hash));
    if (node.type == TreeNode::Type::kEmpty) {
      step(light::BorderStep::kEmpty);
    } else if (node.type == TreeNode::Type::kInner) {
      step(light::BorderStep::kNode);
      TRY_OK(border(path.child(false), node.a, part, out));
      TRY_OK(border(path.child(true), node.b, part, out));
    } else if (node.a >= part.first && node.a <= part.last) {
      step(light::BorderStep::kPair);
    } else {
      step(light::BorderStep::kOutside);
      append(out, node.a.view());
      append(out, node.b.view());
    }
    return {};
  }

  const TreeReader& reader_;
  const KeyRange range_;
  const std::size_t bytes_max_;
  std::vector<Bytes> keys_, values_;
  std::size_t bytes_ = 0;
};

}  // namespace

Result<RangeAnswer> prove_range(const TreeReader& reader, const KeyRange& range, std::size_t bytes_max) {
  if (range.last < range.first)
    return fail(Kind::kInvalid, "ledger.range", text("found a range from {} to {}", range.first, range.last));
  return Prover(reader, range, bytes_max).run();
}

}  // namespace hanse::ledger
