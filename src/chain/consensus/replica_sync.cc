#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "chain/consensus/detail/core.h"

// From a fetched state onwards (consensus.md 5.8 "Sync"): instead of executing its way to a checkpoint, the replica is
// told that its ledger is there.

namespace hanse::consensus {

Effects Replica::hold(Now now) {
  core_->now = now;
  if (!core_->halted) core_->hold();
  return std::exchange(core_->out, {});
}

Effects Replica::resume(Now now) {
  core_->now = now;
  if (!core_->halted) {
    core_->let_go();
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

Effects Replica::installed(Now now, Installed at) {
  core_->now = now;
  if (!core_->halted) {
    core_->installed(std::move(at));
    core_->settle();
  }
  return std::exchange(core_->out, {});
}

void Replica::Core::hold() {
  held = true;
  catch_up_due_ns = kNever;
  progress_due_ns = empty_due_ns = censor_due_ns = kNever;
}

void Replica::Core::let_go() {
  held = false;
  catch_up_wait_ms = 0;
  catch_up_due_ns = ns();
}

// The own lane was ordered further than this journal knows: it is not the one that voted.
void Replica::Core::distrust_journal() {
  const Tip& mine = lanes->cut(config.self);
  if (!abstaining) {
    abstaining = true;
    abstain_bound = 0;
    // What was about to be said, and the view that was asked for, are taken back.
    deferred.clear();
    signing.clear();
    wanted_view = view;
    progress_due_ns = empty_due_ns = censor_due_ns = view_due_ns = resend_due_ns = kNever;
    out.notices.push_back(
        {.kind = NoticeKind::kAbstaining,
         .replica = config.self,
         .number = mine.height,
         .text = text("found our lane ordered up to {}, the journal knows of {}", mine.height, own_tip.height)});
  }
  own_tip = mine;
}

void Replica::Core::installed(Installed at) {
  const Seq seq = at.certificate.seq;
  if (seq <= done || handed != done || !in_execution.empty())
    return halt(text("found a state of slot {} installed, expected one above {} with nothing in execution, not {}", seq,
                     done, handed - done));
  handed = done = seq;
  done_block = at.certificate.block;
  wants_block = at.wants_block;
  attested = std::max(attested, seq);  // others did: it is their certificate
  certified = std::max(certified, seq);
  for (const Tip& tip : at.cut)
    if (tip.lane < power.count()) lanes->advance(tip);
  forget();
  if (!follows() && lanes->cut(config.self).height > own_tip.height) distrust_journal();
  if (seq % config.checkpoint_every == 0) stabilise(at.certificate);
  slots.forget_through(std::min(stable.seq, done));
  for (auto& [at_seq, s] : slots.all())
    if (at_seq <= done) s.handed = true;
  next_seq = std::max(next_seq, done + 1);
  for (Index lane = 0; lane < power.count(); ++lane) proposed[lane] = std::max(proposed[lane], lanes->cut(lane).height);
  last_slot_ns = ns();
  progress_due_ns = empty_due_ns = censor_due_ns = kNever;
  idle_at_ns = kNever;
  std::fill(unordered_since_ns.begin(), unordered_since_ns.end(), kNever);
  let_go();
  if (power.count() > 1) send_status(kEveryone);
  // View changes that came meanwhile were kept: what they ask for is looked at again, from the new checkpoint on.
  std::erase_if(changes, [&](const auto& c) { return c.second.view <= view; });
  join_others();
  for (auto& [at_seq, s] : slots.all())
    if (at_seq > done) tally(at_seq, s);
}

}  // namespace hanse::consensus
