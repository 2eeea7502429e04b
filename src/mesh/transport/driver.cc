#include "mesh/transport/driver.h"

namespace hanse::transport {
namespace {

constexpr int kFarewellTurnsMax = 16;

}  // namespace

class Driver::Core final : public Machine {
 public:
  explicit Core(std::function<void(Endpoint&, Event)> taker) : on_event(std::move(taker)) {}

  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) override {
    endpoint->receive(path, datagram, ecn, now_ns);
  }
  bool transmit(Batch& out, std::int64_t now_ns) override { return endpoint->transmit(out, now_ns); }
  std::int64_t next_deadline_ns() const override { return endpoint->next_deadline_ns(); }
  void on_deadline(std::int64_t now_ns) override { endpoint->on_deadline(now_ns); }
  void deliver(std::int64_t) override {
    Event event;
    while (endpoint->next_event(event)) {
      if (on_event)
        on_event(*endpoint, std::move(event));
      else if (event.credit > 0)
        endpoint->consumed(event.connection, event.stream, event.credit);
    }
  }

  std::function<void(Endpoint&, Event)> on_event;
  std::unique_ptr<Endpoint> endpoint;
  std::unique_ptr<Sockets> sockets;
};

Driver::Driver(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Driver::~Driver() = default;

Result<std::unique_ptr<Driver>> Driver::open(DriverOptions options) {
  auto core = std::make_unique<Core>(std::move(options.on_event));
  TRY(core->endpoint, Endpoint::create(std::move(options.endpoint)));
  TRY(core->sockets,
      Sockets::open({.listen = std::move(options.listen), .segments = options.segments, .clock = options.clock},
                    *core));
  return std::unique_ptr<Driver>(new Driver(std::move(core)));
}

Status Driver::turn(std::int64_t wait_ns) { return core_->sockets->turn(wait_ns); }

Status Driver::run() {
  TRY_OK(core_->sockets->run());
  core_->endpoint->close_all(CloseCode::kDone, now_ns());
  for (int i = 0; i < kFarewellTurnsMax; ++i) TRY_OK(turn(0));
  return {};
}

void Driver::stop() { core_->sockets->stop(); }
Status Driver::post(Task task) { return core_->sockets->post(std::move(task)); }
Endpoint& Driver::endpoint() { return *core_->endpoint; }
std::int64_t Driver::now_ns() const { return core_->sockets->now_ns(); }
std::vector<Address> Driver::addresses() const { return core_->sockets->addresses(); }

Result<ConnectionId> Driver::dial(const Address& remote, const PeerId& peer) {
  TRY(const Path path, core_->sockets->path_to(remote));
  return core_->endpoint->dial(path, peer, now_ns());
}

SocketStats Driver::stats() const { return core_->sockets->stats(); }

}  // namespace hanse::transport
