#include "base/codec/hex.h"

#include "base/codec/crc32c.h"
#include "base/core/ids.h"
#include "base/core/random.h"

#include <gtest/gtest.h>

namespace hanse::codec {
namespace {

TEST(Hex, round_trips_and_reads_either_case) {
  const Bytes b = {0x00, 0x1f, 0xab, 0xff};
  EXPECT_EQ(to_hex(b), "001fabff");
  EXPECT_EQ(from_hex("001fabff").value(), b);
  EXPECT_EQ(from_hex("001FABff").value(), b);
  EXPECT_TRUE(from_hex("").value().empty());
}

TEST(Hex, names_the_wrong_character_and_length) {
  auto odd = from_hex("abc");
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().str(), "codec.hex: found 3 hex digits, expected an even number");
  auto digit = from_hex("00ag");
  ASSERT_FALSE(digit);
  EXPECT_EQ(digit.error().str(), "codec.hex: found 'g' at position 3, expected a hex digit");
  auto control =
      from_hex(std::string_view("\0"
                                "0",
                                2));
  ASSERT_FALSE(control);
  EXPECT_EQ(control.error().message(), "found byte 0x00 at position 0, expected a hex digit");
  auto size = fixed_from_hex<JobId>("0011");
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().id(), "codec.hex");
  EXPECT_EQ(size.error().str(), "codec.hex: found 2 bytes, expected 16");
  EXPECT_EQ(fixed_from_hex<JobId>("000102030405060708090a0b0c0d0e0f")->data[15], 0x0f);
}

TEST(Base32, matches_rfc_4648_section_10) {
  const std::pair<const char*, const char*> known[] = {{"", ""},
                                                       {"f", "my"},
                                                       {"fo", "mzxq"},
                                                       {"foo", "mzxw6"},
                                                       {"foob", "mzxw6yq"},
                                                       {"fooba", "mzxw6ytb"},
                                                       {"foobar", "mzxw6ytboi"}};
  for (const auto& [plain, encoded] : known) {
    EXPECT_EQ(to_base32(as_bytes(plain)), encoded);
    EXPECT_EQ(from_base32(encoded).value(), to_bytes(plain));
  }
}

TEST(Base32, refuses_foreign_characters_lengths_and_spare_bits) {
  for (const char* bad : {"m", "mzx", "mzxw6y", "MY", "m1", "m=", "mz", "my======"}) {
    auto r = from_base32(bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error().id(), "codec.base32") << bad;
  }
  EXPECT_EQ(from_base32("m1").error().message(), "found '1' at position 1, expected one of a-z and 2-7");
}

TEST(Id, round_trips_and_every_typing_error_is_caught) {
  AccountId id;
  SeededRandom(7, "hex_test").fill(id.span());
  const std::string shown = encode_id(id.view());
  EXPECT_TRUE(shown.starts_with("hanse1"));
  EXPECT_EQ(decode_id(shown).value(), to_bytes(id.view()));
  for (std::size_t i = 0; i < shown.size(); ++i) {
    std::string typo = shown;
    typo[i] = typo[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(decode_id(typo)) << typo;
    std::string shorter = shown;
    shorter.erase(i, 1);
    EXPECT_FALSE(decode_id(shorter)) << shorter;
  }
  std::string swapped = shown;
  swapped[10] = swapped[10] == 'a' ? 'b' : 'a';
  EXPECT_EQ(decode_id(swapped).error().id(), "codec.checksum");
  EXPECT_EQ(decode_id("hanse1aa").error().id(), "codec.checksum");
  EXPECT_EQ(decode_id("hansa1aa").error().id(), "codec.base32");
}

TEST(Crc32c, matches_rfc_3720_appendix_b_4) {
  EXPECT_EQ(crc32c(Bytes(32, 0x00)), 0x8a9136aau);
  EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43u);
  Bytes up(32);
  for (std::size_t i = 0; i < 32; ++i) up[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc32c(up), 0x46dd794eu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
}

TEST(Crc32c, sums_in_pieces) {
  Bytes data(100);
  SeededRandom(8, "hex_test").fill(data);
  for (std::size_t cut = 0; cut <= data.size(); ++cut)
    EXPECT_EQ(crc32c(ByteView(data).subspan(cut), crc32c(ByteView(data).first(cut))), crc32c(data));
}

}  // namespace
}  // namespace hanse::codec
