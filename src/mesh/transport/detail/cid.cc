#include "mesh/transport/detail/cid.h"

#include <openssl/evp.h>

#include <cstring>

#include "base/core/check.h"
#include "base/crypto/hash.h"

namespace hanse::transport::detail {
namespace {

constexpr std::uint8_t kShard = 0;  // one socket loop an endpoint
constexpr std::size_t kBlock = 16;

void apply(EVP_CIPHER_CTX* context, const std::uint8_t* in, std::uint8_t* out) {
  int size = 0;
  check(EVP_CipherUpdate(context, out, &size, in, kBlock) == 1 && size == kBlock, "AES takes a block");
}

}  // namespace

CidMint::CidMint(const FixedBytes<32>& secret, Random& random)
    : secret_(secret), counter_(random.next_u64()), seal_(EVP_CIPHER_CTX_new()), open_(EVP_CIPHER_CTX_new()) {
  const Hash32 key = crypto::blake3("hanse/mesh-cid/1", {secret.view()});
  check(EVP_CipherInit_ex(seal_.get(), EVP_aes_128_ecb(), nullptr, key.data.data(), nullptr, 1) == 1 &&
            EVP_CipherInit_ex(open_.get(), EVP_aes_128_ecb(), nullptr, key.data.data(), nullptr, 0) == 1 &&
            EVP_CIPHER_CTX_set_padding(seal_.get(), 0) == 1 && EVP_CIPHER_CTX_set_padding(open_.get(), 0) == 1,
        "OpenSSL has AES-128");
}

void CidMint::mint(ngtcp2_cid& out) {
  std::uint8_t block[kBlock] = {};
  store_be(block, counter_++);
  out.datalen = kCidSize;
  out.data[0] = kShard;
  apply(seal_.get(), block, out.data + 1);
}

bool CidMint::is_ours(ByteView cid) const {
  std::uint8_t block[kBlock];
  if (cid.size() != kCidSize || cid[0] != kShard) return false;
  apply(open_.get(), cid.data() + 1, block);
  return load_be<std::uint64_t>(block + 8) == 0;
}

void CidMint::reset_token(ByteView cid, std::uint8_t* out) const {
  const Hash32 whole = crypto::blake3("hanse/mesh-reset/1", {secret_.view(), cid});
  std::memcpy(out, whole.data.data(), NGTCP2_STATELESS_RESET_TOKENLEN);
}

}  // namespace hanse::transport::detail
