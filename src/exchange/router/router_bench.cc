// Cells a second of one thread: the whole path of a relay, from the bytes that came to the bytes that go on: head, KEM,
// key derivation, header seal, replay set, payload cipher, the next hop's cell. The floor is the same cryptography with
// nothing around it: OpenSSL's bare calls on contexts and keys made beforehand, in the same run, by turns with ours.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "exchange/router/mix_world.h"
#include "exchange/router/onion_world_test.h"
#include "exchange/router/replay.h"

namespace hanse::router {
namespace {

constexpr std::size_t kCells = 2'000;
constexpr int kRounds = 6;

void must(int ok) { check(ok == 1, "OpenSSL does it"); }

struct Floor {
  explicit Floor(const Geometry& g) : geometry(g), bytes(kCellSize), lattice(key("ML-KEM-768")), curve(key("X25519")) {
    if (g.suite == Suite::kMlKem1024) lattice = key("ML-KEM-1024");
    decap = EVP_PKEY_CTX_new_from_pkey(nullptr, lattice, nullptr);
    must(EVP_PKEY_decapsulate_init(decap, nullptr));
    derive = EVP_PKEY_CTX_new_from_pkey(nullptr, curve, nullptr);
    must(EVP_PKEY_derive_init(derive));
    must(EVP_PKEY_derive_set_peer(derive, key("X25519")));
  }
  static EVP_PKEY* key(const char* name) { return EVP_PKEY_Q_keygen(nullptr, nullptr, name); }

  void hash(const EVP_MD* how, std::size_t size, std::size_t out_size) {
    must(EVP_DigestInit_ex2(digest, how, nullptr));
    must(EVP_DigestUpdate(digest, bytes.data(), size));
    if (out_size != 0) {
      must(EVP_DigestFinalXOF(digest, out, out_size));
    } else {
      unsigned n = 0;
      must(EVP_DigestFinal_ex(digest, out, &n));
    }
  }
  void kem() {
    std::size_t n = 32;
    must(EVP_PKEY_decapsulate(decap, out, &n, bytes.data(), geometry.suite == Suite::kXWing ? 1088 : 1568));
    if (geometry.suite != Suite::kXWing) return;
    n = 32;
    must(EVP_PKEY_derive(derive, out + 32, &n));
    hash(sha3, 134, 0);
  }
  void symmetric() {
    hash(shake, 10 + 16 + 32 + geometry.ciphertext + 32, 240);
    int n = 0;
    must(EVP_DecryptInit_ex2(aead, gcm, out, out, nullptr));
    must(EVP_DecryptUpdate(aead, nullptr, &n, bytes.data(), 16));
    must(EVP_DecryptUpdate(aead, bytes.data(), &n, bytes.data(), static_cast<int>(geometry.header(4)) - 1136));
    for (int i = 0; i < 2; ++i) {
      hash(sha256, 64 + geometry.payload - 32, 0);
      must(EVP_EncryptInit_ex2(stream, chacha, out, out, nullptr));
      must(EVP_EncryptUpdate(stream, bytes.data(), &n, bytes.data(), static_cast<int>(geometry.payload) - 32));
    }
  }
  void cell() {
    kem();
    symmetric();
  }

