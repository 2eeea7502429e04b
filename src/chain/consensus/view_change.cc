#include "chain/consensus/view_change.h"

#include <algorithm>
#include <set>

#include "chain/consensus/mutant.h"

namespace hanse::consensus {
namespace {

class SlotDecision {
 public:
  SlotDecision(const Power& power, std::span<const ViewChange* const> set, Seq seq)
      : power_(power), set_(set), seq_(seq) {}

  std::optional<Digest> pick() {
    for (const ViewChange* vc : set_)
      if (const Claim* p = prepared(*vc)) consider({.digest = p->digest, .view = p->view, .extra = false});
    std::set<Digest> digests;
    for (const ViewChange* vc : set_)
      for (const Claim& q : vc->prepares)
        if (q.seq == seq_) digests.insert(q.digest);
    for (const Digest& digest : digests)
      if (const auto view = supported_view(digest)) consider({.digest = digest, .view = *view, .extra = true});
    if (best_ && !(mutant(Mutant::kNullPreferred) && silent_power() >= power_.one_honest())) return best_->digest;
    if (mutant(Mutant::kNullPreferred) && best_) return Digest{};
    if (silent_power() >= power_.quorum()) return Digest{};
    return std::nullopt;
  }
  bool extra() const { return best_ && best_->extra; }

 private:
  struct Candidate {
    Digest digest;
    View view = 0;
    bool extra = false;
  };

  const Claim* prepared(const ViewChange& vc) const {
    const auto it = std::lower_bound(vc.prepared.begin(), vc.prepared.end(), seq_,
                                     [](const Claim& c, Seq seq) { return c.seq < seq; });
    return it != vc.prepared.end() && it->seq == seq_ ? &*it : nullptr;
  }

  // Power of the senders that know the slot (checkpoint below it) and satisfy `fits`.
  template <class Fits>
  std::uint32_t power_where(Fits fits) const {
    std::uint32_t sum = 0;
    for (const ViewChange* vc : set_)
      if (fits(*vc)) sum += power_.of(vc->replica);
    return sum;
  }

  std::uint32_t silent_power() const {
    return power_where([&](const ViewChange& vc) { return vc.checkpoint.seq < seq_ && prepared(vc) == nullptr; });
  }

  bool a1(const Candidate& c) const {
    if (mutant(Mutant::kRuleA1Dropped)) return true;
    return power_where([&](const ViewChange& vc) {
             if (vc.checkpoint.seq >= seq_) return false;
             const Claim* p = prepared(vc);
             return p == nullptr || p->view < c.view || (p->view == c.view && p->digest == c.digest);
           }) >= power_.quorum();
  }

  std::uint32_t prepare_power(const Digest& digest, View from) const {
    return power_where([&](const ViewChange& vc) {
      return std::any_of(vc.prepares.begin(), vc.prepares.end(),
                         [&](const Claim& q) { return q.seq == seq_ && q.digest == digest && q.view >= from; });
    });
  }
  bool a2(const Candidate& c) const {
    return mutant(Mutant::kRuleA2Dropped) || prepare_power(c.digest, c.view) >= power_.one_honest();
  }

  // The largest view such that power >= A sent Prepare for the digest in it or later.
  std::optional<View> supported_view(const Digest& digest) const {
    std::vector<View> views;
    for (const ViewChange* vc : set_)
      for (const Claim& q : vc->prepares)
        if (q.seq == seq_ && q.digest == digest) views.push_back(q.view);
    std::sort(views.begin(), views.end(), std::greater<>());
    for (const View view : views)
      if (prepare_power(digest, view) >= power_.one_honest()) return view;
    return std::nullopt;
  }

  void consider(Candidate c) {
    if (best_) {
      if (c.view < best_->view) return;
      if (c.view == best_->view && (c.extra > best_->extra || (c.extra == best_->extra && c.digest >= best_->digest)))
        return;
    }
    if (a1(c) && (c.extra || a2(c))) best_ = c;
  }

  const Power& power_;
  std::span<const ViewChange* const> set_;
  Seq seq_;
  std::optional<Candidate> best_;
};

}  // namespace

std::optional<Decision> decide(const Power& power, std::span<const ViewChange* const> set) {
  Voters senders;
  std::uint32_t weight = 0;
  Decision out;
  for (const ViewChange* vc : set) {
    if (!senders.add(vc->replica)) return std::nullopt;
    weight += power.of(vc->replica);
    if (out.stable == nullptr || vc->checkpoint.seq > out.stable->checkpoint.seq) out.stable = vc;
  }
  if (weight < power.quorum() || out.stable == nullptr) return std::nullopt;
  const Seq low = out.stable->checkpoint.seq;
  Seq high = low;
  for (const ViewChange* vc : set) {
    if (!vc->prepared.empty()) high = std::max(high, vc->prepared.back().seq);
    if (!vc->prepares.empty()) high = std::max(high, vc->prepares.back().seq);
  }
  high = std::min(high, low + kSlotWindow);
  for (Seq seq = low + 1; seq <= high; ++seq) {
    SlotDecision slot(power, set, seq);
    const auto digest = slot.pick();
    if (!digest) return std::nullopt;
    out.slots.emplace_back(seq, *digest);
    out.extra += slot.extra() ? 1 : 0;
  }
  return out;
}

}  // namespace hanse::consensus
