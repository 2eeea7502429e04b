// When to ask a router for a mapping, and until when there is one: pure, times are monotonic nanoseconds of the caller.
//
// A granted mapping is asked for again at half of its lifetime; when that fails, at half of what is left, and so on
// until it has ended (RFC 6887 11.2.1). Without a mapping the next attempt comes after 1, 2, 4... minutes, at most an
// hour: a router that is plugged in later is found, and one that refuses is left in peace. Limits: a lifetime counts at
// most kLifetimeMaxS; no attempt follows another within kAttemptGapNs. Threads: one. Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hanse::portmap {

enum class Protocol : std::uint8_t { kPcp, kNatPmp, kUpnp };
std::string_view protocol_name(Protocol protocol);  // "pcp", "nat-pmp", "upnp"

struct Mapping {
  Protocol protocol = Protocol::kPcp;
  std::string ip;          // outside, numeric; "" when the router does not say
  std::uint16_t port = 0;  // outside
  std::uint32_t lifetime_s = 0;
  friend bool operator==(const Mapping&, const Mapping&) = default;
};

constexpr std::uint32_t kLifetimeMaxS = 24 * 3600;
constexpr std::int64_t kAttemptGapNs = 1'000'000'000;

class Lease {
 public:
  explicit Lease(std::int64_t now_ns) : due_ns_(now_ns) {}

  void granted(const Mapping& mapping, std::int64_t now_ns);
  void failed(std::int64_t now_ns);
  std::int64_t due_ns() const { return due_ns_; }                     // the next attempt
  const std::optional<Mapping>& mapping() const { return mapping_; }  // until an attempt fails after its end
  std::uint64_t renewals() const { return renewals_; }

 private:
  std::optional<Mapping> mapping_;
  std::int64_t due_ns_, end_ns_ = 0, wait_ns_ = 0;
  std::uint64_t renewals_ = 0;
};

}  // namespace hanse::portmap
