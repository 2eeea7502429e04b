// One node of the mix as a pure state machine: step(state, event, now) -> effects. It links no clock, socket or thread;
// the driver carries cells and turns the key ring, the simulator (sim/mixnet) runs this same object.
//   receive    a cell from a peer. In this order, cheap checks first: room, size and fixed fields, layer of our
//   stratum,
//              a key of its epoch, the peer's bucket, decapsulation, authentication, replay, expiry, delay, lane; then
//              the payload is peeled and the cell waits. A refused cell is dropped and counted; no peer learns why
//   Flash      delay 0: goes on at once, before all Deep cells that wait for the same peer
//   Deep       held for the time that its sender drew; while it is held it is never sent early, whatever happens
//   receiver   the last layer's payload is handed out as it is; cover is dropped, own loops are counted
//   loops      Poisson(loops_per_s) through the strata back to ourselves, as a sender makes them; alarm() tells when
//              fewer than 80 in 100 come back. Who sees all links sees a mix begin loops, not where they end
//   accepting  false: stop reading links, held cells or an epoch's replay set are full. Nothing is forgotten to make
//   room
// Each cell handed out in `sends` is answered with sent() once it left, else that peer's queue fills and its cells are
// lost (counted). Limits: MixConfig, kMixPeersMax, kLoopsPerTick. One thread at a time. Errors: none.
#pragma once

#include "exchange/router/directory.h"
#include "exchange/router/key_ring.h"
#include "exchange/router/loops.h"
#include "exchange/router/message.h"

namespace hanse::router {

constexpr std::size_t kMixPeersMax = 1'024;
constexpr std::size_t kLoopsPerTick = 64;

struct Now {
  std::int64_t mono_ns = 0;
  std::int64_t wall_ms = 0;
};

struct MixConfig {
  NodeId node = {};
  Geometry geometry = kXWingGeometry;
  std::size_t held_max = 65'536;   // 1 GiB of cells
  std::size_t outbox_max = 1'024;  // cells that wait for one peer, of each lane
  std::size_t in_flight_max = 64;  // handed out for one peer and not sent yet
  std::uint32_t peer_cells_per_s = 2'000;
  std::uint32_t peer_burst = 4'000;
  std::uint32_t delay_ms_max = kDelayMaxMs;
  double loops_per_s = 10;
  AnonymityWanted wanted = {};          // of its loops, as senders want it
  std::int64_t loop_slack_ms = 10'000;  // beyond the delays of its hops
  std::int64_t rate_window_ns = RateMeter::kWindowNs;
};

struct CellSend {
  NodeId to;
  Bytes cell;
};
struct CellDelivery {
  Command command = Command::kDeliver;  // or kSurbReply
  Target target;
  Bytes payload;  // decode_message, or SurbBook::open
};
struct MixEffects {
  std::vector<CellSend> sends;
  std::vector<CellDelivery> deliveries;
};

struct MixCounters {
  std::uint64_t received = 0, flash = 0, deep = 0, delivered = 0, cover = 0, loops_sent = 0, loops_back = 0;
  std::uint64_t refused_full = 0, refused_cell = 0, refused_layer = 0, refused_epoch = 0, refused_rate = 0,
                rejected = 0, replays = 0, expired = 0, refused_delay = 0, refused_lane = 0, outbox_full = 0, lost = 0;
};

class Mix {
 public:
  // `ring` and `random` are borrowed.
  Mix(MixConfig config, KeyRing& ring, Random& random, Now now);

  void directory(Directory directory);  // of an epoch; the two newest are kept
  MixEffects receive(Now now, const NodeId& from, Bytes cell);
  MixEffects sent(Now now, const NodeId& to);  // one cell left
  MixEffects tick(Now now);                    // at or after wake_ns()
  void gone(const NodeId& peer);               // its connection ended: what waits for it is lost

  bool accepting(Now now) const;
  std::int64_t wake_ns() const;
  double entropy_bits() const { return meter_.bits(); }
  double deep_per_s(Now now) { return rate_.per_second(now.mono_ns); }
  bool alarm() const { return loops_.alarm(); }
  std::size_t held() const { return held_.size(); }
  const MixCounters& counters() const { return counters_; }

 private:
  struct Peer {
    double tokens = 0;
    std::int64_t filled_ns = 0;
    std::size_t in_flight = 0;
    std::deque<Bytes> flash, deep;
  };
  bool takes(const Head& head) const;
  bool lane_fits(const Head& head, const Routing& routing) const;
  std::uint64_t* refusal(Now now, const NodeId& from, ByteView cell, std::optional<Opened>& opened);
  Peer* peer(const NodeId& node, Now now);
  bool token(const NodeId& from, Now now);
  void pass_on(Now now, const Opened& opened, Bytes cell, MixEffects& out);
  void keep(const Opened& opened, ByteView cell, MixEffects& out);
  void push(Now now, const NodeId& to, Lane lane, Bytes cell, MixEffects& out);
  void drain(const NodeId& to, Peer& peer, MixEffects& out);
  void send_loop(Now now, MixEffects& out);

  const MixConfig config_;
  KeyRing& ring_;
  Random& random_;
  std::map<std::uint32_t, Directory> directories_;
  std::multimap<std::int64_t, CellSend> held_;  // by the time they leave
  std::map<NodeId, Peer> peers_;
  EntropyMeter meter_;
  RateMeter rate_;
  Loops loops_;
  std::int64_t loop_ns_ = 0;
  std::optional<std::uint32_t> full_epoch_;  // whose replay set is full
  MixCounters counters_;
};

}  // namespace hanse::router
