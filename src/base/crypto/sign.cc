#include "base/crypto/sign.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <variant>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/detail/ed25519_verify.h"
#include "base/crypto/detail/mldsa_verify.h"
#include "base/crypto/detail/openssl.h"
#include "base/crypto/hash.h"
#include "base/crypto/tls_key.h"

namespace hanse::crypto {
namespace {

constexpr std::size_t kSeedSize = 32;
constexpr std::size_t kContextMax = 255;

struct AlgInfo {
  SigSizes sizes;
  const char* name;
  const char* openssl_name;
};
constexpr std::array<AlgInfo, 4> kAlgs{{
    {{32, 64}, "ed25519", "ED25519"},
    {{1312, 2420}, "mldsa44", "ML-DSA-44"},
    {{1952, 3309}, "mldsa65", "ML-DSA-65"},
    {{2592, 4627}, "mldsa87", "ML-DSA-87"},
}};

const AlgInfo& info(SigAlg alg) {
  const auto i = static_cast<std::size_t>(alg) - 1;
  check(i < kAlgs.size(), "signature algorithm is one of the enumerators");
  return kAlgs[i];
}

std::unexpected<Error> bad_signature(std::string_view why) { return fail(Kind::kDenied, "crypto.bad_signature", why); }

detail::PkeyPtr import_seed(SigAlg alg, ByteView seed) {
  if (alg == SigAlg::kEd25519)
    return detail::PkeyPtr(EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, seed.data(), seed.size()));
  const detail::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(nullptr, info(alg).openssl_name, nullptr));
  if (ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1) return nullptr;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_DSA_SEED,
                                                           const_cast<std::uint8_t*>(seed.data()), seed.size()),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params) != 1) return nullptr;
  return detail::PkeyPtr(key);
}

const detail::MlDsaParams& mldsa_params(SigAlg alg) {
  if (alg == SigAlg::kMlDsa44) return detail::kMlDsa44Params;
  return alg == SigAlg::kMlDsa65 ? detail::kMlDsa65Params : detail::kMlDsa87Params;
}

// Ed25519 has no context of its own: context || 0x00 || message, or the plain message.
Bytes ed25519_message(std::string_view context, ByteView message) {
  Bytes out;
  out.reserve(context.size() + 1 + message.size());
  if (!context.empty()) {
    append(out, as_bytes(context));
    out.push_back(0);
  }
  append(out, message);
  return out;
}

}  // namespace

Result<SigSizes> sig_sizes(std::uint8_t alg) {
  if (alg == 0 || alg > kAlgs.size())
    return fail(Kind::kInvalid, "crypto.bad_key",
                text("found signature algorithm {}, expected 1 to {}", alg, kAlgs.size()));
  return kAlgs[alg - 1].sizes;
}

std::string_view sig_alg_name(SigAlg alg) { return info(alg).name; }

AccountId account_id(const PublicKey& key) {
  const auto alg = static_cast<std::uint8_t>(key.alg);
  return AccountId{blake3("hanse/id/1", {ByteView(&alg, 1), key.bytes}).data};
}

Hash32 key_id(const PublicKey& key) {
  const auto alg = static_cast<std::uint8_t>(key.alg);
  return sha256({ByteView(&alg, 1), key.bytes});
}

struct SecretKey::Rep {
  PublicKey public_key;
  detail::PkeyPtr key;  // OpenSSL wipes it when it is freed
};

SecretKey::SecretKey(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
SecretKey::SecretKey(SecretKey&&) noexcept = default;
SecretKey& SecretKey::operator=(SecretKey&&) noexcept = default;
SecretKey::~SecretKey() = default;

Result<SecretKey> SecretKey::from_seed(SigAlg alg, ByteView seed) {
  if (seed.size() != kSeedSize)
    return fail(Kind::kInvalid, "crypto.bad_seed",
                text("found a seed of {} bytes, expected {}", seed.size(), kSeedSize));
  auto rep = std::make_unique<Rep>();
  rep->key = import_seed(alg, seed);
  rep->public_key.alg = alg;
  rep->public_key.bytes.resize(info(alg).sizes.public_key);
  std::size_t size = rep->public_key.bytes.size();
  check(rep->key != nullptr && EVP_PKEY_get_raw_public_key(rep->key.get(), rep->public_key.bytes.data(), &size) == 1 &&
            size == rep->public_key.bytes.size(),
        "every seed of the right size makes a key");
  return SecretKey(std::move(rep));
}

SecretKey SecretKey::generate(SigAlg alg, Random& random) {
  FixedBytes<kSeedSize> seed;
  random.fill(seed.span());
  auto key = from_seed(alg, seed.view());
  OPENSSL_cleanse(seed.data.data(), seed.kSize);
  check(key.has_value(), "a seed of the right size makes a key");
  return std::move(*key);
}

std::shared_ptr<void> tls_key(const SecretKey& key) {
  EVP_PKEY* handle = key.rep_->key.get();
  check(EVP_PKEY_up_ref(handle) == 1, "a key has an owner more");
  return {handle, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
}

std::optional<AccountId> tls_key_owner(const void* handle) {
  if (handle == nullptr) return std::nullopt;
  const auto* key = static_cast<const EVP_PKEY*>(handle);
  PublicKey out;
  if (EVP_PKEY_is_a(key, "ML-DSA-65") == 1)
    out.alg = SigAlg::kMlDsa65;
  else if (EVP_PKEY_is_a(key, "ML-DSA-87") == 1)
    out.alg = SigAlg::kMlDsa87;
  else
    return std::nullopt;
  std::size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(key, nullptr, &size) != 1) return std::nullopt;
  out.bytes.resize(size);
  if (EVP_PKEY_get_raw_public_key(key, out.bytes.data(), &size) != 1) return std::nullopt;
  return account_id(out);
}

const PublicKey& SecretKey::public_key() const { return rep_->public_key; }

Bytes SecretKey::sign(std::string_view context, ByteView message) const {
  check(context.size() <= kContextMax, "a signature context has at most 255 bytes");
  const AlgInfo& alg = info(rep_->public_key.alg);
  const detail::MdCtxPtr ctx(EVP_MD_CTX_new());
  check(ctx != nullptr, "OpenSSL has memory for a signature");
  Bytes joined;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
  if (rep_->public_key.alg == SigAlg::kEd25519) {
    joined = ed25519_message(context, message);
    message = joined;
  } else if (!context.empty()) {
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
                                                  const_cast<char*>(context.data()), context.size());
  }
  check(EVP_DigestSignInit_ex(ctx.get(), nullptr, nullptr, nullptr, nullptr, rep_->key.get(), params) == 1,
        "signing starts");
  Bytes out(alg.sizes.signature);
  std::size_t size = out.size();
  check(EVP_DigestSign(ctx.get(), out.data(), &size, message.data(), message.size()) == 1 && size == out.size(),
        "a signature of the standard's size");
  return out;
}

