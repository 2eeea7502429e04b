#include "mesh/transport/detail/udp.h"

#include <netinet/udp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"

namespace hanse::transport::detail {
namespace {

constexpr int kReceiveBuffer = 4 << 20;
constexpr std::size_t kMessages = 16;
constexpr std::size_t kMessageMax = 65535;
constexpr int kCallsPerTurnMax = 4;
constexpr std::size_t kControlMax = 128;

std::unexpected<Error> no_listen(const Address& address, std::string_view call) {
  return fail(Kind::kUnavailable, "transport.listen",
              text("{} on {}: {}", call, address_text(address), std::string_view(strerror(errno))));
}

socklen_t fill(const Address& address, bool v4, sockaddr_storage& out) {
  out = {};
  if (v4) {
    auto& in = reinterpret_cast<sockaddr_in&>(out);
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, address.ip.data() + 12, 4);
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(out);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(address.port);
  std::memcpy(&in.sin6_addr, address.ip.data(), 16);
  return sizeof in;
}

void set_v4(Address& out, const void* ip) {
  out.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::memcpy(out.ip.data() + 12, ip, 4);
}

Address from(const sockaddr_storage& given) {
  Address out;
  if (given.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(given);
    set_v4(out, &in.sin_addr);
    out.port = ntohs(in.sin_port);
  } else {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(given);
    std::memcpy(out.ip.data(), &in.sin6_addr, 16);
    out.port = ntohs(in.sin6_port);
  }
  return out;
}

bool set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

bool names_an_address(const Address& address) {
  Address any_v4;
  const std::uint32_t zero = 0;
  set_v4(any_v4, &zero);
  return address.ip != Address{}.ip && address.ip != any_v4.ip;
}

template <class T>
void add_control(msghdr& message, int level, int type, const T& value) {
  auto* header = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + message.msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
}

struct Facts {  // what came beside the bytes
  std::size_t segment = 0;
  std::uint8_t ecn = 0;
};

Facts read_control(msghdr& message, Address& local) {
  Facts out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      out.segment = static_cast<std::size_t>(std::max(size, 0));
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      set_v4(local, &info.ipi_addr);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(local.ip.data(), &info.ipi6_addr, 16);
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)) {
      out.ecn = *CMSG_DATA(c) & 3;
    }
  }
  return out;
}

}  // namespace

struct UdpInbox {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kMessages * kMessageMax);
  std::array<std::array<char, kControlMax>, kMessages> control;
  std::array<sockaddr_storage, kMessages> from;
  std::array<iovec, kMessages> vectors;
  std::array<mmsghdr, kMessages> messages;
};

std::shared_ptr<UdpInbox> make_inbox() { return std::make_shared<UdpInbox>(); }

