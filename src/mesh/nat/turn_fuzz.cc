// Any datagrams from its server leave a TURN client within its limits; a reflector never answers with more than 1.5
// times what it got. The input is datagrams, each behind a byte of its length.
#include <cstdlib>

#include "mesh/nat/reflector.h"
#include "mesh/nat/turn.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::nat;

// Takes the id of the last request, so that answers get past the transaction.
void adopt(Bytes& datagram, const Outbox& out) {
  if (out.empty() || datagram.size() < kStunHeaderSize || out.back().bytes.size() < kStunHeaderSize) return;
  std::copy(out.back().bytes.begin() + 8, out.back().bytes.begin() + 20, datagram.begin() + 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Endpoint server{Address::v4(0xc6336401), 3478}, peer{Address::v4(0xcb007105), 9};
  SeededRandom random(1);
  Reflector reflector({server, Endpoint{Address::v4(0xc6336402), 3479}}, random);
  auto turn = TurnClient::create({{server}, {"alice", "secret"}, {0, 1}, {}}, random);
  Outbox out;
  std::int64_t now_ns = 0;
  turn->start(now_ns, out);
  (void)turn->permit(peer.ip, now_ns, out);
  (void)turn->bind(peer, now_ns, out);
  for (std::size_t at = 0; at < size;) {
    const std::size_t length = std::min<std::size_t>(data[at], size - at - 1);
    Bytes datagram(data + at + 1, data + at + 1 + length);
    at += 1 + length;
    now_ns += kMs * 1000;
    if (const auto r = reflector.receive(server, peer, datagram, now_ns);
        r && r->bytes.size() * 2 > datagram.size() * 3)
      std::abort();
    adopt(datagram, out);
    const std::size_t before = out.size();
    for (const std::uint16_t socket : {0, 1}) {
      const auto got = turn->receive(socket, server, datagram, now_ns, out);
      if (got && !turn->permitted(got->peer.ip)) std::abort();
    }
    turn->tick(now_ns, out);
    if (out.size() - before > 2 * kTransactionsMax + 8) std::abort();
  }
  return 0;
}
