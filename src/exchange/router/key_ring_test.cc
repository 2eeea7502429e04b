#include "exchange/router/key_ring.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/core/mem_fs.h"
#include "base/core/text.h"

namespace hanse::router {
namespace {

constexpr std::int64_t kEpochMs = 600'000, kGraceMs = 60'000;
constexpr std::uint32_t kNow = 1'000;
constexpr std::int64_t kStart = kNow * kEpochMs + 1;
const std::string kPath = "d/router.keys";

crypto::AeadKey seal_of(std::uint8_t byte = 1) { return *crypto::AeadKey::from_bytes(Bytes(32, byte)); }

KeyRingConfig config_of(std::uint8_t node = 1, std::size_t tags_max = 1'000) {
  KeyRingConfig out;
  out.node.data[0] = node;
  out.tags_max = tags_max;
  return out;
}

ReplayTag tag_of(std::uint8_t i) {
  ReplayTag tag;
  tag.data[0] = i;
  return tag;
}

class KeyRingTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fs_.mkdir("d")); }

  Result<KeyRing> open(std::int64_t wall_ms, KeyRingConfig config = config_of(), std::uint8_t seal = 1) {
    return KeyRing::open(fs_, kPath, seal_of(seal), config, random_, wall_ms);
  }
  // A ring whose next epoch is running.
  KeyRing running(std::int64_t& wall_ms) {
    auto ring = open(kStart);
    EXPECT_TRUE(ring) << ring.error().str();
    wall_ms = kStart + kEpochMs;
    EXPECT_TRUE(ring->turn(wall_ms));
    return std::move(*ring);
  }
  static std::string at(KeyRing& ring, std::uint32_t epoch) {
    const auto found = ring.at(epoch);
    return found ? "" : std::string(found.error().id());
  }

  MemFs fs_;
  SeededRandom random_{1, "key ring"};
};

TEST_F(KeyRingTest, a_new_node_sits_its_first_epoch_out_and_publishes_those_ahead) {
  auto ring = open(kStart);
  ASSERT_TRUE(ring) << ring.error().str();
  EXPECT_EQ(at(*ring, kNow), "router.epoch");
  const auto keys = ring->to_publish();
  ASSERT_EQ(keys.size(), 3U);
  EXPECT_EQ(keys.front().epoch, kNow + 1);
  EXPECT_EQ(keys.back().epoch, kNow + 3);
  EXPECT_NE(keys[0].key.bytes, keys[1].key.bytes);
}

TEST_F(KeyRingTest, a_key_takes_cells_from_a_grace_before_its_epoch_to_a_grace_after_it) {
  auto ring = open(kStart);
  const auto published = ring->to_publish();
  const std::int64_t begin = (kNow + 1) * kEpochMs, end = begin + kEpochMs;
  std::int64_t wall = kStart;
  const auto turned = [&](std::int64_t to) {
    while (ring->next_turn_ms(wall) <= to) {
      wall = ring->next_turn_ms(wall);
      EXPECT_TRUE(ring->turn(wall));
    }
    return at(*ring, kNow + 1);
  };
  EXPECT_EQ(turned(begin - kGraceMs - 1), "router.epoch");
  EXPECT_EQ(turned(begin - kGraceMs), "");
  EXPECT_EQ(ring->at(kNow + 1)->secret.public_key(), published[0].key);
  EXPECT_EQ(turned(end + kGraceMs - 1), "");
  EXPECT_EQ(at(*ring, kNow + 2), "");
  EXPECT_EQ(turned(end + kGraceMs), "router.epoch");  // destroyed
  EXPECT_EQ(at(*ring, kNow + 2), "");
  EXPECT_EQ(at(*ring, kNow + 3), "router.epoch");
}

