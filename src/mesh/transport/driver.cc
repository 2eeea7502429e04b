#include "mesh/transport/driver.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/core/text.h"
#include "mesh/transport/detail/udp.h"

namespace hanse::transport {
namespace {

constexpr std::uint64_t kWakeId = kSocketsMax;
constexpr int kBatchesPerTurnMax = 64;
constexpr std::int64_t kWaitMaxNs = 60'000'000'000;
constexpr int kFarewellTurnsMax = 16;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "transport.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

}  // namespace

class Driver::Core {
 public:
  explicit Core(DriverOptions given)
      : options(std::move(given)), clock(options.clock != nullptr ? *options.clock : system_clock()) {}

  Status open() {
    if (options.listen.empty() || options.listen.size() > kSocketsMax)
      return fail(Kind::kInvalid, "transport.options",
                  text("found {} addresses to listen on, expected 1 to {}", options.listen.size(), kSocketsMax));
    TRY(endpoint, Endpoint::create(std::move(options.endpoint)));
    epoll = detail::Fd(epoll_create1(EPOLL_CLOEXEC));
    wake_fd = detail::Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (epoll.get() < 0 || wake_fd.get() < 0) return system_error("epoll_create1, eventfd");
    for (const std::string& where : options.listen) {
      TRY(const Address address, parse_address(where));
      TRY(detail::UdpSocket socket, detail::UdpSocket::open(address, options.segments));
      TRY_OK(watch(socket.fd(), sockets.size(), EPOLLIN));
      sockets.push_back(std::move(socket));
    }
    return watch(wake_fd.get(), kWakeId, EPOLLIN | EPOLLET);  // edges: it is written, never read
  }

  Status watch(int fd, std::uint64_t id, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.u64 = id}};
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
    return {};
  }

  std::int64_t wait_for(std::int64_t wait_ns) const {
    if (busy || posted_any.load(std::memory_order_acquire)) return 0;
    const std::int64_t at = endpoint->next_deadline_ns();
    if (at != INT64_MAX) wait_ns = std::min(wait_ns, at - clock.mono_ns());
    return std::clamp<std::int64_t>(wait_ns, 0, kWaitMaxNs);
  }

  Status turn(std::int64_t wait_ns) {
    const std::int64_t wait = wait_for(wait_ns);
    const timespec span{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    epoll_event events[kSocketsMax + 1];
    const int count = epoll_pwait2(epoll.get(), events, static_cast<int>(std::size(events)), &span, nullptr);
    if (count < 0 && errno != EINTR) return system_error("epoll_pwait2");
    now = clock.mono_ns();
    busy = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kWakeId) continue;
      detail::UdpSocket& socket = sockets[events[i].data.u64];
      if ((events[i].events & EPOLLOUT) != 0) rewatch(socket, EPOLLIN);
      receive(socket);
    }
    run_posted();
    now = clock.mono_ns();
    if (endpoint->next_deadline_ns() <= now) endpoint->on_deadline(now);
    deliver();
    send();
    deliver();
    return {};
  }

  void receive(detail::UdpSocket& socket) {
    busy |= socket.receive(
        [this](const Path& path, ByteView datagram, std::uint8_t ecn) { endpoint->receive(path, datagram, ecn, now); },
        counts);
  }

  void deliver() {
    Event event;
    while (endpoint->next_event(event)) {
      if (options.on_event)
        options.on_event(*endpoint, std::move(event));
      else if (event.credit > 0)
        endpoint->consumed(event.connection, event.stream, event.credit);
    }
  }

  detail::UdpSocket* socket_of(const Path& path) {
    for (detail::UdpSocket& s : sockets)
      if (s.address().port == path.local.port && s.address().is_v4() == path.remote.is_v4()) return &s;
    return nullptr;
  }

  void send() {
    for (int i = 0; i < kBatchesPerTurnMax; ++i) {
      if (batch.size == 0 && !endpoint->transmit(batch, now)) return;
      detail::UdpSocket* socket = socket_of(batch.path);
      if (socket == nullptr) {
        counts.lost.fetch_add(1, std::memory_order_relaxed);
        batch.size = 0;
        continue;
      }
      if (!socket->send(batch, counts)) return rewatch(*socket, EPOLLIN | EPOLLOUT);
    }
    busy = true;
  }

  void rewatch(detail::UdpSocket& socket, std::uint32_t interest) {
    const auto id = static_cast<std::uint64_t>(&socket - sockets.data());
    epoll_event event{.events = interest, .data = {.u64 = id}};
    epoll_ctl(epoll.get(), EPOLL_CTL_MOD, socket.fd(), &event);
  }

  void run_posted() {
    if (!posted_any.exchange(false, std::memory_order_acquire)) return;
    std::vector<Task> tasks;
    {
      const std::lock_guard lock(mutex);
      std::swap(tasks, posted);
    }
    for (Task& task : tasks) task();
  }

  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_fd.get(), &one, sizeof one);  // fails only when it is signalled
  }

  DriverOptions options;
  Clock& clock;
  std::unique_ptr<Endpoint> endpoint;
  detail::Fd epoll, wake_fd;
  std::vector<detail::UdpSocket> sockets;
  detail::UdpCounts counts;
  Batch batch;
  std::int64_t now = 0;
  bool busy = false;  // something was left for the next turn
  std::atomic<bool> stopping{false}, posted_any{false};
  std::mutex mutex;
  std::vector<Task> posted;  // under mutex
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
  core_->endpoint->close_all(CloseCode::kDone, now_ns());
  for (int i = 0; i < kFarewellTurnsMax; ++i) TRY_OK(core_->turn(0));
  return {};
}

void Driver::stop() {
  core_->stopping.store(true, std::memory_order_release);
  core_->wake();
}

Status Driver::post(Task task) {
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->posted.size() >= kPostedMax)
      return fail(Kind::kExhausted, "transport.full", text("found {} tasks that wait already", kPostedMax));
    core_->posted.push_back(std::move(task));
  }
  if (!core_->posted_any.exchange(true, std::memory_order_release)) core_->wake();
  return {};
}

Endpoint& Driver::endpoint() { return *core_->endpoint; }
std::int64_t Driver::now_ns() const { return core_->clock.mono_ns(); }

std::vector<Address> Driver::addresses() const {
  std::vector<Address> out;
  for (const auto& socket : core_->sockets) out.push_back(socket.address());
  return out;
}

Result<ConnectionId> Driver::dial(const Address& remote, const PeerId& peer) {
  for (const auto& socket : core_->sockets) {
    if (socket.address().is_v4() != remote.is_v4()) continue;
    const Path path{.local = {.ip = {}, .port = socket.address().port}, .remote = remote};
    return core_->endpoint->dial(path, peer, now_ns());
  }
  return fail(Kind::kUnavailable, "transport.no_path", text("found no socket that reaches {}", address_text(remote)));
}

DriverStats Driver::stats() const {
  const detail::UdpCounts& c = core_->counts;
  return {.datagrams_in = c.datagrams_in,
          .datagrams_out = c.datagrams_out,
          .bytes_in = c.bytes_in,
          .bytes_out = c.bytes_out,
          .calls_in = c.calls_in,
          .calls_out = c.calls_out,
          .lost = c.lost,
          .segments = core_->sockets.front().segments()};
}

}  // namespace hanse::transport
