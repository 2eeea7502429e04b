#include "engines/tlog/sequencer.h"

#include <future>
#include <thread>

#include "engines/tlog/log_world_test.h"
#include "engines/tlog/mirror.h"

namespace hanse::tlog {
namespace {

constexpr std::string_view kOrigin = "log.example/test";

Entry entry(std::uint64_t n) {
  Entry out;
  store_be(out.id.data.data(), n + 1);
  out.body = to_bytes(text("entry {}", n));
  return out;
}

Sequencer::Parts parts_in(const std::string& dir, std::uint8_t seed = 7) {
  Sequencer::Parts parts{.dir = dir, .origin = std::string(kOrigin), .signers = {}, .limits = {}, .on_published = {}};
  parts.signers.push_back(test_signer(kOrigin, SignatureType::kEd25519, seed));
  parts.limits.group_wait_ns = 0;
  return parts;
}

struct LogFolder {
  TempDir temp;
  std::string dir = temp.path() + "/log";
  LogFolder() {
    auto parts = parts_in(dir);
    EXPECT_TRUE(Sequencer::create(parts));
  }
  std::unique_ptr<Sequencer> open() { return Sequencer::open(parts_in(dir)).value(); }
  void grow(std::uint64_t size) {
    auto log = open();
    for (std::uint64_t n = log->published().size; n < size; ++n) ASSERT_TRUE(log->add_and_wait(entry(n)));
  }
  // The store as it is, to be put back later.
  void save(const std::string& name) {
    std::filesystem::copy(dir + "/store", temp.path() + "/" + name, std::filesystem::copy_options::recursive);
  }
  void put_back(const std::string& name) {
    std::filesystem::remove_all(dir + "/store");
    std::filesystem::copy(temp.path() + "/" + name, dir + "/store", std::filesystem::copy_options::recursive);
  }
};

TreeHead head_of(std::string_view note) {
  const NoteKey keys[] = {test_signer(kOrigin, SignatureType::kEd25519).key()};
  return open_checkpoint(note, kOrigin, keys).value().checkpoint.head;
}

TEST(Sequencer, acknowledges_what_a_published_checkpoint_covers) {
  LogFolder folder;
  MemLog model;
  auto log = folder.open();
  EXPECT_EQ(head_of(log->checkpoint()), empty_head());
  for (std::uint64_t n = 0; n < 300; ++n) {
    EXPECT_EQ(log->add_and_wait(entry(n)).value(), (Added{n, false}));
    model.add(entry(n).body);
    ASSERT_EQ(head_of(log->checkpoint()), model.head());
  }
  EXPECT_EQ(log->add_and_wait(entry(17)).value(), (Added{17, true}));
  EXPECT_EQ(as_text(log->route("checkpoint").value()), log->checkpoint());
  EXPECT_EQ(log->route("tile/0/001.p/44").value(), model.resource("tile/0/001.p/44").value());
  EXPECT_EQ(log->route("tile/entries/000").value(), model.resource("tile/entries/000").value());
  EXPECT_EQ(error_of(log->route("tile/0/001.p/45")), "tlog.path");
  EXPECT_EQ(error_of(log->route("../signed")), "tlog.path");
  log.reset();
  log = folder.open();
  EXPECT_EQ(log->published(), model.head());
  EXPECT_EQ(log->checkpoints(), 0u) << "nothing new to sign";
}

TEST(Sequencer, takes_many_at_once_in_few_groups_in_one_order) {
  LogFolder folder;
  auto parts = parts_in(folder.dir);
  parts.limits.group_wait_ns = 1'000'000;
  std::vector<TreeHead> published;
  parts.on_published = [&](const std::string& note) { published.push_back(head_of(note)); };
  auto log = Sequencer::open(std::move(parts)).value();
  std::vector<std::thread> threads;
  std::vector<std::uint64_t> index_of(4000);
  std::atomic<int> done{0};
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t n = t * 1000; n < (t + 1) * 1000; ++n)
        EXPECT_TRUE(log->add(entry(n), [&, n](const Result<Added>& added) {
          index_of[n] = added->index;
          if (++done == 4000) done.notify_one();
        }));
    });
  for (std::thread& thread : threads) thread.join();
  for (int seen = done; seen < 4000; seen = done) done.wait(seen);
  EXPECT_EQ(log->published().size, 4000u);
  MemLog model;
  std::vector<std::uint64_t> entry_at(4000, ~0ull);
  for (std::uint64_t n = 0; n < 4000; ++n) entry_at[index_of[n]] = n;
  for (const std::uint64_t n : entry_at) {
    ASSERT_NE(n, ~0ull) << "an index was given twice";
    model.add(entry(n).body);
  }
  EXPECT_EQ(log->published(), model.head());
  EXPECT_LT(published.size(), 1000u);
  for (const TreeHead& head : published) EXPECT_EQ(head, model.head(head.size));
}

