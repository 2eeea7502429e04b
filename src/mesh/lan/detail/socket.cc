#include "mesh/lan/detail/socket.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>

#include "base/core/text.h"

namespace hanse::lan::detail {
namespace {

constexpr int kReceivesMax = 64;
constexpr unsigned kTentative = 0x40 | 0x08;  // IFA_F_TENTATIVE, IFA_F_DADFAILED of linux/if_addr.h

socklen_t fill(sockaddr_storage& out, const Address& to, std::uint32_t interface) {
  if (to.ip.size() == 4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(to.port);
    std::memcpy(&v4.sin_addr, to.ip.data(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(to.port);
  v6.sin6_scope_id = interface;
  std::memcpy(&v6.sin6_addr, to.ip.data(), 16);
  return sizeof v6;
}

Address address_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    const auto* ip = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
    return {.ip = Bytes(ip, ip + 4), .port = ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
  return {.ip = Bytes(v6.sin6_addr.s6_addr, v6.sin6_addr.s6_addr + 16), .port = ntohs(v6.sin6_port)};
}

template <class T>
T control_data(const cmsghdr* c) {
  T out;
  std::memcpy(&out, CMSG_DATA(c), sizeof out);
  return out;
}

std::set<Bytes> tentative_addresses() {
  std::set<Bytes> out;
  std::FILE* file = std::fopen("/proc/net/if_inet6", "re");
  if (file == nullptr) return out;
  char hex[33];
  unsigned flags = 0;
  while (std::fscanf(file, "%32s %*x %*x %*x %x %*s", hex, &flags) == 2) {
    Bytes ip(16);
    for (std::size_t i = 0; i < 16; ++i) {
      unsigned byte = 0;
      std::sscanf(hex + 2 * i, "%2x", &byte);
      ip[i] = static_cast<std::uint8_t>(byte);
    }
    if ((flags & kTentative) != 0) out.insert(std::move(ip));
  }
  std::fclose(file);
  return out;
}

unsigned prefix_bits(const sockaddr* mask, bool v6) {
  const auto* bytes = v6 ? reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr.s6_addr
                         : reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in*>(mask)->sin_addr);
  unsigned bits = 0;
  for (std::size_t i = 0; i < (v6 ? 16u : 4u); ++i) bits += static_cast<unsigned>(std::popcount(bytes[i]));
  return bits;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Status MulticastSocket::set(int level, int option, int value) {
  if (::setsockopt(fd_.get(), level, option, &value, sizeof value) == 0) return {};
  return fail(Kind::kUnavailable, "lan.listen", text("setsockopt {} {}: {}", level, option, ::strerror(errno)));
}

Status MulticastSocket::set_up(std::uint16_t port) {
  // Avahi or another node on this machine may have the port too: all of them get what goes to the group.
  TRY_OK(set(SOL_SOCKET, SO_REUSEADDR, 1));
  TRY_OK(set(SOL_SOCKET, SO_REUSEPORT, 1));
  if (v6()) {
    TRY_OK(set(IPPROTO_IPV6, IPV6_V6ONLY, 1));
    for (const int option : {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_MULTICAST_LOOP})
      TRY_OK(set(IPPROTO_IPV6, option, 1));
    TRY_OK(set(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0));
    for (const int option : {IPV6_MULTICAST_HOPS, IPV6_UNICAST_HOPS}) TRY_OK(set(IPPROTO_IPV6, option, 255));
  } else {
    for (const int option : {IP_PKTINFO, IP_RECVTTL, IP_MULTICAST_LOOP}) TRY_OK(set(IPPROTO_IP, option, 1));
    TRY_OK(set(IPPROTO_IP, IP_MULTICAST_ALL, 0));
    for (const int option : {IP_MULTICAST_TTL, IP_TTL}) TRY_OK(set(IPPROTO_IP, option, 255));
  }
  sockaddr_storage any{};
  const socklen_t size = fill(any, {.ip = Bytes(v6() ? 16 : 4, 0), .port = port}, 0);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&any), size) != 0)
    return fail(Kind::kUnavailable, "lan.listen", text("bind to port {}: {}", port, ::strerror(errno)));
  return {};
}

Result<MulticastSocket> MulticastSocket::open(Family family, std::uint16_t port) {
  MulticastSocket out;
  out.family_ = family;
  out.fd_ = Fd(::socket(out.v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (out.fd() < 0) return fail(Kind::kUnavailable, "lan.listen", text("socket: {}", ::strerror(errno)));
  TRY_OK(out.set_up(port));
  out.buffer_.resize(kMessageBytesMax + 1);
  return out;
}

bool MulticastSocket::membership(int option, std::uint32_t interface) {
  if (v6()) {
    ipv6_mreq group{};
    std::memcpy(&group.ipv6mr_multiaddr, kGroupV6.data(), 16);
    group.ipv6mr_interface = interface;
    return ::setsockopt(fd(), IPPROTO_IPV6, option, &group, sizeof group) == 0;
  }
  ip_mreqn group{};
  std::memcpy(&group.imr_multiaddr, kGroupV4.data(), 4);
  group.imr_ifindex = static_cast<int>(interface);
  return ::setsockopt(fd(), IPPROTO_IP, option, &group, sizeof group) == 0;
}

void MulticastSocket::join(const std::set<std::uint32_t>& interfaces) {
  std::erase_if(joined_, [&](std::uint32_t index) {
    if (interfaces.contains(index)) return false;
    membership(v6() ? IPV6_LEAVE_GROUP : IP_DROP_MEMBERSHIP,
               index);  // fails when the interface is gone: then it is left
    return true;
  });
  for (const std::uint32_t index : interfaces)
    if (!joined_.contains(index) && membership(v6() ? IPV6_JOIN_GROUP : IP_ADD_MEMBERSHIP, index))
      joined_.insert(index);
}

bool MulticastSocket::send(const Datagram& datagram) {
  sockaddr_storage to{};
  iovec data{const_cast<std::uint8_t*>(datagram.bytes.data()), datagram.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
  msghdr m{};
  m.msg_name = &to;
  m.msg_namelen = fill(to, datagram.to, datagram.interface);
  m.msg_iov = &data;
  m.msg_iovlen = 1;
  m.msg_control = control;
  const auto put = [&](int level, int type, const auto& info) {
    m.msg_controllen = CMSG_SPACE(sizeof info);
    cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
  };
  if (v6())
    put(IPPROTO_IPV6, IPV6_PKTINFO, in6_pktinfo{.ipi6_addr = {}, .ipi6_ifindex = datagram.interface});
  else
    put(IPPROTO_IP, IP_PKTINFO,
        in_pktinfo{.ipi_ifindex = static_cast<int>(datagram.interface), .ipi_spec_dst = {}, .ipi_addr = {}});
  return ::sendmsg(fd(), &m, 0) >= 0;
}

void MulticastSocket::receive(const Take& take) {
  for (int i = 0; i < kReceivesMax; ++i) {
    sockaddr_storage from{};
    iovec data{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) char control[256];
    msghdr m{};
    m.msg_name = &from;
    m.msg_namelen = sizeof from;
    m.msg_iov = &data;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd(), &m, 0);
    if (size < 0) return;
    Arrival arrival{.from = address_of(from)};
    for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) arrival.ttl = control_data<int>(c);
      if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) arrival.ttl = control_data<int>(c);
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
        arrival.interface = static_cast<std::uint32_t>(control_data<in_pktinfo>(c).ipi_ifindex);
      if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
        arrival.interface = control_data<in6_pktinfo>(c).ipi6_ifindex;
    }
    take(arrival, ByteView(buffer_).first(static_cast<std::size_t>(size)));  // one byte over the limit is refused there
  }
}

std::vector<Interface> local_interfaces(const std::vector<std::string>& names) {
  constexpr unsigned kNeeded = IFF_UP | IFF_RUNNING | IFF_MULTICAST, kUnwanted = IFF_LOOPBACK | IFF_POINTOPOINT;
  std::map<std::uint32_t, Interface> found;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {};
  const std::set<Bytes> tentative = tentative_addresses();
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr) continue;
    const int family = one->ifa_addr->sa_family;
    if ((family != AF_INET && family != AF_INET6) || (one->ifa_flags & (kNeeded | kUnwanted)) != kNeeded) continue;
    if (!names.empty() && std::ranges::find(names, one->ifa_name) == names.end()) continue;
    sockaddr_storage address{};
    std::memcpy(&address, one->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    Bytes ip = address_of(address).ip;
    const std::uint32_t index = ::if_nametoindex(one->ifa_name);
    if (index == 0 || tentative.contains(ip)) continue;
    found[index].index = index;
    found[index].subnets.push_back({std::move(ip), prefix_bits(one->ifa_netmask, family == AF_INET6)});
  }
  ::freeifaddrs(all);
  std::vector<Interface> out;
  for (auto& [index, interface] : found) out.push_back(std::move(interface));
  return out;
}

}  // namespace hanse::lan::detail
