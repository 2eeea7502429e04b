// One JSON line a figure. The decoder's floor is reading every byte of the same records once (a 64-bit sum).
#include "base/codec/cbor.h"
#include "base/codec/crc32c.h"
#include "base/codec/json.h"
#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/ids.h"
#include "base/core/random.h"

#include <cstdio>
#include <functional>

namespace {

using namespace std::string_literals;
using hanse::Bytes;
using hanse::ByteView;
using hanse::Hash32;
using hanse::Result;
using hanse::codec::CborReader;
using hanse::codec::CborWriter;

constexpr std::size_t kRecords = 4096;

// The shape of a signed job: a header of small numbers and hashes, two nodes, an edge, a public key and a signature
// cut short so that the whole is 1 KiB.
Bytes job_like(hanse::Random& random) {
  const auto hash = [&] {
    Hash32 h;
    random.fill(h.span());
    return h;
  };
  CborWriter w;
  w.map(10);
  w.key(0), w.u64(4);
  w.key(1), w.bytes(hash().view());
  w.key(3), w.bytes(hash().view());
  w.key(4), w.u64(random.next_u64() >> random.below(64));
  w.key(5), w.u64(128);
  w.key(6), w.u64(random.below(1 << 20));
  w.key(11), w.u64(random.below(1 << 30));
  w.key(16), w.array(2);
  for (std::uint64_t node = 0; node < 2; ++node) {
    w.map(5);
    w.key(0), w.u64(node);
    w.key(1), w.u64(1);
    w.key(2), w.bytes(hash().view());
    w.key(5), w.map(4);
    for (std::uint64_t k = 0; k < 4; ++k) w.key(k), w.u64(random.below(1 << 24));
    w.key(6), w.map(2);
    w.key(0), w.bytes(hanse::as_bytes("tensor.mlp/v1"));
    w.key(1), w.i64(-5);
  }
  w.key(17), w.array(1), w.array(4);
  for (int i = 0; i < 4; ++i) w.u64(static_cast<std::uint64_t>(i));
  w.key(64), w.bytes(Bytes(760));
  return w.take();
}

hanse::Status decode(ByteView record, std::uint64_t& sum) {
  CborReader r(record);
  Hash32 h;
  TRY_OK(r.enter_map("job", 32));
  while (r.more()) {
    TRY(const auto key, r.key());
    switch (key) {
      case 1:
      case 3: TRY_OK(r.fixed("hash", h)); break;
      case 16:
        TRY_OK(r.enter_array("nodes", 256));
        while (r.more()) {
          TRY_OK(r.enter_map("node", 8));
          while (r.more()) {
            TRY(const auto node_key, r.key());
            if (node_key == 2) {
              TRY_OK(r.fixed("artifact", h));
              continue;
            }
            if (node_key < 5) {
              TRY(const auto v, r.u64("v"));
              sum += v;
              continue;
            }
            TRY_OK(r.enter_map("inner", 8));
            while (r.more()) {
              TRY(const auto k, r.key());
              if (r.next_is_bytes()) {
                TRY(const auto b, r.bytes("kind", 64));
                sum += k + b.size();
              } else {
                TRY(const auto v, r.i64("param"));
                sum += k + static_cast<std::uint64_t>(v);
              }
            }
            TRY_OK(r.leave());
          }
          TRY_OK(r.leave());
        }
        TRY_OK(r.leave());
        break;
      case 17:
        TRY_OK(r.enter_array("edges", 256));
        while (r.more()) {
          TRY_OK(r.enter_array("edge", 4));
          while (r.more()) {
            TRY(const auto v, r.u64("v"));
            sum += v;
          }
          TRY_OK(r.leave());
        }
        TRY_OK(r.leave());
        break;
      case 64: {
        TRY(const auto b, r.bytes("sig", 4096));
        sum += b.size();
        break;
      }
      default: {
        TRY(const auto v, r.u64("v"));
        sum += v;
      }
    }
  }
  TRY_OK(r.leave());
  return r.finish();
}

double seconds_of(const std::function<void()>& work) {
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    const auto start = hanse::system_clock().mono_ns();
    for (int i = 0; i < 20; ++i) work();
    best = std::min(best, static_cast<double>(hanse::system_clock().mono_ns() - start) / 20e9);
  }
  return best;
}