TEST(Sequencer, refuses_what_the_queue_cannot_hold) {
  LogFolder folder;
  auto parts = parts_in(folder.dir);
  std::promise<void> let_go;
  const std::shared_future<void> gone = let_go.get_future().share();
  std::atomic<bool> holding{false};
  parts.on_published = [&, gone](const std::string&) {
    holding = true;
    holding.notify_all();
    gone.wait();
  };
  parts.limits.queue_max = 20;
  parts.limits.group_max = 1;
  auto log = Sequencer::open(std::move(parts)).value();
  std::atomic<std::uint64_t> answered{0};
  std::uint64_t taken = 0;
  const auto add = [&](Entry e) {
    return error_of(log->add(std::move(e), [&](const Result<Added>& added) {
      EXPECT_TRUE(added);
      ++answered;
      answered.notify_all();
    }));
  };
  std::string last;
  while ((last = add(entry(taken))) == "none" && taken < 1000) ++taken;
  EXPECT_EQ(last, "tlog.busy");
  EXPECT_GE(taken, 20u);
  EXPECT_LE(taken, 40u) << "queue, groups written and the one held";
  holding.wait(false);
  let_go.set_value();
  for (std::uint64_t seen = answered; seen < taken; seen = answered) answered.wait(seen);
  EXPECT_EQ(add(entry(taken)), "none") << "there is room again";
  for (std::uint64_t seen = answered; seen < taken + 1; seen = answered) answered.wait(seen);
  log.reset();
  auto small = parts_in(folder.dir);
  small.limits.queue_bytes_max = 10;
  log = Sequencer::open(std::move(small)).value();
  Entry eleven{Hash32{}, Bytes(11)};
  EXPECT_EQ(error_of(log->add(eleven, [](const Result<Added>&) {})), "tlog.busy");
  eleven.body.resize(10);
  EXPECT_TRUE(log->add_and_wait(eleven));
  EXPECT_EQ(error_of(log->add_and_wait({Hash32{}, Bytes(kEntryMax + 1)})), "tlog.entry_size");
}

TEST(Sequencer, refuses_a_store_that_went_back) {
  LogFolder folder;
  folder.grow(5);
  folder.save("old");
  folder.grow(9);
  folder.put_back("old");
  EXPECT_EQ(error_of(Sequencer::open(parts_in(folder.dir))), "tlog.rollback");
}

TEST(Sequencer, refuses_a_store_with_another_past) {
  LogFolder folder, other;
  folder.grow(5);
  {
    auto log = other.open();
    for (std::uint64_t n = 0; n < 7; ++n) ASSERT_TRUE(log->add_and_wait(entry(100 + n)));
  }
  other.save("s");
  std::filesystem::remove_all(folder.dir + "/store");
  std::filesystem::copy(other.dir + "/store", folder.dir + "/store", std::filesystem::copy_options::recursive);
  EXPECT_EQ(error_of(Sequencer::open(parts_in(folder.dir))), "tlog.fork");
}

