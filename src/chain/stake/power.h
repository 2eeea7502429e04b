// Voting power from stake, reputation and uptime, in integers alone (consensus.md 5.1).
//   raw   = 4000 stake / all stake + 4000 reputation / all reputation + 2000 uptime / all uptime, in millionths
//   out   who has less than stake_min or uptime_min, before anything is summed
//   cap   the larger of cap_bp and 10000 / n rounded up; what is above goes to the others in proportion (water-filling)
//   sum   exactly 10000 by largest remainder; ties go to the smaller id
// Pure; any thread. Errors: none. Sizes: as many candidates as a validator set may have.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/core/ids.h"

namespace hanse::stake {

constexpr std::uint32_t kStandingMax = 10'000;

struct Candidate {
  AccountId id;
  std::uint64_t stake = 0;
  std::uint32_t reputation = kStandingMax;  // 0 to kStandingMax
  std::uint32_t uptime = kStandingMax;
};

struct PowerRules {
  std::uint64_t stake_min = 1;
  std::uint32_t uptime_min = 7'500;
  std::uint32_t cap_bp = 1'500;
};

// In basis points, in the order of the candidates; 0 = not in the set. Nobody eligible: all 0, else the sum is 10000.
std::vector<std::uint16_t> assign_power(std::span<const Candidate> candidates, const PowerRules& rules);

// From `old_bp` towards `wanted_bp` (the same validators in the same order, both of 10000) as far as at most `churn_bp`
// change hands: everybody goes the same part of the way.
std::vector<std::uint16_t> limit_churn(std::span<const std::uint16_t> old_bp, std::span<const std::uint16_t> wanted_bp,
                                       std::uint32_t churn_bp);

}  // namespace hanse::stake
