#include "mesh/portmap/lease.h"

#include <gtest/gtest.h>

namespace hanse::portmap {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const Mapping kMapping{Protocol::kPcp, "11.0.0.1", 12000, 7200};

TEST(Lease, is_renewed_at_half_of_its_life_and_at_half_of_what_is_left) {
  Lease lease(5);
  EXPECT_EQ(lease.due_ns(), 5);
  lease.granted(kMapping, 0);
  EXPECT_EQ(lease.due_ns(), 3600 * kSecond);
  lease.failed(3600 * kSecond);
  EXPECT_EQ(lease.due_ns(), 5400 * kSecond);
  lease.failed(5400 * kSecond);
  EXPECT_EQ(lease.due_ns(), 6300 * kSecond);
  lease.granted(kMapping, 6300 * kSecond);
  EXPECT_EQ(lease.due_ns(), 9900 * kSecond);
  EXPECT_EQ(lease.renewals(), 1u);
}

TEST(Lease, lasts_until_its_end_and_no_longer) {
  Lease lease(0);
  lease.granted(kMapping, 0);
  int attempts = 0;
  while (lease.mapping()) {
    ASSERT_LT(++attempts, 40);
    EXPECT_LE(lease.due_ns(), 7201 * kSecond);
    const std::int64_t now = lease.due_ns();
    lease.failed(now);
    EXPECT_GE(lease.due_ns() - now, kAttemptGapNs);
    EXPECT_EQ(lease.mapping().has_value(), now < 7200 * kSecond);
  }
  EXPECT_GT(attempts, 10);
}

TEST(Lease, without_a_router_it_is_asked_for_ever_more_rarely) {
  Lease lease(0);
  std::int64_t now = 0;
  for (const std::int64_t minutes : {1, 2, 4, 8, 16, 32, 60, 60}) {
    lease.failed(now);
    EXPECT_EQ(lease.due_ns() - now, minutes * 60 * kSecond);
    now = lease.due_ns();
  }
  lease.granted(kMapping, now);
  lease.failed(now + 7200 * kSecond);
  EXPECT_FALSE(lease.mapping());
  EXPECT_EQ(lease.due_ns(), now + 7260 * kSecond);
}

TEST(Lease, very_short_and_very_long_lives_have_bounds) {
  Lease lease(0);
  lease.granted({Protocol::kPcp, "", 1, 1}, 0);
  EXPECT_EQ(lease.due_ns(), kAttemptGapNs);
  lease.granted({Protocol::kPcp, "", 1, UINT32_MAX}, 0);
  EXPECT_EQ(lease.due_ns(), 12 * 3600 * kSecond);
}

}  // namespace
}  // namespace hanse::portmap
