// HeadProof: that all validators of a network stand on one head, and that this head does not depend on the order in
// which votes arrive. Written by `hanse wq prove`, checked again by anybody with the genesis file.
//   A vote is a validator's signature over a block's header. The head is the highest block whose votes of distinct
//   validators weigh at least quorum_bp (consensus.md 5.8). A block's identity is its header hash: no vote, weight or
//   finality is part of it.
// The file is JSON with one way to write it: the fields that a reader computes are compared byte for byte, and its last
// member seals the rest (BLAKE3 with context "hanse/wq-head/1"), so that no byte can change unnoticed.
// A validator's own head is what its API said: votes are signed, that report is not.
// Covers blocks certified by the genesis' own validator set; after a change of the set it is refused (light.valset).
// Pure; any thread. Errors: light.head_file (corrupt: not such a file, or another way to write it), light.head (denied:
// heads that differ, votes that do not suffice, too few permutations, an order with another head), light.network
// (denied), light.cert_* and light.valset (denied), the codec's.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chain/light/block.h"

namespace hanse::light {

constexpr std::size_t kHeadBlocksMax = 8;
constexpr std::uint32_t kPermutationsMin = 1'000, kPermutationsMax = 100'000;

struct HeadProof {
  struct Block {
    BlockHeader header;
    Certificate votes;  // all that are known, of any weight
  };
  struct Head {
    std::uint16_t validator = 0;
    Hash32 block;
    std::vector<std::uint16_t> signers;  // of the certificate it has, ascending
  };
  std::vector<Block> blocks;  // heights strictly ascending, 1 to kHeadBlocksMax
  std::vector<Head> heads;    // of every validator, in order
  std::uint64_t seed = 0;     // of the permutations
  std::uint32_t permutations = kPermutationsMin;
};

struct Vote {
  std::size_t block = 0;  // place in a list by ascending height
  std::uint16_t validator = 0;
};
// The place of the head among the blocks, after the votes arrived in this order; nothing when no block has a quorum.
std::optional<std::size_t> head_of(std::span<const Vote> votes, const Genesis& genesis);

// Runs `rule` over seeded permutations of the votes: all must give what the given order gives.
using HeadRule = std::function<std::optional<std::size_t>(std::span<const Vote>)>;
struct Permutations {
  std::uint64_t seed = 0;
  std::uint32_t count = 0;
};
Status check_permutations(std::vector<Vote> votes, Permutations permutations, const HeadRule& rule);

struct HeadReport {
  BlockHeader head;
  std::uint32_t power_bp = 0;
  Grade grade = Grade::kFast;
  std::size_t votes = 0;
};
Result<HeadReport> verify(const HeadProof& proof, const Genesis& genesis);

// Of a proof that verifies.
Result<std::string> encode_head_proof(const HeadProof& proof, const Genesis& genesis);
// Verifies as well: what it returns holds.
Result<HeadProof> decode_head_proof(std::string_view text, const Genesis& genesis);

}  // namespace hanse::light
