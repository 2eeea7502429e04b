#include "chain/consensus/describe.h"

#include <gtest/gtest.h>

#include "chain/consensus/detail/records.h"

namespace hanse::consensus {
namespace {

Hash32 hash(std::uint8_t n) {
  Hash32 h;
  h.data.fill(n);
  return h;
}

RecordInfo info_of(RecordType type, const Bytes& payload) {
  const auto info = describe_record(static_cast<std::uint8_t>(type), payload);
  EXPECT_TRUE(info) << info.error().str();
  EXPECT_EQ(info->payload_bytes, payload.size());
  return info.value_or(RecordInfo{});
}

TEST(DescribeRecord, says_what_a_vertex_holds) {
  const auto v = make_vertex(
      {.epoch = 3, .lane = 2, .height = 5, .parents = {hash(1)}, .batch_root = {}, .batch_len = 0, .tx_count = 4},
      Bytes(70, 1));
  const auto info = info_of(RecordType::kVertex, *v.frame);
  EXPECT_EQ(info.epoch, 3u);
  EXPECT_EQ(info.replica, Index{2});
  EXPECT_EQ(info.height, 5u);
  EXPECT_EQ(info.digest, v.id);
  EXPECT_FALSE(info.view);
  EXPECT_EQ(info.note, "4 transactions in 70 bytes, 1 parents");
}

TEST(DescribeRecord, says_what_was_voted_for) {
  const Claim claim{.seq = 9, .digest = hash(7), .view = 4};
  const Proposal proposal{
      .epoch = 1, .seq = 9, .leader = 3, .time_ms = 1, .tips = {{.lane = 0, .height = 1, .id = {}}}};
  const auto prepare =
      info_of(RecordType::kPrepare, detail::encode({.epoch = 2, .claim = claim, .proposal = proposal}));
  EXPECT_EQ(prepare.slot, 9u);
  EXPECT_EQ(prepare.view, 4u);
  EXPECT_EQ(prepare.digest, hash(7));
  EXPECT_EQ(prepare.replica, Index{3});
  EXPECT_EQ(prepare.note, "a proposal of 1 tips");
  const Claim null{.seq = 9, .digest = {}, .view = 4};
  EXPECT_EQ(info_of(RecordType::kPrepare, detail::encode({.epoch = 2, .claim = null, .proposal = {}})).note,
            "an empty slot");
  EXPECT_EQ(info_of(RecordType::kPrepare, detail::encode({.epoch = 2, .claim = claim, .proposal = {}})).note,
            "its proposal was not held");
  const auto prepared =
      info_of(RecordType::kPrepared, detail::encode(detail::PreparedRecord{.epoch = 2, .claim = claim}));
  EXPECT_EQ(prepared.slot, 9u);
  EXPECT_EQ(record_type_name(prepared.type), "prepared");
}

TEST(DescribeRecord, says_which_view_was_asked_for_and_entered) {
  const ViewChange vc{.epoch = 1,
                      .replica = 2,
                      .view = 6,
                      .checkpoint = {.seq = 32, .block = hash(1), .signatures = {{.replica = 0, .signature = {1}}}},
                      .prepared = {{.seq = 33, .digest = hash(1), .view = 2}},
                      .prepares = {},
                      .signature = {7}};
  const auto change = info_of(RecordType::kViewChange, encode(vc));
  EXPECT_EQ(change.view, 6u);
  EXPECT_EQ(change.slot, 32u);
  EXPECT_EQ(change.replica, Index{2});
  EXPECT_EQ(change.note, "1 prepared, 0 prepares, checkpoint with 1 signatures");
  const auto entered = info_of(RecordType::kNewView, encode(NewView{.epoch = 1, .view = 6, .view_changes = {vc}}));
  EXPECT_EQ(entered.view, 6u);
  EXPECT_EQ(entered.note, "1 view changes");
}

TEST(DescribeRecord, says_what_was_signed_and_what_a_snapshot_keeps) {
  const auto attest =
      info_of(RecordType::kAttest, encode(Attest{.epoch = 1, .seq = 8, .block = hash(5), .signature = Bytes(10, 1)}));
  EXPECT_EQ(attest.slot, 8u);
  EXPECT_EQ(attest.digest, hash(5));
  EXPECT_EQ(attest.note, "a signature of 10 bytes");
  const auto snapshot =
      info_of(RecordType::kSnapshot,
              detail::encode(detail::SnapshotRecord{.epoch = 1,
                                                    .view = 2,
                                                    .own_tip = {.lane = 3, .height = 4, .id = {}},
                                                    .stable = {.seq = 32, .block = hash(6), .signatures = {}}}));
  EXPECT_EQ(snapshot.view, 2u);
  EXPECT_EQ(snapshot.slot, 32u);
  EXPECT_EQ(snapshot.height, 4u);
  EXPECT_EQ(snapshot.note, "stable checkpoint with 0 signatures");
}

TEST(DescribeRecord, refuses_unknown_types_and_bytes_of_another_kind) {
  for (const std::uint8_t type : {0, 8, 255}) {
    const auto info = describe_record(type, Bytes{1, 2, 3});
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().id(), "consensus.record");
  }
  for (std::uint8_t type = 1; type <= 7; ++type) {
    const auto info = describe_record(type, Bytes{1, 2, 3});
    ASSERT_FALSE(info) << int{type};
    EXPECT_EQ(info.error().kind(), Kind::kCorrupt) << int{type};
  }
}

}  // namespace
}  // namespace hanse::consensus
