#include "base/codec/utf8.h"

#include <cstdint>
#include <cstring>

namespace hanse::codec {

namespace {

bool tail(std::string_view s, std::size_t i) {
  return i < s.size() && (static_cast<std::uint8_t>(s[i]) & 0xc0) == 0x80;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const auto a = static_cast<std::uint8_t>(text[0]);
  if (a < 0x80) return 1;
  if (a < 0xc2 || a > 0xf4 || !tail(text, 1)) return 0;
  if (a < 0xe0) return 2;
  const auto b = static_cast<std::uint8_t>(text[1]);
  if (!tail(text, 2)) return 0;
  if (a < 0xf0) {
    const bool overlong = a == 0xe0 && b < 0xa0;
    const bool surrogate = a == 0xed && b >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = a == 0xf0 && b < 0x90;
  const bool beyond = a == 0xf4 && b >= 0x90;
  return overlong || beyond || !tail(text, 3) ? 0 : 4;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::uint64_t eight = 0;
    if (text.size() >= sizeof eight) {
      std::memcpy(&eight, text.data(), sizeof eight);
      if ((eight & 0x8080808080808080ull) == 0) {
        text.remove_prefix(sizeof eight);
        continue;
      }
    }
    const std::size_t n = utf8_sequence(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

}  // namespace hanse::codec
