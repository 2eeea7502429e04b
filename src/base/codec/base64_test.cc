#include "base/codec/base64.h"

#include <gtest/gtest.h>

#include <set>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::codec {
namespace {

TEST(Base64, says_what_rfc4648_says) {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"},
                                                      {"\xfb\xff\xbf", "+/+/"}};
  for (const auto& [bytes, shown] : rows) {
    EXPECT_EQ(to_base64(as_bytes(bytes)), shown);
    EXPECT_EQ(from_base64(shown).value(), to_bytes(as_bytes(bytes)));
  }
}

TEST(Base64, reads_what_it_writes_and_nothing_else_for_it) {
  SeededRandom random(5, "base64");
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes bytes(size);
    random.fill(bytes);
    const std::string shown = to_base64(bytes);
    ASSERT_EQ(from_base64(shown).value(), bytes);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      for (const char c : {'A', '/', '=', ' ', '-', '\n'}) {
        std::string other = shown;
        other[i] = c;
        const auto read = from_base64(other);
        if (read) {
          EXPECT_EQ(to_base64(*read), other);
        }
      }
    }
  }
}

TEST(Base64, refuses_other_lengths_alphabets_padding_and_spare_bits) {
  for (const char* bad :
       {"A", "AA", "AAA", "AA==AA==", "A===", "====", "AA=A", "AA\n=", "AA-_", "Zh==", "Zm9=", "QUI "}) {
    const auto read = from_base64(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().id(), "codec.base64") << bad;
  }
}

}  // namespace
}  // namespace hanse::codec
