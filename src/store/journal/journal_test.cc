#include "store/journal/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/mem_fs.h"
#include "base/core/text.h"
#include "store/journal/format.h"

namespace hanse::journal {
namespace {

constexpr Options kSmall{.segment_bytes = 8 * kBlock, .segments = 3};

std::unique_ptr<Journal> must_create(Fs& fs, Options options = kSmall) {
  SeededRandom random(1);
  auto journal = Journal::create(fs, "j", options, random);
  EXPECT_TRUE(journal) << journal.error().str();
  return std::move(*journal);
}

std::vector<Bytes> records_of(const Journal& journal, std::uint64_t from = 1) {
  std::vector<Bytes> out;
  std::uint64_t seq = 0;
  EXPECT_TRUE(journal.replay(from, [&](const Record& record) -> Status {
    EXPECT_TRUE(seq == 0 || record.seq == seq + 1);
    seq = record.seq;
    out.push_back(to_bytes(record.payload));
    return {};
  }));
  return out;
}

void add(Journal& journal, const Bytes& payload) {
  const auto seq = journal.append(1, payload);
  ASSERT_TRUE(seq) << seq.error().str();
  ASSERT_TRUE(journal.sync());
}

TEST(Journal, gives_back_what_was_synced_after_reopening) {
  MemFs fs;
  auto journal = must_create(fs);
  const Nonce nonce = journal->nonce();
  EXPECT_EQ(journal->last_seq(), 0u);
  EXPECT_EQ(*journal->append(1, as_bytes("one")), 1u);
  EXPECT_EQ(*journal->append(2, {}), 2u);
  EXPECT_EQ(journal->durable_seq(), 0u);
  ASSERT_TRUE(journal->sync());
  EXPECT_EQ(journal->durable_seq(), 2u);
  EXPECT_EQ(*journal->append(3, Bytes(5000, 7)), 3u);
  ASSERT_TRUE(journal->sync());
  EXPECT_EQ(*journal->append(3, as_bytes("never synced")), 4u);
  journal.reset();
  fs.crash(1);
  auto again = Journal::open(fs, "j");
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ((*again)->nonce(), nonce);
  EXPECT_EQ(records_of(**again), (std::vector<Bytes>{to_bytes("one"), {}, Bytes(5000, 7)}));
  EXPECT_EQ(records_of(**again, 3), (std::vector<Bytes>{Bytes(5000, 7)}));
  EXPECT_EQ(*(*again)->append(1, as_bytes("four")), 4u);
  ASSERT_TRUE((*again)->sync());
  EXPECT_EQ(records_of(**again).size(), 4u);
}

TEST(Journal, works_on_the_real_file_system) {
  const std::string dir = testing::TempDir() + "hanse_journal_" + std::to_string(::getpid());
  auto journal = Journal::create(real_fs(), dir, kSmall, system_random());
  ASSERT_TRUE(journal) << journal.error().str();
  add(**journal, Bytes(3000, 1));
  add(**journal, Bytes(3000, 2));
  journal->reset();
  auto again = Journal::open(real_fs(), dir);
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(records_of(**again), (std::vector<Bytes>{Bytes(3000, 1), Bytes(3000, 2)}));
  EXPECT_EQ((*again)->recovered().repaired_blocks, 0u);
}

TEST(Journal, refuses_wrong_options_existing_and_missing_folders_and_large_records) {
  MemFs fs;
  SeededRandom random(1);
  for (const Options bad : {Options{kBlock * 3, 2}, Options{kBlock * 4 + 1, 2}, Options{kBlock * 4, 1},
                            Options{kBlock * 4, 65}, Options{(64u << 20) + kBlock, 2}})
    EXPECT_EQ(Journal::create(fs, "j", bad, random).error().id(), "journal.options");
  EXPECT_EQ(Journal::open(fs, "j").error().id(), "journal.missing");
  auto journal = must_create(fs);
  EXPECT_EQ(Journal::create(fs, "j", kSmall, random).error().id(), "journal.exists");
  EXPECT_EQ(journal->append(1, Bytes(journal->record_bytes_max() + 1)).error().id(), "journal.record_size");
  add(*journal, Bytes(journal->record_bytes_max(), 3));
  add(*journal, Bytes(journal->record_bytes_max(), 4));
  journal.reset();
  EXPECT_EQ(records_of(**Journal::open(fs, "j")).size(), 2u);
}

TEST(Journal, is_full_until_released_and_reuses_segments) {
  MemFs fs;
  auto journal = must_create(fs);
  const Bytes half(3 * kBlock, 1);
  std::uint64_t last = 0;
  for (;;) {
    const auto seq = journal->append(1, half);
    if (!seq) {
      EXPECT_EQ(seq.error().id(), "journal.full");
      break;
    }
    last = *seq;
    ASSERT_TRUE(journal->sync());
  }
  EXPECT_EQ(last, 3u);  // one a segment
  EXPECT_GT(journal->used_share(), 0.7);
  journal->release(2);
  for (std::uint64_t n = 0; n < 50; ++n) {
    add(*journal, Bytes(3 * kBlock, static_cast<std::uint8_t>(n)));
    journal->release(journal->last_seq());
  }
  journal.reset();
  auto again = Journal::open(fs, "j");
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ((*again)->last_seq(), 53u);
  const auto kept = records_of(**again);
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept.back(), Bytes(3 * kBlock, 49));
  EXPECT_EQ((*again)->recovered().first_seq + kept.size(), 54u);
}

TEST(Journal, refuses_everything_after_a_failed_sync) {
  MemFs fs;
  auto journal = must_create(fs);
  ASSERT_TRUE(journal->append(1, as_bytes("x")));
  fs.fail_at(3, MemFs::Fault::kIo);  // two writes, then the first sync
  EXPECT_EQ(journal->sync().error().id(), "core.fs_io");
  EXPECT_EQ(journal->append(1, as_bytes("y")).error().id(), "journal.failed");
  EXPECT_EQ(journal->sync().error().id(), "journal.failed");
}

TEST(Journal, create_reports_a_full_disk_and_leaves_no_journal) {
  MemFs fs(kSmall.segment_bytes * 2);  // the first segment's files fit, the meta files do not
  SeededRandom random(1);
  EXPECT_EQ(Journal::create(fs, "j", kSmall, random).error().id(), "core.fs_full");
  EXPECT_FALSE(*Journal::exists(fs, "j"));
}

TEST(Journal, a_disk_too_full_for_the_next_segment_ends_it_and_loses_nothing) {
  MemFs fs(kSmall.segment_bytes * 3);
  auto journal = must_create(fs);
  for (std::uint8_t n = 0; n < 3; ++n) add(*journal, Bytes(kBlock + 100, n));
  EXPECT_EQ(journal->append(1, Bytes(kBlock + 100, 3)).error().id(), "core.fs_full");
  EXPECT_EQ(journal->append(1, Bytes(1, 3)).error().id(), "journal.failed");
  journal.reset();
  EXPECT_EQ((*Journal::open(fs, "j"))->last_seq(), 3u);
}

struct Damage : testing::Test {
  MemFs fs;
  std::vector<Bytes> written;
  void SetUp() override {
    auto journal = must_create(fs);
    for (std::uint8_t n = 0; n < 9; ++n) {
      written.push_back(Bytes(kBlock + 100, n));  // two blocks each: three a segment
      add(*journal, written.back());
    }
  }
  std::string open_error() {
    const auto journal = Journal::open(fs, "j");
    return journal ? "" : std::string(journal.error().id());
  }
};

TEST_F(Damage, in_one_mirror_is_repaired) {
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    for (std::uint64_t at = 0; at < 7 * kBlock; at += 1000)
      ASSERT_TRUE(fs.flip(segment_path("j", slot % 2, slot), at, 3));
  }
  const auto checked = check_journal(fs, "j");
  ASSERT_TRUE(checked);
  EXPECT_GT(checked->repaired_blocks, 10u);
  auto journal = Journal::open(fs, "j");
  ASSERT_TRUE(journal) << journal.error().str();
  EXPECT_EQ(records_of(**journal), written);
  EXPECT_EQ((*journal)->recovered().repaired_blocks, checked->repaired_blocks);
  EXPECT_EQ(check_journal(fs, "j")->repaired_blocks, 0u);
}