Status UdpSocket::set_up(const Address& address, bool segments) {
  const bool v4 = address.is_v4();
  fd_ = Fd(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd() < 0) return no_listen(address, "socket");
  (void)set(fd(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);  // as much of it as the system allows
  (void)set(fd(), SOL_SOCKET, SO_SNDBUF, kReceiveBuffer);
  const bool set_all = v4 ? set(fd(), IPPROTO_IP, IP_PKTINFO, 1) && set(fd(), IPPROTO_IP, IP_RECVTOS, 1) &&
                                set(fd(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
                          : set(fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
                                set(fd(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
                                set(fd(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  if (!set_all) return no_listen(address, "setsockopt");
  segments_ = segments && set(fd(), SOL_UDP, UDP_GRO, 1);
  sockaddr_storage where;
  socklen_t size = fill(address, v4, where);
  if (bind(fd(), reinterpret_cast<sockaddr*>(&where), size) != 0) return no_listen(address, "bind");
  size = sizeof where;
  if (getsockname(fd(), reinterpret_cast<sockaddr*>(&where), &size) != 0) return no_listen(address, "getsockname");
  address_ = from(where);
  return {};
}

Result<UdpSocket> UdpSocket::open(const Address& address, bool segments, std::shared_ptr<UdpInbox> inbox) {
  UdpSocket out;
  out.inbox_ = std::move(inbox);
  TRY_OK(out.set_up(address, segments));
  return out;
}

bool UdpSocket::receive(const Take& take, UdpCounts& counts) {
  UdpInbox& in = *inbox_;
  for (int call = 0; call < kCallsPerTurnMax; ++call) {
    for (std::size_t i = 0; i < kMessages; ++i) {
      in.vectors[i] = {.iov_base = in.bytes.data() + i * kMessageMax, .iov_len = kMessageMax};
      in.messages[i].msg_hdr = {.msg_name = &in.from[i],
                                .msg_namelen = sizeof in.from[i],
                                .msg_iov = &in.vectors[i],
                                .msg_iovlen = 1,
                                .msg_control = in.control[i].data(),
                                .msg_controllen = kControlMax,
                                .msg_flags = 0};
    }
    const int got = recvmmsg(fd(), in.messages.data(), kMessages, MSG_DONTWAIT, nullptr);
    if (got <= 0) return got < 0 && errno == EINTR;
    counts.calls_in.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      Path path{.local = address_, .remote = from(in.from[i])};
      const Facts facts = read_control(in.messages[i].msg_hdr, path.local);
      const ByteView bytes(in.bytes.data() + i * kMessageMax, in.messages[i].msg_len);
      const std::size_t segment = facts.segment > 0 ? facts.segment : bytes.size();
      std::uint64_t count = 0;
      for (std::size_t at = 0; at < bytes.size(); at += segment, ++count)
        take(path, bytes.subspan(at, std::min(segment, bytes.size() - at)), facts.ecn);
      counts.datagrams_in.fetch_add(count, std::memory_order_relaxed);
      counts.bytes_in.fetch_add(bytes.size(), std::memory_order_relaxed);
    }
    if (got < static_cast<int>(kMessages)) return false;
  }
  return true;
}

int UdpSocket::send_once(const Batch& batch, std::size_t at, std::size_t size, bool from_there) {
  sockaddr_storage to;
  alignas(cmsghdr) char control[kControlMax] = {};
  iovec vector{.iov_base = const_cast<std::uint8_t*>(batch.buffer.data()) + at, .iov_len = size};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = fill(batch.path.remote, address_.is_v4(), to);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  if (size > batch.segment) add_control(message, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(batch.segment));
  const bool v4 = address_.is_v4();
  from_there = from_there && names_an_address(batch.path.local);
  if (v4 && from_there) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, batch.path.local.ip.data() + 12, 4);
    add_control(message, IPPROTO_IP, IP_PKTINFO, info);
  } else if (from_there) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, batch.path.local.ip.data(), 16);
    add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  if (batch.ecn != 0) {
    const int ecn = batch.ecn;
    v4 ? add_control(message, IPPROTO_IP, IP_TOS, ecn) : add_control(message, IPPROTO_IPV6, IPV6_TCLASS, ecn);
  }
  if (batch.ttl != 0) {
    const int ttl = batch.ttl;
    v4 ? add_control(message, IPPROTO_IP, IP_TTL, ttl) : add_control(message, IPPROTO_IPV6, IPV6_HOPLIMIT, ttl);
  }
  if (message.msg_controllen == 0) message.msg_control = nullptr;
  return sendmsg(fd(), &message, MSG_DONTWAIT) >= 0 ? 0 : errno;
}

bool UdpSocket::send(Batch& batch, UdpCounts& counts) {
  while (batch.size > 0) {
    const std::size_t size = segments_ ? batch.size : std::min(batch.segment, batch.size);
    const std::size_t at = batch.sent;
    int error = send_once(batch, at, size, true);
    // The address may have left this machine since: the system chooses another.
    if (error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH) error = send_once(batch, at, size, false);
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK) return false;
    if (error != 0 && size > batch.segment && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      segments_ = false;  // a device without the checksum that segments need, or a path they do not fit
      continue;
    }
    const std::uint64_t count = (size + batch.segment - 1) / batch.segment;
    if (error != 0) {
      counts.lost.fetch_add(count, std::memory_order_relaxed);
    } else {
      counts.calls_out.fetch_add(1, std::memory_order_relaxed);
      counts.datagrams_out.fetch_add(count, std::memory_order_relaxed);
      counts.bytes_out.fetch_add(size, std::memory_order_relaxed);
    }
    batch.sent += size;
    batch.size -= size;
  }
  return true;
}

}  // namespace hanse::transport::detail
