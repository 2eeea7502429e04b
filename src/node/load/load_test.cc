#include "node/load/load.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/ledger/load_app.h"
#include "node/client/client.h"
#include "node/load/chain_run.h"
#include "node/load/floor.h"
#include "node/load/restart_run.h"

namespace hanse::load {
namespace {

std::string temp_dir() {
  std::string pattern = testing::TempDir() + "hanse_load_XXXXXX";
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  return pattern;
}

TEST(Load, refuses_options_one_past_their_limits) {
  const LoadOptions good{.addresses = {"unix:/nowhere"}};
  const auto id = [&](const auto& change) {
    LoadOptions options = good;
    change(options);
    const auto r = run_load(options);
    return r ? std::string() : std::string(r.error().id());
  };
  EXPECT_EQ(id([](LoadOptions&) {}), "client.unreachable");
  EXPECT_EQ(id([](LoadOptions& o) { o.rate = 0; }), "load.option");
  EXPECT_EQ(id([](LoadOptions& o) { o.rate = kRateMax + 1; }), "load.option");
  EXPECT_EQ(id([](LoadOptions& o) { o.seconds = kSecondsMax + 1; }), "load.option");
  EXPECT_EQ(id([](LoadOptions& o) { o.size = 15; }), "load.option");
  EXPECT_EQ(id([](LoadOptions& o) { o.size = ledger::kLoadBodyMax + 1; }), "load.option");
  EXPECT_EQ(id([](LoadOptions& o) { o.kill_leader = true; }), "load.option");
}

TEST(Load, says_that_a_folder_holds_no_network_or_none_that_runs) {
  const std::string dir = temp_dir();
  const auto r = run_load({.dir = dir});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().kind(), Kind::kNotFound);
  EXPECT_NE(r.error().str().find("read the network in"), std::string::npos);
  for (const char* nodes : {R"({"nodes": []})", R"({"nodes": [{"name": "validator-0", "role": "validator"}]})"}) {
    ASSERT_TRUE(replace_file(real_fs(), dir + "/network.json", as_bytes(std::string_view(nodes))));
    const auto none = run_load({.dir = dir});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().id(), "load.network");
  }
}

TEST(ChainRun, says_that_it_cannot_make_its_folder) {
  const auto r = run_chain({.dir = "/nowhere"}, [](const Figure&) {});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "load.program");
}

TEST(RestartRun, says_that_it_cannot_make_its_folder) {
  const auto r = run_restart({.dir = "/nowhere"}, [](const Figure&) {}, [](const std::string&) {});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "load.program");
}

TEST(Floor, orders_slots_with_and_without_a_synced_journal_and_leaves_no_file) {
  const std::string dir = temp_dir();
  for (const bool sync : {false, true})
    for (const std::uint32_t window : {1u, 8u}) {
      const auto floor = run_floor({.dir = dir, .seconds = 0.2, .nodes = 4, .window = window, .sync = sync});
      ASSERT_TRUE(floor) << floor.error().str();
      EXPECT_GT(floor->slots.count(), 0u) << sync << window;
      EXPECT_GT(floor->slots_per_second, 0) << sync << window;
    }
  const auto raw = run_raw_disk(dir, 0.1);
  ASSERT_TRUE(raw) << raw.error().str();
  EXPECT_GT(raw->syncs.count(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(dir));
}

TEST(Floor, says_that_one_of_its_processes_failed) {
  const std::string dir = temp_dir();
  std::filesystem::create_directory(dir + "/floor-2.journal");  // where a file should be
  const auto floor = run_floor({.dir = dir, .seconds = 0.1});
  ASSERT_FALSE(floor);
  EXPECT_EQ(floor.error().id(), "load.floor");
}

TEST(Floor, says_which_folder_it_cannot_write) {
  const auto raw = run_raw_disk("/nowhere", 0.1);
  ASSERT_FALSE(raw);
  EXPECT_EQ(raw.error().id(), "load.system");
  const auto floor = run_floor({.dir = "/nowhere", .seconds = 0.1});
  ASSERT_FALSE(floor);
  EXPECT_EQ(floor.error().id(), "load.system");
}

}  // namespace
}  // namespace hanse::load
