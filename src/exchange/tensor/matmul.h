// Exact integer matrix product: C[m x n] = A[m x k] * B[k x n], int8 in, int32 out, row-major, no saturation anywhere.
//
// With every dimension at most kDimMax = 2^16 a cell is at most 2^16 * 128 * 128 = 2^30 in size, so int32 never wraps
// and the order of summation cannot show: every back end gives the same bits (matmul_test.cc compares them).
//   portable   plain C++
//   avx2       vpmaddwd on values widened to int16 (vpmaddubsw would saturate pairs of products at 32767)
//   avx512     the same, 512 bits wide
//   vnni       vpdpbusd with A offset to unsigned (a + 128) and 128 * (column sum of B) taken off
// The best back end of the machine is chosen at run time; HANSE_TENSOR_BACKEND=<name> overrides it.
// Blocking is Goto's: a 1024 x 1024 block of B and a 240 x 1024 block of A are packed into panels that stay in cache
// (Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008).
//
// Threads: pure functions of their arguments, any thread. Scratch on the heap: at most matmul_scratch_bytes.
// Errors: tensor.dims (a dimension 0 or above kDimMax, or a span of another size), tensor.cancelled (the control asked
// to stop; C is then unspecified), tensor.backend (unknown name, or not available on this machine).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace hanse::runtime {
class RunControl;
}

namespace hanse::tensor {

constexpr std::uint32_t kDimMax = 65'536;

enum class Backend : std::uint8_t { kPortable, kAvx2, kAvx512, kVnni };
std::string_view backend_name(Backend backend);  // "portable", "avx2", "avx512", "vnni"
std::vector<Backend> available_backends();       // of this machine, slowest first; portable is always there
Result<Backend> find_backend(std::string_view name);
Result<Backend> default_backend();  // HANSE_TENSOR_BACKEND when set, else the fastest

struct MatmulShape {
  std::uint32_t m = 0, k = 0, n = 0;
};

// A bound on packed panels, the same on every back end (a job is charged for it): at most 3 MiB.
std::uint64_t matmul_scratch_bytes(const MatmulShape& shape);

struct MatmulOptions {
  Backend backend = Backend::kPortable;
  const runtime::RunControl* control = nullptr;  // polled once per block of A; null: runs to the end
};

Status matmul(const MatmulShape& shape, std::span<const std::int8_t> a, std::span<const std::int8_t> b,
              std::span<std::int32_t> c, const MatmulOptions& options);

}  // namespace hanse::tensor
