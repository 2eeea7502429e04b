#include "base/crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/detail/openssl.h"

namespace hanse::crypto {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadSize = 2, kTagSize = 16, kBodyAt = kHeadSize + GcmNonce::kSize;
constexpr std::size_t kHkdfMax = 255 * 32;
static_assert(kBodyAt + kTagSize == kAeadOverhead);

const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  check(cipher != nullptr, "OpenSSL has AES-256-GCM");
  return cipher;
}

// One context a thread; its key is wiped by the reset after each use.
EVP_CIPHER_CTX* cipher_context() {
  thread_local const detail::CipherCtxPtr ctx(EVP_CIPHER_CTX_new());
  check(ctx != nullptr, "OpenSSL has memory for a cipher");
  return ctx.get();
}

struct Reset {
  EVP_CIPHER_CTX* ctx;
  ~Reset() { EVP_CIPHER_CTX_reset(ctx); }
};

Status check_size(std::size_t size) {
  if (size <= kSealedMax) return {};
  return fail(Kind::kExhausted, "crypto.too_large", text("found {} bytes, expected at most {}", size, kSealedMax));
}

std::unexpected<Error> open_failed() {
  ERR_clear_error();
  return fail(Kind::kDenied, "crypto.open_failed", "sealed bytes fit neither this key nor this associated data");
}

// Runs GCM over two pieces of associated data and one text.
bool run(EVP_CIPHER_CTX* ctx, std::initializer_list<ByteView> associated, ByteView in, std::uint8_t* out) {
  int n = 0;
  for (const ByteView part : associated)
    if (!part.empty() && EVP_CipherUpdate(ctx, nullptr, &n, part.data(), static_cast<int>(part.size())) != 1)
      return false;
  return in.empty() || EVP_CipherUpdate(ctx, out, &n, in.data(), static_cast<int>(in.size())) == 1;
}

struct Task {
  const Secret<32>& key;
  ByteView nonce;
  std::initializer_list<ByteView> associated;
};

void encrypt(const Task& task, ByteView plaintext, std::uint8_t* out) {
  EVP_CIPHER_CTX* ctx = cipher_context();
  const Reset reset{ctx};
  int n = 0;
  check(EVP_CipherInit_ex2(ctx, aes_256_gcm(), task.key.view().data(), task.nonce.data(), 1, nullptr) == 1 &&
            run(ctx, task.associated, plaintext, out) && EVP_CipherFinal_ex(ctx, out + plaintext.size(), &n) == 1 &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTagSize, out + plaintext.size()) == 1,
        "AES-256-GCM seals");
}

Result<SecureBytes> decrypt(const Task& task, ByteView body) {
  EVP_CIPHER_CTX* ctx = cipher_context();
  const Reset reset{ctx};
  const ByteView text = body.first(body.size() - kTagSize);
  std::uint8_t tag[kTagSize], none[kTagSize];
  std::memcpy(tag, body.data() + text.size(), kTagSize);
  SecureBytes out(text.size());
  int n = 0;
  if (EVP_CipherInit_ex2(ctx, aes_256_gcm(), task.key.view().data(), task.nonce.data(), 0, nullptr) != 1 ||
      !run(ctx, task.associated, text, out.span().data()) ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag) != 1 || EVP_CipherFinal_ex(ctx, none, &n) != 1)
    return open_failed();
  return out;
}

}  // namespace

AeadKey::AeadKey(Secret<32> key, AeadOptions options) : key_(std::move(key)), options_(options) {}

AeadKey::AeadKey(AeadKey&& other) noexcept
    : key_(std::move(other.key_)), options_(other.options_), seals_(other.seals_.load()) {}

Result<AeadKey> AeadKey::from_bytes(ByteView key, AeadOptions options) {
  Secret<32> secret;
  if (!Secret<32>::from(key, secret))
    return fail(Kind::kInvalid, "crypto.bad_key", text("found an AES-256 key of {} bytes, expected 32", key.size()));
  return AeadKey(std::move(secret), options);
}

