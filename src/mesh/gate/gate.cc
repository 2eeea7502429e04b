#include "mesh/gate/gate.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "mesh/gate/detail/sockets.h"
#include "mesh/gate/detail/tls.h"

namespace hanse::gate {
namespace {

using detail::Relay;
constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kPauseMs = 100;  // without descriptors, before the next try to accept
constexpr std::int64_t kLookMs = 250;   // how often quiet connections are looked for

struct Connection {
  Relay relay;
  std::size_t port;
  std::int64_t began_ns;
  std::shared_ptr<Visitor> visitor{};  // once the handshake is over; shared with whoever took the connection
  bool ended = false;
};

class Server final : public Gate {
 public:
  Server(Options options, Taken taken) : options_(std::move(options)), taken_(std::move(taken)) {}
  ~Server() override { stop(); }

  Status begin(const crypto::Identity& identity) {
    if (options_.addresses.empty() || options_.addresses.size() > kPortsMax)
      return fail(Kind::kInvalid, "gate.address",
                  text("found {} addresses, expected 1 to {}", options_.addresses.size(), kPortsMax));
    TRY(context_, detail::server_context(identity, certificates_));
    for (const auto& address : options_.addresses) {
      TRY(auto listener, detail::listen_on(address));
      listeners_.push_back(std::move(listener));
    }
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return detail::system_error("make an event descriptor");
    thread_ = std::thread([this] { run(); });
    return {};
  }

  std::vector<std::uint16_t> ports() const override {
    std::vector<std::uint16_t> out;
    for (const auto& one : listeners_) out.push_back(one.port);
    return out;
  }
  Counts counts() const override {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  std::string certificates() const override { return certificates_; }

  void stop() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    thread_.join();
    connections_.clear();
    listeners_.clear();
  }

 private:
  static std::int64_t now_ns() { return system_clock().mono_ns(); }

  void run() {
    name_thread("gate");
    std::vector<pollfd> waits;
    while (!stopping_) {
      const bool more = gather(waits);
      (void)::poll(waits.data(), waits.size(), more ? 0 : static_cast<int>(kLookMs));
      if (now_ns() >= accept_from_ns_)
        for (std::size_t i = 0; i < listeners_.size(); ++i)
          if ((waits[1 + i].revents & POLLIN) != 0) accept(i);
      std::size_t at = 1 + listeners_.size();
      for (Connection& one : connections_) {
        if (at + 1 >= waits.size()) break;  // those that came in this turn have their first one at once
        const bool has = waits[at].revents != 0 || waits[at + 1].revents != 0 || one.relay.has_more();
        if (has) advance(one);
        at += 2;
      }
      expire();
      std::erase_if(connections_, [](const Connection& one) { return one.ended; });
      const std::lock_guard lock(mutex_);
      counts_.open = connections_.size();
    }
  }

  // True when a connection need not wait.
  bool gather(std::vector<pollfd>& waits) const {
    bool more = false;
    const auto wait = [&](int fd, short events) {
      waits.push_back({.fd = events != 0 ? fd : -1, .events = events, .revents = 0});
    };
    waits.clear();
    wait(wake_.get(), POLLIN);
    const bool accepts = now_ns() >= accept_from_ns_;
    for (const auto& one : listeners_) wait(one.fd.get(), static_cast<short>(accepts ? POLLIN : 0));
    for (const Connection& one : connections_) {
      wait(one.relay.net(), one.relay.net_events());
      wait(one.relay.plain(), static_cast<short>(one.visitor ? one.relay.plain_events() : 0));
      more = more || one.relay.has_more();
    }
    return more;
  }

  void accept(std::size_t port) {
    for (std::uint32_t n = 0; n <= options_.connections_max; ++n) {
      auto net = detail::accept_one(listeners_[port].fd.get());
      if (!net) accept_from_ns_ = now_ns() + kPauseMs * kMs;
      if (!net || !*net) return;
      const auto shaking = std::ranges::count_if(connections_, [](const Connection& c) { return !c.visitor; });
      if (connections_.size() >= options_.connections_max) {
        count(&Counts::refused_full);
      } else if (static_cast<std::uint32_t>(shaking) >= options_.handshakes_max) {
        count(&Counts::refused_handshakes);
      } else if (auto ssl = detail::session(*context_, net->get())) {
        connections_.push_back({.relay = Relay(std::move(*ssl), std::move(*net)), .port = port, .began_ns = now_ns()});
      }
    }
  }

  void advance(Connection& one) {
    if (one.visitor) {
      one.ended = !one.relay.move();
      return;
    }
    switch (one.relay.shake(true)) {
      case Relay::Shake::kGoing: return;
      case Relay::Shake::kFailed: one.ended = true; return count(&Counts::failed_handshakes);
      case Relay::Shake::kDone: break;
    }
    auto pair = detail::plain_pair();
    one.ended = !pair;
    if (!pair) return;
    one.visitor = std::make_shared<Visitor>(detail::shown_by_peer(one.relay.ssl()), now_ns());
    one.relay.open(std::move(pair->ours));
    count(&Counts::taken);
    taken_(one.port, std::move(pair->theirs), one.visitor);
    one.ended = !one.relay.move();  // what came with the handshake's last bytes
  }

