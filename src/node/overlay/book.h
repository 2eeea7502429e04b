// Book: who peers are and where they may be reached: the own records, signed anew when they change or half their life
// is over, and those of others, asked for when they connect (protocol 0x02, frames in wire.h) and kept in a PeerCache.
// Two records of ours (record.h): the public one has public addresses and relays; the local one has the private ones
// too, and goes only to peers on a private or loopback path. No record names a loopback address: where we reached a
// peer ourselves is kept in the cache instead.
// Once a minute a peer that did well is asked whom else it knows (mesh/discovery/exchange.h); what it tells goes the
// same way as what owners give, public records alone.
// Keys of third peers (who published something, whose record a finder holds) are asked of whoever may know them.
// Threads: one. Borrows reach, key, file system, clock. With a folder, DIR/peers.cache is read at the start and
// replaced every kSaveNs when something changed and in stop(); DIR/record.seq keeps the sequence.
// Limits: kKeysMax keys without a record, kAskedMax questions about third peers under way, kGivesPerSecond of one peer
// are looked at and kAsksPerSecond answered; more are ignored. Errors of open: those of base/core/fs.h and
// discovery.cache.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "mesh/discovery/exchange.h"
#include "mesh/discovery/peer_cache.h"
#include "mesh/peers/token_bucket.h"
#include "node/overlay/holds.h"
#include "node/overlay/sequence.h"
#include "node/overlay/wire.h"

namespace hanse::overlay {

constexpr std::size_t kKeysMax = 1'024, kAskedMax = 256;
constexpr std::uint64_t kGivesPerSecond = 4, kAsksPerSecond = 16;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kSaveNs = 60 * kSecondNs;

using Directory = std::function<std::optional<Address>(const PeerId&)>;

struct OverlayOptions {
  NetworkId network;
  const crypto::SecretKey* key = nullptr;
  std::uint64_t roles = 0;
  std::vector<reach::Known> known;  // that Reach wants for ever
  bool gossip = true;
  // Where a peer is, for who knows its network's addresses by other means: nothing is looked up then, and no record is
  // put at others. Empty: the finder's Kademlia.
  Directory directory;
  Bytes agent_cert;          // of the agent that runs here and is to be found; empty: none
  std::string folder;        // "": nothing is kept
  Fs* fs = nullptr;          // null: real_fs()
  Clock* clock = nullptr;    // null: system_clock(); for the wall clock alone
  Random* random = nullptr;  // null: system_random()
};

class Book {
 public:
  static Result<Book> open(reach::Reach& reach, const OverlayOptions& options);

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const { return look_ns_; }
  void stop();

  // What a peer did elsewhere counts for whom is asked, and believed, about others.
  void judge_by(std::function<std::int64_t(const PeerId&, std::int64_t now_ns)> score) { judge_ = std::move(score); }

  // Asks `of` about somebody else; answered by take_learned(), or not at all.
  void ask(const PeerId& about, const PeerId& of, std::int64_t now_ns);
  // Takes what a third peer sent of an owner; false when something in it is false, or too old.
  bool learn(const Give& give, const PeerId& from);
  Result<discovery::SignedRecord> prove(const Give& give) const;  // its public record
  std::vector<PeerId> take_learned() { return std::exchange(learned_, {}); }

  std::optional<crypto::PublicKey> key_of(const PeerId& peer) const;
  std::optional<Give> about(const PeerId& peer) const;  // what anybody may be told
  Places places_of(const PeerId& peer) const;
  const std::optional<discovery::SignedRecord>& own() const { return public_; }
  discovery::PeerCache& cache() { return cache_; }
  const discovery::PeerCache& cache() const { return cache_; }
  std::uint64_t told() const { return told_; }  // records of others that were asked for and are true
  std::int64_t wall_ms() const { return clock_->wall_ms(); }

 private:
  Book(reach::Reach& reach, const OverlayOptions& options, Sequence sequence)
      : reach_(reach),
        options_(options),
        random_(options.random != nullptr ? *options.random : system_random()),
        sequence_(std::move(sequence)) {}
  void renew(std::int64_t now_ns);
  Status sign(const discovery::PeerRecord& as, std::optional<discovery::SignedRecord>& into);
  discovery::PeerRecord described(discovery::Scope scope, std::int64_t now_ns) const;
  void give_own(const PeerId& to, std::int64_t now_ns);
  void on_ask(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_give(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_ask_others(const PeerId& peer, std::int64_t now_ns);
  void on_others(const reach::PeerEvent& event, std::int64_t now_ns);
  discovery::Exchange::Score score_at(std::int64_t now_ns) const;
  void say(const PeerId& to, RecordFrame type, Bytes body, std::int64_t now_ns);
  void save();
  std::string path(std::string_view name) const;

  struct Peer {
    Address remote;
    std::optional<Address> dialed = {};  // by us, directly
    peers::TokenBucket gives{kGivesPerSecond, 2 * kGivesPerSecond}, asks{kAsksPerSecond, 4 * kAsksPerSecond};
  };
  reach::Reach& reach_;
  OverlayOptions options_;
  Random& random_;
  Fs* fs_ = nullptr;
  Clock* clock_ = nullptr;
  Sequence sequence_;
  discovery::PeerCache cache_;
  std::map<PeerId, crypto::PublicKey> keys_;  // without a record
  std::map<PeerId, Peer> peers_;
  std::map<PeerId, std::int64_t> asked_;  // about whom, and when that is given up
  std::vector<PeerId> learned_;
  discovery::Exchange exchange_;
  std::function<std::int64_t(const PeerId&, std::int64_t)> judge_;
  std::uint64_t told_ = 0;
  std::optional<discovery::SignedRecord> public_, local_;
  discovery::PeerRecord as_public_, as_local_;  // what they say but for sequence and end
  std::int64_t look_ns_ = 0, signed_ns_ = 0, save_ns_ = 0;
  bool changed_ = false;
};

}  // namespace hanse::overlay