TEST_F(Damage, in_alternate_records_of_both_mirrors_is_repaired) {
  ASSERT_TRUE(fs.flip(segment_path("j", 0, 0), kBlock + 50, 0));
  ASSERT_TRUE(fs.flip(segment_path("j", 1, 0), 3 * kBlock + 50, 0));
  auto journal = Journal::open(fs, "j");
  ASSERT_TRUE(journal) << journal.error().str();
  EXPECT_EQ(records_of(**journal), written);
}

TEST_F(Damage, of_a_synced_record_in_both_mirrors_is_reported) {
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(segment_path("j", mirror, 1), kBlock + 50, 0));
  EXPECT_EQ(check_journal(fs, "j").error().id(), "journal.damaged");
  EXPECT_EQ(open_error(), "journal.damaged");
}

TEST_F(Damage, inside_the_newest_segment_of_both_mirrors_is_reported) {
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(segment_path("j", mirror, 2), kBlock + 50, 0));
  EXPECT_EQ(open_error(), "journal.damaged");
}

TEST_F(Damage, of_every_header_or_meta_is_reported) {
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(segment_path("j", mirror, 1), 30, 0));
  EXPECT_EQ(open_error(), "journal.damaged");
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(meta_path("j", mirror), 12, 0));
  EXPECT_EQ(open_error(), "journal.damaged");
}

