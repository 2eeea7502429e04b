#include "chain/consensus/messages.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "chain/consensus/detail/records.h"

namespace hanse::consensus {
namespace {

Hash32 hash(std::uint8_t n) {
  Hash32 h;
  h.data.fill(n);
  return h;
}

Certificate certificate() {
  return {.seq = 32,
          .block = hash(9),
          .signatures = {{.replica = 0, .signature = {1}}, {.replica = 5, .signature = {2, 3}}}};
}
Proposal proposal() {
  return {.epoch = 1,
          .seq = 7,
          .leader = 2,
          .time_ms = 1'234,
          .tips = {{.lane = 0, .height = 4, .id = hash(1)}, {.lane = 3, .height = 9, .id = hash(2)}}};
}
ViewChange view_change(Index replica) {
  return {.epoch = 1,
          .replica = replica,
          .view = 4,
          .checkpoint = certificate(),
          .prepared = {{.seq = 33, .digest = hash(1), .view = 2}, {.seq = 35, .digest = hash(2), .view = 3}},
          .prepares = {{.seq = 33, .digest = hash(1), .view = 3}, {.seq = 33, .digest = hash(4), .view = 2}},
          .signature = {7, 7}};
}

// Encodes, decodes, compares; then every prefix, one byte more, and every byte changed must not pass for the same.
template <class T, class Decode>
void strict(const T& value, Decode decode) {
  const Bytes bytes = encode(value);
  const auto back = decode(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto cut = decode(ByteView(bytes).first(n));
    ASSERT_FALSE(cut) << "a prefix of " << n;
    EXPECT_EQ(cut.error().id(), "consensus.frame");
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    Bytes changed = bytes;
    changed[n] ^= 0x41;
    if (const auto other = decode(changed)) {
      EXPECT_EQ(encode(*other), changed) << "byte " << n;
    }
  }
}

TEST(Messages, decode_only_what_encodes_to_the_same_bytes) {
  strict(Ack{.epoch = 1, .runs = {{.lane = 2, .first_height = 5, .ids = {hash(1), hash(2)}}}}, decode_ack);
  strict(proposal(), decode_proposal);
  strict(PrePrepare{.view = 3, .proposal = proposal()}, decode_pre_prepare);
  strict(Vote{.epoch = 1, .view = 2, .seq = 3, .digest = hash(4)}, decode_vote);
  strict(Attest{.epoch = 1, .seq = 8, .block = hash(5), .signature = {1, 2, 3}}, decode_attest);
  strict(view_change(1), decode_view_change);
  strict(NewView{.epoch = 1, .view = 4, .view_changes = {view_change(0), view_change(2)}}, decode_new_view);
  strict(StatusReport{.epoch = 1, .view = 2, .wanted_view = 3, .stable = 32, .executed = 40, .abstaining = 1},
         decode_status);
  strict(FetchVertex{.id = hash(1), .above = 7}, decode_fetch_vertex);
  strict(FetchSlots{.first = 9, .vertices = 1}, decode_fetch_slots);
  strict(Slot{.seq = 7, .null = false, .proposal = proposal()}, decode_slot);
  strict(Slot{.seq = 7, .null = true, .proposal = {}}, decode_slot);
  strict(FetchProposal{.seq = 7, .digest = hash(3)}, decode_fetch_proposal);
  strict(Handover{.epoch = 4, .certificate = certificate()}, decode_handover);
  strict(certificate(), decode_certificate);
}

TEST(Messages, a_vertex_is_bound_to_its_batch_and_place) {
  Vertex header{.epoch = 0,
                .lane = 1,
                .height = 2,
                .parents = {hash(1), hash(2)},
                .batch_root = {},
                .batch_len = 0,
                .tx_count = 3};
  const VertexFrame v = make_vertex(header, as_bytes("batch"));
  const auto back = decode_vertex(v.frame);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, v.id);
  EXPECT_EQ(as_text(back->batch()), "batch");
  for (std::size_t n = 0; n < v.frame->size(); ++n) {
    Bytes changed = *v.frame;
    changed[n] ^= 1;
    const auto other = decode_vertex(std::make_shared<const Bytes>(changed));
    if (other) {
      EXPECT_NE(other->id, v.id) << "byte " << n;
    }
  }
  header.height = 1;  // only the first vertex has no predecessor
  EXPECT_FALSE(decode_vertex(make_vertex(header, as_bytes("x")).frame));
  header.parents = {Hash32{}};
  EXPECT_TRUE(decode_vertex(make_vertex(header, as_bytes("x")).frame));
}

TEST(Messages, orders_are_part_of_the_format) {
  Proposal p = proposal();
  std::swap(p.tips[0], p.tips[1]);
  EXPECT_FALSE(decode_proposal(encode(p)));
  p.tips = {{.lane = kReplicasMax, .height = 1, .id = {}}};
  EXPECT_FALSE(decode_proposal(encode(p)));
  ViewChange vc = view_change(0);
  std::swap(vc.prepared[0], vc.prepared[1]);
  EXPECT_FALSE(decode_view_change(encode(vc)));
  vc = view_change(0);
  std::swap(vc.prepares[0], vc.prepares[1]);
  EXPECT_FALSE(decode_view_change(encode(vc)));
  vc = view_change(0);
  std::swap(vc.checkpoint.signatures[0], vc.checkpoint.signatures[1]);
  EXPECT_FALSE(decode_view_change(encode(vc)));
  EXPECT_FALSE(
      decode_new_view(encode(NewView{.epoch = 1, .view = 4, .view_changes = {view_change(2), view_change(2)}})));
}

TEST(Messages, counts_beyond_the_limits_are_refused_before_anything_is_allocated) {
  Bytes ack = encode(Ack{.epoch = 0, .runs = {}});
  store_le<std::uint32_t>(ack.data() + 8, 0xFFFFFFFF);
  EXPECT_FALSE(decode_ack(ack));
  Ack many{.epoch = 0, .runs = {{.lane = 0, .first_height = 1, .ids = std::vector<Hash32>(kAckHashesMax)}}};
  EXPECT_TRUE(decode_ack(encode(many)));
  many.runs[0].ids.emplace_back();
  EXPECT_FALSE(decode_ack(encode(many)));
  EXPECT_EQ(frame_bytes_max(0), 0u);
  EXPECT_EQ(frame_bytes_max(kTypeCount), 0u);
  EXPECT_EQ(frame_bytes_max(static_cast<std::uint8_t>(kSyncQuestion)), kSyncQuestionBytesMax);
  EXPECT_EQ(frame_bytes_max(static_cast<std::uint8_t>(kSyncAnswer)), kSyncAnswerBytesMax);
  for (std::uint8_t type = 1; type < kTypeCount; ++type) {
    EXPECT_GT(frame_bytes_max(type), 0u);
    EXPECT_NE(type_name(static_cast<Type>(type)), "none");
  }
}

TEST(Messages, records_of_the_journal_are_strict_too) {
  const detail::PrepareRecord prepare{
      .epoch = 3, .claim = {.seq = 7, .digest = hash(1), .view = 2}, .proposal = proposal()};
  const Bytes bytes = detail::encode(prepare);
  ASSERT_TRUE(detail::decode_prepare_record(bytes));
  EXPECT_EQ(detail::decode_prepare_record(ByteView(bytes).first(bytes.size() - 1)).error().kind(), Kind::kCorrupt);
  EXPECT_EQ(detail::decode_prepare_record(bytes)->epoch, 3u);
  EXPECT_EQ(detail::decode_prepared_record(bytes).error().id(), "consensus.record");
  EXPECT_FALSE(detail::decode_snapshot(bytes));
}

}  // namespace
}  // namespace hanse::consensus
