#include "chain/replica/recorder.h"

#include <gtest/gtest.h>

#include "base/core/mem_fs.h"

namespace hanse::replica {
namespace {

using consensus::Record;
using consensus::RecordType;

// A journal in memory, and what was reported of it.
struct RecorderTest : testing::Test {
  MemFs disk;
  SeededRandom random{1};
  std::unique_ptr<journal::Journal> journal;
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t durable = 0;
  int filling = 0;
  std::string failed;

  void SetUp() override {
    auto made = journal::Journal::create(disk, "/j", {.segment_bytes = 64u << 10, .segments = 4}, random);
    ASSERT_TRUE(made) << made.error().str();
    journal = std::move(*made);
  }
  Recorder::Callbacks callbacks() {
    const auto note = [this](const auto& change) {
      {
        const std::lock_guard lock(mutex);
        change();
      }
      changed.notify_all();
    };
    return {.durable = [this, note](std::uint64_t token) { note([&] { durable = token; }); },
            .filling = [this, note] { note([&] { ++filling; }); },
            .failed = [this, note](const Error& why) { note([&] { failed = why.id(); }); }};
  }
  void wait(const std::function<bool()>& ready) {
    std::unique_lock lock(mutex);
    changed.wait(lock, ready);
  }
  static constexpr std::int64_t kForeverNs = 3'600'000'000'000;
  static std::vector<Record> records(std::size_t count, std::size_t size = 10, std::int64_t patience_ns = 0) {
    return std::vector<Record>(
        count,
        {.type = RecordType::kVertex, .payload = std::make_shared<const Bytes>(size), .patience_ns = patience_ns});
  }
};

TEST_F(RecorderTest, reports_tokens_from_one_whatever_the_journal_held) {
  ASSERT_TRUE(journal->append(1, Bytes(5)));
  ASSERT_TRUE(journal->sync());
  Recorder recorder(*journal, system_clock(), callbacks());
  EXPECT_EQ(recorder.durable_seq(), 1u);
  recorder.record(records(2));
  wait([&] { return durable == 2; });
  EXPECT_EQ(recorder.durable_seq(), 3u);
  recorder.record(records(1, 10, 5'000'000));
  wait([&] { return durable == 3; });
  EXPECT_EQ(recorder.records(), 3u);
}

TEST_F(RecorderTest, what_can_wait_goes_with_what_cannot) {
  Recorder recorder(*journal, system_clock(), callbacks());
  recorder.record(records(2, 10, kForeverNs));
  recorder.record(records(1));
  wait([&] { return durable == 3; });
  EXPECT_EQ(recorder.syncs(), 1u);
}

TEST_F(RecorderTest, makes_durable_what_waits_when_it_stops) {
  Recorder recorder(*journal, system_clock(), callbacks());
  recorder.record(records(3, 10, kForeverNs));
  recorder.stop();
  EXPECT_EQ(durable, 3u);
}

TEST_F(RecorderTest, asks_for_compaction_when_it_fills_and_goes_on_after_release) {
  Recorder recorder(*journal, system_clock(), callbacks());
  std::uint64_t sent = 0;
  for (int round = 0; round < 5; ++round) {
    while (filling == round) {
      recorder.record(records(1, 8'000));
      ++sent;
      wait([&] { return durable == sent || !failed.empty(); });
      ASSERT_EQ(failed, "");
    }
    recorder.release(sent);
  }
  EXPECT_GT(sent * 8'000, std::uint64_t{4} * (64u << 10)) << "more than the journal holds at once";
}

TEST_F(RecorderTest, a_full_or_failing_journal_ends_it_once) {
  {
    Recorder recorder(*journal, system_clock(), callbacks());
    for (int n = 0; n < 5; ++n) recorder.record(records(8, 8'000));
    wait([&] { return !failed.empty(); });
    EXPECT_EQ(failed, "journal.full");
  }
  failed.clear();
  journal.reset();
  auto again = journal::Journal::create(disk, "/k", {.segment_bytes = 64u << 10, .segments = 4}, random);
  ASSERT_TRUE(again);
  const std::uint64_t before = durable;
  disk.fail_at(1, MemFs::Fault::kIo);
  Recorder recorder(**again, system_clock(), callbacks());
  recorder.record(records(1));
  wait([&] { return !failed.empty(); });
  EXPECT_EQ(failed, "core.fs_io");
  EXPECT_EQ(durable, before);
}

}  // namespace
}  // namespace hanse::replica
