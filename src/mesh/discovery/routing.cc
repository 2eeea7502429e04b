#include "mesh/discovery/routing.h"

#include <algorithm>
#include <bit>

#include "base/crypto/hash.h"

namespace hanse::discovery {

namespace {

constexpr unsigned kFailuresMax = 2;

std::uint64_t upper(const Hash32& h) { return load_be<std::uint64_t>(h.data.data()); }

unsigned shared_bits(const Hash32& distance) {
  for (unsigned i = 0; i < 32; ++i)
    if (distance.data[i] != 0) return 8 * i + static_cast<unsigned>(std::countl_zero(distance.data[i]));
  return 256;
}

}  // namespace

Hash32 dht_key(const PeerId& peer) { return crypto::blake3("hanse/dht-key/1", {peer.view()}); }

Hash32 distance(const Hash32& a, const Hash32& b) {
  Hash32 out;
  for (std::size_t i = 0; i < 32; ++i) out.data[i] = a.data[i] ^ b.data[i];
  return out;
}

RoutingTable::RoutingTable(const PeerId& self) : self_(self), key_(dht_key(self)) {}

bool RoutingTable::seen(std::int64_t now_ns, const Contact& contact, Proof proof) {
  if (contact.peer == self_) return false;
  const Hash32 key = dht_key(contact.peer);
  Bucket& b = buckets_[bucket_of(key)];
  if (b.looked_ns == 0) b.looked_ns = now_ns;
  const auto is_it = [&](const Entry& e) { return e.contact.peer == contact.peer; };
  if (const auto it = std::ranges::find_if(b.entries, is_it); it != b.entries.end()) {
    if (proof != Proof::kDialledBack) return true;
    it->failures = 0;
    std::rotate(it, it + 1, b.entries.end());
    return true;
  }
  if (proof != Proof::kDialledBack || group_full(b, contact.group)) return false;
  if (b.entries.size() < kBucketMax) {
    b.entries.push_back({.contact = contact, .key = key});
    return true;
  }
  // Who has been there long stays: newcomers cannot push the old ones out.
  std::erase_if(b.waiting, is_it);
  if (b.waiting.size() >= kWaitingMax) b.waiting.erase(b.waiting.begin());
  b.waiting.push_back({.contact = contact, .key = key});
  return false;
}

void RoutingTable::failed(const PeerId& peer) {
  Bucket& b = buckets_[bucket_of(dht_key(peer))];
  const auto it = std::ranges::find_if(b.entries, [&](const Entry& e) { return e.contact.peer == peer; });
  if (it == b.entries.end() || ++it->failures < kFailuresMax) return;
  b.entries.erase(it);
  while (!b.waiting.empty()) {
    Entry next = std::move(b.waiting.back());
    b.waiting.pop_back();
    if (group_full(b, next.contact.group)) continue;
    b.entries.push_back(std::move(next));
    return;
  }
}

std::vector<Contact> RoutingTable::closest(const Hash32& key, std::size_t n) const {
  std::vector<std::pair<Hash32, const Contact*>> all;
  for (const Bucket& b : buckets_)
    for (const Entry& e : b.entries) all.emplace_back(distance(e.key, key), &e.contact);
  std::ranges::sort(all);
  std::vector<Contact> out;
  for (std::size_t i = 0; i < std::min(n, all.size()); ++i) out.push_back(*all[i].second);
  return out;
}

std::optional<Hash32> RoutingTable::refresh_due(std::int64_t now_ns) {
  for (std::size_t i = 0; i < 256; ++i) {
    Bucket& b = buckets_[i];
    if (b.entries.empty() || now_ns - b.looked_ns < kRefreshNs) continue;
    b.looked_ns = now_ns;
    Hash32 target = key_;  // the first bit that differs is bit i
    target.data[i / 8] ^= static_cast<std::uint8_t>(0x80u >> (i % 8));
    return target;
  }
  return std::nullopt;
}

std::uint64_t RoutingTable::radius() const {
  const auto near = closest(key_, kBucketMax);
  return near.size() < kBucketMax ? UINT64_MAX : upper(distance(dht_key(near.back().peer), key_));
}

std::size_t RoutingTable::size() const {
  std::size_t n = 0;
  for (const Bucket& b : buckets_) n += b.entries.size();
  return n;
}

bool RoutingTable::contains(const PeerId& peer) const {
  const auto& entries = buckets_[bucket_of(dht_key(peer))].entries;
  return std::ranges::any_of(entries, [&](const Entry& e) { return e.contact.peer == peer; });
}

std::size_t RoutingTable::largest_bucket() const {
  return std::ranges::max(buckets_, {}, [](const Bucket& b) { return b.entries.size(); }).entries.size();
}

std::size_t RoutingTable::bucket_of(const Hash32& key) const { return shared_bits(distance(key, key_)); }

bool RoutingTable::group_full(const Bucket& bucket, std::uint64_t group) const {
  if (group == 0) return false;
  const auto of = [&](const Bucket& b) {
    return static_cast<std::size_t>(
        std::ranges::count_if(b.entries, [&](const Entry& e) { return e.contact.group == group; }));
  };
  if (of(bucket) >= kGroupBucketMax) return true;
  std::size_t all = 0;
  for (const Bucket& b : buckets_) all += of(b);
  return all >= kGroupTableMax;
}

// ---- lookups -------------------------------------------------------------------------------------------------------

Lookup::Lookup(const Hash32& target, const std::vector<Contact>& seeds, const Config& config)
    : target_(target), config_(config), paths_(std::max<std::size_t>(config.paths, 1)) {
  for (std::size_t i = 0; i < seeds.size(); ++i) add(paths_[i % paths_.size()], seeds[i].peer);
}

std::vector<PeerId> Lookup::next() {
  std::vector<PeerId> out;
  for (Path& path : paths_) {
    while (path.waiting.size() < kAlpha && !path.candidates.empty() && asked_.size() < kAsksMax) {
      const Candidate first = *path.candidates.begin();
      if (!asked_.contains(first.peer) && !worth_asking(path, first)) break;
      path.candidates.erase(path.candidates.begin());
      if (!asked_.insert(first.peer).second) continue;  // of another path
      path.waiting.insert(first.peer);
      out.push_back(first.peer);
    }
  }
  return out;
}

void Lookup::answered(const PeerId& peer, const std::vector<Contact>& nearer) {
  for (Path& path : paths_) {
    if (path.waiting.erase(peer) == 0) continue;
    path.answered.insert({distance(dht_key(peer), target_), peer});
    for (std::size_t i = 0; i < std::min(nearer.size(), kAnswerMax); ++i) add(path, nearer[i].peer);
  }
}

void Lookup::failed(const PeerId& peer) {
  for (Path& path : paths_) path.waiting.erase(peer);
}

bool Lookup::done() const {
  return std::ranges::all_of(paths_, [&](const Path& p) {
    if (!p.waiting.empty()) return false;
    if (asked_.size() >= kAsksMax) return true;
    const auto first = std::ranges::find_if(p.candidates, [&](const Candidate& c) { return !asked_.contains(c.peer); });
    return first == p.candidates.end() || !worth_asking(p, *first);
  });
}

std::vector<PeerId> Lookup::nearest() const {
  std::set<Candidate> all;
  for (const Path& p : paths_) all.insert(p.answered.begin(), p.answered.end());
  std::vector<PeerId> out;
  for (const Candidate& c : all) {
    if (out.size() == kBucketMax) break;
    out.push_back(c.peer);
  }
  return out;
}

void Lookup::add(Path& path, const PeerId& peer) {
  if (asked_.contains(peer)) return;
  path.candidates.insert({distance(dht_key(peer), target_), peer});
  if (path.candidates.size() > kCandidatesMax) path.candidates.erase(std::prev(path.candidates.end()));
}

bool Lookup::worth_asking(const Path& path, const Candidate& candidate) const {
  if (upper(candidate.distance) < config_.radius) return true;
  // A path's share of the nearest: together they find kBucketMax.
  const std::size_t share = (kBucketMax + paths_.size() - 1) / paths_.size();
  if (path.answered.size() < share) return true;
  return candidate < *std::next(path.answered.begin(), static_cast<std::ptrdiff_t>(share - 1));
}

}  // namespace hanse::discovery
