#include "base/crypto/merkle.h"

#include <bit>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

Hash32 list_leaf(const Hash32& leaf) { return blake3("hanse/merkle-leaf/1", {leaf.view()}); }
Hash32 list_node(const Hash32& left, const Hash32& right) {
  return blake3("hanse/merkle-node/1", {left.view(), right.view()});
}

constexpr std::uint8_t kLogLeaf = 0, kLogNode = 1;

std::unexpected<Error> range(std::string_view what) { return fail(Kind::kInvalid, "crypto.merkle_range", what); }
std::unexpected<Error> bad_proof(std::string_view what) { return fail(Kind::kCorrupt, "crypto.bad_proof", what); }

Status check_position(LeafPosition at) {
  if (at.index < at.size) return {};
  return range(text("found leaf {} of a tree of {} leaves", at.index, at.size));
}

// Halves a row of hashes: neighbours are joined, a last odd one moves up as it is.
void join_row(std::vector<Hash32>& row) {
  const std::size_t pairs = row.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) row[i] = list_node(row[2 * i], row[2 * i + 1]);
  if (row.size() % 2 == 1) row[pairs] = row.back();
  row.resize(pairs + row.size() % 2);
}

std::vector<Hash32> leaf_row(std::span<const Hash32> leaves) {
  std::vector<Hash32> row;
  row.reserve(leaves.size());
  for (const Hash32& leaf : leaves) row.push_back(list_leaf(leaf));
  return row;
}

// A node's place on its level and the place of the level's last node.
struct Climb {
  std::uint64_t node, last;

  bool joins_left() const { return (node & 1) != 0 || node == last; }
  void up() {
    node >>= 1;
    last >>= 1;
  }
  // A last node without a partner moves up unchanged until it becomes a right child.
  void up_alone() {
    while ((node & 1) == 0 && node != 0) up();
  }
};

template <auto Join>
Status verify_inclusion(Hash32 hash, LeafPosition at, std::span<const Hash32> proof, const Hash32& root) {
  TRY_OK(check_position(at));
  Climb climb{at.index, at.size - 1};
  for (const Hash32& sibling : proof) {
    if (climb.last == 0)
      return bad_proof(text("found {} hashes, expected fewer for leaf {} of {}", proof.size(), at.index, at.size));
    if (climb.joins_left()) {
      hash = Join(sibling, hash);
      climb.up_alone();
    } else {
      hash = Join(hash, sibling);
    }
    climb.up();
  }
  if (climb.last != 0)
    return bad_proof(text("found {} hashes, expected more for leaf {} of {}", proof.size(), at.index, at.size));
  if (hash != root)
    return bad_proof(text("leaf {} of {} leads to root {}, expected {}", at.index, at.size, hash, root));
  return {};
}

std::uint64_t split(std::uint64_t leaves) { return std::bit_floor(leaves - 1); }

struct Range {
  std::uint64_t begin, end;
  std::uint64_t size() const { return end - begin; }
  Range left() const { return {begin, begin + split(size())}; }
  Range right() const { return {begin + split(size()), end}; }
};

Result<Hash32> range_root(const LogNodes& nodes, Range r) {
  if (std::has_single_bit(r.size())) {
    const auto level = static_cast<unsigned>(std::countr_zero(r.size()));
    return nodes.node(level, r.begin >> level);
  }
  TRY(const Hash32 left, range_root(nodes, r.left()));
  TRY(const Hash32 right, range_root(nodes, r.right()));
  return log_node_hash(left, right);
}

}  // namespace

Hash32 merkle_root(std::span<const Hash32> leaves) {
  if (leaves.empty()) return blake3("hanse/merkle-empty/1", {});
  std::vector<Hash32> row = leaf_row(leaves);
  while (row.size() > 1) join_row(row);
  return row[0];
}

Result<Proof> merkle_prove(std::span<const Hash32> leaves, std::uint64_t index) {
  TRY_OK(check_position({index, leaves.size()}));
  Proof proof;
  std::vector<Hash32> row = leaf_row(leaves);
  for (; row.size() > 1; index >>= 1) {
    if ((index ^ 1) < row.size()) proof.push_back(row[index ^ 1]);
    join_row(row);
  }
  return proof;
}

Status merkle_verify(const Hash32& leaf, LeafPosition at, std::span<const Hash32> proof, const Hash32& root) {
  return verify_inclusion<list_node>(list_leaf(leaf), at, proof, root);
}

Hash32 log_leaf_hash(ByteView entry) { return sha256({ByteView(&kLogLeaf, 1), entry}); }

Hash32 log_node_hash(const Hash32& left, const Hash32& right) {
  return sha256({ByteView(&kLogNode, 1), left.view(), right.view()});
}

