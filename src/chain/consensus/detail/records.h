// The journal's records beside whole frames: Prepare with its proposal, snapshot, Prepared
// (proto/records/consensus.md). Private to the room. Errors: consensus.record (corrupt).
#pragma once

#include <optional>

#include "chain/consensus/messages.h"

namespace hanse::consensus::detail {

struct PrepareRecord {
  std::uint64_t epoch = 0;
  Claim claim;
  std::optional<Proposal> proposal;  // what was voted for; nothing for a null slot or a body not held yet
};
Bytes encode(const PrepareRecord& record);
Result<PrepareRecord> decode_prepare_record(ByteView bytes);

struct PreparedRecord {
  std::uint64_t epoch = 0;
  Claim claim;
};
Bytes encode(const PreparedRecord& record);
Result<PreparedRecord> decode_prepared_record(ByteView bytes);

struct SnapshotRecord {
  std::uint64_t epoch = 0;
  View view = 0;
  Tip own_tip;
  Certificate stable;
};
Bytes encode(const SnapshotRecord& record);
Result<SnapshotRecord> decode_snapshot(ByteView bytes);

}  // namespace hanse::consensus::detail
