#include "base/crypto/vdf.h"

#include <cstdlib>
#include <optional>
#include <vector>

#include "base/core/text.h"
#include "base/crypto/detail/bignum.h"
#include "base/crypto/detail/keccak.h"
#include "base/crypto/detail/mont2048.h"
#include "base/crypto/detail/prime.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

using detail::bn, detail::bn_bytes, detail::bn_ctx, detail::bn_mont, detail::bn_word, detail::must, detail::BnCtxPtr,
    detail::BnPtr, detail::Mont2048, detail::MontPtr, detail::Residue2048;

// RSA Laboratories' challenge number RSA-2048: 617 digits, from 25195908475657893494... to ...12010397122822120720357.
constexpr char kModulusHex[] =
    "c7970ceedcc3b0754490201a7aa613cd73911081c790f5f1a8726f463550bb5b7ff0db8e1ea1189ec72f93d1650011bd"
    "721aeeacc2acde32a04107f0648c2813a31f5b0b7765ff8b44b4b6ffc93384b646eb09c7cf5e8592d40ea33c80039f35"
    "b4f14a04b51f7bfd781be4d1673164ba8eb991c2c4d730bbbe35f592bdef524af7e8daefd26c66fc02c479af89d64d37"
    "3f442709439de66ceb955f3ea37d5159f6135809f85334b5cb1813addc80cd05609f10ac6a95ad65872c909525bdad32"
    "bc729592642920f24c61dc5b3c3b7923e56b16a4d9d373d8721f24a3fc0f1b3131f55615172866bccc30f95054c824e7"
    "33a5eb6817f7bc16399d48c6361cc7e5";

constexpr unsigned kDigitBits = 8;                     // kappa: 2^8 buckets
constexpr std::uint64_t kGap = 16;                     // gamma: digits between two checkpoints
constexpr std::uint64_t kCheckpointsMax = 1ULL << 17;  // 42 MB; the gap grows beyond 2^24 steps
constexpr std::size_t kChallengeSize = 33;             // 264 bits
constexpr std::uint64_t kStopCheckEvery = 32;          // checkpoints

struct Group {
  BnPtr n, half;  // (N - 1) / 2
  MontPtr mont;
  VdfElement bytes;
  Hash32 id;
};

const Group& group() {
  static const Group g = [] {
    Group made;
    BIGNUM* n = nullptr;
    check(BN_hex2bn(&n, kModulusHex) == 512, "the modulus has 512 digits");
    made.n.reset(n);
    made.half = bn();
    must(BN_rshift1(made.half.get(), n));
    made.mont = bn_mont(n, bn_ctx().get());
    check(BN_bn2binpad(n, made.bytes.data.data(), 256) == 256, "the modulus has 256 bytes");
    made.id = blake3("hanse/vdf-modulus/1", {made.bytes.view()});
    return made;
  }();
  return g;
}

void canon(BIGNUM* a) {
  if (BN_cmp(a, group().half.get()) > 0) must(BN_sub(a, group().n.get(), a));
}

VdfElement encode(const BIGNUM* a) {
  VdfElement out;
  check(BN_bn2binpad(a, out.data.data(), 256) == 256, "an element has 256 bytes");
  return out;
}

bool in_range(const BIGNUM* a) { return !BN_is_zero(a) && BN_cmp(a, group().half.get()) <= 0; }

std::unexpected<Error> bad(std::string_view why) { return fail(Kind::kDenied, "crypto.bad_vdf", why); }

Status check_steps(std::uint64_t steps) {
  if (steps >= 1 && steps <= kVdfStepsMax) return {};
  return fail(Kind::kInvalid, "crypto.vdf_steps", text("found {} steps, expected 1 to {}", steps, kVdfStepsMax));
}

// No gcd with N: a seed that fails it would factor N, and computing it costs more than the rest of a verification.
BnPtr hash_to_group(const Hash32& seed, BN_CTX* ctx) {
  const Group& g = group();
  FixedBytes<288> wide;
  shake256({as_bytes("hanse/vdf/x"), g.id.view(), seed.view()}, wide.span());
  BnPtr x = bn_bytes(wide.view());
  must(BN_nnmod(x.get(), x.get(), g.n.get(), ctx));
  canon(x.get());
  check(!BN_is_zero(x.get()) && !BN_is_one(x.get()), "SHAKE256 hashes no seed to 0 or 1");
  return x;
}

