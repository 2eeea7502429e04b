#include "exchange/proof/proof_verbs.h"

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/proof/inference.h"
#include "exchange/proof/product.h"
#include "exchange/tensor/format.h"

namespace hanse::proof {

namespace {

constexpr std::size_t kFileMax = std::size_t{1} << 30;

Result<Bytes> file(const plugin::VerbArgs& args, std::string_view option) {
  return with_context(read_file(real_fs(), std::string(args.get(option)), kFileMax), args.get(option));
}

// The two statements there are: --left times --right, or --model of --input.
Result<bool> is_product(const plugin::VerbArgs& args) {
  const bool product = args.has("left") && args.has("right"), inference = args.has("model") && args.has("input");
  const int named = args.has("left") + args.has("right") + args.has("model") + args.has("input");
  if (named == 2 && product != inference) return product;
  return fail(Kind::kInvalid, "cli.usage",
              "found another choice of files, expected --left and --right, or --model and --input");
}

struct Int8File {
  Bytes bytes;
  tensor::MatrixView view;
  std::span<const std::int8_t> cells() const { return tensor::int8_cells(view); }
};
Result<Int8File> int8_file(const plugin::VerbArgs& args, std::string_view option) {
  TRY(Bytes bytes, file(args, option));
  TRY(const tensor::MatrixView view, with_context(tensor::decode_matrix(bytes), args.get(option)));
  if (view.element != tensor::Element::kInt8)
    return fail(Kind::kInvalid, "tensor.type", text("found int32 in {}, expected int8", args.get(option)));
  return Int8File{std::move(bytes), view};
}

Result<tensor::MatmulShape> shape_of(const Int8File& left, const Int8File& right) {
  if (left.view.cols == right.view.rows) return tensor::MatmulShape{left.view.rows, left.view.cols, right.view.cols};
  return fail(Kind::kInvalid, "tensor.dims",
              text("found {} columns and {} rows, expected a left factor as wide as the right one is high",
                   left.view.cols, right.view.rows));
}

Status check_width(const tensor::MatrixView& x, std::uint32_t in) {
  if (x.cols == in) return {};
  return fail(Kind::kInvalid, "tensor.dims", text("found {} columns of input, expected {} for this model", x.cols, in));
}

Result<MlpProver> prover_of(ByteView model) {
  TRY(const tensor::ModelView view, tensor::decode_model(model));
  return MlpProver::commit(view);
}

// A commitment, or a model to commit to.
Result<Commitment> commitment_of(ByteView bytes) {
  if (bytes.size() >= 4 && as_text(bytes.first(4)) == "HML1") {
    TRY(const MlpProver prover, prover_of(bytes));
    return prover.commitment();
  }
  return decode_commitment(bytes);
}

Result<plugin::Answer> commit(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes model, file(args, "MODEL"));
  TRY(const MlpProver prover, prover_of(model));
  const std::string path = args.has("out") ? std::string(args.get("out")) : text("{}.commitment", args.get("MODEL"));
  TRY_OK(replace_file(real_fs(), path, encode(prover.commitment())));
  const std::string root = codec::to_hex(prover.commitment().root.view());
  codec::Json json = codec::Json::object();
  json.set("root", root).set("layers", prover.commitment().layers.size()).set("commitment", path);
  return plugin::Answer{
      .json = std::move(json),
      .text = text("{}: commitment to {} layers, root {}", path, prover.commitment().layers.size(), root)};
}

struct Made {
  Bytes output, proof;
};

Result<Made> make_product(const plugin::VerbArgs& args) {
  TRY(const Int8File left, int8_file(args, "left"));
  TRY(const Int8File right, int8_file(args, "right"));
  TRY(const tensor::MatmulShape shape, shape_of(left, right));
  TRY(const tensor::Backend backend, tensor::default_backend());
  std::vector<std::int32_t> c(std::size_t{shape.m} * shape.n);
  TRY_OK(tensor::matmul(shape, left.cells(), right.cells(), c, {.backend = backend}));
  TRY(Bytes proof, prove_product({shape, left.cells(), right.cells(), c}));
  return Made{tensor::encode_matrix(shape.m, shape.n, c), std::move(proof)};
}

Result<Made> make_inference(const plugin::VerbArgs& args) {
  TRY(const Bytes model, file(args, "model"));
  TRY(const Int8File x, int8_file(args, "input"));
  TRY(const MlpProver prover, prover_of(model));
  TRY_OK(check_width(x.view, prover.commitment().layers[0].in));
  TRY(Inference run, prover.prove(x.view.rows, x.cells()));
  return Made{encode_output(prover.commitment(), run), std::move(run.proof)};
}

Result<plugin::Answer> make(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const bool product, is_product(args));
  TRY(const Made made, product ? make_product(args) : make_inference(args));
  const std::string output(args.get("output")), path(args.get("PROOF"));
  TRY_OK(replace_file(real_fs(), output, made.output));
  TRY_OK(replace_file(real_fs(), path, made.proof));
  codec::Json json = codec::Json::object();
  json.set("proof", path).set("proof_bytes", made.proof.size()).set("output", output);
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}: {} bytes of proof for {}", path, made.proof.size(), output)};
}

