#include "base/codec/json.h"

#include "base/core/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace hanse::codec {
namespace {

std::string why(const Result<Json>& r) { return r ? "ok" : r.error().str(); }

TEST(Json, integers_are_exact_to_the_last_bit) {
  auto j = parse_json(R"([18446744073709551615, -9223372036854775808, 9007199254740993, 0, -0])");
  ASSERT_TRUE(j) << why(j);
  EXPECT_EQ(j->items()[0].as_u64("x").value(), ~0ull);
  EXPECT_EQ(j->items()[1].as_i64("x").value(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(j->items()[2].as_u64("x").value(), 9007199254740993ull);
  EXPECT_EQ(j->dump(), "[18446744073709551615,-9223372036854775808,9007199254740993,0,0]");
}

TEST(Json, an_integer_beyond_64_bits_is_an_error_not_a_double) {
  EXPECT_EQ(why(parse_json(R"({"a":[1,18446744073709551616]})")),
            "codec.json: found the number 18446744073709551616, expected one that fits in 64 bits at a[1]");
  EXPECT_EQ(parse_json("-9223372036854775809").error().id(), "codec.json");
  EXPECT_EQ(parse_json("1e999").error().id(), "codec.json");
  EXPECT_EQ(parse_yaml("18446744073709551616").error().id(), "codec.yaml");
  EXPECT_EQ(parse_yaml("-9223372036854775809").error().id(), "codec.yaml");
  EXPECT_EQ(parse_yaml("-9223372036854775808")->as_i64("x").value(), std::numeric_limits<std::int64_t>::min());
}

TEST(Json, a_repeated_key_is_an_error) {
  EXPECT_EQ(why(parse_json(R"({"a":{"b":1,"c":2,"b":3}})")), "codec.json: found key 'b' twice at a");
  EXPECT_EQ(why(parse_json(R"({"b":1,"\u0062":3})")), "codec.json: found key 'b' twice");
  EXPECT_EQ(why(parse_yaml("a: 1\nb: 2\na: 3\n")), "codec.yaml: found key 'a' twice in line 3, column 1");
  EXPECT_EQ(why(parse_yaml("a: 1\n\"a\": 3\n")), "codec.yaml: found key 'a' twice in line 2, column 1");
}

TEST(Json, syntax_errors_say_where) {
  auto bad = parse_json("{\n  \"a\": tru\n}");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "codec.json");
  EXPECT_NE(bad.error().message().find("in line 2, column 8"), std::string_view::npos) << bad.error().str();
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":1,}", "01", "1 2", "nan", "'a'", "\"\xff\"", "\"\\ud800\"", "// c\n1"})
    EXPECT_FALSE(parse_json(text)) << text;
}

TEST(Json, typed_getters_name_found_expected_and_path) {
  auto j = parse_json(R"({"a":"x","b":-1,"c":1.5,"d":9223372036854775808,"e":true})");
  ASSERT_TRUE(j);
  EXPECT_EQ(j->find("a")->as_u64("job.a").error().str(),
            "codec.json_type: found a text, expected an unsigned integer at job.a");
  EXPECT_EQ(j->find("b")->as_u64("b").error().message(), "found a negative integer, expected an unsigned integer");
  EXPECT_EQ(j->find("c")->as_i64("c").error().message(), "found a fraction, expected a 64-bit signed integer");
  EXPECT_FALSE(j->find("d")->as_i64("d"));
  EXPECT_EQ(j->find("d")->as_u64("d").value(), 1ull << 63);
  EXPECT_EQ(j->find("c")->as_double("c").value(), 1.5);
  EXPECT_EQ(j->find("b")->as_double("b").value(), -1.0);
  EXPECT_TRUE(j->find("e")->as_bool("e").value());
  EXPECT_EQ(j->find("e")->as_text("e").error().id(), "codec.json_type");
  EXPECT_EQ(j->find("a")->as_bool("a").error().id(), "codec.json_type");
  EXPECT_EQ(j->find("a")->as_double("a").error().id(), "codec.json_type");
  EXPECT_EQ(j->find("f"), nullptr);
}

TEST(Json, keeps_order_and_dumps_what_it_reads) {
  const std::string text = R"({"z":1,"a":[true,null,"\u0001\"\\\n",-5,1.5,2.0,1e+300],"m":{}})";
  auto j = parse_json(text);
  ASSERT_TRUE(j) << why(j);
  EXPECT_EQ(j->dump(), text);
  EXPECT_EQ(parse_json(j->dump_pretty())->dump(), text);
  EXPECT_EQ(parse_json(R"({"a":[1,{}],"b":{}})")->dump_pretty(), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {}\n}");
}

