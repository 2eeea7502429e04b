#include "exchange/router/mix.h"

#include <gtest/gtest.h>

#include "base/core/mem_fs.h"
#include "exchange/router/mix_world.h"

namespace hanse::router {
namespace {

class MixTest : public testing::Test {
 protected:
  // A cell for mix `first` of the world, whose hops wait as given (all but the receiver).
  Bytes cell(std::vector<std::size_t> hops, std::vector<std::uint16_t> delays, std::uint32_t expiry = 0,
             Command last = Command::kDeliver) {
    Path path{.hops = {}, .last = last, .target = {}, .epoch = world_.epoch(), .expiry_epoch = 0};
    path.expiry_epoch = expiry == 0 ? world_.epoch() + 1 : expiry;
    path.target.data[0] = 3;
    for (std::size_t i = 0; i < hops.size(); ++i)
      path.hops.push_back(
          {world_.nodes[hops[i]], world_.key(hops[i]), i < delays.size() ? delays[i] : std::uint16_t{0}});
    auto payload = encode_message(kXWingGeometry, {}, world_.random);
    return *seal_cell(kXWingGeometry, path, std::move(*payload), world_.random);
  }
  Bytes deep(std::uint16_t delay_ms = 100) { return cell({0, 1, 2, 3}, {delay_ms, 100, 100}); }
  Bytes flash() { return cell({0, 3}, {}); }
  Now at(std::int64_t ms) const { return world_.now(ms); }
  Mix mix(MixConfig config = {}) {
    config.node = world_.nodes[0];
    if (config.loops_per_s == 10) config.loops_per_s = 0;
    Mix out(config, *world_.rings[0], world_.random, at(0));
    out.directory(world_.directory());
    return out;
  }

