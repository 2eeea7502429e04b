#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/core/text.h"
#include "mesh/portmap/detail/routers.h"
#include "mesh/portmap/pcp.h"

namespace hanse::portmap {
namespace {

constexpr int kSends = 4;
constexpr std::int64_t kFirstWaitNs = 250'000'000;  // doubled; RFC 6887 8.1.1 starts at 3 s, which is for busy servers

struct Socket {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  Socket() = default;
  Socket(const Socket&) = delete;
  ~Socket() { ::close(fd); }
};

class PcpRouter final : public Router {
 public:
  explicit PcpRouter(std::string gateway) : gateway_(std::move(gateway)) {
    system_random().fill(request_.nonce.span());
  }
  Protocol protocol() const override { return Protocol::kPcp; }

  Result<Mapping> map(const Wanted& wanted, const Budget& budget) override {
    request_.wanted_port = wanted.port;
    TRY(const PcpAnswer got, ask(wanted, wanted.lifetime_s, budget));
    char ip[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(got.ip.size() == 4 ? AF_INET : AF_INET6, got.ip.data(), ip, sizeof ip);
    return Mapping{Protocol::kPcp, ip, got.port, got.lifetime_s};
  }
  Status release(const Wanted& wanted, const Mapping&, const Budget& budget) override {
    request_.wanted_port = 0;
    TRY_OK(ask(wanted, 0, budget));
    return {};
  }

 private:
  Result<PcpAnswer> ask(const Wanted& wanted, std::uint32_t lifetime_s, const Budget& budget) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPcpPort);
    TRY(to.sin_addr.s_addr, detail::gateway_address(gateway_));
    const Socket socket;
    sockaddr_in local{};
    socklen_t size = sizeof local;
    if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::getsockname(socket.fd, reinterpret_cast<sockaddr*>(&local), &size) != 0)
      return fail(Kind::kUnavailable, "portmap.no_router", text("pcp: {}", ::strerror(errno)));
    std::memcpy(request_.client.data(), &local.sin_addr, 4);
    request_.port = wanted.port;
    request_.lifetime_s = lifetime_s;
    const Bytes bytes = encode_pcp(request_);
    for (int i = 0; i < kSends && !detail::spent(budget); ++i) {
      ::send(socket.fd, bytes.data(), bytes.size(), 0);
      const std::int64_t until = system_clock().mono_ns() + (kFirstWaitNs << i);
      while (detail::wait_readable(socket.fd, until, budget)) {
        std::uint8_t in[kPcpBytesMax + 1];
        const ssize_t n = ::recv(socket.fd, in, sizeof in, 0);
        if (n < 0) return fail(Kind::kUnavailable, "portmap.no_router", text("pcp: {}", ::strerror(errno)));
        auto got = decode_pcp(ByteView(in).first(static_cast<std::size_t>(n)), request_);
        if (!got && got.error().kind() == Kind::kCorrupt) continue;  // of an earlier request, or noise
        if (got && got->other_version)
          return fail(Kind::kUnavailable, "portmap.no_router", "pcp: found a router of another version");
        return got;
      }
    }
    return fail(Kind::kUnavailable, "portmap.no_router", "pcp: found no answer in time");
  }

  std::string gateway_;
  PcpMap request_;
};

}  // namespace

namespace detail {

std::unique_ptr<Router> pcp_router(const std::string& gateway) { return std::make_unique<PcpRouter>(gateway); }

bool wait_readable(int fd, std::int64_t until_ns, const Budget& budget) {
  const std::int64_t wait_ns = std::min(until_ns, budget.end_ns) - system_clock().mono_ns();
  pollfd fds[2] = {{fd, POLLIN, 0}, {budget.stop_fd, POLLIN, 0}};
  if (wait_ns <= 0 || ::poll(fds, 2, static_cast<int>(wait_ns / 1'000'000 + 1)) <= 0) return false;
  return fds[0].revents != 0 && fds[1].revents == 0;
}

bool spent(const Budget& budget) {
  pollfd stop{budget.stop_fd, POLLIN, 0};
  return system_clock().mono_ns() >= budget.end_ns || ::poll(&stop, 1, 0) == 1;
}

}  // namespace detail

Routers gateway_routers(const GatewayOptions& options) {
  Routers out;
  for (const Protocol protocol : options.protocols) {
    switch (protocol) {
      case Protocol::kPcp: out.push_back(detail::pcp_router(options.gateway)); break;
      case Protocol::kNatPmp: out.push_back(detail::nat_pmp_router(options.gateway)); break;
      case Protocol::kUpnp: out.push_back(detail::upnp_router()); break;
    }
  }
  return out;
}

}  // namespace hanse::portmap
