// CheckedSignatures: what a node already knows to be good, so that a transaction that is checked when it comes and
// again when it is applied pays for one verification, and a key that signs often is decoded once.
// It only saves time: forgetting an entry changes no answer, and nothing that failed is kept.
// Shapes: names are hashes over everything a verification depends on (key or its id, message, signature), made by the
// caller. Limits: two generations of 16,384 names; 512 decoded keys of up to 64 KB, emptied when full.
// Threads: any. Errors: crypto.bad_key from verifier().
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/crypto/sign.h"

namespace hanse::crypto {

class CheckedSignatures {
 public:
  static constexpr std::size_t kGenerationMax = 16 * 1024;
  static constexpr std::size_t kVerifiersMax = 512;

  bool contains(const Hash32& name) const;
  void add(const Hash32& name);
  // Shared: another thread may empty the cache while this one verifies.
  Result<std::shared_ptr<const Verifier>> verifier(const PublicKey& key);

 private:
  mutable std::mutex mutex_;
  std::unordered_set<Hash32> recent_, older_;
  std::map<Hash32, std::shared_ptr<const Verifier>> verifiers_;  // by key_id
};

}  // namespace hanse::crypto
