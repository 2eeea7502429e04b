// Reading records whose map has every key from 0 on. Private to the room.
#pragma once

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::light {

inline Status expect_key(codec::CborReader& r, std::uint64_t expected) {
  TRY(const std::uint64_t key, r.key());
  if (key != expected) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected));
  return {};
}

template <class Fixed>
Status read_fixed(codec::CborReader& r, std::uint64_t key, std::string_view what, Fixed& out) {
  TRY_OK(expect_key(r, key));
  return r.fixed(what, out);
}

inline Status read_u64(codec::CborReader& r, std::uint64_t key, std::string_view what, std::uint64_t& out) {
  TRY_OK(expect_key(r, key));
  TRY(out, r.u64(what));
  return {};
}

inline Result<std::vector<Hash32>> read_hashes(codec::CborReader& r, std::string_view what, std::size_t count_max) {
  TRY_OK(r.enter_array(what, count_max));
  std::vector<Hash32> out;
  while (r.more()) {
    Hash32 hash;
    TRY_OK(r.fixed("hash", hash));
    out.push_back(hash);
  }
  TRY_OK(r.leave());
  return out;
}

inline Result<std::vector<Hash32>> read_hashes(codec::CborReader& r, std::uint64_t key, std::string_view what,
                                               std::size_t count_max) {
  TRY_OK(expect_key(r, key));
  return read_hashes(r, what, count_max);
}

inline void write_hashes(codec::CborWriter& w, const std::vector<Hash32>& hashes) {
  w.array(hashes.size());
  for (const Hash32& hash : hashes) w.bytes(hash.view());
}

inline void write_hashes(codec::CborWriter& w, std::uint64_t key, const std::vector<Hash32>& hashes) {
  w.key(key);
  write_hashes(w, hashes);
}

}  // namespace hanse::light
