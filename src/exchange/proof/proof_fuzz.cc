// Foreign bytes as a commitment, and as a proof of a small fixed statement: refused or, for the one proof that holds,
// accepted.
#include "base/core/check.h"
#include "exchange/proof/inference.h"
#include "exchange/proof/product.h"

using namespace hanse;  // NOLINT: one entry point

namespace {

struct Statement {
  proof::MlpProver prover;
  std::vector<std::int8_t> x{1, -2, 3, 4};
  proof::Inference run;
};

Statement make() {
  tensor::Layer a{2, 3, 5, 2, true, false, {1, 2, 3}, {1, 2, 3, 4, 5, 6}};
  tensor::Layer b{3, 1, 1, 0, false, true, {7}, {1, -1, 2}};
  const std::vector<tensor::Layer> layers{a, b};
  const Bytes model = tensor::encode_model(layers);
  Statement out{.prover = std::move(*proof::MlpProver::commit(*tensor::decode_model(model))), .run = {}};
  out.run = std::move(*out.prover.prove(2, out.x));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Statement statement = make();
  const ByteView bytes(data, size);
  if (const auto read = proof::decode_commitment(bytes)) check(equal(proof::encode(*read), bytes), "one encoding");
  const Status held = proof::verify_mlp(statement.prover.commitment(), 2, statement.x, statement.run.out, bytes);
  check(!held || equal(bytes, statement.run.proof), "one proof");
  const std::int8_t a[] = {1, 2}, b[] = {3, 4};
  const std::int32_t c[] = {12};
  (void)proof::verify_product({{1, 2, 1}, a, b, c}, bytes);  // a wrong product
  return 0;
}
