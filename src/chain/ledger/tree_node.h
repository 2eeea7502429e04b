// One node of the stored tree and its place. Private to the room.
#pragma once

#include <algorithm>

#include "base/core/text.h"
#include "chain/ledger/tree.h"

namespace hanse::ledger {

struct TreeNode {
  enum class Type : std::uint8_t { kEmpty = 0, kLeaf = 1, kInner = 2 };
  Type type = Type::kEmpty;
  Hash32 a, b;  // key and value hash of a leaf, child hashes of an inner node
  Bytes key;    // of a leaf: the state key

  Hash32 hash() const {
    if (type == Type::kEmpty) return {};
    return type == Type::kLeaf ? light::state_leaf_hash(a, b) : light::state_node_hash(a, b);
  }
};

struct TreePath {
  Hash32 bits;
  std::uint16_t depth = 0;

  TreePath child(bool right) const {
    TreePath out{bits, static_cast<std::uint16_t>(depth + 1)};
    if (right) out.bits.data[depth / 8u] |= static_cast<std::uint8_t>(0x80u >> (depth % 8u));
    return out;
  }
  Bytes record_key() const {
    Bytes key;
    key.reserve(2 + (depth + 7u) / 8u);
    append_be(key, depth);
    append(key, bits.view().first((depth + 7u) / 8u));
    return key;
  }
};

inline Bytes encode_node(const TreeNode& node) {
  Bytes out(65 + node.key.size());
  out[0] = static_cast<std::uint8_t>(node.type);
  std::ranges::copy(node.a.data, out.begin() + 1);
  std::ranges::copy(node.b.data, out.begin() + 33);
  std::ranges::copy(node.key, out.begin() + 65);
  return out;
}

inline Result<TreeNode> decode_node(ByteView bytes, std::uint16_t depth) {
  const bool leaf = !bytes.empty() && bytes[0] == static_cast<std::uint8_t>(TreeNode::Type::kLeaf);
  if (bytes.size() < 65 || bytes[0] < 1 || bytes[0] > 2 || (!leaf && bytes.size() != 65))
    return fail(Kind::kCorrupt, "ledger.tree_corrupt",
                text("found a node of {} bytes at depth {}", bytes.size(), depth));
  TreeNode node;
  node.type = static_cast<TreeNode::Type>(bytes[0]);
  Hash32::from(bytes.subspan(1, 32), node.a);
  Hash32::from(bytes.subspan(33, 32), node.b);
  node.key = to_bytes(bytes.subspan(65));
  return node;
}

inline Result<TreeNode> load_node(const NodeGet& get, const TreePath& path) {
  TRY(const auto bytes, get(path.record_key()));
  if (!bytes) return TreeNode{};
  return decode_node(*bytes, path.depth);
}

inline Result<TreeNode> load_child(const NodeGet& get, const TreePath& path, const Hash32& expected) {
  if (expected.is_zero()) return TreeNode{};
  TRY(TreeNode node, load_node(get, path));
  if (const Hash32 found = node.hash(); found != expected)
    return fail(Kind::kCorrupt, "ledger.tree_corrupt",
                text("found a node with hash {} at depth {}, expected {}", found, path.depth, expected));
  return node;
}

}  // namespace hanse::ledger
