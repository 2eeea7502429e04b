#include "mesh/reach/uplinks.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/core/text.h"

namespace hanse::reach {
namespace {

using transport::Address;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "reach.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

struct Found {
  Address address;
  bool far = false;  // neither loopback nor link-local
};

std::optional<Found> found(const ifaddrs& one) {
  if (one.ifa_addr == nullptr || (one.ifa_flags & IFF_UP) == 0) return std::nullopt;
  Found out;
  if (one.ifa_addr->sa_family == AF_INET) {
    const auto& in = *reinterpret_cast<const sockaddr_in*>(one.ifa_addr);
    out.address.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::memcpy(out.address.ip.data() + 12, &in.sin_addr, 4);
    const std::uint32_t host = ntohl(in.sin_addr.s_addr);
    out.far = (host >> 24) != 127 && (host >> 16) != 0xa9fe;
    return out;
  }
  if (one.ifa_addr->sa_family != AF_INET6) return std::nullopt;
  const auto& in = *reinterpret_cast<const sockaddr_in6*>(one.ifa_addr);
  std::memcpy(out.address.ip.data(), &in.sin6_addr, 16);
  if (IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr)) return std::nullopt;  // needs the name of its interface
  out.far = !IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
  return out;
}

}  // namespace

Result<std::vector<Address>> local_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return system_error("getifaddrs");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(first, freeifaddrs);
  std::vector<Address> far, near;
  for (const ifaddrs* one = all.get(); one != nullptr; one = one->ifa_next)
    if (const auto f = found(*one)) (f->far ? far : near).push_back(f->address);
  std::vector<Address>& out = far.empty() ? near : far;
  if (out.size() > kUplinksMax) out.resize(kUplinksMax);
  return std::move(out);
}

Result<UplinkWatch> UplinkWatch::open() {
  UplinkWatch out(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!out.fd_) return system_error("socket of netlink");
  sockaddr_nl where{};
  where.nl_family = AF_NETLINK;
  where.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(out.fd(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
    return system_error("bind of netlink");
  return out;
}

void UplinkWatch::drain() {
  char buffer[8192];
  while (::recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0 || errno == ENOBUFS || errno == EINTR) errno = 0;
}

}  // namespace hanse::reach