volatile std::uint64_t g_sink;

void print(const char* name, double value, const char* unit, double floor, const char* floor_what) {
  std::printf(
      "{\"room\":\"codec\",\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",\"floor\":%.1f,\"floor_what\":\"%s\","
      "\"ratio\":%.4f}\n",
      name, value, unit, floor, floor_what, value / floor);
}

}  // namespace

int main() {
  hanse::SeededRandom random(1, "codec_bench");
  std::vector<Bytes> records;
  std::size_t total = 0;
  for (std::size_t i = 0; i < kRecords; ++i) total += records.emplace_back(job_like(random)).size();
  const double mb = static_cast<double>(total) / 1e6;

  const double scan = mb / seconds_of([&] {
                        std::uint64_t sum = 0;
                        for (const Bytes& b : records)
                          for (std::size_t i = 0; i + 8 <= b.size(); i += 8)
                            sum += hanse::load_le<std::uint64_t>(&b[i]);
                        g_sink = sum;
                      });
  const double typed = mb / seconds_of([&] {
                         std::uint64_t sum = 0;
                         for (const Bytes& b : records) hanse::check(decode(b, sum).has_value(), "a record decodes");
                         g_sink = sum;
                       });
  const double raw = mb / seconds_of([&] {
                       for (const Bytes& b : records)
                         hanse::check(hanse::codec::check_canonical(b).has_value(), "a record is canonical");
                     });
  const double write = mb / seconds_of([&] {
                         hanse::SeededRandom again(1, "codec_bench");
                         std::uint64_t sum = 0;
                         for (std::size_t i = 0; i < 256; ++i) sum += job_like(again).size();
                         g_sink = sum;
                       }) *
                       256 / kRecords;
  const double draw = mb / seconds_of([&] {
                        hanse::SeededRandom again(1, "codec_bench");
                        Hash32 h;
                        for (std::size_t i = 0; i < 256 * 16; ++i) again.fill(h.span());
                        g_sink = h.data[0];
                      }) *
                      256 / kRecords;
  const double crc = mb / seconds_of([&] {
                       std::uint32_t sum = 0;
                       for (const Bytes& b : records) sum = hanse::codec::crc32c(b, sum);
                       g_sink = sum;
                     });

  std::string json = "[";
  for (int i = 0; i < 2000; ++i)
    json += (i == 0 ? "" : ",") + R"({"id":)"s + std::to_string(i) + R"(,"kind":"tensor.mlp/v1","gas":50000000})";
  json += "]";
  const double json_mb = static_cast<double>(json.size()) / 1e6;
  const double json_parse = json_mb / seconds_of([&] { g_sink = hanse::codec::parse_json(json)->items().size(); });
  const double json_scan =
      json_mb / seconds_of([&] {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i + 8 <= json.size(); i += 8)
          sum += hanse::load_le<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(json.data()) + i);
        g_sink = sum;
      });

  std::fprintf(stderr, "records of %.0f bytes\n", static_cast<double>(total) / kRecords);
  print("cbor decode, typed", typed, "MB/s", scan, "64-bit sum over the same bytes");
  print("cbor check_canonical", raw, "MB/s", scan, "64-bit sum over the same bytes");
  print("cbor encode", write, "MB/s", draw, "drawing the record's random numbers");
  print("crc32c", crc, "MB/s", scan, "64-bit sum over the same bytes");
  print("json parse", json_parse, "MB/s", json_scan, "64-bit sum over the same bytes");
  return 0;
}
