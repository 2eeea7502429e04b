// What a view answers to nodes that fetch its state.
#include "chain/ledger/records.h"

namespace hanse::ledger {

Result<RangeAnswer> View::prove_range(const light::KeyRange& range, std::size_t bytes_max) const {
  const kv::Store& store = *ledger_.store_;
  const kv::Snapshot* const at = &moment_->snapshot;
  const std::uint8_t side = moment_->side;
  const TreeReader reader{.node = ledger_.node_get(side, at),
                          .nodes =
                              [&store, side, at](ByteView prefix, ByteView from, const TreeReader::Visit& visit) {
                                return store.scan(node_family(side), prefix, from, visit, at);
                              },
                          .value = [&store, side, at](ByteView key) { return store.get(state_family(side), key, at); }};
  return ledger::prove_range(reader, range, bytes_max);
}

Result<View::Past> View::past(Heights heights, std::size_t bytes_max) const {
  Past out;
  const Height last = std::min(heights.last, height());
  std::size_t bytes = 0;
  for (Height at = heights.first; at <= last; at = at.plus(1)) {
    TRY(Block next, block(at));
    bytes += 512 + 68 * next.tx_ids.size();
    if (!out.blocks.empty() && bytes > bytes_max) break;
    out.blocks.push_back(std::move(next));
  }
  if (!out.blocks.empty() && out.blocks.back().header.height < height()) {
    TRY(out.path,
        light::history_path(history_get(*ledger_.store_), {out.blocks.back().header.height.value, height().value}));
  }
  return out;
}

Result<light::CertifiedHeader> View::believable(ProofWanted wanted) const {
  TRY(const Certified by, certified(header(), wanted.grade));
  return believable(header(), by, wanted);
}

}  // namespace hanse::ledger