TEST_F(KeyRingTest, a_clean_stop_brings_keys_and_what_they_saw_back_once) {
  std::int64_t wall = 0;
  KeyRing first = running(wall);
  const Bytes key = first.at(kNow + 1)->secret.public_key().bytes;
  ASSERT_TRUE(first.at(kNow + 1)->seen.add(tag_of(1)));
  ASSERT_TRUE(std::move(first).stop());
  EXPECT_EQ(at(first, kNow + 1), "router.epoch");  // NOLINT: that is the point
  {
    auto second = open(wall);
    ASSERT_TRUE(second) << second.error().str();
    EXPECT_EQ(second->at(kNow + 1)->secret.public_key().bytes, key);
    EXPECT_EQ(second->at(kNow + 1)->seen.add(tag_of(1)).error().id(), "router.replay");
    ASSERT_TRUE(second->at(kNow + 1)->seen.add(tag_of(2)));
  }  // dies
  auto third = open(wall);
  ASSERT_TRUE(third);
  EXPECT_EQ(at(*third, kNow + 1), "router.epoch");
}

TEST_F(KeyRingTest, who_dies_burns_open_keys_and_keeps_those_ahead) {
  std::int64_t wall = 0;
  std::vector<EpochPublic> ahead;
  {
    KeyRing ring = running(wall);
    ahead = ring.to_publish();
    ASSERT_TRUE(ring.at(kNow + 1)->seen.add(tag_of(1)));
  }
  fs_.crash(7);
  auto ring = open(wall);
  ASSERT_TRUE(ring) << ring.error().str();
  EXPECT_EQ(at(*ring, kNow + 1), "router.epoch");
  const auto kept = ring->to_publish();
  ASSERT_EQ(kept.size(), ahead.size());
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].key, ahead[i].key);
  ASSERT_TRUE(ring->turn(wall + kEpochMs));
  EXPECT_EQ(at(*ring, kNow + 2), "");
}

// A life of rotations, cells, stops and starts, cut at every operation on the disk, by an error and by a crash.
// Whatever is open afterwards knows each cell that its key has taken.
TEST_F(KeyRingTest, no_crash_and_no_failed_write_forgets_a_cell_of_a_key_that_lives) {
  for (std::uint64_t cut = 1;; ++cut) {
    MemFs fs;
    SeededRandom random(cut, "cut");
    ASSERT_TRUE(fs.mkdir("d"));
    ASSERT_TRUE(fs.sync_dir("d"));
    std::map<std::uint32_t, std::pair<Bytes, std::vector<ReplayTag>>> taken;
    const auto take = [&](KeyRing& ring) {
      for (std::uint32_t e = kNow; e < kNow + 8; ++e) {
        const auto open = ring.at(e);
        if (!open) continue;
        auto& [key, tags] = taken[e];
        ASSERT_TRUE(key.empty() || key == open->secret.public_key().bytes) << "an epoch got a second key";
        key = open->secret.public_key().bytes;
        for (const ReplayTag& tag : tags) ASSERT_FALSE(open->seen.add(tag)) << "cut " << cut << " epoch " << e;
        ReplayTag tag;
        random.fill(tag.span());
        ASSERT_TRUE(open->seen.add(tag));
        tags.push_back(tag);
      }
    };
    fs.fail_at(cut, MemFs::Fault::kIo);
    std::int64_t wall = kStart;
    for (int life = 0; life < 4; ++life) {
      auto ring = KeyRing::open(fs, kPath, seal_of(), config_of(), random, wall);
      for (int i = 0; ring && i < 4; ++i) {
        wall = ring->next_turn_ms(wall);
        const Status turned = ring->turn(wall);
        take(*ring);
        if (!turned) break;
      }
      if (ring && life % 2 == 0) (void)std::move(*ring).stop();
      fs.crash(cut * 10 + static_cast<std::uint64_t>(life));
    }
    ASSERT_GE(taken.size(), 2U);
    if (cut > fs.operations()) break;  // the fault did not come any more: every place was cut
    ASSERT_LT(cut, 1'000U);
  }
}

// The same on the real disk with a process that is killed.
TEST_F(KeyRingTest, a_killed_process_burns_its_open_keys) {
  const std::string dir = testing::TempDir() + "hanse_router_" + std::to_string(::getpid());
  ASSERT_TRUE(real_fs().mkdir(dir));
  const auto open_real = [&](std::int64_t wall_ms) {
    return KeyRing::open(real_fs(), dir + "/router.keys", seal_of(), config_of(), system_random(), wall_ms);
  };
  const std::int64_t wall = kStart + kEpochMs;
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto ring = open_real(kStart);
    const bool ok = ring && ring->turn(wall) && ring->at(kNow + 1) && ring->at(kNow + 1)->seen.add(tag_of(1));
    const char word = ok ? 'y' : 'n';
    if (::write(pipe_fds[1], &word, 1) == 1)
      for (;;) ::pause();
    ::_exit(1);
  }
  char word = 0;
  ASSERT_EQ(::read(pipe_fds[0], &word, 1), 1);
  EXPECT_EQ(word, 'y');
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  auto ring = open_real(wall);
  ASSERT_TRUE(ring) << ring.error().str();
  EXPECT_EQ(at(*ring, kNow + 1), "router.epoch");
  EXPECT_EQ(ring->to_publish().front().epoch, kNow + 2);
  for (const int fd : pipe_fds) ::close(fd);
  EXPECT_TRUE(real_fs().unlink(dir + "/router.keys"));
  EXPECT_EQ(::rmdir(dir.c_str()), 0);
}