Status check_product(const plugin::VerbArgs& args, const tensor::MatrixView& y, ByteView proof) {
  TRY(const Int8File left, int8_file(args, "left"));
  TRY(const Int8File right, int8_file(args, "right"));
  TRY(const tensor::MatmulShape shape, shape_of(left, right));
  if (y.element != tensor::Element::kInt32 || y.rows != shape.m || y.cols != shape.n)
    return fail(Kind::kInvalid, "tensor.dims",
                text("found an output of {} x {}, expected int32 of {} x {}", y.rows, y.cols, shape.m, shape.n));
  return verify_product({shape, left.cells(), right.cells(), tensor::int32_cells(y)}, proof);
}

Status check_inference(const plugin::VerbArgs& args, const tensor::MatrixView& y, ByteView proof) {
  TRY(const Bytes model, file(args, "model"));
  TRY(const Commitment commitment, commitment_of(model));
  TRY(const Int8File x, int8_file(args, "input"));
  TRY_OK(check_width(x.view, commitment.layers[0].in));
  tensor::Activations out;
  if (y.element == tensor::Element::kInt32)
    out.int32 = tensor::int32_cells(y);
  else
    out.int8.assign(tensor::int8_cells(y).begin(), tensor::int8_cells(y).end());
  if (y.rows != x.view.rows)
    return fail(Kind::kInvalid, "tensor.dims", text("found {} rows of output, expected {}", y.rows, x.view.rows));
  return verify_mlp(commitment, x.view.rows, x.cells(), out, proof);
}

Result<plugin::Answer> verify(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const bool product, is_product(args));
  TRY(const Bytes proof, file(args, "PROOF"));
  TRY(const Bytes output, file(args, "output"));
  TRY(const tensor::MatrixView y, with_context(tensor::decode_matrix(output), args.get("output")));
  TRY_OK(product ? check_product(args, y, proof) : check_inference(args, y, proof));
  codec::Json json = codec::Json::object();
  json.set("holds", true).set("statement", product ? "product" : "inference");
  return plugin::Answer{.json = std::move(json),
                        .text = product ? "holds: the output is the product of the two matrices"
                                        : "holds: the output is what the committed model makes of the input"};
}

std::vector<plugin::VerbOption> statement(std::string model_help) {
  return {{.name = "PROOF", .value = "PROOF", .help = "the file of the proof", .fallback = {}, .required = true},
          {.name = "--model", .value = "FILE", .help = std::move(model_help), .fallback = {}},
          {.name = "--input", .value = "FILE", .help = "what goes into it, int8", .fallback = {}},
          {.name = "--left", .value = "FILE", .help = "the left factor, int8", .fallback = {}},
          {.name = "--right", .value = "FILE", .help = "the right factor, int8", .fallback = {}},
          {.name = "--output", .value = "FILE", .help = "what comes out", .fallback = {}, .required = true}};
}

plugin::Verb commit_verb() {
  return {.name = "proof commit",
          .summary = "commit to an int8 model, so that inferences of it can be verified without it",
          .details = "The same model always gives the same commitment. Files: proto/records/tensor.md and proof.md.",
          .options = {{.name = "MODEL", .value = "MODEL", .help = "a model (HML1)", .fallback = {}, .required = true},
                      {.name = "--out",
                       .value = "FILE",
                       .help = "where to write it (default MODEL.commitment)",
                       .fallback = {}}},
          .run = commit};
}

plugin::Verb make_verb() {
  return {.name = "proof make",
          .summary = "run a model, or multiply two matrices, and prove the output",
          .details =
              "Examples:\n"
              "  hanse proof make run.proof --model mlp.hml --input x.htn --output y.htn\n"
              "  hanse proof make c.proof --left a.htn --right b.htn --output c.htn",
          .options = statement("the model (HML1)"),
          .run = make};
}

plugin::Verb verify_verb() {
  return {.name = "proof verify",
          .summary = "check a proof against what it is about, without doing the work again",
          .details =
              "The model may be given as its commitment, which is all that the check needs.\n"
              "Exit code 0: it holds. 5: it does not, or the proof is damaged.\n"
              "Example:\n"
              "  hanse proof verify run.proof --model mlp.hml.commitment --input x.htn --output y.htn",
          .options = statement("the commitment (HMC1), or the model itself"),
          .run = verify};
}

}  // namespace

std::vector<plugin::Verb> proof_verbs() { return {commit_verb(), make_verb(), verify_verb()}; }

}  // namespace hanse::proof
