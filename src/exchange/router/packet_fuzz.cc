// Cells and payloads come from strangers: any bytes give a verdict. The first two bytes choose a place in an honest
// cell, the third what is aimed at, the rest is written there; an altered cell is never taken for the honest one.
#include <algorithm>
#include <cstdlib>

#include "exchange/router/onion_world_test.h"

namespace {

using namespace hanse;          // NOLINT: one small program
using namespace hanse::router;  // NOLINT: one small program

struct Honest {
  explicit Honest(const Geometry& g) : world(g), sent(world.message(200)) {
    Path back = world.path(1, Command::kSurbReply);
    back.hops = {world.hop(0), world.hop(1)};
    auto surb = make_surb(g, back, world.random);
    if (!surb) std::abort();
    sent.surbs.push_back(std::move(surb->block));
    cell = world.cell(world.path(2), sent);
    auto payload = encode_message(g, sent, world.random);
    if (!payload) std::abort();
    plain = to_bytes(payload->view());
  }
  OnionWorld world;
  Message sent;
  Bytes cell, plain;
};

void overwrite(Bytes& out, std::size_t at, ByteView bytes) {
  at %= out.size();
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.size() - at), out.begin() + static_cast<long>(at));
}

void check_cell(Honest& h, std::size_t at, ByteView bytes) {
  Bytes cell = h.cell;
  overwrite(cell, at, bytes);
  const bool same = cell == h.cell;
  const auto opened = open_layer(h.world.geometry, cell, h.world.key(2));
  if (same && !opened) std::abort();
  if (!opened) return;
  peel(h.world.geometry, *opened, cell);
  if (!h.world.relay(3, cell)) std::abort();  // nested seals: what the first hop takes, the next takes
  const auto got = decode_message(h.world.geometry, payload_of(h.world.geometry, cell));
  if (got.has_value() != same) std::abort();
}

void check_plain(Honest& h, std::size_t at, ByteView bytes) {
  Bytes plain = h.plain;
  overwrite(plain, at, bytes);
  auto got = decode_message(h.world.geometry, plain);
  if (!got) return;
  const auto again = encode_message(h.world.geometry, *got, h.world.random);
  if (!again) std::abort();
  const std::size_t read = kMessageHead + got->surbs.size() * h.world.geometry.surb() + got->body.size();
  if (!equal(again->view().first(read), ByteView(plain).first(read))) std::abort();  // one encoding a message
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Honest honest[] = {Honest(kXWingGeometry), Honest(kMlKemGeometry)};
  if (size < 3) return 0;
  const std::size_t at = data[0] | std::size_t{data[1]} << 8;
  Honest& h = honest[data[2] & 1];
  const ByteView bytes(data + 3, size - 3);
  if ((data[2] & 4) != 0) {
    (void)open_layer(h.world.geometry, bytes, h.world.key(2));
    (void)decode_message(h.world.geometry, bytes);
  } else if ((data[2] & 2) != 0) {
    check_plain(h, at, bytes);
  } else {
    check_cell(h, at, bytes);
  }
  return 0;
}
