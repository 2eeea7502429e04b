#include "chain/ledger/state.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"
#include "chain/ledger/app.h"
#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::ledger {
namespace {

Bytes b(std::string_view s) { return to_bytes(s); }

std::string keys(const StateReader& state, std::string_view prefix, std::string_view from = {}) {
  std::string out;
  EXPECT_TRUE(state.scan(as_bytes(prefix), as_bytes(from), [&](ByteView key, ByteView value) {
    out += text("{}={} ", as_text(key), as_text(value));
    return true;
  }));
  return out;
}

TEST(MemState, scans_a_prefix_in_byte_order_from_a_key) {
  MemState s;
  s.put(b("a/2"), b("y"));
  s.put(b("a/1"), b("x"));
  s.put(b("b/1"), b("z"));
  s.put(b("a"), b("w"));
  EXPECT_EQ(keys(s, "a/"), "a/1=x a/2=y ");
  EXPECT_EQ(keys(s, "a/", "a/2"), "a/2=y ");
  EXPECT_EQ(keys(s, "a/", "0"), "a/1=x a/2=y ");
  EXPECT_EQ(keys(s, ""), "a=w a/1=x a/2=y b/1=z ");
  s.erase(b("a/1"));
  EXPECT_FALSE(*s.get(b("a/1")));
  EXPECT_EQ(**s.get(b("a/2")), b("y"));
}

TEST(Overlay, hides_shadows_and_adds_without_touching_below) {
  MemState s;
  for (const char* key : {"k1", "k3", "k5"}) s.put(b(key), b("old"));
  Overlay o(s);
  o.put(b("k0"), b("new"));
  o.put(b("k3"), b("new"));
  o.erase(b("k5"));
  o.put(b("k9"), b("new"));
  EXPECT_EQ(keys(o, "k"), "k0=new k1=old k3=new k9=new ");
  EXPECT_EQ(keys(s, "k"), "k1=old k3=old k5=old ");
  EXPECT_FALSE(*o.get(b("k5")));
  Overlay upper(o);
  upper.erase(b("k0"));
  upper.commit_to(o);
  o.commit_to(s);
  EXPECT_EQ(keys(s, "k"), "k1=old k3=new k9=new ");
}

TEST(Overlay, stops_when_the_visitor_says_so) {
  MemState s;
  for (const char* key : {"k1", "k3"}) s.put(b(key), b("v"));
  Overlay o(s);
  o.put(b("k2"), b("v"));
  for (int stop_after = 1; stop_after <= 3; ++stop_after) {
    int visits = 0;
    ASSERT_TRUE(o.scan(b("k"), {}, [&](ByteView, ByteView) { return ++visits < stop_after; }));
    EXPECT_EQ(visits, stop_after);
  }
}

TEST(Overlay, agrees_with_a_plain_map_on_random_writes) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed);
    MemState base, expected;
    Overlay lower(base);
    Overlay upper(lower);
    State* const layers[] = {&base, &lower, &upper};
    for (int step = 0; step < 60; ++step) {
      // Written bottom up, as overlays are used: what is below does not change once something is above it.
      State& layer = *layers[step / 20];
      const Bytes key{static_cast<std::uint8_t>('a' + random.below(3)), static_cast<std::uint8_t>(random.below(4))};
      if (random.below(3) == 0) {
        layer.erase(key);
        expected.erase(key);
      } else {
        const Bytes value{static_cast<std::uint8_t>(random.below(256))};
        layer.put(key, value);
        expected.put(key, value);
      }
    }
    for (const char* prefix : {"", "a", "b", "c"}) EXPECT_EQ(keys(upper, prefix), keys(expected, prefix));
  }
}

TEST(StateDeathTest, refuses_keys_and_values_beyond_the_limit) {
  MemState s;
  s.put(Bytes(kStateKeyMax, 'k'), Bytes(kStateValueMax));
  EXPECT_DEATH(s.put(Bytes(kStateKeyMax + 1, 'k'), {}), "kStateKeyMax");
  EXPECT_DEATH(s.put({}, {}), "kStateKeyMax");
  EXPECT_DEATH(s.put(b("k"), Bytes(kStateValueMax + 1)), "kStateValueMax");
}

TEST(Overlay, takes_the_writes_of_the_one_above_which_win) {
  MemState below;
  Overlay lower(below);
  lower.put(as_bytes("a"), as_bytes("1"));
  lower.put(as_bytes("b"), as_bytes("1"));
  Overlay upper(lower);
  upper.put(as_bytes("b"), as_bytes("2"));
  upper.erase(as_bytes("a"));
  upper.put(as_bytes("c"), as_bytes("2"));
  lower.take(upper);
  EXPECT_TRUE(upper.writes().empty());
  EXPECT_FALSE(*lower.get(as_bytes("a")));
  EXPECT_EQ(as_text(**lower.get(as_bytes("b"))), "2");
  EXPECT_EQ(as_text(**lower.get(as_bytes("c"))), "2");
  EXPECT_EQ(lower.take_writes().size(), 3u);
}

TEST(Tx, its_id_is_the_hash_of_its_encoding_at_every_size) {
  for (const std::uint8_t app : {0, 23, 24, 255})
    for (const std::size_t size : {0u, 23u, 24u, 255u, 256u, 65'535u, 65'536u}) {
      const Tx tx{.app = app, .body = Bytes(size, 7)};
      EXPECT_EQ(tx_id(tx), crypto::blake3("hanse/tx/1", {encode_tx(tx)})) << size;
    }
}

}  // namespace
}  // namespace hanse::ledger
