// State sync: how a replica that is far behind fetches the state of a certified block instead of executing its way
// there (consensus.md 5.8 "Sync"). A pure state machine: step(now, event) -> effects. It links no clock, socket, thread
// or store; chain/replica carries out the effects.
//
// Its way: ask everybody which snapshots they have -> take one that most power offers and that is far enough ahead ->
// its head, certified by the validators whom the genesis leads to (Begin) -> the ranges of the state and the blocks
// between, each checked alone against that header, from several hosts at once (Store) -> Complete.
// Nothing is believed of a host: an answer that does not verify is dropped and its host avoided. One that does not
// answer is asked less and its question goes to another. When no host has the snapshot any more, the next target is
// taken and everything begins anew. When nobody offers one, GaveUp: the replica goes on with slots.
//
// Every Store carries a mark; with the marks and the name that Begin gave, a sync that was cut off goes on where it
// was. Limits: kRequestsMax open requests, kPeerRequestsMax of one host, bytes_per_s, kPartsMax parts. Threads: one at
// a time. Errors: none; what is wrong with an answer is counted, and told by Refuse.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "chain/sync/messages.h"

namespace hanse::sync {

constexpr std::size_t kRequestsMax = 16;
constexpr std::size_t kPeerRequestsMax = 4;
constexpr std::size_t kRangeParts = 64;  // of the state, by the first six bits of the key hash
constexpr std::size_t kPastParts = 4'096;
constexpr std::size_t kPartsMax = kRangeParts + kPastParts;
constexpr std::uint64_t kPastPartBlocks = 256;  // at least so many in a part

struct Config {
  consensus::Index self = 0;
  std::vector<std::uint16_t> power_bp;  // by replica
  light::Trusted trusted;
  std::uint64_t epoch = 0;     // heads of other epochs are left aside
  std::uint64_t lag_min = 0;   // a target is so far above the own height
  std::uint64_t first_id = 1;  // of a request: random, so that no answer from before a restart fits
  std::uint64_t bytes_per_s = 256u << 20;
  std::int64_t ask_ms = 500;        // for offers, before one is taken and before asking again
  std::int64_t reply_ms = 3'000;    // then another host is asked
  std::int64_t away_ms = 1'000;     // a host that did not answer is left alone for so long; doubles up to 32 times
  std::int64_t stalled_ms = 5'000;  // nobody has the target: take another
  std::uint64_t rounds_max = 10;    // of asking without a usable offer
};

// ---- events --------------------------------------------------------------------------------------------------------

struct Start {
  Height height;  // the ledger's own
  Hash32 block;   // its header hash
  struct Resume {
    Bytes name;
    std::vector<std::pair<Bytes, Bytes>> marks;
  };
  std::optional<Resume> resume = {};
};
struct Received {
  consensus::Index from = 0;
  consensus::Frame body;
};
struct Unreachable {  // a request could not be sent
  consensus::Index peer = 0;
};
struct Tick {};
using Event = std::variant<Start, Received, Unreachable, Tick>;

// ---- effects -------------------------------------------------------------------------------------------------------

struct Send {
  consensus::Index to = 0;
  Bytes body;
};
struct Begin {  // forget what was stored for another target
  Bytes name;
};
struct Mark {
  Bytes key, value;
};
struct StoreRange {
  consensus::Frame frame;  // that the views below point into
  light::RangeProof proof;
  std::vector<light::RangeNode> nodes;
  Mark mark;
};
struct StorePast {
  std::vector<PastBlock> blocks;
  Mark mark;
};
struct Complete {  // everything of it was stored
  Head head;
};
struct GaveUp {};
struct Contradiction {  // a certified chain does not hold our own newest block
  std::string why;
};
struct Refuse {  // this host lied; for the log
  consensus::Index peer = 0;
  std::string why;
};
using Effect = std::variant<Send, Begin, StoreRange, StorePast, Complete, GaveUp, Contradiction, Refuse>;
using Effects = std::vector<Effect>;  // to be carried out in order

struct Stats {
  bool active = false;
  Height target;
  std::uint64_t parts = 0, parts_done = 0;
  std::uint64_t bytes = 0, ranges = 0, pairs = 0, blocks = 0;
  std::uint64_t lies = 0, timeouts = 0, targets = 0, resumed = 0;
};

class Sync {
 public:
  explicit Sync(Config config);

  Effects step(std::int64_t now_ns, Event event);
  std::int64_t wake_ns() const;  // when a Tick is due
  Stats stats() const;

 private:
  enum class Phase : std::uint8_t { kIdle, kAsking, kHead, kFetching };
  struct Peer {
    bool liar = false;
    std::int64_t away_until_ns = 0;
    std::uint32_t misses = 0;  // in a row
    std::set<Height> offers;
    std::size_t open = 0;  // requests
  };
  struct Part {
    bool range = true;
    Bytes mark_key;
    light::KeyRange keys;  // what is left of it
    std::uint64_t first_height = 0, last_height = 0;
    bool busy = false, done = false;
  };
  struct Open {  // a request that waits
    consensus::Index peer = 0;
    std::int64_t due_ns = 0;
    enum class What : std::uint8_t { kAsk, kHead, kPart } what = What::kAsk;
    std::size_t part = 0;
  };

  void start(Start event);
  bool resume(const Start::Resume& from);
  void received(Received event);
  void answered(const Open& open, Reply& reply, const consensus::Frame& frame);
  void tick();
  void ask();
  void choose();
  void want_head();
  void take_head(consensus::Index from, Head head);
  void adopt(Head head);
  void make_parts();
  void schedule();
  bool request_part(std::size_t part);
  void take_range(const Open& open, const Range& range, const consensus::Frame& frame);
  void take_past(const Open& open, Past past);
  void part_done_or_next(std::size_t part, std::optional<Bytes> next);
  void missed(consensus::Index peer);
  void lied(consensus::Index peer, const std::string& why);
  void release(const Open& open);
  void drop_requests(consensus::Index peer);
  void forget_requests();
  void retarget();
  void give_up();
  void send(consensus::Index to, std::variant<Ask, WantHead, WantRange, WantPast> what, Open open);
  bool usable(const Peer& peer) const;
  std::optional<consensus::Index> next_host(Height height, std::size_t open_max);
  std::int64_t ms(std::int64_t n) const { return n * 1'000'000; }

  const Config config_;
  std::int64_t now_ns_ = 0;
  Effects out_;
  Stats stats_;
  Phase phase_ = Phase::kIdle;
  Start own_;
  std::map<consensus::Index, Peer> peers_;
  std::uint64_t next_id_;
  std::map<std::uint64_t, Open> open_;
  consensus::Index turn_ = 0;

  std::int64_t asked_ns_ = 0;  // the last round
  std::uint64_t rounds_ = 0;
  Height wanted_;  // whose head is asked for
  std::optional<Head> head_;
  std::vector<Part> parts_;
  std::size_t part_turn_ = 0;
  std::int64_t hosted_ns_ = 0;               // somebody last had the target
  std::int64_t tokens_ = 0, tokens_ns_ = 0;  // bytes that may still be asked for; when that was counted
};

}  // namespace hanse::sync
