// The world of the mesh simulator: hosts, links, events. See mesh.h.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <set>
#include <unordered_map>

#include "mesh/gossip/gossip.h"
#include "sim/mesh/mesh.h"

namespace hanse::sim::mesh {

using gossip::Frame;
using gossip::kMs;
using gossip::MessageId;
using gossip::PeerId;
using Host = std::uint32_t;

constexpr std::int64_t kOneSidedNs = 20'000 * kMs;  // until a one-sided link must be found by a probe
constexpr std::int64_t kSecond = 1'000 * kMs;

struct Links {
  std::int64_t delay_ms_min = 10, delay_ms_max = 50;  // one-way, fixed for each pair
  std::int64_t jitter_us = 500;
  std::uint64_t loss = 0, repeat = 0, reorder = 0;  // of 10,000 frames
  std::int64_t detect_ms = 300;                     // until a dead connection is noticed
};

class Tokens final : public gossip::Keys {  // signatures that only the origin makes
 public:
  Tokens(std::uint64_t secret, const PeerId& self) : secret_(secret), self_(self) {}
  Bytes sign(const gossip::BatchId& batch) override { return token(self_, batch); }
  gossip::Verdict verify(const PeerId& origin, const gossip::BatchId& batch, ByteView signature) override {
    return equal(token(origin, batch), signature) ? gossip::Verdict::kGood : gossip::Verdict::kBad;
  }

 private:
  Bytes token(const PeerId& origin, const gossip::BatchId& batch) const;
  std::uint64_t secret_;
  PeerId self_;
};

struct Published {
  Host origin = 0;
  std::int64_t at_ns = 0;
  std::size_t part = 0;
  std::size_t expected = 0;  // hosts that must deliver it, the origin not counted
  std::size_t delivered = 0, copies = 0;
  std::int64_t last_ns = 0;
  std::uint64_t last_hops = 0;
};

class Net {
 public:
  Net(const MeshPlan& plan, const gossip::Config& config, const Links& links);

  // ---- deeds
  void add(Host contact);  // one more host, joining by this one; the first joins nobody
  void publish(Host origin, std::size_t payload_bytes);
  void crash(Host h);
  void lies(Host h) { hosts_[h].lies = true; }  // nothing is asked of it
  void part(std::function<int(Host)> side);     // frames between different sides vanish
  void heal();
  void thin(Host h, std::int64_t bytes_per_s) { rate_[h] = bytes_per_s; }
  void inject(Host from, Host to, Frame frame);
  void run_until(std::int64_t at_ns);
  void run_for(std::int64_t ns) { run_until(now_ + ns); }
  void begin_part(std::string name);
  void note(std::string name, std::uint64_t value) { notes_[std::move(name)] = value; }

  // ---- what is seen
  std::int64_t now() const { return now_; }
  std::size_t hosts() const { return hosts_.size(); }
  bool up(Host h) const { return hosts_[h].up; }
  const gossip::Node& node(Host h) const { return *hosts_[h].node; }
  const PeerId& id(Host h) const { return hosts_[h].id; }
  std::optional<Host> host_of(const PeerId& id) const;
  Host draw_up();
  std::uint64_t draw(std::uint64_t bound) { return dice_.below(bound); }
  gossip::TopicId topic() const { return topic_; }
  gossip::Now now_of(Host h) const;
  Links& links() { return links_; }

  void fail(std::string rule, std::string what);
  bool failed() const { return outcome_.failure.has_value(); }
  const MeshPart& part_of(std::size_t i) const { return outcome_.parts[i]; }
  void check_quiet();  // runs on for a while: symmetry, one piece, and what was delivered
  void measure();      // fills the parts from what was published
  std::uint64_t missed_of(std::size_t part, std::size_t index) const;
  MeshOutcome finish();

 private:
  struct HostState {
    PeerId id;
    bool up = true, lies = false;
    std::unique_ptr<Tokens> keys;
    std::unique_ptr<Random> random;
    std::unique_ptr<gossip::Node> node;
    std::int64_t wake_ns = INT64_MAX;
    std::int64_t skew_ms = 0;
    std::set<MessageId> delivered;
  };
  enum class Kind : std::uint8_t { kFrame, kWake, kSent, kDown };
  struct Event {
    std::int64_t at = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::kWake;
    Host host = 0, from = 0;
    std::size_t bytes = 0;
    Frame frame = {};
    friend bool operator>(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
  };
  struct Way {  // of frames from one host to another
    std::int64_t last_arrival = 0, free_at = 0;
    bool down_told = false;
  };

  void push(Event e);
  void handle(const Event& e);
  void apply(Host h, gossip::Effects effects);
  void transmit(Host from, const gossip::SendFrame& s, std::int64_t& sent_at);
  void delivered(Host h, const gossip::Held& message);
  void arm(Host h);
  void check_views(Host h);
  void tell_down(Host at, Host about);
  std::int64_t delay(Host a, Host b);
  Way& way(Host a, Host b) { return ways_[static_cast<std::uint64_t>(a) << 32 | b]; }
  std::set<std::pair<Host, Host>> one_sided() const;
  void check_one_piece();
  void check_sets();

  MeshPlan plan_;
  gossip::Config config_;
  Links links_;
  SeededRandom dice_;
  std::uint64_t secret_;
  gossip::TopicId topic_;
  std::int64_t now_ = 0;
  std::uint64_t order_ = 0, steps_ = 0;
  std::vector<HostState> hosts_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::unordered_map<std::uint64_t, Way> ways_;
  std::map<Host, std::int64_t> rate_;
  std::function<int(Host)> side_;
  std::map<Bytes, Published> published_;  // by payload
  std::vector<const Published*> in_order_;
  std::uint64_t payloads_ = 0;
  std::map<std::string, std::uint64_t> notes_;  // of a scenario, told with the counters
  MeshOutcome outcome_;
};

}  // namespace hanse::sim::mesh
