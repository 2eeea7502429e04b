#include "base/crypto/detail/ed25519_verify.h"

#include "base/crypto/hash.h"

namespace hanse::crypto::detail {

bool Ed25519Key::decode(const std::uint8_t* encoded, Ed25519Key& out) {
  Point a;
  if (!decode_point(encoded, a)) return false;
  std::memcpy(out.encoded_, encoded, sizeof out.encoded_);
  out.minus_a_ = make_table(negate(a));
  return true;
}

bool Ed25519Key::verify(const std::uint8_t* signature, std::string_view context, ByteView message) const {
  const Scalar s = scalar_from_bytes(signature + 32);
  Point r;
  if (!scalar_is_canonical(s) || !decode_point(signature, r)) return false;
  const std::uint8_t zero = 0;
  const ByteView separator(&zero, context.empty() ? 0 : 1);
  const FixedBytes<64> k = sha512({ByteView(signature, 32), encoded_, as_bytes(context), separator, message});
  const Point sum = double_base(s, reduce_wide(k.data.data()), minus_a_);
  return is_identity(double_times(subtract(sum, cache(r)), 3));
}

}  // namespace hanse::crypto::detail
