// What onnx/v1 costs beside ONNX Runtime alone, on one core: a session made from the model and one run, both ways.
#include <onnxruntime/onnxruntime_cxx_api.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/onnx/model_test.h"
#include "exchange/onnx/plugin_session.h"

namespace hanse::onnx {
namespace {

struct Sample {
  Bytes model, input;
  Type in, out;
};

// Layers of one width, relu between them.
Sample sample(std::uint32_t rows, std::uint32_t width, int layers) {
  ModelBuilder b;
  const Type type{Element::kFloat, {rows, width}};
  b.input("x", Element::kFloat, {0, width}).output("y", Element::kFloat, {0, width});
  SeededRandom random(1, "onnx bench");
  std::string last = "x";
  for (int i = 0; i < layers; ++i) {
    std::vector<float> w(std::size_t{width} * width);
    for (float& v : w) v = static_cast<float>(static_cast<std::int8_t>(random.next_u64())) / 1024;
    b.constant(text("w{}", i), Element::kFloat, {width, width}, w);
    b.node("MatMul", {last, text("w{}", i)}, {text("p{}", i)});
    last = i + 1 == layers ? "y" : text("r{}", i);
    b.node("Relu", {text("p{}", i)}, {last});
  }
  Bytes cells(type.bytes());
  return {b.model(), encode_value({type, cells}), type, type};
}

template <class Work>
double least_ms(Work work) {
  double least = 1e12;
  for (int i = 0; i < 15; ++i) {
    const std::int64_t start = system_clock().mono_ns();
    work();
    least = std::min(least, static_cast<double>(system_clock().mono_ns() - start) / 1e6);
  }
  return least;
}

void bench(std::uint32_t rows, std::uint32_t width, int layers, Ort::Env& env, runtime::JobKind& kind) {
  const Sample s = sample(rows, width, layers);
  runtime::RunRequest q;
  q.kind = kOnnxKind;
  q.artifact = s.model;
  q.inputs = {s.input};
  q.precision = gxf::Precision::kBf16;
  q.limits = {.gas = ~0ull, .mem_pages = 65'536, .wall_ms = 60'000, .out_bytes = 1 << 26};
  const double ours = least_ms([&] {
    runtime::RunControl control;
    const auto outcome = kind.run(q, control);
    if (!outcome || outcome->status != runtime::RunStatus::kOk) std::abort();
  });
  const double bare = least_ms([&] {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    Ort::Session session(env, s.model.data(), s.model.size(), options);
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    const std::vector<std::int64_t> dims(s.in.dims.begin(), s.in.dims.end());
    std::vector<float> x(cells(s.in.dims));
    const auto value = Ort::Value::CreateTensor<float>(memory, x.data(), x.size(), dims.data(), dims.size());
    const char* in = "x";
    const char* out = "y";
    const auto outputs = session.Run(Ort::RunOptions(), &in, &value, 1, &out, 1);
    if (outputs.size() != 1) std::abort();
  });
  std::puts(text("{{\"room\":\"onnx\",\"name\":\"infer {} rows, {} layers of "
                 "{}x{}\",\"value\":{:.4f},\"unit\":\"ms\",\"floor\":"
                 "{:.4f},\"floor_what\":\"ONNX Runtime alone, same run\",\"ratio\":{:.4f}}}",
                 rows, layers, width, width, ours, bare, ours / bare)
                .c_str());
}

}  // namespace
}  // namespace hanse::onnx

int main() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  auto engine = hanse::onnx::make_runtime_engine();  // speaks first, and drops what the library says
  if (!engine) return 1;
  const auto kind = hanse::onnx::make_onnx_kind(std::move(*engine));
  Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "bench");
  hanse::onnx::bench(64, 512, 3, env, *kind);
  hanse::onnx::bench(256, 1024, 3, env, *kind);
  return 0;
}