// The prime l. The long prefix is absorbed once: a candidate costs one permutation.
BnPtr challenge(const VdfElement& x, const VdfElement& y, std::uint64_t steps) {
  std::uint8_t number[8];
  store_le(number, steps);
  detail::Shake256 prefix;
  for (const ByteView part : {as_bytes("hanse/vdf/l"), group().id.view(), x.view(), y.view(), ByteView(number)})
    prefix.absorb(part);
  std::uint32_t counter = 0;
  const detail::U320 l = detail::first_prime([&] {
    detail::Shake256 shake = prefix;
    std::uint8_t bytes[kChallengeSize];
    store_le(bytes, counter++);
    shake.absorb(ByteView(bytes, 4));
    shake.squeeze(bytes);
    bytes[0] |= 0x80;
    bytes[kChallengeSize - 1] |= 1;
    return detail::u320_from_be(bytes);
  });
  return bn_bytes(detail::u320_to_be(l));
}

// Digits of floor(2^steps / l) to the base 2^kDigitBits, lowest first, by long division. The topmost, incomplete digit
// is zero because l is larger than 2^kDigitBits.
std::vector<std::uint8_t> quotient_digits(const BIGNUM* l, std::uint64_t steps) {
  const BnCtxPtr ctx = bn_ctx();
  std::vector<std::uint8_t> digits(steps / kDigitBits);
  const BnPtr rest = bn_word(std::uint64_t{1} << (steps % kDigitBits)), digit = bn();
  for (std::size_t i = digits.size(); i-- > 0;) {
    must(BN_lshift(rest.get(), rest.get(), kDigitBits));
    if (BN_cmp(rest.get(), l) < 0) continue;
    must(BN_div(digit.get(), rest.get(), rest.get(), l, ctx.get()));
    digits[i] = static_cast<std::uint8_t>(BN_get_word(digit.get()));
  }
  return digits;
}

// Arithmetic modulo N by OpenSSL, and the same by Mont2048. A Value is a residue in Montgomery's form.
class Portable {
 public:
  using Value = BnPtr;
  Value copy(const Value& a) const { return bn(a.get()); }
  Value from(const BIGNUM* a) const {
    Value out = bn();
    must(BN_to_montgomery(out.get(), a, mont(), ctx_.get()));
    return out;
  }
  BnPtr number(const Value& a) const {
    BnPtr out = bn();
    must(BN_from_montgomery(out.get(), a.get(), mont(), ctx_.get()));
    return out;
  }
  void multiply(Value& a, const Value& b) const {
    must(BN_mod_mul_montgomery(a.get(), a.get(), b.get(), mont(), ctx_.get()));
  }
  void square(Value& a, std::uint64_t times) const {
    for (; times > 0; --times) multiply(a, a);
  }
  BnPtr power2(const BIGNUM* a, const BIGNUM* e, const BIGNUM* b, const BIGNUM* f) const {
    BnPtr out = bn();
    must(BN_mod_exp2_mont(out.get(), a, e, b, f, group().n.get(), ctx_.get(), group().mont.get()));
    return out;
  }

 private:
  static BN_MONT_CTX* mont() { return group().mont.get(); }
  BnCtxPtr ctx_ = bn_ctx();
};

class Ifma {
 public:
  using Value = Residue2048;
  Value copy(const Value& a) const { return a; }
  Value from(const BIGNUM* a) const { return mont().residue(a); }
  BnPtr number(const Value& a) const { return mont().number(a); }
  void multiply(Value& a, const Value& b) const { mont().multiply(a, b); }
  void square(Value& a, std::uint64_t times) const { mont().square(a, times); }
  BnPtr power2(const BIGNUM* a, const BIGNUM* e, const BIGNUM* b, const BIGNUM* f) const {
    return mont().power2(a, e, b, f);
  }

 private:
  static const Mont2048& mont() {
    static const Mont2048 made(group().n.get());
    return made;
  }
};

// What `work` gives with the back end to be used.
template <typename Work>
auto with_backend(const Work& work) -> decltype(work(Portable())) {
  const bool ifma = detail::mont2048_ifma() != nullptr;
  const char* set = std::getenv("HANSE_VDF_BACKEND");
  const std::string_view wanted = set != nullptr ? set : "";
  if (ifma && (wanted.empty() || wanted == "ifma")) return work(Ifma());
  if (wanted.empty() || wanted == "portable") return work(Portable());
  return fail(Kind::kUnsupported, "crypto.vdf_backend",
              text("back end {} is asked for, this machine has portable{}", wanted, ifma ? " and ifma" : ""));
}

template <typename Arithmetic>
class Prover {
 public:
  Prover(const Arithmetic& arithmetic, const BIGNUM* x, std::uint64_t steps)
      : field_(arithmetic),
        gap_(std::max(kGap, (steps / kDigitBits + kCheckpointsMax - 1) / kCheckpointsMax)),
        steps_(steps),
        value_(field_.from(x)) {}

