#include "base/crypto/merkle.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

std::vector<Hash32> digests(std::size_t n) {
  std::vector<Hash32> out;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint8_t number[8];
    store_le<std::uint64_t>(number, i);
    out.push_back(sha256({number}));
  }
  return out;
}

// RFC 6962, 2.1, word by word.
Hash32 log_model(std::span<const Hash32> leaves) {
  if (leaves.empty()) return sha256({});
  if (leaves.size() == 1) return leaves[0];
  std::size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  const std::uint8_t one = 1;
  return sha256({ByteView(&one, 1), log_model(leaves.first(k)).view(), log_model(leaves.subspan(k)).view()});
}

Hash32 list_model(std::span<const Hash32> leaves) {
  if (leaves.size() == 1) return blake3("hanse/merkle-leaf/1", {leaves[0].view()});
  std::size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  return blake3("hanse/merkle-node/1", {list_model(leaves.first(k)).view(), list_model(leaves.subspan(k)).view()});
}

constexpr std::size_t kSizes = 34;

TEST(Merkle, list_root_follows_the_definition) {
  for (std::size_t n = 1; n < kSizes; ++n) EXPECT_EQ(merkle_root(digests(n)), list_model(digests(n))) << n;
  EXPECT_EQ(merkle_root({}), blake3("hanse/merkle-empty/1", {}));
}

TEST(Merkle, list_proofs_verify_and_fit_no_other_leaf_place_or_root) {
  for (std::size_t n = 1; n < kSizes; ++n) {
    const auto leaves = digests(n);
    const Hash32 root = merkle_root(leaves);
    for (std::size_t i = 0; i < n; ++i) {
      const auto proof = merkle_prove(leaves, i);
      ASSERT_TRUE(proof);
      EXPECT_TRUE(merkle_verify(leaves[i], {i, n}, *proof, root)) << i << " of " << n;
      EXPECT_FALSE(merkle_verify(leaves[i], {(i + 1) % (n + 1), n + 1}, *proof, sha256({})));
      for (std::size_t other = 0; other < n; ++other) {
        if (other == i) continue;
        EXPECT_EQ(merkle_verify(leaves[i], {other, n}, *proof, root).error().id(), "crypto.bad_proof");
        EXPECT_FALSE(merkle_verify(leaves[other], {i, n}, *proof, root));
      }
      Proof changed = *proof;
      changed.push_back(root);
      EXPECT_FALSE(merkle_verify(leaves[i], {i, n}, changed, root));
      if (proof->empty()) continue;
      changed.resize(proof->size() - 1);
      EXPECT_FALSE(merkle_verify(leaves[i], {i, n}, changed, root));
    }
  }
}

TEST(Merkle, an_index_past_the_end_is_refused) {
  const auto leaves = digests(5);
  EXPECT_TRUE(merkle_prove(leaves, 4));
  EXPECT_EQ(merkle_prove(leaves, 5).error().id(), "crypto.merkle_range");
  EXPECT_EQ(merkle_verify(leaves[0], {5, 5}, {}, leaves[0]).error().id(), "crypto.merkle_range");
  EXPECT_EQ(merkle_prove({}, 0).error().id(), "crypto.merkle_range");
}

TEST(Merkle, a_node_does_not_pass_for_a_leaf) {
  const auto leaves = digests(4);
  const Hash32 inner = merkle_root(std::span(leaves).first(2));
  const auto proof = merkle_prove(leaves, 0);
  EXPECT_FALSE(merkle_verify(inner, {0, 2}, std::span(*proof).subspan(1), merkle_root(leaves)));
}

TEST(Log, root_follows_the_definition_at_every_past_size) {
  const auto leaves = digests(kSizes);
  LogTree tree;
  EXPECT_EQ(tree.root(), log_empty_root());
  for (std::size_t n = 1; n <= kSizes; ++n) {
    EXPECT_EQ(tree.append(leaves[n - 1]), n - 1);
    EXPECT_EQ(tree.root(), log_model(std::span(leaves).first(n))) << n;
  }
  for (std::size_t n = 0; n <= kSizes; ++n) EXPECT_EQ(*log_root(tree, n), log_model(std::span(leaves).first(n)));
  EXPECT_EQ(log_root(tree, kSizes + 1).error().id(), "crypto.merkle_range");
}

TEST(Log, inclusion_proofs_verify_at_every_size) {
  const auto leaves = digests(kSizes);
  LogTree tree;
  for (const Hash32& leaf : leaves) tree.append(leaf);
  for (std::size_t n = 1; n <= kSizes; ++n) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto proof = log_prove_inclusion(tree, {i, n});
      ASSERT_TRUE(proof);
      EXPECT_TRUE(log_verify_inclusion(leaves[i], {i, n}, *proof, *log_root(tree, n)));
      EXPECT_FALSE(log_verify_inclusion(leaves[i], {i, n}, *proof, *log_root(tree, n - 1)));
    }
  }
  EXPECT_EQ(log_prove_inclusion(tree, {3, 3}).error().id(), "crypto.merkle_range");
}

TEST(Log, consistency_proofs_verify_between_all_sizes) {
  const auto leaves = digests(kSizes);
  LogTree tree;
  for (const Hash32& leaf : leaves) tree.append(leaf);
  for (std::size_t n = 1; n <= kSizes; ++n) {
    for (std::size_t m = 1; m <= n; ++m) {
      const auto proof = log_prove_consistency(tree, {m, n});
      ASSERT_TRUE(proof);
      const Hash32 old_root = *log_root(tree, m), new_root = *log_root(tree, n);
      EXPECT_TRUE(log_verify_consistency({m, n}, *proof, old_root, new_root)) << m << " " << n;
      EXPECT_FALSE(log_verify_consistency({m, n}, *proof, sha256({}), new_root)) << m << " " << n;
      EXPECT_FALSE(log_verify_consistency({m, n}, *proof, old_root, sha256({}))) << m << " " << n;
      if (!proof->empty()) {
        EXPECT_FALSE(log_verify_consistency({m, n}, std::span(*proof).subspan(1), old_root, new_root));
      }
    }
  }
}

TEST(Log, consistency_needs_an_old_size_between_one_and_the_new_one) {
  LogTree tree;
  for (const Hash32& leaf : digests(3)) tree.append(leaf);
  EXPECT_EQ(log_prove_consistency(tree, {0, 3}).error().id(), "crypto.merkle_range");
  EXPECT_EQ(log_prove_consistency(tree, {3, 2}).error().id(), "crypto.merkle_range");
  EXPECT_EQ(log_verify_consistency({0, 3}, {}, tree.root(), tree.root()).error().id(), "crypto.merkle_range");
  EXPECT_EQ(log_verify_consistency({2, 3}, {}, tree.root(), tree.root()).error().id(), "crypto.bad_proof");
}

}  // namespace
}  // namespace hanse::crypto
