#include "chain/backup/backup.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/core/text.h"
#include "chain/backup/backup_world_test.h"
#include "chain/replica/chain.h"
#include "store/archive/s3_server_test.h"

namespace hanse::backup {
namespace {

using ledger::TempDir;

struct BackupTest : testing::Test {
  World world{testing::TempDir()};
  ManualClock clock{1'000'000'000'000};
  std::unique_ptr<archive::Target> target = std::move(*archive::open_target(world.dir.path() + "/target", {}));

  std::string path(const std::string& name) const { return world.dir.path() + "/" + name; }
  WorkOptions work() { return {.scratch = path("scratch"), .clock = &clock}; }
  std::string base() {
    const auto id = create(*world.ledger, *target, work());
    EXPECT_TRUE(id) << id.error().str();
    clock.advance_ns(1'000'000);
    return id ? *id : std::string();
  }
  Archived archived() {
    const auto done = archive_blocks(*world.ledger, *target);
    EXPECT_TRUE(done) << done.error().str();
    return done ? *done : Archived();
  }
  Result<Restored> restored(RestoreOptions options) {
    Apps apps;
    return restore(*target, {.genesis = world.genesis, .apps = apps.list}, options);
  }
  Result<Restored> verified(const std::string& id) {
    Apps apps;
    return verify(*target, id, {.genesis = world.genesis, .apps = apps.list}, work());
  }
  // What a ledger that opens from the folder says.
  light::BlockHeader tip_of(const std::string& dir) {
    Apps apps;
    const auto opened = ledger::Ledger::open(dir + "/store", world.genesis, apps.list, {});
    EXPECT_TRUE(opened) << opened.error().str();
    return opened ? (*opened)->tip().header : light::BlockHeader{};
  }
};

TEST_F(BackupTest, a_base_comes_back_with_the_same_state_and_goes_on) {
  world.blocks(12);
  const std::string id = base();
  EXPECT_EQ(id, "backup-12-1000000000000");
  world.blocks(3);
  const auto got = restored({.dir = path("new")});
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->id, id);
  EXPECT_EQ(got->height, Height{12});
  EXPECT_EQ(got->state_root, world.headers[12].state_root);
  EXPECT_EQ(got->block, light::header_hash(world.headers[12]));
  EXPECT_EQ(got->certified, Height{12});
  EXPECT_EQ(tip_of(path("new")), world.headers[12]);
  const auto marker = read_marker(real_fs(), path("new"));
  ASSERT_TRUE(marker && *marker);
  EXPECT_NE((*marker)->find("\"backup\":\"backup-12-1000000000000\",\"height\":12"), std::string::npos) << **marker;
  EXPECT_FALSE(*read_marker(real_fs(), world.dir.path()));
  EXPECT_FALSE(std::filesystem::exists(path("scratch")));
}

TEST_F(BackupTest, a_restored_node_has_no_journal_and_abstains) {
  world.blocks(3);
  base();
  ASSERT_TRUE(restored({.dir = path("new")}));
  std::vector<std::unique_ptr<ledger::App>> apps;
  apps.push_back(ledger::make_accounts_app());
  apps.push_back(std::make_unique<RotateApp>());
  const auto chain = replica::Chain::open(path("new"), world.genesis, std::move(apps), RotateApp::key_of(0), {});
  ASSERT_TRUE(chain) << chain.error().str();
  EXPECT_EQ((*chain)->height(), Height{3});
  EXPECT_TRUE((*chain)->stats().abstaining);
  EXPECT_EQ((*chain)->health().error().id(), "ledger.abstaining");
}

TEST_F(BackupTest, verify_reads_it_all_and_says_how_far_the_archive_goes) {
  world.blocks(5);
  const std::string id = base();
  EXPECT_EQ(verified(id)->archived, 0u);
  world.blocks(4);
  EXPECT_EQ(archived().blocks, 9u);
  const auto got = verified(id);
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->height, Height{5});
  EXPECT_EQ(got->certified, Height{5});
  EXPECT_EQ(got->archived, 4u);
  EXPECT_FALSE(std::filesystem::exists(path("scratch")));
}

