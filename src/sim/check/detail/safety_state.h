// What the checker knows: of each epoch, each honest replica, each slot. Private to the room.
#pragma once

#include "sim/check/mix.h"
#include "sim/check/safety.h"

namespace hanse::sim {

using consensus::Digest;
using consensus::Execute;
using consensus::Facts;
using consensus::Frame;
using consensus::Index;
using consensus::Record;
using consensus::RecordType;
using consensus::Seq;
using consensus::Tip;
using consensus::Type;
using consensus::View;
using consensus::ViewChange;
using consensus::Vote;

constexpr Seq kSeqMax = 1 << 20;  // claims of Byzantine replicas about farther slots are not counted
enum Phase : std::uint8_t { kPrepares, kCommits, kTold };
enum Key : std::uint64_t { kKeyPrepare = 1, kKeyCommit, kKeyFrame };

inline std::uint64_t word(const Hash32& h) { return load_le<std::uint64_t>(h.data.data()); }
inline std::uint64_t vote_key(Key key, View view, Seq seq, const Digest& digest) {
  return mix(mix(mix(key, view), seq), word(digest));
}
inline std::uint64_t frame_key(ByteView body) { return mix(kKeyFrame, mix_bytes(body)); }

struct Safety::Era {
  SafetyEpoch of;
  std::vector<Index> places;  // by replica
  Seq end = 0;                // its last slot, as somebody executed it; 0 = not yet
  View view_max = 0;          // highest view an honest replica asked for
  Index leader(View view) const { return of.power->leader(view); }
};

struct Safety::Tally {
  View view = 0;
  std::uint64_t digest = 0;
  std::uint8_t phase = 0;
  std::uint32_t weight = 0;
  consensus::Voters voters;
};

// What a slot was given by one honest replica: its votes, and what arrived for it.
struct SlotView {
  struct Sent {
    View view = 0;
    Hash32 digest;
    bool prepare = false, commit = false;  // a commit may stand on others' prepares alone
  };
  std::vector<Sent> sent;
};

struct Safety::Host {
  std::unordered_set<std::uint64_t> durable;
  struct Pending {
    std::uint64_t key = 0;
    RecordType type = RecordType::kSnapshot;
    Vote vote;  // of Prepare and Prepared records
  };
  std::vector<Pending> pending;
  std::vector<std::vector<Tally>> tallies;  // by slot
  std::vector<SlotView> votes;              // by slot
  std::vector<Hash32> lane;                 // own vertices by height, as sent
  std::unordered_map<Seq, Hash32> attested;
  std::unordered_map<View, Frame> new_views;                                            // delivered, not checked
  View promised = 0;                                                                    // the highest view asked for
  std::unordered_set<std::uint64_t> vertices;                                           // held, or once held
  std::unordered_map<std::uint64_t, std::pair<consensus::Voters, std::uint32_t>> acks;  // of a tip: who, and power
  std::unordered_map<std::uint64_t, Hash32> choices;  // (view, seq) -> what a view change decided
  Seq handed = 0, executed = 0, stable = 0;           // stable: the highest ever
  std::uint64_t epoch = 0;

  std::vector<Tally>& slot_tallies(Seq seq) {
    if (tallies.size() <= seq) tallies.resize(seq + 64);
    return tallies[seq];
  }
  SlotView& slot_votes(Seq seq) {
    if (votes.size() <= seq) votes.resize(seq + 64);
    return votes[seq];
  }
};

struct Safety::Agreed {
  Digest digest;
  std::uint64_t order = 0;  // of the vertices
  std::vector<Tip> cut;
  std::optional<Hash32> block;
};

}  // namespace hanse::sim
