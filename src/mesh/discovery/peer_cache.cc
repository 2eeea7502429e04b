#include "mesh/discovery/peer_cache.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::discovery {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kExploreOneIn = 10;
constexpr std::size_t kKeyBytesMax = 2'592;

// What a place in the cache is worth: success first, then how lately.
auto worth(const PeerCache::Entry& e) { return std::pair{e.equivocated ? 0u : e.success + 1, e.seen_ms}; }

void write_record(codec::CborWriter& w, const std::optional<SignedRecord>& record) {
  w.bytes(record ? ByteView(record->bytes) : ByteView());
}

}  // namespace

PeerCache::Entry& PeerCache::place(const PeerId& peer, const crypto::PublicKey& key, std::int64_t now_ms) {
  auto it = entries_.find(peer);
  if (it == entries_.end()) {
    if (entries_.size() >= kCachedPeersMax) make_place();
    it = entries_.emplace(peer, Entry{.key = key}).first;
    it->second.seen_ms = now_ms;
  }
  return it->second;
}

bool PeerCache::take(std::int64_t now_ms, const crypto::PublicKey& key, SignedRecord record) {
  Entry& e = place(record.record.peer, key, now_ms);
  auto& have = record.record.scope == Scope::kPublic ? e.of_public : e.of_local;
  if (!have) {
    have = std::move(record);
    return true;
  }
  switch (succession(*have, record)) {
    case Succession::kNewer: have = std::move(record); return true;
    case Succession::kSame:
    case Succession::kOlder: return false;
    case Succession::kEquivocation: break;
  }
  if (!e.equivocated) {
    if (evidence_.size() >= kEvidenceMax) evidence_.erase(evidence_.begin());
    evidence_.push_back({.key = key, .first = have->bytes, .second = std::move(record.bytes)});
  }
  e.equivocated = true;
  return false;
}

void PeerCache::dialled(std::int64_t now_ms, const PeerId& peer, bool reached) {
  const auto it = entries_.find(peer);
  if (it == entries_.end()) return;
  Entry& e = it->second;
  e.success = e.success - e.success / 8 + (reached ? 125 : 0);
  if (reached) e.seen_ms = now_ms;
}

void PeerCache::reached(std::int64_t now_ms, const PeerId& peer, const Address& address) {
  if (const auto it = entries_.find(peer); it != entries_.end()) it->second.reached = address;
  dialled(now_ms, peer, true);
}

void PeerCache::expire(std::int64_t now_ms) {
  std::erase_if(entries_, [&](auto& entry) {
    for (auto* record : {&entry.second.of_public, &entry.second.of_local})
      if (*record && (*record)->record.not_after_ms < now_ms - kSkewMs) record->reset();
    if (entry.second.seen_ms < now_ms - kReachedMsMax) entry.second.reached.reset();
    return !entry.second.of_public && !entry.second.of_local && !entry.second.reached;
  });
}

std::optional<PeerId> PeerCache::choose(Random& random, const std::set<PeerId>& leave_out) const {
  std::vector<const std::pair<const PeerId, Entry>*> candidates;
  for (const auto& entry : entries_)
    if (!entry.second.equivocated && !leave_out.contains(entry.first)) candidates.push_back(&entry);
  if (candidates.empty()) return std::nullopt;
  if (random.below(kExploreOneIn) == 0) return candidates[random.below(candidates.size())]->first;
  return (*std::ranges::max_element(candidates, {}, [](const auto* c) { return worth(c->second); }))->first;
}

std::vector<PeerId> PeerCache::some(Random& random, std::size_t n, const PeerId& leave_out, std::int64_t now_ms) const {
  std::vector<PeerId> out;
  for (const auto& [peer, e] : entries_)
    if (e.of_public && !e.equivocated && e.of_public->record.not_after_ms > now_ms && peer != leave_out)
      out.push_back(peer);
  for (std::size_t i = 0; i < std::min(n, out.size()); ++i) std::swap(out[i], out[i + random.below(out.size() - i)]);
  if (out.size() > n) out.resize(n);
  return out;
}

