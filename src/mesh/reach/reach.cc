#include "mesh/reach/reach.h"

#include "mesh/reach/detail/core.h"

namespace hanse::reach {

Reach::Reach(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Reach::~Reach() = default;

Result<std::unique_ptr<Reach>> Reach::create(ReachOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY_OK(core->open());
  return std::unique_ptr<Reach>(new Reach(std::move(core)));
}

void Reach::start(Ports ports, std::vector<Address> local, std::int64_t now_ns) {
  core_->ports = std::move(ports);
  uplink(std::move(local), now_ns);
  for (const Known& known : core_->options.known) (void)core_->want(known.peer, known.addresses, {}, now_ns);
}

void Reach::uplink(std::vector<Address> local, std::int64_t now_ns) { core_->uplink(std::move(local), now_ns); }
void Reach::receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  core_->receive(path, datagram, ecn, now_ns);
}
bool Reach::transmit(transport::Batch& out, std::int64_t now_ns) { return core_->transmit(out, now_ns); }
std::int64_t Reach::next_deadline_ns() const { return core_->next_deadline_ns(); }
void Reach::on_deadline(std::int64_t now_ns) { core_->on_deadline(now_ns); }
void Reach::deliver(std::int64_t now_ns) { core_->deliver(now_ns); }

bool Reach::next_event(PeerEvent& out) {
  if (core_->events.empty()) return false;
  out = std::move(core_->events.front());
  core_->events.pop_front();
  return true;
}

Status Reach::want(const PeerId& peer, std::vector<Address> addresses, std::vector<PeerId> relays,
                   std::int64_t now_ns) {
  return core_->want(peer, std::move(addresses), std::move(relays), now_ns);
}

void Reach::hint(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  core_->hint(peer, std::move(addresses), now_ns);
}
void Reach::mapped(const std::optional<Address>& outside) {
  core_->survey.mapped(outside ? std::optional(to_endpoint(*outside)) : std::nullopt);
}

void Reach::let_go(const PeerId& peer) {
  core_->wanted.erase(peer);
  core_->peers->let_go(peer);
}

void Reach::close(const PeerId& peer, transport::CloseCode code, std::int64_t now_ns) {
  core_->wanted.erase(peer);
  core_->peers->let_go(peer);
  core_->peers->close(peer, code, now_ns);
}

void Reach::go_away() {
  for (const auto& [peer, link] : core_->links)
    (void)core_->peers->send_control(peer, transport::kGoawayFrame, std::make_shared<const Bytes>());
}

void Reach::close_all(std::int64_t now_ns) { core_->endpoint->close_all(transport::CloseCode::kDone, now_ns); }

Status Reach::send(const PeerId& peer, std::uint64_t protocol, std::uint8_t type, std::shared_ptr<const Bytes> body,
                   std::int64_t now_ns) {
  core_->use(peer, now_ns);
  return core_->peers->send(peer, protocol, type, std::move(body), now_ns);
}
Status Reach::send_datagram(const PeerId& peer, Bytes body) {
  return core_->peers->send_datagram(peer, std::move(body));
}
void Reach::consumed(PeerEvent frame) { core_->peers->consumed(std::move(frame)); }

const PeerId& Reach::id() const { return core_->endpoint->id(); }
bool Reach::connected(const PeerId& peer) const { return core_->links.contains(peer); }

std::vector<LinkFacts> Reach::links() const {
  std::vector<LinkFacts> out;
  for (const auto& [peer, link] : core_->links) {
    LinkFacts facts{.peer = peer, .path = link.path, .inbound = link.inbound, .roles = link.roles, .up_ns = link.up_ns};
    if (const Circuit* circuit = core_->circuits.find(link.path.remote); circuit != nullptr)
      facts.relay = circuit->relay;
    if (const auto stats = core_->endpoint->stats(link.connection)) {
      facts.rtt_ns = stats->rtt_ns;
      facts.bytes_in = stats->bytes_in;
      facts.bytes_out = stats->bytes_out;
    }
    facts.punch_plan = core_->punches->plan_with(peer);
    if (const identity::Who* who = core_->gate->who(peer); who != nullptr) facts.who = *who;
    facts.papers_error = core_->gate->papers_error(peer);
    out.push_back(std::move(facts));
  }
  return out;
}

std::vector<PeerId> Reach::places() const { return core_->circuits.places(); }

std::vector<Address> Reach::candidates(std::int64_t now_ns) { return core_->candidates(now_ns); }

const std::optional<nat::NatClass>& Reach::nat() const { return core_->survey.result(); }
const relay::Relay* Reach::relay() const { return core_->carrier ? &*core_->carrier : nullptr; }
const peers::Meters& Reach::meters() const { return core_->peers->meters(); }
transport::Endpoint& Reach::endpoint() { return *core_->endpoint; }

ReachCounts Reach::counts() const {
  ReachCounts out = core_->counted;
  out.punched = core_->punches->succeeded();
  out.punch_failed = core_->punches->failed();
  return out;
}

}  // namespace hanse::reach
