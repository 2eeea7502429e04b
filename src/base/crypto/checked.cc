#include "base/crypto/checked.h"

namespace hanse::crypto {

bool CheckedSignatures::contains(const Hash32& name) const {
  const std::lock_guard lock(mutex_);
  return recent_.contains(name) || older_.contains(name);
}

void CheckedSignatures::add(const Hash32& name) {
  const std::lock_guard lock(mutex_);
  if (recent_.size() >= kGenerationMax) {
    older_ = std::move(recent_);
    recent_.clear();
  }
  recent_.insert(name);
}

Result<std::shared_ptr<const Verifier>> CheckedSignatures::verifier(const PublicKey& key) {
  const Hash32 id = key_id(key);
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = verifiers_.find(id); it != verifiers_.end()) return it->second;
  }
  TRY(auto created, Verifier::create(key));
  auto shared = std::make_shared<const Verifier>(std::move(created));
  const std::lock_guard lock(mutex_);
  if (verifiers_.size() >= kVerifiersMax) verifiers_.clear();
  verifiers_.emplace(id, shared);
  return shared;
}

}  // namespace hanse::crypto
