#include "base/crypto/lioness.h"

#include "base/core/check.h"
#include "base/crypto/detail/openssl.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

constexpr std::size_t kLeft = 32;

struct Halves {
  ByteSpan left, right;
};
Halves halves(ByteSpan block) {
  check(block.size() > kLeft, "a LIONESS block has more than its left half");
  return {block.first(kLeft), block.subspan(kLeft)};
}

void stream(const Halves& h, ByteView round_key) {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
  thread_local const detail::CipherCtxPtr ctx(EVP_CIPHER_CTX_new());
  Secret<kLeft> key;
  for (std::size_t i = 0; i < kLeft; ++i) key.span()[i] = static_cast<std::uint8_t>(h.left[i] ^ round_key[i]);
  const std::uint8_t counter_and_nonce[16] = {};
  int n = 0;
  check(cipher != nullptr && ctx != nullptr &&
            EVP_CipherInit_ex2(ctx.get(), cipher, key.view().data(), counter_and_nonce, 1, nullptr) == 1 &&
            EVP_CipherUpdate(ctx.get(), h.right.data(), &n, h.right.data(), static_cast<int>(h.right.size())) == 1,
        "ChaCha20 runs");
  EVP_CIPHER_CTX_reset(ctx.get());  // wipes the key
}

void hash(const Halves& h, ByteView round_key) {
  Hash32 digest = sha256({round_key, h.right});
  for (std::size_t i = 0; i < kLeft; ++i) h.left[i] ^= digest.data[i];
  wipe(digest.span());
}

}  // namespace

void lioness_encrypt(const LionessKey& key, ByteSpan block) {
  const Halves h = halves(block);
  const ByteView k = key.view();
  stream(h, k.first(32));
  hash(h, k.subspan(32, 64));
  stream(h, k.subspan(96, 32));
  hash(h, k.subspan(128, 64));
}

void lioness_decrypt(const LionessKey& key, ByteSpan block) {
  const Halves h = halves(block);
  const ByteView k = key.view();
  hash(h, k.subspan(128, 64));
  stream(h, k.subspan(96, 32));
  hash(h, k.subspan(32, 64));
  stream(h, k.first(32));
}

}  // namespace hanse::crypto
