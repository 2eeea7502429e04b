#include "base/crypto/ed25519_batch.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

#include "base/core/text.h"
#include "base/crypto/detail/ed25519_kernels.h"
#include "base/crypto/detail/ed25519_verify.h"

namespace hanse::crypto {
namespace {

using namespace detail;  // NOLINT: this file is the caller of the kernels

constexpr int kLongBits = 253, kShortBits = 127;
constexpr int kWidthMin = 3, kWidthMax = 11;

std::size_t windows_of(int bits, int width) { return static_cast<std::size_t>(bits / width) + 1; }
std::size_t rounded(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// The digits' width with the fewest additions; windows are summed `lanes` at a time.
int best_width(std::size_t long_points, std::size_t short_points, std::size_t lanes) {
  int best = kWidthMin;
  std::size_t least = ~std::size_t{0};
  for (int width = kWidthMin; width <= kWidthMax; ++width) {
    const std::size_t all = rounded(windows_of(kLongBits, width), lanes);
    const std::size_t some = rounded(windows_of(kShortBits, width), lanes);
    const std::size_t cost = all * (long_points + (std::size_t{2} << (width - 1))) + some * short_points;
    if (cost < least) {
      least = cost;
      best = width;
    }
  }
  return best;
}

// Signed digits from -2^(width-1) + 1 to 2^(width-1). The topmost window has fewer bits than the width, so that it
// takes the last carry.
void recode(const Scalar& s, bool negative, int width, std::size_t windows, std::int16_t* out) {
  int carry = 0;
  for (std::size_t w = 0; w < windows; ++w) {
    const std::size_t at = w * static_cast<std::size_t>(width), word = at / 64, shift = at % 64;
    std::uint64_t bits = word < 4 ? s[word] >> shift : 0;
    if (shift + static_cast<std::size_t>(width) > 64 && word + 1 < 4) bits |= s[word + 1] << (64 - shift);
    int digit = static_cast<int>(bits & ((1U << width) - 1)) + carry;
    carry = digit > 1 << (width - 1) ? 1 : 0;
    digit -= carry << width;
    out[w] = static_cast<std::int16_t>(negative ? -digit : digit);
  }
}

// Numbers equal keys. The hash is keyed at random, so that no sender can make keys collide.
class KeyTable {
 public:
  KeyTable(std::size_t items, Random& random) : slots_(std::bit_ceil(2 * items + 1)) {
    random.fill({reinterpret_cast<std::uint8_t*>(secret_), sizeof secret_});
  }
  std::uint32_t number_of(const std::uint8_t* key) {
    for (std::size_t at = slot_of(key);; ++at) {
      std::uint32_t& slot = slots_[at & (slots_.size() - 1)];
      if (slot == 0) {
        keys_.push_back(key);
        slot = static_cast<std::uint32_t>(keys_.size());
      }
      if (std::memcmp(keys_[slot - 1], key, 32) == 0) return slot - 1;
    }
  }
  const std::vector<const std::uint8_t*>& keys() const { return keys_; }

 private:
  std::size_t slot_of(const std::uint8_t* key) const {
    U128 sum = 0;
    for (std::size_t i = 0; i < 4; i += 2)
      sum += static_cast<U128>(load_le<std::uint64_t>(key + 8 * i) + secret_[i]) *
             (load_le<std::uint64_t>(key + 8 * i + 8) + secret_[i + 1]);
    return static_cast<std::size_t>(sum >> 64);
  }
  std::uint64_t secret_[4];
  std::vector<std::uint32_t> slots_;  // number + 1; 0: free
  std::vector<const std::uint8_t*> keys_;
};

struct Parsed {
  Scalar s, k;
  std::uint32_t key;
  NielsPoint r;
};

class Run {
 public:
  Run(const Ed25519Kernels& kernels, std::span<const Ed25519Item> items, std::span<Ed25519Verdict> verdicts,
      Random& random)
      : kernels_(kernels), items_(items), verdicts_(verdicts), random_(random), parsed_(items.size()) {}

  Ed25519BatchStats run() {
    std::vector<std::uint32_t> live = parse();
    if (!live.empty()) settle(live, false, 0);
    return stats_;
  }

 private:
  // Everything but the equation; gives the items for which it remains to be checked.
  std::vector<std::uint32_t> parse() {
    std::vector<std::uint32_t> live;
    KeyTable table(items_.size(), random_);
    std::vector<const std::uint8_t*> r;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      const Ed25519Item& item = items_[i];
      verdicts_[i] = Ed25519Verdict::kBadLength;
      if (item.public_key.size() != 32 || item.signature.size() != 64) continue;
      verdicts_[i] = Ed25519Verdict::kBadScalar;
      parsed_[i].s = scalar_from_bytes(item.signature.data() + 32);
      if (!scalar_is_canonical(parsed_[i].s)) continue;
      parsed_[i].key = table.number_of(item.public_key.data());
      live.push_back(i);
      r.push_back(item.signature.data());
    }
    keys_.resize(table.keys().size());
    std::vector<std::uint8_t> key_ok(keys_.size()), r_ok(r.size());
    std::vector<NielsPoint> r_points(r.size());
    kernels_.decode(table.keys(), keys_.data(), key_ok.data());
    kernels_.decode(r, r_points.data(), r_ok.data());
    std::size_t kept = 0;
    for (std::size_t j = 0; j < live.size(); ++j) {
      const std::uint32_t i = live[j];
      verdicts_[i] = key_ok[parsed_[i].key] == 0 ? Ed25519Verdict::kBadKey : Ed25519Verdict::kBadPoint;
      if (key_ok[parsed_[i].key] == 0 || r_ok[j] == 0) continue;
      parsed_[i].r = r_points[j];
      live[kept++] = i;
    }
    live.resize(kept);
    if (live.size() > kEd25519ExactMax) hash(live);
    return live;
  }

  void hash(std::span<const std::uint32_t> live) {
    std::vector<HashInput> inputs;
    for (const std::uint32_t i : live)
      inputs.push_back({items_[i].signature.data(), items_[i].public_key.data(), items_[i].message});
    std::vector<FixedBytes<64>> digests(inputs.size());
    kernels_.hash(inputs, digests.data());
    for (std::size_t j = 0; j < live.size(); ++j) parsed_[live[j]].k = reduce_wide(digests[j].data.data());
  }

  // Verdicts for `live`; `guilty` when at least one of them is known to be false.
  void settle(std::span<const std::uint32_t> live, bool guilty, std::size_t depth) {
    stats_.depth = std::max(stats_.depth, depth);
    if (live.size() <= kEd25519ExactMax) {
      for (const std::uint32_t i : live) verdicts_[i] = exact(items_[i]);
      stats_.exact += live.size();
      return;
    }
    if (!guilty && equation(live)) {
      for (const std::uint32_t i : live) verdicts_[i] = Ed25519Verdict::kOk;
      return;
    }
    const std::size_t half = live.size() / 2;
    settle(live.first(half), false, depth + 1);
    const bool left_ok =
        std::ranges::all_of(live.first(half), [&](std::uint32_t i) { return verdicts_[i] == Ed25519Verdict::kOk; });
    settle(live.subspan(half), left_ok, depth + 1);
  }

  static Ed25519Verdict exact(const Ed25519Item& item) {
    Ed25519Key key;
    const bool ok =
        Ed25519Key::decode(item.public_key.data(), key) && key.verify(item.signature.data(), "", item.message);
    return ok ? Ed25519Verdict::kOk : Ed25519Verdict::kBadEquation;
  }

  bool equation(std::span<const std::uint32_t> live) {
    ++stats_.equations;
    coefficients_.resize(16 * live.size());
    random_.fill(coefficients_);
    std::vector<Scalar> of_key(keys_.size());
    std::vector<std::uint8_t> used(keys_.size());
    static const NielsPoint base = affine_niels(base_point());
    std::vector<NielsPoint> points{base};
    std::vector<Scalar> longs(1);
    for (std::size_t j = 0; j < live.size(); ++j) {
      const Parsed& p = parsed_[live[j]];
      const auto [z, negative] = coefficient(j);
      const Scalar zs = multiply_short(z, p.s), zk = multiply_short(z, p.k);
      longs[0] = add_scalars(longs[0], negative ? negate_scalar(zs) : zs);
      of_key[p.key] = add_scalars(of_key[p.key], negative ? zk : negate_scalar(zk));
      used[p.key] = 1;
    }
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      if (used[k] == 0) continue;
      points.push_back(keys_[k]);
      longs.push_back(of_key[k]);
    }
    for (const std::uint32_t i : live) points.push_back(parsed_[i].r);
    return is_identity(double_times(sum(points, longs), 3));
  }

