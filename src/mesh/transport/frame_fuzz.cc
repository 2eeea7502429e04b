// Bytes of an authenticated peer that lies: any bytes, in any cut, give frames within their limits or an error, and the
// same frames whatever the cut. The first byte chooses the cut.
#include <algorithm>
#include <cstdlib>

#include "mesh/transport/frame.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::transport;

struct Sink final : FrameSink {
  std::uint32_t opened(std::uint64_t protocol) override { return static_cast<std::uint32_t>(protocol % 4096); }
  Bytes body_for(std::size_t) override { return {}; }
  void frame(std::uint8_t type, Bytes body, std::uint64_t) override {
    if (body.size() > 4096) std::abort();
    seen.push_back(type);
    append(seen, body);
  }
  Bytes seen;
};

Bytes read_all(FrameReader::Of of, ByteView bytes, std::size_t step) {
  FrameReader reader(of);
  Sink sink;
  for (std::size_t at = 0; at < bytes.size(); at += step)
    if (!reader.feed(bytes.subspan(at, std::min(step, bytes.size() - at)), sink)) break;
  return sink.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const ByteView bytes(data + 1, size - 1);
  if (auto hello = decode_hello(bytes, {}); hello && !equal(encode(*hello), bytes)) std::abort();
  for (const auto of : {FrameReader::Of::kControl, FrameReader::Of::kStream})
    if (read_all(of, bytes, data[0] + std::size_t{1}) != read_all(of, bytes, size)) std::abort();
  return 0;
}