TEST_F(Damage, a_missing_file_is_rebuilt_and_two_are_reported) {
  ASSERT_TRUE(fs.unlink(segment_path("j", 0, 1)));
  ASSERT_TRUE(fs.unlink(meta_path("j", 1)));
  {
    auto journal = Journal::open(fs, "j");
    ASSERT_TRUE(journal) << journal.error().str();
    EXPECT_EQ(records_of(**journal), written);
  }
  EXPECT_TRUE(*fs.exists(meta_path("j", 1)));
  ASSERT_TRUE(fs.unlink(segment_path("j", 0, 1)));
  ASSERT_TRUE(fs.unlink(segment_path("j", 1, 1)));
  EXPECT_EQ(open_error(), "journal.damaged");
}

TEST_F(Damage, files_that_grew_are_read_and_one_that_shrank_is_rebuilt) {
  for (int mirror = 0; mirror < 2; ++mirror) {
    auto file = fs.open(segment_path("j", mirror, 2), OpenMode::kWrite);
    ASSERT_TRUE(file && (*file)->write_at(kSmall.segment_bytes + 999, as_bytes("x")));
  }
  {
    auto journal = Journal::open(fs, "j");
    ASSERT_TRUE(journal) << journal.error().str();
    EXPECT_EQ(records_of(**journal), written);
  }
  ASSERT_TRUE((*fs.open(segment_path("j", 0, 2), OpenMode::kWrite))->truncate(kBlock));
  EXPECT_EQ(records_of(**Journal::open(fs, "j")), written);
}

TEST_F(Damage, both_mirrors_of_the_newest_segment_short_is_reported) {
  for (int mirror = 0; mirror < 2; ++mirror)
    ASSERT_TRUE((*fs.open(segment_path("j", mirror, 2), OpenMode::kWrite))->truncate(kSmall.segment_bytes - 1));
  EXPECT_EQ(open_error(), "journal.damaged");
}

TEST_F(Damage, of_the_last_group_alone_looks_torn) {
  // Nothing later says that record 9 was durable: the owner's own count (the store's applied height) has to.
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(segment_path("j", mirror, 2), 5 * kBlock + 50, 0));
  auto journal = Journal::open(fs, "j");
  ASSERT_TRUE(journal);
  EXPECT_EQ((*journal)->last_seq(), 8u);
  EXPECT_GT((*journal)->recovered().torn_bytes, 0u);
}

TEST_F(Damage, two_journals_mixed_in_one_folder_are_reported) {
  MemFs other;
  SeededRandom random(2);
  ASSERT_TRUE(Journal::create(other, "j", kSmall, random));
  ASSERT_TRUE(replace_file(fs, meta_path("j", 1), *read_file(other, meta_path("j", 1), 4096)));
  EXPECT_EQ(open_error(), "journal.damaged");
}

