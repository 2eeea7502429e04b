#include "sim/check/choice.h"

#include <algorithm>
#include <functional>

namespace hanse::sim {

using consensus::Claim;
using consensus::Digest;
using consensus::Power;
using consensus::Seq;
using consensus::View;
using consensus::ViewChange;

namespace {

using Set = std::span<const ViewChange>;

std::uint32_t weigh(const Power& power, Set set, const std::function<bool(const ViewChange&)>& wanted) {
  std::uint32_t sum = 0;
  for (const ViewChange& vc : set)
    if (wanted(vc)) sum += power.of(vc.replica);
  return sum;
}

const Claim* prepared_in(const ViewChange& vc, Seq seq) {
  for (const Claim& c : vc.prepared)
    if (c.seq == seq) return &c;
  return nullptr;
}

// Senders that sent Prepare for the digest in the view or a later one.
std::uint32_t backing(const Power& power, Set set, Seq seq, const Digest& digest, View view) {
  return weigh(power, set, [&](const ViewChange& vc) {
    return std::ranges::any_of(vc.prepares,
                               [&](const Claim& q) { return q.seq == seq && q.digest == digest && q.view >= view; });
  });
}

// A1: power >= Q below the slot whose own claim does not stand against (digest, view).
bool unopposed(const Power& power, Set set, Seq seq, const Digest& digest, View view) {
  return weigh(power, set, [&](const ViewChange& vc) {
           const Claim* p = prepared_in(vc, seq);
           return vc.checkpoint.seq < seq &&
                  (p == nullptr || p->view < view || (p->view == view && p->digest == digest));
         }) >= power.quorum();
}

struct Candidate {
  View view = 0;
  bool extra = false;
  Digest digest;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.view != b.view) return a.view > b.view;
  if (a.extra != b.extra) return b.extra;
  return a.digest < b.digest;
}

std::optional<Digest> choose_slot(const Power& power, Set set, Seq seq) {
  std::vector<Candidate> candidates;
  for (const ViewChange& vc : set) {
    if (const Claim* p = prepared_in(vc, seq))
      if (unopposed(power, set, seq, p->digest, p->view) &&
          backing(power, set, seq, p->digest, p->view) >= power.one_honest())  // A2
        candidates.push_back({.view = p->view, .extra = false, .digest = p->digest});
    for (const Claim& q : vc.prepares) {
      if (q.seq != seq || backing(power, set, seq, q.digest, q.view) < power.one_honest()) continue;
      // The largest such view of the digest.
      const bool larger = std::ranges::any_of(set, [&](const ViewChange& other) {
        return std::ranges::any_of(other.prepares, [&](const Claim& o) {
          return o.seq == seq && o.digest == q.digest && o.view > q.view &&
                 backing(power, set, seq, o.digest, o.view) >= power.one_honest();
        });
      });
      if (!larger && unopposed(power, set, seq, q.digest, q.view))
        candidates.push_back({.view = q.view, .extra = true, .digest = q.digest});
    }
  }
  if (!candidates.empty()) return std::ranges::min_element(candidates, better)->digest;
  const std::uint32_t silent = weigh(
      power, set, [&](const ViewChange& vc) { return vc.checkpoint.seq < seq && prepared_in(vc, seq) == nullptr; });
  if (silent >= power.quorum()) return Digest{};
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::pair<Seq, Digest>>> choose(const Power& power, Set set) {
  Seq low = 0, high = 0;
  for (const ViewChange& vc : set) {
    low = std::max(low, vc.checkpoint.seq);
    for (const auto* list : {&vc.prepared, &vc.prepares})
      for (const Claim& c : *list) high = std::max(high, c.seq);
  }
  std::vector<std::pair<Seq, Digest>> out;
  for (Seq seq = low + 1; seq <= std::min(high, low + consensus::kSlotWindow); ++seq) {
    const auto digest = choose_slot(power, set, seq);
    if (!digest) return std::nullopt;
    out.emplace_back(seq, *digest);
  }
  return out;
}

}  // namespace hanse::sim
