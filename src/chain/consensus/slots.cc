#include "chain/consensus/slots.h"

#include <algorithm>

#include "chain/consensus/mutant.h"

namespace hanse::consensus {

bool Ballot::add(const Power& power, Phase phase, Index from, const Digest& digest) {
  const auto p = static_cast<std::size_t>(phase);
  const bool fresh = spoken_[p].add(from);
  if (!fresh && !mutant(Mutant::kDuplicateCounted)) return false;
  auto it = std::find_if(counts_.begin(), counts_.end(), [&](const Count& c) { return c.digest == digest; });
  if (mutant(Mutant::kDigestIgnored) && !counts_.empty()) it = counts_.begin();
  if (it == counts_.end()) it = counts_.insert(it, Count{.digest = digest, .voters = {}, .weight = {}, .heads = {}});
  it->voters[p].add(from);
  it->weight[p] += power.of(from);
  it->heads[p] += 1;
  return true;
}

const Ballot::Count* Ballot::find(const Digest& digest) const {
  if (mutant(Mutant::kDigestIgnored) && !counts_.empty()) return &counts_.front();
  for (const Count& c : counts_)
    if (c.digest == digest) return &c;
  return nullptr;
}

std::uint32_t Ballot::weight(Phase phase, const Digest& digest) const {
  const Count* c = find(digest);
  return c == nullptr ? 0 : c->weight[static_cast<std::size_t>(phase)];
}

std::uint32_t Ballot::heads(Phase phase, const Digest& digest) const {
  const Count* c = find(digest);
  return c == nullptr ? 0 : c->heads[static_cast<std::size_t>(phase)];
}

std::optional<Digest> Ballot::reaching(Phase phase, std::uint32_t power_min) const {
  for (const Count& c : counts_)
    if (c.weight[static_cast<std::size_t>(phase)] >= power_min) return c.digest;
  return std::nullopt;
}

std::optional<Digest> Ballot::other_than(const Digest& digest) const {
  for (const Count& c : counts_)
    if (c.digest != digest) return c.digest;
  return std::nullopt;
}

std::optional<Index> Ballot::voter(const Digest& digest, Index not_before) const {
  const Count* c = find(digest);
  if (c == nullptr) return std::nullopt;
  for (std::size_t k = 0; k < kReplicasMax; ++k) {
    const auto i = static_cast<Index>((not_before + k) % kReplicasMax);
    if (c->voters[0].contains(i) || c->voters[1].contains(i)) return i;
  }
  return std::nullopt;
}

const Proposal* SlotState::body(const Digest& digest) const {
  for (const auto& [known, proposal] : bodies)
    if (known == digest) return &proposal;
  return nullptr;
}

void SlotState::add_body(const Digest& digest, const Proposal& proposal) {
  if (body(digest) != nullptr) return;
  if (bodies.size() >= 2 * kClaimsPerSlotMax) {
    const auto useless = std::find_if(bodies.begin(), bodies.end(), [&](const auto& b) {
      return accepted != b.first && decided != b.first &&
             std::none_of(prepares.begin(), prepares.end(), [&](const Claim& c) { return c.digest == b.first; });
    });
    if (useless == bodies.end()) return;
    bodies.erase(useless);
  }
  bodies.emplace_back(digest, proposal);
}

detail::PrepareRecord SlotState::prepare_record(std::uint64_t epoch, const Claim& claim) const {
  detail::PrepareRecord out{.epoch = epoch, .claim = claim, .proposal = {}};
  if (const Proposal* proposal = body(claim.digest)) out.proposal = *proposal;
  return out;
}

bool SlotState::claim_prepare(const Claim& claim) {
  const auto it = std::lower_bound(prepares.begin(), prepares.end(), claim.digest,
                                   [](const Claim& c, const Digest& d) { return c.digest < d; });
  if (it != prepares.end() && it->digest == claim.digest) {
    it->view = std::max(it->view, claim.view);
    return true;
  }
  if (prepares.size() >= kClaimsPerSlotMax) return false;
  prepares.insert(it, claim);
  return true;
}

SlotState* Slots::find(Seq seq) {
  const auto it = slots_.find(seq);
  return it == slots_.end() ? nullptr : &it->second;
}
const SlotState* Slots::find(Seq seq) const {
  const auto it = slots_.find(seq);
  return it == slots_.end() ? nullptr : &it->second;
}

void Slots::enter_view(View view) {
  for (auto& [seq, slot] : slots_) {
    slot.now = slot.next.view == view ? std::move(slot.next) : Ballot{};
    slot.now.view = view;
    slot.next = Ballot{};
    slot.next.view = view + 1;
    slot.accepted.reset();
    slot.prepare_sent = slot.commit_sent = false;
  }
}

void Slots::forget_through(Seq seq) { slots_.erase(slots_.begin(), slots_.upper_bound(seq)); }

}  // namespace hanse::consensus
