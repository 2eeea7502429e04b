// Sumcheck (Lund, Fortnow, Karloff, Nisan, JACM 1992; Thaler, "Proofs, Arguments, and Zero-Knowledge", 4.1) for the two
// sums that the proofs need. Each answers the point at which the tables are left to be evaluated.
//
//   product    claim = sum over x of a(x) b(x). A round is a polynomial of degree 2, told as its values at 0 and 2: the
//   one
//              at 1 follows from the claim. Errs with probability at most 2 n / 2^128.
//   fractions  P / Q = sum over x of 1 / den(x), by the tree of its partial sums: two fractions a level,
//              p = p0 q1 + p1 q0, q = q0 q1, each level reduced to the next by a sumcheck under eq(claim's point, x)
//              (Papini, Haböck, "Improving logarithmic derivative lookups using GKR", ePrint 2023/1284, section 3). The
//              factor eq of the variable of a round is left out of its polynomial h, which then has degree 2: the claim
//              is (1 - r) h(0) + r h(1), and h is told as its values at 0, 1 and 2. Errs at most (n^2 + 2 n) / 2^128.
// Threads: pure. Errors: proof.sum (corrupt: the two sides of a check differ; the message says at which).
#pragma once

#include "exchange/proof/detail/transcript.h"

namespace hanse::proof {

struct DotClaim {
  std::vector<Ext> point;
  Ext value;  // of a(point) b(point)
};
// The tables are folded to one value each: a(point) and b(point).
std::vector<Ext> prove_dot(Writer& out, std::vector<Ext>& a, std::vector<Ext>& b);
std::vector<Ext> prove_dot(Writer& out, std::span<const std::int32_t> a, std::vector<Ext> b, Ext& a_at_point);
DotClaim check_dot(Reader& in, Ext claim, std::size_t rounds);

struct FractionClaim {
  Ext top, bottom;  // the sum
  std::vector<Ext> point;
  Ext value;  // of den(point)
};
std::vector<Ext> prove_fractions(Writer& out, std::vector<Ext> den);
Result<FractionClaim> check_fractions(Reader& in, std::size_t variables);

}  // namespace hanse::proof