TEST(Json, set_replaces_and_push_appends) {
  Json j;
  j.set("a", 1).set("b", "x").set("a", -2);
  Json list;
  list.push(1u).push(false);
  j.set("c", std::move(list));
  EXPECT_EQ(j.dump(), R"({"a":-2,"b":"x","c":[1,false]})");
}

TEST(Json, a_dump_is_always_json) {
  EXPECT_EQ(Json("a\xff"
                 "b\x7f")
                .dump(),
            "\"a\xef\xbf\xbd"
            "b\\u007f\"");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
  EXPECT_EQ(Json(1.0).dump(), "1.0");
}

TEST(Json, limits_hold_on_both_sides) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax)));
  EXPECT_FALSE(parse_json(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(parse_json(nested(200'000)));
  EXPECT_TRUE(parse_yaml(nested(kJsonDepthMax)));
  EXPECT_FALSE(parse_yaml(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(parse_yaml(nested(200'000)));

  const auto padded = [](std::size_t size) { return "1" + std::string(size - 1, ' '); };
  EXPECT_TRUE(parse_json(padded(kJsonTextMax)));
  EXPECT_FALSE(parse_json(padded(kJsonTextMax + 1)));
  EXPECT_TRUE(parse_yaml(padded(kYamlTextMax)));
  EXPECT_FALSE(parse_yaml(padded(kYamlTextMax + 1)));

  const auto values = [](std::size_t n) {  // the array is one of them
    std::string out = "[";
    for (std::size_t i = 1; i < n; ++i) out += i == 1 ? "0" : ",0";
    return out + "]";
  };
  EXPECT_TRUE(parse_json(values(kJsonValuesMax)));
  EXPECT_EQ(parse_json(values(kJsonValuesMax + 1)).error().id(), "codec.json");
}

TEST(Yaml, scalars_follow_the_core_schema) {
  auto j = parse_yaml(R"(
- null
- ~
-
- True
- FALSE
- 12
- +12
- -7
- 0x1F
- 0o17
- 1.5
- -.5
- 1e3
- yes
- 1_000
- "12"
- '~'
- 010
- a b
)");
  ASSERT_TRUE(j) << why(j);
  EXPECT_EQ(j->dump(), R"([null,null,null,true,false,12,12,-7,31,15,1.5,-0.5,1000.0,"yes","1_000","12","~",10,"a b"])");
}

TEST(Yaml, members_know_their_line) {
  auto j = parse_yaml("a: 1\nb:\n  c: 2\n  d: [1, 2]\n");
  ASSERT_TRUE(j) << why(j);
  EXPECT_EQ(j->find("a")->line(), 1u);
  EXPECT_EQ(j->find("b")->line(), 2u);
  EXPECT_EQ(j->find("b")->find("d")->line(), 4u);
  EXPECT_EQ(j->find("b")->find("d")->as_u64("b.d").error().str(),
            "codec.json_type: found an array, expected an unsigned integer in line 4 at b.d");
  EXPECT_EQ(parse_json("{\"a\":1}")->find("a")->line(), 0u);
}

TEST(Yaml, refuses_anchors_aliases_tags_and_odd_keys) {
  for (const char* text :
       {"a: &x 1\nb: *x\n", "a: &x [1]\n", "a: !!str 1\n", "a: !mine [1]\n", "? [1, 2]\n: 3\n", "a: .inf\n",
        "a: -.inf\n", "a: .nan\n", "--- 1\n--- 2\n", "a: [1\n", "\ta: 1\n", "a: b: c\n", "*x", "a: \"\xff\"\n"}) {
    auto r = parse_yaml(text);
    ASSERT_FALSE(r) << text << r->dump();
    EXPECT_EQ(r.error().id(), "codec.yaml") << text;
  }
  EXPECT_EQ(why(parse_yaml("a: 1\nb: &x 2\n")), "codec.yaml: found an anchor in line 2, column 4");
}

TEST(Yaml, an_empty_document_is_null_and_json_is_yaml) {
  EXPECT_TRUE(parse_yaml("")->is_null());
  EXPECT_TRUE(parse_yaml("# only a comment\n")->is_null());
  EXPECT_EQ(parse_yaml(R"({"a": [1, "x", {"b": null}]})")->dump(), R"({"a":[1,"x",{"b":null}]})");
}

}  // namespace
}  // namespace hanse::codec
