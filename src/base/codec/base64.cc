#include "base/codec/base64.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::codec {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto kDigits = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(0xFF);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return out;
}();

}  // namespace

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (k < n ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? kAlphabet[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

Result<Bytes> from_base64(std::string_view s) {
  if (s.size() % 4 != 0)
    return fail(Kind::kInvalid, "codec.base64", text("found {} characters of base64, expected 4n", s.size()));
  Bytes out;
  out.reserve(s.size() / 4 * 3);
  for (std::size_t i = 0; i < s.size(); i += 4) {
    const std::size_t pad = i + 4 < s.size() ? 0 : s[i + 3] != '=' ? 0 : s[i + 2] != '=' ? 1 : 2;
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::uint8_t digit = k < 4 - pad ? kDigits[static_cast<unsigned char>(s[i + k])] : 0;
      if (digit == 0xFF) return fail(Kind::kInvalid, "codec.base64", text("character {} is not base64", i + k));
      v = v << 6 | digit;
    }
    if ((v & ((1u << (8 * pad)) - 1)) != 0)
      return fail(Kind::kInvalid, "codec.base64", text("character {} has bits that no byte takes", i + 3 - pad));
    for (std::size_t k = 0; k + pad < 3; ++k) out.push_back(static_cast<std::uint8_t>(v >> (16 - 8 * k)));
  }
  return out;
}

}  // namespace hanse::codec
