#include <gtest/gtest.h>

#include "sim/check/linear.h"

namespace hanse::sim {
namespace {

Op read(std::uint64_t answer, std::int64_t from, std::int64_t to) {
  return {.key = 1, .kind = OpKind::kRead, .answer = answer, .call_ns = from, .answer_ns = to};
}
Op append(std::uint64_t arg, std::uint64_t answer, std::int64_t from, std::int64_t to) {
  return {.key = 1, .kind = OpKind::kAppend, .arg = arg, .answer = answer, .call_ns = from, .answer_ns = to};
}
Op cas(std::uint64_t expected, std::uint64_t arg, bool won, std::int64_t from, std::int64_t to) {
  return {.key = 1,
          .kind = OpKind::kCas,
          .arg = arg,
          .expected = expected,
          .answer = won,
          .call_ns = from,
          .answer_ns = to};
}
bool good(const std::vector<Op>& ops) { return check_history(ops).value().empty(); }

const std::uint64_t kA = append_value(0, 7), kB = append_value(0, 9), kAb = append_value(kA, 9);

TEST(Linear, accepts_one_after_the_other) {
  EXPECT_TRUE(good({}));
  EXPECT_TRUE(good({append(7, kA, 0, 1), read(kA, 2, 3), append(9, kAb, 4, 5), read(kAb, 6, 7)}));
}

TEST(Linear, accepts_overlap_in_the_order_that_fits) {
  EXPECT_TRUE(good({append(9, kAb, 0, 10), append(7, kA, 1, 9), read(kA, 2, 8)}));
  EXPECT_TRUE(good({cas(0, 5, true, 0, 10), cas(0, 6, false, 0, 10), read(5, 0, 10), read(0, 0, 10)}));
}

TEST(Linear, refuses_a_stale_read) { EXPECT_FALSE(good({append(7, kA, 0, 1), read(0, 2, 3)})); }

TEST(Linear, refuses_a_read_that_goes_back) {
  EXPECT_FALSE(good({append(7, kA, 0, 10), read(kA, 1, 2), read(0, 3, 4)}));
}

TEST(Linear, refuses_a_value_nobody_wrote) { EXPECT_FALSE(good({append(7, kA, 0, 1), read(kB, 2, 3)})); }

TEST(Linear, refuses_two_winners) { EXPECT_FALSE(good({cas(0, 5, true, 0, 10), cas(0, 6, true, 0, 10)})); }

TEST(Linear, refuses_a_double_append) { EXPECT_FALSE(good({append(7, kA, 0, 1), read(append_value(kA, 7), 2, 3)})); }

TEST(Linear, lets_an_unanswered_operation_happen_late_or_never) {
  EXPECT_TRUE(good({append(7, 0, 0, kNoAnswer), read(0, 5, 6)}));
  EXPECT_TRUE(good({append(7, 0, 0, kNoAnswer), read(0, 5, 6), read(kA, 7, 8)}));
  EXPECT_FALSE(good({append(7, 0, 0, kNoAnswer), read(kA, 5, 6), read(0, 7, 8)}));
}

TEST(Linear, keeps_keys_apart) {
  Op other = read(0, 2, 3);
  other.key = 2;
  EXPECT_TRUE(good({append(7, kA, 0, 1), other}));
}

TEST(Linear, refuses_more_than_its_limit) {
  std::vector<Op> ops(kOpsPerKeyMax, read(0, 0, 1));
  EXPECT_TRUE(check_history(ops).has_value());
  ops.push_back(read(0, 0, 1));
  EXPECT_EQ(check_history(ops).error().id(), "check.history");
}

TEST(Linear, long_histories_of_many_clients_are_quick) {
  std::vector<Op> ops;
  std::uint64_t value = 0;
  for (int i = 0; i < 400; ++i) {
    value = append_value(value, static_cast<std::uint64_t>(i));
    ops.push_back(append(static_cast<std::uint64_t>(i), value, i * 10 - 35, i * 10 + 5));
  }
  EXPECT_TRUE(good(ops));
  ops[200].answer ^= 1;
  EXPECT_FALSE(good(ops));
}

}  // namespace
}  // namespace hanse::sim
