#include "mesh/portmap/pcp.h"

#include <gtest/gtest.h>

#include "base/codec/hex.h"

namespace hanse::portmap {
namespace {

PcpMap request() {
  PcpMap out{.client = {10, 8, 0, 2}, .port = 12000, .wanted_port = 12001, .lifetime_s = 7200};
  for (std::size_t i = 0; i < 12; ++i) out.nonce.data[i] = static_cast<std::uint8_t>(i + 1);
  return out;
}
// A grant laid out by hand from RFC 6887 7.2 and 11.1.
Bytes grant() {
  return *codec::from_hex(
      "0281000000000e10"                  // version, opcode, reserved, success, 3600 s
      "0000003c000000000000000000000000"  // epoch, reserved
      "0102030405060708090a0b0c"
      "11000000"  // nonce, UDP
      "2ee0"
      "2ee1"
      "00000000000000000000ffff0b000001");
}
std::string refused(const Bytes& bytes) {
  const auto got = decode_pcp(bytes, request());
  return got ? "none" : std::string(got.error().id());
}

TEST(Pcp, a_request_is_the_bytes_of_the_rfc) {
  EXPECT_EQ(codec::to_hex(encode_pcp(request())),
            "0201000000001c20"
            "00000000000000000000ffff0a080002"
            "0102030405060708090a0b0c"
            "11000000"
            "2ee02ee1"
            "00000000000000000000ffff00000000");
}

TEST(Pcp, a_grant_is_read) {
  const auto got = decode_pcp(grant(), request());
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_FALSE(got->other_version);
  EXPECT_EQ(got->lifetime_s, 3600u);
  EXPECT_EQ(got->port, 12001);
  EXPECT_EQ(got->ip, (Bytes{11, 0, 0, 1}));
  Bytes v6 = grant();
  v6[44] = 0x20;
  EXPECT_EQ(decode_pcp(v6, request())->ip.size(), 16u);
}

TEST(Pcp, an_older_server_is_no_error) {
  EXPECT_TRUE(decode_pcp(*codec::from_hex("0081000100000000"), request())->other_version);  // NAT-PMP
  Bytes only_later = grant();
  only_later[3] = 1;
  EXPECT_TRUE(decode_pcp(only_later, request())->other_version);
}

TEST(Pcp, a_refusal_names_its_code) {
  Bytes bytes = grant();
  bytes[3] = 8;
  const auto got = decode_pcp(bytes, request());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().id(), "portmap.refused");
  EXPECT_EQ(got.error().message(), "found PCP result 8 (no resources) from the router");
  bytes[3] = 200;
  EXPECT_EQ(refused(bytes), "portmap.refused");
}

TEST(Pcp, what_does_not_fit_the_request_is_no_answer) {
  for (std::size_t size = 0; size < grant().size(); ++size) {
    const Bytes whole = grant();
    EXPECT_EQ(refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), "portmap.reply") << size;
  }
  for (const std::size_t at : {1, 24, 35, 36, 40, 41}) {
    Bytes bytes = grant();
    bytes[at] ^= 1;
    EXPECT_EQ(refused(bytes), "portmap.reply") << at;
  }
  Bytes no_port = grant();
  no_port[42] = no_port[43] = 0;
  EXPECT_EQ(refused(no_port), "portmap.reply");
  Bytes no_time = grant();
  no_time[6] = no_time[7] = 0;
  EXPECT_EQ(refused(no_time), "portmap.reply");
  PcpMap release = request();
  release.lifetime_s = 0;
  EXPECT_TRUE(decode_pcp(no_time, release));
  Bytes longest = grant();
  longest.resize(kPcpBytesMax);
  EXPECT_EQ(refused(longest), "none");  // options follow
  longest.resize(kPcpBytesMax + 4);
  EXPECT_EQ(refused(longest), "portmap.reply");
}

}  // namespace
}  // namespace hanse::portmap
