#include "base/crypto/kem.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <array>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/detail/openssl.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

constexpr std::size_t kX25519Size = 32;
constexpr std::string_view kXWingLabel = "\\.//^\\";

struct AlgInfo {
  KemSizes sizes;
  const char* name;
  const char* lattice;             // the ML-KEM inside
  std::size_t lattice_public_key;  // what follows belongs to X25519
  std::size_t lattice_ciphertext;
};
constexpr std::array<AlgInfo, 3> kAlgs{{
    {{64, 1184, 1088}, "mlkem768", "ML-KEM-768", 1184, 1088},
    {{64, 1568, 1568}, "mlkem1024", "ML-KEM-1024", 1568, 1568},
    {{32, 1216, 1120}, "xwing", "ML-KEM-768", 1184, 1088},
}};

const AlgInfo& info(KemAlg alg) {
  const auto i = static_cast<std::size_t>(alg) - 1;
  check(i < kAlgs.size(), "key encapsulation is one of the enumerators");
  return kAlgs[i];
}

// OpenSSL keeps a queue of errors per thread that its TLS calls read: refusals here leave it empty.
struct ClearErrors {
  ~ClearErrors() { ERR_clear_error(); }
};

detail::PkeyPtr lattice_key(const AlgInfo& alg, ByteView seed) {
  const detail::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(nullptr, alg.lattice, nullptr));
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED,
                                                           const_cast<std::uint8_t*>(seed.data()), seed.size()),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params) != 1)
    return nullptr;
  return detail::PkeyPtr(key);
}

detail::PkeyPtr x25519_secret(ByteView bytes) {
  return detail::PkeyPtr(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr, bytes.data(), bytes.size()));
}

detail::PkeyPtr public_key_of(const char* name, ByteView bytes) {
  return detail::PkeyPtr(EVP_PKEY_new_raw_public_key_ex(nullptr, name, nullptr, bytes.data(), bytes.size()));
}

bool raw_public_key(EVP_PKEY* key, ByteSpan out) {
  std::size_t size = out.size();
  return EVP_PKEY_get_raw_public_key(key, out.data(), &size) == 1 && size == out.size();
}

// False when the peer's point has small order: OpenSSL refuses the all-zero result.
bool x25519(EVP_PKEY* secret, EVP_PKEY* peer, ByteSpan out) {
  const detail::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, secret, nullptr));
  std::size_t size = out.size();
  return ctx != nullptr && EVP_PKEY_derive_init(ctx.get()) == 1 && EVP_PKEY_derive_set_peer(ctx.get(), peer) == 1 &&
         EVP_PKEY_derive(ctx.get(), out.data(), &size) == 1 && size == out.size();
}

SharedSecret combine(const SharedSecret& lattice, const Secret<kX25519Size>& curve, ByteView ct_x, ByteView pk_x) {
  Hash32 hash = sha3_256({lattice.view(), curve.view(), ct_x, pk_x, as_bytes(kXWingLabel)});
  SharedSecret out;
  SharedSecret::from(hash.view(), out);
  wipe(hash.span());
  return out;
}

// Randomness m of 32 bytes comes from our port, so a simulation repeats; FIPS 203 calls this Encaps_internal.
bool lattice_encapsulate(EVP_PKEY* key, const Secret<32>& m, ByteSpan ciphertext, SharedSecret& secret) {
  const detail::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, const_cast<std::uint8_t*>(m.view().data()), 32),
      OSSL_PARAM_construct_end()};
  std::size_t ct_size = ciphertext.size(), ss_size = SharedSecret::kSize;
  return ctx != nullptr && EVP_PKEY_encapsulate_init(ctx.get(), params) == 1 &&
         EVP_PKEY_encapsulate(ctx.get(), ciphertext.data(), &ct_size, secret.span().data(), &ss_size) == 1 &&
         ct_size == ciphertext.size() && ss_size == SharedSecret::kSize;
}

}  // namespace

Result<KemSizes> kem_sizes(std::uint8_t alg) {
  if (alg == 0 || alg > kAlgs.size())
    return fail(Kind::kInvalid, "crypto.bad_key",
                text("found key encapsulation {}, expected 1 to {}", alg, kAlgs.size()));
  return kAlgs[alg - 1].sizes;
}

std::string_view kem_alg_name(KemAlg alg) { return info(alg).name; }

