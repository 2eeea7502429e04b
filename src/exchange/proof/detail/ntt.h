// Reed-Solomon code words over Fp: the values of a polynomial of 2^b coefficients at the 2^(b + 2) roots of unity (rate
// 1/4). The order of the values is that of the transform (bit-reversed exponents); prover and verifier share it, nobody
// else sees it. Threads: values. Errors: none.
#pragma once

#include <span>
#include <vector>

#include "exchange/proof/detail/field.h"

namespace hanse::proof {

constexpr unsigned kBlowupLog2 = 2;

class Encoder {
 public:
  explicit Encoder(unsigned message_log2);
  std::size_t size() const { return size_; }
  void encode(std::span<const Fp> message, std::span<Fp> word) const;
  std::vector<Ext> encode(std::span<const Ext> message) const;

 private:
  std::size_t size_;
  std::vector<Fp> roots_;  // of each stage: size / 2 powers of w, then size / 4 of w^2, ..., 1
};

}  // namespace hanse::proof
