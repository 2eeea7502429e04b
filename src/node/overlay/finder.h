// Finder: a peer by its id alone (protocol 0x03, frames in wire.h; the rules of table and lookups in
// mesh/discovery/routing.h). A lookup asks ever nearer peers over disjoint paths, dialing those that are not connected;
// what it learns of the peer goes into the book. Our own record is put at the peers nearest to our key when it changed
// and every kPublishNs; it is taken from its owner's own connection alone.
// Into the table comes who we reached directly by our own dial, and had not heard from shortly before (a NAT would let
// us in then); who dials us is tried by another peer for us (Try, Tried), and enters when that one says it answers.
// Addresses are told to those alone who could dial them (may_dial), so a network on loopback or behind one router has
// its own table.
// With a directory (OverlayOptions) none of this happens: the directory says where a peer is.
// Threads: one. Limits: kJobsMax lookups at once, kJobsWaiting more, kStoredMax records (the farthest from our key goes
// first), kTriesMax tries for others at once, kTriesPerSecond of one peer, kFindsPerSecond of one peer; more are
// ignored.
#pragma once

#include <deque>

#include "node/overlay/book.h"

namespace hanse::overlay {

constexpr std::size_t kJobsMax = 8, kJobsWaiting = 64, kStoredMax = 1'024, kHelpsMax = 16;
constexpr std::uint64_t kFindsPerSecond = 64, kTriesPerSecond = 2;
constexpr std::int64_t kPublishNs = 30 * 60 * kSecondNs, kJobNs = 30 * kSecondNs;

struct FinderCounts {
  std::size_t table = 0, stored = 0;
  std::uint64_t lookups = 0, found = 0, asked = 0, puts = 0, tries = 0;
};

class Finder {
 public:
  Finder(reach::Reach& reach, Holds& holds, Book& book, Random& random, Directory directory)
      : reach_(reach),
        holds_(holds),
        book_(book),
        random_(random),
        directory_(std::move(directory)),
        table_(reach.id()) {}

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;

  bool find(const PeerId& peer);  // false: too many lookups; one that is under way is enough
  bool finding(const PeerId& peer) const;
  void publish_soon(std::int64_t now_ns);
  // An address that somebody told of the peer, beside what the book knows.
  std::optional<Address> heard(const PeerId& peer) const;
  FinderCounts counts() const;

 private:
  struct Asked {
    std::uint32_t request = 0;  // 0: not connected yet
    std::int64_t until_ns = 0;
  };
  struct Job {
    enum class What : std::uint8_t { kPeer, kPublish, kRefresh } what = What::kPeer;
    PeerId peer;  // kPeer
    discovery::Lookup lookup;
    std::int64_t until_ns = 0;
    std::map<PeerId, Asked> asked = {};
    std::map<PeerId, Address> heard = {};
  };
  struct Waiting {
    Job::What what = Job::What::kPeer;
    PeerId peer;
    Hash32 key;
  };
  struct Peer {
    Address remote;
    bool direct = false, inbound = false;
    std::int64_t check_ns = INT64_MAX;  // ask somebody to try it
    unsigned checks = 0;
    peers::TokenBucket finds{kFindsPerSecond, 2 * kFindsPerSecond}, tries{kTriesPerSecond, 4 * kTriesPerSecond};
  };
  struct Check {  // that we asked a helper for
    PeerId helper;
    Contact contact;
    std::int64_t until_ns = 0;
  };
  struct Help {  // that we do for somebody
    PeerId asker;
    std::uint32_t request = 0;
    Address address;
    std::int64_t until_ns = 0;
  };

  void on_up(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_gone(const PeerId& peer, std::int64_t now_ns);
  void on_find(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_found(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_put(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_try(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_tried(const reach::PeerEvent& event, std::int64_t now_ns);
  void say(const PeerId& to, FindFrame type, Bytes body, std::int64_t now_ns);
  void enter(const PeerId& peer, const Address& address, std::int64_t now_ns);
  std::vector<discovery::Contact> seeds(const Hash32& key) const;
  void begin(const Waiting& waiting, std::int64_t now_ns);
  void ask(Job& job, const PeerId& peer, std::int64_t now_ns);
  void send_find(Job& job, const PeerId& peer, Asked& asked, std::int64_t now_ns);
  void advance(Job& job, std::int64_t now_ns);
  void end(Job& job, std::int64_t now_ns);
  void let_go(const PeerId& peer);
  void settle_helps(const PeerId& peer, const std::optional<Address>& reached, std::int64_t now_ns);
  void check_inbound(std::int64_t now_ns);

  reach::Reach& reach_;
  Holds& holds_;
  Book& book_;
  Random& random_;
  Directory directory_;
  discovery::RoutingTable table_;
  std::map<PeerId, Address> addresses_;  // of those in the table
  std::map<PeerId, Peer> peers_;         // connected
  std::map<PeerId, std::int64_t> left_;  // who dialed us or was here through a relay, and when it went
  std::map<PeerId, discovery::SignedRecord> stored_;
  std::map<PeerId, crypto::PublicKey> stored_keys_;
  std::deque<Job> jobs_;
  std::deque<Waiting> waiting_;
  std::map<PeerId, Address> heard_;
  std::map<std::uint32_t, Check> checks_;
  std::map<PeerId, std::vector<Help>> helps_;
  std::size_t helping_ = 0;
  std::uint32_t next_request_ = 1;
  std::int64_t publish_ns_ = INT64_MAX, look_ns_ = 0;
  FinderCounts counted_;
};

}  // namespace hanse::overlay
