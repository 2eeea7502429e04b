// Signatures and keys come from strangers: any bytes give a verdict, the same one on every back end. The first byte
// chooses the algorithm, the rest becomes key material and signature, over an honest signature where bytes run out.
#include <algorithm>
#include <cstdlib>

#include "base/crypto/detail/mldsa_verify.h"
#include "base/crypto/sign.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::crypto;

struct Honest {
  explicit Honest(SigAlg alg)
      : key(std::move(*SecretKey::from_seed(alg, FixedBytes<32>{}.view()))), signature(key.sign("hanse/fuzz/1", {})) {}
  SecretKey key;
  Bytes signature;
};

void check_mldsa(const detail::MlDsaParams& params, ByteView key, ByteView signature, bool expected) {
  if (detail::MlDsaKey(params, key, detail::mldsa_portable()).verify("hanse/fuzz/1", {}, signature) != expected)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Honest honest[] = {Honest(SigAlg::kEd25519), Honest(SigAlg::kMlDsa44), Honest(SigAlg::kMlDsa65),
                                  Honest(SigAlg::kMlDsa87)};
  if (size < 3) return 0;
  const Honest& h = honest[data[0] % 4];
  PublicKey key = h.key.public_key();
  Bytes signature = h.signature;
  const std::size_t at = (data[1] | std::size_t{data[2]} << 8) % signature.size();
  const ByteView rest(data + 3, size - 3);
  std::copy_n(rest.begin(), std::min(rest.size(), signature.size() - at), signature.begin() + static_cast<long>(at));
  if (data[0] >= 128) std::copy_n(rest.begin(), std::min(rest.size(), key.bytes.size()), key.bytes.begin());
  const bool good = verify(key, "hanse/fuzz/1", {}, signature).has_value();
  if (signature == h.signature && key == h.key.public_key() && !good) std::abort();
  if (key.alg == SigAlg::kMlDsa44) check_mldsa(detail::kMlDsa44Params, key.bytes, signature, good);
  if (key.alg == SigAlg::kMlDsa65) check_mldsa(detail::kMlDsa65Params, key.bytes, signature, good);
  if (key.alg == SigAlg::kMlDsa87) check_mldsa(detail::kMlDsa87Params, key.bytes, signature, good);
  return 0;
}
