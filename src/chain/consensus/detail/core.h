// The inside of Replica. One struct, its functions spread over replica_*.cc by phase. Private to the room.
#pragma once

#include <deque>
#include <limits>
#include <set>

#include "chain/consensus/detail/records.h"
#include "chain/consensus/lanes.h"
#include "chain/consensus/mutant.h"
#include "chain/consensus/replica.h"
#include "chain/consensus/slots.h"
#include "chain/consensus/view_change.h"
#include "chain/consensus/witness.h"

namespace hanse::consensus {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kOverlapNs = 20 * kNsPerMs;  // between proposals while one is on its way
// Between proposals that several lanes feed. A slot costs everybody the same whatever it carries; who is alone is not
// kept waiting.
constexpr std::int64_t kPaceNs = 6 * kNsPerMs;
constexpr std::size_t kPacedLanesMin = 2;
constexpr std::uint64_t kExecutingMax = 1;  // slots handed to execution and not executed, of a replica that keeps up
constexpr std::int64_t kBatchLeadNs = 2 * kNsPerMs;  // a batch is cut so long before the proposal that it is meant for
// How long a record may wait to share its sync with others. An Ack is needed only by who lacks the vertex; a Commit
// only where not everybody prepared; a certificate comes within a fraction of a second anyway.
constexpr std::int64_t kVertexPatienceNs = 4 * kNsPerMs;
constexpr std::int64_t kPreparedPatienceNs = kNsPerMs;
constexpr std::int64_t kAttestPatienceNs = kNsPerMs;
constexpr std::int64_t kAlonePatienceNs = 5 * kNsPerMs;  // with one replica nothing depends on the last two
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kCatchUpWindow = 2 * kSlotsPerFetchMax;  // decided or told slots kept above the handed one
constexpr std::size_t kAttestSlotsMax = 64;                      // slots whose attests are collected
constexpr std::size_t kLooseMax = 1'024;                         // vertices that came before anybody asked
constexpr std::size_t kLooseBytesMax = 32u << 20;
constexpr std::size_t kWantedLaneMax = 64;    // vertices of one lane that are asked for
constexpr std::uint32_t kWantedRounds = 5;    // of asking everybody, each slower; what is needed then is wanted anew
constexpr std::uint64_t kStrictSlots = 64;    // a lane that stalled a slot is proposed only when acked by Q for so long
constexpr std::int64_t kCourtesyMs = 10'000;  // a peer needs a new view for so long
constexpr std::int64_t kCourtesyGapMs = 60'000;
constexpr std::uint64_t kTimeoutShrinkSlots = 32;
constexpr std::size_t kChecksMax = 32;  // signatures of statements under way, from one peer
constexpr std::size_t kShowsMax = 8;    // statements of others passed on between two status reports

struct Replica::Core {
  Core(Config c, Oracle& o) : config(std::move(c)), power(*config.power), oracle(o) {}

  // ---- replica.cc: the door, durability, timers
  Status start(Start from);
  void receive(Index from, Type type, const Frame& body);
  void tick();
  void settle();  // after every event: what became possible
  std::uint64_t persist(RecordType type, Frame payload, std::int64_t patience_ns = 0);
  std::int64_t patience(std::int64_t among_others) const {
    return power.count() == 1 ? kAlonePatienceNs : among_others;
  }
  std::uint64_t persist_height(RecordType type, std::uint64_t height);  // of a slot or a lane
  void send(Index to, Type type, Frame body);
  enum class Reach : std::uint8_t { kEverybody, kSelf };
  // To everyone and to oneself (kSelf: only counted here), once the record is durable.
  void send_after(std::uint64_t token, Type type, Frame body, Reach reach = Reach::kEverybody);
  void durable(std::uint64_t token);
  void own(Type type, const Frame& body);  // a frame of ours left: count it
  void halt(std::string why);
  std::int64_t wake() const;
  bool follows() const { return config.self == kFollower; }
  bool silent() const { return abstaining || halted || ended || follows(); }  // takes no part
  std::int64_t ns() const { return now.mono_ns; }

