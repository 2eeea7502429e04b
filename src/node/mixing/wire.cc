#include "node/mixing/wire.h"

#include "base/core/text.h"

namespace hanse::mixing {
namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "mixing.keys", what); }

}  // namespace

Bytes encode_keys(const ToldKeys& told) {
  Bytes out(4);
  store_be(out.data(), told.deep_per_1000s);
  for (const router::EpochPublic& one : told.keys) {
    out.resize(out.size() + 4);
    store_be(out.data() + out.size() - 4, one.epoch);
    append(out, one.key.bytes);
  }
  return out;
}

Result<ToldKeys> decode_keys(crypto::KemAlg kem, ByteView bytes) {
  const std::size_t entry = 4 + crypto::kem_sizes(static_cast<std::uint8_t>(kem))->public_key;
  if (bytes.size() < 4 || (bytes.size() - 4) % entry != 0 || (bytes.size() - 4) / entry > kKeysMax)
    return bad(text("found {} bytes of keys, expected 4 and at most {} times {}", bytes.size(), kKeysMax, entry));
  ToldKeys out{.deep_per_1000s = load_be<std::uint32_t>(bytes.data()), .keys = {}};
  for (std::size_t at = 4; at < bytes.size(); at += entry) {
    const auto epoch = load_be<std::uint32_t>(bytes.data() + at);
    if (!out.keys.empty() && epoch <= out.keys.back().epoch)
      return bad(text("found the key of epoch {} after that of {}", epoch, out.keys.back().epoch));
    out.keys.push_back({epoch, {kem, to_bytes(bytes.subspan(at + 4, entry - 4))}});
  }
  return out;
}

}  // namespace hanse::mixing