  struct Coefficient {
    U128 size;
    bool negative;
  };
  Coefficient coefficient(std::size_t j) const {
    const std::uint8_t* bytes = coefficients_.data() + 16 * j;
    const std::uint64_t high = load_le<std::uint64_t>(bytes + 8);
    const U128 size = static_cast<U128>(high & ~(std::uint64_t{1} << 63)) << 64 | load_le<std::uint64_t>(bytes);
    return {size == 0 ? 1 : size, high >> 63 != 0};
  }

  // sum of longs[i] * points[i], then minus the coefficients times the points that are left.
  Point sum(std::span<const NielsPoint> points, std::span<const Scalar> longs) {
    const std::size_t shorts = points.size() - longs.size();
    const int width = best_width(longs.size(), shorts, kernels_.lanes);
    const std::size_t windows = windows_of(kLongBits, width), short_windows = windows_of(kShortBits, width);
    const std::size_t stride = rounded(windows, 8);
    digits_.assign(points.size() * stride, 0);
    for (std::size_t i = 0; i < longs.size(); ++i) recode(longs[i], false, width, windows, &digits_[i * stride]);
    for (std::size_t j = 0; j < shorts; ++j) {
      const auto [z, negative] = coefficient(j);
      const Scalar s{static_cast<std::uint64_t>(z), static_cast<std::uint64_t>(z >> 64), 0, 0};
      recode(s, !negative, width, short_windows, &digits_[(longs.size() + j) * stride]);
    }
    std::vector<Point> sums(stride);
    kernels_.window_sums({points, digits_.data(), stride, windows, short_windows, longs.size(), width}, sums.data());
    Point total = sums[windows - 1];
    for (std::size_t w = windows - 1; w-- > 0;) total = add(double_times(total, width), cache(sums[w]));
    return total;
  }