// A payload that is a complete record of another journal must not be taken for one.
TEST(Journal, a_payload_cannot_pose_as_a_later_record) {
  MemFs fs;
  auto journal = must_create(fs);
  Bytes forged(kBlock - kRecordHead, 0);  // so that what follows lies at a block's start
  Nonce guessed;
  write_record(forged, {.seq = 99, .type = 1, .payload = as_bytes("x")}, 98, 0, guessed);
  ASSERT_TRUE(journal->append(1, forged));
  ASSERT_TRUE(journal->sync());
  journal.reset();
  // The first block of the only record is lost in both mirrors, as if its sync had never ended.
  for (int mirror = 0; mirror < 2; ++mirror) ASSERT_TRUE(fs.flip(segment_path("j", mirror, 0), kBlock + 2, 0));
  auto again = Journal::open(fs, "j");
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ((*again)->last_seq(), 0u);
}

// Random appends, syncs, releases, faults and crashes: every acknowledged record is there, nothing else is in its
// place.
void crash_run(std::uint64_t seed) {
  SCOPED_TRACE(text("seed {}", seed));
  SeededRandom random(seed, "journal crash");
  MemFs fs;
  std::map<std::uint64_t, Bytes> appended;
  std::uint64_t acknowledged = 0, released = 0;
  auto journal = must_create(fs);
  for (int life = 0; life < 4; ++life) {
    const std::uint64_t steps = 1 + random.below(25);
    if (random.below(2) == 0)
      fs.fail_at(1 + random.below(40), random.below(2) == 0 ? MemFs::Fault::kIo : MemFs::Fault::kFull);
    for (std::uint64_t step = 0; step < steps; ++step) {
      Bytes payload(random.below(random.below(4) == 0 ? 12'000 : 600));
      random.fill(payload);
      const auto seq = journal->append(1, payload);
      if (!seq) {
        if (seq.error().id() != "journal.full") break;
        released = acknowledged;
        journal->release(released + 1);
        continue;
      }
      appended[*seq] = payload;
      if (random.below(3) != 0) {
        if (!journal->sync()) break;
        acknowledged = *seq;
      }
    }
    journal.reset();
    if (random.below(4) != 0) fs.crash(random.next_u64());
    fs.fail_at(0, MemFs::Fault::kIo);
    auto opened = Journal::open(fs, "j");
    ASSERT_TRUE(opened) << opened.error().str();
    journal = std::move(*opened);
    ASSERT_GE(journal->last_seq(), acknowledged);
    ASSERT_LE(journal->recovered().first_seq, released + 1);
    std::uint64_t last = 0;
    ASSERT_TRUE(journal->replay(1, [&](const Record& record) -> Status {
      EXPECT_TRUE(appended.contains(record.seq));
      EXPECT_EQ(appended[record.seq], to_bytes(record.payload)) << "record " << record.seq;
      last = record.seq;
      return {};
    }));
    ASSERT_EQ(check_journal(fs, "j")->repaired_blocks, 0u);
    appended.erase(appended.upper_bound(journal->last_seq()), appended.end());
    acknowledged = journal->last_seq();
  }
}

TEST(Journal, keeps_every_acknowledged_record_over_crashes) {
  const char* env = std::getenv("HANSE_JOURNAL_SEEDS");
  const std::uint64_t seeds = env != nullptr ? std::strtoull(env, nullptr, 10) : 1000;
  for (std::uint64_t seed = 0; seed < seeds && !testing::Test::HasFailure(); ++seed) crash_run(seed);
}

// Flips in both mirrors anywhere: the answer is the true history, a shorter one by the unsynced tail, or an error.
TEST(Journal, never_invents_or_reorders_records_under_random_damage) {
  int opened_count = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed, "journal damage");
    MemFs fs;
    auto journal = must_create(fs);
    std::vector<Bytes> written;
    for (int n = 0; n < 8; ++n) {
      written.push_back(Bytes(random.below(3000), static_cast<std::uint8_t>(n)));
      add(*journal, written.back());
    }
    journal.reset();
    const std::uint64_t flips = 1 + random.below(6);
    for (std::uint64_t f = 0; f < flips; ++f)
      fs.flip(segment_path("j", static_cast<int>(random.below(2)), 0), random.below(8 * kBlock), 1);
    auto again = Journal::open(fs, "j");
    if (!again) {
      EXPECT_EQ(again.error().id(), "journal.damaged");
      ++refused;
      continue;
    }
    ++opened_count;
    const auto found = records_of(**again);
    ASSERT_GE(found.size() + 1, written.size());
    written.resize(found.size());
    EXPECT_EQ(found, written);
  }
  EXPECT_GT(opened_count, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace hanse::journal
