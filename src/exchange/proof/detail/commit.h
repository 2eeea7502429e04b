// A commitment to a table of small integers, as numbers of Fp, whose multilinear extension is opened at one point,
// after Ligero (Ames, Hazay, Ishai, Venkitasubramaniam, CCS 2017) and its use for evaluations (Golovnev, Lee, Setty,
// Thaler, Wahby, "Brakedown", CRYPTO 2023).
//
// 2^n values are a matrix of 2^a rows, each a Reed-Solomon code word of rate 1/4; the root of the hash tree over its
// columns is the commitment (leaves: BLAKE3; nodes: the log tree of base/crypto/merkle.h). To open it the prover sends
// two combinations of the rows, with random weights (nearness to the code) and with eq(row part of the point), and
// kQueries columns. A table that is far from the code, or another combination, survives a column with probability 1 -
// 3/8 (unique decoding: half of the relative distance 3/4): (5/8)^150 < 2^-101. The random combination errs in addition
// with 2^(b + 2) / 2^128 (Ben-Sasson, Carmon, Ishai, Kopparty, Saraf, "Proximity Gaps for Reed-Solomon Codes", JACM
// 2023, theorem 4.1).
//
// Several evaluations of one table at once: `prove_evaluations` draws weights w_i and runs a sumcheck for
// sum over x of table(x) (w_1 eq(p_1, x) + w_2 eq(p_2, x) + ...), which ends at one point, opened then.
// Memory: 36 bytes a value. Threads: pure. Errors: proof.opening (corrupt: a column, its path, or a sum does not fit).
#pragma once

#include "base/crypto/merkle.h"
#include "exchange/proof/detail/ntt.h"
#include "exchange/proof/detail/transcript.h"

namespace hanse::proof {

constexpr std::size_t kQueries = 150;

struct Layout {  // rows and columns of a table of 2^n values
  unsigned row_log2 = 0, col_log2 = 0;
  explicit Layout(unsigned size_log2)
      : row_log2(size_log2 > 4 ? (size_log2 - 4) / 2 : 0), col_log2(size_log2 - row_log2) {}
  std::size_t rows() const { return std::size_t{1} << row_log2; }
  std::size_t cols() const { return std::size_t{1} << col_log2; }
  unsigned word_log2() const { return col_log2 + kBlowupLog2; }
};

class Committed {
 public:
  explicit Committed(std::vector<std::int32_t> table);  // 2^n values
  const Hash32& root() const { return root_; }
  const std::vector<std::int32_t>& table() const { return table_; }
  void open(Writer& out, std::span<const Ext> point) const;

 private:
  Layout layout_;
  std::vector<std::int32_t> table_;
  std::vector<Fp> words_;  // row-major
  crypto::LogTree tree_;
  Hash32 root_;
};
Result<Ext> check_opening(Reader& in, const Hash32& root, std::span<const Ext> point);

// table(point) = value, where the first variables of the point are 0 or 1 and name the block of the table that the
// others run through: block is its first index, a multiple of its size 2^inner.size().
struct Evaluation {
  std::size_t block = 0;
  std::vector<Ext> inner{};
  Ext value{};
};
void prove_evaluations(Writer& out, const Committed& table, std::span<const Evaluation> claims);
Status check_evaluations(Reader& in, const Hash32& root, unsigned size_log2, std::span<const Evaluation> claims);

}  // namespace hanse::proof
