#include "store/journal/format.h"

#include "base/codec/crc32c.h"
#include "base/core/text.h"

namespace hanse::journal {
namespace {

constexpr std::uint32_t kRecordMagic = 0x31524A48;  // "HJR1"
constexpr std::string_view kMetaMagic = "HANSEJNL";
constexpr std::string_view kSegmentMagic{"HJSEG\0\0\1", 8};
constexpr std::size_t kMetaSize = 8 + 4 + 4 + 4 + 16 + 4;
constexpr std::size_t kSegmentHeaderSize = 8 + 16 + 8 + 8 + 8 + 4 + 4;
constexpr std::uint32_t kVersion = 1;

template <class T>
void append_le(Bytes& out, T v) {
  std::uint8_t buf[sizeof(T)];
  store_le(buf, v);
  append(out, buf);
}

std::uint32_t keyed_crc(const Nonce& nonce, ByteView bytes) {
  return codec::crc32c(bytes, codec::crc32c(nonce.view()));
}

}  // namespace

bool valid_options(const Options& options) {
  return options.segment_bytes % kBlock == 0 && options.segment_bytes >= 4 * kBlock &&
         options.segment_bytes <= (64u << 20) && options.segments >= 2 && options.segments <= 64;
}

Bytes encode_meta(const Meta& meta) {
  Bytes out = to_bytes(kMetaMagic);
  append_le(out, kVersion);
  append_le(out, meta.options.segment_bytes);
  append_le(out, meta.options.segments);
  append(out, meta.nonce.view());
  append_le(out, keyed_crc(meta.nonce, out));
  return out;
}

std::optional<Meta> parse_meta(ByteView bytes) {
  if (bytes.size() != kMetaSize || as_text(bytes.first(8)) != kMetaMagic) return std::nullopt;
  const std::uint8_t* p = bytes.data();
  Meta meta;
  std::memcpy(meta.nonce.data.data(), p + 20, 16);
  if (load_le<std::uint32_t>(p + 36) != keyed_crc(meta.nonce, bytes.first(36))) return std::nullopt;
  if (load_le<std::uint32_t>(p + 8) != kVersion) return std::nullopt;
  meta.options = {.segment_bytes = load_le<std::uint32_t>(p + 12), .segments = load_le<std::uint32_t>(p + 16)};
  if (!valid_options(meta.options)) return std::nullopt;
  return meta;
}

Bytes encode_segment_header(const SegmentHeader& header, const Nonce& nonce) {
  Bytes out = to_bytes(kSegmentMagic);
  append(out, nonce.view());
  append_le(out, header.index);
  append_le(out, header.oldest);
  append_le(out, header.first_seq);
  append_le(out, header.prev_crc);
  append_le(out, keyed_crc(nonce, out));
  out.resize(kBlock);
  return out;
}

std::optional<SegmentHeader> parse_segment_header(ByteView block, const Nonce& nonce) {
  if (block.size() < kSegmentHeaderSize || as_text(block.first(8)) != kSegmentMagic) return std::nullopt;
  const std::uint8_t* p = block.data();
  if (!equal(block.subspan(8, 16), nonce.view())) return std::nullopt;
  if (load_le<std::uint32_t>(p + 52) != keyed_crc(nonce, block.first(52))) return std::nullopt;
  return SegmentHeader{.index = load_le<std::uint64_t>(p + 24),
                       .oldest = load_le<std::uint64_t>(p + 32),
                       .first_seq = load_le<std::uint64_t>(p + 40),
                       .prev_crc = load_le<std::uint32_t>(p + 48)};
}

std::uint32_t write_record(Bytes& out, const Record& record, std::uint64_t durable_seq, std::uint32_t prev_crc,
                           const Nonce& nonce) {
  const std::size_t start = out.size();
  append_le(out, kRecordMagic);
  out.push_back(record.type);
  out.insert(out.end(), 3, 0);
  append_le(out, static_cast<std::uint32_t>(record.payload.size()));
  append_le(out, record.seq);
  append_le(out, durable_seq);
  append_le(out, prev_crc);
  append(out, record.payload);
  const std::uint32_t crc = keyed_crc(nonce, ByteView(out).subspan(start));
  append_le(out, crc);
  return crc;
}

std::optional<ParsedRecord> parse_record(ByteView at, const Nonce& nonce) {
  if (at.size() < kRecordOverhead) return std::nullopt;
  const std::uint8_t* p = at.data();
  if (load_le<std::uint32_t>(p) != kRecordMagic) return std::nullopt;
  const std::uint32_t size = load_le<std::uint32_t>(p + 8);
  if (size > at.size() - kRecordOverhead) return std::nullopt;
  ParsedRecord out;
  out.crc = load_le<std::uint32_t>(p + kRecordHead + size);
  if (out.crc != keyed_crc(nonce, at.first(kRecordHead + size))) return std::nullopt;
  out.record = {.seq = load_le<std::uint64_t>(p + 12), .type = p[4], .payload = at.subspan(kRecordHead, size)};
  out.durable_seq = load_le<std::uint64_t>(p + 20);
  out.prev_crc = load_le<std::uint32_t>(p + 28);
  out.size = kRecordOverhead + size;
  return out;
}

std::optional<std::uint64_t> claimed_seq(ByteView at) {
  if (at.size() < kRecordHead || load_le<std::uint32_t>(at.data()) != kRecordMagic) return std::nullopt;
  return load_le<std::uint64_t>(at.data() + 12);
}

std::optional<std::uint64_t> claimed_durable_seq(ByteView at) {
  if (!claimed_seq(at)) return std::nullopt;
  return load_le<std::uint64_t>(at.data() + 20);
}

std::string meta_path(const std::string& dir, int mirror) { return text("{}/meta-{}", dir, mirror == 0 ? "a" : "b"); }

std::string segment_path(const std::string& dir, int mirror, std::uint32_t slot) {
  return text("{}/{}-{}.seg", dir, mirror == 0 ? "a" : "b", slot);
}

}  // namespace hanse::journal
