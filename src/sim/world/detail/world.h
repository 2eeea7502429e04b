// The inside of one run. Split over world.cc (events, faults, calm), network.cc, host.cc (effects, disk, ledger) and
// clients.cc.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "base/core/check.h"
#include "sim/check/accounts.h"
#include "sim/world/app.h"
#include "sim/world/detail/liar.h"
#include "sim/world/detail/network.h"
#include "sim/world/oracle.h"
#include "sim/world/world.h"

namespace hanse::sim::detail {

using consensus::Effects;
using consensus::Index;
using consensus::Replica;
using consensus::Seq;

constexpr std::uint64_t kEpoch = 3;
constexpr std::int64_t kWallStartMs = 1'700'000'000'000;
constexpr std::int64_t kMs = 1'000'000, kUs = 1'000;
constexpr std::size_t kPoolBytesMax = 64u << 10;  // of evidence and what waits with it

// One epoch: its set, and who sits where.
struct Era {
  std::uint64_t epoch = 0;
  Seq base = 0;
  std::optional<consensus::Power> power;
  std::vector<Index> members;  // replicas by place
  std::vector<Index> places;   // places by replica; kFollower: none
  std::vector<Index> signers;  // keys by place
  std::unique_ptr<HostOracle> verifier;
};

struct Host {
  HostId id = 0;
  Index self = 0;  // replica
  Era* era = nullptr;
  Index place = 0;                // in the set of its epoch, or kFollower
  bool watched = true;            // honest
  bool up = false, lost = false;  // lost: will not come back
  bool damaged = false;           // its journal cannot be trusted until it votes again
  std::uint32_t gen = 0;          // of the instance
  std::unique_ptr<HostOracle> oracle;
  std::unique_ptr<Replica> replica;
  std::unique_ptr<Liar> liar;
  consensus::Facts facts;
  consensus::Counters counted;  // of instances before this one
  std::int64_t timer_at = 0;
  std::uint32_t timer_hits = 0;
  Dice dice;

  // Disk.
  std::vector<consensus::Record> journal;
  std::int64_t token_base = 0;  // token t of this instance is journal[token_base + t - 1]
  std::uint64_t appended = 0, durable = 0;
  bool syncing = false;
  std::int64_t stalled_until = 0;
  std::int64_t sync_factor = 1;
  struct Release {
    std::uint64_t token = 0;
    Seq executed = 0;
  };
  std::optional<Release> release;
  std::size_t compacted_at = 0;

  // Ledger.
  std::vector<const Block*> chain;  // [0] is genesis
  Seq ledger_synced = 0;
  bool ledger_syncing = false;
  std::vector<consensus::Certificate> certificates;  // of checkpoints, ascending
  std::deque<consensus::Execute> to_execute;
  bool executing = false;

  std::deque<consensus::Statement> to_state;  // being signed
  std::deque<consensus::CheckStatement> to_check;
  std::map<consensus::Fact, consensus::Evidence> accusations;  // not on the ledger yet
  std::vector<consensus::Fact> owed;                           // of those, what must be there before the end
  bool accusing = false;

  Bytes pool;  // transactions to be submitted
  std::uint32_t pool_count = 0;
  bool flushing = false;
  std::int64_t skew_ms = 0;
  std::int64_t slowness = 1;
};

struct Client {
  std::uint32_t number = 0;  // of the current operation
  bool waiting = false, probed = false;
  std::size_t op = 0;  // in history
  Tx tx;
  std::vector<std::uint64_t> known;  // by key
};

class World {
 public:
  World(const Plan& plan, const RunOptions& options, consensus::Power power, std::unique_ptr<Signatures> signatures);
  Outcome run();

 private:
  friend class Liar;

  // world.cc
  void setup();
  void handle(const Event& e, const Frame& frame);
  void begin_fault(const Fault& f);
  void end_fault(const Fault& f);
  void maybe_calm();
  void calm();
  void choose_core();
  bool core_is_level() const;
  void finish();
  void count(const consensus::Counters& c, bool watched);
  void say(std::string_view line);
  void saw(Seen what, std::uint64_t times = 1) { outcome_.seen[static_cast<std::size_t>(what)] += times; }
  void push(EventKind kind, std::int64_t at, HostId host = 0, std::uint64_t arg = 0, std::uint32_t gen = 0);

