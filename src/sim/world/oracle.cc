#include "sim/world/oracle.h"

#include "base/core/random.h"
#include "base/crypto/sign.h"
#include "sim/check/mix.h"

namespace hanse::sim {

namespace {

class Tokens final : public Signatures {
 public:
  explicit Tokens(std::uint64_t secret) : secret_(secret) {}
  Bytes sign(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message) override {
    const std::uint64_t token = make(signer, purpose, message);
    Bytes out(16);
    store_le(out.data(), token);
    store_le(out.data() + 8, mix(token, secret_));
    return out;
  }
  bool verify(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message,
              ByteView signature) override {
    if (signature.size() != 16) return false;
    const std::uint64_t token = make(signer, purpose, message);
    return load_le<std::uint64_t>(signature.data()) == token &&
           load_le<std::uint64_t>(signature.data() + 8) == mix(token, secret_);
  }

 private:
  std::uint64_t make(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message) const {
    return mix(mix(secret_, signer * 16u + static_cast<std::uint64_t>(purpose)), mix_bytes(message));
  }
  std::uint64_t secret_;
};

std::string_view context(consensus::Oracle::Purpose purpose) { return consensus::purpose_context(purpose); }

constexpr std::size_t kKeys = 64;

class Real final : public Signatures {
 public:
  Bytes sign(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message) override {
    return keys[signer % kKeys].sign(context(purpose), message);
  }
  bool verify(consensus::Index signer, consensus::Oracle::Purpose purpose, ByteView message,
              ByteView signature) override {
    return signer % kKeys < verifiers.size() &&
           verifiers[signer % kKeys].verify(context(purpose), message, signature).has_value();
  }

  std::vector<crypto::SecretKey> keys;
  std::vector<crypto::Verifier> verifiers;
};

}  // namespace

std::unique_ptr<Signatures> token_signatures(std::uint64_t secret) { return std::make_unique<Tokens>(secret); }

Result<std::unique_ptr<Signatures>> real_signatures(std::uint64_t seed, std::size_t replicas) {
  auto out = std::make_unique<Real>();
  SeededRandom random(seed, "sim keys");
  for (std::size_t i = 0; i < replicas; ++i) {
    out->keys.push_back(crypto::SecretKey::generate(crypto::SigAlg::kMlDsa44, random));
    TRY(auto verifier, crypto::Verifier::create(out->keys.back().public_key()));
    out->verifiers.push_back(std::move(verifier));
  }
  return out;
}

}  // namespace hanse::sim
