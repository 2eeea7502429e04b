// Dag: what chain/replica keeps in the ledger's store, written in the same batch as the block it led to, and read when
// a chain opens and when others ask for what they miss (consensus.md 5.7). Keys are big-endian:
//   vertices         id -> frame
//   edges            'c' || parent || child, 'p' || child || parent
//   metadata         id -> lane, height, transactions, slot, block time;  "tip" || lane -> tip;  "cut" || slot -> tips;
//                    "journal" -> the newest journal record that was durable when the block was written
//   index_height     height || lane || id
//   index_timestamp  block time || id
//   finalized        slot -> encoded consensus::Slot
// Private to the room. Threads: any. Errors: replica.record (corrupt: a record of ours does not decode), and kv's.
#pragma once

#include <optional>
#include <vector>

#include "chain/consensus/replica.h"
#include "store/kv/kv.h"

namespace hanse::replica {

struct VertexNote {
  consensus::Index lane = 0;
  std::uint64_t height = 0;
  std::uint32_t tx_count = 0;
  consensus::Seq slot = 0;
  std::int64_t block_time_ms = 0;
  friend bool operator==(const VertexNote&, const VertexNote&) = default;
};

void put_slot(kv::Batch& batch, const consensus::Execute& slot, std::int64_t block_time_ms, std::uint64_t journal_seq);

// The cut after a slot that was not executed here but fetched as a state.
void put_cut(kv::Batch& batch, consensus::Seq seq, const std::vector<consensus::Tip>& cut, std::uint64_t journal_seq);

// Where epochs end. Lanes begin anew behind such a slot, and nobody knows it from the slot itself, which may be empty.
void put_epoch_end(kv::Batch& batch, std::uint64_t epoch, consensus::Seq seq);
void put_epoch_due(kv::Batch& batch, consensus::Seq seq);  // at a checkpoint slot: said by the applications there
Result<std::optional<consensus::Seq>> read_epoch_end(const kv::Store& store, std::uint64_t epoch);
Result<consensus::Seq> read_epoch_due(const kv::Store& store);  // the newest; 0: none

Result<std::optional<Bytes>> read_vertex(const kv::Store& store, const Hash32& id);  // its frame
Result<std::optional<VertexNote>> read_note(const kv::Store& store, const Hash32& id);
Result<std::optional<consensus::Slot>> read_slot(const kv::Store& store, consensus::Seq seq);
Result<std::vector<consensus::Tip>> read_cut(const kv::Store& store, consensus::Seq seq);  // 0: no tips
Result<std::uint64_t> read_journal_seq(const kv::Store& store);                            // 0: none
// The frames that are new in a slot, each after those of its lane that it stands on.
Result<std::vector<Bytes>> read_slot_vertices(const kv::Store& store, consensus::Seq seq);

}  // namespace hanse::replica
