#include "mesh/portmap/lease.h"

#include <algorithm>

namespace hanse::portmap {
namespace {
constexpr std::int64_t kSecond = 1'000'000'000, kWaitFirstNs = 60 * kSecond, kWaitMaxNs = 3600 * kSecond;
}

std::string_view protocol_name(Protocol protocol) {
  constexpr std::string_view kNames[] = {"pcp", "nat-pmp", "upnp"};
  return kNames[static_cast<std::size_t>(protocol)];
}

void Lease::granted(const Mapping& mapping, std::int64_t now_ns) {
  const std::int64_t lifetime_ns = std::int64_t{std::min(mapping.lifetime_s, kLifetimeMaxS)} * kSecond;
  if (mapping_) ++renewals_;
  mapping_ = mapping;
  end_ns_ = now_ns + lifetime_ns;
  due_ns_ = now_ns + std::max(lifetime_ns / 2, kAttemptGapNs);
  wait_ns_ = 0;
}

void Lease::failed(std::int64_t now_ns) {
  if (mapping_ && now_ns < end_ns_) {  // the last attempt comes at the end
    due_ns_ = std::max(now_ns + kAttemptGapNs, std::min(end_ns_, now_ns + (end_ns_ - now_ns) / 2));
    return;
  }
  mapping_.reset();
  wait_ns_ = std::clamp(2 * wait_ns_, kWaitFirstNs, kWaitMaxNs);
  due_ns_ = now_ns + wait_ns_;
}

}  // namespace hanse::portmap
