// Gas-metered compiled code against native code from the same C source, and the time of a fresh instance.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "exchange/wasm/meter.h"
#include "exchange/wasm/plugin_engine.h"
#include "exchange/wasm/plugin_wasm.h"

namespace hanse::wasm {
extern "C" void native_sha_rounds(std::uint8_t* buffer, std::uint32_t size, std::uint32_t rounds, std::uint8_t* digest);
extern "C" void native_matmul(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* c, std::uint32_t n);

namespace {

Bytes read_example(const std::string& name) {
  std::ifstream in("examples/wasm/" + name + ".wasm", std::ios::binary);
  Bytes bytes(std::istreambuf_iterator<char>(in), {});
  if (bytes.empty()) {
    std::fprintf(stderr, "wasm_bench runs in the top folder of the source: examples/wasm/%s.wasm not found\n",
                 name.c_str());
    std::exit(2);
  }
  return bytes;
}

template <class T>
T must(Result<T> r) {
  if (!r) {
    std::fprintf(stderr, "%s\n", r.error().str().c_str());
    std::exit(1);
  }
  return std::move(*r);
}

template <class Work>
double best_ms(int times, Work work) {
  double best = 1e18;
  for (int i = 0; i < times; ++i) {
    const std::int64_t begin = system_clock().mono_ns();
    work();
    best = std::min(best, static_cast<double>(system_clock().mono_ns() - begin) / 1e6);
  }
  return best;
}

void print(const char* name, double value, const char* unit, double floor, const char* what, double ratio) {
  std::printf(
      "{\"room\":\"wasm\",\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"floor\":%.3f,\"floor_what\":\"%s\","
      "\"ratio\":%.3f}\n",
      name, value, unit, floor, what, ratio);
  std::fflush(stdout);
}

struct Timed {
  double ms = 0;
  Bytes output;
  std::int64_t gas = 0;
};

// Alternates with `native`, so that a busy machine hits both; the best of each counts.
template <class Native>
Timed compare(Engine& engine, const Code& code, const std::vector<Bytes>& inputs, double& native_ms, Native native) {
  Timed out;
  const runtime::RunControl control;
  const auto wasm = [&] {
    HostState host;
    host.inputs = &inputs;
    host.out_bytes_max = 1u << 26;
    const RunReport r = must(engine.run(code, host, {1ll << 60, 4096, 60'000}, control));
    if (r.end != RunEnd::kReturned) {
      std::fprintf(stderr, "the run trapped: %s\n", r.trap.c_str());
      std::exit(1);
    }
    out.output = host.outputs.at(0);
    out.gas = (1ll << 60) - r.gas_left;
  };
  native_ms = out.ms = 1e18;
  for (int i = 0; i < 25; ++i) {
    native_ms = std::min(native_ms, best_ms(1, native));
    out.ms = std::min(out.ms, best_ms(1, wasm));
  }
  return out;
}

std::shared_ptr<Code> load_example(Engine& engine, const std::string& name) {
  const Module module = must(parse_module(read_example(name)));
  return must(engine.load(must(engine.compile(must(meter_module(module))))));
}

Bytes noise(std::size_t n) {
  Bytes out(n);
  std::uint32_t x = 1;
  for (auto& b : out) b = static_cast<std::uint8_t>((x = x * 1664525u + 1013904223u) >> 24);
  return out;
}

void sha256(Engine& engine) {
  constexpr std::uint32_t kRounds = 200, kSize = 65'536;
  const Bytes message = noise(kSize);
  Bytes digest(32);
  double native = 0;
  Bytes input(4);
  store_le<std::uint32_t>(input.data(), kRounds);
  append(input, message);
  const Timed wasm = compare(engine, *load_example(engine, "sha256"), {input}, native, [&] {
    Bytes buffer(32 + kSize + 72);
    std::copy(message.begin(), message.end(), buffer.begin() + 32);
    native_sha_rounds(buffer.data(), kSize, kRounds, digest.data());
  });
  if (wasm.output != digest) std::exit(1);
  print("sha256_metered", wasm.ms, "ms", native, "same C source, native", native / wasm.ms);
  print("sha256_gas_per_ns", static_cast<double>(wasm.gas) / (wasm.ms * 1e6), "gas/ns", 0, "", 0);
}

void matmul(Engine& engine) {
  constexpr std::uint32_t kN = 384;
  const std::vector<Bytes> inputs = {noise(kN * kN * 4), noise(kN * kN * 4)};
  std::vector<std::uint32_t> a(kN * kN), b(kN * kN), c(kN * kN);
  std::memcpy(a.data(), inputs[0].data(), inputs[0].size());
  std::memcpy(b.data(), inputs[1].data(), inputs[1].size());
  double native = 0;
  const Timed wasm = compare(engine, *load_example(engine, "matmul"), inputs, native,
                             [&] { native_matmul(a.data(), b.data(), c.data(), kN); });
  if (std::memcmp(wasm.output.data(), c.data(), wasm.output.size()) != 0) std::exit(1);
  print("matmul_metered", wasm.ms, "ms", native, "same C source, native", native / wasm.ms);
  print("matmul_gas_per_ns", static_cast<double>(wasm.gas) / (wasm.ms * 1e6), "gas/ns", 0, "", 0);
}

void fresh_instance(Engine& engine) {
  const auto code = load_example(engine, "wordfreq");
  constexpr int kTimes = 200;
  const double ms = best_ms(30, [&] {
    for (int i = 0; i < kTimes; ++i)
      if (auto done = engine.instantiate(*code); !done) std::exit(1);
  });
  const double us = ms * 1000 / kTimes;
  print("fresh_instance", us, "us", 50, "target", 50 / us);
  const auto empty = load_example(engine, "empty");
  const std::vector<Bytes> none;
  const runtime::RunControl control;
  const double run = best_ms(10, [&] {
    for (int i = 0; i < 50; ++i) {
      HostState host;
      host.inputs = &none;
      must(engine.run(*empty, host, {1000, 64, 1000}, control));
    }
  });
  print("fresh_run_with_thread", run * 1000 / 50, "us", us, "fresh instance alone", us / (run * 1000 / 50));
}

void preparation(Engine& engine) {
  const Bytes bytes = read_example("wordfreq");
  Bytes metered;
  const double meter = best_ms(20, [&] { metered = must(meter_module(must(parse_module(bytes)))); });
  const double compile = best_ms(2, [&] { must(engine.compile(metered)); });
  print("parse_and_meter", meter * 1000, "us", compile * 1000, "compiling the result", compile / meter);
}

// Work in steps: what committing each state costs against the same work in one piece, and what an auditor does of it.
void steps(Engine& engine) {
  Bytes limit(4);
  store_le<std::uint32_t>(limit.data(), 1'000'000);
  const std::vector<Bytes> inputs = {limit};
  const auto whole = load_example(engine, "primes"), piece = load_example(engine, "primes_run");
  const RunLimits limits{1ll << 60, 64, 60'000};
  const runtime::RunControl control;
  std::int64_t stepped_gas = 0, plain_gas = 0;
  const auto run = [&](const Code& code, const runtime::StepRange* range, bool in_steps) {
    HostState host;
    host.inputs = &inputs;
    host.out_bytes_max = 64;
    StepRun out;
    out.range = range;
    const RunReport r =
        must(in_steps ? engine.run_steps(code, host, limits, control, out) : engine.run(code, host, limits, control));
    if (r.end != RunEnd::kReturned) std::exit(1);
    if (range == nullptr) (in_steps ? stepped_gas : plain_gas) = (1ll << 60) - r.gas_left;
    return out;
  };
  const runtime::StepRange half{.state = {}, .count = 122};
  const runtime::StepRange one{.state = run(*whole, &half, true).state, .count = 1};
  double plain = 1e18, stepped = 1e18, single = 1e18;
  std::size_t count = 0;
  for (int i = 0; i < 25; ++i) {
    plain = std::min(plain, best_ms(1, [&] { run(*piece, nullptr, false); }));
    stepped = std::min(stepped, best_ms(1, [&] { count = run(*whole, nullptr, true).roots.size(); }));
    single = std::min(single, best_ms(1, [&] { run(*whole, &one, true); }));
  }
  print("steps_whole", stepped, "ms", plain, "same work in one piece", plain / stepped);
  const double commit_us = (stepped - plain) * 1000 / static_cast<double>(count);
  Bytes memory(std::size_t{32} << 16), other = memory;
  volatile int sink = 0;
  const double compare_us = best_ms(50, [&] { sink = std::memcmp(memory.data(), other.data(), memory.size()); }) * 1000;
  print("step_commit", commit_us, "us", compare_us, "comparing its memory, 2 MiB", compare_us / commit_us);
  print("step_commit_gas_per_ns", static_cast<double>(stepped_gas - plain_gas) / ((stepped - plain) * 1e6), "gas/ns", 0,
        "", 0);
  print("step_alone", single, "ms", stepped, "the whole job in steps", stepped / single);
}

void all() {
  const char* temp = std::getenv("TMPDIR");
  const auto engine =
      must(Engine::create({.interpret = false, .pages_max = kPagesMax, .scratch = temp ? temp : "/tmp"}));
  sha256(*engine);
  matmul(*engine);
  fresh_instance(*engine);
  preparation(*engine);
  steps(*engine);
}

}  // namespace
}  // namespace hanse::wasm

int main() {
  hanse::wasm::all();
  return 0;
}
