// Datagrams of anybody on the network, with time between them: a node keeps its limits, and what it sends can be read.
// Input: pieces of {length u16, seconds u8, port bit and family bit u8, datagram}.
#include "base/core/check.h"
#include "mesh/lan/lan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  using namespace hanse::lan;
  SeededRandom random(1);
  Lan lan({.port = 12000}, random);
  const Interface one{1, {{{10, 0, 0, 1}, 24}}};
  Outbox out;
  std::int64_t now = 0;
  lan.set_interfaces(std::span(&one, 1), now, out);
  const auto turn = [&](std::int64_t until) {
    for (int i = 0; i < 200 && lan.next_ns() <= until; ++i) {
      now = std::max(now, lan.next_ns());
      lan.tick(now, out);
    }
    now = until;
    for (const Datagram& d : out.datagrams) {
      const auto sent = decode_message(d.bytes);
      check(sent && *sent, "what is sent can be read");
    }
    out.datagrams.clear();
  };
  turn(5 * kSecond);
  ByteView rest(data, size);
  while (rest.size() >= 4) {
    const std::size_t length = std::min<std::size_t>(load_be<std::uint16_t>(rest.data()), rest.size() - 4);
    const std::uint8_t seconds = rest[2], bits = rest[3];
    Address from{.ip = {10, 0, 0, 2}, .port = (bits & 1) != 0 ? std::uint16_t{4000} : kPort};
    if ((bits & 2) != 0) from.ip = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
    lan.receive({1, from, 255}, rest.subspan(4, length), now, out);
    turn(now + seconds * kSecond / 8);
    rest = rest.subspan(4 + length);
    check(lan.hints().size() <= kInstancesMax, "instances are bounded");
    check(lan.instance(1).size() <= 16 + 11, "a label grows by a number at most");
  }
  return 0;
}
