// The inside of Channels: peers, and the one thread with its epoll set, links and deadlines.
//   core.cc       the turn of the loop: events, dialing, deadlines, sending
//   judgement.cc  who may come up: keys, hello, twins, refusals
//   channel.cc    what other threads call
// Threads: members under "inside" belong to the thread inside; the rest says how it is shared.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/exec/backoff.h"
#include "mesh/channel/channel.h"
#include "mesh/channel/detail/link.h"

namespace hanse::channel {

namespace detail {

struct Counters {  // written by one thread or under relaxed additions, read by any
  std::atomic<std::uint64_t> frames_in{0}, frames_out{0}, bytes_in{0}, bytes_out{0}, dropped_full{0}, dropped_down{0},
      connects{0}, refusals{0}, violations{0};
  std::atomic<std::int64_t> rtt_us{0};
};

struct Peer {
  Peer(PeerSpec given, Random& random, exec::BackoffLimits limits)
      : index(given.index), key(std::move(given.key)), backoff(random, limits) {}
  const std::uint16_t index;
  const crypto::PublicKey key;

  // any thread
  Counters counters;
  std::atomic<bool> up{false};            // changed under mutex
  std::atomic<bool> has_incoming{false};  // frames or an address wait for the thread inside
  std::array<std::atomic<std::uint64_t>, kPriorities> queued_bytes{};
  std::mutex mutex;
  std::array<std::vector<QueuedFrame>, kPriorities> incoming;  // under mutex
  std::optional<Address> new_address;                          // under mutex

  // inside
  std::optional<Address> address;
  Link* link = nullptr;     // up
  Link* dialing = nullptr;  // not up yet; to a lower index it is a knock
  Link* waiting = nullptr;  // holds the key of `link` and waits for the judgement on it
  std::uint64_t twin_token = 0;
  std::int64_t waiting_until_ns = 0;
  exec::Backoff backoff;
  std::int64_t dial_at_ns = 0;
  std::optional<std::int64_t> refusal_logged_ns;
};

}  // namespace detail

class Channels::Core final : private FrameSink {
 public:
  explicit Core(Options options);
  ~Core() override;
  Status start();
  void stop();

  Status send(std::uint16_t peer, Priority priority, std::uint8_t type, std::shared_ptr<const Bytes> body);
  std::size_t broadcast(Priority priority, std::uint8_t type, const std::shared_ptr<const Bytes>& body);
  std::uint16_t port() const { return listener_.port; }
  bool is_up(std::uint16_t peer) const;
  Result<PeerStats> stats(std::uint16_t peer) const;
  Totals totals() const;
  Status set_peer_address(std::uint16_t peer, std::string_view address);
  Status meet(PeerSpec spec);

 private:
  using Peer = detail::Peer;
  using Link = detail::Link;

  // channel.cc
  Status check_options() const;
  Status check_frame(std::uint8_t type, const std::shared_ptr<const Bytes>& body) const;
  // Those there are now; one that is met comes behind them and stays.
  std::span<const std::unique_ptr<Peer>> peers() const {
    return {peers_.data(), peer_count_.load(std::memory_order_acquire)};
  }
  Peer* find(std::uint16_t index) const;
  Status add_peer(PeerSpec spec);
  enum class Took : std::uint8_t { kFrame, kDown, kFull };
  Took enqueue(Peer& peer, Priority priority, QueuedFrame frame);
  void wake();

  // core.cc
  Status open_loop();
  void run();
  void turn();
  int wait_ms() const;
  Status watch(int fd, std::uint64_t id, std::uint32_t events);
  void accept_all();
  bool make_room_for_handshake();
  void dial(Peer& peer);
  Link* add_link(detail::Fd fd, bool outbound);
  void on_event(std::uint64_t id, std::uint32_t events);
  void connected(Link& link);
  void shake_hands(Link& link);
  void drain(Link& link);
  bool consume(Link& link, ByteView bytes);  // false: the link is gone
  void pump(Link& link);
  void settle(Link& link);  // epoll learns whether the link waits to write
  void take_incoming();
  void move_incoming(Peer& peer);
  std::int64_t scan();
  std::int64_t scan_link(Link& link);
  std::int64_t scan_peer(Peer& peer);
  void frame(Priority priority, std::uint8_t type, Bytes body) override;
  void link(LinkKind kind, std::uint64_t token) override;

  // judgement.cc
  bool knows_key(Link& link, const crypto::PublicKey& key);
  bool judge(Link& link);  // the hello is whole; false: the link is gone
  Status judge_hello(Link& link, const Hello& hello);
  bool admit(Link& link, Peer& peer);
  void knocked(Link& link, Peer& peer);  // the link is gone
  void say_hello(Link& link);
  void come_up(Link& link, Peer& peer);
  void found_twin(Peer& peer);
  void refuse(Link& link, const Error& why);  // a link that is not up; it is gone afterwards
  void drop(Link& link, const Error& why);    // any link; it is gone afterwards
  void note_refusal(std::uint16_t index, const Error& why);
  void remove(Link& link);

  Options options_;
  Clock& clock_;
  Random& random_;
  std::array<std::unique_ptr<Peer>, kPeersMax> peers_;  // the first peer_count_, never changed
  std::atomic<std::size_t> peer_count_{0};
  std::mutex meeting_;  // of those who add
  Nonce nonce_;
  std::atomic<bool> dirty_{false};  // some peer has_incoming
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> inside_{};
  std::atomic<std::uint64_t> handshakes_refused_{0}, accepts_failed_{0}, strangers_{0};
  std::thread thread_;

  // inside, or before start() returns
  detail::Fd epoll_, wake_;
  detail::Listener listener_;
  std::unique_ptr<detail::TlsContext> tls_;
  std::map<std::uint64_t, std::unique_ptr<Link>> links_;  // by id, which grows: the oldest first
  std::uint64_t next_id_;
  std::size_t handshakes_ = 0;         // inbound links that are not up
  std::vector<std::uint64_t> unread_;  // links whose turn ended before their bytes did
  std::vector<std::uint64_t> unsent_;
  std::vector<std::uint64_t> unshaken_;  // handshakes that wait for their turn
  std::int64_t now_ns_ = 0, scan_at_ns_ = 0, accept_again_ns_ = 0;
  bool shook_hands_ = false;  // in this turn
  bool listening_ = true;
  Link* reading_ = nullptr;  // whose frames are being delivered
  bool read_ = false;        // some were, in this turn
  std::optional<std::int64_t> stranger_logged_ns_;
  Bytes read_buffer_, record_;
};

}  // namespace hanse::channel
