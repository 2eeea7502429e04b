#include "mesh/transport/address.h"

#include <gtest/gtest.h>

namespace hanse::transport {
namespace {

TEST(Address, reads_and_writes_numeric_addresses) {
  for (const char* words : {"192.0.2.7:12000", "[2001:db8::7]:1", "127.0.0.1:0", "[::1]:65535"}) {
    const auto address = parse_address(words);
    ASSERT_TRUE(address) << words;
    EXPECT_EQ(address_text(*address), words);
  }
  EXPECT_TRUE(parse_address("192.0.2.7:1")->is_v4());
  EXPECT_FALSE(parse_address("[::1]:1")->is_v4());
}

TEST(Address, refuses_names_and_what_is_cut_or_too_much) {
  for (const char* words : {"", ":", "localhost:1", "192.0.2.7", "192.0.2:1", "192.0.2.7:65536", "192.0.2.7:1x",
                            "[::1:1", "::1:1x", "[2001:db8::7]", "192.0.2.7:", "192.0.2.7:-1"}) {
    const auto address = parse_address(words);
    ASSERT_FALSE(address) << words;
    EXPECT_EQ(address.error().id(), "transport.address");
  }
}

}  // namespace
}  // namespace hanse::transport
