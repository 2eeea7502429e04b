#include "exchange/router/replay.h"

#include <gtest/gtest.h>

#include <set>

namespace hanse::router {
namespace {

ReplayTag tag_of(std::uint64_t fingerprint) {
  ReplayTag tag;
  store_le(tag.data.data(), fingerprint);
  return tag;
}

TEST(Replay, each_tag_passes_once_also_while_the_set_grows) {
  SeededRandom random(1, "replay");
  ReplaySet set;
  std::set<std::uint64_t> model;
  for (int i = 0; i < 50'000; ++i) {
    // Few values and many: neighbours in one run of slots, and tags that come again.
    const std::uint64_t f = i % 3 == 0 ? random.below(20'000) : random.next_u64();
    const Status added = set.add(tag_of(f));
    ASSERT_EQ(added.has_value(), model.insert(f).second) << f;
    if (!added) {
      ASSERT_EQ(added.error().id(), "router.replay");
    }
  }
  EXPECT_EQ(set.size(), model.size());
  for (const std::uint64_t f : model) ASSERT_FALSE(set.add(tag_of(f)));
}

TEST(Replay, a_tag_of_zero_bytes_passes_once) {
  ReplaySet set;
  EXPECT_TRUE(set.add(tag_of(0)));
  EXPECT_EQ(set.add(tag_of(0)).error().id(), "router.replay");
  EXPECT_EQ(set.size(), 1U);
}

TEST(Replay, a_full_set_refuses_what_is_new_and_still_knows_what_is_old) {
  ReplaySet set(2);
  EXPECT_TRUE(set.add(tag_of(1)));
  EXPECT_FALSE(set.full());
  EXPECT_TRUE(set.add(tag_of(2)));
  EXPECT_TRUE(set.full());
  EXPECT_EQ(set.add(tag_of(3)).error().id(), "router.replay_full");
  EXPECT_EQ(set.add(tag_of(0)).error().id(), "router.replay_full");
  EXPECT_EQ(set.add(tag_of(1)).error().id(), "router.replay");
  EXPECT_EQ(set.size(), 2U);
}

TEST(Replay, a_restored_set_knows_the_same_tags) {
  ReplaySet set, copy;
  for (std::uint64_t f = 0; f < 3'000; ++f) ASSERT_TRUE(set.add(tag_of(f * f)));
  ASSERT_TRUE(copy.restore(set.fingerprints()));
  EXPECT_EQ(copy.size(), 3'000U);
  for (std::uint64_t f = 0; f < 3'000; ++f) ASSERT_EQ(copy.add(tag_of(f * f)).error().id(), "router.replay");
  EXPECT_TRUE(copy.add(tag_of(2)));
  ReplaySet small(2'999);
  EXPECT_EQ(small.restore(set.fingerprints()).error().id(), "router.replay_full");
}

}  // namespace
}  // namespace hanse::router
