// Frames of an authenticated peer that lies: they give bodies within their limits or an error, and what is whole is cut
// into the same frames again. Each frame: u8 type, u8 size; the size counts pieces of 2 KiB and a remainder for large
// ones.
#include <algorithm>
#include <cstdlib>

#include "mesh/links/pieces.h"

using namespace hanse;  // NOLINT: one small program
using namespace hanse::links;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FrameLimits limits = [] {
    FrameLimits l{};
    l[0] = 1, l[1] = 64, l[2] = 3 * kPieceMax;
    return l;
  }();
  const ByteView bytes(data, size);
  if (const auto meet = decode_meet(bytes); meet && !equal(encode(*meet), bytes)) std::abort();
  Joiner joiner;
  for (std::size_t at = 0; at + 2 <= size;) {
    const std::uint8_t type = data[at];
    const std::size_t told = data[at + 1];
    at += 2;
    Bytes body;
    if (type == kPieceType) {
      body.resize(told < 128 ? kPieceMax : told - 127);  // what a body of a few pieces is made of
    } else {
      const std::size_t take = std::min(told, size - at);
      body = to_bytes(bytes.subspan(at, take));
      at += take;
    }
    auto got = joiner.feed(type, body, limits);
    if (!got) break;
    if (joiner.held_bytes() > 3 * kPieceMax) std::abort();
    if (!*got) continue;
    if ((*got)->body.size() > limits[(*got)->type] || joiner.held_bytes() != 0) std::abort();
  }
  return 0;
}