Hash32 log_empty_root() { return sha256({}); }

Status log_verify_inclusion(const Hash32& leaf_hash, LeafPosition at, std::span<const Hash32> proof,
                            const Hash32& root) {
  return verify_inclusion<log_node_hash>(leaf_hash, at, proof, root);
}

Status log_verify_consistency(LogGrowth growth, std::span<const Hash32> proof, const Hash32& old_root,
                              const Hash32& new_root) {
  if (growth.old_size == 0 || growth.old_size > growth.new_size)
    return range(text("found sizes {} and {}, expected 1 <= old <= new", growth.old_size, growth.new_size));
  if (growth.old_size == growth.new_size) {
    if (!proof.empty()) return bad_proof(text("found {} hashes between equal sizes, expected none", proof.size()));
    if (old_root != new_root) return bad_proof(text("two roots of size {} differ", growth.old_size));
    return {};
  }
  // A complete old tree is a node of the new one: its root starts the climb without being sent.
  const bool complete = std::has_single_bit(growth.old_size);
  if (proof.empty()) return bad_proof("found an empty proof between two sizes");
  Climb climb{growth.old_size - 1, growth.new_size - 1};
  while ((climb.node & 1) != 0) climb.up();
  Hash32 old_hash = complete ? old_root : proof[0];
  Hash32 new_hash = old_hash;
  for (const Hash32& sibling : complete ? proof : proof.subspan(1)) {
    if (climb.last == 0) return bad_proof(text("found {} hashes, expected fewer", proof.size()));
    if (climb.joins_left()) {
      old_hash = log_node_hash(sibling, old_hash);
      new_hash = log_node_hash(sibling, new_hash);
      climb.up_alone();
    } else {
      new_hash = log_node_hash(new_hash, sibling);
    }
    climb.up();
  }
  if (climb.last != 0) return bad_proof(text("found {} hashes, expected more", proof.size()));
  if (old_hash != old_root) return bad_proof(text("proof leads to old root {}, expected {}", old_hash, old_root));
  if (new_hash != new_root) return bad_proof(text("proof leads to new root {}, expected {}", new_hash, new_root));
  return {};
}

Result<Hash32> log_root(const LogNodes& nodes, std::uint64_t size) {
  if (size == 0) return log_empty_root();
  return range_root(nodes, {0, size});
}

Result<Proof> log_prove_inclusion(const LogNodes& nodes, LeafPosition at) {
  TRY_OK(check_position(at));
  Proof proof;
  for (Range r{0, at.size}; r.size() > 1;) {
    const bool in_left = at.index < r.left().end;
    TRY(const Hash32 sibling, range_root(nodes, in_left ? r.right() : r.left()));
    proof.insert(proof.begin(), sibling);
    r = in_left ? r.left() : r.right();
  }
  return proof;
}

Result<Proof> log_prove_consistency(const LogNodes& nodes, LogGrowth growth) {
  if (growth.old_size == 0 || growth.old_size > growth.new_size)
    return range(text("found sizes {} and {}, expected 1 <= old <= new", growth.old_size, growth.new_size));
  Proof proof;
  Range r{0, growth.new_size};
  while (growth.old_size != r.end) {
    const bool in_left = growth.old_size <= r.left().end;
    TRY(const Hash32 sibling, range_root(nodes, in_left ? r.right() : r.left()));
    proof.insert(proof.begin(), sibling);
    r = in_left ? r.left() : r.right();
  }
  if (r.begin != 0) {
    TRY(const Hash32 shared, range_root(nodes, r));
    proof.insert(proof.begin(), shared);
  }
  return proof;
}

std::uint64_t LogTree::append(const Hash32& leaf_hash) {
  if (levels_.empty()) levels_.emplace_back();
  levels_[0].push_back(leaf_hash);
  for (std::size_t level = 0; levels_[level].size() % 2 == 0; ++level) {
    if (level + 1 == levels_.size()) levels_.emplace_back();
    const auto& row = levels_[level];
    levels_[level + 1].push_back(log_node_hash(row[row.size() - 2], row.back()));
  }
  return levels_[0].size() - 1;
}

std::uint64_t LogTree::size() const { return levels_.empty() ? 0 : levels_[0].size(); }

Hash32 LogTree::root() const {
  const auto root = log_root(*this, size());
  check(root.has_value(), "a log tree holds the nodes of its own size");
  return *root;
}

Result<Hash32> LogTree::node(unsigned level, std::uint64_t index) const {
  if (level >= levels_.size() || index >= levels_[level].size())
    return range(text("found node {} of level {}, which a tree of {} leaves does not have", index, level, size()));
  return levels_[level][index];
}

}  // namespace hanse::crypto
