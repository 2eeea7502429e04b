// Witness: who signed what, and what others say instead. It finds two statements that exclude each other when both are
// here, and says when one that is here should be shown to everybody because somebody was told otherwise: a liar who
// tells each half its own story is found only when the halves compare.
// Statements are given in after their signatures were found good; what others say (a vote, an Ack, a second proposal)
// is hearsay: it never accuses anybody, it only makes this replica show what it holds, once a place.
// Limits: kWitnessPlacesMax places of each signer and purpose (view changes kWitnessViewsMax, votes kWitnessVotesMax),
// the lowest go first; kWitnessOthersMax other ids a place. Pure; one thread at a time. Errors: none.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>

#include "chain/consensus/statement.h"

namespace hanse::consensus {

constexpr std::size_t kWitnessPlacesMax = 128;
constexpr std::size_t kWitnessViewsMax = 16;  // of view changes, each with a signature of its own
constexpr std::size_t kWitnessVotesMax = 1'024;
constexpr std::size_t kWitnessOthersMax = 4;

class Witness {
 public:
  using Said = std::shared_ptr<const Statement>;  // shared by the places that it covers

  struct Heard {
    std::optional<Evidence> evidence;  // not given before
    Said show;                         // to everybody
  };
  Heard add(const Said& said);
  // Somebody says that there is `id` at this place of the fact's signer.
  Said hearsay(const Fact& place, const Hash32& id);
  // Votes that this view change, whose signature was found good, leaves out; once a view.
  std::optional<Evidence> concealed(const ViewChange& vc);

  bool known(const Statement& statement) const;  // the same, place by place: nothing to check again
  bool said(const Fact& place, const Hash32& id) const;
  Said at(const Fact& place) const;  // nothing: no statement covers it
  std::size_t places(Purpose purpose, Index replica) const;

 private:
  struct Place {
    Said said;
    std::array<Hash32, kWitnessOthersMax> others{};  // hearsay; zero = free
    bool shown = false, proven = false, conceals = false;
  };
  using Key = std::pair<View, std::uint64_t>;
  using Places = std::map<Key, Place>;
  const Place* find(const Fact& place) const;
  Place* make(const Fact& place);

  std::map<std::pair<Purpose, Index>, Places> signers_;
};

}  // namespace hanse::consensus
