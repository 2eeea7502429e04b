#include "exchange/pilots/wire.h"

#include <gtest/gtest.h>

namespace hanse::pilots {
namespace {

Hello hello() {
  Hello h{.name = "hanse-1", .secret = {}, .isolation = 2, .kinds = {"echo/v1", "wasm/v1"}, .slots = 3};
  h.secret.data[0] = 7;
  return h;
}

TEST(Wire, a_hello_comes_back_and_its_limits_hold) {
  const auto back = decode_hello(encode_hello(hello()));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->name, "hanse-1");
  EXPECT_EQ(back->secret, hello().secret);
  EXPECT_EQ(back->isolation, 2);
  EXPECT_EQ(back->kinds, hello().kinds);
  EXPECT_EQ(back->slots, 3u);
  Hello h = hello();
  h.slots = kSlotsMax;
  EXPECT_TRUE(decode_hello(encode_hello(h)));
  h.slots = kSlotsMax + 1;
  EXPECT_EQ(decode_hello(encode_hello(h)).error().id(), "codec.type");
  h.slots = 0;
  EXPECT_EQ(decode_hello(encode_hello(h)).error().id(), "codec.type");
  h = hello();
  h.isolation = 4;
  EXPECT_FALSE(decode_hello(encode_hello(h)));
  h = hello();
  h.kinds.assign(kKindsMax + 1, "k");
  EXPECT_EQ(decode_hello(encode_hello(h)).error().id(), "codec.too_large");
  h = hello();
  h.name.assign(kNameMax + 1, 'a');
  EXPECT_EQ(decode_hello(encode_hello(h)).error().id(), "codec.too_large");
  EXPECT_EQ(decode_hello(Bytes{0xa1, 0x00, 0x01}).error().id(), "codec.missing");
}

TEST(Wire, a_head_comes_back_and_what_is_too_long_or_unknown_is_refused) {
  std::uint8_t raw[kFrameHeadSize];
  write_head({.size = 100, .type = FrameType::kRun, .call = 9}, raw);
  const auto head = read_head(raw, 100);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->size, 100u);
  EXPECT_EQ(head->type, FrameType::kRun);
  EXPECT_EQ(head->call, 9u);
  EXPECT_EQ(read_head(raw, 99).error().id(), "pilots.bad_frame");
  write_head({.size = 1, .type = FrameType::kPing, .call = 0}, raw);
  EXPECT_EQ(read_head(raw, 100).error().id(), "pilots.bad_frame");
  for (const int type : {0, 10}) {
    write_head({.size = 0, .type = static_cast<FrameType>(type), .call = 0}, raw);
    EXPECT_EQ(read_head(raw, 100).error().id(), "pilots.bad_frame") << type;
  }
  write_head({.size = 0, .type = FrameType::kPing, .call = 0}, raw);
  raw[6] = 1;  // must be zero
  EXPECT_EQ(read_head(raw, 100).error().id(), "pilots.bad_frame");
}

TEST(Wire, a_ticket_comes_back_and_a_bad_one_is_refused_without_its_secret) {
  Ticket ticket{.address = "[::1]:4000", .name = "hanse-ab-1", .pin = {}, .secret = {}};
  ticket.pin.data[1] = 3;
  ticket.secret.data[2] = 0xee;
  const std::string line = write_ticket(ticket);
  for (const auto& good : {line, line + "\n"}) {
    const auto back = parse_ticket(good);
    ASSERT_TRUE(back) << back.error().str();
    EXPECT_EQ(write_ticket(*back), line);
  }
  const std::string secret = line.substr(line.rfind(' ') + 1);
  const std::string bad[] = {"",
                             "x",
                             line + " y",
                             line.substr(0, line.size() - 2),
                             "x" + line,
                             line + "zz",
                             "hanse-pilot/1 nocolon n " + std::string(64, '0') + " " + secret,
                             "hanse-pilot/1 h:1 UPPER " + std::string(64, '0') + " " + secret,
                             "hanse-pilot/1 h:1 n " + std::string(62, '0') + " " + secret,
                             line + std::string(kTicketSizeMax, '0')};
  for (const auto& one : bad) {
    const auto refused = parse_ticket(one);
    ASSERT_FALSE(refused) << one;
    EXPECT_EQ(refused.error().id(), "pilots.bad_ticket");
    EXPECT_EQ(refused.error().str().find(secret), std::string::npos);
  }
}

TEST(Wire, names_of_pilots_are_labels_of_dns) {
  for (const std::string good : {"a", "hanse-0a-1", "9"}) EXPECT_TRUE(is_pilot_name(good));
  EXPECT_TRUE(is_pilot_name(std::string(kNameMax, 'a')));
  EXPECT_FALSE(is_pilot_name(std::string(kNameMax + 1, 'a')));
  for (const std::string bad : {"", "-a", "a-", "A", "a b", "a;b", "a_b"}) EXPECT_FALSE(is_pilot_name(bad)) << bad;
}

}  // namespace
}  // namespace hanse::pilots
