// The journal's bytes: meta file, segment header, record. All integers little-endian. Private to the room.
//   meta      "HANSEJNL" u32 version=1, u32 segment_bytes, u32 segments, nonce[16], u32 crc
//   header    "HJSEG\0\0\1" nonce[16], u64 index, u64 oldest, u64 first_seq, u32 prev_crc, u32 crc        (block 0)
//   record    u32 "HJR1", u8 type, u8[3] zero, u32 len, u64 seq, u64 durable_seq, u32 prev_crc, payload[len], u32 crc
// crc = CRC-32C over nonce || everything before it.
#pragma once

#include <optional>

#include "store/journal/journal.h"

namespace hanse::journal {

constexpr std::size_t kRecordHead = 32;
constexpr std::size_t kRecordOverhead = kRecordHead + 4;

struct Meta {
  Options options;
  Nonce nonce;
};
Bytes encode_meta(const Meta& meta);
std::optional<Meta> parse_meta(ByteView bytes);
bool valid_options(const Options& options);

struct SegmentHeader {
  std::uint64_t index = 0;      // counts segments since creation; its file is index modulo segments
  std::uint64_t oldest = 0;     // the oldest segment still needed when this one was started
  std::uint64_t first_seq = 1;  // everything below was durable when this one was started
  std::uint32_t prev_crc = 0;
};
Bytes encode_segment_header(const SegmentHeader& header, const Nonce& nonce);  // one block
std::optional<SegmentHeader> parse_segment_header(ByteView block, const Nonce& nonce);

struct ParsedRecord {
  Record record;
  std::uint64_t durable_seq = 0;
  std::uint32_t prev_crc = 0;
  std::uint32_t crc = 0;
  std::size_t size = 0;  // with head and crc
};
// Appends one record to out and returns its crc.
std::uint32_t write_record(Bytes& out, const Record& record, std::uint64_t durable_seq, std::uint32_t prev_crc,
                           const Nonce& nonce);
std::optional<ParsedRecord> parse_record(ByteView at, const Nonce& nonce);
// What a record's head says, right or not.
std::optional<std::uint64_t> claimed_seq(ByteView at);
std::optional<std::uint64_t> claimed_durable_seq(ByteView at);

std::string meta_path(const std::string& dir, int mirror);
std::string segment_path(const std::string& dir, int mirror, std::uint32_t slot);

constexpr std::size_t round_up(std::size_t n) { return (n + kBlock - 1) / kBlock * kBlock; }

// Where the next record goes, and what is known of the segments.
struct Tail {
  SegmentHeader newest;
  std::uint64_t oldest = 0;               // segment index
  std::vector<std::uint64_t> first_seqs;  // of segments oldest..newest
  std::uint64_t next_seq = 1;
  std::uint32_t prev_crc = 0;
  std::size_t position = kBlock;  // in the newest segment, a multiple of kBlock
};

enum class Repair : std::uint8_t {
  kNo,
  kYes,
  kDone
};  // done: what was found when it was opened is not looked for again
struct Recovery {
  Meta meta;
  Tail tail;
  Recovered found;
};
// Walks both mirrors. With kYes also repairs them and cuts the torn tail, with kDone it only visits. visit sees every
// record, oldest first.
Result<Recovery> recover(Fs& fs, const std::string& dir, Repair repair, const Visit& visit);

}  // namespace hanse::journal