Hash32 SecretKey::derive(std::string_view context) const {
  std::size_t size = 0;
  check(EVP_PKEY_get_raw_private_key(rep_->key.get(), nullptr, &size) == 1, "a secret key has bytes");
  Bytes bytes(size);
  check(EVP_PKEY_get_raw_private_key(rep_->key.get(), bytes.data(), &size) == 1, "a secret key has bytes");
  const Hash32 out = blake3(context, {bytes});
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return out;
}

struct Verifier::Rep {
  SigAlg alg;
  std::variant<detail::Ed25519Key, detail::MlDsaKey> key;
};

Verifier::Verifier(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier& Verifier::operator=(Verifier&&) noexcept = default;
Verifier::~Verifier() = default;

Result<Verifier> Verifier::create(const PublicKey& key) {
  TRY(const SigSizes sizes, sig_sizes(static_cast<std::uint8_t>(key.alg)));
  if (key.bytes.size() != sizes.public_key)
    return fail(Kind::kInvalid, "crypto.bad_key",
                text("found a {} public key of {} bytes, expected {}", sig_alg_name(key.alg), key.bytes.size(),
                     sizes.public_key));
  if (key.alg == SigAlg::kEd25519) {
    detail::Ed25519Key decoded;
    if (!detail::Ed25519Key::decode(key.bytes.data(), decoded))
      return fail(Kind::kInvalid, "crypto.bad_key", text("{} is not a point of the curve", ByteView(key.bytes)));
    return Verifier(std::make_unique<Rep>(key.alg, decoded));
  }
  return Verifier(std::make_unique<Rep>(key.alg, detail::MlDsaKey(mldsa_params(key.alg), key.bytes)));
}

Status Verifier::verify(std::string_view context, ByteView message, ByteView signature) const {
  const AlgInfo& alg = info(rep_->alg);
  if (signature.size() != alg.sizes.signature)
    return bad_signature(
        text("found a {} signature of {} bytes, expected {}", alg.name, signature.size(), alg.sizes.signature));
  if (context.size() > kContextMax)
    return bad_signature(text("found a context of {} bytes, expected at most {}", context.size(), kContextMax));
  const auto* ed25519 = std::get_if<detail::Ed25519Key>(&rep_->key);
  const bool good = ed25519 != nullptr ? ed25519->verify(signature.data(), context, message)
                                       : std::get<detail::MlDsaKey>(rep_->key).verify(context, message, signature);
  if (!good) return bad_signature(text("{} signature does not fit key, context and message", alg.name));
  return {};
}

Status verify(const PublicKey& key, std::string_view context, ByteView message, ByteView signature) {
  TRY(const Verifier verifier, Verifier::create(key));
  return verifier.verify(context, message, signature);
}

Identity::Identity(SecretKey mldsa, SecretKey ed25519)
    : mldsa_(std::move(mldsa)), ed25519_(std::move(ed25519)), id_(account_id(mldsa_.public_key())) {}

Result<Identity> Identity::from_seed(ByteView seed, SigAlg alg) {
  if (alg == SigAlg::kEd25519)
    return fail(Kind::kInvalid, "crypto.bad_key", "found ed25519 as the key of an identity, expected an ML-DSA key");
  TRY(SecretKey mldsa, SecretKey::from_seed(alg, seed));
  Hash32 ed_seed = blake3("hanse/identity-ed25519/1", {seed});
  auto ed25519 = SecretKey::from_seed(SigAlg::kEd25519, ed_seed.view());
  OPENSSL_cleanse(ed_seed.data.data(), ed_seed.kSize);
  if (!ed25519) return std::unexpected(std::move(ed25519).error());
  return Identity(std::move(mldsa), std::move(*ed25519));
}

Identity Identity::generate(Random& random, SigAlg alg) {
  FixedBytes<kSeedSize> seed;
  random.fill(seed.span());
  auto identity = from_seed(seed.view(), alg);
  OPENSSL_cleanse(seed.data.data(), seed.kSize);
  check(identity.has_value(), "an identity is generated for an ML-DSA key");
  return std::move(*identity);
}

}  // namespace hanse::crypto
