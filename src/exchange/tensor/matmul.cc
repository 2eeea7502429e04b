#include "exchange/tensor/matmul.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/runtime/job_kind.h"
#include "exchange/tensor/detail/kernel.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace hanse::tensor {

namespace {

constexpr std::size_t kBlockM = 240, kBlockK = 1024, kBlockN = 1024;
constexpr Backend kBackends[] = {Backend::kPortable, Backend::kAvx2, Backend::kAvx512, Backend::kVnni};

// Cache-line aligned bytes: panels of one block of A and one of B.
class Scratch {
 public:
  explicit Scratch(std::size_t size) : data_(static_cast<std::uint8_t*>(::operator new(size, kAlign))) {}
  ~Scratch() { ::operator delete(data_, kAlign); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::uint8_t* data() { return data_; }

 private:
  static constexpr std::align_val_t kAlign{64};
  std::uint8_t* data_;
};

constexpr std::size_t panels(std::size_t size, std::size_t panel) { return (size + panel - 1) / panel; }

constexpr std::size_t kMrMax = 12, kNrMax = 32;  // of any back end

struct Block {
  std::size_t rows, k, cols;
  bool accumulate;
};

// One block of C from packed panels. Tiles at the rim go through a buffer of a whole tile.
void multiply_block(const detail::Kernel& kernel, const Block& block, const std::uint8_t* a, const std::uint8_t* b,
                    std::int32_t* c, std::size_t ldc) {
  constexpr std::size_t kTileCells = kMrMax * kNrMax;
  const std::size_t groups = kernel.groups(block.k);
  for (std::size_t j = 0; j < block.cols; j += kernel.nr, b += kernel.b_panel_bytes(block.k)) {
    const std::size_t cols = std::min(kernel.nr, block.cols - j);
    const std::uint8_t* panel = a;
    for (std::size_t i = 0; i < block.rows; i += kernel.mr, panel += kernel.a_panel_bytes(block.k)) {
      const std::size_t rows = std::min(kernel.mr, block.rows - i);
      std::int32_t* out = c + i * ldc + j;
      if (rows == kernel.mr && cols == kernel.nr) {
        kernel.tile(groups, panel, b, out, ldc, block.accumulate);
        continue;
      }
      std::int32_t tile[kTileCells];
      kernel.tile(groups, panel, b, tile, kernel.nr, false);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t s = 0; s < cols; ++s)
          out[r * ldc + s] = tile[r * kernel.nr + s] + (block.accumulate ? out[r * ldc + s] : 0);
    }
  }
}

}  // namespace

std::string_view backend_name(Backend backend) {
  switch (backend) {
    case Backend::kPortable: return "portable";
    case Backend::kAvx2: return "avx2";
    case Backend::kAvx512: return "avx512";
    case Backend::kVnni: return "vnni";
  }
  return "?";
}

namespace detail {

bool backend_available(Backend backend) {
#if defined(__x86_64__)
  switch (backend) {
    case Backend::kPortable: return true;
    case Backend::kAvx2: return __builtin_cpu_supports("avx2");
    case Backend::kAvx512: return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    case Backend::kVnni: return backend_available(Backend::kAvx512) && __builtin_cpu_supports("avx512vnni");
  }
  return false;
#else
  return backend == Backend::kPortable;
#endif
}

const Kernel& kernel_of(Backend backend) {
#if defined(__x86_64__)
  switch (backend) {
    case Backend::kPortable: break;
    case Backend::kAvx2: return avx2_kernel();
    case Backend::kAvx512: return avx512_kernel();
    case Backend::kVnni: return vnni_kernel();
  }
#endif
  (void)backend;
  return portable_kernel();
}

}  // namespace detail

std::vector<Backend> available_backends() {
  std::vector<Backend> out;
  for (const Backend b : kBackends)
    if (detail::backend_available(b)) out.push_back(b);
  return out;
}

