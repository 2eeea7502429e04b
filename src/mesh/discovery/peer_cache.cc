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

bool PeerCache::take(std::int64_t now_ms, const crypto::PublicKey& key, SignedRecord record) {
  auto it = entries_.find(record.record.peer);
  if (it == entries_.end()) {
    if (entries_.size() >= kCachedPeersMax) make_place();
    it = entries_.emplace(record.record.peer, Entry{.key = key}).first;
    it->second.seen_ms = now_ms;
  }
  Entry& e = it->second;
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

void PeerCache::expire(std::int64_t now_ms) {
  std::erase_if(entries_, [&](auto& entry) {
    for (auto* record : {&entry.second.of_public, &entry.second.of_local})
      if (*record && (*record)->record.not_after_ms < now_ms - kSkewMs) record->reset();
    return !entry.second.of_public && !entry.second.of_local;
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
    w.array(6);
    w.u64(static_cast<std::uint64_t>(e.key.alg));
    w.bytes(e.key.bytes);
    write_record(w, e.of_public);
    write_record(w, e.of_local);
    w.u64(e.success);
    w.u64(static_cast<std::uint64_t>(std::max<std::int64_t>(e.seen_ms, 0)));
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
      TRY_OK(r.enter_array("peer", 6));
      crypto::PublicKey key;
      TRY(const auto alg, r.u64("alg", 4));
      key.alg = static_cast<crypto::SigAlg>(alg);
      TRY(const ByteView key_bytes, r.bytes("key", kKeyBytesMax));
      key.bytes = to_bytes(key_bytes);
      TRY(const ByteView of_public, r.bytes("public", kRecordBytesMax));
      TRY(const ByteView of_local, r.bytes("local", kRecordBytesMax));
      TRY(const auto success, r.u64("success", 1'000));
      TRY(const auto seen, r.u64("seen", INT64_MAX));
      TRY_OK(r.leave());
      for (const ByteView record : {of_public, of_local}) {
        if (record.empty()) continue;
        auto proved = open_record(record, key, expected);  // time has passed, and a disk may lie
        if (proved)
          out.restore(key, std::move(*proved), static_cast<std::uint32_t>(success), static_cast<std::int64_t>(seen));
      }
    }
    TRY_OK(r.leave());
    TRY_OK(r.leave());
    return r.finish();
  };
  if (auto good = read(); !good) return fail(Kind::kCorrupt, "discovery.cache", good.error().str());
  return out;
}

void PeerCache::restore(const crypto::PublicKey& key, SignedRecord record, std::uint32_t success,
                        std::int64_t seen_ms) {
  const PeerId peer = record.record.peer;
  if (!take(seen_ms, key, std::move(record))) return;
  entries_[peer].success = success;
}

}  // namespace hanse::discovery
