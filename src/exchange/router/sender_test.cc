#include "exchange/router/sender.h"

#include <gtest/gtest.h>

#include "exchange/router/mix_world.h"

namespace hanse::router {
namespace {

class SenderTest : public testing::Test {
 protected:
  Sender sender(SenderConfig config = {}, double deep_per_s = 1'000) {
    config.home = world_.nodes[3];
    Sender out(config, world_.random, world_.now(0));
    out.directory(world_.directory(deep_per_s));
    return out;
  }
  Message message(std::uint8_t id) {
    Message out;
    out.id.data[0] = id;
    return out;
  }
  template <class T>
  static std::string id_of(const Result<T>& result) {
    return result ? "" : std::string(result.error().id());
  }
  // All that leaves until `ms`, in steps of the sender's own schedule.
  std::size_t run(Sender& s, std::int64_t ms, std::vector<SenderFailure>* failed = nullptr) {
    std::size_t sends = 0;
    while (s.wake_ns() <= world_.now(ms).mono_ns) {
      auto out = s.tick({s.wake_ns(), world_.now(0).wall_ms + s.wake_ns() / 1'000'000});
      sends += out.sends.size();
      for (const CellSend& c : out.sends) EXPECT_EQ(c.cell.size(), kCellSize);
      if (failed != nullptr)
        for (SenderFailure& f : out.failed) failed->push_back(std::move(f));
    }
    return sends;
  }

  MixWorld world_{4};
  const Destination to_{.receiver = world_.nodes[3], .command = Command::kDeliver, .target = {}};
};

TEST(SenderLane, is_chosen_by_priority) {
  EXPECT_EQ(lane_of(0), Lane::kDeep);
  EXPECT_EQ(lane_of(127), Lane::kDeep);
  EXPECT_EQ(lane_of(128), Lane::kFlash);
  EXPECT_EQ(lane_of(255), Lane::kFlash);
}

TEST_F(SenderTest, a_flash_message_leaves_at_once_in_two_layers_and_a_deep_one_on_schedule_in_four) {
  Sender s = sender({.loops_per_s = 0});
  const auto flash = s.submit(world_.now(0), Lane::kFlash, to_, message(1));
  ASSERT_TRUE(flash) << flash.error().str();
  ASSERT_EQ(flash->sends.size(), 1U);
  EXPECT_EQ(flash->sends[0].cell[2], 2);
  const auto deep = s.submit(world_.now(0), Lane::kDeep, to_, message(2));
  ASSERT_TRUE(deep) << deep.error().str();
  EXPECT_TRUE(deep->sends.empty());
  const auto out = s.tick({s.wake_ns(), world_.now(0).wall_ms});
  ASSERT_EQ(out.sends.size(), 1U);
  EXPECT_EQ(out.sends[0].cell[2], 4);
  EXPECT_EQ(s.counters().deep, 1U);
  EXPECT_EQ(s.waiting(), 0U);
}

TEST_F(SenderTest, as_many_cells_leave_whether_there_is_something_to_say_or_not) {
  Sender quiet = sender(), busy = sender({.queue_max = 400});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(busy.submit(world_.now(0), Lane::kDeep, to_, message(1)));
  const auto n = static_cast<double>(run(quiet, 100'000)), m = static_cast<double>(run(busy, 100'000));
  EXPECT_NEAR(n, 120, 45);  // Poisson of 1 and 0.2 a second: four standard deviations
  EXPECT_NEAR(m, 120, 45);
  EXPECT_EQ(quiet.counters().deep, 0U);
  EXPECT_EQ(busy.counters().deep, 100U - busy.waiting());
  EXPECT_GT(busy.counters().deep, 60U);
  EXPECT_GT(quiet.counters().loops, 5U);
}

TEST_F(SenderTest, too_little_traffic_refuses_a_deep_message_and_takes_no_other_lane) {
  Sender s = sender({}, 0.5);
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kDeep, to_, message(1))), "router.anon_set_too_small");
  EXPECT_EQ(s.waiting(), 0U);
  EXPECT_GT(run(s, 20'000), 5U);  // cover goes on: it is what makes the set
  EXPECT_EQ(s.counters().flash, 0U);
  EXPECT_EQ(s.counters().deep, 0U);
  EXPECT_TRUE(s.submit(world_.now(20'000), Lane::kFlash, to_, message(2)));
}

TEST_F(SenderTest, a_message_that_waits_while_traffic_fades_comes_back_unsent) {
  Sender s = sender();
  ASSERT_TRUE(s.submit(world_.now(0), Lane::kDeep, to_, message(7)));
  s.directory(world_.directory(0.5));
  std::vector<SenderFailure> failed;
  run(s, 20'000, &failed);
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].id.data[0], 7);
  EXPECT_EQ(failed[0].error.id(), "router.anon_set_too_small");
  EXPECT_EQ(s.counters().deep, 0U);
  EXPECT_EQ(s.counters().flash, 0U);
}

TEST_F(SenderTest, one_message_past_the_queue_is_refused) {
  Sender s = sender({.queue_max = 2});
  EXPECT_TRUE(s.submit(world_.now(0), Lane::kDeep, to_, message(1)));
  EXPECT_TRUE(s.submit(world_.now(0), Lane::kDeep, to_, message(2)));
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kDeep, to_, message(3))), "router.queue_full");
  EXPECT_EQ(s.waiting(), 2U);
}