  const Ed25519Kernels& kernels_;
  std::span<const Ed25519Item> items_;
  std::span<Ed25519Verdict> verdicts_;
  Random& random_;
  std::vector<Parsed> parsed_;
  std::vector<NielsPoint> keys_;
  Bytes coefficients_;
  std::vector<std::int16_t> digits_;
  Ed25519BatchStats stats_;
};

}  // namespace

struct Ed25519Batch::Rep {
  const Ed25519Kernels* kernels;
};

Ed25519Batch::Ed25519Batch(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Ed25519Batch::Ed25519Batch(Ed25519Batch&&) noexcept = default;
Ed25519Batch& Ed25519Batch::operator=(Ed25519Batch&&) noexcept = default;
Ed25519Batch::~Ed25519Batch() = default;

Result<Ed25519Batch> Ed25519Batch::create(std::string_view backend) {
  const char* set = std::getenv("HANSE_ED25519_BACKEND");
  if (backend.empty() && set != nullptr) backend = set;
  for (const Ed25519Kernels* kernels : {ed25519_ifma(), &ed25519_portable()})
    if (kernels != nullptr && (backend.empty() || backend == kernels->name))
      return Ed25519Batch(std::make_unique<Rep>(kernels));
  return fail(Kind::kUnsupported, "crypto.ed25519_backend",
              text("back end {} is asked for, this machine has portable{}", backend,
                   ed25519_ifma() != nullptr ? " and ifma" : ""));
}

std::string_view Ed25519Batch::backend() const { return rep_->kernels->name; }

Result<Ed25519BatchStats> Ed25519Batch::verify(std::span<const Ed25519Item> items, std::span<Ed25519Verdict> verdicts,
                                               Random& random) {
  if (items.size() > kEd25519BatchMax)
    return fail(Kind::kExhausted, "crypto.batch_size",
                text("{} signatures in one batch, at most {}", items.size(), kEd25519BatchMax));
  if (items.size() != verdicts.size())
    return fail(Kind::kInvalid, "crypto.batch_verdicts",
                text("place for {} verdicts, the batch has {} signatures", verdicts.size(), items.size()));
  return Run(*rep_->kernels, items, verdicts, random).run();
}

}  // namespace hanse::crypto