TEST_F(KeyRingTest, a_write_that_fails_keeps_a_key_closed_until_it_succeeds) {
  auto ring = open(kStart);
  fs_.fail_at(1, MemFs::Fault::kFull);
  const std::int64_t begin = (kNow + 1) * kEpochMs;
  EXPECT_FALSE(ring->turn(begin));
  EXPECT_EQ(at(*ring, kNow + 1), "router.epoch");
  EXPECT_EQ(ring->to_publish().back().epoch, kNow + 3);  // that of epoch 1004 is on no disk
  EXPECT_TRUE(ring->turn(begin));
  EXPECT_EQ(at(*ring, kNow + 1), "");
  EXPECT_EQ(ring->to_publish().back().epoch, kNow + 4);
}

TEST_F(KeyRingTest, keys_after_a_long_sleep_begin_with_the_next_epoch) {
  std::int64_t wall = 0;
  KeyRing ring = running(wall);
  wall += 50 * kEpochMs;
  ASSERT_TRUE(ring.turn(wall));
  const std::uint32_t now = ring.epoch_of(wall);
  EXPECT_EQ(at(ring, kNow + 1), "router.epoch");
  EXPECT_EQ(at(ring, now), "router.epoch");
  ASSERT_EQ(ring.to_publish().size(), 3U);
  EXPECT_EQ(ring.to_publish().front().epoch, now + 1);
}

TEST_F(KeyRingTest, a_file_that_was_altered_or_is_another_nodes_is_refused) {
  std::int64_t wall = 0;
  KeyRing ring = running(wall);
  ASSERT_TRUE(std::move(ring).stop());
  EXPECT_EQ(open(wall, config_of(2)).error().id(), "router.keys");
  EXPECT_EQ(open(wall, config_of(), 2).error().id(), "router.keys");
  ASSERT_TRUE(fs_.flip(kPath, 100, 3));
  EXPECT_EQ(open(wall).error().id(), "router.keys");
  ASSERT_TRUE(fs_.flip(kPath, 100, 3));
  EXPECT_TRUE(open(wall));
}

TEST_F(KeyRingTest, a_full_set_comes_back_full) {
  auto ring = open(kStart, config_of(1, 3));
  const std::int64_t wall = kStart + kEpochMs;
  ASSERT_TRUE(ring->turn(wall));
  for (std::uint8_t i = 1; i <= 3; ++i) ASSERT_TRUE(ring->at(kNow + 1)->seen.add(tag_of(i)));
  ASSERT_TRUE(std::move(*ring).stop());
  auto again = open(wall, config_of(1, 3));
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(again->at(kNow + 1)->seen.add(tag_of(4)).error().id(), "router.replay_full");
}

}  // namespace
}  // namespace hanse::router