Result<Encapsulation> encapsulate(const KemPublicKey& key, Random& random) {
  const ClearErrors clear;
  TRY(const KemSizes sizes, kem_sizes(static_cast<std::uint8_t>(key.alg)));
  const AlgInfo& alg = info(key.alg);
  if (key.bytes.size() != sizes.public_key)
    return fail(Kind::kInvalid, "crypto.bad_key",
                text("found a {} public key of {} bytes, expected {}", alg.name, key.bytes.size(), sizes.public_key));
  const ByteView bytes = key.bytes;
  const detail::PkeyPtr lattice = public_key_of(alg.lattice, bytes.first(alg.lattice_public_key));
  if (lattice == nullptr)
    return fail(Kind::kInvalid, "crypto.bad_key", text("bytes are not a {} public key", alg.name));

  Encapsulation out;
  out.ciphertext.resize(sizes.ciphertext);
  const ByteSpan ciphertext = out.ciphertext;
  Secret<32> m;
  random.fill(m.span());
  check(lattice_encapsulate(lattice.get(), m, ciphertext.first(alg.lattice_ciphertext), out.secret),
        "every decoded key encapsulates");
  if (key.alg != KemAlg::kXWing) return out;

  Secret<kX25519Size> ephemeral, shared;
  random.fill(ephemeral.span());
  const detail::PkeyPtr secret = x25519_secret(ephemeral.view());
  const ByteView pk_x = bytes.subspan(alg.lattice_public_key);
  const detail::PkeyPtr peer = public_key_of("X25519", pk_x);
  const ByteSpan ct_x = ciphertext.subspan(alg.lattice_ciphertext);
  check(secret != nullptr && peer != nullptr && raw_public_key(secret.get(), ct_x), "any 32 bytes are X25519 keys");
  if (!x25519(secret.get(), peer.get(), shared.span()))
    return fail(Kind::kInvalid, "crypto.bad_key", "the X25519 part of the public key is a point of small order");
  out.secret = combine(out.secret, shared, ct_x, pk_x);
  return out;
}

struct KemSecretKey::Rep {
  KemPublicKey public_key;
  detail::PkeyPtr lattice;  // OpenSSL wipes both when they are freed
  detail::PkeyPtr curve;
};

KemSecretKey::KemSecretKey(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
KemSecretKey::KemSecretKey(KemSecretKey&&) noexcept = default;
KemSecretKey& KemSecretKey::operator=(KemSecretKey&&) noexcept = default;
KemSecretKey::~KemSecretKey() = default;

Result<KemSecretKey> KemSecretKey::from_seed(KemAlg alg, ByteView seed) {
  const AlgInfo& a = info(alg);
  if (seed.size() != a.sizes.seed)
    return fail(Kind::kInvalid, "crypto.bad_seed",
                text("found a {} seed of {} bytes, expected {}", a.name, seed.size(), a.sizes.seed));
  auto rep = std::make_unique<Rep>();
  rep->public_key = {alg, Bytes(a.sizes.public_key)};
  const ByteSpan out = rep->public_key.bytes;
  Secret<96> expanded;
  if (alg == KemAlg::kXWing) {
    shake256({seed}, expanded.span());
    rep->lattice = lattice_key(a, expanded.view().first(64));
    rep->curve = x25519_secret(expanded.view().subspan(64));
  } else {
    rep->lattice = lattice_key(a, seed);
  }
  check(rep->lattice != nullptr && raw_public_key(rep->lattice.get(), out.first(a.lattice_public_key)) &&
            (rep->curve == nullptr || raw_public_key(rep->curve.get(), out.subspan(a.lattice_public_key))),
        "every seed of the right size makes a key");
  return KemSecretKey(std::move(rep));
}

KemSecretKey KemSecretKey::generate(KemAlg alg, Random& random) {
  SecureBytes seed(info(alg).sizes.seed);
  random.fill(seed.span());
  auto key = from_seed(alg, seed.view());
  check(key.has_value(), "a seed of the right size makes a key");
  return std::move(*key);
}

const KemPublicKey& KemSecretKey::public_key() const { return rep_->public_key; }

Result<SharedSecret> KemSecretKey::decapsulate(ByteView ciphertext) const {
  const ClearErrors clear;
  const AlgInfo& alg = info(rep_->public_key.alg);
  if (ciphertext.size() != alg.sizes.ciphertext)
    return fail(
        Kind::kInvalid, "crypto.bad_ciphertext",
        text("found a {} ciphertext of {} bytes, expected {}", alg.name, ciphertext.size(), alg.sizes.ciphertext));
  const detail::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, rep_->lattice.get(), nullptr));
  SharedSecret secret;
  std::size_t size = SharedSecret::kSize;
  check(ctx != nullptr && EVP_PKEY_decapsulate_init(ctx.get(), nullptr) == 1 &&
            EVP_PKEY_decapsulate(ctx.get(), secret.span().data(), &size, ciphertext.data(), alg.lattice_ciphertext) ==
                1 &&
            size == SharedSecret::kSize,
        "every ciphertext of the right size decapsulates");
  if (rep_->curve == nullptr) return secret;

  const ByteView ct_x = ciphertext.subspan(alg.lattice_ciphertext);
  const detail::PkeyPtr peer = public_key_of("X25519", ct_x);
  Secret<kX25519Size> shared;
  if (peer == nullptr || !x25519(rep_->curve.get(), peer.get(), shared.span()))
    return fail(Kind::kInvalid, "crypto.bad_ciphertext", "the X25519 part of the ciphertext is a point of small order");
  return combine(secret, shared, ct_x, ByteView(rep_->public_key.bytes).subspan(alg.lattice_public_key));
}

}  // namespace hanse::crypto
