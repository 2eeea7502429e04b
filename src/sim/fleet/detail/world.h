// The world of the fleet simulator: nodes, links, events. See fleet.h.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <set>
#include <span>
#include <unordered_map>

#include "base/core/clock.h"
#include "mesh/reach/reach.h"
#include "node/overlay/overlay.h"
#include "sim/fleet/fleet.h"
#include "sim/wire/link.h"

namespace hanse::sim::fleet {

using Host = std::uint32_t;
using reach::PeerId;

constexpr std::int64_t kMs = 1'000'000, kSecond = 1'000 * kMs;
constexpr std::int64_t kSettleNs = 15 * kSecond;  // until a node that came back has neighbours
constexpr std::uint64_t kTalkProtocol = 0x40;
constexpr std::uint32_t kTalkBytesMax = 16u << 10;

struct Climate {  // of all links but those that a scenario changes
  wire::LinkOptions link;
  std::int64_t delay_ms_min = 10, delay_ms_max = 50;  // one-way, fixed for each pair
  bool directory = false;                             // nodes are told where a peer is, and look nobody up
};

class World {
 public:
  World(const FleetPlan& plan, const Climate& climate);
  ~World();

  // ---- deeds
  Host add(std::span<const Host> contacts);              // one more node; the first knows nobody
  void crash(Host h);                                    // without a word
  void restart(Host h, std::span<const Host> contacts);  // the same key, nothing remembered
  void hole(Host a, Host b, bool swallows);              // datagrams between the two
  void want(Host from, Host to) { want(from, to, {}); }  // by its id alone
  void want(Host from, Host to, overlay::Places places);
  bool talk(Host from, Host to, std::size_t bytes);  // one frame; false: not connected
  void publish(Host origin, std::size_t bytes);
  void at(std::int64_t when_ns, std::function<void()> what);
  void run_until(std::int64_t at_ns);
  void run_for(std::int64_t ns) { run_until(now_ + ns); }
  bool run_for(std::int64_t most_ns, std::int64_t step_ns, const std::function<bool()>& done);

  // ---- what is seen
  std::int64_t now() const { return now_; }
  std::size_t hosts() const { return hosts_.size(); }
  bool up(Host h) const { return hosts_[h].up; }
  Host draw_up();
  std::uint64_t draw(std::uint64_t bound) { return dice_.below(bound); }
  bool connected(Host a, Host b) const { return hosts_[a].up && hosts_[a].reach->connected(hosts_[b].id); }
  std::size_t neighbours(Host h) const;
  std::vector<Host> peers(Host h) const;
  transport::Address address(Host h) const;
  void progress(std::string_view what);

  void fail(std::string rule, std::string what);
  bool failed() const { return outcome_.failure.has_value(); }

  // ---- judgement
  void check_pairs();  // when all is quiet; runs on for a while (I2)
  using Pairs = std::set<std::pair<Host, Host>>;
  Pairs fallen;                          // a peer of the second went down at the first; for a scenario to clear
  void check_raced(const Pairs& pairs);  // that nothing was lost by dialing at once (I2)
  void check_sets();                     // the same everywhere, within two reconciliations (I6)
  struct Tally {
    std::uint64_t sent = 0, lost = 0;
    std::vector<std::int64_t> delays_ns;
  };
  Tally talked() const;    // frames
  Tally take_published();  // deliveries of what was published since the last call
  struct Meter {
    std::int64_t at_ns = 0;
    std::uint64_t bytes_out = 0, bytes_in = 0;
  };
  Meter meter() const { return {.at_ns = now_, .bytes_out = bytes_out_, .bytes_in = bytes_in_}; }
  std::size_t sides() const;  // of connections
  void figure(FleetFigure figure);
  FleetOutcome finish();

 private:
  class Ear;  // hears what is published
  struct HostState {
    std::unique_ptr<crypto::SecretKey> key;
    PeerId id;
    FixedBytes<32> secret;
    bool up = false;
    unsigned lives = 0;
    std::int64_t born_ns = 0;
    std::unique_ptr<Random> random;
    std::unique_ptr<reach::Reach> reach;
    std::unique_ptr<overlay::Overlay> overlay;
    std::shared_ptr<Ear> ear;
    std::int64_t wake_ns = INT64_MAX;
    std::int64_t turned_ns = -1;
    unsigned turns = 0;                                                                        // at that instant
    std::set<PeerId> peers;                                                                    // by its events
    std::map<std::pair<transport::ConnectionId, transport::StreamId>, std::uint64_t> streams;  // the last frame
    std::set<std::uint64_t> delivered;
  };
  struct Talk {  // from one host to another
    std::uint64_t sent = 0;
    std::vector<bool> heard;
  };
  struct Published {
    Host origin = 0;
    std::int64_t at_ns = 0;
    std::size_t expected = 0, delivered = 0;
  };
  struct Channel {  // one direction between two hosts
    std::unique_ptr<wire::Link> link;
    Host from = 0, to = 0;
    std::int64_t armed_ns = INT64_MAX;
  };
  enum class Kind : std::uint8_t { kArrive, kWake, kDeed };
  struct Event {
    std::int64_t at = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::kWake;
    std::uint64_t who = 0;  // channel, host or deed
    friend bool operator>(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
  };

  void push(std::int64_t at, Kind kind, std::uint64_t who) { queue_.push({at, ++order_, kind, who}); }
  void handle(const Event& e);
  void start(Host h, std::span<const Host> contacts);
  void arrive(Channel& channel);
  void wake(Host h);
  void turn(Host h);
  void deliver(Host h);
  void observe(Host h, const reach::PeerEvent& event);
  void on_talk(Host h, const reach::PeerEvent& event);
  static Bytes talk_body(Host from, Host to, std::uint64_t number, std::size_t size);
  static Bytes published_body(Host origin, std::uint64_t number, std::size_t size);
  void on_published(Host h, const overlay::Delivery& message);
  void send(Host from, const transport::Batch& batch);
  void arm(Host h);
  void arm(std::uint64_t key, Channel& channel);
  Channel& channel(Host from, Host to);
  std::optional<Host> host_at(const transport::Address& address) const;
  void hash(std::uint64_t a, std::uint64_t b);
  std::set<std::pair<Host, Host>> one_sided() const;
  std::set<std::pair<Host, Host>> disputes() const;
  std::optional<std::string> unequal() const;  // who has what others have not

  FleetPlan plan_;
  Climate climate_;
  SeededRandom dice_;
  NetworkId network_;
  ManualClock clock_;
  std::int64_t now_ = 0;
  std::uint64_t order_ = 0;
  std::vector<HostState> hosts_;
  std::map<PeerId, Host> by_id_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::unordered_map<std::uint64_t, Channel> channels_;
  std::unordered_map<std::uint64_t, std::function<void()>> deeds_;
  transport::Batch batch_;
  std::map<std::pair<Host, Host>, Talk> talks_;
  std::vector<Published> published_;
  std::size_t published_taken_ = 0;
  Tally talk_tally_, publish_tally_;
  std::uint64_t bytes_out_ = 0, bytes_in_ = 0;
  std::uint64_t ups_ = 0, moves_ = 0, downs_ = 0, failed_dials_ = 0;
  FleetOutcome outcome_;
};

}  // namespace hanse::sim::fleet
