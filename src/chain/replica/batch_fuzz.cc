// Batches from strangers: what decodes is what the writer would have written, and flatten takes anything.
#include "base/core/check.h"
#include "chain/replica/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView input{data, size};
  if (const auto txs = hanse::replica::decode_batch(input)) {
    hanse::replica::BatchWriter writer;
    for (const hanse::ByteView tx : *txs) writer.add(tx);
    hanse::check(hanse::equal(writer.take(), input), "a decoded batch encodes to itself");
  }
  if (size > hanse::consensus::kBatchBytesMax) return 0;
  const auto vertex = hanse::consensus::make_vertex({.lane = 1, .height = 1, .parents = {{}}, .tx_count = 1}, input);
  const auto flat = hanse::replica::flatten({&vertex, 1}, [](std::uint8_t app) { return app % 2 == 0; }, 3);
  hanse::check(flat.txs.size() <= 3, "flatten keeps its limit");
  return 0;
}
