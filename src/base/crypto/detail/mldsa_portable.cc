#include "base/crypto/detail/mldsa_kernels.h"

namespace hanse::crypto::detail {
namespace {

std::int32_t reduce(std::int64_t a) {
  const std::int32_t t = mldsa_times_q_inv(static_cast<std::int32_t>(a));
  return static_cast<std::int32_t>((a - static_cast<std::int64_t>(t) * kMlDsaQ) >> 32);
}

struct PortableVec {
  Lanes lanes;

  static PortableVec load(const Lanes& from) { return {from}; }
  void store(Lanes& to) const { to = lanes; }
  friend PortableVec operator+(const PortableVec& a, const PortableVec& b) {
    PortableVec out;
    for (int i = 0; i < 8; ++i) out.lanes.v[i] = a.lanes.v[i] + b.lanes.v[i];
    return out;
  }
  friend PortableVec operator-(const PortableVec& a, const PortableVec& b) {
    PortableVec out;
    for (int i = 0; i < 8; ++i) out.lanes.v[i] = a.lanes.v[i] - b.lanes.v[i];
    return out;
  }
  PortableVec times(std::int32_t c) const {
    PortableVec out;
    for (int i = 0; i < 8; ++i) out.lanes.v[i] = reduce(static_cast<std::int64_t>(lanes.v[i]) * c);
    return out;
  }

  struct Sum {
    std::int64_t sums[8] = {};
    void add_product(const PortableVec& v, std::int32_t c) {
      for (int i = 0; i < 8; ++i) sums[i] += static_cast<std::int64_t>(v.lanes.v[i]) * c;
    }
    PortableVec reduce() const {
      PortableVec out;
      for (int i = 0; i < 8; ++i) out.lanes.v[i] = detail::reduce(sums[i]);
      return out;
    }
  };
};

}  // namespace

const MlDsaBackend& mldsa_portable() {
  using K = MlDsaKernels<PortableVec>;
  static constexpr MlDsaBackend backend{K::transform, K::transform_back, K::multiply, "portable"};
  return backend;
}

const MlDsaBackend& mldsa_backend() {
  static const MlDsaBackend& best = mldsa_avx2() != nullptr ? *mldsa_avx2() : mldsa_portable();
  return best;
}

}  // namespace hanse::crypto::detail
