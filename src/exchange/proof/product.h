// A proof that C = A B for int8 matrices that the verifier has: it never multiplies them.
//
// Both evaluate the extension of C at a random point (r, s); a sumcheck over the inner dimension (Thaler, "Time-Optimal
// Interactive Proofs for Circuit Evaluation", CRYPTO 2013, section 5) leaves A~(r, t) and B~(t, s), which the verifier
// computes. Challenges follow from a hash of the shape and all three matrices. A wrong C passes with probability below
// (log2 m + 3 log2 k + log2 n) / 2^128, times the number of hashes that a forger can afford.
// Cost: prover O(m k + k n) with int8 products of 18 columns, verifier O(m k + k n + m n). Proof: 32 bytes a round.
// Unlike Freivalds' audit (exchange/tensor/audit.h) it needs no secret or later randomness: anybody may check it at any
// time. Shapes: row-major, dimensions 1..tensor::kDimMax. Threads: pure. Errors: tensor.dims; proof.bytes, proof.sum
// (corrupt: C is not the product, or the proof is another's).
#pragma once

#include <cstdint>
#include <span>

#include "base/core/bytes.h"
#include "base/core/result.h"
#include "exchange/tensor/matmul.h"

namespace hanse::proof {

struct Product {
  tensor::MatmulShape shape;
  std::span<const std::int8_t> a, b;
  std::span<const std::int32_t> c;
};
Result<Bytes> prove_product(const Product& product);
Status verify_product(const Product& product, ByteView proof);

}  // namespace hanse::proof
