// What a proof costs beside the work that it proves, on one core: products of public matrices, inferences of a
// committed model, and what auditors of jobs spend. The floor is the product, or the run, by the fastest back end in
// the same run.
#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/proof/inference.h"
#include "exchange/proof/product.h"
#include "exchange/proof/proof_kind.h"
#include "exchange/tensor/tensor_kind.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace hanse::proof {
namespace {

constexpr int kRepeats = 9;

void print(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  std::puts(text("{{\"room\":\"proof\",\"name\":\"{}\",\"value\":{:.4f},\"unit\":\"{}\",\"floor\":{:.4f},"
                 "\"floor_what\":\"{}\",\"ratio\":{:.4f}}}",
                 name, value, unit, floor, floor_what, floor > 0 ? value / floor : 0.0)
                .c_str());
}

template <class Work>
double least_ms(int repeats, Work work) {
  double least = 1e12;
  for (int i = 0; i < repeats; ++i) {
    const std::int64_t start = system_clock().mono_ns();
    work();
    least = std::min(least, static_cast<double>(system_clock().mono_ns() - start) / 1e6);
  }
  return least;
}

void must(bool good) {
  if (!good) std::abort();
}

std::vector<std::int8_t> draw(std::size_t count, std::string_view what) {
  std::vector<std::int8_t> out(count);
  SeededRandom(1, what).fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

void bench_product(const tensor::MatmulShape& shape) {
  const auto a = draw(std::size_t{shape.m} * shape.k, "a"), b = draw(std::size_t{shape.k} * shape.n, "b");
  std::vector<std::int32_t> c(std::size_t{shape.m} * shape.n);
  const tensor::Backend best = tensor::available_backends().back();
  const double floor = least_ms(kRepeats, [&] { must(tensor::matmul(shape, a, b, c, {.backend = best}).has_value()); });
  const Product product{shape, a, b, c};
  Bytes proof;
  const double prove = least_ms(kRepeats, [&] { proof = *prove_product(product); });
  const double verify = least_ms(kRepeats, [&] { must(verify_product(product, proof).has_value()); });
  const std::string name = text("{}x{}x{}", shape.m, shape.k, shape.n);
  print("prove product " + name, prove, "ms", floor, "the product, same run");
  print("verify product " + name, verify, "ms", floor, "the product, same run");
  print("proof of product " + name, static_cast<double>(proof.size()), "bytes", static_cast<double>(4 * c.size()),
        "the product's bytes");
}

void bench_inference(std::uint32_t rows, std::uint32_t width, std::uint32_t layers) {
  std::vector<tensor::Layer> model;
  for (std::uint32_t l = 0; l < layers; ++l) {
    tensor::Layer layer{width, width, 1, 12, true, false, std::vector<std::int32_t>(width, 100), {}};
    layer.weights = draw(std::size_t{width} * width, text("layer {}", l));
    model.push_back(std::move(layer));
  }
  const Bytes bytes = tensor::encode_model(model);
  const tensor::ModelView view = *tensor::decode_model(bytes);
  const auto x = draw(std::size_t{rows} * width, "x");
  const tensor::Backend best = tensor::available_backends().back();
  const double floor =
      least_ms(kRepeats, [&] { must(tensor::run_mlp(view, rows, x, {.matmul = {.backend = best}}).has_value()); });
  const std::string name = text("{} layers {}x{}, {} rows", layers, width, width, rows);
  const double commit = least_ms(3, [&] { must(MlpProver::commit(view).has_value()); });
  const MlpProver prover = std::move(*MlpProver::commit(view));
  Inference proved;
  const double prove = least_ms(3, [&] { proved = std::move(*prover.prove(rows, x)); });
  const double verify =
      least_ms(3, [&] { must(verify_mlp(prover.commitment(), rows, x, proved.out, proved.proof).has_value()); });
  print("commit to " + name, commit, "ms", floor, "one run, same run");
  print("prove " + name, prove, "ms", floor, "one run, same run");
  print("verify " + name, verify, "ms", floor, "one run, same run");
  print("proof of " + name, static_cast<double>(proved.proof.size()), "bytes", static_cast<double>(bytes.size()),
        "the model's bytes");
}

// An auditor's work for a job whose results prove themselves, beside running that job again.
void bench_audit(runtime::JobKind& kind, const runtime::RunRequest& request, const std::string& name, int repeats) {
  runtime::RunControl control;
  runtime::RunOutcome done;
  const double again = least_ms(repeats, [&] { done = *kind.run(request, control); });
  must(done.status == runtime::RunStatus::kOk);
  runtime::RunRequest known = request;
  if (request.kind == kMlpProofKind) known.artifact.clear();
  const double verify = least_ms(repeats, [&] { must(kind.verify(known, done).has_value()); });
  print(name, verify, "ms", again, "running the job again, same run");
}

void bench_audits(std::uint16_t rows, std::uint32_t width) {
  std::vector<tensor::Layer> layers(3, {width, width, 1, 12, true, false, std::vector<std::int32_t>(width, 100), {}});
  for (std::size_t l = 0; l < layers.size(); ++l)
    layers[l].weights = draw(std::size_t{width} * width, text("layer {}", l));
  runtime::RunRequest q;
  q.artifact = tensor::encode_model(layers);
  q.inputs = {tensor::encode_matrix(rows, width, draw(std::size_t{rows} * width, "x"))};
  q.shape.batch = rows;
  q.limits = {.gas = ~0ull, .mem_pages = gxf::kMemPagesMax, .wall_ms = 1, .out_bytes = 1u << 26};
  const std::string name = text("3 layers {}x{}, {} rows", width, width, rows);
  q.kind = tensor::kMlpKind;
  q.params[tensor::kParamTrace] = std::int64_t{1};
  bench_audit(*tensor::make_tensor_kind(), q, "audit freivalds of " + name, kRepeats);
  q.kind = kMlpProofKind;
  q.params = {{kParamCommitment, encode(MlpProver::commit(*tensor::decode_model(q.artifact))->commitment())}};
  bench_audit(*make_proof_kind(), q, "audit sumcheck of " + name, 3);
}

}  // namespace
}  // namespace hanse::proof

int main() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  hanse::proof::bench_product({1024, 1024, 1024});
  hanse::proof::bench_product({2048, 2048, 2048});
  hanse::proof::bench_product({32, 4096, 4096});
  hanse::proof::bench_inference(32, 256, 3);
  hanse::proof::bench_inference(64, 1024, 3);
  hanse::proof::bench_audits(64, 1024);
  hanse::proof::bench_audits(512, 256);
  return 0;
}
