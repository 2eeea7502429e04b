// The kernels of examples/wasm compiled natively, for wasm_bench.cc to compare with.
#include <cstdint>

#include "examples/wasm/matmul_kernel.h"
#include "examples/wasm/sha256_kernel.h"

extern "C" void native_sha_rounds(std::uint8_t* buffer, std::uint32_t size, std::uint32_t rounds,
                                  std::uint8_t* digest) {
  sha_rounds(buffer, size, rounds, digest);
}
extern "C" void native_matmul(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* c, std::uint32_t n) {
  matmul(a, b, c, n);
}
