#include "mesh/peers/peers.h"

#include "base/core/text.h"

namespace hanse::peers {

Peers::Peers(transport::Endpoint& endpoint, PeersOptions options)
    : endpoint_(endpoint),
      options_(std::move(options)),
      pool_({.self = endpoint.id(), .limits = options_.limits, .random = options_.random}),
      meters_(options_.bytes_per_second) {}

// ---- what happens --------------------------------------------------------------------------------------------------

void Peers::handle(transport::Event event, std::int64_t now_ns) {
  using In = transport::Event::Type;
  using Out = PeerEvent::Type;
  now_ns_ = std::max(now_ns_, now_ns);
  if (event.type == In::kUp) {
    paths_[event.connection] = event.path;
    pool_.up(
        {.connection = event.connection, .peer = event.peer, .inbound = event.inbound, .remote = event.path.remote},
        now_ns);
    return act(now_ns);
  }
  if (event.type == In::kDown) {
    paths_.erase(event.connection);
    pool_.down(event.connection, *event.error, now_ns);
    return act(now_ns);
  }
  if (event.type == In::kPath && event.code == 0) paths_[event.connection] = event.path;
  const auto peer = pool_.peer_of(event.connection);
  if (!peer) {  // given up; what it holds of the windows goes with it
    endpoint_.consumed(std::move(event));
    return;
  }
  PeerEvent out{.peer = *peer, .inbound = event.inbound, .connection = event.connection, .stream = event.stream};
  switch (event.type) {
    case In::kHello:
      out.type = Out::kHello;
      out.hello = std::move(event.hello);
      break;
    case In::kFrame:
      out.type = Out::kFrame;
      out.protocol = event.protocol;
      out.frame_type = event.frame_type;
      out.body = std::move(event.body);
      out.credit = event.credit;
      meters_.came(*peer, event.protocol, out.body.size());
      pool_.used(*peer, now_ns);
      break;
    case In::kDatagram:
      if (!meters_.take_datagram(*peer, event.body.size(), now_ns_)) return;
      out.type = Out::kDatagram;
      out.body = std::move(event.body);
      pool_.used(*peer, now_ns);
      break;
    case In::kPath:
      if (pool_.connection(*peer) != event.connection) return;
      out.type = Out::kPath;
      out.path = event.path;
      out.code = event.code;
      break;
    case In::kRoom: out.type = Out::kRoom; break;
    case In::kReset:  // the peer does not read it: the next frame opens another
      if (const auto own = streams_.find(*peer); own != streams_.end() && own->second.connection == event.connection)
        std::erase_if(own->second.by_protocol, [&](const auto& s) { return s.second == event.stream; });
      return;
    default: return;
  }
  events_.push_back(std::move(out));
}

void Peers::on_deadline(std::int64_t now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  for (const Held& held : meters_.due(now_ns_)) endpoint_.consumed(held.connection, held.stream, held.credit);
  for (const PeerId& peer : meters_.roomy(now_ns_)) events_.push_back({.type = PeerEvent::Type::kRoom, .peer = peer});
  pool_.on_deadline(now_ns);
  act(now_ns);
}

void Peers::act(std::int64_t now_ns) {
  using In = PoolAction::Type;
  using Out = PeerEvent::Type;
  PoolAction action;
  while (pool_.next_action(action)) {
    PeerEvent out{.peer = action.peer, .connection = action.connection};
    switch (action.type) {
      case In::kDial:
        pool_.dialed(action.peer, action.address, options_.dial(action.address, action.peer, now_ns), now_ns);
        continue;
      case In::kClose: endpoint_.close(action.connection, action.code, now_ns); continue;
      case In::kMoved:
        leave_streams(action.peer);
        streams_[action.peer].connection = action.connection;
        out.type = Out::kMoved;
        place(out);
        break;
      case In::kUp:
        streams_[action.peer] = {.connection = action.connection, .by_protocol = {}};
        meters_.up(action.peer, now_ns_ = std::max(now_ns_, now_ns));
        out.type = Out::kUp;
        place(out);
        break;
      case In::kDown:
        streams_.erase(action.peer);
        meters_.down(action.peer);
        out.type = Out::kDown;
        break;
      case In::kFailed: out.type = Out::kFailed; break;
    }
    out.error = std::move(action.error);
    events_.push_back(std::move(out));
  }
}

void Peers::place(PeerEvent& event) const {
  if (const auto path = paths_.find(event.connection); path != paths_.end()) event.path = path->second;
  if (const auto stats = endpoint_.stats(event.connection)) event.inbound = stats->inbound;
}

// What they hold is still delivered while the old connection is read.
void Peers::leave_streams(const PeerId& peer) {
  Streams& old = streams_[peer];
  for (const auto& [protocol, stream] : old.by_protocol) (void)endpoint_.end(old.connection, stream);
  old.by_protocol.clear();
}

bool Peers::next_event(PeerEvent& out) {
  if (events_.empty()) return false;
  out = std::move(events_.front());
  events_.pop_front();
  return true;
}

// ---- calls ---------------------------------------------------------------------------------------------------------

Status Peers::want(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  Status done = pool_.want(peer, std::move(addresses), now_ns);
  act(now_ns);
  return done;
}

Status Peers::dial(const PeerId& peer, std::vector<Address> addresses, std::int64_t now_ns) {
  Status done = pool_.dial(peer, std::move(addresses), now_ns);
  act(now_ns);
  return done;
}

void Peers::close(const PeerId& peer, CloseCode code, std::int64_t now_ns) {
  pool_.close(peer, code, now_ns);
  act(now_ns);
}

Result<ConnectionId> Peers::need(const PeerId& peer) const {
  const auto connection = pool_.connection(peer);
  if (connection) return *connection;
  return fail(Kind::kUnavailable, "peers.not_connected", text("found no connection with {}", peer));
}

Status Peers::within_budget(const PeerId& peer, std::size_t bytes) {
  if (meters_.may_send(peer, bytes, now_ns_)) return {};
  return fail(Kind::kExhausted, "peers.budget",
              text("found {} bytes for {}, more than its budget of {} a second has left", bytes, peer,
                   options_.bytes_per_second));
}

Status Peers::send(const PeerId& peer, std::uint64_t protocol, std::uint8_t type, std::shared_ptr<const Bytes> body,
                   std::int64_t now_ns) {
  TRY(const ConnectionId connection, need(peer));
  now_ns_ = std::max(now_ns_, now_ns);
  const std::size_t bytes = body->size();
  TRY_OK(within_budget(peer, bytes));
  Streams& own = streams_[peer];
  auto stream = own.by_protocol.find(protocol);
  if (stream == own.by_protocol.end()) {
    TRY(const transport::StreamId opened, endpoint_.open_stream(connection, protocol));
    stream = own.by_protocol.emplace(protocol, opened).first;
  }
  TRY_OK(endpoint_.send(connection, stream->second, type, std::move(body)));
  meters_.sent(peer, protocol, bytes);
  pool_.used(peer, now_ns);
  return {};
}

Status Peers::send_control(const PeerId& peer, std::uint8_t type, std::shared_ptr<const Bytes> body) {
  TRY(const ConnectionId connection, need(peer));
  const std::size_t bytes = body->size();
  TRY_OK(endpoint_.send_control(connection, type, std::move(body)));  // little, and needed to keep the connection
  meters_.sent(peer, transport::kControlProtocol, bytes);
  return {};
}

Status Peers::send_datagram(const PeerId& peer, Bytes body) {
  TRY(const ConnectionId connection, need(peer));
  const std::size_t bytes = body.size();
  TRY_OK(within_budget(peer, bytes));
  TRY_OK(endpoint_.send_datagram(connection, std::move(body)));
  meters_.sent(peer, kDatagramFlow, bytes);
  return {};
}

void Peers::consumed(PeerEvent frame) {
  const Held held{.connection = frame.connection, .stream = frame.stream, .credit = frame.credit};
  if (!meters_.give_back(frame.peer, held, now_ns_)) return;
  endpoint_.consumed({.type = transport::Event::Type::kFrame,
                      .connection = frame.connection,
                      .stream = frame.stream,
                      .credit = frame.credit,
                      .body = std::move(frame.body)});
}

Result<transport::ConnectionStats> Peers::stats(const PeerId& peer) const {
  TRY(const ConnectionId connection, need(peer));
  return endpoint_.stats(connection);
}

}  // namespace hanse::peers
