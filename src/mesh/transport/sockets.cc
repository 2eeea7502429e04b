#include "mesh/transport/sockets.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "base/core/fd.h"
#include "base/core/text.h"
#include "mesh/transport/detail/udp.h"

namespace hanse::transport {
namespace {

constexpr std::uint64_t kWakeId = UINT64_MAX;
constexpr int kEventsMax = 16;
constexpr int kBatchesPerTurnMax = 64;
constexpr std::int64_t kWaitMaxNs = 60'000'000'000;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "transport.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

}  // namespace

class Sockets::Core {
 public:
  struct Open {
    std::uint64_t id = 0;  // in epoll
    detail::UdpSocket socket;
  };

  Core(SocketsOptions given, Machine& turned)
      : options(std::move(given)), clock(options.clock != nullptr ? *options.clock : system_clock()), machine(turned) {}

  Status open() {
    if (options.listen.empty() || options.listen.size() > kSocketsMax)
      return fail(Kind::kInvalid, "transport.options",
                  text("found {} addresses to listen on, expected 1 to {}", options.listen.size(), kSocketsMax));
    epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
    wake_fd = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (epoll.get() < 0 || wake_fd.get() < 0) return system_error("epoll_create1, eventfd");
    for (const std::string& where : options.listen) {
      TRY(const Address address, parse_address(where));
      TRY_OK(add(address));
    }
    listening = sockets.size();
    return watch(wake_fd.get(), kWakeId, EPOLLIN | EPOLLET);  // edges: it is written, never read
  }

  Status add(const Address& address) {
    TRY(detail::UdpSocket socket, detail::UdpSocket::open(address, options.segments, inbox));
    TRY_OK(watch(socket.fd(), next_id, EPOLLIN));
    sockets.push_back({next_id++, std::move(socket)});
    return {};
  }

  Status watch(int fd, std::uint64_t id, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.u64 = id}};
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
    return {};
  }

  std::int64_t wait_for(std::int64_t wait_ns) const {
    if (busy || posted_any.load(std::memory_order_acquire)) return 0;
    const std::int64_t at = machine.next_deadline_ns();
    if (at != INT64_MAX) wait_ns = std::min(wait_ns, at - clock.mono_ns());
    return std::clamp<std::int64_t>(wait_ns, 0, kWaitMaxNs);
  }

  Status turn(std::int64_t wait_ns) {
    const std::int64_t wait = wait_for(wait_ns);
    const timespec span{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    epoll_event events[kEventsMax];
    const int count = epoll_pwait2(epoll.get(), events, static_cast<int>(std::size(events)), &span, nullptr);
    if (count < 0 && errno != EINTR) return system_error("epoll_pwait2");
    now = clock.mono_ns();
    busy = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kWakeId) continue;
      if (const auto other = watches.find(events[i].data.u64); other != watches.end()) {
        other->second();
        continue;
      }
      const auto open = std::ranges::find(sockets, events[i].data.u64, &Open::id);
      if (open == sockets.end()) continue;  // closed in this round
      if ((events[i].events & EPOLLOUT) != 0) rewatch(*open, EPOLLIN);
      receive(open->socket);
    }
    run_posted();
    now = clock.mono_ns();
    if (machine.next_deadline_ns() <= now) machine.on_deadline(now);
    machine.deliver(now);
    send();
    do machine.deliver(now = clock.mono_ns());  // what ended while sending, and what the answer to it is
    while (!busy && send());
    return {};
  }

  void receive(detail::UdpSocket& socket) {
    busy |= socket.receive(
        [this](const Path& path, ByteView datagram, std::uint8_t ecn) { machine.receive(path, datagram, ecn, now); },
        counts);
  }

  Open* socket_of(const Path& path) {
    for (Open& s : sockets)
      if (s.socket.address().port == path.local.port && s.socket.address().is_v4() == path.remote.is_v4()) return &s;
    return nullptr;
  }

  // True: something went. To deliver takes time, so the clock is read anew for each batch: what is stamped early looks
  // as if the path were slow.
  bool send() {
    for (int i = 0; i < kBatchesPerTurnMax; ++i) {
      if (batch.size == 0 && !machine.transmit(batch, now = clock.mono_ns())) return i > 0;
      Open* open = socket_of(batch.path);
      if (open == nullptr) {
        counts.lost.fetch_add(1, std::memory_order_relaxed);
        batch.size = 0;
        continue;
      }
      if (!open->socket.send(batch, counts)) {
        rewatch(*open, EPOLLIN | EPOLLOUT);
        return false;
      }
    }
    return busy = true;
  }

  void rewatch(const Open& open, std::uint32_t interest) {
    epoll_event event{.events = interest, .data = {.u64 = open.id}};
    epoll_ctl(epoll.get(), EPOLL_CTL_MOD, open.socket.fd(), &event);
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

  SocketsOptions options;
  Clock& clock;
  Machine& machine;
  Fd epoll, wake_fd;
  std::shared_ptr<detail::UdpInbox> inbox = detail::make_inbox();
  std::vector<Open> sockets;  // the first `listening` stay
  std::size_t listening = 0;
  std::uint64_t next_id = 0;
  std::map<std::uint64_t, std::function<void()>> watches;
  detail::UdpCounts counts;
  Batch batch;
  std::int64_t now = 0;
  bool busy = false;  // something was left for the next turn
  std::atomic<bool> stopping{false}, posted_any{false};
  std::mutex mutex;
  std::vector<Task> posted;  // under mutex
};

