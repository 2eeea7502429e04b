// Load: an application of opaque transactions for measuring (hanse-bench): any body up to a size is applied and does
// nothing but count. It authenticates nobody, so it belongs in networks made for measuring and in no other; a node has
// it only when its genesis names it.
// Genesis section: {1: most bytes of a body, 1 to 60,000}. State key "load/totals" -> Totals as {0: count, 1: bytes,
// 2: leader of the newest block that had such a transaction, 3: most bytes of a body}. Query: "totals" -> the same.
// Errors: load.body (exhausted: found, expected), ledger.genesis (invalid), ledger.query (not_found).
#pragma once

#include "chain/ledger/app.h"

namespace hanse::ledger {

constexpr std::uint8_t kLoadApp = 250;
constexpr std::size_t kLoadBodyMax = 60'000;
constexpr std::string_view kLoadTotalsKey = "load/totals";

struct LoadTotals {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  AccountId leader;
  std::uint64_t body_bytes_max = 0;
};

Bytes encode_load_genesis(std::size_t body_bytes_max);
Result<LoadTotals> decode_load_totals(ByteView bytes);  // the answer of query "totals"
std::unique_ptr<App> make_load_app();

}  // namespace hanse::ledger
