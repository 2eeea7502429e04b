#include "base/codec/cbor.h"

#include "base/codec/hex.h"
#include "base/core/random.h"
#include "base/core/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace hanse::codec {
namespace {

Bytes hex(std::string_view h) { return from_hex(h).value(); }

std::string why(const Status& s) { return s ? "ok" : std::string(s.error().id()); }
template <class T>
std::string why(const Result<T>& r) {
  return r ? "ok" : std::string(r.error().id());
}

TEST(CborWriter, writes_the_shortest_form_at_every_boundary) {
  const std::pair<std::uint64_t, const char*> known[] = {{0, "00"},
                                                         {23, "17"},
                                                         {24, "1818"},
                                                         {255, "18ff"},
                                                         {256, "190100"},
                                                         {65535, "19ffff"},
                                                         {65536, "1a00010000"},
                                                         {0xffffffff, "1affffffff"},
                                                         {0x100000000, "1b0000000100000000"},
                                                         {~0ull, "1bffffffffffffffff"}};
  for (const auto& [v, h] : known) {
    CborWriter w;
    w.u64(v);
    EXPECT_EQ(to_hex(w.take()), h);
    const Bytes b = hex(h);
    CborReader r(b);
    EXPECT_EQ(r.u64("v").value(), v);
    EXPECT_TRUE(r.finish());
  }
}

TEST(CborWriter, writes_negative_integers) {
  const std::pair<std::int64_t, const char*> known[] = {
      {-1, "20"},
      {-24, "37"},
      {-25, "3818"},
      {-256, "38ff"},
      {-257, "390100"},
      {1, "01"},
      {std::numeric_limits<std::int64_t>::min(), "3b7fffffffffffffff"},
      {std::numeric_limits<std::int64_t>::max(), "1b7fffffffffffffff"}};
  for (const auto& [v, h] : known) {
    CborWriter w;
    w.i64(v);
    EXPECT_EQ(to_hex(w.take()), h);
    const Bytes b = hex(h);
    CborReader r(b);
    EXPECT_EQ(r.i64("v").value(), v);
  }
}

// {0: 7, 1: [true, h'01', "a"], 9: {}}
Bytes sample() {
  CborWriter w;
  w.map(3);
  w.key(0);
  w.u64(7);
  w.key(1);
  w.array(3);
  w.boolean(true);
  w.bytes(Bytes{1});
  w.text("a");
  w.key(9);
  w.map(0);
  return w.take();
}

TEST(CborReader, reads_what_the_writer_wrote) {
  const Bytes b = sample();
  EXPECT_EQ(to_hex(b),
            "a30007"
            "0183f541016161"
            "09a0");
  CborReader r(b);
  ASSERT_TRUE(r.enter_map("doc", 3));
  EXPECT_EQ(r.left(), 3u);
  EXPECT_EQ(r.key().value(), 0u);
  EXPECT_EQ(r.u64("seven", 7).value(), 7u);
  EXPECT_EQ(r.key().value(), 1u);
  ASSERT_TRUE(r.enter_array("list", 3));
  EXPECT_TRUE(r.boolean("flag").value());
  EXPECT_TRUE(r.next_is_bytes());
  EXPECT_EQ(r.bytes("blob", 1)->size(), 1u);
  EXPECT_FALSE(r.next_is_bytes());
  EXPECT_TRUE(r.more());
  EXPECT_EQ(r.text("name", 1).value(), "a");
  EXPECT_FALSE(r.more());
  ASSERT_TRUE(r.leave());
  EXPECT_EQ(r.key().value(), 9u);
  ASSERT_TRUE(r.enter_map("empty", 0));
  ASSERT_TRUE(r.leave());
  ASSERT_TRUE(r.leave());
  EXPECT_TRUE(r.finish());
  EXPECT_EQ(r.offset(), b.size());
}

TEST(CborReader, every_cut_of_a_document_is_truncated) {
  const Bytes b = sample();
  for (std::size_t n = 0; n < b.size(); ++n)
    EXPECT_EQ(why(check_canonical(ByteView(b).first(n))), "codec.truncated") << n;
}

TEST(CborReader, refuses_numbers_that_fit_in_fewer_bytes) {
  for (const char* h : {"1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800", "7800", "9800", "b800",
                        "580101", "78016b", "980100", "b8010000"}) {
    const Bytes b = hex(h);
    EXPECT_EQ(why(check_canonical(b)), "codec.noncanonical") << h;
  }
  const Bytes long_number = hex("1900ff");
  EXPECT_EQ(why(CborReader(long_number).u64("v")), "codec.noncanonical");
}

TEST(CborReader, refuses_indefinite_lengths_and_reserved_heads) {
  for (const char* h : {"5f4101ff", "7f6161ff", "9fff", "bfff", "ff", "1c", "1d", "1e", "1f", "5c", "9d", "be", "3f"}) {
    const Bytes b = hex(h);
    EXPECT_EQ(why(check_canonical(b)), "codec.noncanonical") << h;
  }
  const Bytes list = hex("9fff"), text_parts = hex("7f6161ff"), lone = hex("ff");
  EXPECT_EQ(why(CborReader(list).u64("v")), "codec.noncanonical");
  EXPECT_EQ(why(CborReader(list).enter_array("v", 5)), "codec.noncanonical");
  EXPECT_EQ(why(CborReader(text_parts).text("v", 5)), "codec.noncanonical");
  EXPECT_EQ(why(CborReader(lone).boolean("v")), "codec.noncanonical");
}

TEST(CborReader, refuses_tags_floats_null_and_other_simple_values) {
  for (const char* h : {"c000", "d81800", "f6", "f7", "f0", "f818", "f8ff", "f90000", "fa00000000",
                        "fb0000000000000000", "fc", "81f6", "a100f6", "a1f500"}) {
    const Bytes b = hex(h);
    EXPECT_EQ(why(check_canonical(b)), "codec.type") << h;
  }
}

TEST(CborReader, each_getter_names_what_it_found_instead) {
  const std::pair<const char*, const char*> found[] = {
      {"20", "found a negative integer, expected an unsigned integer at byte 0"},
      {"40", "found a byte string, expected an unsigned integer at byte 0"},
      {"60", "found a text, expected an unsigned integer at byte 0"},
      {"80", "found an array, expected an unsigned integer at byte 0"},
      {"a0", "found a map, expected an unsigned integer at byte 0"},
      {"c0", "found a tag, expected an unsigned integer at byte 0"},
      {"f4", "found a boolean, expected an unsigned integer at byte 0"},
      {"f6", "found a simple value, expected an unsigned integer at byte 0"},
      {"f9", "found a float, expected an unsigned integer at byte 0"}};
  for (const auto& [h, message] : found) {
    const Bytes b = hex(h);
    auto v = CborReader(b).u64("v");
    ASSERT_FALSE(v);
    EXPECT_EQ(v.error().message(), message);
    EXPECT_EQ(v.error().path(), "v");
  }
  const Bytes one = hex("01");
  EXPECT_EQ(why(CborReader(one).boolean("v")), "codec.type");
  EXPECT_EQ(why(CborReader(one).bytes("v", 9)), "codec.type");
  EXPECT_EQ(why(CborReader(one).text("v", 9)), "codec.type");
  EXPECT_EQ(why(CborReader(one).enter_array("v", 9)), "codec.type");
  EXPECT_EQ(why(CborReader(one).enter_map("v", 9)), "codec.type");
  const Bytes text_one = hex("6161");
  EXPECT_EQ(why(CborReader(text_one).i64("v")), "codec.type");
}

TEST(CborReader, holds_ranges_on_both_sides) {
  const Bytes v256 = hex("190100");
  EXPECT_TRUE(CborReader(v256).u64("v", 256));
  EXPECT_EQ(CborReader(v256).u64("v", 255).error().str(), "codec.type: found 256, expected at most 255 at v");
  const Bytes above = hex("1b8000000000000000"), below = hex("3b8000000000000000");
  EXPECT_EQ(why(CborReader(above).i64("v")), "codec.type");
  EXPECT_EQ(why(CborReader(below).i64("v")), "codec.type");
  EXPECT_EQ(why(check_canonical(above)), "ok");
  EXPECT_EQ(why(check_canonical(below)), "codec.type");
}

TEST(CborReader, holds_size_limits_on_both_sides) {
  const Bytes three = hex("43010203"), word = hex("63616263"), list = hex("83010203"), dict = hex("a200000100");
  EXPECT_TRUE(CborReader(three).bytes("v", 3));
  EXPECT_EQ(why(CborReader(three).bytes("v", 2)), "codec.too_large");
  EXPECT_TRUE(CborReader(word).text("v", 3));
  EXPECT_EQ(why(CborReader(word).text("v", 2)), "codec.too_large");
  EXPECT_TRUE(CborReader(list).enter_array("v", 3));
  EXPECT_EQ(why(CborReader(list).enter_array("v", 2)), "codec.too_large");
  EXPECT_TRUE(CborReader(dict).enter_map("v", 2));
  EXPECT_EQ(why(CborReader(dict).enter_map("v", 1)), "codec.too_large");
  EXPECT_TRUE(check_canonical(list, {.size_max = 4}));
  EXPECT_EQ(why(check_canonical(list, {.size_max = 3})), "codec.too_large");
  FixedBytes<3> fixed;
  FixedBytes<4> longer;
  EXPECT_TRUE(CborReader(three).fixed("v", fixed));
  EXPECT_EQ(fixed.data[2], 3);
  EXPECT_EQ(CborReader(three).fixed("v", longer).error().str(), "codec.type: found 3 bytes, expected 4 at v");
}

TEST(CborReader, the_default_limits_are_64_kib_and_depth_8) {
  CborWriter fits, over;
  fits.bytes(Bytes(64 * 1024 - 3));
  over.bytes(Bytes(64 * 1024 - 2));
  EXPECT_TRUE(check_canonical(fits.take()));
  EXPECT_EQ(why(check_canonical(over.take())), "codec.too_large");
  EXPECT_TRUE(check_canonical(hex("818181818181818100")));
  EXPECT_EQ(why(check_canonical(hex("81818181818181818100"))), "codec.depth");
  EXPECT_TRUE(check_canonical(hex("a100a100a100a100a100a100a100a10000")));
  EXPECT_EQ(why(check_canonical(hex("a100a100a100a100a100a100a100a100a10000"))), "codec.depth");
}

TEST(CborReader, entering_counts_towards_the_depth_as_raw_does) {
  const Bytes deep = hex("8181818100");
  const CborLimits three{.depth_max = 3};
  CborReader enter(deep, three);
  ASSERT_TRUE(enter.enter_array("a", 1));
  ASSERT_TRUE(enter.enter_array("b", 1));
  ASSERT_TRUE(enter.enter_array("c", 1));
  EXPECT_EQ(why(enter.enter_array("d", 1)), "codec.depth");
  CborReader raw(deep, three);
  ASSERT_TRUE(raw.enter_array("a", 1));
  EXPECT_EQ(why(raw.raw("b")), "codec.depth");
  CborReader enough(deep, {.depth_max = 4});
  ASSERT_TRUE(enough.enter_array("a", 1));
  EXPECT_EQ(enough.raw("b")->size(), 4u);
}

TEST(CborReader, nesting_of_two_hundred_thousand_is_refused_without_recursion) {
  for (const std::uint8_t head : {0x81, 0xa1, 0xc0}) {
    const Bytes bomb(200'000, head);
    const CborLimits limits{.size_max = 1 << 20};
    EXPECT_FALSE(check_canonical(bomb, limits));
  }
  Bytes arrays(200'000, 0x81);
  arrays.push_back(0);
  EXPECT_EQ(why(check_canonical(arrays, {.size_max = 1 << 20})), "codec.depth");
  EXPECT_EQ(why(check_canonical(arrays, {.size_max = 1 << 20, .depth_max = 199'999})), "codec.depth");
  EXPECT_EQ(why(check_canonical(arrays, {.size_max = 1 << 20, .depth_max = 200'000})), "ok");
}

TEST(CborReader, a_count_the_input_cannot_hold_is_refused_at_once) {
  const Bytes list = hex("9bffffffffffffffff"), dict = hex("bbffffffffffffffff"), blob = hex("5bffffffffffffffff00");
  EXPECT_EQ(why(CborReader(list).enter_array("v", ~0ull)), "codec.truncated");
  EXPECT_EQ(why(CborReader(dict).enter_map("v", ~0ull)), "codec.truncated");
  EXPECT_EQ(why(CborReader(blob).bytes("v", ~0ull)), "codec.truncated");
  EXPECT_EQ(why(check_canonical(list)), "codec.truncated");
  EXPECT_EQ(why(check_canonical(dict)), "codec.truncated");
  EXPECT_EQ(why(check_canonical(blob)), "codec.truncated");
}

TEST(CborReader, map_keys_ascend) {
  EXPECT_EQ(why(check_canonical(hex("a201000200"))), "ok");
  EXPECT_EQ(why(check_canonical(hex("a202000100"))), "codec.noncanonical");
  EXPECT_EQ(why(check_canonical(hex("a201000100"))), "codec.dupkey");
  EXPECT_EQ(why(check_canonical(hex("a1610000"))), "codec.type");
  EXPECT_EQ(why(check_canonical(hex("a12000"))), "codec.type");
  const auto second_key = [](std::string_view h) {
    const Bytes b = hex(h);
    CborReader r(b);
    EXPECT_TRUE(r.enter_map("m", 2));
    EXPECT_TRUE(r.key());
    EXPECT_TRUE(r.u64("v"));
    return why(r.key());
  };
  EXPECT_EQ(second_key("a201000200"), "ok");
  EXPECT_EQ(second_key("a202000100"), "codec.noncanonical");
  EXPECT_EQ(second_key("a201000100"), "codec.dupkey");
  EXPECT_EQ(second_key("a201006100"), "codec.type");
  EXPECT_EQ(second_key("a20100180100"), "codec.noncanonical");
}

TEST(CborReader, text_is_utf8) {
  for (const char* h :
       {"61c3", "61ff", "62c080", "63e08080", "63eda080", "64f4908080", "64f0808080", "62c328", "62e282"}) {
    const Bytes b = hex(h);
    EXPECT_EQ(why(CborReader(b).text("v", 9)), "codec.utf8") << h;
    EXPECT_EQ(why(check_canonical(b)), "codec.utf8") << h;
  }
  for (const char* h : {"62c3bc", "63e282ac", "64f0908080", "63ed9fbf", "64f48fbfbf", "6a6162636465666768c3bc"}) {
    const Bytes b = hex(h);
    EXPECT_EQ(why(CborReader(b).text("v", 20)), "ok") << h;
    EXPECT_EQ(why(check_canonical(b)), "ok") << h;
  }
}

TEST(CborReader, paths_name_the_item) {
  // {3: [{}, {2: {0: "x", 5: 1}}]}
  const Bytes b = hex("a10382a0a102a20061780501");
  CborReader r(b);
  ASSERT_TRUE(r.enter_map("job", 9));
  EXPECT_EQ(r.path(), "job");
  ASSERT_TRUE(r.key());
  ASSERT_TRUE(r.enter_array("nodes", 9));
  EXPECT_EQ(r.path(), "nodes");
  ASSERT_TRUE(r.enter_map("node", 9));
  EXPECT_EQ(r.path(), "nodes[0]");
  EXPECT_EQ(r.key().error().id(), "codec.missing");
  ASSERT_TRUE(r.leave());
  ASSERT_TRUE(r.enter_map("node", 9));
  ASSERT_TRUE(r.key());
  ASSERT_TRUE(r.enter_map("limits", 9));
  EXPECT_EQ(r.path(), "nodes[1].limits");
  ASSERT_TRUE(r.key());
  auto gas = r.u64("gas");
  ASSERT_FALSE(gas);
  EXPECT_EQ(gas.error().path(), "nodes[1].limits.gas");
  EXPECT_EQ(r.fail_here("codec.type", "zero").error().str(), "codec.type: zero at nodes[1].limits.gas");
}

TEST(CborReader, a_missing_field_is_named_under_its_map) {
  const Bytes b = hex("a100a10001");
  CborReader r(b);
  ASSERT_TRUE(r.enter_map("job", 1));
  ASSERT_TRUE(r.key());
  ASSERT_TRUE(r.enter_map("sig", 1));
  ASSERT_TRUE(r.key());
  ASSERT_TRUE(r.u64("alg"));
  EXPECT_EQ(r.fail_missing("bytes").error().str(), "codec.missing: found no field bytes at sig.bytes");
  ASSERT_TRUE(r.leave());
  EXPECT_EQ(r.fail_missing("nonce").error().path(), "nonce");
}

TEST(CborReader, too_few_and_too_many_items_are_told_apart) {
  const Bytes b = hex("820102");
  CborReader few(b);
  ASSERT_TRUE(few.enter_array("edge", 4));
  ASSERT_TRUE(few.u64("from"));
  ASSERT_TRUE(few.u64("to"));
  auto third = few.u64("port");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().str(), "codec.missing: found 2 items, expected one more: port at edge");
  CborReader many(b);
  ASSERT_TRUE(many.enter_array("edge", 4));
  ASSERT_TRUE(many.u64("from"));
  EXPECT_EQ(many.leave().error().str(), "codec.type: found 2 items, expected 1 at edge");
}

TEST(CborReader, bytes_after_the_end_are_refused) {
  const Bytes b = hex("0100");
  CborReader r(b);
  ASSERT_TRUE(r.u64("v"));
  EXPECT_EQ(r.finish().error().str(), "codec.trailing: found 1 bytes after the end at byte 1");
  EXPECT_EQ(why(check_canonical(b)), "codec.trailing");
  EXPECT_EQ(why(check_canonical({})), "codec.truncated");
}

void write_keys_out_of_order() {
  CborWriter w;
  w.map(2);
  w.key(1);
  w.u64(0);
  w.key(1);
}
void take_a_half_filled_array() {
  CborWriter w;
  w.array(1);
  (void)w.take();
}
void write_a_value_without_its_key() {
  CborWriter w;
  w.map(1);
  w.u64(1);
}
void write_text_that_is_not_utf8() {
  CborWriter w;
  w.text("\xff");
}
void read_a_key_in_an_array() {
  const Bytes b = hex("8101");
  CborReader r(b);
  (void)r.enter_array("a", 1);
  (void)r.key();
}

TEST(CborDeathTest, a_wrong_call_order_is_a_bug) {
  EXPECT_DEATH(write_keys_out_of_order(), "ascending");
  EXPECT_DEATH(take_a_half_filled_array(), "filled");
  EXPECT_DEATH(write_a_value_without_its_key(), "follows its key");
  EXPECT_DEATH(write_text_that_is_not_utf8(), "UTF-8");
  EXPECT_DEATH(read_a_key_in_an_array(), "where a map has one");
}

}  // namespace
}  // namespace hanse::codec
