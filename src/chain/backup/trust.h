// Whether a certificate holds for a ledger that came from elsewhere: the header is that ledger's own, and its signers
// are the validators whom the genesis leads to, over certified handovers where epochs changed the set. Private to the
// room. Errors: backup.mismatch, light.cert_*, light.valset, ledger.uncertified.
#pragma once

#include "chain/backup/record.h"

namespace hanse::backup {

// The last header whose epoch is at most `epoch`.
Result<light::BlockHeader> last_of_epoch(const ledger::View& view, std::uint64_t epoch);

Status check_certified(const ledger::Ledger& ledger, const ledger::View& view, const Certified& certified);

}  // namespace hanse::backup
