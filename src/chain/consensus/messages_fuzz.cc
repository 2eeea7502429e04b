// Frame bodies of every type: the first byte picks the type. What decodes encodes to the same bytes.
#include "base/core/check.h"
#include "chain/consensus/statement.h"

using namespace hanse;
using namespace hanse::consensus;

namespace {

template <class Decode>
void round_trip(ByteView body, Decode decode) {
  const auto value = decode(body);
  if (value) check(equal(encode(*value), body), "what decodes encodes to itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView body(data + 1, size - 1);
  switch (static_cast<Type>(data[0] % kTypeCount)) {
    case Type::kVertex: (void)decode_vertex(std::make_shared<const Bytes>(to_bytes(body))); break;
    case Type::kAck: round_trip(body, decode_ack); break;
    case Type::kPrePrepare: round_trip(body, decode_pre_prepare); break;
    case Type::kPrepare:
    case Type::kCommit: round_trip(body, decode_vote); break;
    case Type::kAttest: round_trip(body, decode_attest); break;
    case Type::kViewChange: round_trip(body, decode_view_change); break;
    case Type::kNewView: round_trip(body, decode_new_view); break;
    case Type::kStatus: round_trip(body, decode_status); break;
    case Type::kFetchVertex: round_trip(body, decode_fetch_vertex); break;
    case Type::kFetchSlots: round_trip(body, decode_fetch_slots); break;
    case Type::kSlot: round_trip(body, decode_slot); break;
    case Type::kFetchProposal: round_trip(body, decode_fetch_proposal); break;
    case Type::kProposal: round_trip(body, decode_proposal); break;
    case Type::kStatement: round_trip(body, decode_statement); break;
    case Type::kFetchStatement: round_trip(body, decode_fetch_statement); break;
    case Type::kHandover: round_trip(body, decode_handover); break;
    default: round_trip(body, decode_certificate); break;
  }
  return 0;
}
