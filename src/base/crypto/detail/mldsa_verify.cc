#include "base/crypto/detail/mldsa_verify.h"

#include "base/core/check.h"
#include "base/crypto/detail/keccak.h"

namespace hanse::crypto::detail {
namespace {

constexpr int kDroppedBits = 13;
constexpr std::size_t kT1Size = 320;

std::int32_t positive(std::int32_t a) { return a < 0 ? a + kMlDsaQ : a; }

// Reads little-endian groups of bits.
class BitReader {
 public:
  explicit BitReader(const std::uint8_t* p) : p_(p) {}
  std::uint32_t next(unsigned bits) {
    while (have_ < bits) {
      window_ |= static_cast<std::uint64_t>(*p_++) << have_;
      have_ += 8;
    }
    const auto v = static_cast<std::uint32_t>(window_ & ((std::uint64_t{1} << bits) - 1));
    window_ >>= bits;
    have_ -= bits;
    return v;
  }

 private:
  const std::uint8_t* p_;
  std::uint64_t window_ = 0;
  unsigned have_ = 0;
};

// RejNTTPoly (algorithm 30) for entry (row, column) of A, into one lane.
void expand_entry(ByteView rho, std::size_t row, std::size_t column, Wide& out) {
  Shake128 shake;
  const std::uint8_t place[2] = {static_cast<std::uint8_t>(column), static_cast<std::uint8_t>(row)};
  shake.absorb(rho);
  shake.absorb(place);
  std::uint8_t block[168];
  for (std::size_t n = 0; n < kMlDsaN;) {
    shake.squeeze(block);
    for (std::size_t i = 0; i < sizeof block && n < kMlDsaN; i += 3) {
      const std::int32_t v = block[i] | block[i + 1] << 8 | (block[i + 2] & 0x7f) << 16;
      if (v < kMlDsaQ) out[n++].v[row] = v;
    }
  }
}

// SampleInBall (algorithm 29), into one lane.
void sample_in_ball(ByteView seed, std::size_t tau, std::size_t lane, Wide& out) {
  Shake256 shake;
  shake.absorb(seed);
  std::uint8_t first[8];
  shake.squeeze(first);
  std::uint64_t signs = load_le<std::uint64_t>(first);
  std::int8_t c[kMlDsaN] = {};
  for (std::size_t i = kMlDsaN - tau; i < kMlDsaN; ++i, signs >>= 1) {
    std::uint8_t j;
    do shake.squeeze({&j, 1});
    while (j > i);
    c[i] = c[j];
    c[j] = (signs & 1) != 0 ? -1 : 1;
  }
  for (std::size_t n = 0; n < kMlDsaN; ++n) out[n].v[lane] = c[n];
}

// z of the signature into lanes 0 .. l-1; false when a coefficient reaches gamma1 - beta.
bool unpack_z(const MlDsaParams& p, const std::uint8_t* packed, Wide& out) {
  const std::int32_t bound = p.gamma1 - p.beta;
  bool small = true;
  for (std::size_t j = 0; j < p.l; ++j) {
    BitReader bits(packed + 32 * p.z_bits * j);
    for (std::size_t n = 0; n < kMlDsaN; ++n) {
      const std::int32_t v = p.gamma1 - static_cast<std::int32_t>(bits.next(p.z_bits));
      small &= v < bound && v > -bound;
      out[n].v[j] = v;
    }
  }
  return small;
}

// HintBitUnpack (algorithm 21): positions ascend in each row, unused ones are zero. Lane i of hints[n] is row i.
using Hints = std::array<std::uint8_t, kMlDsaN>;
bool unpack_hints(const MlDsaParams& p, const std::uint8_t* y, Hints& hints) {
  hints.fill(0);
  std::size_t at = 0;
  for (std::size_t i = 0; i < p.k; ++i) {
    const std::size_t end = y[p.omega + i];
    if (end < at || end > p.omega) return false;
    for (const std::size_t first = at; at < end; ++at) {
      if (at > first && y[at - 1] >= y[at]) return false;
      hints[y[at]] = static_cast<std::uint8_t>(hints[y[at]] | 1U << i);
    }
  }
  for (; at < p.omega; ++at)
    if (y[at] != 0) return false;
  return true;
}

// UseHint over Decompose (algorithms 40 and 36). Constant divisors, so that the compiler multiplies instead.
template <std::int32_t Gamma2>
std::uint32_t use_hint(std::int32_t r, bool hint) {
  constexpr std::int32_t kStep = 2 * Gamma2, kCount = (kMlDsaQ - 1) / kStep;
  std::int32_t r1 = (r + Gamma2 - 1) / kStep;  // r - r1 * step lies in (-gamma2, gamma2]
  const std::int32_t r0 = r - r1 * kStep;
  if (r1 == kCount) return hint ? kCount - 1 : 0;  // r - r0 = q - 1: r1 = 0 and r0 below zero
  if (!hint) return static_cast<std::uint32_t>(r1);
  r1 += r0 > 0 ? 1 : -1;
  return static_cast<std::uint32_t>(r1 == kCount ? 0 : r1 < 0 ? kCount - 1 : r1);
}

// w1Encode of UseHint(h, w), row by row, into the hash.
template <std::int32_t Gamma2, unsigned Bits>
void absorb_w1(const MlDsaParams& p, const Wide& w, const Hints& hints, Shake256& shake) {
  for (std::size_t i = 0; i < p.k; ++i) {
    std::uint8_t packed[kMlDsaN * Bits / 8];
    std::uint8_t* out = packed;
    for (std::size_t n = 0; n < kMlDsaN; n += 4) {
      std::uint32_t four = 0;
      for (std::size_t m = 0; m < 4; ++m)
        four |= use_hint<Gamma2>(positive(w[n + m].v[i]), (hints[n + m] >> i & 1) != 0) << (Bits * m);
      for (unsigned b = 0; b < Bits / 2; ++b) *out++ = static_cast<std::uint8_t>(four >> (8 * b));
    }
    shake.absorb(packed);
  }
}

}  // namespace

MlDsaKey::MlDsaKey(const MlDsaParams& params, ByteView public_key, const MlDsaBackend& backend)
    : p_(params), backend_(backend), matrix_(params.l + 1) {
  check(public_key.size() == p_.public_key_size(), "an ML-DSA public key has its size");
  Shake256 hash;
  hash.absorb(public_key);
  hash.squeeze(key_hash_.span());
  for (std::size_t column = 0; column < p_.l; ++column) {
    if (p_.k < 8) matrix_[column].fill(Lanes{});
    for (std::size_t row = 0; row < p_.k; ++row) expand_entry(public_key.first(32), row, column, matrix_[column]);
  }
  Wide& t1 = matrix_.back();
  t1.fill(Lanes{});
  for (std::size_t row = 0; row < p_.k; ++row) {
    BitReader bits(public_key.data() + 32 + kT1Size * row);
    for (std::size_t n = 0; n < kMlDsaN; ++n) t1[n].v[row] = static_cast<std::int32_t>(bits.next(10) << kDroppedBits);
  }
  backend_.transform(t1);
  for (Lanes& lanes : t1)
    for (std::int32_t& v : lanes.v) v = -(v % kMlDsaQ);
}

bool MlDsaKey::verify(std::string_view context, ByteView message, ByteView signature) const {
  check(signature.size() == p_.signature_size() && context.size() <= 255, "sizes are checked before");
  const ByteView challenge = signature.first(p_.challenge_size);
  const std::uint8_t* z_packed = signature.data() + p_.challenge_size;
  Hints hints;
  Wide z;
  if (!unpack_hints(p_, z_packed + 32 * p_.z_bits * p_.l, hints) || !unpack_z(p_, z_packed, z)) return false;
  sample_in_ball(challenge, p_.tau, p_.l, z);
  for (Lanes& lanes : z)
    for (std::size_t lane = p_.l + 1; lane < 8; ++lane) lanes.v[lane] = 0;

  Wide w;
  backend_.transform(z);
  backend_.multiply(matrix_.data(), matrix_.size(), z, w);  // A z - c t1 2^13
  backend_.transform_back(w);

  Shake256 mu_hash;
  const std::uint8_t head[2] = {0, static_cast<std::uint8_t>(context.size())};
  for (const ByteView part : {key_hash_.view(), ByteView(head), as_bytes(context), message}) mu_hash.absorb(part);
  FixedBytes<64> mu, again;
  mu_hash.squeeze(mu.span());
  Shake256 shake;
  shake.absorb(mu.view());
  if (p_.w1_bits == 6)
    absorb_w1<kMlDsa44Params.gamma2, 6>(p_, w, hints, shake);
  else
    absorb_w1<kMlDsa65Params.gamma2, 4>(p_, w, hints, shake);
  shake.squeeze(again.span().first(p_.challenge_size));
  return equal(again.view().first(p_.challenge_size), challenge);
}

}  // namespace hanse::crypto::detail
