// What a record of the vote journal says, for people who look into a journal (hanse journal dump).
// Shapes: `payload` is a journal record's; fields that a type does not have stay empty.
// Pure; any thread. Errors: consensus.record (corrupt: an unknown type, or bytes that are not that type's),
// consensus.frame (corrupt, of a record that is a whole frame). Checks no signature.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chain/consensus/replica.h"

namespace hanse::consensus {

std::string_view record_type_name(RecordType type);

struct RecordInfo {
  RecordType type = RecordType::kVertex;
  std::optional<std::uint64_t> epoch;
  std::optional<View> view;
  std::optional<Seq> slot;
  std::optional<Index> replica;         // whose lane or message it is
  std::optional<std::uint64_t> height;  // in the lane
  std::optional<Hash32> digest;         // of the vertex, the proposal, or the block
  std::size_t payload_bytes = 0;
  std::string note;  // counts of what is inside
};
Result<RecordInfo> describe_record(std::uint8_t type, ByteView payload);

}  // namespace hanse::consensus