  void expire() {
    const std::int64_t now = now_ns();
    for (Connection& one : connections_) {
      if (one.ended) continue;
      if (!one.visitor) {
        one.ended = now - one.began_ns > options_.handshake_ms * kMs;
        if (one.ended) count(&Counts::late_handshakes);
        continue;
      }
      const auto rests = one.visitor->rests_since_ns();
      const std::int64_t most_ms = one.visitor->called() ? options_.idle_ms : options_.first_call_ms;
      one.ended = rests && now - *rests > most_ms * kMs;
      if (one.ended) count(&Counts::quiet);
    }
  }

  void count(std::uint64_t Counts::* what) {
    const std::lock_guard lock(mutex_);
    ++(counts_.*what);
  }

  const Options options_;
  const Taken taken_;
  detail::ContextPtr context_;
  std::string certificates_;
  std::vector<detail::Listener> listeners_;
  Fd wake_;
  std::atomic<bool> stopping_{false};
  std::int64_t accept_from_ns_ = 0;
  std::list<Connection> connections_;
  mutable std::mutex mutex_;
  Counts counts_;
  std::thread thread_;
};

// Its thread ends when either side does.
class Dialed final : public Line {
 public:
  explicit Dialed(Relay relay, Fd plain) : relay_(std::move(relay)), plain_(std::move(plain)) {}
  ~Dialed() override {
    plain_.reset();
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    thread_.join();
  }
  Status begin() {
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return detail::system_error("make an event descriptor");
    thread_ = std::thread([this] { run(); });
    return {};
  }
  Fd take() override { return std::move(plain_); }

 private:
  void run() {
    name_thread("gate-line");
    while (relay_.move()) {
      pollfd waits[3] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                         {.fd = relay_.net(), .events = relay_.net_events(), .revents = 0},
                         {.fd = relay_.plain(), .events = relay_.plain_events(), .revents = 0}};
      for (pollfd& wait : waits)
        if (wait.events == 0) wait.fd = -1;
      (void)::poll(waits, 3, relay_.has_more() ? 0 : -1);
      if (waits[0].revents != 0) break;
    }
    relay_.open({});  // the plain end hears of it
  }

  Relay relay_;
  Fd plain_, wake_;
  std::thread thread_;
};

Status shake_hands(Relay& relay, const Dial& dial, std::int64_t until_ns) {
  for (;;) {
    const Relay::Shake state = relay.shake(false);
    if (state == Relay::Shake::kDone) return {};
    if (state == Relay::Shake::kFailed)
      return fail(Kind::kDenied, "gate.refused",
                  text("{} ended the handshake: {}", dial.address, detail::openssl_reason()));
    const std::int64_t left_ms = (until_ns - system_clock().mono_ns()) / kMs;
    pollfd wait{.fd = relay.net(), .events = relay.net_events(), .revents = 0};
    if (left_ms <= 0 || ::poll(&wait, 1, static_cast<int>(left_ms)) == 0)
      return fail(Kind::kTimeout, "gate.timeout",
                  text("found no end of the handshake with {} in {} ms", dial.address, dial.wait_ms));
  }
}

}  // namespace

Result<std::unique_ptr<Gate>> Gate::start(const crypto::Identity& identity, Options options, Taken taken) {
  auto server = std::make_unique<Server>(std::move(options), std::move(taken));
  TRY_OK(server->begin(identity));
  return server;
}

Result<std::unique_ptr<Line>> Line::dial(const Dial& dial) {
  const std::int64_t until_ns = system_clock().mono_ns() + dial.wait_ms * kMs;
  TRY(const auto context, detail::client_context(dial.key));
  TRY(Fd net, detail::connect_to(dial.address, dial.wait_ms));
  TRY(auto ssl, detail::session(*context, net.get()));
  Relay relay(std::move(ssl), std::move(net));
  TRY_OK(shake_hands(relay, dial, until_ns));
  const auto shown = detail::shown_by_peer(relay.ssl());
  if (!shown || *shown != dial.server)
    return fail(Kind::kDenied, "gate.wrong_identity",
                text("found {} at {}, expected {}", shown ? text("identity {}", *shown) : std::string("no identity"),
                     dial.address, dial.server));
  TRY(auto pair, detail::plain_pair());
  relay.open(std::move(pair.ours));
  auto line = std::make_unique<Dialed>(std::move(relay), std::move(pair.theirs));
  TRY_OK(line->begin());
  return line;
}

}  // namespace hanse::gate
