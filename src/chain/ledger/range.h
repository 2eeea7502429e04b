// The prover of range proofs (chain/light/range.h) over a stored tree and the state beside it.
// A range is answered from its start, up to about bytes_max: the answer says where it ends, at the range's end or at
// the last pair that is in it. Nodes of one depth stand together in the store in the order of their paths, so a range
// is read level by level; the work is bounded by kRangeLeavesMax leaves a look.
// Pure over the reader; any thread that may call it. Errors: ledger.tree_corrupt (corrupt: a node or value does not
// fit, or a leaf without its key), ledger.range (invalid: it ends before it begins), and what the reader gives.
#pragma once

#include "chain/ledger/tree.h"
#include "chain/light/range.h"

namespace hanse::ledger {

constexpr std::size_t kRangeLeavesMax = 8'192;

struct TreeReader {
  using Visit = std::function<bool(ByteView record_key, ByteView record)>;
  NodeGet node;
  // Node records whose key starts with prefix, ascending, from `from` on, until visit returns false.
  std::function<Status(ByteView prefix, ByteView from, const Visit& visit)> nodes;
  NodeGet value;  // of a state key
};

struct RangeAnswer {
  Hash32 last;  // the proof is for the range up to here
  std::size_t pairs = 0;
  Bytes proof;  // encoded light::RangeProof
};
Result<RangeAnswer> prove_range(const TreeReader& reader, const light::KeyRange& range, std::size_t bytes_max);

}  // namespace hanse::ledger
