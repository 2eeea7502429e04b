#include "engines/tlog/signed_file.h"

#include "base/core/mem_fs.h"
#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

TEST(SignedFile, keeps_the_last_note) {
  MemFs fs;
  ASSERT_TRUE(SignedFile::create(fs, "signed", "note 0"));
  EXPECT_EQ(error_of(SignedFile::create(fs, "signed", "again")), "tlog.exists");
  for (int i = 1; i < 6; ++i) {
    SignedFile file = SignedFile::open(fs, "signed").value();
    EXPECT_EQ(file.last(), text("note {}", i - 1));
    ASSERT_TRUE(file.put(text("note {}", i)));
    EXPECT_EQ(file.last(), text("note {}", i));
  }
}

TEST(SignedFile, a_torn_write_leaves_the_note_before) {
  std::size_t old = 0, fresh = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    MemFs fs;
    const std::string before(1500, 'b'), after(3000, 'a');
    ASSERT_TRUE(SignedFile::create(fs, "signed", before));
    SignedFile file = SignedFile::open(fs, "signed").value();
    fs.fail_at(2, MemFs::Fault::kIo);  // the sync
    EXPECT_FALSE(file.put(after));
    EXPECT_EQ(file.last(), before);
    fs.crash(seed);
    const std::string last = SignedFile::open(fs, "signed").value().last();
    EXPECT_TRUE(last == before || last == after);
    ++(last == before ? old : fresh);
  }
  EXPECT_GT(old, 10u);
  EXPECT_GT(fresh, 10u);
}

TEST(SignedFile, a_flipped_bit_of_the_last_note_gives_the_one_before_and_of_both_an_error) {
  MemFs fs;
  ASSERT_TRUE(SignedFile::create(fs, "signed", "one"));
  {
    SignedFile file = SignedFile::open(fs, "signed").value();
    ASSERT_TRUE(file.put("two"));
  }
  for (const std::uint64_t at : {0u, 4u, 8u, 16u, 18u}) {
    ASSERT_TRUE(fs.flip("signed", kSlotSize + at, 1));
    EXPECT_EQ(SignedFile::open(fs, "signed").value().last(), "one") << at;
    ASSERT_TRUE(fs.flip("signed", kSlotSize + at, 1));
  }
  EXPECT_EQ(SignedFile::open(fs, "signed").value().last(), "two");
  ASSERT_TRUE(fs.flip("signed", kSlotSize + 17, 0));
  ASSERT_TRUE(fs.flip("signed", 17, 0));
  EXPECT_EQ(error_of(SignedFile::open(fs, "signed")), "tlog.signed_corrupt");
  EXPECT_EQ(error_of(SignedFile::open(fs, "other")), "core.fs_not_found");
}

TEST(SignedFile, a_note_fills_a_slot_and_no_more) {
  MemFs fs;
  ASSERT_TRUE(SignedFile::create(fs, "signed", std::string(kSlotSize - 16, 'x')));
  SignedFile file = SignedFile::open(fs, "signed").value();
  EXPECT_TRUE(file.put(std::string(kSlotSize - 16, 'y')));
  EXPECT_EQ(error_of(file.put(std::string(kSlotSize - 15, 'z'))), "tlog.note_limit");
  EXPECT_EQ(SignedFile::open(fs, "signed").value().last()[0], 'y');
}

}  // namespace
}  // namespace hanse::tlog
