#include "chain/replica/batch.h"

#include <utility>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::replica {

void BatchWriter::add(ByteView tx) {
  check(fits(tx.size()), "a transaction fits its batch");
  std::uint8_t length[kTxHeaderBytes];
  store_le(length, static_cast<std::uint32_t>(tx.size()));
  append(bytes_, length);
  append(bytes_, tx);
  ++count_;
}

Bytes BatchWriter::take() {
  store_le(bytes_.data(), count_);
  count_ = 0;
  return std::exchange(bytes_, Bytes(kBatchHeaderBytes));
}

Result<std::vector<ByteView>> decode_batch(ByteView batch) {
  if (batch.size() < kBatchHeaderBytes || batch.size() > consensus::kBatchBytesMax)
    return fail(Kind::kCorrupt, "replica.batch",
                text("found {} bytes, expected {} to {}", batch.size(), kBatchHeaderBytes, consensus::kBatchBytesMax));
  const auto count = load_le<std::uint32_t>(batch.data());
  batch = batch.subspan(kBatchHeaderBytes);
  if (count == 0 || count > kBatchTxsMax || count * kTxHeaderBytes > batch.size())
    return fail(Kind::kCorrupt, "replica.batch",
                text("found a count of {} in {} bytes, expected 1 to {}", count, batch.size(), kBatchTxsMax));
  std::vector<ByteView> out;
  out.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t length = batch.size() < kTxHeaderBytes ? 0 : load_le<std::uint32_t>(batch.data());
    if (batch.size() < kTxHeaderBytes || length > batch.size() - kTxHeaderBytes)
      return fail(Kind::kCorrupt, "replica.batch",
                  text("found {} bytes for transaction {} of {}, expected {}", batch.size(), i, count,
                       kTxHeaderBytes + length));
    out.push_back(batch.subspan(kTxHeaderBytes, length));
    batch = batch.subspan(kTxHeaderBytes + length);
  }
  if (!batch.empty())
    return fail(Kind::kCorrupt, "replica.batch", text("found {} bytes after {} transactions", batch.size(), count));
  return out;
}

Flat flatten(std::span<const consensus::VertexFrame> vertices, const HasApp& has_app, std::size_t txs_max) {
  Flat out;
  for (const consensus::VertexFrame& v : vertices) {
    const auto batch = decode_batch(v.batch());
    if (!batch) {
      ++out.bad_batches;
      continue;
    }
    const auto source = static_cast<std::uint32_t>(out.sources.size());
    out.sources.push_back(v.id);
    for (const ByteView bytes : *batch) {
      auto tx = ledger::decode_tx(bytes);
      if (!tx || !has_app(tx->app)) {
        ++out.bad_txs;
      } else if (out.txs.size() < txs_max) {
        out.txs.push_back(*std::move(tx));
        out.tx_ids.push_back(ledger::tx_id(bytes));
        out.places.push_back({.source = source,
                              .offset = static_cast<std::uint32_t>(bytes.data() - v.frame->data()),
                              .size = static_cast<std::uint32_t>(bytes.size())});
      } else {
        out.left_out.push_back(ledger::tx_id(bytes));
      }
    }
  }
  return out;
}

}  // namespace hanse::replica
