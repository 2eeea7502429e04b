#include <algorithm>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// Where an epoch ends, and how a replica that is behind gets over it (consensus.md 5.4 "epochs").
//
// K = checkpoint_every. When the applications say at a slot m divisible by K that the epoch is due, it ends at m + K:
// what everybody executed decides, not who leads, and an emptied slot can end an epoch too. A replica that executed m
// knows which slots up to m + 2K - 1 belong to the epoch. It votes on, executes and proposes no slot of which it does
// not know that.

namespace hanse::consensus {

bool Replica::Core::settled(Seq seq) const {
  return seq < checkpoint_below(done) + 2 * config.checkpoint_every && !beyond_end(seq);
}

void Replica::Core::settle_end(Seq seq, bool epoch_due) {
  due = epoch_due;
  if (due && end_seq == 0 && seq % config.checkpoint_every == 0) end_seq = seq + config.checkpoint_every;
}

// The last block is executed and certified. The certificate may still grow towards the economic one, which nobody can
// complete once all have left: so it is given a moment.
void Replica::Core::end_epoch() {
  if (end_seq == 0 || done < end_seq) return;
  if (stable.seq < end_seq && !mutant(Mutant::kEpochEndUncertified)) return;
  if (stable.seq == end_seq && stable.block != done_block)
    return halt(text("found block {} at slot {}, but a quorum attests {}", done_block, end_seq, stable.block));
  if (linger_due_ns == kNever) linger_due_ns = ns() + config.linger_ms * kNsPerMs;
  const auto all = attests.find(end_seq);
  const bool whole = all != attests.end() && all->second.reported == kPowerTotal;
  if (!whole && !left_behind && ns() < linger_due_ns) return;
  if (whole) {
    stable.signatures.clear();
    for (const auto& [replica, attest] : all->second.by)
      if (attest.block == done_block) stable.signatures.push_back({.replica = replica, .signature = attest.signature});
  }
  ended = true;
  out.epoch_ended =
      EpochEnd{.certificate = stable, .token = last_token, .abstaining = abstaining, .abstain_bound = abstain_bound};
}

template <class Message>
bool Replica::Core::other_epoch(const Message& message) {
  if (message.epoch == config.epoch || mutant(Mutant::kEpochUnchecked)) return false;
  ++counters.frames_other_epoch;
  return true;
}
template bool Replica::Core::other_epoch(const Vertex&);
template bool Replica::Core::other_epoch(const Ack&);
template bool Replica::Core::other_epoch(const Proposal&);
template bool Replica::Core::other_epoch(const Vote&);
template bool Replica::Core::other_epoch(const Attest&);
template bool Replica::Core::other_epoch(const ViewChange&);
template bool Replica::Core::other_epoch(const NewView&);
template bool Replica::Core::other_epoch(const StatusReport&);
template bool Replica::Core::other_epoch(const Handover&);
template bool Replica::Core::other_epoch(const Statement&);
template bool Replica::Core::other_epoch(const FetchStatement&);

// Who is behind gets the certificate that leads on; who is ahead hears that we are behind.
void Replica::Core::on_other_epoch(Index from, const StatusReport& status) {
  if (answered_ns.contains(from) && ns() - answered_ns[from] < config.status_ms * kNsPerMs / 2) return;
  answered_ns[from] = ns();
  if (status.epoch < config.epoch) {
    out.serve_handovers.push_back({.to = from, .epoch = status.epoch});
  } else if (from < power.count()) {
    send_status(from);
  }
}

// Power >= Q of our own set says which block the epoch, or a checkpoint of it, has there: the slots up to it can be
// asked for.
void Replica::Core::on_handover(const Handover& handover) {
  const Certificate& certificate = handover.certificate;
  if (certificate.seq <= stable.seq) {
    ++counters.frames_stale;
    return;
  }
  if (certificate.seq % config.checkpoint_every != 0 || !certified_by(certificate, power.quorum())) {
    ++counters.frames_denied;
    return;
  }
  stabilise(certificate);
  left_behind = true;
}

// A peer that is in no set of this epoch: a follower, or one that has not come so far.
void Replica::Core::receive_from_outside(Index from, Type type, const Frame& body) {
  const auto handle = [&](auto decoded, auto use) {
    if (decoded) return use(*decoded);
    ++counters.frames_malformed;
  };
  switch (type) {
    case Type::kStatus:
      return handle(decode_status(*body), [&](const StatusReport& m) {
        if (m.epoch < config.epoch) on_other_epoch(from, m);
      });
    case Type::kFetchVertex:
      return handle(decode_fetch_vertex(*body), [&](const FetchVertex& m) { on_fetch_vertex(from, m); });
    case Type::kFetchSlots:
      return handle(decode_fetch_slots(*body), [&](const FetchSlots& m) { on_fetch_slots(from, m); });
    case Type::kFetchProposal:
      return handle(decode_fetch_proposal(*body), [&](const FetchProposal& m) { on_fetch_proposal(from, m); });
    default: ++counters.frames_denied;
  }
}

std::vector<VertexFrame> Replica::unordered() const {
  const Core& c = *core_;
  std::vector<VertexFrame> out;
  for (const VertexFrame* v : c.lanes->all())
    if (v->vertex.lane == c.config.self) out.push_back(*v);
  return out;
}

}  // namespace hanse::consensus
