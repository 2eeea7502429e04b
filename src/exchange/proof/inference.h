// A proof that a committed int8 model (tensor.mlp/v1, proto/records/tensor.md) turns x into y. The verifier has x, y
// and the commitment, not the weights. It says nothing about secrets: x and y are public and the proof may tell of the
// weights.
//
// The statement goes backwards through the layers, as in GKR (Goldwasser, Kalai, Rothblum, JACM 2015), from a random
// point of the output. A layer with out = requantise(x W + bias) is taken apart in two steps.
//   requantise is a step function: out = q where lo_q <= acc <= hi_q, with 256 public steps that follow from
//   multiplier,
//     shift and ReLU. The prover commits to q, to acc - lo_q and to hi_q - acc in three limbs of 11 bits each. Limbs
//     are looked up in 0..2047, the triples (q, lo_q, hi_q) in the table of steps, by logarithmic derivatives (Haböck,
//     ePrint 2022/1530): sum of 1 / (x - cell) = sum of count / (x - entry), the counts told in the open. The limbs of
//     all layers are one sum.
//   x W is Thaler's sumcheck over the inner dimension; it leaves a value of x, the layer before, and one of W.
// Values of weights, biases, q and limbs are opened together, one opening for the model and one for the run
// (detail/commit.h). Rows and columns are padded to powers of two with zeros, for which every step holds.
//
// Soundness: below 2^-100 for each statement, over the choice of challenges (docs/internals/proof.md has the sum);
// challenges are hashes, so a forger who can afford h hashes has h times that. Who may rely on what: the commitment
// binds, but only who has computed it from a model knows that its weights are int8 and which they are.
// `MlpProver::commit` is deterministic.
//
// Limits: 2^kWeightsLog2Max cells in the model and 2^kRunLog2Max in the run after padding; in * 2^14 + |bias| below
// 2^31 in every layer. Memory: 36 bytes a cell of the model, and up to 100 a cell of the run while it is proved.
// Threads: a prover is read-only after commit. Errors: proof.limit (unsupported), proof.commitment (invalid: not such a
// record), tensor.dims; proof.bytes, proof.sum, proof.opening, proof.lookup, proof.output (corrupt: the statement does
// not hold, or the proof is damaged).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "exchange/tensor/mlp.h"

namespace hanse::proof {

class Committed;

constexpr unsigned kWeightsLog2Max = 24, kRunLog2Max = 22;

struct LayerShape {
  std::uint32_t in = 0, out = 0, multiplier = 1;
  std::uint8_t shift = 0;
  bool relu = false, raw = false;
  friend bool operator==(const LayerShape&, const LayerShape&) = default;
};
struct Commitment {  // what the verifier knows of a model
  std::vector<LayerShape> layers;
  Hash32 root;
  friend bool operator==(const Commitment&, const Commitment&) = default;
};
Bytes encode(const Commitment& commitment);  // proto/records/proof.md
Result<Commitment> decode_commitment(ByteView bytes);

struct Inference {
  std::uint32_t rows = 0;
  tensor::Activations out;
  Bytes proof;
};

class MlpProver {
 public:
  static Result<MlpProver> commit(const tensor::ModelView& model);
  MlpProver(MlpProver&&) noexcept;
  ~MlpProver();

  const Commitment& commitment() const { return commitment_; }
  Result<Inference> prove(std::uint32_t rows, std::span<const std::int8_t> x) const;

 private:
  MlpProver(Commitment commitment, std::vector<tensor::Layer> layers, std::unique_ptr<Committed> weights);
  Commitment commitment_;
  std::vector<tensor::Layer> layers_;
  std::unique_ptr<Committed> weights_;
};

// The output as a matrix (HTN1), and back: proof.output (corrupt) when these bytes are no output of this model.
Bytes encode_output(const Commitment& model, const Inference& run);
Result<tensor::Activations> decode_output(const Commitment& model, std::uint32_t rows, ByteView matrix);

// `y` has the last layer's cells: int32 when it is raw, else int8.
Status verify_mlp(const Commitment& model, std::uint32_t rows, std::span<const std::int8_t> x,
                  const tensor::Activations& y, ByteView proof);

}  // namespace hanse::proof
