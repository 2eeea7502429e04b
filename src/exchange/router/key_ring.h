// The keys of a relay: one a epoch, made ahead so that they can be published, opened when their time comes, destroyed
// when it is over, each with the set of cells that it has seen (design: exchange.md 5.1; bytes:
// proto/records/onion.md).
//   epoch      wall time / epoch_ms. Its key takes cells from grace_ms before it begins until grace_ms after it ended,
//              so the epoch that a cell names chooses one key and nothing is tried
//   on disk    one sealed file. A key is taken out of it, durably, before it takes its first cell: whoever dies loses
//              the key with the memory of what it saw, and sits the epoch out. stop() puts open keys back together with
//              their sets; the next open() takes them out again before anything else, so they come back once
// Thus no crash, failed write or second start makes a relay take a cell twice. What would: putting an older copy of the
// file back by hand. A destroyed key is gone from memory and from the file; blocks that a disk still holds of an older
// file are sealed under `seal`, no more.
// Threads: one at a time. Blocks on disk in open, turn and stop, and for 0.1 ms a key that is made.
// Errors: router.epoch (not_found: no key of that epoch takes cells), router.keys (corrupt: the file was altered, or is
// another node's), and core.fs_*. After an error of turn() keys whose time came stay closed; it tries again.
#pragma once

#include <map>
#include <string>

#include "base/core/fs.h"
#include "base/crypto/aead.h"
#include "exchange/router/replay.h"

namespace hanse::router {

constexpr std::uint32_t kEpochsAheadMax = 8;

struct KeyRingConfig {
  NodeId node;
  Geometry geometry = kXWingGeometry;
  std::int64_t epoch_ms = 600'000;
  std::int64_t grace_ms = 60'000;
  std::uint32_t ahead = 3;  // at most kEpochsAheadMax; keys of so many epochs after the current one exist
  std::size_t tags_max = kReplayMax;
};

struct EpochPublic {
  std::uint32_t epoch = 0;
  crypto::KemPublicKey key;
};

class KeyRing {
 public:
  // `fs` and `random` are borrowed; `seal` is derived from the node's identity.
  static Result<KeyRing> open(Fs& fs, std::string path, crypto::AeadKey seal, KeyRingConfig config, Random& random,
                              std::int64_t wall_ms);
  Status turn(std::int64_t wall_ms);  // at next_turn_ms(), and whenever else
  std::int64_t next_turn_ms(std::int64_t wall_ms) const;
  Status stop() &&;  // nothing takes cells after it

  struct Open {
    const crypto::KemSecretKey& secret;
    ReplaySet& seen;
  };
  Result<Open> at(std::uint32_t epoch);
  std::vector<EpochPublic> to_publish() const;  // keys that were never open, ascending
  std::uint32_t epoch_of(std::int64_t wall_ms) const;

 private:
  struct Entry {
    crypto::SecureBytes seed;
    crypto::KemSecretKey secret;
    bool open = false;
    ReplaySet seen;
  };
  enum class Write : bool { kClosedOnly, kAll };

  KeyRing(Fs& fs, std::string path, crypto::AeadKey seal, KeyRingConfig config, Random& random);
  Result<Entry> entry_of(crypto::SecureBytes seed) const;
  Status load();
  Status save(Write what);
  bool due(std::uint32_t epoch, std::int64_t wall_ms) const;
  bool over(std::uint32_t epoch, std::int64_t wall_ms) const;

  Fs* fs_;
  std::string path_;
  crypto::AeadKey seal_;
  KeyRingConfig config_;
  Random* random_;
  std::uint32_t made_until_ = 0;  // keys up to here were made once, whatever became of them: none is made again
  std::map<std::uint32_t, Entry> entries_;
};

}  // namespace hanse::router
