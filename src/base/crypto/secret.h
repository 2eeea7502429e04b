// Memory that holds secrets: wiped when it is released, never copied by accident.
//   Secret<N>    exactly N bytes, a value that moves        SecureBytes   any number of bytes
// wipe() is not optimised away; equal_secret() takes the same time wherever the bytes differ.
// Threads: plain values. Errors: none. Does not lock pages: a machine that swaps secrets needs encrypted swap.
#pragma once

#include "base/core/bytes.h"

namespace hanse::crypto {

void wipe(ByteSpan bytes);
bool equal_secret(ByteView a, ByteView b);  // false at once when the lengths differ: lengths are public

template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;
  Secret() = default;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  static bool from(ByteView bytes, Secret& out) { return FixedBytes<N>::from(bytes, out.bytes_); }
  ByteView view() const { return bytes_.view(); }
  ByteSpan span() { return bytes_.span(); }
  Secret clone() const {
    Secret copy;
    copy.bytes_ = bytes_;
    return copy;
  }
  friend bool operator==(const Secret& a, const Secret& b) { return equal_secret(a.view(), b.view()); }

 private:
  void clear() { wipe(bytes_.span()); }
  FixedBytes<N> bytes_;
};

class SecureBytes {
 public:
  SecureBytes() = default;
  explicit SecureBytes(std::size_t size) : bytes_(size) {}
  explicit SecureBytes(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecureBytes(SecureBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecureBytes& operator=(SecureBytes&& other) noexcept {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = std::move(other.bytes_);
    }
    return *this;
  }
  SecureBytes(const SecureBytes&) = delete;
  SecureBytes& operator=(const SecureBytes&) = delete;
  ~SecureBytes() { wipe(bytes_); }

  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  ByteView view() const { return bytes_; }
  ByteSpan span() { return bytes_; }

 private:
  Bytes bytes_;  // its size is fixed at creation: growing would leave copies behind
};

}  // namespace hanse::crypto
