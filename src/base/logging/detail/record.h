// A log event as bytes in a ring, and the line made of it.
//
// Record: RecordHead, event bytes, then per field {u8 type, u8 key size, u16 value size, key, value}; padded to 8.
// Integers, bool and char take 8 bytes, a double its bits, text and hex as many as they have, up to kTextMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/logging/log.h"

namespace hanse::logging::detail {

struct RecordHead {
  std::uint32_t size = 0;  // whole record, padded
  std::uint8_t level = 0;  // a Level, or kSkip at the unused end of a ring
  std::uint8_t fields = 0;
  std::uint16_t event_size = 0;
  std::uint32_t line = 0;
  std::uint32_t cut = 0;
  std::int64_t mono_ns = 0;
  const char* file = nullptr;
};
static_assert(sizeof(RecordHead) == 32);
constexpr std::uint8_t kSkip = 0xff;

constexpr std::size_t kEventMax = 256;
constexpr std::size_t kKeyMax = 64;
constexpr std::size_t kRecordMax = (sizeof(RecordHead) + kEventMax + kFieldsMax * (4 + kKeyMax + kTextMax) + 7) / 8 * 8;

// Size of the record, then the record itself into `out` of that size.
std::size_t record_size(std::string_view event, Fields fields);
void write_record(std::byte* out, std::size_t size, Level level, std::string_view event, Fields fields,
                  std::int64_t mono_ns, const char* file, std::uint32_t line);

// Wall time = wall_ms_base + (mono - mono_ns_base).
struct TimeBase {
  std::int64_t wall_ms = 0, mono_ns = 0;
};

// Formats without allocating or locking (the crash handler calls it). `out` has room for kLineMax bytes; the line has
// no newline at its end. Control characters and invalid UTF-8 never reach the line.
constexpr std::size_t kLineMax = 64 * 1024;
std::string_view format_line(const std::byte* record, Format format, const TimeBase& base, char* out);

}  // namespace hanse::logging::detail
