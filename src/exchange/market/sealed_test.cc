#include "exchange/market/sealed.h"

#include <gtest/gtest.h>

namespace hanse::market {
namespace {

template <class Fixed>
Fixed filled(std::uint8_t byte) {
  Fixed out;
  out.data.fill(byte);
  return out;
}

// Comes back from its bytes; no prefix and no longer form does, and a changed byte is refused or another record.
template <class Record, class Encode, class Decode>
void expect_strict(const Record& record, Encode encode, Decode decode) {
  const Bytes bytes = encode(record);
  const auto back = decode(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(*back, record);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode(ByteView(bytes).first(n))) << "prefix of " << n;
    Bytes bad = bytes;
    bad[n] ^= 1;
    const auto changed = decode(bad);
    EXPECT_FALSE(changed && *changed == record) << "byte " << n;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer));
}

TEST(SealedRecords, round_trip_and_are_strict) {
  const auto call = [](const auto& v) { return encode(v); };
  expect_strict(Commit{{filled<Hash32>(1), filled<Hash32>(2)}}, call, decode_commit);
  expect_strict(Reveal{.round = 3, .seq = 4, .salt = filled<Salt>(5), .gxf = {1, 2, 3}, .attempt = 6}, call,
                decode_reveal);
  expect_strict(CommitPlace{1, 2, Height{3}, Height{4}}, encode_commit_place, decode_commit_place);
  SealedBid bid{
      .commit = filled<Hash32>(1), .payer = filled<AccountId>(2), .nonce = 9, .held = Amount{7}, .revealed = {}};
  expect_strict(bid, encode_sealed_bid, decode_sealed_bid);
  bid.revealed.emplace();
  bid.revealed->salt = filled<Salt>(3);
  bid.revealed->outputs = kOutputsMax;
  expect_strict(bid, encode_sealed_bid, decode_sealed_bid);
  bid.revealed->outputs += 1;
  EXPECT_EQ(decode_sealed_bid(encode_sealed_bid(bid)).error().id(), "codec.type");
  RoundHead head{
      .number = 5, .opened = Height{1}, .cleared = Height{9}, .commits = kRoundBidsMax, .paid = Amount{~0ull}};
  head.record_bytes = kRoundBytesMax;
  expect_strict(head, encode_round_head, decode_round_head);
  head.settled = kRoundBidsMax;
  expect_strict(head, encode_round_head, decode_round_head);
  head.commits += 1;
  EXPECT_EQ(decode_round_head(encode_round_head(head)).error().id(), "codec.type");
  expect_strict(RoundsHead{.newest = 3, .open = 2}, encode_rounds_head, decode_rounds_head);
}

TEST(SealedRecords, events_name_their_topic) {
  for (const auto topic : {RoundTopic::kCommitted, RoundTopic::kRevealed, RoundTopic::kNoReveal, RoundTopic::kUnmatched,
                           RoundTopic::kCleared}) {
    const RoundEvent event{.topic = topic,
                           .round = 1,
                           .seq = 2,
                           .count = 3,
                           .payer = filled<AccountId>(4),
                           .job_id = filled<JobId>(5),
                           .amount = Amount{6},
                           .end = kBidEndMax,
                           .hash = filled<Hash32>(7)};
    expect_strict(event, encode_round_event, [&](ByteView in) { return decode_round_event(topic_name(topic), in); });
  }
  EXPECT_EQ(decode_round_event("market.matched", {}).error().id(), "market.event");
}

}  // namespace
}  // namespace hanse::market
