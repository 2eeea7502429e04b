#include "chain/backup/record.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "chain/backup/names.h"

namespace hanse::backup {
namespace {

light::BlockHeader header(std::uint64_t height, const Hash32& parent = {}) {
  light::BlockHeader out;
  out.height = Height{height};
  out.parent = parent;
  out.time_ms = static_cast<std::int64_t>(height) * 1000;
  return out;
}

Manifest manifest() {
  Manifest out;
  out.header = header(7);
  out.created_ms = 12'345;
  out.certified = Certified{.header = header(6), .certificate = {}};
  out.files = {{"000001.sst", 5, {}}, {"CURRENT", 1, {}}};
  out.packed_bytes = 3;
  return out;
}

Segment segment(std::size_t blocks) {
  Segment out;
  Hash32 parent;
  for (std::size_t i = 0; i < blocks; ++i) {
    out.blocks.push_back({.header = header(5 + i, parent), .epoch_end = i % 2 == 1, .txs = {Bytes(3, 1)}});
    parent = light::header_hash(out.blocks.back().header);
  }
  return out;
}

template <class T>
std::string id_of(const Result<T>& result) {
  return result ? std::string("ok") : std::string(result.error().id());
}

TEST(BackupRecord, manifests_and_segments_decode_to_what_was_encoded) {
  const Bytes bytes = encode(manifest());
  const auto got = decode_manifest(bytes);
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(encode(*got), bytes);
  EXPECT_EQ(got->files_bytes(), 6u);
  Segment s = segment(3);
  s.certified = {{.header = header(2), .certificate = {}}, {.header = header(7), .certificate = {}}};
  const auto back = decode_segment(encode(s));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), encode(s));
  EXPECT_EQ(back->last(), Height{7});
  EXPECT_TRUE(back->blocks[1].epoch_end);
}

TEST(BackupRecord, every_flipped_bit_of_a_manifest_is_seen) {
  const Bytes bytes = encode(manifest());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes bad = bytes;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_EQ(id_of(decode_manifest(bad)), "backup.manifest") << bit;
  }
  EXPECT_EQ(id_of(decode_manifest(encode(segment(1)))), "backup.manifest") << "another kind";
}

TEST(BackupRecord, segments_hold_one_chain_and_at_most_their_limit) {
  EXPECT_EQ(id_of(decode_segment(encode(segment(kSegmentBlocksMax)))), "ok");
  EXPECT_EQ(id_of(decode_segment(encode(segment(kSegmentBlocksMax + 1)))), "backup.segment");
  EXPECT_EQ(id_of(decode_segment(encode(Segment{}))), "backup.segment");
  Segment bad = segment(3);
  std::swap(bad.blocks[1], bad.blocks[2]);
  EXPECT_EQ(id_of(decode_segment(encode(bad))), "backup.segment");
  bad = segment(3);
  bad.blocks[2].header.parent.data[0] ^= 1;
  EXPECT_EQ(id_of(decode_segment(encode(bad))), "backup.segment");
  bad = segment(2);
  bad.certified = {{.header = header(7), .certificate = {}}};
  EXPECT_EQ(id_of(decode_segment(encode(bad))), "backup.segment") << "a certificate above the blocks";
  bad.certified = {{.header = header(6), .certificate = {}}, {.header = header(6), .certificate = {}}};
  EXPECT_EQ(id_of(decode_segment(encode(bad))), "backup.segment") << "the same height twice";
  bad = segment(1);
  bad.network.data[0] = 1;
  EXPECT_EQ(id_of(decode_segment(encode(bad))), "backup.segment") << "blocks of another network";
}

TEST(BackupRecord, manifests_have_limits) {
  Manifest m = manifest();
  m.certified = Certified{.header = header(8), .certificate = {}};
  EXPECT_EQ(id_of(decode_manifest(encode(m))), "backup.manifest") << "a certificate above the base";
  m = manifest();
  m.files.resize(kFilesMax, {"a", 0, {}});
  EXPECT_EQ(id_of(decode_manifest(encode(m))), "ok");
  m.files.push_back({"a", 0, {}});
  EXPECT_EQ(id_of(decode_manifest(encode(m))), "backup.manifest");
  m = manifest();
  m.files[0].size_bytes = archive::kPackedFileBytesMax + 1;
  EXPECT_EQ(id_of(decode_manifest(encode(m))), "backup.manifest");
}

TEST(BackupRecord, a_transaction_that_does_not_decode_is_damage) {
  EXPECT_EQ(id_of(cut_of(segment(1).blocks[0])), "backup.segment");
}

TEST(BackupNames, are_read_back_exactly_or_not_at_all) {
  EXPECT_EQ(backup_id({.height = Height{12}, .created_ms = 34}), "backup-12-34");
  EXPECT_EQ(parse_backup_id("backup-12-34")->created_ms, 34);
  for (const char* bad : {"", "backup-", "backup-1", "backup-1-", "backup--1", "backup-01-2", "backup-1-2x",
                          "backup-1-2/a", "backup-99999999999999999999-1", "Backup-1-2"})
    EXPECT_FALSE(parse_backup_id(bad)) << bad;
  const std::string name = cuts_name(Height{1}, Height{1024});
  EXPECT_EQ(name, "cuts/00000000000000000001-00000000000000001024");
  EXPECT_EQ(parse_cuts_name(name)->last, Height{1024});
  for (const char* bad : {"", "cuts/", "cuts/1-2", "cuts/00000000000000000002-00000000000000000001",
                          "cuts/00000000000000000000-00000000000000000001"})
    EXPECT_FALSE(parse_cuts_name(bad)) << bad;
}

}  // namespace
}  // namespace hanse::backup
