#include "chain/consensus/quorum.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/core/text.h"

namespace hanse::consensus {
namespace {

constexpr std::size_t kScheduleSlots = 1'024;

std::vector<Index> make_schedule(const std::vector<std::uint16_t>& bp) {
  // Equal powers: one turn each. Otherwise each turn goes to the largest credit, which then pays all of the power.
  const bool equal = std::adjacent_find(bp.begin(), bp.end(), std::not_equal_to<>()) == bp.end();
  const std::size_t turns = equal ? bp.size() : kScheduleSlots;
  std::vector<std::int64_t> credit(bp.size(), 0);
  std::vector<Index> out;
  out.reserve(turns);
  for (std::size_t turn = 0; turn < turns; ++turn) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < bp.size(); ++i) {
      credit[i] += bp[i];
      if (credit[i] > credit[best]) best = i;
    }
    credit[best] -= kPowerTotal;
    out.push_back(static_cast<Index>(best));
  }
  return out;
}

}  // namespace

Result<Power> Power::create(std::vector<std::uint16_t> bp, std::uint32_t quorum_bp, std::uint32_t economic_bp) {
  if (bp.empty() || bp.size() > kReplicasMax)
    return fail(Kind::kInvalid, "consensus.power",
                text("found {} replicas, expected 1 to {}", bp.size(), kReplicasMax));
  const std::uint32_t total = std::accumulate(bp.begin(), bp.end(), std::uint32_t{0});
  if (total != kPowerTotal || std::find(bp.begin(), bp.end(), 0) != bp.end())
    return fail(Kind::kInvalid, "consensus.power",
                text("found powers that sum to {}, expected {} and none of them 0", total, kPowerTotal));
  if (quorum_bp < kQuorumMin || quorum_bp > kQuorumMax || economic_bp < quorum_bp || economic_bp > kPowerTotal)
    return fail(Kind::kInvalid, "consensus.power",
                text("found quorum {} and economic {}, expected {} <= quorum <= economic <= {}", quorum_bp, economic_bp,
                     kQuorumMin, kPowerTotal));
  Power out;
  out.schedule_ = make_schedule(bp);
  out.bp_ = std::move(bp);
  out.quorum_ = quorum_bp;
  out.economic_ = economic_bp;
  return out;
}

void Power::start_at(std::uint64_t turn) {
  std::ranges::rotate(schedule_, schedule_.begin() + static_cast<std::ptrdiff_t>(turn % schedule_.size()));
}

}  // namespace hanse::consensus
