// The inside of an Endpoint: who a datagram is for, whose turn it is to write, deadlines, ends. Private to this room.
// An ended connection leaves a Grave for three probe timeouts: its ids lead there, and what still comes is answered
// with the same close, ever more rarely and never with more than three times what came (RFC 9000, 10.2.1 and 8.1).
// Threads: one. Errors: those of transport.h.
#pragma once

#include <deque>
#include <set>
#include <unordered_map>

#include "mesh/transport/detail/connection.h"

namespace hanse::transport {

// What peers gave us for the next visit, the newest of each; the oldest peers give way.
template <class T>
class Visits {
 public:
  void keep(const PeerId& peer, T given) {
    if (!given_.contains(peer)) {
      order_.push_back(peer);
      if (order_.size() > kTokensMax) {
        given_.erase(order_.front());
        order_.pop_front();
      }
    }
    given_[peer] = std::move(given);
  }
  T take(const PeerId& peer) {
    auto node = given_.extract(peer);
    if (node.empty()) return {};
    std::erase(order_, peer);
    return std::move(node.mapped());
  }

 private:
  std::unordered_map<PeerId, T> given_;
  std::deque<PeerId> order_;
};

class Endpoint::Core final : private detail::Host {
 public:
  static Result<std::unique_ptr<Core>> create(Options options, const detail::TlsProfile& profile);
  ~Core() override;

  const PeerId& id() const { return self; }
  void receive(const Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns);
  bool transmit(Batch& out, std::int64_t now_ns, std::size_t max_packets);
  std::int64_t next_deadline_ns() const;
  void on_deadline(std::int64_t now_ns);
  bool next_event(Event& out);
  Result<ConnectionId> dial(const Path& path, const PeerId& peer, std::int64_t now_ns);
  bool may_send_early(ConnectionId connection) const;
  Status migrate(ConnectionId connection, const Path& path, std::int64_t now_ns);
  void close(ConnectionId connection, CloseCode code, std::int64_t now_ns);
  void close_all(CloseCode code, std::int64_t now_ns);

  Result<StreamId> open_stream(ConnectionId connection, std::uint64_t protocol);
  Status send(ConnectionId connection, StreamId stream, std::uint8_t type, std::shared_ptr<const Bytes> body);
  Status end(ConnectionId connection, StreamId stream);
  Status cancel(ConnectionId connection, StreamId stream, CloseCode code);
  Status send_datagram(ConnectionId connection, Bytes body);
  std::size_t datagram_room(ConnectionId connection) const;
  void keep_alive(ConnectionId connection, std::int64_t every_ns);
  void consumed(ConnectionId connection, StreamId stream, std::uint64_t credit);
  void consumed(Event event);
  Result<Hash32> binding(ConnectionId connection) const;
  Result<ConnectionStats> stats(ConnectionId connection) const;
  std::size_t connections() const { return connections_.size(); }
  Totals totals() const { return totals_; }

 private:
  using Connection = detail::Connection;
  using Cid = detail::Cid;
  struct Grave {
    Bytes close;
    std::vector<Cid> cids;
    std::uint64_t received = 0, sent = 0;  // since the end
    std::uint64_t answer_at = 1, heard = 0;
  };
  struct Outgoing {
    Path path;
    Bytes bytes;
  };

  explicit Core(Options given);
  Status check_options() const;
  ngtcp2_tstamp tick(std::int64_t now_ns);  // the endpoint's own time, which never goes back
  std::int64_t to_ns(ngtcp2_tstamp ts) const;

  // Host
  void emit(Event event) override;
  void add_cid(const Cid& cid, Connection& connection) override;
  void remove_cid(const Cid& cid) override;
  void add_reset_token(const detail::ResetToken& token, Connection& connection) override;
  void remove_reset_token(const detail::ResetToken& token) override;
  void handshake_ended(Connection& connection) override;
  const Protocol* protocol(std::uint64_t id) const override;
  Bytes visit_token(const Path& path) const override;
  void keep_token(const PeerId& peer, ByteView token) override;
  void keep_ticket(const PeerId& peer, detail::Ticket ticket) override;
  bool knows_control(std::uint8_t type) const override;
  Bytes spare_body() override;

  void meet(const Path& path, ByteView datagram, std::uint8_t ecn, ngtcp2_tstamp ts);
  void drop(Connection& connection);
  bool pressed(ngtcp2_tstamp ts);
  // Judges the token of a hello; false: it was answered or is not to be.
  bool validate(const Path& path, const ngtcp2_pkt_hd& hello, ngtcp2_tstamp ts, detail::Validated& out);
  void retry(const Path& path, const ngtcp2_pkt_hd& hello, ngtcp2_tstamp ts);
  void refuse_token(const Path& path, const ngtcp2_pkt_hd& hello);
  Connection* forgotten_by(ByteView datagram) const;
  void read(Connection& connection, const Path& path, ByteView datagram, std::uint8_t ecn, ngtcp2_tstamp ts);
  void negotiate_version(const Path& path, const ngtcp2_version_cid& ids);
  void answer_stranger(const Path& path, ByteView datagram, ByteView dcid);
  void answer_from_grave(const Path& path, ConnectionId id, std::size_t size);
  void queue(const Path& path, Bytes bytes);
  void touch(Connection& connection);
  void schedule(Connection& connection);
  void end_with(Connection& connection, const Error& why, ngtcp2_tstamp ts);
  Connection* find(ConnectionId connection) const;
  Result<Connection*> must_find(ConnectionId connection) const;

  std::int64_t first_now_ns_ = 0;
  bool has_first_ = false;
  ngtcp2_tstamp ts_ = 0;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<Cid, ConnectionId, detail::CidHash> routes_;
  std::unordered_map<detail::ResetToken, ConnectionId> reset_tokens_;
  std::unordered_map<ConnectionId, Grave> graves_;
  std::set<std::pair<ngtcp2_tstamp, ConnectionId>> grave_ends_;
  std::set<std::pair<std::int64_t, ConnectionId>> deadlines_;
  std::deque<ConnectionId> dirty_;
  std::deque<Outgoing> outgoing_;  // of no connection
  std::deque<Event> events_;
  std::vector<Bytes> spare_bodies_;
  FixedBytes<32> token_secret_;
  Visits<Bytes> tokens_;
  Visits<detail::Ticket> tickets_;
  ngtcp2_tstamp second_began_ = 0;
  std::size_t hellos_in_second_ = 0;
  ConnectionId next_id_ = 1;
  std::size_t inbound_ = 0, handshakes_ = 0;
  Totals totals_;
};

}  // namespace hanse::transport
