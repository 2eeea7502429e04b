// Mixing: a node of the mix (exchange/router) beside Reach on the mesh's thread. It carries cells between the nodes of
// the mix, answers pings and, as an exit, calls (exit.h), and sends its own (calls.h); protocol 0x32 of the mesh,
// frames in wire.h. Who the nodes are comes from one of two places:
//   ledger     its application 5 has keys, strata and exits of every epoch (router/mix_app.h). The driver publishes
//              to_publish() there and hands over what directory() it reads: the same one at every node
//   list       that is the same at all of them, without a ledger. Every node tells every other node of the list its
//              epoch keys over their connection, which proves whose they are: when it is connected and each time the
//              key ring turns. The first key of an epoch holds. Nodes see the same directory while all of them are
//              connected; who is cut off sees fewer nodes, which can tell who he is
// What holds for both:
//   sending    of this node's own messages: through other mixes alone, so that no receiver sees a cell come straight
//              from who made it. A mix therefore needs another one in its stratum to use the Deep lane itself
//   cells      of nodes that are not of the mix are dropped, counted. While the mix does not accept, cells are kept
//              unread and their streams stand still. A cell for who is not connected is lost, counted; loops tell
//   ping       a message with a reply block; its receiver answers with the same bytes. Near an epoch's end an answer
//              may come too late for the block's keys
//   call       on the lane that its caller names, no other. The first error ends it; what is lost later is repeated
// The first key opens in the epoch after the first start, from the ledger two epochs after it.
// Times: monotonic nanoseconds of the caller; the wall clock chooses epochs and is looked at once a second at least.
// Threads: one; `answer` is called on it and must not wait. Borrows reach, random and clock. Blocks on disk when keys
// turn (two or three times an epoch) and in stop. Limits: kNodesMax nodes, kUnreadMax cells unread (the mix refuses
// more), kOwnMax own cells that wait for one peer, kPingsMax pings at once, those of calls.h and exit.h.
// Errors: mixing.nodes (invalid: the list), mixing.limit (exhausted: pings, calls), mixing.no_exit (unavailable),
// mixing.damaged (corrupt: another answer came), those of router::Sender, router::KeyRing and of message.h.
#pragma once

#include <deque>
#include <functional>
#include <set>

#include "base/core/clock.h"
#include "exchange/router/sender.h"
#include "mesh/reach/reach.h"
#include "node/mixing/calls.h"
#include "node/mixing/wire.h"

namespace hanse::mixing {

using transport::PeerId;

constexpr std::size_t kNodesMax = 256, kUnreadMax = 1'024, kOwnMax = 256, kPingsMax = 16;
constexpr std::size_t kPingBytes = 64, kDirectoriesMax = 3;
constexpr std::uint8_t kPingKind = 1, kPongKind = 2;

struct Place {
  PeerId node;
  std::optional<std::uint8_t> stratum{};  // none: receives only
  bool exit = false;                      // answers calls
};
// "ID/STRATUM" with a stratum of 0 to 2, or "ID": receives only; then "/exit" of who answers calls. mixing.nodes.
Result<Place> parse_place(std::string_view given);

struct MixingSettings {
  bool ledger = false;         // who is of the mix comes from there
  std::vector<Place> nodes{};  // this one too; of the ledger's nodes: none
  bool mixes = true;           // of the ledger's nodes: mixes, or receives only
  // An exit's: works out an answer somewhere and brings it to answered().
  std::function<void(const router::MessageId& id, Bytes question)> answer{};
  router::AnonymityWanted wanted{};
  double sends_per_s = 1, loops_per_s = 0.2, mix_loops_per_s = 10;
  std::uint32_t peer_cells_per_s = 2'000;
  std::size_t held_max = 65'536;  // cells of the Deep lane
  std::int64_t epoch_ms = 600'000, grace_ms = 60'000;
  std::string path{};        // of the key ring's file
  FixedBytes<32> secret{};   // of this node's identity alone
  Clock* clock = nullptr;    // null: system_clock(); for its wall time
  Random* random = nullptr;  // null: system_random()
};
transport::Protocol protocol();

struct MixFacts {
  std::uint32_t epoch = 0;
  bool mixes = false;     // has a stratum
  bool takes = false;     // has a key of this epoch that takes cells
  std::size_t nodes = 0;  // whose key of this epoch is known
  std::size_t listed = 0;
  std::size_t held = 0, waiting = 0, unread = 0;
  double entropy_bits = 0, deep_per_s = 0;
  bool mix_alarm = false, own_alarm = false;
  router::MixCounters mix;
  router::SenderCounters sent;
  std::uint64_t loops_back = 0;              // of the sender's
  std::uint64_t strangers = 0;               // cells of nodes outside the list
  std::uint64_t lost = 0;                    // for who was not connected, or over a limit
  std::uint64_t pings_answered = 0;          // of others
  bool exit = false;                         // answers calls
  std::size_t exits = 0;                     // of the directory, others
  std::string flash_error, deep_error;       // why no call can begin on the lane; "" when one can
  std::size_t calls = 0, calls_running = 0;  // own ones; of others, worked on
  std::uint64_t calls_begun = 0, calls_repeated = 0, calls_rerouted = 0;  // own: messages, questions to other exits
  std::uint64_t calls_answered = 0, calls_refused = 0;                    // as an exit
  std::uint64_t undelivered = 0;  // messages that came whole and nothing here takes, or that were altered
  std::string key_error;          // of the last turn of the key ring; "" when it worked
};

// Why cells were refused or lost, and what became of the others, by name: for metrics and status.
using Counts = std::vector<std::pair<std::string_view, std::uint64_t>>;
Counts refusals(const MixFacts& facts);
Counts results(const MixFacts& facts);
Counts calls(const MixFacts& facts);  // own ones, their repeats, and others' as an exit

class Mixing {
 public:
  static Result<std::unique_ptr<Mixing>> open(MixingSettings settings, reach::Reach& reach, std::int64_t now_ns);

