#include "sim/wire/counting_nat.h"

#include "base/core/check.h"

namespace hanse::wire {
namespace {

constexpr std::size_t kTtl = 8, kProtocol = 9, kIpSum = 10, kSource = 12, kDestination = 16, kHeader = 20;
constexpr std::uint8_t kUdp = 17;

std::uint16_t get16(ByteView p, std::size_t at) { return load_be<std::uint16_t>(p.data() + at); }
std::uint32_t get32(ByteView p, std::size_t at) { return load_be<std::uint32_t>(p.data() + at); }

// Where UDP begins, or 0.
std::size_t udp_at(ByteView p) {
  if (p.size() < kHeader || p[0] >> 4 != 4) return 0;
  const std::size_t header = (p[0] & 15) * std::size_t{4};
  if (header < kHeader || get16(p, 2) != p.size() || p.size() < header + 8) return 0;
  if (p[kProtocol] != kUdp || (get16(p, 6) & 0x3fff) != 0) return 0;  // more fragments, or a later one
  return header;
}

// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
void put16(ByteSpan p, std::size_t at, std::uint16_t value, std::size_t sum_at) {
  const std::uint32_t sum =
      std::uint32_t{static_cast<std::uint16_t>(~get16(p, sum_at))} + static_cast<std::uint16_t>(~get16(p, at)) + value;
  const std::uint32_t folded = (sum & 0xffff) + (sum >> 16);
  store_be(p.data() + sum_at, static_cast<std::uint16_t>(~((folded & 0xffff) + (folded >> 16))));
  store_be(p.data() + at, value);
}

// One address and port, in both checksums; a UDP checksum of 0 says that there is none and stays.
void rewrite(ByteSpan p, std::size_t udp, std::size_t ip_at, std::uint32_t ip, std::size_t port_at,
             std::uint16_t port) {
  const bool summed = get16(p, udp + 6) != 0;
  const std::uint32_t old = get32(p, ip_at);
  if (summed) {
    put16(p, port_at, port, udp + 6);
    put16(p, ip_at, static_cast<std::uint16_t>(ip >> 16), udp + 6);
    put16(p, ip_at + 2, static_cast<std::uint16_t>(ip), udp + 6);
    if (get16(p, udp + 6) == 0) store_be(p.data() + udp + 6, std::uint16_t{0xffff});
    store_be(p.data() + ip_at, old);
  } else {
    store_be(p.data() + port_at, port);
  }
  put16(p, ip_at, static_cast<std::uint16_t>(ip >> 16), kIpSum);
  put16(p, ip_at + 2, static_cast<std::uint16_t>(ip), kIpSum);
  put16(p, kTtl, static_cast<std::uint16_t>(get16(p, kTtl) - 0x100), kIpSum);
}

}  // namespace

bool CountingNat::outward(std::int64_t now_ns, ByteSpan packet) {
  const std::size_t udp = udp_at(packet);
  if (udp == 0) return ++counts_.foreign, false;
  if (packet[kTtl] <= 1) return ++counts_.expired, false;
  const End inside{get32(packet, kSource), get16(packet, udp)};
  const End remote{get32(packet, kDestination), get16(packet, udp + 2)};
  if (remote.ip == options_.outside) return ++counts_.unasked, false;
  const std::uint16_t port = map(now_ns, inside, remote);
  if (port == 0) return ++counts_.full, false;
  rewrite(packet, udp, kSource, options_.outside, udp, port);
  return ++counts_.out, true;
}

bool CountingNat::inward(std::int64_t now_ns, ByteSpan packet) {
  const std::size_t udp = udp_at(packet);
  if (udp == 0) return ++counts_.foreign, false;
  if (packet[kTtl] <= 1) return ++counts_.expired, false;
  const End remote{get32(packet, kSource), get16(packet, udp)};
  const auto found = by_port_.find(get16(packet, udp + 2));
  if (get32(packet, kDestination) != options_.outside || found == by_port_.end() || found->second.remote != remote ||
      now_ns - found->second.used_ns >= kMappingIdleNs)
    return ++counts_.unasked, false;
  rewrite(packet, udp, kDestination, found->second.inside.ip, udp + 2, found->second.inside.port);
  return ++counts_.in, true;
}

std::uint16_t CountingNat::map(std::int64_t now_ns, const End& inside, const End& remote) {
  if (const auto found = ports_.find({inside, remote}); found != ports_.end()) {
    Mapping& mapping = by_port_.at(found->second);
    if (now_ns - mapping.used_ns < kMappingIdleNs) {
      mapping.used_ns = now_ns;
      return found->second;
    }
  }
  if (ports_.size() >= kMappingsMax || ports_.contains({inside, remote})) forget(now_ns);
  if (ports_.size() >= kMappingsMax) return 0;
  const std::uint16_t port = next_port();
  ports_.emplace(std::pair(inside, remote), port);
  by_port_.emplace(port, Mapping{inside, remote, now_ns});
  ++counts_.mapped;
  return port;
}

void CountingNat::forget(std::int64_t now_ns) {
  std::erase_if(ports_, [&](const auto& one) { return now_ns - by_port_.at(one.second).used_ns >= kMappingIdleNs; });
  std::erase_if(by_port_, [&](const auto& one) { return now_ns - one.second.used_ns >= kMappingIdleNs; });
}

// There are far more ports than mappings: a free one is found.
std::uint16_t CountingNat::next_port() {
  for (std::size_t i = 0; i <= 2 * kMappingsMax; ++i) {
    const std::uint16_t port = next_;
    next_ = static_cast<std::uint16_t>(next_ + options_.delta);
    if (next_ < kPortLeast) next_ = options_.delta > 0 ? kPortLeast : std::uint16_t{65'535};
    if (port >= kPortLeast && !by_port_.contains(port)) return port;
  }
  hanse::check(false, "a free port among 64512 with at most 4096 mappings");
  return 0;
}

}  // namespace hanse::wire
