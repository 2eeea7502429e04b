// Slots: what a replica knows of each place of the order that is not finished: votes, what was accepted, what it
// claimed. Votes are counted per (view, slot, digest), each replica once a phase, for the current view and the next.
// Limits: slots (stable, stable + kSlotWindow] for votes, kClaimsPerSlotMax claims and bodies each.
// Pure; one thread at a time. Errors: none.
#pragma once

#include <map>
#include <optional>

#include "chain/consensus/detail/records.h"

namespace hanse::consensus {

// The votes of one view for one slot.
class Ballot {
 public:
  View view = 0;
  bool add(const Power& power, Phase phase, Index from, const Digest& digest);  // false: has voted in this phase
  std::uint32_t weight(Phase phase, const Digest& digest) const;
  std::uint32_t heads(Phase phase, const Digest& digest) const;
  // A digest that has this power in the phase, whether its proposal is known or not.
  std::optional<Digest> reaching(Phase phase, std::uint32_t power_min) const;
  std::optional<Digest> other_than(const Digest& digest) const;  // that has votes too
  bool voted(Phase phase, Index from) const { return spoken_[static_cast<std::size_t>(phase)].contains(from); }
  std::optional<Index> voter(const Digest& digest, Index not_before) const;  // the next who prepared it, for fetching

 private:
  struct Count {
    Digest digest;
    std::array<Voters, 2> voters;
    std::array<std::uint32_t, 2> weight{}, heads{};
  };
  const Count* find(const Digest& digest) const;
  std::vector<Count> counts_;
  std::array<Voters, 2> spoken_;
};

struct SlotState {
  Ballot now, next;  // of the current view and the one after

  std::vector<std::pair<Digest, Proposal>> bodies;
  const Proposal* body(const Digest& digest) const;
  void add_body(const Digest& digest, const Proposal& proposal);  // the oldest useless one goes when there are too many

  // In the current view.
  std::optional<Digest> accepted;
  std::int64_t accepted_ns = 0;
  bool prepare_sent = false, commit_sent = false;

  // For ever.
  std::optional<Digest> decided;
  bool handed = false;
  std::optional<Hash32> block;    // executed
  std::optional<Claim> prepared;  // P
  std::vector<Claim> prepares;    // Qs, digests ascending
  std::map<Index, Digest> told;   // Slot frames of others

  detail::PrepareRecord prepare_record(std::uint64_t epoch, const Claim& claim) const;
  bool claim_prepare(const Claim& claim);  // false: too many digests in this slot, do not vote
};

class Slots {
 public:
  SlotState& at(Seq seq) { return slots_[seq]; }
  SlotState* find(Seq seq);
  const SlotState* find(Seq seq) const;
  void enter_view(View view);  // forgets what was accepted and voted in the views before
  void forget_through(Seq seq);
  std::map<Seq, SlotState>& all() { return slots_; }
  const std::map<Seq, SlotState>& all() const { return slots_; }

 private:
  std::map<Seq, SlotState> slots_;
};

}  // namespace hanse::consensus