TEST_F(BackupTest, any_height_and_any_time_give_the_roots_of_the_original_chain) {
  world.blocks(6);
  base();
  world.blocks(4);
  archived();
  world.blocks(7);
  base();
  world.blocks(6);
  EXPECT_EQ(archived().blocks, 13u);
  ASSERT_EQ(world.headers.size(), 24u);
  EXPECT_GT(world.headers.back().epoch, 2u) << "epochs with and without another set of validators are part of it";
  // Each height with the highest one that a certificate proves: 8 and 16 hand over to other validators.
  for (const auto& [height, certified] :
       std::map<std::uint64_t, std::uint64_t>{{6, 6}, {7, 6}, {11, 10}, {16, 16}, {17, 17}, {23, 23}}) {
    const std::string dir = path(text("h{}", height));
    const auto got = restored({.dir = dir, .to_height = Height{height}});
    ASSERT_TRUE(got) << height << ": " << got.error().str();
    EXPECT_EQ(got->base, Height{height < 17 ? 6u : 17u});
    EXPECT_EQ(got->replayed, height - got->base.value);
    EXPECT_EQ(got->certified, Height{certified}) << height;
    EXPECT_EQ(got->state_root, world.headers[height].state_root);
    EXPECT_EQ(tip_of(dir), world.headers[height]);
  }
  for (const std::uint64_t height : {8u, 22u}) {
    for (const std::int64_t later_ms : {0, 1}) {
      const std::string dir = path(text("t{}-{}", height, later_ms));
      const auto got = restored({.dir = dir, .to_time_ms = world.headers[height].time_ms + later_ms});
      ASSERT_TRUE(got) << got.error().str();
      EXPECT_EQ(tip_of(dir), world.headers[height]);
    }
    const auto before = restored({.dir = path(text("b{}", height)), .to_time_ms = world.headers[height].time_ms - 1});
    EXPECT_EQ(before->height, Height{height - 1});
  }
}

TEST_F(BackupTest, a_restored_ledger_executes_the_next_cut_as_the_original_did) {
  world.blocks(8);
  base();
  world.blocks(5);
  archived();
  const auto got = restored({.dir = path("new"), .to_height = Height{11}});
  ASSERT_TRUE(got) << got.error().str();
  Apps apps;
  const auto opened = ledger::Ledger::open(path("new/store"), world.genesis, apps.list, {});
  ASSERT_TRUE(opened);
  const auto executed = (*opened)->execute(world.cuts[12]);
  ASSERT_TRUE(executed) << executed.error().str();
  EXPECT_EQ(executed->header, world.headers[12]);
}

TEST_F(BackupTest, points_that_cannot_be_reached_are_errors) {
  EXPECT_EQ(restored({.dir = path("new")}).error().id(), "backup.no_base");
  world.blocks(5);
  const std::string id = base();
  world.blocks(5);
  archived();
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{4}}).error().id(), "backup.no_base");
  EXPECT_EQ(restored({.dir = path("new"), .to_time_ms = world.headers[4].time_ms}).error().id(), "backup.no_base");
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{11}}).error().id(), "backup.gap");
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{6}, .to_time_ms = 1}).error().id(), "backup.point");
  EXPECT_EQ(restored({.dir = path("new"), .id = id, .to_height = Height{4}}).error().id(), "backup.point");
  EXPECT_EQ(restored({.dir = path("new"), .id = "backup-5-1"}).error().id(), "backup.not_found");
  EXPECT_EQ(restored({.dir = path("new"), .id = "../x"}).error().id(), "backup.not_found");
  EXPECT_FALSE(std::filesystem::exists(path("new")));
  // A hole in the archive: the blocks before it can be reached, those behind cannot.
  world.blocks(5);
  archived();
  ASSERT_TRUE(target->erase("cuts/00000000000000000001-00000000000000000010"));
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{11}}).error().id(), "backup.gap");
}