  // ---- replica_lanes.cc: vertices and acks
  void on_vertex(Index from, const Frame& body);
  void on_ack(Index from, const Ack& ack);
  void keep_vertex(const VertexFrame& v, bool wanted);
  void acknowledge();
  void want(const Tip& tip);
  void ask_for_wanted();
  Result<void> submit(ByteView batch, std::uint32_t tx_count);
  bool lane_open() const;
  std::int64_t batch_at() const;
  void give_back(Index peer);
  void repeat_lane();

  // ---- replica_order.cc: proposals and votes
  SlotState& slot(Seq seq);
  bool in_window(Seq seq) const { return seq > stable.seq && seq <= stable.seq + kSlotWindow && !beyond_end(seq); }
  void propose();
  std::optional<std::vector<Tip>> new_tips() const;
  bool execution_lags() const { return handed > done + kExecutingMax; }
  bool needs_empty_slot() const;
  std::int64_t empty_slot_ns() const { return hurried() ? last_slot_ns : last_slot_ns + config.interval_ms * kNsPerMs; }
  void on_pre_prepare(Index from, const PrePrepare& message);
  void keep_early(Index from, const PrePrepare& message);
  void on_vote(Index from, Phase phase, const Vote& vote);
  void accept(SlotState& s, const Digest& digest);
  void note_round(const Proposal& proposal);
  std::uint64_t persist_prepare(Seq seq, const SlotState& s, const Digest& digest);
  void try_prepare(Seq seq, SlotState& s);
  bool all_available(const Proposal& proposal) const;
  bool reaches(const Ballot& ballot, Phase phase, const Digest& digest) const;
  void tally(Seq seq, SlotState& s);
  void decide_slot(Seq seq, SlotState& s, const Digest& digest);
  void resend_votes(Index to);
  void vote_from_self(const Vote& vote, Phase phase);

  // ---- replica_execute.cc: cuts, attests, checkpoints
  void hand_over();
  bool hand_over_one(Seq seq, SlotState& s);
  void executed_slot(const Reached& reached);
  void sign_attest(Seq seq, const Hash32& block);
  void attest_when_idle();
  void on_attest(Index from, const Attest& attest);
  void store_attest(const Attest& attest, Index from);
  void collect(Seq seq);
  void forget();
  void stabilise(const Certificate& certificate);
  bool certified_by(const Certificate& certificate, std::uint32_t power_min);
  void compact();

  // ---- replica_view.cc: changing the view
  bool changing() const { return wanted_view > view; }
  bool change_sent() const;
  bool work_waits() const;
  bool empty_slot_awaited() const;
  void watch_progress();
  void start_view_change(View asked);
  void on_view_change(Index from, const ViewChange& vc);
  bool valid(const ViewChange& vc);
  void join_others();
  void lead_new_view();
  void on_new_view(Index from, const NewView& message, const Frame& body);
  void enter_view(View entered, const Decision& decision);
  void courtesy();
  std::vector<const ViewChange*> changes_for(View asked) const;

  // ---- replica_catch_up.cc: status, fetching, abstaining
  void on_status(Index from, const StatusReport& status);
  void send_status(Index to);
  void catch_up();
  bool behind() const;
  bool body_missing(const SlotState& s) const;
  bool bodies_missing() const;
  void on_slot(Index from, const Slot& slot);
  void on_fetch_vertex(Index from, const FetchVertex& fetch);
  void on_fetch_slots(Index from, const FetchSlots& fetch);
  void on_fetch_proposal(Index from, const FetchProposal& fetch);
  void on_proposal(const Proposal& proposal);
  void answers_come();
  void peer_up(Index peer);
  void stop_abstaining();
  void recover_lane();
  Seq reported() const;

  // ---- replica_sync.cc
  void hold();
  void let_go();
  void installed(Installed at);
  void distrust_journal();

