#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/random.h"
#include "base/core/text.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace hanse::codec {
namespace {

// A value of the profile, as its reader sees it.
struct Value {
  enum class Type : std::uint8_t { kUint, kNegative, kBytes, kText, kBool, kArray, kMap } type = Type::kUint;
  std::uint64_t u = 0;
  std::int64_t i = 0;
  Bytes bytes;
  std::vector<Value> items;
  std::map<std::uint64_t, Value> entries;
  bool operator==(const Value&) const = default;
};

Value random_value(Random& random, int depth) {
  Value v;
  v.type = static_cast<Value::Type>(random.below(depth == 0 ? 5 : 7));
  const std::size_t size = random.below(random.below(8) == 0 ? 300 : 6);
  switch (v.type) {
    case Value::Type::kUint: v.u = random.next_u64() >> random.below(64); break;
    case Value::Type::kNegative:
      v.i = -1 - static_cast<std::int64_t>(random.next_u64() >> (1 + random.below(63)));
      break;
    case Value::Type::kBytes:
      v.bytes.resize(size);
      random.fill(v.bytes);
      break;
    case Value::Type::kText:
      for (std::size_t n = 0; n < size; ++n) append(v.bytes, as_bytes(random.below(3) == 0 ? "\xc3\xbc" : "k"));
      break;
    case Value::Type::kBool: v.u = random.below(2); break;
    case Value::Type::kArray:
      for (std::size_t n = 0; n < size % 7; ++n) v.items.push_back(random_value(random, depth - 1));
      break;
    case Value::Type::kMap:
      for (std::size_t n = 0; n < size % 7; ++n)
        v.entries[random.next_u64() >> random.below(64)] = random_value(random, depth - 1);
      break;
  }
  return v;
}

void write(CborWriter& w, const Value& v) {
  switch (v.type) {
    case Value::Type::kUint: return w.u64(v.u);
    case Value::Type::kNegative: return w.i64(v.i);
    case Value::Type::kBytes: return w.bytes(v.bytes);
    case Value::Type::kText: return w.text(as_text(v.bytes));
    case Value::Type::kBool: return w.boolean(v.u != 0);
    case Value::Type::kArray:
      w.array(v.items.size());
      for (const Value& each : v.items) write(w, each);
      return;
    case Value::Type::kMap:
      w.map(v.entries.size());
      for (const auto& [k, each] : v.entries) {
        w.key(k);
        write(w, each);
      }
  }
}

// Reads any item by its first byte, through the public getters.
Result<Value> read(CborReader& r, ByteView in) {
  Value v;
  const std::uint8_t major = r.offset() < in.size() ? in[r.offset()] >> 5 : 0;
  switch (major) {
    case 0: {
      TRY(v.u, r.u64("u"));
      return v;
    }
    case 1: {
      v.type = Value::Type::kNegative;
      TRY(v.i, r.i64("i"));
      return v;
    }
    case 2: {
      v.type = Value::Type::kBytes;
      TRY(const ByteView b, r.bytes("b", in.size()));
      v.bytes = to_bytes(b);
      return v;
    }
    case 3: {
      v.type = Value::Type::kText;
      TRY(const std::string_view s, r.text("t", in.size()));
      v.bytes = to_bytes(s);
      return v;
    }
    case 4: {
      v.type = Value::Type::kArray;
      TRY_OK(r.enter_array("a", in.size()));
      while (r.more()) {
        TRY(Value each, read(r, in));
        v.items.push_back(std::move(each));
      }
      TRY_OK(r.leave());
      return v;
    }
    case 5: {
      v.type = Value::Type::kMap;
      TRY_OK(r.enter_map("m", in.size()));
      while (r.more()) {
        TRY(const std::uint64_t k, r.key());
        TRY(Value each, read(r, in));
        v.entries.emplace(k, std::move(each));
      }
      TRY_OK(r.leave());
      return v;
    }
    default: {
      v.type = Value::Type::kBool;
      TRY(const bool b, r.boolean("f"));
      v.u = b;
      return v;
    }
  }
}

Result<Value> read_all(ByteView in) {
  CborReader r(in);
  TRY(Value v, read(r, in));
  TRY_OK(r.finish());
  return v;
}

Bytes encoded(const Value& v) {
  CborWriter w;
  write(w, v);
  return w.take();
}

TEST(CborProperty, random_values_round_trip) {
  const std::uint64_t seed = 20;
  SeededRandom random(seed, "cbor_property");
  for (int round = 0; round < 3000; ++round) {
    const Value v = random_value(random, 5);
    const Bytes b = encoded(v);
    if (b.size() > CborLimits{}.size_max) continue;
    ASSERT_TRUE(check_canonical(b)) << "seed " << seed << " round " << round << " " << to_hex(b);
    auto back = read_all(b);
    ASSERT_TRUE(back) << "seed " << seed << " round " << round << " " << back.error().str();
    ASSERT_EQ(*back, v) << "seed " << seed << " round " << round;
  }
}

TEST(CborProperty, a_flipped_bit_is_refused_or_is_the_one_encoding_of_another_value) {
  const std::uint64_t seed = 21;
  SeededRandom random(seed, "cbor_property");
  std::size_t refused = 0, other = 0;
  for (int round = 0; round < 300; ++round) {
    const Value v = random_value(random, 4);
    Bytes b = encoded(v);
    if (b.size() > 400) continue;
    for (std::size_t bit = 0; bit < b.size() * 8; ++bit) {
      const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
      b[bit / 8] ^= mask;
      const auto back = read_all(b);
      ASSERT_EQ(back.has_value(), check_canonical(b).has_value()) << "seed " << seed << " " << to_hex(b);
      if (back) {
        ASSERT_NE(*back, v) << "seed " << seed << " two encodings of one value: " << to_hex(b);
        ASSERT_EQ(encoded(*back), b) << "seed " << seed;
        ++other;
      } else {
        ++refused;
      }
      b[bit / 8] ^= mask;
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(other, 1000u);
}

std::filesystem::path vectors() {
  const char* set = std::getenv("HANSE_VECTORS");
  return set != nullptr ? std::filesystem::path(set) : std::filesystem::path("../shared/vectors");
}

// The profile leaves out tags, floats, null, undefined, simple values, indefinite lengths, keys that are not unsigned
// integers and integers outside u64 and i64; the rest of RFC 8949's appendix A must be accepted.
TEST(CborVectors, appendix_a_is_accepted_exactly_within_the_profile) {
  const auto file = vectors() / "cbor/appendix_a.json";
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::printf("skipped: %s is absent, so RFC 8949's appendix A was not checked\n", file.c_str());
    return;
  }
  const std::string text_of_file{std::istreambuf_iterator<char>(in), {}};
  auto parsed = parse_json(text_of_file);
  if (!parsed) {
    // The file holds two integers of 65 bits as JSON numbers; as fractions they do not matter here.
    std::string softened = text_of_file;
    for (const std::string_view big : {"-18446744073709551617", "-18446744073709551616", "18446744073709551616"})
      for (std::size_t at; (at = softened.find(big)) != std::string::npos;) softened.replace(at, big.size(), "0.5");
    parsed = parse_json(softened);
  }
  ASSERT_TRUE(parsed) << parsed.error().str();
  ASSERT_GE(parsed->items().size(), 80u);
  std::size_t accepted = 0;
  for (const Json& each : parsed->items()) {
    const std::string h(each.find("hex")->as_text("hex").value());
    const Bytes b = from_hex(h).value();
    const std::uint8_t major = b[0] >> 5;
    const bool simple = h.starts_with("f") && h != "f4" && h != "f5";
    const bool indefinite = major >= 2 && major <= 5 && (b[0] & 31) == 31;
    const bool inside = h == "826161bf61626163ff" || h.starts_with("a26161") || h.starts_with("a56161") ||
                        h == "826161a161626163" || (major == 4 && h.find("9f") != std::string::npos);
    const bool expected = !simple && !indefinite && !inside && major != 6 && h != "3bffffffffffffffff";
    EXPECT_EQ(check_canonical(b).has_value(), expected) << h;
    if (!expected) continue;
    ++accepted;
    auto v = read_all(b);
    ASSERT_TRUE(v) << h << " " << v.error().str();
    EXPECT_EQ(encoded(*v), b) << h;
    const Json* decoded = each.find("decoded");
    if (decoded != nullptr && v->type == Value::Type::kUint) {
      EXPECT_EQ(decoded->as_u64(h).value(), v->u);
    }
    if (decoded != nullptr && v->type == Value::Type::kNegative) {
      EXPECT_EQ(decoded->as_i64(h).value(), v->i);
    }
    if (decoded != nullptr && v->type == Value::Type::kText) {
      EXPECT_EQ(decoded->as_text(h).value(), as_text(v->bytes));
    }
  }
  EXPECT_EQ(accepted, 32u);
}

}  // namespace
}  // namespace hanse::codec
