#include <gtest/gtest.h>

#include "base/core/bytes.h"
#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/edit_distance.h"
#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/core/text.h"
#include "base/core/units.h"

namespace hanse {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Kind::kInvalid, "core.odd", text("found {}, expected an even number", n));
  return n / 2;
}

Result<int> quarter(int n) {
  TRY(const int h, half(n));
  TRY(const int q, with_context(half(h), text("halve {} again", h)));
  return q;
}

TEST(Result, try_passes_values_and_errors_on) {
  ASSERT_TRUE(quarter(8));
  EXPECT_EQ(*quarter(8), 2);
  auto odd = quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().id(), "core.odd");
  EXPECT_EQ(odd.error().str(), "core.odd: found 3, expected an even number (while halve 3 again)");
}

TEST(Result, error_carries_code_path_and_survives_clone) {
  Error e = Error(Kind::kDenied, "core.no", "no").coded(42).at("nodes[2].gas").with("inner").with("outer");
  const Error copy = e.clone();
  const Error moved = std::move(e);
  for (const Error* each : {&copy, &moved}) {
    EXPECT_EQ(each->code(), 42u);
    EXPECT_EQ(each->path(), "nodes[2].gas");
    EXPECT_EQ(each->str(), "core.no: no at nodes[2].gas (while inner; outer)");
  }
}

TEST(Result, every_kind_has_a_name_and_an_exit_code) {
  const int exits[] = {2, 1, 1, 4, 3, 3, 1, 5, 1, 70};
  for (int i = 0; i <= static_cast<int>(Kind::kInternal); ++i) {
    const auto kind = static_cast<Kind>(i);
    Kind back{};
    ASSERT_TRUE(parse_kind(kind_name(kind), back));
    EXPECT_EQ(back, kind);
    EXPECT_EQ(exit_code(kind), exits[i]);
  }
  Kind none{};
  EXPECT_FALSE(parse_kind("nothing", none));
}

TEST(Text, formats_every_argument_type) {
  const Hash32 h{.data = {0xab, 0x01}};
  EXPECT_EQ(text("{} {} {} {} {:.2f} {}", -5, 7u, true, 'x', 1.5, "s"), "-5 7 true x 1.50 s");
  EXPECT_EQ(text("{:04x} {:>4}|{:<4}|", 255, "ab", std::string("cd")), "00ff   ab|cd  |");
  EXPECT_EQ(text("{}", h), "ab01" + std::string(60, '0'));
  EXPECT_EQ(text("{}", h.view().first(2)), "ab01");
}

TEST(TextDeathTest, a_wrong_format_string_is_a_bug) { EXPECT_DEATH((void)text("{} {}", 1), "bug: format string"); }

TEST(CheckDeathTest, names_what_and_where) {
  EXPECT_DEATH(check(1 + 1 == 3, "sums are right"), "bug: sums are right does not hold at .*core_test.cc");
}

TEST(Amount, refuses_to_wrap) {
  Amount out{9};
  EXPECT_FALSE(Amount::add(Amount{~0ull}, Amount{1}, out));
  EXPECT_FALSE(Amount::sub(Amount{1}, Amount{2}, out));
  EXPECT_EQ(out.value, 9u);
  EXPECT_TRUE(Amount::add(Amount{~0ull - 1}, Amount{1}, out));
  EXPECT_EQ(out.value, ~0ull);
  EXPECT_TRUE(Amount::sub(Amount{2}, Amount{2}, out));
  EXPECT_EQ(out.value, 0u);
}

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10 rounds).
TEST(Philox, matches_the_published_answers) {
  using A4 = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (A4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t f = 0xffffffff;
  EXPECT_EQ(philox4x32_10({f, f, f, f}, {f, f}), (A4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (A4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(SeededRandom, same_seed_and_label_repeat_and_others_differ) {
  SeededRandom a(7, "net"), b(7, "net"), other_label(7, "disk"), other_seed(8, "net");
  std::array<std::uint8_t, 100> x{}, y{}, z{}, w{};
  a.fill(x);
  b.fill(ByteSpan(y).first(33));  // chunking does not change the stream
  b.fill(ByteSpan(y).subspan(33));
  other_label.fill(z);
  other_seed.fill(w);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
  EXPECT_NE(x, w);
}

TEST(Random, below_stays_below_and_reaches_every_value) {
  SeededRandom r(1);
  std::array<int, 5> seen{};
  for (int i = 0; i < 500; ++i) ++seen.at(r.below(5));
  for (int n : seen) EXPECT_GT(n, 50);
  EXPECT_EQ(r.below(1), 0u);
}

TEST(SystemRandom, fills_long_buffers) {
  Bytes b(100'000);
  system_random().fill(b);
  EXPECT_NE(std::count(b.begin(), b.end(), 0), 100'000);
}

TEST(ManualClock, moves_only_by_hand) {
  ManualClock c(1000);
  EXPECT_EQ(c.mono_ns(), 0);
  c.advance_ns(2'500'000);
  EXPECT_EQ(c.mono_ns(), 2'500'000);
  EXPECT_EQ(c.wall_ms(), 1002);
}

TEST(SystemClock, does_not_go_back) {
  const auto a = system_clock().mono_ns();
  EXPECT_LE(a, system_clock().mono_ns());
  EXPECT_GT(system_clock().wall_ms(), 1'500'000'000'000);
}

TEST(EditDistance, counts_inserted_deleted_and_replaced_letters) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("status", "statsu"), 2u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(Bytes, endian_round_trips) {
  std::uint8_t b[8];
  store_be<std::uint64_t>(b, 0x0102030405060708ull);
  EXPECT_EQ(b[0], 1);
  EXPECT_EQ(load_be<std::uint64_t>(b), 0x0102030405060708ull);
  EXPECT_EQ(load_le<std::uint64_t>(b), 0x0807060504030201ull);
  JobId id;
  EXPECT_FALSE(JobId::from(ByteView(b), id));
}

}  // namespace
}  // namespace hanse
