// CountingNat: the NAT that Linux cannot be told to be: every new flow gets the outside port that comes `delta` after
// the last one (mapping and filtering by address and port in the words of RFC 4787, section 4 and 5).
// Rewrites IPv4 packets in place: source on the way out, destination on the way in, checksums by RFC 1624, TTL less
// one. Everything but unfragmented UDP is dropped, and so is what comes in from where nothing was sent to, and what
// comes from inside to the outside address (no hairpin). A mapping ends kMappingIdleNs after its last packet outward.
// Limits: kMappingsMax mappings; a further flow is dropped and counted as full.
// Pure: time is an argument. One thread. No errors.
#pragma once

#include <compare>
#include <map>

#include "base/core/bytes.h"

namespace hanse::wire {

constexpr std::size_t kMappingsMax = 4096;
constexpr std::int64_t kMappingIdleNs = 120'000'000'000;
constexpr std::uint16_t kPortLeast = 1024;

struct NatCounts {
  std::uint64_t mapped = 0, out = 0, in = 0;
  std::uint64_t foreign = 0, unasked = 0, full = 0, expired = 0;  // dropped: no UDP over IPv4; no mapping; limit; TTL
};

class CountingNat {
 public:
  struct Options {
    std::uint32_t outside = 0;  // IPv4 address
    std::uint16_t first = 20'000;
    std::int16_t delta = 1;  // not 0
  };
  explicit CountingNat(const Options& options) : options_(options), next_(options.first) {}

  bool outward(std::int64_t now_ns, ByteSpan packet);  // false: drop it
  bool inward(std::int64_t now_ns, ByteSpan packet);
  const NatCounts& counts() const { return counts_; }

 private:
  struct End {
    std::uint32_t ip = 0;
    std::uint16_t port = 0;
    friend auto operator<=>(const End&, const End&) = default;
  };
  struct Mapping {
    End inside, remote;
    std::int64_t used_ns = 0;
  };

  std::uint16_t map(std::int64_t now_ns, const End& inside, const End& remote);
  void forget(std::int64_t now_ns);
  std::uint16_t next_port();

  Options options_;
  std::uint16_t next_;
  std::map<std::pair<End, End>, std::uint16_t> ports_;
  std::map<std::uint16_t, Mapping> by_port_;
  NatCounts counts_;
};

}  // namespace hanse::wire
