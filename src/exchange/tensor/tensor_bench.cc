// Speed of the exact int8 product and of its audit on one core, beside oneDNN's u8 x s8 product of the same run.
// oneDNN's int8 fast path is unsigned times signed; ours is signed times signed, so the peer has the easier task.
#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "exchange/tensor/audit.h"
#include "exchange/tensor/matmul.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#ifdef HANSE_HAS_DNNL__dnnl
#include <oneapi/dnnl/dnnl.h>
#endif

namespace hanse::tensor {
namespace {

constexpr int kRepeats = 9;

void print(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  std::puts(text("{{\"room\":\"tensor\",\"name\":\"{}\",\"value\":{:.4f},\"unit\":\"{}\",\"floor\":{:.4f},"
                 "\"floor_what\":\"{}\",\"ratio\":{:.4f}}}",
                 name, value, unit, floor, floor_what, floor > 0 ? value / floor : 0.0)
                .c_str());
}

template <class Step>
double milliseconds(Step step) {
  const std::int64_t start = system_clock().mono_ns();
  step();
  return static_cast<double>(system_clock().mono_ns() - start) / 1e6;
}

struct Operands {
  MatmulShape shape;
  std::vector<std::int8_t> a, b;
  std::vector<std::int32_t> c;
  explicit Operands(const MatmulShape& s)
      : shape(s), a(std::size_t{s.m} * s.k), b(std::size_t{s.k} * s.n), c(std::size_t{s.m} * s.n) {
    SeededRandom random(1, "bench");
    random.fill({reinterpret_cast<std::uint8_t*>(a.data()), a.size()});
    random.fill({reinterpret_cast<std::uint8_t*>(b.data()), b.size()});
  }
  void run(Backend backend) {
    if (!matmul(shape, a, b, c, {.backend = backend})) std::abort();
  }
};

void run_peer([[maybe_unused]] Operands& x) {
#ifdef HANSE_HAS_DNNL__dnnl
  const auto m = static_cast<dnnl_dim_t>(x.shape.m), k = static_cast<dnnl_dim_t>(x.shape.k),
             n = static_cast<dnnl_dim_t>(x.shape.n);
  const std::int32_t zero = 0;
  const auto* unsigned_a = reinterpret_cast<const std::uint8_t*>(x.a.data());
  if (dnnl_gemm_u8s8s32('N', 'N', 'F', m, n, k, 1.0f, unsigned_a, k, 0, x.b.data(), n, 0, 0.0f, x.c.data(), n, &zero) !=
      dnnl_success)
    std::abort();
#endif
}

void bench_matmul(std::uint32_t size) {
  Operands x({size, size, size});
  const double macs = static_cast<double>(size) * size * size;
  std::vector<double> ours, peer;
  const Backend best = available_backends().back();
  for (int i = 0; i < kRepeats; ++i) {
    ours.push_back(milliseconds([&] { x.run(best); }));
    peer.push_back(milliseconds([&] { run_peer(x); }));
  }
  const double fastest = *std::ranges::min_element(ours), fastest_peer = *std::ranges::min_element(peer);
#ifdef HANSE_HAS_DNNL__dnnl
  print(text("matmul {} {}^3", backend_name(best), size), macs / fastest / 1e6, "GMAC/s", macs / fastest_peer / 1e6,
        "oneDNN u8s8s32 gemm, same run");
#else
  (void)fastest_peer;
  std::puts("# oneDNN not installed: no peer");
  print(text("matmul {} {}^3", backend_name(best), size), macs / fastest / 1e6, "GMAC/s", 0, "none");
#endif
  if (size > 1024) return;
  for (const Backend backend : available_backends()) {
    if (backend == best) continue;
    const int repeats = backend == Backend::kPortable ? 1 : 3;
    double least = 1e9;
    for (int i = 0; i < repeats; ++i) least = std::min(least, milliseconds([&] { x.run(backend); }));
    print(text("matmul {} {}^3", backend_name(backend), size), macs / least / 1e6, "GMAC/s", macs / fastest / 1e6,
          "best back end, same run");
  }
}

void bench_audit(const MatmulShape& shape) {
  Operands x(shape);
  const Backend best = available_backends().back();
  const std::string name = text("{}x{}x{}", shape.m, shape.k, shape.n);
  SeededRandom random(2, "challenge");
  double product = 1e9;
  double rounds[2] = {1e9, 1e9};
  for (int i = 0; i < kRepeats; ++i) {
    product = std::min(product, milliseconds([&] { x.run(best); }));
    for (std::uint32_t r = 0; r < 2; ++r)
      rounds[r] = std::min(rounds[r], milliseconds([&] {
                             if (!audit(x.shape, x.a, x.b, x.c, random, {.rounds = r + 1, .backend = best}))
                               std::abort();
                           }));
  }
  print("audit, 1 round, " + name, rounds[0], "ms", product, "the product, same run");
  print("audit, 2 rounds, " + name, rounds[1], "ms", product, "the product, same run");
}

}  // namespace
}  // namespace hanse::tensor

int main(int, char** argv) {
  // oneDNN's thread pool reads its size when the library is loaded: start again with one thread.
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {
    setenv("OMP_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
    return 70;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  for (const std::uint32_t size : {512u, 1024u, 2048u}) hanse::tensor::bench_matmul(size);
  hanse::tensor::bench_audit({1024, 1024, 1024});
  hanse::tensor::bench_audit({2048, 2048, 2048});
  hanse::tensor::bench_audit({32, 4096, 4096});
  return 0;
}
