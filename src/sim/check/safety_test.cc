#include "sim/check/safety.h"

#include <gtest/gtest.h>

namespace hanse::sim {
namespace {

using namespace consensus;

class YesOracle final : public Oracle {
 public:
  Bytes sign(Purpose, ByteView) override { return {1}; }
  bool verify(Index, Purpose, ByteView, ByteView signature) override { return signature.size() == 1; }
};

// Four equal replicas, 3 may lie. Tells the checker of a step, then asks what it says.
class SafetyTest : public testing::Test {
 protected:
  SafetyTest()
      : power(Power::create({2500, 2500, 2500, 2500}, 6'700, 8'000).value()),
        safety({.timeout_ms_max = 60'000, .lane_bytes_max = 1'000, .honest = {true, true, true, false}}) {
    safety.begin_epoch({.epoch = 1, .base = 0, .power = &power, .verifier = &oracle, .members = {0, 1, 2, 3}});
  }

  std::string rule() const { return safety.failure() ? safety.failure()->rule : ""; }
  static Frame frame(Bytes bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }
  static Digest digest(std::uint8_t n) {
    Digest d;
    d.data[0] = n;
    return d;
  }
  static Vote vote(Seq seq, std::uint8_t n, View view = 0) {
    return {.epoch = 1, .view = view, .seq = seq, .digest = digest(n)};
  }
  void keep(Index self, RecordType type, const Vote& v) {
    Bytes claim(56);
    store_le(claim.data(), v.epoch);
    store_le(claim.data() + 8, v.seq);
    std::copy(v.digest.data.begin(), v.digest.data.end(), claim.begin() + 16);
    store_le(claim.data() + 48, v.view);
    safety.appended(self, {.type = type, .payload = frame(claim)});
  }
  void send(Index self, Type type, const Frame& body) { safety.sent(self, type, body, facts, facts); }
  void prepare(Index self, const Vote& v) {
    keep(self, RecordType::kPrepare, v);
    safety.synced(self, 1);
    send(self, Type::kPrepare, frame(encode(v)));
  }
  void commit(Index self, const Vote& v) {
    keep(self, RecordType::kPrepared, v);
    safety.synced(self, 1);
    send(self, Type::kCommit, frame(encode(v)));
  }
  void hears(Index self, Index from, Type type, const Vote& v) { safety.delivered(self, from, type, frame(encode(v))); }
  void execute_null(Index self, Seq seq) {
    for (Index from = 0; from < 3; ++from)
      hears(self, from, Type::kCommit, {.epoch = 1, .view = 0, .seq = seq, .digest = {}});
    safety.committed(self, {.seq = seq, .digest = {}, .proposal = {}, .vertices = {}, .cut = {}});
  }
  void ask(Index self, View view, std::vector<Claim> prepared, std::vector<Claim> prepares) {
    const Frame body = frame(encode(ViewChange{.epoch = 1,
                                               .replica = self,
                                               .view = view,
                                               .checkpoint = {},
                                               .prepared = std::move(prepared),
                                               .prepares = std::move(prepares),
                                               .signature = {1}}));
    safety.appended(self, {.type = RecordType::kViewChange, .payload = body});
    safety.synced(self, 1);
    send(self, Type::kViewChange, body);
  }