  // network.cc
  Link& link(HostId from, HostId to) { return links_[from * hosts_.size() + to]; }
  HostId route(const Host& from, Index to) const;
  void transmit(Host& from, Index to, consensus::Type type, const Frame& body);
  void deliver(const Event& e, const Frame& frame);
  Frame damaged(const Frame& body, Dice& dice) const;
  void disconnect(HostId a, HostId b);
  void disconnect_all(HostId a);
  void connect(HostId a, HostId b);
  void reconnect_soon(HostId a, HostId b, std::int64_t after_ns);
  bool may_connect(HostId a, HostId b) const;
  void block(HostId a, HostId b, int by);
  void mute(HostId from, HostId to, int by);

  // host.cc
  consensus::Now now_of(const Host& h) const;
  void start(Host& h);
  void crash(Host& h);
  void apply(Host& h, const consensus::Facts& before, Effects& e);
  void send(Host& h, const consensus::Send& send, const consensus::Facts& before);
  void store(Host& h, Effects& e);
  void begin_sync(Host& h);
  void synced(Host& h, std::uint64_t token);
  void release(Host& h);
  void execute_next(Host& h);
  void executed(Host& h);
  void serve(Host& h, const Effects& e);
  void wake(Host& h);
  void timer(Host& h);
  template <class F>
  void step(Host& h, Step kind, F f) {
    if (!h.up || failed()) return;
    const consensus::Facts before = h.facts;
    Effects e = f(*h.replica, now_of(h));
    h.facts = h.replica->facts();
    if (h.watched) safety_.stepped(h.self, before, h.facts, kind);
    apply(h, before, e);
    wake(h);
  }

  // evidence.cc
  void take_statements(Host& h, Effects& e);
  void stated(Host& h);
  void checked(Host& h);
  void accuse(Host& h);
  void landed(Host& h, const Block& block);
  void owe();
  bool all_paid() const;

  // eras.cc
  Era& era_after(const Block& last);
  const Block& base_of(const Host& h) const;
  Index place_in(const Era& era, Index replica) const;
  Index replica_at(const Era& era, Index place) const;
  void make_replica(Host& h, consensus::Start start, const Block& base);
  void next_epoch(Host& h, const consensus::EpochEnd& end);
  void change_set(std::uint64_t fault);

  // clients.cc
  void put(Host& h, const Tx& tx);
  void start_operation(std::uint32_t client);
  void submit(std::uint32_t client);
  void arrive(Host& h, std::uint32_t client);
  void flush_soon(Host& h);
  void flush(Host& h);
  void answered(const Block& block);
  bool all_answered() const;

  bool failed() const { return safety_.failure().has_value(); }
  Host& host(HostId id) { return *hosts_[id]; }

  const Plan& plan_;
  const RunOptions& options_;
  consensus::Power power_;
  std::unique_ptr<Signatures> signatures_;
  App app_;
  Safety safety_;
  Accounts accounts_;
  Queue queue_;
  std::int64_t now_ = 0;
  std::vector<std::unique_ptr<Era>> eras_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Link> links_;
  std::vector<HostId> twin_of_;           // by replica: its second instance, 0 = none
  std::vector<std::uint64_t> twin_mask_;  // by replica: who is connected to the second
  std::vector<Client> clients_;
  std::vector<Op> history_;
  Dice client_dice_;

  // Faults at work.
  std::int64_t breaks_ = 0, reorder_ = 0, duplicate_ = 0, corrupt_ = 0, spikes_ = 0, spike_ms_ = 0, slow_net_ = 1;
  std::int64_t slow_breaks_ = 0;  // those that stay in the calm
  std::int64_t last_fault_ns_ = 0;
  std::uint64_t lie_mask_ = 0;  // who sees the second face of liars
  bool calm_ = false, done_ = false;
  std::vector<HostId> core_;
  Seq level_ = 0;
  std::int64_t calm_from_ns_ = 0, timeout_ms_ = 0;
  Outcome outcome_;
};

}  // namespace hanse::sim::detail
