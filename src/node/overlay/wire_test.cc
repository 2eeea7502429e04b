#include "node/overlay/wire.h"

#include <gtest/gtest.h>

#include "base/core/mem_fs.h"
#include "node/overlay/sequence.h"

namespace hanse::overlay {
namespace {

Address at(std::string_view text) { return *transport::parse_address(text); }
Give a_give() {
  return {
      .key = {.alg = crypto::SigAlg::kMlDsa65, .bytes = Bytes(1'952, 7)}, .of_public = Bytes(3'600, 1), .of_local = {}};
}
PeerId peer(std::uint8_t n) {
  PeerId out;
  out.data[0] = n;
  return out;
}

TEST(Wire, what_is_encoded_decodes_to_itself_and_nothing_longer_or_shorter_does) {
  const auto same = [](const auto& value, auto decode) {
    const Bytes bytes = encode(value);
    const auto back = decode(bytes);
    ASSERT_TRUE(back) << back.error().str();
    EXPECT_EQ(*back, value);
    EXPECT_EQ(decode(ByteView(bytes).first(bytes.size() - 1)).error().id(), "overlay.frame");
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_EQ(decode(longer).error().id(), "overlay.frame");
    EXPECT_LE(bytes.size(), kFindBytesMax);
  };
  same(a_give(), decode_give);
  Give full = a_give();
  full.key = {.alg = crypto::SigAlg::kMlDsa87, .bytes = Bytes(2'592, 7)};
  full.of_public = Bytes(discovery::kRecordBytesMax, 1);
  const Bytes most = encode(Others{.gives = std::vector<Give>(discovery::kToldMax, full)});
  EXPECT_LE(most.size(), kToldBytesMax);
  EXPECT_TRUE(decode_others(most));
  Bytes cut = encode(Others{.gives = {a_give()}});
  EXPECT_EQ(decode_others(cut)->gives, std::vector{a_give()});
  cut.pop_back();
  EXPECT_EQ(decode_others(cut).error().id(), "overlay.frame");
  same(Find{.request = 0xffff'ffff, .of_peer = true, .target = {}}, decode_find);
  same(Try{.request = 1, .contact = {peer(1), at("192.0.2.1:9")}}, decode_try);
  same(Tried{.request = 1, .reached = true}, decode_tried);
  Found found{.request = 2};
  for (std::uint8_t n = 0; n < discovery::kAnswerMax; ++n)
    found.contacts.push_back({peer(n), at("[2001:db8::1]:65535")});
  found.value = a_give();
  found.value->of_public = Bytes(discovery::kRecordBytesMax, 1);
  same(found, decode_found);
}

TEST(Wire, limits_hold_and_one_past_is_refused) {
  Found found{.request = 2};
  for (std::uint8_t n = 0; n <= discovery::kAnswerMax; ++n) found.contacts.push_back({peer(n), at("192.0.2.1:9")});
  EXPECT_FALSE(decode_found(encode(found)));
  EXPECT_FALSE(decode_others(encode(Others{.gives = std::vector<Give>(discovery::kToldMax + 1, a_give())})));
  Give near = a_give(), nothing = a_give();
  near.of_local = Bytes(10, 1);
  nothing.of_public.clear();
  EXPECT_FALSE(decode_others(encode(Others{.gives = {near}}))) << "local records do not travel";
  EXPECT_FALSE(decode_others(encode(Others{.gives = {nothing}})));
  Give give = a_give();
  give.of_public = Bytes(discovery::kRecordBytesMax + 1, 1);
  EXPECT_FALSE(decode_give(encode(give)));
  give = a_give();
  give.key.bytes.push_back(1);
  EXPECT_FALSE(decode_give(encode(give)));
  give = a_give();
  give.key.alg = crypto::SigAlg::kEd25519;
  EXPECT_FALSE(decode_give(encode(give)));
}

TEST(Wire, an_ipv4_address_has_one_form) {
  Bytes wide = encode(Try{.request = 1, .contact = {peer(1), at("192.0.2.1:9")}});
  const auto four = std::ranges::find(wide, 0x44);  // a byte string of four
  ASSERT_NE(four, wide.end());
  *four = 0x50;
  const Bytes head{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  wide.insert(four + 1, head.begin(), head.end());
  EXPECT_EQ(decode_try(wide).error().id(), "overlay.frame");
  wide[std::ranges::find(wide, 0xff) - wide.begin()] = 0xfe;  // another address of 16 bytes
  EXPECT_TRUE(decode_try(wide));
}

TEST(Zone, what_a_peer_tells_may_be_dialed_from_as_near_alone) {
  const Address loopback = at("127.0.0.1:1"), six = at("[::1]:1"), lan = at("10.0.0.1:1"), out = at("198.51.100.1:1");
  EXPECT_TRUE(may_dial(loopback, six));
  EXPECT_FALSE(may_dial(loopback, lan));
  EXPECT_FALSE(may_dial(six, out));
  EXPECT_TRUE(may_dial(lan, lan));
  EXPECT_TRUE(may_dial(lan, loopback));
  EXPECT_FALSE(may_dial(lan, out));
  EXPECT_TRUE(may_dial(out, out));
  EXPECT_TRUE(may_dial(out, Address{.ip = {0xfd, 0x57, 0, 2}, .port = 1}));
  EXPECT_FALSE(may_dial(lan, Address{.ip = {0xfd, 0x57, 0, 2}, .port = 1}));
  EXPECT_FALSE(may_dial(at("224.0.0.1:5"), loopback));
  EXPECT_FALSE(may_dial(at("198.51.100.1:0"), loopback));
}

TEST(Zone, groups_are_of_public_addresses) {
  EXPECT_EQ(group_of(at("10.0.0.1:1"), 24, 48), 0u);
  EXPECT_EQ(group_of(at("198.51.100.1:1"), 24, 48), group_of(at("198.51.100.200:7"), 24, 48));
  EXPECT_NE(group_of(at("198.51.100.1:1"), 24, 48), group_of(at("198.51.101.1:1"), 24, 48));
  EXPECT_EQ(group_of(at("198.51.100.1:1"), 16, 32), group_of(at("198.51.101.1:1"), 16, 32));
  EXPECT_NE(group_of(at("[2001:db8:1::1]:1"), 24, 48), group_of(at("[2001:db8:2::1]:1"), 24, 48));
}

TEST(Wire, frames_about_agents_come_back_as_they_went) {
  const Publish publish{.request = 7, .record = Bytes(rendezvous::kRecordBytesMax, 1)};
  EXPECT_EQ(*decode_publish(encode(publish)), publish);
  const Published published{
      .request = 7, .taken = rendezvous::Taken::kFull, .holders = std::vector<PeerId>(rendezvous::kHolders)};
  EXPECT_EQ(*decode_published(encode(published)), published);
  const Where where{.request = 8, .agent = rendezvous::AgentId{{1}}};
  EXPECT_EQ(*decode_where(encode(where)), where);
  const There there{.request = 9,
                    .records = std::vector<Bytes>(rendezvous::kGivenMax, Bytes(rendezvous::kRecordBytesMax, 2)),
                    .holders = std::vector<PeerId>(rendezvous::kHolders)};
  const Bytes body = encode(there);
  EXPECT_LE(body.size(), kThereBytesMax);
  EXPECT_EQ(*decode_there(body), there);
}

TEST(Wire, frames_about_agents_have_limits_and_one_past_is_refused) {
  EXPECT_EQ(decode_publish(encode(Publish{.record = Bytes(rendezvous::kRecordBytesMax + 1)})).error().id(),
            "overlay.frame");
  EXPECT_FALSE(decode_there(encode(There{.records = std::vector<Bytes>(rendezvous::kGivenMax + 1)})));
  EXPECT_FALSE(decode_there(encode(There{.holders = std::vector<PeerId>(rendezvous::kHolders + 1)})));
  EXPECT_FALSE(decode_published(encode(Published{.holders = std::vector<PeerId>(rendezvous::kHolders + 1)})));
  const auto wrong = static_cast<rendezvous::Taken>(static_cast<unsigned>(rendezvous::Taken::kFalse) + 1);
  EXPECT_FALSE(decode_published(encode(Published{.taken = wrong})));
  Bytes longer = encode(Where{});
  longer.push_back(0);
  EXPECT_FALSE(decode_where(longer));
}

TEST(Sequence, never_comes_back_over_restarts_though_the_clock_does) {
  MemFs fs;
  auto first = *Sequence::open(fs, "seq", 10, 1'000);
  EXPECT_EQ(*first.next(), 1'000u);
  EXPECT_EQ(*first.next(), 1'001u);
  fs.crash(1);
  auto second = *Sequence::open(fs, "seq", 10, 500);
  const std::uint64_t given = *second.next();
  EXPECT_GT(given, 1'001u);
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(second.next());  // past the block
  fs.crash(2);
  auto third = *Sequence::open(fs, "seq", 10, 0);
  EXPECT_GT(*third.next(), given + 25);
  fs.fail_at(1, MemFs::Fault::kFull);
  EXPECT_FALSE(third.reserve(1u << 20));
}

TEST(Sequence, is_the_clock_when_it_is_ahead_or_the_file_is_spoilt) {
  MemFs fs;
  ASSERT_TRUE(replace_file(fs, "seq", as_bytes("nonsense")));
  EXPECT_EQ(*Sequence::open(fs, "seq", 10, 77)->next(), 77u);
  EXPECT_EQ(*Sequence::open(fs, "seq", 10, 1'000'000)->next(), 1'000'000u);
  EXPECT_EQ(*Sequence::open(fs, "", 10, 5)->next(), 5u);
}

}  // namespace
}  // namespace hanse::overlay
