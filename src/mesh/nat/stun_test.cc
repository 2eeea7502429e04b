#include "mesh/nat/stun.h"

#include <gtest/gtest.h>

#include "base/codec/hex.h"

namespace hanse::nat {
namespace {

Bytes hex(std::string_view words) {
  std::string packed;
  for (const char c : words)
    if (c != ' ') packed += c;
  return *codec::from_hex(packed);
}

constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";  // of RFC 5769, 2.1 to 2.3
const std::string kMatrix = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";

const Bytes& sample_request() {  // RFC 5769, 2.1
  static const Bytes bytes =
      hex("00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff"
          "80290008 932ff9b151263b36 00060009 6576746a3a68367659202020"
          "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf");
  return bytes;
}
const Bytes& sample_v4() {  // 2.2
  static const Bytes bytes =
      hex("0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147 e112a643"
          "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96");
  return bytes;
}
const Bytes& sample_v6() {  // 2.3
  static const Bytes bytes =
      hex("01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200014 0002a147"
          "0113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c");
  return bytes;
}
const Bytes& sample_long_term() {  // 2.4
  static const Bytes bytes =
      hex("00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000"
          "0015001c 662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b 6578616d706c652e6f726700"
          "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666");
  return bytes;
}
const Bytes& sample_sha256() {  // RFC 8489, B.1, with erratum 6268
  static const Bytes bytes =
      hex("00010090 2112a442 78ad3433c6ad72c029da412e"
          "001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
          "00150029 6f624d61744a6f7332414141 43662f2f3439396b39353464364f4c33346f4c39465354767936347341000000"
          "0014000b 6578616d706c652e6f726700 001d0004 00020000"
          "001c0020 b5c7bf005b6c52a21c51c5e892f819241362 96cb927c431493 09278cc6518e65");
  return bytes;
}

TEST(Stun, reads_the_sample_request_of_rfc_5769) {
  const auto m = decode_stun(sample_request());
  ASSERT_TRUE(m) << m.error().str();
  EXPECT_EQ(m->kind, StunClass::kRequest);
  EXPECT_EQ(m->method, StunMethod::kBinding);
  EXPECT_EQ(codec::to_hex(m->id.view()), "b7e7a701bc34d686fa87dfae");
  EXPECT_EQ(m->software, "STUN test client");
  EXPECT_EQ(m->username, "evtj:h6vY");
  EXPECT_EQ(m->not_understood, std::vector<std::uint16_t>{0x0024});  // PRIORITY is of ICE
  EXPECT_TRUE(m->fingerprint);
  EXPECT_TRUE(integrity_ok(*m, sample_request(), Integrity::kSha1, as_bytes(kPassword)));
  EXPECT_FALSE(integrity_ok(*m, sample_request(), Integrity::kSha1, as_bytes("another")));
  EXPECT_FALSE(integrity_ok(*m, sample_request(), Integrity::kSha256, as_bytes(kPassword)));
}

TEST(Stun, reads_the_sample_responses_of_rfc_5769) {
  const auto v4 = decode_stun(sample_v4());
  ASSERT_TRUE(v4) << v4.error().str();
  EXPECT_EQ(v4->kind, StunClass::kSuccess);
  EXPECT_EQ(to_text(*v4->xor_mapped), "192.0.2.1:32853");
  EXPECT_EQ(v4->software, "test vector");
  EXPECT_TRUE(integrity_ok(*v4, sample_v4(), Integrity::kSha1, as_bytes(kPassword)));
  const auto v6 = decode_stun(sample_v6());
  ASSERT_TRUE(v6) << v6.error().str();
  EXPECT_EQ(to_text(*v6->xor_mapped), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  EXPECT_TRUE(integrity_ok(*v6, sample_v6(), Integrity::kSha1, as_bytes(kPassword)));
}

TEST(Stun, writes_the_long_term_request_of_rfc_5769_byte_for_byte) {
  const auto m = decode_stun(sample_long_term());
  ASSERT_TRUE(m) << m.error().str();
  EXPECT_EQ(m->username, kMatrix);
  const Bytes key = long_term_key({kMatrix, "TheMatrIX"}, *m->realm, kAlgorithmMd5);
  EXPECT_TRUE(integrity_ok(*m, sample_long_term(), Integrity::kSha1, key));
  EXPECT_EQ(encode_stun(*m, {Integrity::kSha1, key}), sample_long_term());
}

TEST(Stun, reads_and_writes_the_sha256_request_of_rfc_8489) {
  const auto m = decode_stun(sample_sha256());
  ASSERT_TRUE(m) << m.error().str();
  EXPECT_EQ(*m->userhash, userhash(kMatrix, "example.org"));
  EXPECT_EQ(m->password_algorithm, kAlgorithmSha256);
  const Bytes key = long_term_key({kMatrix, "TheMatrIX"}, "example.org", kAlgorithmSha256);
  EXPECT_TRUE(integrity_ok(*m, sample_sha256(), Integrity::kSha256, key));
  EXPECT_EQ(encode_stun(*m, {Integrity::kSha256, key}), sample_sha256());
}

TEST(Stun, any_flipped_bit_of_a_sealed_message_is_noticed) {
  for (std::size_t bit = 0; bit < sample_v4().size() * 8; ++bit) {
    Bytes b = sample_v4();
    b[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto m = decode_stun(b);
    EXPECT_FALSE(m && m->fingerprint && integrity_ok(*m, b, Integrity::kSha1, as_bytes(kPassword))) << bit;
  }
}

StunMessage everything() {
  StunMessage m;
  m.kind = StunClass::kError;
  m.method = StunMethod::kChannelBind;
  m.id.data[3] = 9;
  m.username = "u", m.realm = "r", m.nonce = "n", m.software = "s";
  m.userhash = Hash32{};
  m.password_algorithms = {kAlgorithmSha256, kAlgorithmMd5};
  m.password_algorithm = kAlgorithmMd5;
  m.mapped = m.xor_mapped = *parse_endpoint("192.0.2.1:1");
  m.alternate_server = m.xor_relayed = *parse_endpoint("[2001:db8::1]:65535");
  m.response_origin = m.other_address = *parse_endpoint("198.51.100.9:3478");
  m.xor_peers = {*parse_endpoint("203.0.113.1:5"), *parse_endpoint("[2001:db8::2]:6")};
  m.error = ErrorCode{438, "Stale Nonce"};
  m.unknown_attributes = {0x24, 0x25, 0x26};
  m.change_request = ChangeRequest{true, false};
  m.padding_bytes = 30;
  m.channel = 0x4001, m.lifetime_s = 600, m.requested_transport = 17, m.requested_family = 2;
  m.data = to_bytes("payload");
  return m;
}

TEST(Stun, every_attribute_survives_a_round_trip) {
  const StunMessage m = everything();
  const Bytes bytes = encode_stun(m, {Integrity::kSha1, Bytes(4, 1), true});
  const auto back = decode_stun(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->kind, m.kind);
  EXPECT_EQ(back->method, m.method);
  EXPECT_EQ(back->id, m.id);
  EXPECT_EQ(std::tie(back->username, back->realm, back->nonce, back->software, back->userhash),
            std::tie(m.username, m.realm, m.nonce, m.software, m.userhash));
  EXPECT_EQ(std::tie(back->password_algorithms, back->password_algorithm, back->mapped, back->xor_mapped),
            std::tie(m.password_algorithms, m.password_algorithm, m.mapped, m.xor_mapped));
  EXPECT_EQ(std::tie(back->alternate_server, back->xor_relayed, back->response_origin, back->other_address),
            std::tie(m.alternate_server, m.xor_relayed, m.response_origin, m.other_address));
  EXPECT_EQ(std::tie(back->xor_peers, back->error, back->unknown_attributes, back->change_request, back->data),
            std::tie(m.xor_peers, m.error, m.unknown_attributes, m.change_request, m.data));
  EXPECT_EQ(
      std::tie(back->padding_bytes, back->channel, back->lifetime_s, back->requested_transport, back->requested_family),
      std::tie(m.padding_bytes, m.channel, m.lifetime_s, m.requested_transport, m.requested_family));
  EXPECT_TRUE(back->not_understood.empty());
}

TEST(Stun, refuses_every_cut_and_every_added_byte) {
  const Bytes bytes = encode_stun(everything(), {Integrity::kSha256, Bytes(4, 1), true});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto m = decode_stun(ByteView(bytes).first(size));
    ASSERT_FALSE(m) << size;
    EXPECT_EQ(m.error().id(), "nat.stun_format");
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_stun(longer));
}

TEST(Stun, refuses_over_its_limits) {
  StunMessage m;
  m.data = Bytes(kStunBytesMax - kStunHeaderSize - 4);
  EXPECT_TRUE(decode_stun(encode_stun(m)));
  m.data->resize(m.data->size() + 4);
  EXPECT_EQ(decode_stun(encode_stun(m)).error().id(), "nat.stun_limit");
  m.data.reset();
  m.software = std::string(kTextBytesMax + 1, 'x');
  EXPECT_EQ(decode_stun(encode_stun(m)).error().id(), "nat.stun_limit");
  m.software.reset();
  m.xor_peers.resize(kXorPeersMax + 1);
  EXPECT_EQ(decode_stun(encode_stun(m)).error().id(), "nat.stun_limit");
  Bytes many = encode_stun({});
  for (std::size_t i = 0; i <= kAttributesMax; ++i) append(many, hex("80990000"));
  store_be(many.data() + 2, static_cast<std::uint16_t>(many.size() - kStunHeaderSize));
  EXPECT_EQ(decode_stun(many).error().id(), "nat.stun_limit");
}

TEST(Stun, refuses_a_wrong_fingerprint_and_anything_behind_it) {
  Bytes b = encode_stun({}, {Integrity::kNone, {}, true});
  ASSERT_TRUE(decode_stun(b));
  Bytes behind = b;
  append(behind, hex("80220000"));
  store_be(behind.data() + 2, static_cast<std::uint16_t>(behind.size() - kStunHeaderSize));
  b.back() ^= 1;
  EXPECT_EQ(decode_stun(b).error().id(), "nat.stun_fingerprint");
  EXPECT_FALSE(decode_stun(behind));
}

TEST(Stun, does_not_read_attributes_that_integrity_does_not_cover) {
  Bytes b = encode_stun({}, {Integrity::kSha1, Bytes(4, 1)});
  append(b, hex("00200008 0001a147 e112a643"));
  store_be(b.data() + 2, static_cast<std::uint16_t>(b.size() - kStunHeaderSize));
  const auto m = decode_stun(b);
  ASSERT_TRUE(m);
  EXPECT_FALSE(m->xor_mapped);
  EXPECT_TRUE(integrity_ok(*m, b, Integrity::kSha1, Bytes(4, 1)));
}

TEST(Endpoint, refuses_what_is_no_address_and_port) {
  for (const char* shown : {"", ":1", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:1x", "2001:db8::1:1",
                            "[192.0.2.1]:1", "host:1", "[]:1"})
    EXPECT_FALSE(parse_endpoint(shown)) << shown;
  EXPECT_EQ(parse_endpoint("host:1").error().id(), "nat.endpoint");
  for (const char* shown : {"192.0.2.1:12000", "[2001:db8::7]:1", "0.0.0.0:0"})
    EXPECT_EQ(to_text(*parse_endpoint(shown)), shown);
  EXPECT_TRUE(answerable(*parse_endpoint("127.0.0.1:9")));
  for (const char* shown : {"192.0.2.1:0", "0.0.0.0:9", "224.0.0.1:9", "255.255.255.255:9", "[::]:9", "[ff02::1]:9"})
    EXPECT_FALSE(answerable(*parse_endpoint(shown))) << shown;
}

}  // namespace
}  // namespace hanse::nat