TEST_F(BackupTest, an_existing_folder_is_refused_or_kept) {
  world.blocks(3);
  base();
  const std::string dir = path("node");
  std::filesystem::create_directories(dir);
  ASSERT_TRUE(replace_file(real_fs(), dir + "/precious", as_bytes("old")));
  EXPECT_EQ(restored({.dir = dir}).error().id(), "backup.exists");
  EXPECT_TRUE(*real_fs().exists(dir + "/precious"));
  const auto got = restored({.dir = dir + "/", .replace = true});
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->kept, dir + ".before-restore");
  EXPECT_EQ(as_text(*read_file(real_fs(), got->kept + "/precious", 10)), "old");
  EXPECT_EQ(tip_of(dir), world.headers[3]);
  EXPECT_EQ(restored({.dir = dir, .replace = true}).error().id(), "backup.exists");
}

TEST_F(BackupTest, another_network_is_refused) {
  world.blocks(3);
  const std::string id = base();
  archived();
  World other(testing::TempDir(), "other");
  Apps apps;
  const Chain chain{.genesis = other.genesis, .apps = apps.list};
  EXPECT_EQ(verify(*target, id, chain, work()).error().id(), "backup.other_network");
  EXPECT_EQ(restore(*target, chain, {.dir = path("new"), .id = id}).error().id(), "backup.other_network");
  EXPECT_EQ(archive_blocks(*other.ledger, *target).error().id(), "backup.other_network");
}

TEST_F(BackupTest, a_chain_that_was_set_back_or_differs_does_not_continue_the_archive) {
  world.blocks(6);
  archived();
  World shorter(testing::TempDir());
  shorter.blocks(3);
  EXPECT_EQ(archive_blocks(*shorter.ledger, *target).error().id(), "backup.other_chain");
  World other(testing::TempDir());
  other.time_ms += 1;
  other.blocks(9);
  EXPECT_EQ(archive_blocks(*other.ledger, *target).error().id(), "backup.other_chain");
}

TEST_F(BackupTest, the_archive_is_cut_into_segments_of_at_most_1024_blocks) {
  world.empty_blocks(2 * kSegmentBlocksMax + 1);
  const Archived done = archived();
  EXPECT_EQ(done.segments, 3u);
  EXPECT_EQ(done.blocks, 2 * kSegmentBlocksMax + 1);
  EXPECT_EQ(archived().segments, 0u);
  EXPECT_EQ(target->list("cuts/")->at(1).name, "cuts/00000000000000001025-00000000000000002048");
}

TEST_F(BackupTest, a_torn_upload_is_no_backup) {
  world.blocks(4);
  base();
  world.blocks(2);
  // Stops before the manifest, as a process that is killed there does.
  struct Stop {};
  WorkOptions options = work();
  options.step = [](std::string_view step) {
    if (step == "send the manifest") throw Stop{};
  };
  EXPECT_THROW((void)create(*world.ledger, *target, options), Stop);
  EXPECT_EQ(target->list("backup-6")->size(), 1u);
  EXPECT_EQ(list(*target)->size(), 1u);
  EXPECT_EQ(restored({.dir = path("new")})->height, Height{4});
}

TEST_F(BackupTest, every_flipped_byte_in_every_object_is_refused) {
  world.blocks(2);
  const std::string id = base();
  world.blocks(2);
  archived();
  const auto entries = *target->list("");
  ASSERT_EQ(entries.size(), 3u);
  SeededRandom random(11);
  for (const auto& entry : entries) {
    const Bytes whole = *target->get_bytes(entry.name, 1u << 30);
    std::set<std::uint64_t> places = {0, whole.size() - 1};
    while (places.size() < 9) places.insert(random.below(whole.size()));
    for (const std::uint64_t place : places) {
      Bytes bad = whole;
      bad[place] ^= static_cast<std::uint8_t>(1u << random.below(8));
      ASSERT_TRUE(target->put(entry.name, archive::bytes_source(bad)));
      const auto checked = verified(id);
      EXPECT_FALSE(checked) << entry.name << " byte " << place;
      const auto got = restored({.dir = path("new"), .id = id, .to_height = Height{4}});
      EXPECT_FALSE(got) << entry.name << " byte " << place;
      if (got) continue;
      EXPECT_EQ(got.error().kind(), Kind::kCorrupt) << got.error().str();
      ASSERT_FALSE(std::filesystem::exists(path("new")));
    }
    ASSERT_TRUE(target->put(entry.name, archive::bytes_source(ByteView(whole).first(whole.size() - 1))));
    EXPECT_FALSE(verified(id)) << entry.name << " cut";
    ASSERT_TRUE(target->put(entry.name, archive::bytes_source(whole)));
  }
  EXPECT_TRUE(verified(id));
}