  // ---- replica_evidence.cc: signed statements, and those that exclude each other
  void sign_later(const Vote& proposal);
  void sign_run();
  void sign_marks();
  void seal_later(Phase phase, const Vote& vote);
  void seal_votes();
  void stated(Statement statement);
  void on_statement(Index from, const Statement& statement);
  void checked(const CheckStatement& what, Signature found);
  void on_fetch_statement(Index from, const FetchStatement& fetch);
  void heard(const Witness::Said& said);
  void asked(const ViewChange& vc);
  void judge_claims(const ViewChange& vc);
  void hearsay(const Fact& place, const Hash32& id);
  Fact proposal_at(View of, Seq seq) const;
  Fact vote_at(Index from, Phase phase, const Vote& vote) const;
  Fact vertex_at(const Tip& tip) const;
  void accuse(const Evidence& evidence);
  void show(const Statement& statement);
  void show_odd_attests(Seq seq, const Hash32& mine);
  void await_signature(Seq seq, const Digest& digest);
  bool signature_overdue() const { return !awaited.empty() && awaited.begin()->first <= stable.seq; }
  void watch_signatures();
  void ask_for_signature();
  void give_up_unsigned();

  // ---- replica_epoch.cc: where an epoch ends
  Seq checkpoint_below(Seq seq) const { return seq / config.checkpoint_every * config.checkpoint_every; }
  bool beyond_end(Seq seq) const { return end_seq != 0 && seq > end_seq && !mutant(Mutant::kEpochEndIgnored); }
  bool finishing() const { return end_seq != 0 && handed >= end_seq; }
  bool hurried() const { return (due || end_seq != 0) && !finishing(); }  // to the end: empty slots without waiting
  bool settled(Seq seq) const;
  bool fits_epoch(Seq seq, const Proposal& proposal) const { return proposal.epoch_end == (seq == end_seq); }
  void settle_end(Seq seq, bool epoch_due);
  void end_epoch();
  void on_handover(const Handover& handover);
  void on_other_epoch(Index from, const StatusReport& status);
  void receive_from_outside(Index from, Type type, const Frame& body);
  template <class Message>
  bool other_epoch(const Message& message);

  // ---- replica_recover.cc
  Status restore(const Record& record);
  void resume();

  Config config;
  const Power& power;
  Oracle& oracle;
  Now now;
  Effects out;
  Counters counters;

  std::optional<Lanes> lanes;
  Slots slots;

  // Durability.
  std::uint64_t last_token = 0, durable_token = 0;
  struct Deferred {
    std::uint64_t token;
    Type type;
    Frame body;
    Reach reach;
  };
  std::deque<Deferred> deferred;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> compacting;  // first token kept, last token of the rewrite

  // Own lane.
  Tip own_tip;
  std::uint64_t lane_cut_seen = 0;                   // height of its cut at the last status report
  std::deque<std::pair<std::uint64_t, Tip>> to_ack;  // rooted foreign vertices by the token of their record
  std::map<Hash32, std::uint64_t> unrooted;          // kept vertices by token, not acknowledged yet
  struct Wanted {
    Tip tip;
    std::int64_t due_ns = 0;
    Index next_peer = 0;
    std::uint32_t asked = 0;
  };
  std::map<Hash32, Wanted> wanted;
  std::map<Hash32, VertexFrame> loose;
  std::size_t loose_bytes = 0;

  // Order.
  View view = 0, wanted_view = 0;
  Seq next_seq = 1;                         // the leader's next proposal
  std::vector<std::uint64_t> proposed;      // per lane: height proposed in this view
  std::vector<std::uint64_t> strict_until;  // per lane: slots below this need acks
  std::int64_t last_slot_ns = 0;            // newest proposal made or slot handed over
  std::int64_t paced_until_ns = kNever;     // new tips wait so long for a slot of their own
  std::int64_t round_ns = -kPaceNs;         // newest proposal, sent or accepted
  std::int64_t paced_ns = -kPaceNs;         // no new proposal is expected before
  std::int64_t batch_ns = -kPaceNs;         // newest batch of ours
  Certificate stable;                       // stable checkpoint
  Seq certified = 0;

