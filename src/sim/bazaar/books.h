// The market's books counted again from its records, without its totals: what the simulator asks after every block.
// Gives the first thing that does not add up, in words; nothing when all does. Threads: those of the state.
#pragma once

#include <optional>
#include <string>

#include "chain/ledger/state.h"

namespace hanse::sim {

// Accounts, escrow, sealed, bonds, treasury and burned are the supply; each total is the sum of its records; what is
// locked of a bond, and the slots used, are what live jobs lock and use (jobs of a round that is not settled to the end
// left out, so only then it may be more).
std::optional<std::string> find_error_in_books(const ledger::StateReader& state);

// What must hold when nothing is left to do: no live job, no money held, no locked bond, no deadline, no open round.
std::optional<std::string> find_left_over(const ledger::StateReader& state);

}  // namespace hanse::sim