const PeerCache::Entry* PeerCache::find(const PeerId& peer) const {
  const auto it = entries_.find(peer);
  return it == entries_.end() ? nullptr : &it->second;
}

void PeerCache::make_place() {
  entries_.erase(std::ranges::min_element(entries_, {}, [](const auto& e) { return worth(e.second); }));
}

Status PeerCache::save(Fs& fs, const std::string& path) const {
  codec::CborWriter w;
  w.array(2);
  w.u64(kVersion);
  w.array(entries_.size());
  for (const auto& [id, e] : entries_) {
    w.array(7);
    w.u64(static_cast<std::uint64_t>(e.key.alg));
    w.bytes(e.key.bytes);
    write_record(w, e.of_public);
    write_record(w, e.of_local);
    w.u64(e.success);
    w.u64(static_cast<std::uint64_t>(std::max<std::int64_t>(e.seen_ms, 0)));
    Bytes reached;
    if (e.reached) {
      reached = e.reached->ip;
      append_be(reached, e.reached->port);
    }
    w.bytes(reached);
  }
  return replace_file(fs, path, w.take());
}

Result<PeerCache> PeerCache::load(Fs& fs, const std::string& path, const Expected& expected) {
  TRY(const Bytes bytes, read_file(fs, path, kCacheFileBytesMax));
  return decode_cache(bytes, expected);
}

Result<PeerCache> decode_cache(ByteView bytes, const Expected& expected) {
  PeerCache out;
  const auto read = [&]() -> Status {
    codec::CborReader r(bytes, {.size_max = kCacheFileBytesMax, .depth_max = 4});
    TRY_OK(r.enter_array("cache", 2));
    TRY(const auto version, r.u64("version"));
    if (version != kVersion) return r.fail_here("discovery.cache", text("found version {}, expected 1", version));
    TRY_OK(r.enter_array("peers", kCachedPeersMax));
    while (r.more()) {
      TRY_OK(r.enter_array("peer", 7));
      crypto::PublicKey key;
      TRY(const auto alg, r.u64("alg", 4));
      key.alg = static_cast<crypto::SigAlg>(alg);
      TRY(const ByteView key_bytes, r.bytes("key", kKeyBytesMax));
      key.bytes = to_bytes(key_bytes);
      TRY(const ByteView of_public, r.bytes("public", kRecordBytesMax));
      TRY(const ByteView of_local, r.bytes("local", kRecordBytesMax));
      TRY(const auto success, r.u64("success", 1'000));
      TRY(const auto seen, r.u64("seen", INT64_MAX));
      TRY(const ByteView reached, r.bytes("reached", 18));
      TRY_OK(r.leave());
      if (!reached.empty() && reached.size() != 6 && reached.size() != 18)
        return r.fail_here("discovery.cache", text("found an address of {} bytes, expected 6 or 18", reached.size()));
      const auto seen_ms = static_cast<std::int64_t>(seen);
      PeerCache::Entry* kept = nullptr;
      for (const ByteView record : {of_public, of_local}) {
        if (record.empty()) continue;
        auto proved = open_record(record, key, expected);  // time has passed, and a disk may lie
        if (!proved) continue;
        const PeerId peer = proved->record.peer;
        if (out.take(seen_ms, key, std::move(*proved))) kept = &out.entries_[peer];
      }
      if (!reached.empty() && seen_ms >= expected.now_ms - kReachedMsMax) {
        kept = &out.place(crypto::account_id(key), key, seen_ms);
        const std::size_t size = reached.size() - 2;
        kept->reached = {.ip = to_bytes(reached.first(size)), .port = load_be<std::uint16_t>(reached.data() + size)};
      }
      if (kept != nullptr) kept->success = static_cast<std::uint32_t>(success);
    }
    TRY_OK(r.leave());
    TRY_OK(r.leave());
    return r.finish();
  };
  if (auto good = read(); !good) return fail(Kind::kCorrupt, "discovery.cache", good.error().str());
  return out;
}

}  // namespace hanse::discovery