  // Squares `steps` times and keeps every (gap * digit bits)-th value on the way. False when told to stop.
  bool run(const std::atomic<bool>* stop) {
    const std::uint64_t stride = gap_ * kDigitBits;
    for (std::uint64_t i = 0; i < steps_; i += stride) {
      if (checkpoints_.size() % kStopCheckEvery == 0 && stop != nullptr && stop->load(std::memory_order_relaxed))
        return false;
      checkpoints_.push_back(field_.copy(value_));
      field_.square(value_, std::min(stride, steps_ - i));
    }
    return true;
  }

  BnPtr output() const { return canonical(value_); }

  // Wesolowski, section 4.1, algorithm 5: digit i stands at checkpoint i / gap, shifted by i % gap digits.
  BnPtr prove(const BIGNUM* l) {
    const std::vector<std::uint8_t> digits = quotient_digits(l, steps_);
    Value pi = one();
    for (std::uint64_t shift = gap_; shift-- > 0;) {
      field_.square(pi, kDigitBits);
      std::vector<std::optional<Value>> buckets(1U << kDigitBits);
      for (std::uint64_t i = shift; i < digits.size(); i += gap_) {
        if (digits[i] == 0) continue;
        std::optional<Value>& bucket = buckets[digits[i]];
        const Value& element = checkpoints_[i / gap_];
        if (bucket)
          field_.multiply(*bucket, element);
        else
          bucket = field_.copy(element);
      }
      collect(buckets, pi);
    }
    return canonical(pi);
  }

 private:
  using Value = typename Arithmetic::Value;

  Value one() const { return field_.from(BN_value_one()); }
  BnPtr canonical(const Value& a) const {
    BnPtr out = field_.number(a);
    canon(out.get());
    return out;
  }
  // pi *= product of bucket[d]^d, by running products from the top.
  void collect(const std::vector<std::optional<Value>>& buckets, Value& pi) {
    Value running = one();
    bool any = false;
    for (std::size_t d = buckets.size(); d-- > 1;) {
      if (buckets[d]) {
        field_.multiply(running, *buckets[d]);
        any = true;
      }
      if (any) field_.multiply(pi, running);
    }
  }

  const Arithmetic& field_;
  std::uint64_t gap_, steps_;
  Value value_;
  std::vector<Value> checkpoints_;
};

}  // namespace

const VdfElement& vdf_modulus() { return group().bytes; }

VdfElement vdf_input(const Hash32& seed) { return encode(hash_to_group(seed, bn_ctx().get()).get()); }

Result<VdfProof> vdf_eval(const Hash32& seed, std::uint64_t steps, const std::atomic<bool>* stop) {
  TRY_OK(check_steps(steps));
  const BnPtr x = hash_to_group(seed, bn_ctx().get());
  return with_backend([&](const auto& arithmetic) -> Result<VdfProof> {
    Prover prover(arithmetic, x.get(), steps);
    if (!prover.run(stop))
      return fail(Kind::kUnavailable, "crypto.vdf_stopped", "told to stop before the last squaring");
    VdfProof proof;
    proof.y = encode(prover.output().get());
    const BnPtr l = challenge(encode(x.get()), proof.y, steps);
    proof.pi = encode(prover.prove(l.get()).get());
    return proof;
  });
}

Status vdf_verify(const Hash32& seed, std::uint64_t steps, const VdfProof& proof) {
  TRY_OK(check_steps(steps));
  const BnCtxPtr ctx = bn_ctx();
  const BnPtr x = hash_to_group(seed, ctx.get());
  const BnPtr y = bn_bytes(proof.y.view()), pi = bn_bytes(proof.pi.view());
  if (!in_range(y.get()) || !in_range(pi.get())) return bad("an element is outside [1, (N-1)/2]");
  const BnPtr l = challenge(encode(x.get()), proof.y, steps);
  const BnPtr r = bn(), two = bn_word(2), exponent = bn_word(steps);
  must(BN_mod_exp(r.get(), two.get(), exponent.get(), l.get(), ctx.get()));
  TRY(const BnPtr product, with_backend([&](const auto& arithmetic) -> Result<BnPtr> {
        return arithmetic.power2(pi.get(), l.get(), x.get(), r.get());
      }));
  canon(product.get());
  if (BN_cmp(product.get(), y.get()) != 0) return bad(text("the proof does not show y = x^(2^{})", steps));
  return {};
}

Hash32 vdf_output(const VdfProof& proof) { return blake3("hanse/vdf-output/1", {proof.y.view()}); }

}  // namespace hanse::crypto
