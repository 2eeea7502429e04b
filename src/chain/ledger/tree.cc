#include "chain/ledger/tree.h"

#include <algorithm>
#include <span>

#include "base/core/text.h"
#include "chain/ledger/tree_node.h"

namespace hanse::ledger {
namespace {

using light::bit_at;
using light::kSparseDepthMax;

using Node = TreeNode;
using Path = TreePath;
using Changes = std::span<const TreeChange>;

// Changes are sorted and share the bits above depth, so those that turn right are a suffix.
std::size_t first_right(Changes changes, std::size_t depth) {
  std::size_t i = 0;
  while (i < changes.size() && !bit_at(changes[i].key, depth)) ++i;
  return i;
}

class Updater {
 public:
  explicit Updater(const NodeGet& get) : get_(get) {}

  Result<TreeUpdate> run(Changes changes) {
    const Path root;
    TRY(const Node before, load_node(get_, root));
    TRY(const Node after, apply(root, before, changes));
    store(root, after);
    out_.root = after.hash();
    return std::move(out_);
  }

 private:
  void store(const Path& path, const Node& node) {
    out_.records.emplace_back(path.record_key(),
                              node.type == Node::Type::kEmpty ? std::nullopt : std::optional(encode_node(node)));
  }

  // What stands at path after the changes. Stores everything below path; path itself is the caller's.
  Result<Node> apply(const Path& path, const Node& node, Changes changes) {
    if (changes.empty()) return node;
    if (node.type == Node::Type::kInner) return apply_inner(path, node, changes);
    std::vector<TreeChange> leaves;
    bool own_pending = node.type == Node::Type::kLeaf;
    for (const TreeChange& change : changes) {
      if (own_pending && !(change.key < node.a)) {
        if (change.key != node.a) leaves.push_back({.key = node.a, .value = node.b, .state_key = node.key});
        own_pending = false;
      }
      if (change.value) leaves.push_back(change);
    }
    if (own_pending) leaves.push_back({.key = node.a, .value = node.b, .state_key = node.key});
    return build(path, leaves);
  }

  Result<Node> apply_inner(const Path& path, const Node& node, Changes changes) {
    const std::size_t middle = first_right(changes, path.depth);
    const Changes parts[2] = {changes.first(middle), changes.subspan(middle)};
    Hash32 hashes[2] = {node.a, node.b};
    std::optional<Node> known[2];
    for (int side = 0; side < 2; ++side) {
      if (parts[side].empty()) continue;
      const Path child = path.child(side == 1);
      TRY(const Node before, load_child(get_, child, hashes[side]));
      TRY(known[side], apply(child, before, parts[side]));
      store(child, *known[side]);
      hashes[side] = known[side]->hash();
    }
    if (hashes[0].is_zero() && hashes[1].is_zero()) return Node{};
    if (hashes[0].is_zero() || hashes[1].is_zero()) {
      const int side = hashes[0].is_zero() ? 1 : 0;
      const Path child = path.child(side == 1);
      if (!known[side]) {
        TRY(known[side], load_child(get_, child, hashes[side]));
      }
      if (known[side]->type == Node::Type::kLeaf) {  // alone again: it moves up
        store(child, Node{});
        return *known[side];
      }
    }
    return Node{Node::Type::kInner, hashes[0], hashes[1], {}};
  }

  Node build(const Path& path, Changes leaves) {
    if (leaves.empty()) return {};
    if (leaves.size() == 1) return {Node::Type::kLeaf, leaves[0].key, *leaves[0].value, to_bytes(leaves[0].state_key)};
    const std::size_t middle = first_right(leaves, path.depth);
    const Changes parts[2] = {leaves.first(middle), leaves.subspan(middle)};
    Hash32 hashes[2];
    for (int side = 0; side < 2; ++side) {
      const Path child = path.child(side == 1);
      const Node node = build(child, parts[side]);
      if (node.type != Node::Type::kEmpty) store(child, node);
      hashes[side] = node.hash();
    }
    return {Node::Type::kInner, hashes[0], hashes[1], {}};
  }

  const NodeGet& get_;
  TreeUpdate out_;
};

}  // namespace

Result<TreeUpdate> update_tree(const NodeGet& get, std::vector<TreeChange> changes) {
  std::ranges::sort(changes, {}, &TreeChange::key);
  return Updater(get).run(changes);
}

Result<Hash32> tree_root(const NodeGet& get) {
  TRY(const Node root, load_node(get, Path{}));
  return root.hash();
}

Result<light::SparseProof> prove_in_tree(const NodeGet& get, const Hash32& key_hash) {
  light::SparseProof proof;
  Path path;
  TRY(Node node, load_node(get, path));
  while (node.type == Node::Type::kInner) {
    if (path.depth >= kSparseDepthMax)
      return fail(Kind::kCorrupt, "ledger.tree_corrupt", text("found an inner node at depth {}", path.depth));
    const bool right = bit_at(key_hash, path.depth);
    proof.siblings.push_back(right ? node.a : node.b);
    path = path.child(right);
    TRY(node, load_child(get, path, right ? node.b : node.a));
  }
  if (node.type == Node::Type::kLeaf && node.a != key_hash)
    proof.other = light::SparseProof::Leaf{.key_hash = node.a, .value_hash = node.b};
  return proof;
}

}  // namespace hanse::ledger