Result<Backend> find_backend(std::string_view name) {
  for (const Backend b : kBackends) {
    if (backend_name(b) != name) continue;
    if (detail::backend_available(b)) return b;
    return fail(Kind::kUnsupported, "tensor.backend", text("found back end '{}', which this machine cannot run", name));
  }
  return fail(Kind::kInvalid, "tensor.backend",
              text("found back end '{}', expected portable, avx2, avx512 or vnni", name));
}

Result<Backend> default_backend() {
  if (const char* wanted = std::getenv("HANSE_TENSOR_BACKEND"); wanted != nullptr && *wanted != '\0')
    return with_context(find_backend(wanted), "read HANSE_TENSOR_BACKEND");
  return available_backends().back();
}

std::uint64_t matmul_scratch_bytes(const MatmulShape& shape) {
  const std::uint64_t m = std::min<std::uint64_t>(shape.m, kBlockM), k = std::min<std::uint64_t>(shape.k, kBlockK),
                      n = std::min<std::uint64_t>(shape.n, kBlockN);
  const std::uint64_t rows = panels(m, kMrMax) * kMrMax, cols = panels(n, kNrMax) * kNrMax;
  return (rows + cols) * 4 * (k / 2 + 1) + cols * 4;
}

Status matmul(const MatmulShape& shape, std::span<const std::int8_t> a, std::span<const std::int8_t> b,
              std::span<std::int32_t> c, const MatmulOptions& options) {
  const std::size_t m = shape.m, k = shape.k, n = shape.n;
  if (m == 0 || k == 0 || n == 0 || m > kDimMax || k > kDimMax || n > kDimMax)
    return fail(Kind::kInvalid, "tensor.dims", text("found {} x {} x {}, expected each 1..{}", m, k, n, kDimMax));
  if (a.size() != m * k || b.size() != k * n || c.size() != m * n)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found spans of {}, {} and {} for {} x {} x {}", a.size(), b.size(), c.size(), m, k, n));
  if (!detail::backend_available(options.backend))
    return fail(Kind::kUnsupported, "tensor.backend",
                text("found back end '{}', which this machine cannot run", backend_name(options.backend)));

  const detail::Kernel& kernel = detail::kernel_of(options.backend);
  const std::size_t k_max = std::min(k, kBlockK);
  const std::size_t b_bytes = panels(std::min(n, kBlockN), kernel.nr) * kernel.b_panel_bytes(k_max);
  const std::size_t a_bytes = panels(std::min(m, kBlockM), kernel.mr) * kernel.a_panel_bytes(k_max);
  check(b_bytes + a_bytes <= matmul_scratch_bytes(shape), "scratch beyond its bound");
  Scratch scratch(b_bytes + a_bytes);
  std::uint8_t* const packed_b = scratch.data();
  std::uint8_t* const packed_a = packed_b + b_bytes;

  for (std::size_t j = 0; j < n; j += kBlockN) {
    const std::size_t cols = std::min(kBlockN, n - j);
    for (std::size_t p = 0; p < k; p += kBlockK) {
      const std::size_t depth = std::min(kBlockK, k - p);
      for (std::size_t s = 0; s < cols; s += kernel.nr)
        kernel.pack_b(b.data() + p * n + j + s, n, depth, std::min(kernel.nr, cols - s),
                      packed_b + s / kernel.nr * kernel.b_panel_bytes(depth));
      for (std::size_t i = 0; i < m; i += kBlockM) {
        if (options.control != nullptr && options.control->stop())
          return fail(Kind::kTimeout, "tensor.cancelled", text("asked to stop at row {} of {}", i, m));
        const std::size_t rows = std::min(kBlockM, m - i);
        for (std::size_t r = 0; r < rows; r += kernel.mr)
          kernel.pack_a(a.data() + (i + r) * k + p, k, std::min(kernel.mr, rows - r), depth,
                        packed_a + r / kernel.mr * kernel.a_panel_bytes(depth));
        multiply_block(kernel, {rows, depth, cols, p != 0}, packed_a, packed_b, c.data() + i * n + j, n);
      }
    }
  }
  return {};
}

}  // namespace hanse::tensor