TEST(Sequencer, refuses_another_key_another_origin_and_a_log_without_its_signed_file) {
  LogFolder folder;
  folder.grow(2);
  EXPECT_EQ(error_of(Sequencer::open(parts_in(folder.dir, 8))), "tlog.unsigned");
  auto parts = parts_in(folder.dir);
  parts.origin = "log.example/other";
  EXPECT_EQ(error_of(Sequencer::open(std::move(parts))), "tlog.wrong_origin");
  auto none = parts_in(folder.dir);
  none.signers.clear();
  EXPECT_EQ(error_of(Sequencer::open(std::move(none))), "tlog.no_signer");
  auto again = parts_in(folder.dir);
  EXPECT_EQ(error_of(Sequencer::create(again)), "tlog.exists");
  std::filesystem::remove(folder.dir + "/signed");
  EXPECT_EQ(error_of(Sequencer::open(parts_in(folder.dir))), "core.fs_not_found");
  auto anew = parts_in(folder.dir);
  EXPECT_EQ(error_of(Sequencer::create(anew)), "tlog.exists") << "the store has entries";
}

TEST(Sequencer, signs_at_opening_what_was_written_before_a_crash) {
  LogFolder folder;
  folder.grow(3);
  {
    auto store = LogStore::open(folder.dir + "/store", kOrigin).value();
    const Entry more[] = {entry(3), entry(4)};
    ASSERT_TRUE(store->append(more));
  }
  auto log = folder.open();
  EXPECT_EQ(log->published().size, 5u);
  EXPECT_EQ(head_of(log->checkpoint()), log->published());
  EXPECT_EQ(log->add_and_wait(entry(4)).value(), (Added{4, true}));
}

// The `signed` file on a disk that fails; the store stays on the real one.
class FailingFs final : public Fs {
 public:
  std::atomic<bool> failing{false};
  class FailingFile final : public File {
   public:
    FailingFile(std::unique_ptr<File> file, FailingFs& fs) : file_(std::move(file)), fs_(fs) {}
    Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) override { return file_->read_at(offset, out); }
    Status write_at(std::uint64_t offset, ByteView bytes) override { return file_->write_at(offset, bytes); }
    Status append(ByteView bytes) override { return file_->append(bytes); }
    Status sync() override {
      if (fs_.failing) return fail(Kind::kUnavailable, "core.fs_io", "the disk is gone");
      return file_->sync();
    }
    Result<std::uint64_t> size() override { return file_->size(); }
    Status truncate(std::uint64_t size) override { return file_->truncate(size); }
    Status preallocate(std::uint64_t size) override { return file_->preallocate(size); }