  Power power;
  YesOracle oracle;
  Safety safety;
  Facts facts;
};

TEST_F(SafetyTest, an_epoch_ends_at_one_slot_for_all) {
  const auto null_slot = [&](Index self, Seq seq, bool end) {
    for (Index from = 0; from < 3; ++from)
      hears(self, from, Type::kCommit, {.epoch = 1, .view = 0, .seq = seq, .digest = {}});
    safety.committed(self, {.seq = seq, .digest = {}, .proposal = {}, .vertices = {}, .cut = {}, .epoch_end = end});
  };
  null_slot(0, 1, false);
  null_slot(0, 2, true);
  null_slot(1, 1, false);
  EXPECT_EQ(rule(), "");
  null_slot(1, 2, false);
  EXPECT_EQ(rule(), "epoch");
}

TEST_F(SafetyTest, nothing_of_an_epoch_is_executed_behind_its_end) {
  for (Index from = 0; from < 3; ++from)
    for (const Seq seq : {Seq{1}, Seq{2}})
      hears(0, from, Type::kCommit, {.epoch = 1, .view = 0, .seq = seq, .digest = {}});
  safety.committed(0, {.seq = 1, .digest = {}, .proposal = {}, .vertices = {}, .cut = {}, .epoch_end = true});
  safety.begin_epoch({.epoch = 2, .base = 1, .power = &power, .verifier = &oracle, .members = {3, 2, 1, 0}});
  EXPECT_EQ(rule(), "");
  safety.committed(0, {.seq = 2, .digest = {}, .proposal = {}, .vertices = {}, .cut = {}});
  EXPECT_EQ(rule(), "epoch");
}

TEST_F(SafetyTest, votes_of_another_epoch_are_for_nobody_to_send) {
  safety.begin_epoch({.epoch = 2, .base = 0, .power = &power, .verifier = &oracle, .members = {3, 2, 1, 0}});
  safety.entered_epoch(0, 2);
  prepare(0, vote(1, 7));
  EXPECT_EQ(rule(), "epoch");
}

TEST_F(SafetyTest, accepts_a_vote_after_its_record) {
  prepare(1, vote(1, 7));
  EXPECT_EQ(rule(), "");
}

TEST_F(SafetyTest, refuses_a_vote_before_its_record_is_durable) {
  keep(1, RecordType::kPrepare, vote(1, 7));
  send(1, Type::kPrepare, frame(encode(vote(1, 7))));
  EXPECT_EQ(rule(), "journal");
}

TEST_F(SafetyTest, refuses_a_vote_whose_record_a_crash_took) {
  keep(1, RecordType::kPrepare, vote(1, 7));
  safety.crashed(1, 0);
  send(1, Type::kPrepare, frame(encode(vote(1, 7))));
  EXPECT_EQ(rule(), "journal");
}

TEST_F(SafetyTest, refuses_two_votes_in_one_view) {
  prepare(1, vote(1, 7));
  prepare(1, vote(1, 8));
  EXPECT_EQ(rule(), "equivocation");
}

TEST_F(SafetyTest, accepts_a_commit_on_a_quorum_and_refuses_one_below) {
  for (Index from = 0; from < 3; ++from) hears(1, from, Type::kPrepare, vote(1, 7));
  commit(1, vote(1, 7));
  EXPECT_EQ(rule(), "");
  for (int again = 0; again < 5; ++again) hears(2, 3, Type::kPrepare, vote(1, 7));
  hears(2, 1, Type::kPrepare, vote(1, 8));
  commit(2, vote(1, 7));
  EXPECT_EQ(rule(), "quorum");
}

TEST_F(SafetyTest, refuses_two_digests_prepared_in_one_view) {
  for (Index from = 0; from < 3; ++from) {
    hears(1, from, Type::kPrepare, vote(1, 7));
    hears(2, from, Type::kPrepare, vote(1, 8));
  }
  commit(1, vote(1, 7));
  commit(2, vote(1, 8));
  EXPECT_EQ(rule(), "prepared");
}

TEST_F(SafetyTest, refuses_a_vote_beyond_the_window) {
  for (Seq seq = 1; seq <= 10; ++seq) execute_null(0, seq);
  prepare(1, vote(kSlotWindow, 7));
  EXPECT_EQ(rule(), "");
  prepare(1, vote(kSlotWindow + 1, 7));
  EXPECT_EQ(rule(), "window");
}

TEST_F(SafetyTest, refuses_votes_of_a_view_given_up) {
  ask(1, 1, {}, {});
  EXPECT_EQ(rule(), "");
  prepare(1, vote(1, 7, 0));
  EXPECT_EQ(rule(), "memory");
}

TEST_F(SafetyTest, refuses_concealed_claims) {
  prepare(1, vote(1, 7));
  ask(1, 1, {}, {{.seq = 1, .digest = digest(7), .view = 0}});
  EXPECT_EQ(rule(), "");
  ask(1, 2, {}, {});
  EXPECT_EQ(rule(), "memory");
}

TEST_F(SafetyTest, refuses_a_concealed_commit) {
  for (Index from = 0; from < 3; ++from) hears(1, from, Type::kPrepare, vote(1, 7));
  commit(1, vote(1, 7));
  ask(1, 1, {}, {{.seq = 1, .digest = digest(7), .view = 0}});
  EXPECT_EQ(rule(), "memory");
}

TEST_F(SafetyTest, refuses_a_view_that_no_honest_replica_was_near) {
  ask(1, 2, {}, {});
  EXPECT_EQ(rule(), "join");
}

TEST_F(SafetyTest, refuses_execution_without_commits_and_out_of_order) {
  safety.committed(0, {.seq = 1, .digest = {}, .proposal = {}, .vertices = {}, .cut = {}});
  EXPECT_EQ(rule(), "quorum");
}

TEST_F(SafetyTest, refuses_a_gap) {
  execute_null(0, 1);
  EXPECT_EQ(rule(), "");
  execute_null(0, 3);
  EXPECT_EQ(rule(), "prefix");
}

TEST_F(SafetyTest, refuses_another_digest_in_an_agreed_slot) {
  execute_null(0, 1);
  const Proposal p{.epoch = 1, .seq = 1, .leader = 0, .time_ms = 5, .tips = {}};
  for (Index from = 0; from < 3; ++from)
    hears(1, from, Type::kCommit, {.epoch = 1, .view = 0, .seq = 1, .digest = digest_of(p)});
  safety.committed(1, {.seq = 1, .digest = digest_of(p), .proposal = p, .vertices = {}, .cut = {}});
  EXPECT_EQ(rule(), "agreement");
}

TEST_F(SafetyTest, refuses_another_state_and_certificates_of_it) {
  execute_null(0, 1);
  execute_null(1, 1);
  safety.executed(0, 1, digest(1));
  safety.certified(0, {.seq = 1, .block = digest(1), .signatures = {{0, {1}}, {1, {1}}, {2, {1}}}});
  EXPECT_EQ(rule(), "");
  safety.executed(1, 1, digest(2));
  EXPECT_EQ(rule(), "roots");
}

TEST_F(SafetyTest, refuses_weak_certificates) {
  execute_null(0, 1);
  safety.executed(0, 1, digest(1));
  safety.certified(0, {.seq = 1, .block = digest(1), .signatures = {{0, {1}}, {1, {1}}}});
  EXPECT_EQ(rule(), "finality");
}

TEST_F(SafetyTest, refuses_a_vertex_that_does_not_stand_on_the_cut) {
  Vertex v{.epoch = 1, .lane = 3, .height = 2, .parents = {digest(9)}, .batch_root = {}, .batch_len = 0, .tx_count = 1};
  const VertexFrame made = make_vertex(v, Bytes{1});
  const Proposal p{.epoch = 1, .seq = 1, .leader = 0, .time_ms = 5, .tips = {{.lane = 3, .height = 2, .id = made.id}}};
  for (Index from = 0; from < 3; ++from)
    hears(0, from, Type::kCommit, {.epoch = 1, .view = 0, .seq = 1, .digest = digest_of(p)});
  safety.committed(0, {.seq = 1, .digest = digest_of(p), .proposal = p, .vertices = {made}, .cut = p.tips});
  EXPECT_EQ(rule(), "lane");
}

TEST_F(SafetyTest, refuses_a_timer_that_does_not_grow) {
  const Facts before{.view = 0, .wanted_view = 1, .timeout_ms = 100};
  Facts after{.view = 0, .wanted_view = 2, .timeout_ms = 200};
  safety.stepped(1, before, after, Step::kTick);
  EXPECT_EQ(rule(), "");
  after.timeout_ms = 100;
  safety.stepped(1, before, after, Step::kTick);
  EXPECT_EQ(rule(), "pacemaker");
}

TEST_F(SafetyTest, refuses_a_view_entered_on_nothing) {
  safety.stepped(2, {.view = 0}, {.view = 1}, Step::kOther);
  EXPECT_EQ(rule(), "new_view");
}

TEST_F(SafetyTest, refuses_growth_beyond_the_limits) {
  safety.stepped(2, {}, {.lane_vertices = kLaneWindow}, Step::kOther);
  EXPECT_EQ(rule(), "");
  safety.stepped(2, {}, {.lane_vertices = kLaneWindow + 1}, Step::kOther);
  EXPECT_EQ(rule(), "bounds");
}

TEST_F(SafetyTest, refuses_votes_while_abstaining) {
  facts.abstaining = true;
  prepare(1, vote(1, 7));
  EXPECT_EQ(rule(), "abstain");
}

TEST_F(SafetyTest, refuses_a_halt_and_an_accusation_of_the_honest) {
  safety.noticed(0, {.kind = NoticeKind::kEvidence, .replica = 3, .number = 1, .text = "a liar"});
  EXPECT_EQ(rule(), "");
  safety.noticed(0, {.kind = NoticeKind::kEvidence, .replica = 1, .number = 1, .text = "an honest one"});
  EXPECT_EQ(rule(), "evidence");
}

}  // namespace
}  // namespace hanse::sim
