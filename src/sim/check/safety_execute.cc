#include <algorithm>

#include "base/core/text.h"
#include "sim/check/detail/safety_state.h"

// What honest replicas execute and certify.

namespace hanse::sim {

// The last slot of an epoch is the same for all, and says so where it is not empty.
void Safety::check_end(Index self, const Execute& e) {
  Era& era = eras_[static_cast<std::size_t>(hosts_[self]->epoch - first_epoch_)];
  if (e.seq <= era.of.base || (era.end != 0 && (e.seq > era.end || (e.seq == era.end) != e.epoch_end)))
    return fail_rule("epoch", text("replica {} executes slot {} in epoch {}, which has slots {} to {}", self, e.seq,
                                   era.of.epoch, era.of.base + 1, era.end));
  if (e.proposal && e.proposal->epoch_end != e.epoch_end)
    return fail_rule("epoch", text("slot {} is executed with a false word of the epoch's end", e.seq));
  if (e.epoch_end) era.end = e.seq;
}

void Safety::check_slot(const Era& era, const Execute& e) {
  if (e.digest.is_zero() != !e.proposal)
    return fail_rule("validity", text("slot {}: a null digest stands for an empty slot and for nothing else", e.seq));
  if (e.proposal &&
      (e.proposal->seq != e.seq || e.proposal->epoch != era.of.epoch || consensus::digest_of(*e.proposal) != e.digest))
    return fail_rule("validity", text("slot {} is executed with a proposal of slot {}", e.seq, e.proposal->seq));
  std::vector<Tip> cut(era.of.power->count());
  for (std::size_t i = 0; i < cut.size(); ++i) cut[i].lane = static_cast<Index>(i);
  for (const Tip& t : cut_after(agreed_.size())) cut[t.lane] = t;
  for (const consensus::VertexFrame& v : e.vertices) {
    if (v.vertex.lane >= cut.size())
      return fail_rule("lane", text("slot {}: lane {} is nobody's", e.seq, v.vertex.lane));
    Tip& t = cut[v.vertex.lane];
    const bool follows =
        v.vertex.height == t.height + 1 && v.vertex.parents[0] == t.id && v.vertex.epoch == era.of.epoch;
    if (!follows)
      return fail_rule("lane", text("slot {}: vertex {} of lane {} does not stand on the cut at {}", e.seq,
                                    v.vertex.height, t.lane, t.height));
    t.height = v.vertex.height;
    t.id = v.id;
    if (honest_at(era, t.lane) && !honest_vertices_.contains(v.id))
      return fail_rule("validity", text("slot {}: lane {} never wrote its vertex {}", e.seq, t.lane, t.height));
  }
  std::erase_if(cut, [](const Tip& t) { return t.height == 0; });
  if (cut != e.cut) fail_rule("cut", text("slot {}: the cut is not what its vertices make of the cut before", e.seq));
  if (e.proposal)
    for (const Tip& t : e.proposal->tips) {
      const auto at = std::ranges::find(cut, t.lane, &Tip::lane);
      if (honest_at(era, t.lane) && (at == cut.end() || at->height < t.height))
        fail_rule("cut",
                  text("slot {}: lane {} was proposed up to {} and not executed so far", e.seq, t.lane, t.height));
    }
}

void Safety::committed(Index self, const Execute& e) {
  Host& h = *hosts_[self];
  ++checks_;
  if (e.seq != h.handed + 1)
    return fail_rule("prefix", text("replica {} executes slot {} after {}", self, e.seq, h.handed));
  h.handed = e.seq;
  if (!justified(h, e.seq, e.digest))
    fail_rule("quorum", text("replica {} executes slot {} without power Q of commits", self, e.seq));
  std::uint64_t order = e.seq;
  for (const auto& v : e.vertices) order = mix(order, word(v.id));
  if (e.seq > agreed_.size() + 1)
    return fail_rule("prefix", text("replica {} executes slot {}, {} are agreed", self, e.seq, agreed_.size()));
  if (e.seq == agreed_.size() + 1) {
    check_slot(era_of(h.epoch), e);
    check_end(self, e);
    agreed_.push_back({.digest = e.digest, .order = order, .cut = e.cut, .block = {}});
    return;
  }
  check_end(self, e);
  const Agreed& a = agreed_[e.seq - 1];
  if (a.digest != e.digest)
    return fail_rule("agreement",
                     text("replica {} executes {} in slot {}, which was {}", self, e.digest, e.seq, a.digest));
  if (a.order != order || a.cut != e.cut)
    fail_rule("agreement", text("replica {} executes other vertices in slot {}", self, e.seq));
}

void Safety::executed(Index self, Seq seq, const Hash32& block) {
  hosts_[self]->executed = seq;
  ++checks_;
  if (seq == 0 || seq > agreed_.size()) return fail_rule("prefix", text("replica {} executed slot {}", self, seq));
  std::optional<Hash32>& known = agreed_[seq - 1].block;
  if (!known) known = block;
  if (*known != block) fail_rule("roots", text("replica {} has another state after slot {}", self, seq));
}

void Safety::certified(Index self, const consensus::Certificate& c) {
  ++checks_;
  const SafetyEpoch& era = era_of(hosts_[self]->epoch).of;
  const Bytes message =
      consensus::attest_message({.epoch = era.epoch, .seq = c.seq, .block = c.block, .signature = {}});
  consensus::Voters signers;
  for (const auto& s : c.signatures)
    if (s.replica >= era.power->count() || !signers.add(s.replica) ||
        !era.verifier->verify(s.replica, consensus::Purpose::kAttest, message, s.signature))
      return fail_rule("finality", text("replica {} certifies slot {} with a bad signature", self, c.seq));
  if (signers.power(*era.power) < era.power->quorum())
    return fail_rule("finality", text("replica {} certifies slot {} with too little power", self, c.seq));
  const Hash32* known = block(c.seq);
  if (known == nullptr || *known != c.block)
    fail_rule("finality", text("replica {} certifies slot {}, which is not final with that block", self, c.seq));
}

}  // namespace hanse::sim
