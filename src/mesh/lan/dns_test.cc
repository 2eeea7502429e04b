#include "mesh/lan/dns.h"

#include <gtest/gtest.h>

#include "base/codec/hex.h"
#include "base/core/random.h"

namespace hanse::lan {
namespace {

const Name kService = Name::of({"_hanse", "_udp", "local"});
const Name kInstance = Name::of({"abc", "_hanse", "_udp", "local"});
const Name kHost = Name::of({"abc", "local"});

Bytes hex(std::string_view s) { return *codec::from_hex(s); }
std::string error_of(ByteView bytes) {
  const auto got = decode_message(bytes);
  return got ? "none" : std::string(got.error().id());
}

Message full() {
  return {.response = true,
          .answers = {{kService, Type::kPtr, false, 4500, ptr_data(kInstance)}},
          .additional = {{kInstance, Type::kSrv, true, 120, srv_data({12000, kHost})},
                         {kInstance, Type::kTxt, true, 4500, txt_data({"v=1", "id=x"})},
                         {kHost, Type::kA, true, 120, {10, 0, 0, 1}},
                         {kHost, Type::kAaaa, true, 120, Bytes(16, 0xfd)},
                         {kHost, static_cast<Type>(47), true, 120, {1, 2, 3}}}};
}

// The bytes are laid out by hand from RFC 1035 4.1 and RFC 2782.
TEST(Dns, reads_and_writes_the_bytes_of_the_rfc) {
  Bytes bytes =
      hex("000084000000000100000001"
          "065f68616e7365045f756470056c6f63616c00");  // header, _hanse._udp.local
  append(bytes, hex("000c0001000011940006"
                    "03616263c00c"));  // PTR "abc" + pointer to 12
  append(bytes, hex("c029"
                    "0021800100000078"
                    "000c"
                    "00000000"
                    "2ee0"
                    "03616263c018"));  // SRV, flush, 120 s
  const auto got = decode_message(bytes);
  ASSERT_TRUE(got && *got) << got.error().str();
  const Message want{.response = true,
                     .answers = {{kService, Type::kPtr, false, 4500, ptr_data(kInstance)}},
                     .additional = {{kInstance, Type::kSrv, true, 120, srv_data({12000, Name::of({"abc", "local"})})}}};
  EXPECT_EQ(**got, want);
  EXPECT_EQ(srv_of((*got)->additional[0])->port, 12000);
  EXPECT_EQ(srv_of((*got)->additional[0])->target.text(), "abc.local.");
  EXPECT_EQ(encode_message(want), bytes);
}

TEST(Dns, what_is_written_reads_the_same_and_compressed) {
  const Bytes bytes = encode_message(full());
  const auto again = decode_message(bytes);
  ASSERT_TRUE(again && *again) << again.error().str();
  EXPECT_EQ(**again, full());
  EXPECT_LT(bytes.size(), 160u);
  const Message query{.id = 7,
                      .truncated = true,
                      .questions = {{kService, Type::kPtr, true}, {kHost, Type::kAny, false}},
                      .authority = {{kHost, Type::kA, false, 120, {10, 0, 0, 1}}}};
  EXPECT_EQ(**decode_message(encode_message(query)), query);
}

TEST(Dns, every_cut_message_is_refused) {
  const Bytes bytes = encode_message(full());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(error_of(ByteView(bytes).first(size)), "lan.dns_format") << size;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(error_of(longer), "lan.dns_format");
}

TEST(Dns, pointers_lead_backwards_or_the_message_is_refused) {
  const auto with_name = [](std::string_view name) {
    Bytes out = hex("000000000001000000000000");
    append(out, hex(name));
    append(out, hex("000c0001"));
    return out;
  };
  EXPECT_EQ(error_of(with_name("0161c00c")), "lan.dns_format");  // to its own start: a loop
  EXPECT_EQ(error_of(with_name("c00c")), "lan.dns_format");      // to itself
  EXPECT_EQ(error_of(with_name("0161c010")), "lan.dns_format");  // forwards
  EXPECT_EQ(error_of(with_name("0161c004")), "lan.dns_format");  // into the header
  EXPECT_EQ(error_of(with_name("0161c0ff")), "lan.dns_format");  // beyond the end
  EXPECT_EQ(error_of(with_name("4161")), "lan.dns_format");      // label types of RFC 2671
  EXPECT_EQ(error_of(with_name("8161")), "lan.dns_format");
  // Two pieces that lead to each other: the second would have to lead forwards.
  Bytes two =
      hex("000000000002000000000000"
          "0161c013000c0001"
          "0162c00c000c0001");
  EXPECT_EQ(error_of(two), "lan.dns_format");
  Bytes chain =
      hex("000000000003000000000000"
          "016100000c0001"
          "0162c00c000c0001"
          "c013000c0001");
  const auto got = decode_message(chain);
  ASSERT_TRUE(got && *got) << got.error().str();
  EXPECT_EQ((*got)->questions[1].name.text(), "b.a.");
  EXPECT_EQ((*got)->questions[2].name.text(), "b.a.");
}

TEST(Dns, names_and_labels_have_their_limits) {
  const auto question = [](const std::vector<std::size_t>& labels) {
    Bytes out = hex("000000000001000000000000");
    for (const std::size_t size : labels) {
      out.push_back(static_cast<std::uint8_t>(size));
      out.insert(out.end(), size, 'a');
    }
    append(out, hex("00000c0001"));
    return out;
  };
  EXPECT_EQ(error_of(question({63, 63, 63, 61})), "none");  // 255 bytes
  EXPECT_EQ(error_of(question({63, 63, 63, 62})), "lan.dns_limit");
  EXPECT_EQ(error_of(question({64})), "lan.dns_format");
  // One byte over by compression.
  Bytes out = hex("000000000002000000000000");
  append(out, ByteView(question({63, 63, 63, 59})).subspan(12));
  append(out, hex("0161c00c000c0001"));
  EXPECT_EQ(error_of(out), "none");
  out[out.size() - 8] = 2;
  out.insert(out.end() - 6, 'b');
  EXPECT_EQ(error_of(out), "lan.dns_limit");
}

TEST(Dns, counts_and_sizes_have_their_limits) {
  Message m;
  m.questions.assign(kQuestionsMax, {kService, Type::kPtr, false});
  EXPECT_EQ(error_of(encode_message(m)), "none");
  m.questions.push_back(m.questions[0]);
  EXPECT_EQ(error_of(encode_message(m)), "lan.dns_limit");
  m.questions.clear();
  m.answers.assign(kRecordsMax - 1, {kHost, Type::kA, false, 1, {10, 0, 0, 1}});
  m.additional.push_back(m.answers[0]);
  EXPECT_EQ(error_of(encode_message(m)), "none");
  m.authority.push_back(m.answers[0]);
  EXPECT_EQ(error_of(encode_message(m)), "lan.dns_limit");
  const auto one = [](std::size_t size) {
    return encode_message({.answers = {{kHost, Type::kTxt, false, 1, Bytes(size, 0)}}});
  };
  EXPECT_EQ(error_of(one(kDataBytesMax)), "none");
  EXPECT_EQ(error_of(one(kDataBytesMax + 1)), "lan.dns_limit");
  Message big;
  for (int i = 0; i < 5; ++i) big.answers.push_back({kHost, Type::kTxt, false, 1, Bytes(1700, 0)});
  big.answers.push_back({kHost, Type::kTxt, false, 1, {}});
  const std::size_t rest = kMessageBytesMax - encode_message(big).size();
  big.answers.back().data.assign(rest, 0);
  ASSERT_EQ(encode_message(big).size(), kMessageBytesMax);
  EXPECT_EQ(error_of(encode_message(big)), "none");
  big.answers.back().data.push_back(0);
  EXPECT_EQ(error_of(encode_message(big)), "lan.dns_limit");
}

TEST(Dns, data_has_the_size_of_its_type) {
  EXPECT_EQ(error_of(encode_message({.answers = {{kHost, Type::kA, false, 1, {1, 2, 3}}}})), "lan.dns_format");
  EXPECT_EQ(error_of(encode_message({.answers = {{kHost, Type::kAaaa, false, 1, Bytes(17, 1)}}})), "lan.dns_format");
  EXPECT_EQ(error_of(hex("000084000000000100000000"
                         "0000210001000000010005"
                         "0000000001")),
            "lan.dns_format");
  EXPECT_EQ(error_of(hex("000084000000000100000000"
                         "00000c0001000000010002"
                         "0000")),
            "lan.dns_format");
}

TEST(Dns, other_opcodes_errors_and_classes_are_passed_over) {
  for (const std::string_view header : {"00002800000000000000"
                                        "0000",
                                        "000084030000000000000000"}) {
    const auto got = decode_message(hex(header));
    ASSERT_TRUE(got) << got.error().str();
    EXPECT_FALSE(got->has_value()) << header;
  }
  // An EDNS record, whose class is a size, and a question of class CHAOS.
  const auto got =
      decode_message(hex("000000000001000000000001"
                         "00000c0003"
                         "0000290578000000000000"));
  ASSERT_TRUE(got && *got) << got.error().str();
  EXPECT_TRUE((*got)->questions.empty());
  EXPECT_TRUE((*got)->additional.empty());
}

TEST(Dns, names_are_the_same_in_any_case) {
  EXPECT_EQ(Name::of({"ABC", "local"}), Name::of({"abc", "LOCAL"}));
  EXPECT_FALSE(Name::of({"ab", "c"}) == Name::of({"a", "bc"}));
  EXPECT_EQ(Name::of({"AbC"}).folded(), Name::of({"aBc"}).folded());
  EXPECT_EQ(kInstance.parent(), kService);
  EXPECT_EQ(kInstance.label(), "abc");
  EXPECT_EQ(Name().parent(), Name());
  const Record lower{kService, Type::kPtr, false, 1, ptr_data(kInstance)};
  Record upper = lower;
  upper.data = ptr_data(Name::of({"ABC", "_HANSE", "_udp", "local"}));
  EXPECT_TRUE(same_record(lower, upper));
  const Record srv{kInstance, Type::kSrv, true, 1, srv_data({1, kHost})};
  const Record other{kInstance, Type::kSrv, true, 1, srv_data({2, kHost})};
  EXPECT_FALSE(same_record(srv, other));
}

TEST(Dns, the_first_of_a_key_counts) {
  const Record txt{kInstance, Type::kTxt, true, 1, txt_data({"", "flag", "ID=one", "id=two", "=x"})};
  EXPECT_EQ(txt_value(txt, "id"), "one");
  EXPECT_EQ(txt_value(txt, "i"), std::nullopt);
  EXPECT_EQ(txt_value(txt, "flag"), std::nullopt);
  Record cut = txt;
  cut.data = {200, 'i', 'd', '=', 'z'};  // a length beyond the end reads to the end
  EXPECT_EQ(txt_value(cut, "id"), "z");
}

TEST(Dns, noise_never_crashes) {
  const std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE(seed);
  SeededRandom random(seed);
  const Bytes good = encode_message(full());
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = good;
    for (int k = 0; k < 3; ++k) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next_u64());
    const auto got = decode_message(bytes);
    if (!got || !*got) continue;
    EXPECT_EQ(**decode_message(encode_message(**got)), **got);
  }
}

}  // namespace
}  // namespace hanse::lan
