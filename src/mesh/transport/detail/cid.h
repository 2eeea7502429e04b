// Connection ids that we give out, 17 bytes: shard u8 || AES-128-ECB(secret, counter u64 || 0 u64).
// Nobody can link two of them or make one; we see without a table whether one is ours, so that a stateless reset
// answers only what we gave out, and a later split over sockets can route by the first byte.
// Threads: one. Errors: none.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <memory>
#include <algorithm>
#include <cstring>

#include "base/core/bytes.h"
#include "base/core/random.h"
#include "mesh/transport/detail/tls.h"

namespace hanse::transport::detail {

constexpr std::size_t kCidSize = 17;

struct Cid {
  std::uint8_t size = 0;
  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> bytes{};
  friend bool operator==(const Cid&, const Cid&) = default;

  static Cid of(ByteView view) {
    Cid out;
    out.size = static_cast<std::uint8_t>(std::min(view.size(), out.bytes.size()));
    std::memcpy(out.bytes.data(), view.data(), out.size);
    return out;
  }
  static Cid of(const ngtcp2_cid& cid) { return of(ByteView(cid.data, cid.datalen)); }
};

// Keyed: a stranger chooses the ids of his first packets, and must not be able to choose their place in a table.
struct CidHash {
  std::uint64_t key = 0;
  std::size_t operator()(const Cid& cid) const {
    std::uint64_t h = key;
    for (std::size_t at = 0; at < 16; at += 8) {
      h ^= load_le<std::uint64_t>(cid.bytes.data() + at);
      h *= 0x9e3779b97f4a7c15;
      h ^= h >> 29;
      h += key;
    }
    h ^= load_le<std::uint32_t>(cid.bytes.data() + 16) + (std::uint64_t{cid.size} << 32);
    h *= 0xbf58476d1ce4e5b9;
    return h ^ (h >> 32);
  }
};

class CidMint {
 public:
  CidMint(const FixedBytes<32>& secret, Random& random);
  void mint(ngtcp2_cid& out);
  bool is_ours(ByteView cid) const;
  void reset_token(ByteView cid, std::uint8_t* out) const;  // NGTCP2_STATELESS_RESET_TOKENLEN bytes

 private:
  FixedBytes<32> secret_;
  std::uint64_t counter_;
  std::unique_ptr<EVP_CIPHER_CTX, Freer<EVP_CIPHER_CTX_free>> seal_, open_;
};

}  // namespace hanse::transport::detail
