// The records of a backup: the manifest of a base, and a segment of the archive of blocks. Layouts with their reasons:
// proto/records/backup.md. Both are sealed: {kind, payload, BLAKE3("hanse/backup/1", payload)}, so that any changed
// byte is seen before anything in them is used. A seal is no signature: what proves a block is its certificate.
// Pure; any thread. Errors: backup.manifest, backup.segment (corrupt, with the codec's own words), archive.zstd,
// archive.bomb.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chain/ledger/ledger.h"
#include "store/archive/pack.h"

namespace hanse::backup {

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kManifestBytesMax = 16u << 20;
constexpr std::size_t kFilesMax = 100'000;
constexpr std::size_t kSegmentBlocksMax = 1024;
constexpr std::size_t kSegmentBytesMax = 64u << 20;  // of transactions, reached before the last block is added
constexpr std::size_t kSegmentCertifiedMax = kSegmentBlocksMax + 2;
constexpr std::size_t kSegmentDecodedMax = 256u << 20;  // with one block more

// A certificate with the header it is for.
struct Certified {
  light::BlockHeader header;
  light::Certificate certificate;
};

struct Manifest {
  light::BlockHeader header;  // network, epoch, height, state root and time of the base
  std::int64_t created_ms = 0;
  std::optional<Certified> certified;  // the newest, at or below header
  std::vector<archive::PackedFile> files;
  std::uint64_t packed_bytes = 0;  // of data.tar.zst
  Hash32 packed_hash;

  std::uint64_t files_bytes() const;
};
Bytes encode(const Manifest& manifest);
Result<Manifest> decode_manifest(ByteView bytes);

// One block as it can be executed again, and the header that must come of it.
struct ArchivedBlock {
  light::BlockHeader header;
  bool epoch_end = false;
  std::vector<Bytes> txs;  // encoded ledger::Tx
};
Result<ledger::Cut> cut_of(const ArchivedBlock& block);

struct Segment {
  NetworkId network;
  std::vector<ArchivedBlock> blocks;  // heights without a hole, each the child of the one before
  // Ascending heights, none above the last block: the newest certificate, and those of the handovers between validator
  // sets that lead to it from the epoch before the first block on.
  std::vector<Certified> certified;

  Height first() const { return blocks.front().header.height; }
  Height last() const { return blocks.back().header.height; }
};
Bytes encode(const Segment& segment);
Result<Segment> decode_segment(ByteView bytes);

}  // namespace hanse::backup
