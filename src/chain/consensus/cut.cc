#include "chain/consensus/cut.h"

#include "base/crypto/hash.h"

namespace hanse::consensus {

Hash32 cut_id(const Digest& decided, const std::vector<Tip>& cut) {
  Bytes tips(cut.size() * (2 + 8 + 32));
  std::uint8_t* at = tips.data();
  for (const Tip& tip : cut) {
    store_le(at, tip.lane);
    store_le(at + 2, tip.height);
    std::memcpy(at + 10, tip.id.data.data(), tip.id.data.size());
    at += 42;
  }
  return crypto::blake3("hanse/cut/1", {decided.view(), tips});
}

}  // namespace hanse::consensus
