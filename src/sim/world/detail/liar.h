// A Byzantine replica: a real one whose frames pass through here on their way out and in. Lies are those of the plan.
// Colluding: all liars of a network share what they saw.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "chain/consensus/replica.h"
#include "sim/world/dice.h"
#include "sim/world/plan.h"

namespace hanse::sim::detail {

class World;
struct Host;

class Liar {
 public:
  enum class Face : std::uint8_t { kFirst, kSecond, kBoth };

  Liar(World& world, Host& host, std::uint32_t lies, Dice dice);

  void out(consensus::Index to, consensus::Type type, const consensus::Frame& body);
  void in(consensus::Index from, consensus::Type type, const consensus::Frame& body);
  void enter();  // the next epoch
  void act();    // now and then, on its own

 private:
  bool lies(Lie lie) const { return (lies_ & static_cast<std::uint32_t>(lie)) != 0; }
  bool other_face(consensus::Index to) const;
  void emit(consensus::Index to, consensus::Type type, const consensus::Frame& body);
  void emit_all(consensus::Type type, const consensus::Frame& body);
  consensus::Frame other_proposal(const consensus::Frame& body);
  void spoil(consensus::Proposal& proposal);
  consensus::Frame other_vote(const consensus::Frame& body);
  consensus::Frame other_vertex(const consensus::Frame& body);
  void forge_claims(consensus::ViewChange& vc);
  consensus::Frame other_claims(const consensus::Frame& body);
  consensus::Frame other_new_view(const consensus::Frame& body);
  consensus::Frame other_attest(const consensus::Frame& body);
  consensus::Frame other_slot(const consensus::Frame& body);
  // Prepare and Commit, to those who see the `second` face or to the others.
  void vote_for(consensus::View view, consensus::Seq seq, const Hash32& digest, Face face);
  bool own_vertex(consensus::Type type, const consensus::Frame& body) const;
  consensus::Frame other_statement(const consensus::Frame& body);
  void overhear(consensus::Index from, consensus::Type type, const consensus::Frame& body);
  void false_evidence();
  void replay();
  void garbage();
  void false_words();
  void huge_view();

  World& world_;
  Host& host_;
  std::uint32_t lies_;
  Dice dice_;
  struct Double {
    consensus::Frame frame;
    Hash32 id;
  };
  std::unordered_map<std::uint64_t, Double> faces_;  // (view, seq) -> the other proposal
  std::unordered_map<std::uint64_t, Double> forks_;  // own height -> the other vertex
  std::unordered_set<std::uint64_t> voted_;
  struct Old {
    consensus::Type type;
    consensus::Frame body;
  };
  std::vector<Old> old_;
  std::vector<consensus::Claim> overheard_;
  std::vector<consensus::Statement> signed_;  // by others
  consensus::View view_ = 0;
};

}  // namespace hanse::sim::detail
