// Batch: transactions as they lie in a vertex: u32 count, then each as u32 length and the encoded transaction, all
// little-endian (proto/records/batch.md). Consensus orders batches without reading them, so a lane may hold anything:
// flatten() skips what is no batch or no transaction, by rules that give the same answer everywhere.
// Limits: kBatchTxsMax, consensus::kBatchBytesMax; flatten takes at most kSlotTxsMax of one slot.
// Pure; any thread. Errors: replica.batch (corrupt: found, expected).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "chain/consensus/messages.h"
#include "chain/ledger/ledger.h"

namespace hanse::replica {

constexpr std::size_t kBatchTxsMax = 16'384;
constexpr std::size_t kSlotTxsMax = 262'144;
constexpr std::size_t kBatchHeaderBytes = 4;
constexpr std::size_t kTxHeaderBytes = 4;

class BatchWriter {
 public:
  BatchWriter() : bytes_(kBatchHeaderBytes) {}
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  bool fits(std::size_t tx_bytes) const {
    return count_ < kBatchTxsMax && bytes_.size() + kTxHeaderBytes + tx_bytes <= consensus::kBatchBytesMax;
  }
  void add(ByteView tx);  // that fits
  std::uint32_t count() const { return count_; }
  std::size_t size() const { return bytes_.size(); }
  Bytes take();

 private:
  Bytes bytes_;
  std::uint32_t count_ = 0;
};

// The encoded transactions, as views into the batch.
Result<std::vector<ByteView>> decode_batch(ByteView batch);

// What of a slot's vertices is executed, in order.
struct Flat {
  std::vector<ledger::Tx> txs;
  std::vector<Hash32> tx_ids;           // of each
  std::vector<ledger::TxPlace> places;  // and where its bytes are in the frames of
  std::vector<Hash32> sources;          // these vertices
  std::uint64_t bad_batches = 0;        // skipped whole
  std::uint64_t bad_txs = 0;            // skipped: undecodable, or for an application that the network does not have
  std::vector<Hash32> left_out;         // ids of decodable transactions beyond txs_max
};
using HasApp = std::function<bool(std::uint8_t app)>;
Flat flatten(std::span<const consensus::VertexFrame> vertices, const HasApp& has_app,
             std::size_t txs_max = kSlotTxsMax);

}  // namespace hanse::replica