// A stranger can make seals; what he cannot make is state that hashes to the root, or a certificate.
TEST_F(BackupTest, forged_records_with_good_seals_are_refused) {
  world.blocks(4);
  const std::string id = base();
  const std::string name = id + "/manifest";
  const Bytes whole = *target->get_bytes(name, kManifestBytesMax);
  const auto put = [&](const Manifest& m) { ASSERT_TRUE(target->put(name, archive::bytes_source(encode(m)))); };
  Manifest forged = *decode_manifest(whole);
  forged.header.state_root.data[0] ^= 1;
  forged.certified.reset();
  put(forged);
  EXPECT_EQ(verified(id).error().id(), "backup.mismatch");
  forged = *decode_manifest(whole);
  forged.certified->certificate.attests[0].signature[7] ^= 1;
  put(forged);
  EXPECT_EQ(verified(id).error().id(), "light.cert_signature");
  forged = *decode_manifest(whole);
  forged.certified->header.time_ms += 1;
  put(forged);
  EXPECT_EQ(verified(id).error().id(), "backup.mismatch");
  forged = *decode_manifest(whole);
  forged.files[0].hash.data[0] ^= 1;
  put(forged);
  EXPECT_EQ(verified(id).error().id(), "backup.mismatch");
  forged = *decode_manifest(whole);
  forged.files.pop_back();
  put(forged);
  EXPECT_EQ(verified(id).error().id(), "archive.bomb");
  ASSERT_TRUE(target->put(name, archive::bytes_source(whole)));
  // A block of the archive with another transaction in it.
  world.blocks(1);
  archived();
  const std::string cuts = target->list("cuts/")->front().name;
  Segment segment = *decode_segment(*target->get_bytes(cuts, kSegmentDecodedMax));
  ASSERT_FALSE(segment.blocks.back().txs.empty());
  segment.blocks.back().txs[0] = encode_tx(world.transfer());
  segment.certified.clear();  // which would give it away as well
  ASSERT_TRUE(target->put(cuts, archive::bytes_source(encode(segment))));
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{5}}).error().id(), "backup.mismatch");
}

TEST_F(BackupTest, lists_erases_and_prunes_but_never_the_last) {
  EXPECT_TRUE(list(*target)->empty());
  world.blocks(2);
  const std::string first = base();
  archived();
  clock.advance_ns(10 * kDayMs * 1'000'000);
  world.blocks(2);
  const std::string second = base();
  archived();
  clock.advance_ns(10 * kDayMs * 1'000'000);
  world.blocks(2);
  archived();
  auto all = list(*target);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].id, first);
  EXPECT_EQ((*all)[1].manifest->header, world.headers[4]);
  const auto none = prune(*target, 21, clock);
  EXPECT_TRUE(none->backups.empty());
  EXPECT_EQ(none->segments, 1u);  // blocks below the oldest base
  const auto some = prune(*target, 15, clock);
  EXPECT_EQ(some->backups, std::vector<std::string>{first});
  EXPECT_EQ(some->segments, 1u);
  EXPECT_TRUE(prune(*target, 0, clock)->backups.empty());
  EXPECT_EQ(restored({.dir = path("new"), .to_height = Height{6}})->replayed, 2u);
  EXPECT_EQ(erase(*target, first).error().id(), "backup.not_found");
  EXPECT_EQ(erase(*target, "cuts").error().id(), "backup.not_found");
  ASSERT_TRUE(erase(*target, second));
  EXPECT_TRUE(target->list("backup-")->empty());
}

