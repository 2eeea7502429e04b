// For tests: the ML-DSA-65 key that a number stands for, made once. Not linked into any program.
// Threads: one. Errors: none.
#pragma once

#include <map>
#include <memory>

#include "base/crypto/sign.h"

namespace hanse::crypto {

inline const SecretKey& test_key(std::uint8_t number) {
  static std::map<std::uint8_t, std::unique_ptr<SecretKey>> keys;
  auto& key = keys[number];
  if (key == nullptr) {
    FixedBytes<32> seed;
    seed.data[0] = number;
    key = std::make_unique<SecretKey>(std::move(*SecretKey::from_seed(SigAlg::kMlDsa65, seed.view())));
  }
  return *key;
}

}  // namespace hanse::crypto
