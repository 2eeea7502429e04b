// Two Merkle trees of one shape (RFC 6962, 2.1: a tree of n leaves splits at the largest power of two below n).
//   list tree   BLAKE3 with contexts "hanse/merkle-leaf/1", "hanse/merkle-node/1", "hanse/merkle-empty/1": transaction
//               and receipt roots in blocks. Leaves are 32-byte digests and are hashed again as leaves.
//   log tree    SHA-256 as RFC 6962 and C2SP tlog-tiles ask: entries are hashed with log_leaf_hash first. Grows by
//               append; proves inclusion, and consistency between two sizes.
// A root does not commit to the number of leaves: store the count beside it. Proof verification follows RFC 9162,
// 2.1.3.2 and 2.1.4.2. Proofs have at most kProofMax hashes.
// Threads: free functions any; a LogTree one writer or many readers.
// Errors: crypto.merkle_range (invalid: index or size outside the tree), crypto.bad_proof (corrupt).
#pragma once

#include <span>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::crypto {

using Proof = std::vector<Hash32>;  // siblings, leaf to root
constexpr std::size_t kProofMax = 64;

struct LeafPosition {
  std::uint64_t index;
  std::uint64_t size;  // leaves of the tree
};

Hash32 merkle_root(std::span<const Hash32> leaves);
Result<Proof> merkle_prove(std::span<const Hash32> leaves, std::uint64_t index);
Status merkle_verify(const Hash32& leaf, LeafPosition at, std::span<const Hash32> proof, const Hash32& root);

Hash32 log_leaf_hash(ByteView entry);
Hash32 log_node_hash(const Hash32& left, const Hash32& right);
Hash32 log_empty_root();
Status log_verify_inclusion(const Hash32& leaf_hash, LeafPosition at, std::span<const Hash32> proof,
                            const Hash32& root);

struct LogGrowth {
  std::uint64_t old_size;  // 1 or more: every log extends the empty one
  std::uint64_t new_size;
};
Status log_verify_consistency(LogGrowth growth, std::span<const Hash32> proof, const Hash32& old_root,
                              const Hash32& new_root);

// Where the hashes of complete subtrees live: node(level, i) covers leaves [i * 2^level, (i + 1) * 2^level).
// A log on disk keeps these, written once and never changed; LogTree keeps them in memory.
class LogNodes {
 public:
  virtual ~LogNodes() = default;
  virtual Result<Hash32> node(unsigned level, std::uint64_t index) const = 0;
};

// Over any node source that holds at least `size` leaves; O(log^2 size) reads. Errors of the source pass through.
Result<Hash32> log_root(const LogNodes& nodes, std::uint64_t size);
Result<Proof> log_prove_inclusion(const LogNodes& nodes, LeafPosition at);
Result<Proof> log_prove_consistency(const LogNodes& nodes, LogGrowth growth);

// Hashes of all complete subtrees in memory: 64 bytes a leaf.
class LogTree final : public LogNodes {
 public:
  std::uint64_t append(const Hash32& leaf_hash);  // gives the leaf's index
  std::uint64_t size() const;
  Hash32 root() const;
  Result<Hash32> node(unsigned level, std::uint64_t index) const override;  // crypto.merkle_range

 private:
  std::vector<std::vector<Hash32>> levels_;
};

}  // namespace hanse::crypto
