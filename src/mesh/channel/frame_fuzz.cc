// Bytes of an authenticated peer that lies: any bytes, in any cut, give frames within their limits or an error, and the
// same frames whatever the cut. The first byte chooses the cut.
#include <algorithm>
#include <cstdlib>

#include "mesh/channel/frame.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::channel;

struct Sink final : FrameSink {
  void frame(Priority priority, std::uint8_t type, Bytes body) override {
    if (limits->at(type) == 0 || body.size() > limits->at(type)) std::abort();
    seen.push_back(static_cast<std::uint8_t>(priority));
    seen.push_back(type);
    append(seen, body);
  }
  void link(LinkKind kind, std::uint64_t token) override {
    seen.push_back(static_cast<std::uint8_t>(kind));
    seen.push_back(static_cast<std::uint8_t>(token));
  }
  const FrameLimits* limits = nullptr;
  Bytes seen;
};

Bytes read_all(const FrameLimits& limits, ByteView bytes, std::size_t step) {
  FrameReader reader(limits);
  Sink sink;
  sink.limits = &limits;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!reader.feed(bytes.subspan(at, std::min(step, bytes.size() - at)), sink)) break;
    if (reader.held_bytes() > kPriorities * 4096) std::abort();
  }
  return sink.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FrameLimits limits = [] {
    FrameLimits l{};
    l[0] = 1, l[1] = 64, l[2] = 4096;
    return l;
  }();
  if (size < 1) return 0;
  const ByteView bytes(data + 1, size - 1);
  if (auto hello = decode_hello(bytes); hello && !equal(encode(*hello), bytes)) std::abort();
  if (read_all(limits, bytes, data[0] + std::size_t{1}) != read_all(limits, bytes, size)) std::abort();
  return 0;
}