   private:
    std::unique_ptr<File> file_;
    FailingFs& fs_;
  };
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    TRY(auto file, real_fs().open(path, mode));
    return std::make_unique<FailingFile>(std::move(file), *this);
  }
  Status mkdir(const std::string& path) override { return real_fs().mkdir(path); }
  Status sync_dir(const std::string& path) override { return real_fs().sync_dir(path); }
  Status rename(const std::string& from, const std::string& to) override { return real_fs().rename(from, to); }
  Status unlink(const std::string& path) override { return real_fs().unlink(path); }
  Result<bool> exists(const std::string& path) override { return real_fs().exists(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return real_fs().list(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override { return real_fs().free_bytes(path); }
};

TEST(Sequencer, publishes_nothing_it_could_not_keep_and_stops) {
  LogFolder folder;
  FailingFs fs;
  auto parts = parts_in(folder.dir);
  parts.fs = &fs;
  std::atomic<int> published{0};
  parts.on_published = [&](const std::string&) { ++published; };
  auto log = Sequencer::open(std::move(parts)).value();
  ASSERT_TRUE(log->add_and_wait(entry(0)));
  fs.failing = true;
  EXPECT_EQ(error_of(log->add_and_wait(entry(1))), "core.fs_io");
  EXPECT_EQ(log->published().size, 1u);
  EXPECT_EQ(published, 1);
  EXPECT_EQ(error_of(log->add_and_wait(entry(2))), "tlog.stopped");
  log.reset();
  EXPECT_EQ(folder.open()->add_and_wait(entry(1)).value(), (Added{1, true})) << "it kept its index";
}

TEST(Mirror, shows_each_checkpoint_with_all_its_tiles) {
  LogFolder folder;
  const std::string www = folder.dir + "/www";
  const std::vector<NoteKey> keys = {test_signer(kOrigin, SignatureType::kEd25519).key()};
  std::vector<std::string> made;
  const auto open_mirror = [&] {
    return Mirror::open(
        {.dir = www, .origin = std::string(kOrigin), .keys = keys, .made = [&](const std::string& path) {
           made.push_back(path);
         }});
  };
  MemLog model;
  auto parts = parts_in(folder.dir);
  parts.limits.group_wait_ns = 1'000'000;
  auto log = Sequencer::open(std::move(parts)).value();
  for (const std::uint64_t size : {0u, 1u, 255u, 256u, 300u, 700u, 1024u}) {
    std::atomic<std::uint64_t> done = model.entries.size();
    while (model.entries.size() < size) {
      ASSERT_TRUE(log->add(entry(model.entries.size()), [&](const Result<Added>&) {
        ++done;
        done.notify_one();
      }));
      model.add(entry(model.entries.size()).body);
    }
    for (std::uint64_t seen = done; seen < size; seen = done) done.wait(seen);
    Mirror mirror = open_mirror().value();
    ASSERT_TRUE(mirror.update(log->checkpoint(), log->store().fetch(size)));
    ASSERT_TRUE(mirror.update(log->checkpoint(), log->store().fetch(size))) << "again is fine";
    EXPECT_EQ(mirror.shown(), model.head());
    const Fetch files = folder_fetch(real_fs(), www);
    EXPECT_EQ(head_of(as_text(files("checkpoint").value())), model.head());
    for (unsigned level = 0; level < 2; ++level)
      for (std::uint64_t index = 0; tile_width(size, level, index) > 0; ++index) {
        const Resource tile{ResourceKind::kTile, level, index, tile_width(size, level, index)};
        EXPECT_EQ(files(resource_path(tile)).value(), model.resource(resource_path(tile)).value());
        const Resource bundle{ResourceKind::kEntries, 0, index, tile.width};
        if (level > 0) continue;
        EXPECT_EQ(files(resource_path(bundle)).value(), model.resource(resource_path(bundle)).value());
      }
  }
  EXPECT_FALSE(made.empty());
  EXPECT_FALSE(std::filesystem::exists(www + "/tile/0/000.p/255")) << "its full tile is there";
  EXPECT_TRUE(std::filesystem::exists(www + "/tile/1/000.p/4"));
  const std::string newest = log->checkpoint();
  // Never back, never aside, never without a signature.
  Mirror mirror = open_mirror().value();
  EXPECT_EQ(error_of(mirror.update(model.note(model.head(700)), log->store().fetch(1024))), "tlog.rollback");
  MemLog other;
  other.grow(1024, "other");
  EXPECT_EQ(error_of(mirror.update(other.note(), other.fetch())), "tlog.fork");
  other.grow(1500, "other");
  EXPECT_EQ(error_of(mirror.update(other.note(), other.fetch())), "tlog.fork");
  other.signer = test_signer(kOrigin, SignatureType::kEd25519, 9);
  EXPECT_EQ(error_of(mirror.update(other.note(), other.fetch())), "tlog.unsigned");
  EXPECT_EQ(as_text(folder_fetch(real_fs(), www)("checkpoint").value()), newest);
  EXPECT_EQ(error_of(folder_fetch(real_fs(), www)("../signed")), "tlog.path");
}

}  // namespace
}  // namespace hanse::tlog