  // Every event of Reach. Frames of kMixProtocol are taken over, consumed() with them: true then.
  bool handle(reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;
  Status stop();  // puts the keys away; nothing is taken after it
  MixFacts facts(std::int64_t now_ns);

  Result<router::MessageId> ping(const PeerId& to, router::Lane lane, std::int64_t now_ns);
  std::optional<Result<std::int64_t>> ended(const router::MessageId& id);  // round trip in ns; nothing while it goes on
  void forget(const router::MessageId& id) { pings_.erase(id); }

  // A question to an exit, by the lane named.
  Result<router::MessageId> call(router::Lane lane, Bytes question, std::int64_t now_ns);
  std::optional<Result<Bytes>> call_ended(const router::MessageId& id) { return calls_.ended(id); }
  void forget_call(const router::MessageId& id) { calls_.forget(id); }
  void answered(const router::MessageId& id, Bytes answer, std::int64_t now_ns);  // of what settings.answer got

  struct ToPublish {
    std::uint32_t epoch = 0;  // the current one
    std::vector<router::EpochPublic> keys;
    double deep_per_s = 0;
  };
  ToPublish to_publish(std::int64_t now_ns);
  void directory(router::Directory directory, std::int64_t now_ns);  // of the ledger; kDirectoriesMax newest are kept

 private:
  struct Own {  // a cell on its way out
    std::shared_ptr<const Bytes> cell;
    bool of_mix = false;
  };
  struct Line {
    std::deque<Own> cells;
    bool full = false;
  };
  struct Ping {
    Bytes body;
    std::int64_t begun_ns = 0;
    std::optional<Result<std::int64_t>> ended;
  };
  struct Known {
    std::map<std::uint32_t, crypto::KemPublicKey> keys;
    double deep_per_s = 0;
  };

  Mixing(MixingSettings settings, reach::Reach& reach, router::KeyRing ring, std::int64_t now_ns);
  router::Now at(std::int64_t now_ns) const { return {now_ns, clock_.wall_ms()}; }
  void on_keys(const PeerId& from, ByteView body, std::int64_t now_ns);
  void on_cell(const PeerId& from, Bytes cell, std::int64_t now_ns);
  void apply(router::MixEffects effects, std::int64_t now_ns);
  void apply(router::SenderEffects effects, std::int64_t now_ns);
  void deliver(const router::CellDelivery& delivery, std::int64_t now_ns);
  void pong(router::Message message, std::int64_t now_ns);
  void push(const PeerId& to, Bytes cell, bool of_mix, std::int64_t now_ns);
  void flush(std::int64_t now_ns);
  void flush(const PeerId& to, std::int64_t now_ns);
  void turn(std::int64_t now_ns);
  void tell(const PeerId& to, std::int64_t now_ns);
  void make_directories(std::int64_t now_ns);
  router::Directory told_directory(std::uint32_t epoch) const;
  router::Directory directory_of(std::uint32_t epoch) const;
  bool listed(const PeerId& peer) const;
  std::vector<PeerId> directory_exits() const;  // of this epoch, others
  Result<std::vector<PeerId>> exits(router::Lane lane, std::int64_t now_ns);
  std::string lane_error(router::Lane lane, std::int64_t now_ns);
  void read_on(std::int64_t now_ns);
  void send(Calls::Sends sends, std::int64_t now_ns);
  Status send(Calls::Send one, std::int64_t now_ns);
  Result<router::Path> way_back(router::Lane lane, std::int64_t there_ms, std::int64_t now_ns);
  void reply(router::Surb block, const router::Message& message, std::int64_t now_ns);
  void apply(Exit::Effects effects, std::int64_t now_ns);

  const MixingSettings settings_;
  reach::Reach& reach_;
  Clock& clock_;
  Random& random_;
  const PeerId self_;
  std::map<PeerId, Place> places_;
  std::map<std::uint32_t, router::Directory> given_;  // by the ledger
  std::map<PeerId, Known> known_;
  router::KeyRing ring_;
  router::Mix mix_;
  router::Sender sender_;
  router::SurbBook book_;
  std::set<PeerId> greeted_;  // connected, and they speak the protocol
  std::map<PeerId, Line> lines_;
  std::set<PeerId> ready_;
  std::deque<reach::PeerEvent> unread_;
  std::map<router::MessageId, Ping> pings_;
  Calls calls_;
  Exit exit_;
  std::int64_t look_ns_ = 0, turn_ms_ = 0;
  std::string key_error_;
  std::uint64_t loops_back_ = 0, strangers_ = 0, lost_ = 0, pings_answered_ = 0, undelivered_ = 0, calls_begun_ = 0;
};

}  // namespace hanse::mixing