TEST_F(SenderTest, what_cannot_be_sent_is_refused_when_it_is_given) {
  Sender s = sender();
  Message large = message(1);
  large.body.resize(body_max(kXWingGeometry, Carries::kRequest, 0) + 1);
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kDeep, to_, std::move(large))), "router.message");
  Destination nowhere = to_;
  nowhere.receiver.data[0] ^= 1;
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kDeep, nowhere, message(1))), "router.no_path");
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kFlash, nowhere, message(1))), "router.no_path");
  EXPECT_EQ(id_of(s.submit(world_.now(600'000), Lane::kDeep, to_, message(1))), "router.no_directory");
  Directory gap = world_.directory();
  std::erase_if(gap.nodes, [](const MixNode& n) { return n.stratum == 1; });
  s.directory(std::move(gap));
  EXPECT_EQ(id_of(s.submit(world_.now(0), Lane::kDeep, to_, message(1))), "router.no_path");
}

// At 30 s a hop three delays are often longer than an epoch's last seconds and its grace.
TEST_F(SenderTest, near_its_end_an_epochs_cells_still_arrive_in_time_or_use_the_next_keys) {
  Sender s = sender({.wanted = {.bits = 12, .mean_ms_min = 30'000, .mean_ms_max = 30'000}, .loops_per_s = 0});
  Directory next = world_.directory();
  ++next.epoch;
  s.directory(std::move(next));
  const auto epoch_at = [&](std::int64_t ms) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(s.submit(world_.now(ms), Lane::kDeep, to_, message(1)));
    std::uint32_t epoch = 0;
    while (s.waiting() > 0) {
      const auto out = s.tick({s.wake_ns(), world_.now(ms).wall_ms});
      EXPECT_TRUE(out.failed.empty());
      for (const CellSend& c : out.sends) epoch = load_be<std::uint32_t>(c.cell.data() + 4);
    }
    return epoch;
  };
  EXPECT_EQ(epoch_at(0), world_.epoch());
  EXPECT_EQ(epoch_at(569'999), world_.epoch());
  EXPECT_EQ(epoch_at(570'000), world_.epoch() + 1);
}

TEST(SenderStrata, are_dealt_evenly_anew_for_each_beacon_and_to_mixes_alone) {
  const auto dealt = [](std::uint8_t beacon_byte, std::size_t count) {
    std::vector<MixNode> nodes(count + 1);
    for (std::size_t i = 0; i <= count; ++i) {
      store_le(nodes[i].node.data.data(), static_cast<std::uint16_t>(i));
      if (i < count) nodes[i].stratum = 0;
    }
    Hash32 beacon;
    beacon.data[0] = beacon_byte;
    draw_strata(beacon, nodes);
    EXPECT_FALSE(nodes[count].stratum);
    return nodes;
  };
  for (const std::size_t count : {0u, 1u, 2u, 3u, 6u, 7u, 3'001u}) {
    std::array<std::size_t, kStrata> of{};
    const auto nodes = dealt(0, count);
    for (std::size_t i = 0; i < count; ++i) ++of.at(*nodes[i].stratum);
    for (std::size_t s = 0; s < kStrata; ++s) EXPECT_EQ(of[s], (count + kStrata - 1 - s) / kStrata) << count;
  }
  const auto a = dealt(0, 3'000), b = dealt(1, 3'000);
  int moved = 0;
  for (std::size_t i = 0; i < 3'000; ++i) moved += a[i].stratum != b[i].stratum ? 1 : 0;
  EXPECT_NEAR(moved, 2'000, 130);
}

}  // namespace
}  // namespace hanse::router
