// Range proofs over the sparse tree (sparse.h): that some key/value pairs are all pairs under a root whose key hashes
// lie in a range. State sync fetches a state by such ranges, from hosts nobody trusts: a pair that is missing, added,
// changed or out of order leads to another root.
//
// The proof is what stands beside the pairs: the border, a string of steps in the order of a walk from the root that
// turns left first and skips nothing. A subtree with no key hash of the range is its hash (32 bytes, zeros: empty). One
// with all its key hashes in the range has no step: the pairs give it. One that crosses the range's end is a step:
//   0x00 empty    0x01 one leaf, the next pair    0x02 one leaf outside the range: key hash || value hash
//   0x03 a node, whose children follow
// Encoding: CBOR [[key, value, key, value, ...], border]; what decodes re-encodes to itself. Pairs ascend by key hash.
// Limits: kRangePairsMax pairs, kRangeBytesMax bytes. Pairs borrow the bytes they were decoded from.
// Pure; any thread. Errors: light.range (denied: where, found, expected), and the codec's.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::light {

constexpr std::size_t kRangePairsMax = 65'536;
constexpr std::size_t kRangeBytesMax = 4u << 20;
constexpr std::size_t kRangeKeyMax = 128;
constexpr std::size_t kRangeValueMax = 1u << 20;
constexpr std::size_t kRangeBorderMax = 64u << 10;

struct KeyRange {  // of key hashes, both ends included
  Hash32 first;
  Hash32 last;
};
constexpr Hash32 kKeyHashMax = [] {
  Hash32 out;
  out.data.fill(0xFF);
  return out;
}();
// What follows the hash; nothing after the greatest.
std::optional<Hash32> next_key_hash(const Hash32& hash);

enum class BorderStep : std::uint8_t { kEmpty = 0, kPair = 1, kOutside = 2, kNode = 3 };

struct RangeProof {
  struct Pair {
    ByteView key, value;
  };
  std::vector<Pair> pairs;
  Bytes border;
};
Bytes encode(const RangeProof& proof);
Result<RangeProof> decode_range_proof(ByteView bytes);

// A node that the proof shows: every one of the range's subtree, and those above that cross its ends.
struct RangeNode {
  std::uint16_t depth = 0;
  Hash32 path;        // its first `depth` bits
  bool leaf = false;  // a, b: key and value hash; otherwise the children's hashes
  Hash32 a, b;
  ByteView key;  // of a leaf
};
using RangeNodes = std::function<void(const RangeNode& node)>;

// What `nodes` was told holds only when the call succeeds.
Status verify_range(const RangeProof& proof, const KeyRange& range, const Hash32& root,
                    const RangeNodes& nodes = nullptr);

// How a subtree stands to a range.
enum class Reach : std::uint8_t { kApart, kInside, kCrosses };
Reach reach(const Hash32& path, std::uint16_t depth, const KeyRange& range);

}  // namespace hanse::light
