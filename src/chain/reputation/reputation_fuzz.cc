// Transactions of the application in a state without validators: refused, never worse; events and answers as read.
#include "base/core/check.h"
#include "chain/reputation/records.h"

using namespace hanse;
using namespace hanse::reputation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView body(data, size);
  static const auto app = make_reputation_app();
  ledger::MemState state;
  check(app->genesis(encode_reputation_genesis(), {}, state).has_value(), "the genesis is good");
  check(!app->check({.app = kReputationApp, .body = to_bytes(body)}, {}, state), "nobody has signed anything");
  (void)decode_standing(body);
  (void)decode_standings(body);
  (void)decode_proven(body);
  (void)decode_punished(body);
  return 0;
}
