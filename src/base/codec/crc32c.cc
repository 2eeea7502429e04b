#include "base/codec/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace hanse::codec {

namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::uint32_t by_table(ByteView data, std::uint32_t c) {
  for (const std::uint8_t b : data) c = (c >> 8) ^ kTable[(c ^ b) & 0xff];
  return c;
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t by_instruction(ByteView data, std::uint32_t c) {
  std::uint64_t wide = c;
  while (data.size() >= 8) {
    wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(data.data()));
    data = data.subspan(8);
  }
  c = static_cast<std::uint32_t>(wide);
  for (const std::uint8_t b : data) c = _mm_crc32_u8(c, b);
  return c;
}
#endif

}  // namespace

std::uint32_t crc32c(ByteView data, std::uint32_t before) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(data, ~before);
#endif
  return ~by_table(data, ~before);
}

}  // namespace hanse::codec
