// The peers a node remembers: record, key, and how well dialling went (mesh.md 5.11). At most kCachedPeersMax; the one
// with the lowest worth goes first. What is taken in was proved by open_record. Two records of one sequence that differ
// are evidence: both are kept, and the peer is not offered any more.
// choose() takes the best of the peers it was not told to leave out, and one in ten times any of them (epsilon-greedy).
// An address at which a peer was reached is kept beside its records, for kReachedMsMax after the last time, so that a
// node that was away for longer than records live finds its way back.
// On disk: one file, replaced as a whole, so that a crash leaves the old or the new one; read back, every record is
// proved again and those that are not, or that ended, are left out. Layout in proto/records/peer_record.md.
// Plain value; one thread at a time. Errors: discovery.cache (corrupt: the file), those of base/core/fs.h.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "base/core/fs.h"
#include "base/core/random.h"
#include "mesh/discovery/record.h"

namespace hanse::discovery {

constexpr std::size_t kCachedPeersMax = 1'024;
constexpr std::size_t kEvidenceMax = 64;
constexpr std::size_t kCacheFileBytesMax = 16u << 20;
constexpr std::int64_t kReachedMsMax = 30ll * 24 * 3'600'000;

struct Equivocation {
  crypto::PublicKey key;
  Bytes first, second;
};

class PeerCache {
 public:
  struct Entry {
    crypto::PublicKey key;
    std::optional<SignedRecord> of_public = {}, of_local = {};
    std::optional<Address> reached = {};  // by our own dial; may be private or loopback
    std::uint32_t success = 500;          // thousandths: moves an eighth of the way to 1000 or 0 with each dial
    std::int64_t seen_ms = 0;             // the last successful dial, or when it was taken in
    bool equivocated = false;
  };

  // False when it was older or the same, or is evidence now.
  bool take(std::int64_t now_ms, const crypto::PublicKey& key, SignedRecord record);
  void dialled(std::int64_t now_ms, const PeerId& peer, bool reached);
  void reached(std::int64_t now_ms, const PeerId& peer, const Address& address);  // and dialled()
  void expire(std::int64_t now_ms);  // drops records that ended; who has none left and was not reached lately goes
  std::optional<PeerId> choose(Random& random, const std::set<PeerId>& leave_out) const;
  // At most n, drawn, whose public record has not ended.
  std::vector<PeerId> some(Random& random, std::size_t n, const PeerId& leave_out, std::int64_t now_ms) const;
  const Entry* find(const PeerId& peer) const;
  const std::map<PeerId, Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  const std::vector<Equivocation>& evidence() const { return evidence_; }

  Status save(Fs& fs, const std::string& path) const;
  static Result<PeerCache> load(Fs& fs, const std::string& path, const Expected& expected);

 private:
  friend Result<PeerCache> decode_cache(ByteView bytes, const Expected& expected);
  Entry& place(const PeerId& peer, const crypto::PublicKey& key, std::int64_t now_ms);
  void make_place();
  std::map<PeerId, Entry> entries_;
  std::vector<Equivocation> evidence_;  // the oldest goes first
};

// The file's bytes; public for the fuzz target.
Result<PeerCache> decode_cache(ByteView bytes, const Expected& expected);

}  // namespace hanse::discovery
