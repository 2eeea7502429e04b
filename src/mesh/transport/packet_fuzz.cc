// Datagrams of strangers: an endpoint that meets any bytes, at any time, stays alive, answers at most three times what
// came, and can still be dialed. Input: records of u8 kind, u8 milliseconds, u16 LE length, bytes; kind chooses the
// address, a step back of the clock, and whether the bytes are behind the header of a real first datagram.
#include <cstdlib>

#include "base/core/check.h"
#include "mesh/transport/transport.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::transport;

const crypto::SecretKey& key(std::uint8_t number) {
  static std::array<std::unique_ptr<crypto::SecretKey>, 2> keys;
  if (keys[number] == nullptr) {
    FixedBytes<32> seed;
    seed.data[0] = number;
    keys[number] = std::make_unique<crypto::SecretKey>(
        std::move(*crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, seed.view())));
  }
  return *keys[number];
}

std::unique_ptr<Endpoint> endpoint(std::uint8_t number) {
  Options o;
  o.key = &key(number);
  o.limits.handshakes_max = 8;
  o.limits.retry_handshakes = 4;
  auto made = Endpoint::create(std::move(o));
  check(made.has_value(), "an endpoint is made");
  return std::move(*made);
}

Path path(std::uint8_t from, std::uint8_t to) {
  Path out;
  out.local.ip[15] = from;
  out.local.port = out.remote.port = 1;
  out.remote.ip[15] = to;
  return out;
}

// The first datagram of a real dial to endpoint 0.
const Bytes& real_hello() {
  static const Bytes bytes = [] {
    auto dialer = endpoint(1);
    check(dialer->dial(path(9, 1), endpoint(0)->id(), 0).has_value(), "it dials");
    Batch batch;
    check(dialer->transmit(batch, 0, 1), "it says hello");
    return Bytes(batch.buffer.begin(), batch.buffer.begin() + static_cast<std::ptrdiff_t>(batch.size));
  }();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto target = endpoint(0);
  static std::int64_t now_ns = 0;
  std::array<std::uint64_t, 4> got{}, gave{};
  for (ByteView in(data, size); in.size() >= 4;) {
    const std::uint8_t kind = in[0], from = kind % 4;
    now_ns += in[1] * 1'000'000;
    const std::size_t length = std::min<std::size_t>(load_le<std::uint16_t>(in.data() + 2), in.size() - 4);
    Bytes datagram = to_bytes(in.subspan(4, length));
    in = in.subspan(4 + length);
    if ((kind & 0x10) != 0) {  // a real hello, disturbed
      Bytes real = real_hello();
      for (std::size_t i = 0; i < datagram.size(); ++i) real[i % real.size()] ^= datagram[i];
      datagram = std::move(real);
    }
    got[from] += datagram.size();
    target->receive(path(1, from), datagram, kind >> 6, (kind & 0x20) != 0 ? now_ns - 5'000'000'000 : now_ns);
    if (target->next_deadline_ns() <= now_ns) target->on_deadline(now_ns);
    Batch batch;
    while (target->transmit(batch, now_ns)) gave[batch.path.remote.ip[15] % 4] += batch.size;
    Event event;
    while (target->next_event(event))
      if (event.type != Event::Type::kDown) std::abort();
  }
  now_ns += 60'000'000'000;  // whatever was begun has ended
  while (target->next_deadline_ns() <= now_ns) target->on_deadline(now_ns);
  Event event;
  while (target->next_event(event)) {
  }
  if (target->connections() != 0) std::abort();
  for (std::size_t i = 0; i < got.size(); ++i)
    if (gave[i] > 3 * got[i]) std::abort();
  return 0;
}
