#include "mesh/transport/detail/core.h"

namespace hanse::transport {

Endpoint::Endpoint(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::create(Options options, const detail::TlsProfile* profile) {
  TRY(std::unique_ptr<Core> core,
      Core::create(std::move(options), profile != nullptr ? *profile : detail::TlsProfile{}));
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(core)));
}

const PeerId& Endpoint::id() const { return core_->id(); }
void Endpoint::receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  core_->receive(path, datagram, ecn, now_ns);
}
bool Endpoint::transmit(Batch& out, std::int64_t now_ns, std::size_t max_packets) {
  return core_->transmit(out, now_ns, max_packets);
}
std::int64_t Endpoint::next_deadline_ns() const { return core_->next_deadline_ns(); }
void Endpoint::on_deadline(std::int64_t now_ns) { core_->on_deadline(now_ns); }
bool Endpoint::next_event(Event& out) { return core_->next_event(out); }
Result<ConnectionId> Endpoint::dial(const Path& path, const PeerId& peer, std::int64_t now_ns) {
  return core_->dial(path, peer, now_ns);
}
bool Endpoint::may_send_early(ConnectionId connection) const { return core_->may_send_early(connection); }
Status Endpoint::migrate(ConnectionId connection, const Path& path, std::int64_t now_ns) {
  return core_->migrate(connection, path, now_ns);
}
void Endpoint::close(ConnectionId connection, CloseCode code, std::int64_t now_ns) {
  core_->close(connection, code, now_ns);
}
void Endpoint::close_all(CloseCode code, std::int64_t now_ns) { core_->close_all(code, now_ns); }
Result<StreamId> Endpoint::open_stream(ConnectionId connection, std::uint64_t protocol) {
  return core_->open_stream(connection, protocol);
}
Status Endpoint::send(ConnectionId connection, StreamId stream, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  if (stream == 0) return fail(Kind::kNotFound, "transport.no_stream", "stream 0 is control: send_control");
  return core_->send(connection, stream, type, std::move(body));
}
Status Endpoint::send_control(ConnectionId connection, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  return core_->send(connection, 0, type, std::move(body));
}
Status Endpoint::end(ConnectionId connection, StreamId stream) { return core_->end(connection, stream); }
Status Endpoint::cancel(ConnectionId connection, StreamId stream, CloseCode code) {
  return core_->cancel(connection, stream, code);
}
Status Endpoint::send_datagram(ConnectionId connection, Bytes body) {
  return core_->send_datagram(connection, std::move(body));
}
std::size_t Endpoint::datagram_room(ConnectionId connection) const { return core_->datagram_room(connection); }
void Endpoint::keep_alive(ConnectionId connection, std::int64_t every_ns) { core_->keep_alive(connection, every_ns); }
void Endpoint::consumed(ConnectionId connection, StreamId stream, std::uint64_t credit) {
  core_->consumed(connection, stream, credit);
}
void Endpoint::consumed(Event event) { core_->consumed(std::move(event)); }
Result<Hash32> Endpoint::binding(ConnectionId connection) const { return core_->binding(connection); }
Result<ConnectionStats> Endpoint::stats(ConnectionId connection) const { return core_->stats(connection); }
std::size_t Endpoint::connections() const { return core_->connections(); }
Totals Endpoint::totals() const { return core_->totals(); }

}  // namespace hanse::transport
