// Packets of any bytes through the NAT in both directions: what it lets pass keeps its length and its checksums.
#include "base/core/check.h"
#include "sim/wire/counting_nat.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;
  wire::CountingNat nat({.outside = 0xcb007105});
  const auto header_sum = [](const Bytes& p) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < (p[0] & 15) * std::size_t{4}; i += 2) sum += load_be<std::uint16_t>(p.data() + i);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
  };
  const Bytes original(data, data + size);
  Bytes out = original;
  if (!nat.outward(0, out)) {
    Bytes in = original;
    check(!nat.inward(0, in), "nothing was sent, so nothing may come");
    return 0;
  }
  check(out.size() == original.size(), "a packet keeps its length");
  check(header_sum(out) % 0xffff == header_sum(original) % 0xffff, "a right checksum stays right");
  return 0;
}
