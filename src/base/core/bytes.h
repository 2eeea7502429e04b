// Bytes and fixed-size byte strings, the currency between codec, crypto, store and wire.
// Shapes: Bytes owns, ByteView borrows, FixedBytes<N> is a value. Little- and big-endian loads and stores.
// Threads: plain values. Errors: none.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hanse {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view s) { return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}; }
inline std::string_view as_text(ByteView b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
inline Bytes to_bytes(ByteView b) { return Bytes(b.begin(), b.end()); }
inline Bytes to_bytes(std::string_view s) { return to_bytes(as_bytes(s)); }
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
inline void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

// A byte string of exactly N bytes; Tag keeps two meanings of the same length apart.
template <std::size_t N, class Tag = void>
struct FixedBytes {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> data{};

  ByteView view() const { return data; }
  ByteSpan span() { return data; }
  bool is_zero() const { return *this == FixedBytes{}; }
  static bool from(ByteView bytes, FixedBytes& out) {  // false when the length differs
    if (bytes.size() != N) return false;
    std::memcpy(out.data.data(), bytes.data(), N);
    return true;
  }
  friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

template <class T>
T load_le(const std::uint8_t* p) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) v = static_cast<T>(v | (static_cast<T>(p[i]) << (8 * i)));
  return v;
}
template <class T>
T load_be(const std::uint8_t* p) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    v = static_cast<T>(v | (static_cast<T>(p[i]) << (8 * (sizeof(T) - 1 - i))));
  return v;
}
template <class T>
void store_le(std::uint8_t* p, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) p[i] = static_cast<std::uint8_t>(v >> (8 * i));
}
template <class T>
void store_be(std::uint8_t* p, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) p[i] = static_cast<std::uint8_t>(v >> (8 * (sizeof(T) - 1 - i)));
}
template <class T>
void append_be(Bytes& out, T v) {
  std::uint8_t buf[sizeof(T)];
  store_be(buf, v);
  append(out, buf);
}

}  // namespace hanse

template <std::size_t N, class Tag>
struct std::hash<hanse::FixedBytes<N, Tag>> {
  std::size_t operator()(const hanse::FixedBytes<N, Tag>& b) const noexcept {
    static_assert(N >= sizeof(std::size_t));
    std::size_t h;
    std::memcpy(&h, b.data.data(), sizeof h);
    return h;
  }
};
