#include "base/codec/hex.h"

#include "base/codec/crc32c.h"
#include "base/core/text.h"

#include <array>

namespace hanse::codec {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase32Digits = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kIdPrefix = "hanse1";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kHexValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::uint8_t i = 0; i < 16; ++i) values[static_cast<std::uint8_t>(kHexDigits[i])] = i;
  for (std::uint8_t i = 10; i < 16; ++i) values[static_cast<std::uint8_t>('A' + i - 10)] = i;
  return values;
}();

constexpr std::array<std::uint8_t, 256> kBase32Values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::uint8_t i = 0; i < 32; ++i) values[static_cast<std::uint8_t>(kBase32Digits[i])] = i;
  return values;
}();

// Text from outside goes into messages as its byte value when it cannot be shown.
std::string shown(char c) {
  const auto u = static_cast<std::uint8_t>(c);
  return u >= 0x20 && u < 0x7f ? text("'{}'", c) : text("byte 0x{:02x}", u);
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    out += kHexDigits[b >> 4];
    out += kHexDigits[b & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0)
    return fail(Kind::kInvalid, "codec.hex", text("found {} hex digits, expected an even number", hex.size()));
  Bytes out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const std::uint8_t hi = kHexValues[static_cast<std::uint8_t>(hex[i])];
    const std::uint8_t lo = kHexValues[static_cast<std::uint8_t>(hex[i + 1])];
    if (hi == kNone || lo == kNone) {
      const std::size_t at = hi == kNone ? i : i + 1;
      return fail(Kind::kInvalid, "codec.hex",
                  text("found {} at position {}, expected a hex digit", shown(hex[at]), at));
    }
    out.push_back(static_cast<std::uint8_t>(hi << 4 | lo));
  }
  return out;
}

std::string to_base32(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const std::uint8_t b : bytes) {
    held = held << 8 | b;
    for (bits += 8; bits >= 5; bits -= 5) out += kBase32Digits[held >> (bits - 5) & 31];
  }
  if (bits > 0) out += kBase32Digits[held << (5 - bits) & 31];
  return out;
}

Result<Bytes> from_base32(std::string_view base32) {
  const std::size_t over = base32.size() % 8;
  if (over == 1 || over == 3 || over == 6)
    return fail(Kind::kInvalid, "codec.base32",
                text("found {} characters, a length no byte string has", base32.size()));
  Bytes out;
  out.reserve(base32.size() * 5 / 8);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < base32.size(); ++i) {
    const std::uint8_t v = kBase32Values[static_cast<std::uint8_t>(base32[i])];
    if (v == kNone)
      return fail(Kind::kInvalid, "codec.base32",
                  text("found {} at position {}, expected one of a-z and 2-7", shown(base32[i]), i));
    held = held << 5 | v;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::uint8_t>(held >> bits));
  }
  if ((held & ((1u << bits) - 1)) != 0)
    return fail(Kind::kInvalid, "codec.base32",
                text("the last of {} characters has bits beyond the last byte", base32.size()));
  return out;
}

std::string encode_id(ByteView payload) {
  Bytes summed = to_bytes(payload);
  append_be(summed, crc32c(payload));
  return std::string(kIdPrefix) + to_base32(summed);
}

Result<Bytes> decode_id(std::string_view shown_id) {
  if (!shown_id.starts_with(kIdPrefix))
    return fail(Kind::kInvalid, "codec.base32",
                text("found an id of {} characters that does not start with {}", shown_id.size(), kIdPrefix));
  TRY(Bytes summed, from_base32(shown_id.substr(kIdPrefix.size())));
  if (summed.size() < 4)
    return fail(Kind::kInvalid, "codec.checksum",
                text("found {} bytes, expected a checksum of 4 at least", summed.size()));
  const ByteView payload = ByteView(summed).first(summed.size() - 4);
  const auto found = load_be<std::uint32_t>(&summed[payload.size()]);
  const std::uint32_t expected = crc32c(payload);
  if (found != expected)
    return fail(Kind::kInvalid, "codec.checksum",
                text("found checksum {:08x}, expected {:08x}: mistyped?", found, expected));
  summed.resize(payload.size());
  return summed;
}

}  // namespace hanse::codec
