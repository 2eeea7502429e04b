// Is a receipt true? Pure: the bundle and the genesis are all it looks at.
//   signed    both signatures are the provider's, and the receipt is for this GXF
//   included  enough validators of that genesis certified a state in which the job has this receipt, by this provider,
//             with this status, gas, outputs and price
//   paid      in that state the job is settled
// The checks run in order and stop at the first that fails; the level is the last one reached.
// Errors of a failed check: receipt.job (denied: receipt, GXF and record differ; which field), receipt.unrecorded
// (denied: the proof is of another record, or shows none), receipt.refuted (denied: an audit found it false),
// receipt.network (denied), those of receipt.h, light and gxf.
#pragma once

#include <string>
#include <vector>

#include "chain/light/light_proof.h"
#include "exchange/gxf/gxf.h"
#include "exchange/receipt/bundle.h"
#include "exchange/receipt/receipt.h"

namespace hanse::receipt {

enum class Level : std::uint8_t { kNone = 0, kSigned = 1, kIncluded = 2, kPaid = 3 };
std::string_view level_name(Level level);  // "none", "signed", ...

struct Check {
  std::string name;    // "signatures", "job", ...
  std::string detail;  // what was found good, one line; the error's text when it failed
  bool holds = false;
};

struct Report {
  Level level = Level::kNone;
  std::vector<Check> checks;
  Status status;     // the error of the failed check; fine when included or paid was reached
  Receipt receipt;   // meaningful from kSigned on
  market::Job job;   // meaningful from kIncluded on
  Height proven_at;  // height of the proof
};

// Demands a certificate of at least quorum_bp; with another demand, what that says.
Report verify(const ReceiptBundle& bundle, const light::Genesis& genesis, const light::Demand& demand = {});

// Whether the bytes are output `index` of the receipt. Errors: receipt.output (denied: found and expected hash),
// receipt.no_output (not_found).
Status verify_output(const Receipt& receipt, std::size_t index, ByteView bytes);

}  // namespace hanse::receipt
