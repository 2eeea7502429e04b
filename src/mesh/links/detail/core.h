// The inside of Links: peers, and the one thread that turns sockets, endpoint and pool.
//   core.cc       the machine: datagrams, events, queues
//   judgement.cc  who may come up: MEET, twins, refusals
//   links.cc      what other threads call
// Threads: members under "inside" belong to the thread inside; the rest says how it is shared.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "mesh/links/links.h"
#include "mesh/links/pieces.h"
#include "mesh/peers/peers.h"
#include "mesh/transport/sockets.h"

namespace hanse::links {

namespace detail {

constexpr std::uint64_t kFirstProtocol = 0x40;  // votes; control and bulk follow
constexpr std::uint8_t kMeetFrame = 0x41, kPingFrame = 0x43, kPongFrame = 0x45, kReadyFrame = 0x47;
constexpr std::size_t kTokenSize = 8;
enum class Close : std::uint64_t { kWrongEpoch = 0x110, kTwin = 0x111, kSilent = 0x112 };  // beside transport's

// The frames that wait for a peer, or the rest of one.
struct Queued {
  std::shared_ptr<const Cut> cut;
  std::size_t next = 0;  // of its frames
};

struct Counters {  // written by one thread or under relaxed additions, read by any
  std::atomic<std::uint64_t> frames_in{0}, frames_out{0}, bytes_in{0}, bytes_out{0}, dropped_full{0}, dropped_down{0},
      connects{0}, refusals{0}, violations{0};
  std::atomic<std::int64_t> rtt_us{0};
};

struct Peer {
  explicit Peer(const PeerSpec& given) : index(given.index), id(crypto::account_id(given.key)) {}
  const std::uint16_t index;
  const transport::PeerId id;

  // any thread
  Counters counters;
  std::atomic<bool> up{false};            // changed under mutex
  std::atomic<bool> has_incoming{false};  // frames or an address wait for the thread inside
  std::array<std::atomic<std::uint64_t>, kPriorities> queued_bytes{};
  std::mutex mutex;
  std::array<std::vector<std::shared_ptr<const Cut>>, kPriorities> incoming;  // under mutex
  std::optional<transport::Address> new_address;                              // under mutex

  // inside
  std::optional<transport::Address> address;
  std::array<std::deque<Queued>, kPriorities> queues;
  std::optional<Nonce> nonce;                      // of the process that is up
  std::optional<transport::ConnectionId> waiting;  // of another process with its key, until the first one answers
  std::uint64_t twin_token = 0;
  std::int64_t silent_at_ns = 0;  // looked at again then
  bool wanted = false;            // by the pool
  std::optional<Error> why;       // it is being closed by us
  std::optional<std::int64_t> refusal_logged_ns;
};

// A connection that has proved a key of ours or of a peer's.
struct Link {
  enum class State : std::uint8_t { kMeeting, kWaiting, kUp };
  State state = State::kMeeting;
  Peer* peer = nullptr;  // null: it proved our own key
  bool outbound = false;
  bool answered = false;      // inbound: our MEET has gone, its READY has not come
  std::int64_t until_ns = 0;  // to be up, or judged
  Nonce nonce;
  transport::Address remote;
  transport::Event up;                 // for the pool, once it may know
  std::vector<transport::Event> held;  // what came before
  std::array<Joiner, kPriorities> joiners;
};

}  // namespace detail

class Links::Core final : private transport::Machine {
 public:
  explicit Core(Options options);
  ~Core() override;
  Status start();
  void stop();

  Status send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body);
  std::size_t broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body);
  std::uint16_t port() const { return port_; }
  bool is_up(std::uint16_t peer) const;
  Result<PeerStats> stats(std::uint16_t peer) const;
  Totals totals() const;
  Status set_peer_address(std::uint16_t peer, std::string_view address);
  Status meet(PeerSpec spec);

 private:
  using Peer = detail::Peer;
  using Link = detail::Link;
  using ConnectionId = transport::ConnectionId;
  using Event = transport::Event;

  // links.cc
  Status check_options() const;
  Status open_endpoint();
  Status check_frame(std::uint8_t type, const std::shared_ptr<const Bytes>& body) const;
  // Those there are now; one that is met comes behind them and stays.
  std::span<const std::unique_ptr<Peer>> peers() const {
    return {peers_.data(), peer_count_.load(std::memory_order_acquire)};
  }
  Peer* find(std::uint16_t index) const;
  Peer* find(const transport::PeerId& id) const;
  Status add_peer(const PeerSpec& spec);
  enum class Took : std::uint8_t { kFrame, kDown, kFull };
  Took enqueue(Peer& peer, Priority priority, std::shared_ptr<const Cut> frame);
  void wake();

  // core.cc
  void run();
  void receive(const transport::Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) override;
  bool transmit(transport::Batch& out, std::int64_t now_ns) override;
  std::int64_t next_deadline_ns() const override;
  void on_deadline(std::int64_t now_ns) override;
  void deliver(std::int64_t now_ns) override;
  void take_events();
  void on_event(Event event);
  void on_peer(peers::PeerEvent event);
  void on_frame(peers::PeerEvent event);
  void take_incoming();
  void want(Peer& peer);
  void feed(Peer& peer);
  void send_control(ConnectionId connection, std::uint8_t type, ByteView body);
  void scan();
  void look_at(Peer& peer);
  void gone(Peer& peer, const Error& why);

  // judgement.cc
  void met(Event event);
  void say_meet(ConnectionId connection, const Link& link);
  void on_control(Link& link, Event event);
  Status judge(const Link& link, const Meet& meet) const;
  void admit(ConnectionId connection, Link& link);
  void welcome(ConnectionId connection, Link& link);
  void come_up(ConnectionId connection, Link& link);
  void hold(ConnectionId connection, Link& link, Event event);
  void found_twin(Peer& peer);
  void over(Event event);  // a connection ended
  void ask_whether_ourselves(const Peer& peer);
  void timed_out(ConnectionId connection, Link& link);
  void give_up_first(Peer& peer, std::string_view why);
  void refuse(ConnectionId connection, const Error& why);
  void note_refusal(Peer* peer, std::uint16_t index, const Error& why);

  Options options_;
  Clock& clock_;
  Random& random_;
  std::array<std::unique_ptr<Peer>, kPeersMax> peers_;  // the first peer_count_, never changed
  std::atomic<std::size_t> peer_count_{0};
  std::mutex meeting_;  // of those who add
  Nonce nonce_;
  std::uint16_t port_ = 0;
  std::atomic<bool> dirty_{false};  // some peer has_incoming
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> inside_{};
  std::atomic<std::uint64_t> strangers_{0}, handshakes_full_{0};
  std::thread thread_;

  // inside, or before start() returns
  std::unique_ptr<transport::Endpoint> endpoint_;
  std::optional<peers::Peers> pool_;
  std::unique_ptr<transport::Sockets> sockets_;
  std::map<ConnectionId, Link> links_;
  struct Hello {
    transport::Path path;
    Bytes bytes;
    std::uint8_t ecn = 0;
  };
  std::deque<Hello> hellos_;      // handshakes that wait for their turn
  std::size_t hellos_taken_ = 0;  // in this turn
  std::int64_t now_ns_ = 0, scan_at_ns_ = 0;
  bool read_ = false;  // frames were delivered, in this turn
  std::optional<std::int64_t> stranger_logged_ns_;
};

}  // namespace hanse::links