Sockets::Sockets(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Sockets::~Sockets() = default;

Result<std::unique_ptr<Sockets>> Sockets::open(SocketsOptions options, Machine& machine) {
  auto core = std::make_unique<Core>(std::move(options), machine);
  TRY_OK(core->open());
  return std::unique_ptr<Sockets>(new Sockets(std::move(core)));
}

Status Sockets::turn(std::int64_t wait_ns) { return core_->turn(wait_ns); }

Status Sockets::run() {
  while (!core_->stopping.load(std::memory_order_acquire)) TRY_OK(core_->turn(kWaitMaxNs));
  return {};
}

void Sockets::stop() {
  core_->stopping.store(true, std::memory_order_release);
  core_->wake();
}

Status Sockets::post(Task task) {
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->posted.size() >= kPostedMax)
      return fail(Kind::kExhausted, "transport.full", text("found {} tasks that wait already", kPostedMax));
    core_->posted.push_back(std::move(task));
  }
  if (!core_->posted_any.exchange(true, std::memory_order_release)) core_->wake();
  return {};
}

Status Sockets::watch(int fd, std::function<void()> ready) {
  if (core_->watches.size() >= kWatchesMax)
    return fail(Kind::kExhausted, "transport.limit", text("found {} watched descriptors", kWatchesMax));
  TRY_OK(core_->watch(fd, core_->next_id, EPOLLIN));
  core_->watches[core_->next_id++] = std::move(ready);
  return {};
}

std::int64_t Sockets::now_ns() const { return core_->clock.mono_ns(); }

std::vector<Address> Sockets::addresses() const {
  std::vector<Address> out;
  for (std::size_t i = 0; i < core_->listening; ++i) out.push_back(core_->sockets[i].socket.address());
  return out;
}

Result<Path> Sockets::path_to(const Address& remote) const {
  for (const auto& open : core_->sockets)
    if (open.socket.address().is_v4() == remote.is_v4())
      return Path{.local = {.ip = {}, .port = open.socket.address().port}, .remote = remote};
  return fail(Kind::kUnavailable, "transport.no_path", text("found no socket that reaches {}", address_text(remote)));
}

Result<std::uint16_t> Sockets::open_more(bool v4) {
  if (core_->sockets.size() - core_->listening >= kMoreSocketsMax)
    return fail(Kind::kExhausted, "transport.limit", text("found {} sockets that were opened later", kMoreSocketsMax));
  TRY(const Address any, parse_address(v4 ? "0.0.0.0:0" : "[::]:0"));
  TRY_OK(core_->add(any));
  return core_->sockets.back().socket.address().port;
}

void Sockets::close_port(std::uint16_t port) {
  std::erase_if(core_->sockets, [&, at = std::size_t{0}](const Core::Open& open) mutable {
    return at++ >= core_->listening && open.socket.address().port == port;
  });
}

SocketStats Sockets::stats() const {
  const detail::UdpCounts& c = core_->counts;
  return {.datagrams_in = c.datagrams_in,
          .datagrams_out = c.datagrams_out,
          .bytes_in = c.bytes_in,
          .bytes_out = c.bytes_out,
          .calls_in = c.calls_in,
          .calls_out = c.calls_out,
          .lost = c.lost,
          .segments = core_->sockets.front().socket.segments()};
}

}  // namespace hanse::transport