  // Execution.
  Seq handed = 0, done = 0;  // given to execution; executed
  Hash32 done_block;
  bool wants_block = false;
  std::deque<Execute> in_execution;
  std::size_t execution_bytes = 0;  // of what is in it
  Seq attested = 0;                 // newest slot we asked a signature for
  std::map<Seq, Hash32> signing;    // asked for, not answered
  std::int64_t idle_at_ns = kNever;
  std::map<Seq, Attest> own_attests;  // not yet below the stable checkpoint
  struct Attests {
    std::map<Index, Attest> by;
    std::uint32_t reported = 0;  // power of the certificate handed out
  };
  std::map<Seq, Attests> attests;
  std::map<Index, std::set<Seq>> attests_of;  // of each replica the newest kAttestSlotsMax

  // View change.
  std::map<Index, ViewChange> changes;  // the newest of each replica
  Frame own_change, last_new_view;
  std::map<Seq, PrePrepare> early;  // of one later view, that came before its NewView: at most a window of them
  std::int64_t timeout_ns = 0;
  std::int64_t progress_due_ns = kNever;  // nothing was committed by then: change the view
  std::int64_t empty_due_ns = kNever;     // an empty slot that somebody waits for did not come by then
  std::int64_t censor_due_ns = kNever;    // a tip acknowledged by Q was left out for so long
  std::int64_t resend_due_ns = kNever;
  std::int64_t view_due_ns = kNever;  // the wanted view did not come: try the next
  std::uint64_t good_slots = 0;
  std::int64_t entered_ns = 0;
  std::int64_t courtesy_since_ns = kNever;
  std::vector<std::int64_t> unordered_since_ns;  // per lane: a tip acked by Q waits
  std::vector<std::uint64_t> unordered_height;

  // Accountability.
  Witness witness;
  Statement unsigned_run;                                     // own proposals to be signed together
  std::map<std::pair<View, std::uint64_t>, Hash32> unsealed;  // own votes that left, by vote_place()
  std::deque<std::pair<std::uint64_t, Tip>> marks;            // own vertices to be signed, by the token of their record
  std::uint64_t unsigned_height = 0;                          // own vertices up to it are not signed
  std::map<Seq, Digest> awaited;          // accepted from the leader of this view, its signature not seen
  std::int64_t unsigned_due_ns = kNever;  // one of those is below the stable checkpoint: ask, or give up
  Seq unsigned_asked = 0;                 // the slot last asked for
  std::set<Hash32> in_check;              // statements under way, by the hash of their encoding
  std::map<Index, std::size_t> checking;  // signatures under way, by who sent them
  std::size_t shows_left = kShowsMax;
  std::set<std::pair<Seq, Index>> shown_attests, accused_attests;

  // Peers.
  std::map<Index, StatusReport> reports;
  std::map<Index, std::int64_t> answered_ns;
  std::int64_t status_due_ns = 0;
  std::int64_t catch_up_due_ns = kNever;
  std::int64_t catch_up_wait_ms = 0;
  Index catch_up_peer = 0;
  Seq fetched_to = 0;  // the slots asked for end here
  bool abstaining = false, halted = false;
  bool held = false;  // a state is fetched meanwhile

  // Epoch.
  Seq end_seq = 0;           // its last slot; 0 = not settled
  bool due = false;          // said at the newest block
  bool ended = false;        // reported
  bool left_behind = false;  // the others are in a later epoch
  std::int64_t linger_due_ns = kNever;

  bool abstain_heard = false;  // in this epoch
  Seq abstain_bound = 0;       // nothing above it can have been voted before the loss; 0 = not known yet
  View abstain_view = 0;
};

}  // namespace hanse::consensus