Result<Bytes> AeadKey::seal(ByteView associated, ByteView plaintext, Random& random) const {
  TRY_OK(check_size(plaintext.size()));
  if (seals_.fetch_add(1) >= options_.seals_max)
    return fail(Kind::kExhausted, "crypto.key_exhausted",
                text("this key sealed its {} messages: random nonces need a new key", options_.seals_max));
  Bytes out(plaintext.size() + kAeadOverhead);
  out[0] = kVersion;
  out[1] = options_.key_id;
  const ByteSpan bytes = out;
  random.fill(bytes.subspan(kHeadSize, GcmNonce::kSize));
  encrypt({key_, bytes.subspan(kHeadSize, GcmNonce::kSize), {bytes.first(kHeadSize), associated}}, plaintext,
          out.data() + kBodyAt);
  return out;
}

Result<SecureBytes> AeadKey::open(ByteView associated, ByteView sealed) const {
  TRY(const std::uint8_t key_id, sealed_key_id(sealed));
  TRY_OK(check_size(sealed.size() - kAeadOverhead));
  if (key_id != options_.key_id)
    return fail(Kind::kInvalid, "crypto.sealed_format",
                text("found bytes sealed under key {}, expected key {}", key_id, options_.key_id));
  return decrypt({key_, sealed.subspan(kHeadSize, GcmNonce::kSize), {sealed.first(kHeadSize), associated}},
                 sealed.subspan(kBodyAt));
}

Result<std::uint8_t> sealed_key_id(ByteView sealed) {
  if (sealed.size() < kAeadOverhead)
    return fail(Kind::kInvalid, "crypto.sealed_format",
                text("found {} sealed bytes, expected at least {}", sealed.size(), kAeadOverhead));
  if (sealed[0] != kVersion)
    return fail(Kind::kInvalid, "crypto.sealed_format", text("found version {}, expected {}", sealed[0], kVersion));
  return sealed[1];
}

Result<Bytes> gcm_seal(const GcmInput& in, ByteView plaintext) {
  TRY_OK(check_size(plaintext.size()));
  Bytes out(plaintext.size() + kTagSize);
  encrypt({in.key, in.nonce.view(), {in.associated}}, plaintext, out.data());
  return out;
}

Result<SecureBytes> gcm_open(const GcmInput& in, ByteView ciphertext_and_tag) {
  if (ciphertext_and_tag.size() < kTagSize)
    return fail(Kind::kInvalid, "crypto.sealed_format",
                text("found {} bytes, expected at least a tag of {}", ciphertext_and_tag.size(), kTagSize));
  TRY_OK(check_size(ciphertext_and_tag.size() - kTagSize));
  return decrypt({in.key, in.nonce.view(), {in.associated}}, ciphertext_and_tag);
}

Status hkdf_sha256(const HkdfInput& in, ByteSpan out) {
  if (out.empty() || out.size() > kHkdfMax)
    return fail(Kind::kInvalid, "crypto.hkdf_length",
                text("found {} bytes wanted, expected 1 to {}", out.size(), kHkdfMax));
  static EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  check(kdf != nullptr, "OpenSSL has HKDF");
  const std::unique_ptr<EVP_KDF_CTX, detail::Freer<EVP_KDF_CTX_free>> ctx(EVP_KDF_CTX_new(kdf));
  const auto octets = [](const char* name, ByteView b) {
    static std::uint8_t none = 0;
    return OSSL_PARAM_construct_octet_string(name, b.empty() ? &none : const_cast<std::uint8_t*>(b.data()), b.size());
  };
  char digest[] = "SHA2-256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               octets(OSSL_KDF_PARAM_KEY, in.key_material), octets(OSSL_KDF_PARAM_SALT, in.salt),
                               octets(OSSL_KDF_PARAM_INFO, in.info), OSSL_PARAM_construct_end()};
  check(ctx != nullptr && EVP_KDF_derive(ctx.get(), out.data(), out.size(), params) == 1, "HKDF derives");
  return {};
}

}  // namespace hanse::crypto
