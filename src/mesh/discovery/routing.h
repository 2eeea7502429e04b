// The Kademlia routing table and lookups over disjoint paths, as pure cores (Maymounkov and Mazieres, IPTPS 2002;
// Baumgart and Mies, "S/Kademlia", ICPADS 2007; numbers of mesh.md 5.11). Nothing is sent here: the driver asks whom
// next() names and tells what came back. The table holds peers only; what they answer are peer records.
//   key        BLAKE3("hanse/dht-key/1", peer id); nearness is XOR
//   table      a bucket for each shared prefix, at most kBucketMax peers, at most kGroupBucketMax of one address group
//              in a bucket and kGroupTableMax in all; only peers that were dialled back enter; who answers stays, a new
//              one waits (kWaitingMax) until one fails twice
//   lookup     kPaths paths share no peer: a liar spoils one of them. Each path asks kAlpha peers at a time, the
//   nearest
//              first, and ends when nobody unasked is nearer than the kBucketMax nearest that answered, nor within the
//              radius that holds so many honest peers by the density of the own surroundings: sybils crowded around a
//              key do not end it
// Limits: kAsksMax peers asked in a lookup, kCandidatesMax waiting in a path, kAnswerMax contacts taken of one answer.
// One thread at a time. Errors: none; nonsense is ignored.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/core/ids.h"

namespace hanse::discovery {

constexpr std::size_t kBucketMax = 20, kWaitingMax = 8;
constexpr std::size_t kGroupBucketMax = 2, kGroupTableMax = 10;
constexpr std::size_t kAlpha = 3, kPaths = 4;
constexpr std::size_t kAsksMax = 256, kCandidatesMax = 128, kAnswerMax = 20;
constexpr std::int64_t kRefreshNs = 15ll * 60 * 1'000'000'000;

using PeerId = AccountId;
Hash32 dht_key(const PeerId& peer);
Hash32 distance(const Hash32& a, const Hash32& b);  // compares as a big-endian number

struct Contact {
  PeerId peer = {};
  std::uint64_t group = 0;  // of its address: /24 or /48; 0 = not known
};

enum class Proof : std::uint8_t { kHeardOf, kDialledBack };

class RoutingTable {
 public:
  explicit RoutingTable(const PeerId& self);

  bool seen(std::int64_t now_ns, const Contact& contact, Proof proof);  // true when it is in the table
  void failed(const PeerId& peer);
  std::vector<Contact> closest(const Hash32& key, std::size_t n) const;  // nearest first
  // A key to look up in a bucket that nobody looked into for kRefreshNs.
  std::optional<Hash32> refresh_due(std::int64_t now_ns);
  // The upper 64 bits of the distance within which kBucketMax peers are expected; all ones when fewer are known.
  std::uint64_t radius() const;
  std::size_t size() const;
  bool contains(const PeerId& peer) const;
  std::size_t largest_bucket() const;

 private:
  struct Entry {
    Contact contact;
    Hash32 key;
    unsigned failures = 0;
  };
  struct Bucket {
    std::vector<Entry> entries, waiting;  // the one seen last is last
    std::int64_t looked_ns = 0;
  };
  std::size_t bucket_of(const Hash32& key) const;
  bool group_full(const Bucket& bucket, std::uint64_t group) const;

  PeerId self_;
  Hash32 key_;
  std::array<Bucket, 257> buckets_;  // by the number of leading bits shared with the own key
};

class Lookup {
 public:
  struct Config {
    std::size_t paths = kPaths;
    std::uint64_t radius = 0;  // of RoutingTable; 0: the nearest kBucketMax are enough
  };
  Lookup(const Hash32& target, const std::vector<Contact>& seeds, const Config& config);

  std::vector<PeerId> next();  // ask these now; answer each with answered() or failed()
  void answered(const PeerId& peer, const std::vector<Contact>& nearer);
  void failed(const PeerId& peer);
  bool done() const;
  const Hash32& target() const { return target_; }
  std::vector<PeerId> nearest() const;  // of those that answered, at most kBucketMax
  std::size_t asks() const { return asked_.size(); }

 private:
  struct Candidate {
    Hash32 distance;
    PeerId peer;
    friend auto operator<=>(const Candidate&, const Candidate&) = default;
  };
  struct Path {
    std::set<Candidate> candidates;  // unasked
    std::set<Candidate> answered;
    std::set<PeerId> waiting;
  };
  void add(Path& path, const PeerId& peer);
  bool worth_asking(const Path& path, const Candidate& candidate) const;

  Hash32 target_;
  Config config_;
  std::vector<Path> paths_;
  std::set<PeerId> asked_;
};

}  // namespace hanse::discovery
