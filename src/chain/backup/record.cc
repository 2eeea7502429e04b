#include "chain/backup/record.h"

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::backup {
namespace {

constexpr std::string_view kManifestKind = "hanse-backup-manifest";
constexpr std::string_view kSegmentKind = "hanse-backup-segment";
constexpr std::size_t kKindMax = 32;
constexpr std::size_t kSealBytes = 256;  // around the payload, rounded up
constexpr std::size_t kTxsMax = 65'536;  // in a block
constexpr std::size_t kDepthMax = 8;

Hash32 seal_hash(ByteView payload) { return crypto::blake3("hanse/backup/1", {payload}); }

Bytes seal(std::string_view kind, ByteView payload) {
  codec::CborWriter w;
  w.map(3);
  w.key(0);
  w.text(kind);
  w.key(1);
  w.bytes(payload);
  w.key(2);
  w.bytes(seal_hash(payload).view());
  return w.take();
}

Status expect(codec::CborReader& r, std::uint64_t key) {
  TRY(const std::uint64_t found, r.key());
  if (found != key) return r.fail_here("codec.missing", text("found key {}, expected {}", found, key));
  return {};
}

Status expect_format(codec::CborReader& r) {
  TRY_OK(expect(r, 0));
  TRY(const std::uint64_t format, r.u64("format"));
  if (format != kFormat) return r.fail_here("codec.type", text("found format {}, expected {}", format, kFormat));
  return {};
}

Result<Bytes> unseal(std::string_view kind, ByteView bytes, std::size_t size_max) {
  codec::CborReader r(bytes, {.size_max = size_max + kSealBytes, .depth_max = 2});
  TRY_OK(r.enter_map("seal", 3));
  TRY_OK(expect(r, 0));
  TRY(const std::string_view found, r.text("kind", kKindMax));
  if (found != kind) return r.fail_here("codec.type", text("found kind '{}', expected '{}'", found, kind));
  TRY_OK(expect(r, 1));
  TRY(const ByteView payload, r.bytes("payload", size_max));
  TRY_OK(expect(r, 2));
  Hash32 hash;
  TRY_OK(r.fixed("hash", hash));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (hash != seal_hash(payload))
    return r.fail_here("codec.type", text("found payload with hash {}, expected {}", seal_hash(payload), hash));
  return to_bytes(payload);
}

void write(codec::CborWriter& w, const Certified& certified) {
  w.array(2);
  light::write(w, certified.header);
  light::write(w, certified.certificate);
}

Result<Certified> read_certified(codec::CborReader& r) {
  Certified out;
  TRY_OK(r.enter_array("certified", 2));
  TRY(out.header, light::read_header(r));
  TRY(out.certificate, light::read_certificate(r));
  TRY_OK(r.leave());
  return out;
}

Result<Manifest> read_manifest(ByteView bytes) {
  TRY(const Bytes payload, unseal(kManifestKind, bytes, kManifestBytesMax));
  codec::CborReader r(payload, {.size_max = kManifestBytesMax, .depth_max = kDepthMax});
  Manifest out;
  TRY_OK(r.enter_map("manifest", 6));
  TRY_OK(expect_format(r));
  TRY_OK(expect(r, 1));
  TRY(out.header, light::read_header(r));
  TRY_OK(expect(r, 2));
  TRY(out.created_ms, r.i64("created_ms"));
  TRY_OK(expect(r, 3));
  TRY_OK(r.enter_array("certified", 1));
  if (r.more()) {
    TRY(out.certified, read_certified(r));
  }
  TRY_OK(r.leave());
  TRY_OK(expect(r, 4));
  TRY_OK(r.enter_array("files", kFilesMax));
  std::uint64_t total = 0;
  while (r.more()) {
    archive::PackedFile& file = out.files.emplace_back();
    TRY_OK(r.enter_array("file", 3));
    TRY(const std::string_view name, r.text("name", 99));
    file.name = name;
    TRY(file.size_bytes, r.u64("size_bytes", archive::kPackedFileBytesMax));
    total += file.size_bytes;
    TRY_OK(r.fixed("hash", file.hash));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(expect(r, 5));
  TRY_OK(r.enter_array("packed", 2));
  TRY(out.packed_bytes, r.u64("size_bytes"));
  TRY_OK(r.fixed("hash", out.packed_hash));
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (out.certified && out.certified->header.height > out.header.height)
    return r.fail_here("codec.type", "found a certificate above the base");
  return out;
}

Status read_block(codec::CborReader& r, ArchivedBlock& out) {
  TRY_OK(r.enter_array("block", 3));
  TRY(out.header, light::read_header(r));
  TRY(out.epoch_end, r.boolean("epoch_end"));
  TRY_OK(r.enter_array("txs", kTxsMax));
  while (r.more()) {
    TRY(const ByteView tx, r.bytes("tx", ledger::kTxBytesMax));
    out.txs.push_back(to_bytes(tx));
  }
  TRY_OK(r.leave());
  return r.leave();
}

Result<Segment> read_segment(ByteView payload) {
  codec::CborReader r(payload, {.size_max = kSegmentDecodedMax, .depth_max = kDepthMax});
  Segment out;
  TRY_OK(r.enter_map("segment", 4));
  TRY_OK(expect_format(r));
  TRY_OK(expect(r, 1));
  TRY_OK(r.fixed("network", out.network));
  TRY_OK(expect(r, 2));
  TRY_OK(r.enter_array("blocks", kSegmentBlocksMax));
  while (r.more()) {
    TRY_OK(read_block(r, out.blocks.emplace_back()));
    const light::BlockHeader& header = out.blocks.back().header;
    const light::BlockHeader* before = out.blocks.size() > 1 ? &out.blocks[out.blocks.size() - 2].header : nullptr;
    if (header.network != out.network || header.height.value == 0 ||
        (before != nullptr &&
         (header.height != before->height.plus(1) || header.parent != light::header_hash(*before))))
      return r.fail_here("codec.type", text("found block {}, expected the next of one chain", header.height.value));
  }
  if (out.blocks.empty()) return r.fail_here("codec.missing", "found no block, expected one");
  TRY_OK(r.leave());
  TRY_OK(expect(r, 3));
  TRY_OK(r.enter_array("certified", kSegmentCertifiedMax));
  while (r.more()) {
    TRY(out.certified.emplace_back(), read_certified(r));
    const Height height = out.certified.back().header.height;
    const bool ascends = out.certified.size() == 1 || out.certified[out.certified.size() - 2].header.height < height;
    if (!ascends || height > out.last())
      return r.fail_here("codec.type",
                         text("found a certificate of block {}, expected ascending heights", height.value));
  }
  TRY_OK(r.leave());
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace

std::uint64_t Manifest::files_bytes() const {
  std::uint64_t total = 0;
  for (const auto& file : files) total += file.size_bytes;
  return total;
}

Bytes encode(const Manifest& manifest) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(kFormat);
  w.key(1);
  light::write(w, manifest.header);
  w.key(2);
  w.i64(manifest.created_ms);
  w.key(3);
  w.array(manifest.certified ? 1 : 0);
  if (manifest.certified) write(w, *manifest.certified);
  w.key(4);
  w.array(manifest.files.size());
  for (const auto& file : manifest.files) {
    w.array(3);
    w.text(file.name);
    w.u64(file.size_bytes);
    w.bytes(file.hash.view());
  }
  w.key(5);
  w.array(2);
  w.u64(manifest.packed_bytes);
  w.bytes(manifest.packed_hash.view());
  return seal(kManifestKind, w.take());
}

Result<Manifest> decode_manifest(ByteView bytes) {
  auto manifest = read_manifest(bytes);
  if (!manifest) return fail(Kind::kCorrupt, "backup.manifest", manifest.error().str());
  return manifest;
}

Result<ledger::Cut> cut_of(const ArchivedBlock& block) {
  ledger::Cut cut{.height = block.header.height,
                  .time_ms = block.header.time_ms,
                  .leader = block.header.leader,
                  .txs = {},
                  .epoch = block.header.epoch,
                  .id = block.header.cut,
                  .epoch_end = block.epoch_end};
  for (const Bytes& tx : block.txs) {
    auto decoded = ledger::decode_tx(tx);
    if (!decoded)
      return fail(Kind::kCorrupt, "backup.segment",
                  text("block {}: {}", block.header.height.value, decoded.error().str()));
    cut.txs.push_back(std::move(*decoded));
  }
  return cut;
}

Bytes encode(const Segment& segment) {
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.u64(kFormat);
  w.key(1);
  w.bytes(segment.network.view());
  w.key(2);
  w.array(segment.blocks.size());
  for (const ArchivedBlock& block : segment.blocks) {
    w.array(3);
    light::write(w, block.header);
    w.boolean(block.epoch_end);
    w.array(block.txs.size());
    for (const Bytes& tx : block.txs) w.bytes(tx);
  }
  w.key(3);
  w.array(segment.certified.size());
  for (const Certified& certified : segment.certified) write(w, certified);
  return seal(kSegmentKind, archive::compress(w.take()));
}

Result<Segment> decode_segment(ByteView bytes) {
  const auto read = [&]() -> Result<Segment> {
    TRY(const Bytes packed, unseal(kSegmentKind, bytes, kSegmentDecodedMax));
    TRY(const Bytes payload, archive::decompress(packed, kSegmentDecodedMax));
    return read_segment(payload);
  };
  auto segment = read();
  if (!segment && segment.error().kind() != Kind::kExhausted)
    return fail(Kind::kCorrupt, "backup.segment", segment.error().str());
  return segment;
}

}  // namespace hanse::backup
