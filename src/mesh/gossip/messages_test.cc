#include "mesh/gossip/messages.h"

#include <gtest/gtest.h>

#include "base/codec/hex.h"
#include "base/core/random.h"

namespace hanse::gossip {
namespace {

template <class Id>
Id id_of(std::uint8_t n) {
  Id id;
  id.data.fill(n);
  return id;
}

Gossip a_message() {
  Gossip g;
  g.flood = 1;
  g.hops = 3;
  g.message = {
      .topic = id_of<TopicId>(1), .origin = id_of<PeerId>(2), .seq = 7, .hlc = 9, .payload = to_bytes("hello")};
  g.batch = {.origin = g.message.origin, .count = 4, .root = id_of<Hash32>(3)};
  g.index = 2;
  g.path = {id_of<Hash32>(4), id_of<Hash32>(5)};
  g.signature = Bytes(16, 6);
  return g;
}

std::vector<Body> one_of_each() {
  const auto p = id_of<PeerId>(9);
  const auto t = id_of<TopicId>(1);
  const auto m = id_of<MessageId>(8);
  return {Join{},
          ForwardJoin{p, 6},
          Neighbor{Urgency::kJoin},
          NeighborReply{1},
          Disconnect{},
          Shuffle{p, 3, {p, id_of<PeerId>(7)}},
          ShuffleReply{{p}},
          Ping{1, 1, 5},
          Ack{1, 6, 1},
          PingRequest{2, p, 0, 5},
          PingAnswer{2, p, 6},
          IHave{t, {{m, 4}}},
          Graft{t, {m}},
          Prune{t},
          Fetch{t, {m, m}},
          Reconcile{t, 3, 10, 20, 1, to_bytes("step")}};
}

TEST(Messages, what_is_encoded_decodes_to_itself) {
  for (const Body& body : one_of_each()) {
    const Bytes bytes = encode(body);
    const auto any = decode(bytes);
    ASSERT_TRUE(any) << any.error().str();
    EXPECT_TRUE(std::get<Body>(*any) == body) << type_name(static_cast<Type>(bytes[0]));
  }
  const auto any = decode(encode(a_message()));
  ASSERT_TRUE(any);
  EXPECT_TRUE(std::get<Gossip>(*any) == a_message());
}

TEST(Messages, bytes_are_those_of_the_record_page) {  // proto/records/gossip.md
  EXPECT_EQ(codec::to_hex(encode(Body(Join{}))), "01");
  EXPECT_EQ(codec::to_hex(encode(Body(Ack{0x0102, 3, 1}))),
            "09"
            "0201000000000000"
            "0300000000000000"
            "01");
  EXPECT_EQ(codec::to_hex(encode(Body(ForwardJoin{id_of<PeerId>(0xaa), 6}))),
            "02" + codec::to_hex(id_of<PeerId>(0xaa).view()) + "06");
  const std::string g = codec::to_hex(encode(a_message()));
  EXPECT_EQ(g.substr(0, 6), "100103");
  EXPECT_EQ(g.size() / 2, 1 + 2 + 32 + 32 + 8 + 8 + 2 + 2 + 32 + 4 + 64 + 4 + 16 + 4 + 5u);
}

TEST(Messages, every_cut_and_every_longer_frame_is_refused) {
  auto frames = std::vector<Bytes>{encode(a_message())};
  for (const Body& body : one_of_each()) frames.push_back(encode(body));
  for (const Bytes& whole : frames) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const auto any = decode(ByteView(whole).first(n));
      ASSERT_FALSE(any) << type_name(static_cast<Type>(whole[0])) << " cut at " << n;
      EXPECT_EQ(any.error().id(), "gossip.frame");
    }
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(decode(longer));
  }
}

TEST(Messages, limits_hold_on_both_sides) {
  const auto p = id_of<PeerId>(9);
  const auto fits = [](const Body& b) { return decode(encode(b)).has_value(); };
  EXPECT_TRUE(fits(Shuffle{p, kTtlMax, std::vector<PeerId>(kShufflePeersMax, p)}));
  EXPECT_FALSE(fits(Shuffle{p, kTtlMax, std::vector<PeerId>(kShufflePeersMax + 1, p)}));
  EXPECT_FALSE(fits(Shuffle{p, kTtlMax + 1, {}}));
  EXPECT_TRUE(fits(Graft{{}, std::vector<MessageId>(kIdsMax)}));
  EXPECT_FALSE(fits(Graft{{}, std::vector<MessageId>(kIdsMax + 1)}));
  EXPECT_TRUE(fits(IHave{{}, {{{}, kHopsMax}}}));
  EXPECT_FALSE(fits(IHave{{}, {{{}, kHopsMax + 1}}}));
  EXPECT_FALSE(fits(NeighborReply{2}));
  EXPECT_FALSE(fits(Neighbor{static_cast<Urgency>(3)}));
  Gossip g = a_message();
  g.message.payload = Bytes(kPayloadBytesMax);
  EXPECT_TRUE(decode(encode(g)));
  g.index = 4;  // of 4
  EXPECT_FALSE(decode(encode(g)));
  g.batch.count = kBatchMessagesMax + 1;
  EXPECT_FALSE(decode(encode(g)));
  EXPECT_FALSE(decode(Bytes(kFrameBytesMax + 1, 1)));
}

TEST(Messages, a_count_beyond_the_bytes_allocates_nothing) {
  Bytes frame = encode(Body(Graft{{}, {}}));
  store_le(frame.data() + 33, std::uint32_t{64});  // 64 ids announced, none there
  EXPECT_EQ(decode(frame).error().id(), "gossip.frame");
}

TEST(Messages, random_bytes_decode_to_what_encodes_to_them_or_not_at_all) {
  constexpr std::uint64_t kSeed = 20;
  SeededRandom random(kSeed, "frames");
  std::size_t decoded = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes frame = i % 2 == 0 ? encode(one_of_each()[random.below(16)]) : encode(a_message());
    for (std::uint64_t flips = random.below(3); flips > 0; --flips)
      frame[random.below(frame.size())] = static_cast<std::uint8_t>(random.next_u64());
    const auto any = decode(frame);
    if (!any) continue;
    ++decoded;
    EXPECT_EQ(std::visit([](const auto& m) { return encode(m); }, *any), frame) << "seed " << kSeed << " case " << i;
  }
  EXPECT_GT(decoded, 1'000u);
}

TEST(Messages, an_id_covers_every_field) {
  const Message m = a_message().message;
  const MessageId id = message_id(m);
  for (int field = 0; field < 5; ++field) {
    Message other = m;
    if (field == 0) other.topic.data[31] ^= 1;
    if (field == 1) other.origin.data[0] ^= 1;
    if (field == 2) ++other.seq;
    if (field == 3) ++other.hlc;
    if (field == 4) other.payload.back() ^= 1;
    EXPECT_NE(message_id(other), id) << field;
  }
}

}  // namespace
}  // namespace hanse::gossip