  Geometry geometry;
  Bytes bytes;
  std::uint8_t out[256] = {};
  EVP_PKEY *lattice, *curve;
  EVP_PKEY_CTX *decap, *derive;
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_CIPHER_CTX *aead = EVP_CIPHER_CTX_new(), *stream = EVP_CIPHER_CTX_new();
  EVP_MD *sha3 = EVP_MD_fetch(nullptr, "SHA3-256", nullptr), *shake = EVP_MD_fetch(nullptr, "SHAKE-256", nullptr),
         *sha256 = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  EVP_CIPHER *gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
             *chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
};

template <class Work>
double per_second(const Work& work) {
  const std::int64_t start = system_clock().mono_ns();
  for (std::size_t i = 0; i < kCells; ++i) work(i);
  return static_cast<double>(kCells) * 1e9 / static_cast<double>(system_clock().mono_ns() - start);
}

void print(std::string_view name, double value, double floor, std::string_view floor_what) {
  const std::string line = text(
      "{{\"room\":\"router\",\"name\":\"{}\",\"value\":{:.0f},\"unit\":\"cells/s\",\"floor\":{:.0f},"
      "\"floor_what\":\"{}\",\"ratio\":{:.3f}}}",
      name, value, floor, floor_what, value / floor);
  std::puts(line.c_str());
}

void bench_relay(const Geometry& geometry, std::string_view name) {
  OnionWorld world(geometry);
  const Path path = world.path(kLayersMax);
  std::vector<Bytes> cells;  // all different, so that the replay set takes each
  for (std::size_t i = 0; i < kCells; ++i) cells.push_back(world.cell(path, world.message(1'000)));
  Floor floor(geometry);
  Bytes cell;
  double ours = 0, bare = 0;
  for (int round = 0; round < kRounds; ++round) {
    bare = std::max(bare, per_second([&](std::size_t) { floor.cell(); }));
    ReplaySet replay;
    ours = std::max(ours, per_second([&](std::size_t i) {
                      cell = cells[i];
                      const auto opened = open_layer(geometry, cell, world.key(0));
                      check(opened && replay.add(opened->tag), "an honest cell passes once");
                      peel(geometry, *opened, cell);
                    }));
  }
  print(text("relay_{}", name), ours, bare, "the cryptography alone, openssl with contexts and keys kept");
}

// The same through the state machine: bucket, lane, the pool that holds cells and the queue of the next hop.
void bench_mix() {
  MixWorld world(5, kReplayMax);
  const Directory directory = world.directory();
  std::vector<Bytes> cells;
  for (std::size_t i = 0; i < kCells * (kRounds + 1); ++i) {
    Path path{
        .hops = {}, .last = Command::kDeliver, .target = {}, .epoch = directory.epoch, .expiry_epoch = directory.epoch};
    for (const std::size_t hop : {0, 1, 2, 4})
      path.hops.push_back(
          {world.nodes[hop], directory.nodes[hop].key, static_cast<std::uint16_t>(hop == 4 ? 0 : 1 + i % 100)});
    cells.push_back(*seal_cell(kXWingGeometry, path, *encode_message(kXWingGeometry, {}, world.random), world.random));
  }
  Mix mix({.node = world.nodes[0],
           .in_flight_max = kCells,
           .peer_cells_per_s = 1'000'000,
           .peer_burst = 1'000'000,
           .loops_per_s = 0},
          *world.rings[0], world.random, world.now(0));
  mix.directory(directory);
  Floor floor(kXWingGeometry);
  double ours = 0, bare = 0;
  std::size_t next = 0;
  for (int round = 0; round <= kRounds; ++round) {
    bare = std::max(bare, per_second([&](std::size_t) { floor.cell(); }));
    ours = std::max(ours, per_second([&](std::size_t i) {
                      const Now now = world.now(static_cast<std::int64_t>(next / 10));
                      (void)mix.receive(now, world.nodes[3], std::move(cells[next++]));
                      if (i % 10 != 0) return;
                      for (const CellSend& s : mix.tick(now).sends) (void)mix.sent(now, s.to);
                    }));
  }
  check(mix.counters().deep == next, "each cell was taken");
  print("mix_deep_xwing", ours, bare, "the cryptography alone, openssl with contexts and keys kept");
}

void bench_sender() {
  OnionWorld world(kXWingGeometry);
  const Path path = world.path(kLayersMax);
  const Message message = world.message(1'000);
  double ours = 0, bare = 0;
  for (int round = 0; round < 3; ++round) {
    bare = std::max(bare, per_second([&](std::size_t) {
                      for (const Hop& hop : path.hops)
                        check(crypto::encapsulate(hop.key, world.random).has_value(), "keys are good");
                    }));
    ours = std::max(ours, per_second([&](std::size_t) { (void)world.cell(path, message); }));
  }
  print("sender_4_layers", ours, bare, "four x-wing encapsulations alone");
}

}  // namespace
}  // namespace hanse::router

int main() {
  using namespace hanse::router;  // NOLINT: the program of this room
  bench_relay(kXWingGeometry, "xwing");
  bench_relay(kMlKemGeometry, "mlkem1024");
  bench_mix();
  bench_sender();
  return 0;
}
