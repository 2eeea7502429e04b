// What a back end of the matrix product provides: two packers and a tile. The loops around them are in matmul.cc.
//
// A panel of A holds `mr` rows: for each group of `group` consecutive k, mr times the group's values side by side.
// A panel of B holds `nr` columns the same way, behind a header of nr int32 with which the tile's sums start.
// A packed group takes 4 bytes: four int8, or two int16. Columns and k beyond the matrix are packed as zeros in B.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exchange/tensor/matmul.h"

namespace hanse::tensor::detail {

struct Kernel {
  std::size_t mr, nr, group;
  // rows <= mr rows of a (row stride lda) by k values.
  void (*pack_a)(const std::int8_t* a, std::size_t lda, std::size_t rows, std::size_t k, std::uint8_t* out);
  // k rows of b (row stride ldb) by cols <= nr columns.
  void (*pack_b)(const std::int8_t* b, std::size_t ldb, std::size_t k, std::size_t cols, std::uint8_t* out);
  // out[mr][nr] (row stride ldo) = header of b + sum over groups; added to out when accumulate is set.
  void (*tile)(std::size_t groups, const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t ldo,
               bool accumulate);

  std::size_t groups(std::size_t k) const { return (k + group - 1) / group; }
  std::size_t a_panel_bytes(std::size_t k) const { return groups(k) * mr * 4; }
  std::size_t b_panel_bytes(std::size_t k) const { return nr * 4 + groups(k) * nr * 4; }
};

const Kernel& portable_kernel();
#if defined(__x86_64__)
const Kernel& avx2_kernel();
const Kernel& avx512_kernel();
const Kernel& vnni_kernel();
#endif
bool backend_available(Backend backend);
const Kernel& kernel_of(Backend backend);  // available ones only

}  // namespace hanse::tensor::detail
