// Testimony: what validators show of themselves so that who is absent and who led in vain is counted on the ledger,
// from signatures of many and never from one leader's word (consensus.md 5.4: Timeout, NonParticipation).
//   presence   an own attest, once per kPresenceSlots slots. Whoever has shown fewer than half as many as the one with
//              the most, at the end of an epoch in which that one has shown kPresenceMin, was absent.
//   timeout    the own view change that led to a view. Asked for by kTimeoutPowerBp of distinct validators, it counts
//              against the leader of the view before.
// Both cost once an epoch, however often. Who is out is not judged again.
// State: "reputation/p" + u64 place -> [last part, count]; "reputation/t" + u64 view -> who asked for it, as a bitmap;
// "reputation/l" + u64 place -> views led in vain; "reputation/w" -> the highest view that was proved. All of the
// running epoch, gone at its end.
// Private to the room. Pure; one thread at a time. Errors: reputation.testimony (invalid: another epoch or purpose, a
// slot to come, a view far away), reputation.testimony_known (conflict), reputation.record (corrupt).
#pragma once

#include "chain/light/genesis.h"
#include "chain/reputation/reputation.h"

namespace hanse::reputation {

// What it would count as; the signature is the caller's.
Status check_testimony(const consensus::Statement& statement, std::uint64_t epoch, Height height,
                       const ledger::StateReader& state);
Status take_testimony(const consensus::Statement& statement, const light::ValidatorSet& set, ledger::State& state);
// At an epoch's end: punishes, and forgets what was counted.
Status settle_testimony(const light::ValidatorSet& set, const ledger::BlockContext& context, ledger::State& state,
                        std::vector<ledger::Event>& events);

}  // namespace hanse::reputation
