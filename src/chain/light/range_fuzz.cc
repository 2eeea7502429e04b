// Range proofs from strangers: what decodes re-encodes to itself, and what verifies shows all pairs of the range.
#include <map>

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/light/range.h"
#include "chain/light/sparse.h"

namespace {

using hanse::Hash32;

struct State {
  std::map<Hash32, std::pair<hanse::Bytes, hanse::Bytes>> pairs;
  Hash32 root;

  State() {
    for (int n = 0; n < 12; ++n) {
      const hanse::Bytes key = hanse::to_bytes(hanse::text("{}", n));
      pairs[hanse::light::state_key_hash(key)] = {key, key};
    }
    root = root_of(pairs.begin(), pairs.end(), 0);
  }
  template <class It>
  static Hash32 root_of(It first, It end, std::size_t depth) {
    if (first == end) return {};
    if (std::next(first) == end)
      return hanse::light::state_leaf_hash(first->first, hanse::light::state_value_hash(first->second.second));
    It middle = first;
    while (middle != end && !hanse::light::bit_at(middle->first, depth)) ++middle;
    return hanse::light::state_node_hash(root_of(first, middle, depth + 1), root_of(middle, end, depth + 1));
  }
};

}  // namespace

// Two bytes of the first and last key hash of the range each, then the proof.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const State state;
  if (size < 4) return 0;
  const hanse::ByteView input{data + 4, size - 4};
  const auto proof = hanse::light::decode_range_proof(input);
  if (!proof) return 0;
  hanse::check(hanse::equal(hanse::light::encode(*proof), input), "a decoded proof encodes to itself");
  hanse::light::KeyRange range{.first = {}, .last = hanse::light::kKeyHashMax};
  range.first.data[0] = data[0];
  range.first.data[1] = data[1];
  range.last.data[0] = data[2];
  range.last.data[1] = data[3];
  if (!hanse::light::verify_range(*proof, range, state.root)) return 0;
  std::size_t n = 0;
  for (const auto& [hash, pair] : state.pairs) {
    if (hash < range.first || hash > range.last) continue;
    hanse::check(n < proof->pairs.size() && hanse::equal(proof->pairs[n].key, pair.first) &&
                     hanse::equal(proof->pairs[n].value, pair.second),
                 "a verified range is the state's");
    ++n;
  }
  hanse::check(n == proof->pairs.size(), "a verified range holds nothing else");
  return 0;
}