  MixWorld world_{4};  // strata 0, 1, 2 and a receiver
  const NodeId peer_ = world_.nodes[1];
};

TEST_F(MixTest, a_flash_cell_goes_on_at_once_and_a_deep_cell_at_its_time) {
  Mix m = mix();
  const auto now = m.receive(at(0), peer_, flash());
  ASSERT_EQ(now.sends.size(), 1U);
  EXPECT_EQ(now.sends[0].to, world_.nodes[3]);
  EXPECT_EQ(now.sends[0].cell.size(), kCellSize);
  EXPECT_TRUE(m.receive(at(0), peer_, deep(250)).sends.empty());
  EXPECT_EQ(m.held(), 1U);
  EXPECT_EQ(m.wake_ns(), at(250).mono_ns);
  EXPECT_TRUE(m.tick({at(250).mono_ns - 1, at(0).wall_ms}).sends.empty());
  const auto later = m.tick(at(250));
  ASSERT_EQ(later.sends.size(), 1U);
  EXPECT_EQ(later.sends[0].to, world_.nodes[1]);
  EXPECT_EQ(m.counters().flash, 1U);
  EXPECT_EQ(m.counters().deep, 1U);
}

TEST_F(MixTest, a_cell_taken_before_is_refused) {
  Mix m = mix();
  const Bytes c = flash();
  EXPECT_EQ(m.receive(at(0), peer_, c).sends.size(), 1U);
  EXPECT_TRUE(m.receive(at(1), peer_, c).sends.empty());
  EXPECT_EQ(m.counters().replays, 1U);
}

TEST_F(MixTest, each_refusal_is_counted_and_nothing_goes_on) {
  Mix m = mix({.delay_ms_max = 1'000});
  const auto refused = [&](Bytes c, Now now) {
    const auto out = m.receive(now, peer_, std::move(c));
    EXPECT_TRUE(out.sends.empty() && out.deliveries.empty());
    EXPECT_EQ(m.held(), 0U);
  };
  Bytes c = flash();
  refused(Bytes(c.begin(), c.end() - 1), at(0));
  EXPECT_EQ(m.counters().refused_cell, 1U);
  c[2000] ^= 1;
  refused(c, at(0));
  EXPECT_EQ(m.counters().rejected, 1U);
  refused(cell({0, 2, 3}, {5, 5}), at(0));  // three layers belong to stratum 1
  EXPECT_EQ(m.counters().refused_layer, 1U);
  c = flash();
  c[7] ^= 16;  // another epoch: no nodes of it are known, so no layer of it is ours
  refused(c, at(0));
  EXPECT_EQ(m.counters().refused_layer, 2U);
  c = cell({0}, {});
  c[7] ^= 16;
  refused(c, at(0));
  EXPECT_EQ(m.counters().refused_epoch, 1U);
  refused(deep(1'001), at(0));
  EXPECT_EQ(m.counters().refused_delay, 1U);
  refused(cell({0, 3}, {}, world_.epoch() - 1), at(0));
  EXPECT_EQ(m.counters().expired, 1U);
  EXPECT_EQ(m.counters().received, 7U);
}

// Two layers that wait belong to stratum 2, four that do not belong to no lane.
TEST_F(MixTest, a_cell_of_neither_lane_is_refused) {
  Mix m = mix();
  EXPECT_TRUE(m.receive(at(0), peer_, cell({0, 3}, {20})).sends.empty());
  EXPECT_TRUE(m.receive(at(0), peer_, deep(0)).sends.empty());
  EXPECT_EQ(m.counters().refused_lane, 2U);
  EXPECT_EQ(m.held(), 0U);
}

TEST_F(MixTest, one_cell_past_what_it_holds_is_refused_and_none_leaves_early) {
  Mix m = mix({.held_max = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(m.accepting(at(0)));
    EXPECT_TRUE(m.receive(at(0), peer_, deep(500)).sends.empty());
  }
  EXPECT_FALSE(m.accepting(at(0)));
  const Bytes more = deep(500);
  EXPECT_TRUE(m.receive(at(0), peer_, more).sends.empty());
  EXPECT_EQ(m.counters().refused_full, 1U);
  EXPECT_TRUE(m.tick(at(499)).sends.empty());
  EXPECT_EQ(m.tick(at(500)).sends.size(), 3U);
  EXPECT_TRUE(m.accepting(at(500)));
  m.receive(at(500), peer_, more);  // it was not remembered when it was refused
  EXPECT_EQ(m.held(), 1U);
}

TEST_F(MixTest, a_full_replay_set_stops_reading_until_the_next_epoch) {
  MixWorld small(4, 2);
  Mix m({.node = small.nodes[0], .loops_per_s = 0}, *small.rings[0], small.random, small.now(0));
  m.directory(small.directory());
  const auto cell_of = [&] {
    auto payload = encode_message(kXWingGeometry, {}, small.random);
    const auto path = flash_path(
        small.directory(), {.receiver = small.nodes[0], .command = Command::kDeliver, .target = {}}, small.random);
    Path own = *path;
    own.hops.erase(own.hops.begin());
    return *seal_cell(kXWingGeometry, own, std::move(*payload), small.random);
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(m.receive(small.now(0), peer_, cell_of()).deliveries.size(), 1U);
  EXPECT_TRUE(m.accepting(small.now(0)));
  EXPECT_TRUE(m.receive(small.now(0), peer_, cell_of()).deliveries.empty());
  EXPECT_EQ(m.counters().refused_full, 1U);
  EXPECT_FALSE(m.accepting(small.now(1'000)));
  EXPECT_TRUE(m.accepting(small.now(600'000)));
}

TEST_F(MixTest, a_peer_beyond_its_rate_is_refused_before_any_cryptography) {
  Mix m = mix({.peer_cells_per_s = 10, .peer_burst = 2});
  const Bytes c = flash();
  Bytes junk = c;
  junk[1'000] ^= 1;
  for (int i = 0; i < 3; ++i) m.receive(at(0), peer_, junk);
  EXPECT_EQ(m.counters().rejected, 2U);
  EXPECT_EQ(m.counters().refused_rate, 1U);
  EXPECT_EQ(m.receive(at(0), world_.nodes[2], c).sends.size(), 1U);  // another peer
  EXPECT_TRUE(m.receive(at(99), peer_, flash()).sends.empty());
  EXPECT_EQ(m.receive(at(100), peer_, flash()).sends.size(), 1U);
}

TEST_F(MixTest, flash_cells_pass_deep_ones_that_wait_for_the_same_peer_and_queues_have_ends) {
  Mix m = mix({.outbox_max = 1, .in_flight_max = 1});
  const auto both = [&] { return cell({0, 1, 2, 3}, {10, 100, 100}); };
  for (int i = 0; i < 3; ++i) m.receive(at(0), peer_, both());
  EXPECT_EQ(m.tick(at(10)).sends.size(), 1U);  // one is in flight, one waits, one is past the end
  EXPECT_EQ(m.counters().outbox_full, 1U);
  EXPECT_TRUE(m.receive(at(11), peer_, cell({0, 1}, {})).sends.empty());
  EXPECT_TRUE(m.receive(at(11), peer_, cell({0, 1}, {})).sends.empty());
  EXPECT_EQ(m.counters().outbox_full, 2U);
  const auto first = m.sent(at(12), world_.nodes[1]);
  ASSERT_EQ(first.sends.size(), 1U);
  EXPECT_EQ(first.sends[0].cell[2], 1);  // layers left: the Flash cell
  const auto second = m.sent(at(12), world_.nodes[1]);
  ASSERT_EQ(second.sends.size(), 1U);
  EXPECT_EQ(second.sends[0].cell[2], 3);
  EXPECT_TRUE(m.sent(at(12), world_.nodes[1]).sends.empty());
  m.receive(at(13), peer_, cell({0, 1}, {}));
  m.receive(at(13), peer_, cell({0, 1}, {}));
  m.gone(world_.nodes[1]);
  EXPECT_EQ(m.counters().lost, 1U);
}

TEST_F(MixTest, peers_past_the_limit_are_not_read) {
  Mix m = mix();
  NodeId stranger;
  for (std::size_t i = 0; i < kMixPeersMax; ++i) {
    store_le(stranger.data.data(), i + 1);
    m.receive(at(0), stranger, cell({1, 3}, {}));
  }
  EXPECT_EQ(m.counters().rejected, kMixPeersMax);
  store_le(stranger.data.data(), kMixPeersMax + 1);
  m.receive(at(0), stranger, flash());
  EXPECT_EQ(m.counters().refused_rate, 1U);
  NodeId first;
  first.data[0] = 1;
  m.gone(first);
  m.receive(at(0), stranger, flash());
  EXPECT_EQ(m.counters().flash, 1U);
}

TEST_F(MixTest, what_ends_here_is_handed_out_and_cover_is_dropped) {
  Mix m = mix();
  const auto out = m.receive(at(0), peer_, cell({0}, {}));
  ASSERT_EQ(out.deliveries.size(), 1U);
  EXPECT_EQ(out.deliveries[0].target.data[0], 3);
  EXPECT_TRUE(decode_message(kXWingGeometry, out.deliveries[0].payload));
  EXPECT_EQ(m.receive(at(0), peer_, cell({0}, {}, 0, Command::kSurbReply)).deliveries[0].command, Command::kSurbReply);
  EXPECT_TRUE(m.receive(at(0), peer_, cell({0}, {}, 0, Command::kDrop)).deliveries.empty());
  EXPECT_EQ(m.counters().cover, 1U);
}

TEST(MixLoops, fewer_than_eighty_in_a_hundred_that_come_back_raise_the_alarm) {
  Loops loops;
  const auto id = [](std::uint64_t i) {
    Target t;
    store_le(t.data.data(), i);
    return t;
  };
  for (std::uint64_t i = 0; i < 50; ++i) loops.sent(id(i), 100);
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_TRUE(loops.back(id(i)));
  EXPECT_FALSE(loops.back(id(0)));  // once
  loops.tick(99);
  EXPECT_EQ(loops.on_their_way(), 10U);
  loops.tick(100);
  EXPECT_FALSE(loops.back(id(45)));
  EXPECT_FALSE(loops.alarm());  // 40 of 50
  loops.sent(id(60), 200);
  loops.tick(200);
  EXPECT_TRUE(loops.alarm());
  for (std::uint64_t i = 100; i < 150; ++i) {
    loops.sent(id(i), 300);
    loops.back(id(i));
  }
  EXPECT_FALSE(loops.alarm());
  for (std::uint64_t i = 0; i <= kLoopsMax; ++i) loops.sent(id(1'000 + i), 400 + static_cast<std::int64_t>(i));
  EXPECT_EQ(loops.on_their_way(), kLoopsMax);
  EXPECT_FALSE(loops.waits(id(1'000)));  // the oldest made room, as one that is lost
}

}  // namespace
}  // namespace hanse::router
