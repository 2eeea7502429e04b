// The two sides of the proof of an inference (inference.h), and what they share. Both walk the same plan with the same
// draws: the run's root, counts of limbs and of steps, the sum of limbs; then from the last layer to the first the
// lookup of steps, the bias and the product; then all evaluations of the model, and all of the run. Threads: pure.
// Errors: those of inference.h.
#pragma once

#include "exchange/proof/detail/commit.h"
#include "exchange/proof/detail/plan.h"
#include "exchange/proof/detail/sumcheck.h"

namespace hanse::proof {

constexpr std::string_view kInference = "hanse/proof-inference/1";

void absorb_statement(Transcript& t, const Commitment& model, std::uint32_t rows, std::span<const std::int8_t> x,
                      const tensor::Activations& y);

// A run of the model: what goes into each layer, and what comes before requantising. The prover proves what stands
// here, and a trace that is not the model's is refused by the verifier.
struct Trace {
  std::vector<std::vector<std::int8_t>> in;    // rows x in
  std::vector<std::vector<std::int64_t>> acc;  // rows x out
  tensor::Activations out;
};

Result<Trace> run(std::span<const tensor::Layer> layers, std::uint32_t rows, std::span<const std::int8_t> x);

Status prove_trace(const Plan& plan, std::span<const tensor::Layer> layers, const Committed& weights,
                   const Trace& trace, Writer& out);
Status check_trace(const Plan& plan, const Hash32& root, std::span<const std::int8_t> x, const tensor::Activations& y,
                   Reader& in);

std::vector<Ext> join(std::span<const Ext> a, std::span<const Ext> b);

struct Corner {  // a point of a layer's output
  std::vector<Ext> row, col;
};
Corner split(std::span<const Ext> point, std::size_t row_log2);

// What a lookup compares: q, lo and hi as one number.
struct Triple {
  Ext beta, beta2;
  explicit Triple(Ext b) : beta(b), beta2(b * b) {}
  Ext operator()(Ext q, Ext lo, Ext hi) const { return q + beta * lo + beta2 * hi; }
  Ext operator()(const Step& s) const {
    return (*this)(lift(from_int(s.out)), lift(from_int(s.lo)), lift(from_int(s.hi)));
  }
};

// Whether the sum of fractions over cells is that of count / entry over their table; no denominator may be zero.
// proof.lookup.
Status same_sum(const FractionClaim& cells, std::span<const std::uint32_t> counts, std::span<const Ext> entries,
                std::string_view what);

struct Claims {  // the evaluations owed to the commitments
  std::vector<Evaluation> model, run;
};

}  // namespace hanse::proof
