// Little-endian writing and checked reading of fixed layouts: frames that travel and are not kept (what is signed or
// stored is CBOR, cbor.h). Integers little-endian, u32 lengths and counts before what varies. A failed read makes every
// later one fail, so a decoder asks once, at its end; counts are compared with the bytes left before anything is
// allocated. Threads: values; the reader borrows its input. Errors: none of its own; why() is for the caller's.
#pragma once

#include <type_traits>

#include "base/core/bytes.h"
#include "base/core/text.h"

namespace hanse::codec {

class FixedWriter {
 public:
  template <class T>
  void num(T v) {
    std::uint8_t buf[sizeof(T)];
    store_le(buf, static_cast<std::make_unsigned_t<T>>(v));
    append(out_, ByteView(buf, sizeof(T)));
  }
  template <std::size_t N, class Tag>
  void fixed(const FixedBytes<N, Tag>& v) {
    append(out_, v.view());
  }
  void bytes(ByteView v) {
    num(static_cast<std::uint32_t>(v.size()));
    append(out_, v);
  }
  void raw(ByteView v) { append(out_, v); }
  void reserve(std::size_t n) { out_.reserve(n); }
  std::size_t size() const { return out_.size(); }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

class FixedReader {
 public:
  explicit FixedReader(ByteView in) : in_(in) {}

  template <class T>
  T num() {
    const ByteView at = raw(sizeof(T));
    return at.empty() ? T{} : static_cast<T>(load_le<std::make_unsigned_t<T>>(at.data()));
  }
  template <class F>
  F fixed() {
    F out{};
    const ByteView at = raw(F::kSize);
    if (!at.empty()) std::memcpy(out.data.data(), at.data(), F::kSize);
    return out;
  }
  std::uint8_t flag() {  // 0 or 1
    const auto v = num<std::uint8_t>();
    if (ok() && v > 1) refuse(text("found flag {}, expected 0 or 1", v));
    return v;
  }
  ByteView bytes(std::size_t max) {
    const auto n = num<std::uint32_t>();
    if (n > max) return refuse(text("found {} bytes, expected at most {}", n, max));
    return raw(n);
  }
  // A count of items that take at least `item_bytes` each: more than the rest could hold is refused.
  std::size_t count(std::size_t max, std::size_t item_bytes) {
    const auto n = num<std::uint32_t>();
    if (n <= max && n * item_bytes <= in_.size()) return n;
    refuse(text("found a count of {}, expected at most {} in the {} bytes left", n, max, in_.size()));
    return 0;
  }
  ByteView raw(std::size_t n) {
    if (!ok()) return {};
    if (n > in_.size()) return refuse(text("found {} bytes, expected {} more", in_.size(), n));
    const ByteView out = in_.first(n);
    in_ = in_.subspan(n);
    return out;
  }
  ByteView rest() const { return in_; }
  std::size_t left() const { return in_.size(); }
  bool ok() const { return why_.empty(); }
  ByteView refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    in_ = {};
    return {};
  }
  bool finish() {  // everything was read, and nothing was refused
    if (ok() && !in_.empty()) refuse(text("found {} bytes after the end", in_.size()));
    return ok();
  }
  const std::string& why() const { return why_; }

 private:
  ByteView in_;
  std::string why_;
};

}  // namespace hanse::codec
