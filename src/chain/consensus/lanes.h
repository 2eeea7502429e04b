// Lanes: the part of the DAG that is not ordered yet. Each replica writes one lane, a chain of vertices; everyone
// stores all lanes and acknowledges what it stores (consensus.md 5.3).
//   rooted     stored, and so are all its lane's vertices down to the cut
//   available  rooted here, or acknowledged exactly (lane, height, id) by power >= A: somebody honest has it; or here
//              down to the cut without standing on it, which makes it a tip that everyone ignores
// The first vertex of a (lane, height) is kept and acknowledged, a second one only kept when somebody needs it by id.
// Limits: heights (cut, cut + kLaneWindow], lane_bytes_max a lane. Pure; one thread at a time. Errors: none.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "chain/consensus/messages.h"

namespace hanse::consensus {

class Lanes {
 public:
  Lanes(const Power& power, const std::vector<Tip>& cut, std::size_t lane_bytes_max);

  enum class Took : std::uint8_t {
    kNew,    // kept; acknowledge it once rooted and durable
    kKnown,  // had it
    kFork,   // another vertex of this lane and height is kept: not kept, not acknowledged
    kStale,  // at or below the cut
    kFar,    // beyond the window
    kFull,   // the lane's bytes are used up
  };
  Took add(const VertexFrame& v);
  Took add_wanted(const VertexFrame& v);  // asked for by id: kept beside another of its height
  const VertexFrame* find(const Hash32& id) const;
  bool rooted(const Hash32& id) const;
  // Rooted since the last call, in order of rooting.
  std::vector<Tip> take_rooted();

  // False: beyond the window, or the replica named another vertex of this place before.
  bool ack(Index from, const Tip& tip);
  std::uint32_t acked_power(const Tip& tip) const;
  bool acked_by(Index from, const Tip& tip) const;
  bool available(const Tip& tip) const;

  // The newest tip of a lane that a leader may propose: rooted here, and acknowledged by `power_min` (0 = nobody need).
  std::optional<Tip> best_tip(Index lane, std::uint32_t power_min) const;

  // The vertices from the cut (exclusive) to `tip`, lowest first; of one that does not descend as far as that shows.
  struct Path {
    std::vector<const VertexFrame*> vertices;
    std::optional<Tip> missing;  // to be fetched first
    bool descends = true;        // false: does not stand on the cut and is ignored by everyone
  };
  Path path(const Tip& tip) const;
  // The lowest vertex below `id` that is not here, if any: what stands between it and being rooted.
  std::optional<Tip> missing_below(const Hash32& id) const;

  const Tip& cut(Index lane) const { return lanes_[lane].cut; }
  std::vector<Tip> cut() const;  // lanes with height > 0
  void advance(const Tip& tip);  // the cut of one lane; forgets what is at or below
  std::size_t count(Index lane) const { return lanes_[lane].count; }
  std::size_t bytes(Index lane) const { return lanes_[lane].bytes; }
  std::size_t size() const { return lanes_.size(); }
  // Every kept vertex, for a journal snapshot.
  std::vector<const VertexFrame*> all() const;

 private:
  struct Held {
    VertexFrame v;
    bool rooted = false;
  };
  struct Tally {
    Hash32 id;
    Voters voters;
    std::uint32_t power = 0;
  };
  struct Place {              // one (lane, height)
    std::vector<Hash32> ids;  // kept vertices; [0] came first
    std::vector<Tally> acks;
    Voters spoken;
  };
  struct Lane {
    Tip cut;
    std::map<std::uint64_t, Place> places;
    std::size_t count = 0, bytes = 0;
    Tip rooted_tip;  // the highest rooted one, first come
  };
  Took admit(const VertexFrame& v, bool wanted);
  const Tally* tally(const Tip& tip) const;
  void root_from(Lane& lane, const Hash32& id);

  const Power& power_;
  std::size_t lane_bytes_max_;
  std::vector<Lane> lanes_;
  std::unordered_map<Hash32, Held> held_;
  std::vector<Tip> newly_rooted_;
};

// The order of execution of a slot's new vertices: topological over parents (Kahn), ties by height, then by
// (lane + seq) mod lanes, so that no lane is always first (consensus.md 5.4).
std::vector<VertexFrame> execution_order(std::vector<const VertexFrame*> vertices, Seq seq, std::size_t lanes);

}  // namespace hanse::consensus