TEST_F(BackupTest, an_unreadable_manifest_is_listed_and_stops_pruning_from_trusting_it) {
  world.blocks(2);
  const std::string first = base();
  clock.advance_ns(10 * kDayMs * 1'000'000);
  const std::string second = base();
  ASSERT_TRUE(target->put(second + "/manifest", archive::bytes_source(as_bytes("rot"))));
  const auto all = list(*target);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_TRUE((*all)[0].manifest);
  EXPECT_FALSE((*all)[1].manifest);
  EXPECT_NE((*all)[1].damage.find("backup.manifest"), std::string::npos);
  EXPECT_TRUE(prune(*target, 0, clock)->backups == std::vector<std::string>{second});
  EXPECT_EQ(restored({.dir = path("new")})->id, first);
}

TEST_F(BackupTest, no_room_is_told_before_anything_is_read) {
  world.blocks(2);
  base();
  FullFs full;
  EXPECT_EQ(restored({.dir = path("new"), .fs = &full}).error().id(), "backup.space");
  full.free = ~std::uint64_t{0};
  full.writes_left = 3;
  EXPECT_EQ(restored({.dir = path("new"), .fs = &full}).error().id(), "core.fs_full");
  EXPECT_FALSE(std::filesystem::exists(path("new")));
  EXPECT_FALSE(std::filesystem::exists(path("new.restoring")));
}

// RocksDB's threads do not survive a fork: the child opens what it needs, and the parent holds no store meanwhile.
TEST_F(BackupTest, a_kill_between_any_two_steps_leaves_the_old_or_the_new_folder_whole) {
  world.blocks(3);
  base();
  world.blocks(2);
  archived();
  const std::string dir = path("node");
  Apps apps;
  const Chain chain{.genesis = world.genesis, .apps = apps.list};
  ASSERT_TRUE(restore(*target, chain, {.dir = dir, .to_height = Height{4}}));
  world.ledger.reset();
  int killed = 0;
  for (int n = 1;; ++n) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      KillFs fs;
      fs.left = n;
      RestoreOptions options{.dir = dir, .to_height = Height{5}, .replace = true, .fs = &fs};
      options.step = [&](std::string_view) { fs.count(); };
      ::_exit(restore(*target, chain, options) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    const light::BlockHeader tip = tip_of(dir);
    const bool is_new = tip == world.headers[5];
    EXPECT_TRUE(is_new || tip == world.headers[4]) << "step " << n;
    if (is_new) {
      EXPECT_EQ(tip_of(dir + ".before-restore"), world.headers[4]);
      EXPECT_TRUE(WIFSIGNALED(status)) << "the last step comes after the change of places";
      break;
    }
    ASSERT_TRUE(WIFSIGNALED(status)) << "step " << n;
    ++killed;
  }
  EXPECT_GE(killed, 5);
  EXPECT_FALSE(std::filesystem::exists(dir + ".restoring"));
}

TEST_F(BackupTest, round_trip_through_an_s3_server_that_checks_signatures) {
  const auto server = archive::S3Server::start();
  if (server == nullptr) GTEST_SKIP() << "python3-moto is not installed: ./dev setup s3";
  target = std::move(*archive::open_target(
      server->url("validator-1"), {.environment = [&](const std::string& name) { return server->environment(name); }}));
  world.blocks(6);
  const std::string id = base();
  world.blocks(3);
  archived();
  EXPECT_EQ(verified(id)->archived, 3u);
  EXPECT_EQ(list(*target)->size(), 1u);
  const auto got = restored({.dir = path("new"), .to_height = Height{8}});
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->state_root, world.headers[8].state_root);
  const auto wrong =
      archive::open_target(server->url("validator-1"), {.environment = [&](const std::string& name) {
                             return server->environment(name) + (name == "AWS_SECRET_ACCESS_KEY" ? "x" : "");
                           }});
  const auto refused = create(*world.ledger, **wrong, work());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "archive.denied");
  EXPECT_NE(refused.error().str().find("HTTP 403 (SignatureDoesNotMatch"), std::string::npos) << refused.error().str();
  EXPECT_EQ(list(*target)->size(), 1u);
  ASSERT_TRUE(erase(*target, id));
  EXPECT_TRUE(list(*target)->empty());
}

}  // namespace
}  // namespace hanse::backup
