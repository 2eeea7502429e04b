#include "mesh/reach/detail/core.h"

#include "mesh/nat/demux.h"

namespace hanse::reach {
namespace {

constexpr std::size_t kWholeMax = 1200;  // what every path must carry (RFC 9000, 14): never dropped for size
constexpr std::size_t kCarryQueueMax = 256u << 10;
constexpr std::size_t kRawMax = 4096;

}  // namespace

void Reach::Core::receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  switch (nat::kind_of(datagram, nat::Source::kAnybody)) {
    case nat::DatagramKind::kProbe:
      return punches->receive(path.local.port, to_endpoint(path.remote), datagram, now_ns);
    case nat::DatagramKind::kStun: return on_stun(path, datagram, now_ns);
    default: return endpoint->receive(path, datagram, ecn, now_ns);
  }
}

void Reach::Core::on_stun(const Path& path, ByteView datagram, std::int64_t now_ns) {
  const nat::Endpoint from = to_endpoint(path.remote);
  if (reflector && ports.is_own(path.local.port)) {
    const auto answer = reflector->receive(to_endpoint(path.local), from, datagram, now_ns);
    if (answer) return push({.path = {.local = path.local, .remote = to_address(answer->to)}, .bytes = answer->bytes});
  }
  survey.receive(path.local.port, from, datagram, now_ns);
}

void Reach::Core::push(RawDatagram datagram) {
  if (raw_out.size() < kRawMax) raw_out.push_back(std::move(datagram));
}

bool Reach::Core::transmit(transport::Batch& out, std::int64_t now_ns) {
  if (!raw_out.empty()) {
    RawDatagram d = std::move(raw_out.front());
    raw_out.pop_front();
    if (d.path.local.port == 0) d.path.local.port = own_port(d.path.remote);
    out.path = d.path;
    out.size = out.segment = d.bytes.size();
    out.sent = 0;
    out.ecn = 0;
    out.ttl = d.ttl;
    if (out.buffer.size() < d.bytes.size()) out.buffer.resize(d.bytes.size());
    std::ranges::copy(d.bytes, out.buffer.begin());
    return true;
  }
  while (endpoint->transmit(out, now_ns)) {
    if (!out.path.remote.is_carried()) return true;
    const Circuit* circuit = circuits.find(out.path.remote);
    for (std::size_t at = 0; circuit != nullptr && at < out.size; at += out.segment)
      send_carried(circuit->relay,
                   {.towards = relay::Towards::kRelay,
                    .circuit = circuit->number,
                    .bytes = ByteView(out.buffer).subspan(at, std::min(out.segment, out.size - at))},
                   now_ns);
    out.size = 0;
  }
  return false;
}

void Reach::Core::send_carried(const PeerId& to, const relay::Carried& carried, std::int64_t now_ns) {
  const auto connection = peers->pool().connection(to);
  if (!connection) return;
  Bytes body = relay::carry(carried);
  if (body.size() <= endpoint->datagram_room(*connection)) {
    (void)peers->send_datagram(to, std::move(body));  // full: lost, as on any link
    return;
  }
  const auto stats = endpoint->stats(*connection);
  if (carried.bytes.size() > kWholeMax || !stats || stats->send_bytes > kCarryQueueMax) return;
  (void)peers->send(to, relay::kCarryProtocol, 1, std::make_shared<const Bytes>(std::move(body)), now_ns);
}

void Reach::Core::on_carried(const PeerId& from, ByteView body, std::int64_t now_ns) {
  const auto carried = relay::open_carried(body);
  if (!carried) return;
  if (carried->towards == relay::Towards::kEnd) {
    const auto address = circuits.address_of(from, carried->circuit);
    if (address) endpoint->receive({.local = {}, .remote = *address}, carried->bytes, 0, now_ns);
    return;
  }
  if (!carrier) return;
  relay::Letters letters;
  const auto to = carrier->carry(from, carried->circuit, carried->bytes.size(), now_ns, letters);
  post(letters);
  if (to)
    send_carried(*to, {.towards = relay::Towards::kEnd, .circuit = carried->circuit, .bytes = carried->bytes}, now_ns);
}

}  // namespace hanse::reach
