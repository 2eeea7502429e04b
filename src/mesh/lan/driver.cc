#include "mesh/lan/driver.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/core/text.h"
#include "mesh/lan/detail/socket.h"

namespace hanse::lan {
namespace {

using detail::Fd;
using detail::MulticastSocket;

constexpr std::int64_t kWaitMaxNs = 60 * kSecond;
constexpr std::uint64_t kWakeId = 100, kChangesId = 101;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "lan.system", text("{}: {}", call, ::strerror(errno)));
}

}  // namespace

class Driver::Core {
 public:
  explicit Core(DriverOptions given)
      : options(std::move(given)),
        clock(options.clock != nullptr ? *options.clock : system_clock()),
        lan(options.lan, options.random != nullptr ? *options.random : system_random()) {}

  Status open() {
    epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
    wake = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    changes = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (epoll.get() < 0 || wake.get() < 0 || changes.get() < 0) return system_error("epoll_create1, eventfd, socket");
    sockaddr_nl groups{};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (::bind(changes.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0)
      return system_error("bind of a netlink socket");
    Status refused;
    for (const auto family : {MulticastSocket::Family::kV4, MulticastSocket::Family::kV6}) {
      auto socket = MulticastSocket::open(family, kPort);
      if (!socket) {
        if (refused) refused = std::unexpected(std::move(socket).error());
        continue;
      }
      TRY_OK(watch(socket->fd(), sockets.size()));
      sockets.push_back(*std::move(socket));
    }
    if (sockets.empty()) return refused;
    TRY_OK(watch(wake.get(), kWakeId));
    return watch(changes.get(), kChangesId);
  }

  Status watch(int fd, std::uint64_t id) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
    return {};
  }

  Status turn(std::int64_t wait_ns) {
    const std::int64_t next = next_ns();
    if (next != kNever) wait_ns = std::min(wait_ns, next - clock.mono_ns());
    wait_ns = std::clamp<std::int64_t>(wait_ns, 0, kWaitMaxNs);
    const timespec span{.tv_sec = wait_ns / kSecond, .tv_nsec = wait_ns % kSecond};
    epoll_event events[4];
    const int count = ::epoll_pwait2(epoll.get(), events, static_cast<int>(std::size(events)), &span, nullptr);
    if (count < 0 && errno != EINTR) return system_error("epoll_pwait2");
    const std::int64_t now = clock.mono_ns();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kChangesId) drain();
      if (events[i].data.u64 >= sockets.size()) continue;
      sockets[events[i].data.u64].receive(
          [&](const Arrival& arrival, ByteView datagram) { lan.receive(arrival, datagram, now, out); });
    }
    if (rescan) scan(now);
    if (lan.next_ns() <= now) lan.tick(now, out);
    flush();
    return {};
  }

  // Only that something changed matters: what it is now is read anew. ENOBUFS says the same.
  void drain() {
    char bytes[4096];
    while (::recv(changes.get(), bytes, sizeof bytes, 0) > 0 || errno == ENOBUFS) errno = 0;
    rescan = true;
  }

  void scan(std::int64_t now) {
    rescan = false;
    const std::vector<Interface> found = detail::local_interfaces(options.interfaces);
    for (MulticastSocket& socket : sockets) {
      std::set<std::uint32_t> indexes;
      for (const Interface& one : found)
        if (std::ranges::any_of(one.subnets, [&](const Subnet& s) { return (s.ip.size() == 16) == socket.v6(); }))
          indexes.insert(one.index);
      socket.join(indexes);
    }
    lan.set_interfaces(found, now, out);
  }

  void flush() {
    for (const Datagram& datagram : out.datagrams)
      for (MulticastSocket& socket : sockets)
        if (socket.v6() == (datagram.to.ip.size() == 16) && !socket.send(datagram)) ++lost;
    out.datagrams.clear();
    if (!out.hints_changed) return;
    out.hints_changed = false;
    if (options.on_hints) options.on_hints(lan.hints());
  }

  std::int64_t next_ns() const { return rescan ? 0 : lan.next_ns(); }

  DriverOptions options;
  Clock& clock;
  Lan lan;
  Fd epoll, wake, changes;
  std::vector<MulticastSocket> sockets;
  Outbox out;
  bool rescan = true;
  std::uint64_t lost = 0;
  std::atomic<bool> stopping{false};
};

Driver::Driver(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Driver::~Driver() = default;

Result<std::unique_ptr<Driver>> Driver::open(DriverOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY_OK(core->open());
  return std::unique_ptr<Driver>(new Driver(std::move(core)));
}

Status Driver::turn(std::int64_t wait_ns) { return core_->turn(wait_ns); }

Status Driver::run() {
  while (!core_->stopping.load(std::memory_order_acquire)) TRY_OK(core_->turn(kWaitMaxNs));
  leave();
  return {};
}

void Driver::stop() {
  core_->stopping.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(core_->wake.get(), &one, sizeof one);  // fails only when it is signalled
}

void Driver::leave() {
  core_->lan.stop(core_->out);
  core_->flush();
}

int Driver::fd() const { return core_->epoll.get(); }
std::int64_t Driver::next_ns() const { return core_->next_ns(); }
const Lan& Driver::lan() const { return core_->lan; }
std::uint64_t Driver::lost() const { return core_->lost; }

}  // namespace hanse::lan
