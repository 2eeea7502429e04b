// What must hold at every step of a simulated network (consensus.md 5.9), told from outside: the simulator reports what
// honest replicas send, keep, receive and execute; the first thing that must not be is kept as the Failure.
//   agreement     one digest, one block and one cut per slot, for ever, whatever crashed since it was first committed
//   prepared      at most one digest per (view, seq) is committed to by honest replicas
//   quorum        every Commit and every execution stands on enough distinct power that really arrived
//   journal       a Vertex, PrePrepare, Prepare, Commit, ViewChange or Attest leaves after its record is durable
//   memory        a ViewChange claims all that its sender voted above the stable checkpoint; no votes in views given up
//   available     a Prepare names only tips that its sender holds, or that power >= A acknowledged to it
//   choice        votes for what a view change decides are for that (sim/check/choice.h computes it again)
//   epoch         every replica ends an epoch at the same slot, which says so, and nothing of it comes behind
//   window, join, new_view, cut, lane, time, validity, roots, finality, bounds, evidence, abstain, halt
// Byzantine replicas are watched by nobody. Pure; one thread at a time. Errors: none (a finding is a value).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "chain/consensus/replica.h"

namespace hanse::sim {

struct Failure {
  std::string rule, what;
};

struct SafetyConfig {
  std::int64_t timeout_ms_max = 0;
  std::size_t lane_bytes_max = 0;
  std::vector<bool> honest;  // by replica
};

// One epoch: its set and what it stands on. Places of a set are not replicas: `members` leads from one to the other.
struct SafetyEpoch {
  std::uint64_t epoch = 0;
  consensus::Seq base = 0;
  const consensus::Power* power = nullptr;
  consensus::Oracle* verifier = nullptr;  // verifies anybody's signatures of this epoch
  std::vector<consensus::Index> members = {};
};

enum class Step : std::uint8_t { kTick, kOther };

class Safety {
 public:
  explicit Safety(SafetyConfig config);
  ~Safety();

  const std::optional<Failure>& failure() const { return failure_; }
  void fail_rule(std::string_view rule, std::string what);  // what the simulator itself found

  // Epochs one after the other, each once, before anybody is in it; the first before anything else.
  void begin_epoch(SafetyEpoch epoch);
  void entered_epoch(consensus::Index self, std::uint64_t epoch);

  // Of honest replicas only: `self` is a replica, `from` and what frames say are places in the set of its epoch.
  void appended(consensus::Index self, const consensus::Record& record);
  void synced(consensus::Index self, std::size_t records);    // so many of the appended ones are durable now
  void crashed(consensus::Index self, std::size_t survived);  // of those that were not durable
  void damaged(consensus::Index self);  // its journal is gone: its lane may fork, which costs that lane only (5.3)
  void restarted(consensus::Index self, consensus::Seq executed, std::uint64_t epoch);
  void delivered(consensus::Index self, consensus::Index from, consensus::Type type, const consensus::Frame& body);
  // `before` and `after`: the replica's facts around the step that sent it. The stable slot of `after` counts.
  void sent(consensus::Index self, consensus::Type type, const consensus::Frame& body, const consensus::Facts& before,
            const consensus::Facts& after);
  void committed(consensus::Index self, const consensus::Execute& execute);
  void executed(consensus::Index self, consensus::Seq seq, const Hash32& block);
  void certified(consensus::Index self, const consensus::Certificate& certificate);
  void stepped(consensus::Index self, const consensus::Facts& before, const consensus::Facts& after, Step step);
  void noticed(consensus::Index self, const consensus::Notice& notice);

  consensus::Seq agreed() const;  // slots that some honest replica committed
  std::uint64_t checks() const { return checks_; }
  const Hash32* block(consensus::Seq seq) const;  // of a slot that some honest replica executed

 private:
  struct Host;
  struct Agreed;
  struct Tally;

  struct Entered;
  struct Era;

  Hash32 proposal_digest(const consensus::Frame& body, const consensus::PrePrepare& message);
  void sent_frame(consensus::Index self, consensus::Type type, const consensus::Frame& body,
                  const consensus::Facts& after);
  void sent_vote(consensus::Index self, consensus::Type type, const consensus::Vote& vote,
                 const consensus::Facts& after);
  void sent_view_change(consensus::Index self, const consensus::ViewChange& vc);
  void sent_vertex(consensus::Index self, const consensus::Frame& body);
  void count(consensus::Index self, consensus::Index from, std::uint8_t phase, const consensus::Vote& vote);
  void count_new_view(consensus::Index self, const consensus::Frame& body);
  const Era& era_of(std::uint64_t epoch) const;
  bool knows(std::uint64_t epoch) const;
  bool honest_at(const Era& era, consensus::Index place) const;
  // The cut that slot seq + 1 stands on.
  const std::vector<consensus::Tip>& cut_after(consensus::Seq seq) const;
  std::uint32_t weight(const Host& h, std::uint8_t phase, consensus::View view, consensus::Seq seq,
                       const Hash32& digest) const;
  bool justified(const Host& h, consensus::Seq seq, const Hash32& digest) const;
  void heard_of(consensus::Index self, consensus::Index from, consensus::Type type, const consensus::Frame& body);
  void check_tips(consensus::Index self, const consensus::Vote& vote);
  void entered(consensus::Index self, const consensus::NewView& message);
  void check_slot(const Era& era, const consensus::Execute& execute);
  void check_end(consensus::Index self, const consensus::Execute& execute);
  bool kept(const Host& h, std::uint64_t key, std::string_view what, consensus::Index self);

  SafetyConfig config_;
  std::vector<Era> eras_;
  std::uint64_t first_epoch_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Agreed> agreed_;
  std::unordered_map<std::uint64_t, Hash32> prepared_;  // (view, seq) -> the digest honest replicas committed to
  std::unordered_set<Hash32> honest_vertices_;
  std::uint64_t checks_ = 0;
  struct Cached {
    consensus::Frame frame;
    Hash32 digest;
  };
  std::array<Cached, 64> digests_;
  std::array<Cached, 64> vertex_ids_;
  std::unordered_map<std::uint64_t, std::vector<consensus::Tip>> proposals_;  // by digest
  std::optional<Failure> failure_;
};

}  // namespace hanse::sim
