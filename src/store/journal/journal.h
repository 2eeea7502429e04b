// Journal: an append-only log that survives crashes and says so when it did not. For what must never be forgotten
// silently: votes, transactions that were acknowledged. Not a database: RocksDB's own log opens without an error and
// with half of its records after one flipped byte (consensus.md 5.6), which is why this exists.
//
// Layout (docs/internals/journal.md): two mirrors ("a", "b") of up to `segments` prewritten files of segment_bytes,
// made when they are first reached, in 4 KiB blocks that are never rewritten after a sync. Records are chained by
// CRC-32C keyed with the journal's secret nonce, so that bytes inside a payload cannot pose as a record. Every record
// says up to which number everything was durable when it was written; so recovery can tell a torn tail (never
// acknowledged: cut off) from damage:
//   bad in one mirror        repaired from the other
//   bad in both, unsynced    torn tail, truncated
//   bad in both, synced      journal.damaged: the owner must abstain from acting on memory it no longer has
// The nonce also names the instance: a copied data folder has the nonce of its origin.
//
// Limits: a record is at most record_bytes_max(); when no segment is free, append gives journal.full until release().
// Threads: one at a time. After a failed write or sync the journal refuses everything (journal.failed): a failed
// fdatasync may have dropped the pages, and only recovery knows what is there.
// Errors: journal.damaged (corrupt), journal.missing (not_found), journal.exists (conflict), journal.full (exhausted),
// journal.record_size (invalid), journal.options (invalid), journal.failed (unavailable), and core.fs_*.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/result.h"

namespace hanse::journal {

constexpr std::size_t kBlock = 4096;
using Nonce = FixedBytes<16, struct JournalNonceTag>;

struct Options {
  std::uint32_t segment_bytes = 4u << 20;  // a multiple of kBlock, at least 4 blocks, at most 64 MiB
  std::uint32_t segments = 4;              // 2 to 64
};

struct Recovered {
  std::uint64_t first_seq = 1;        // the oldest record kept; last_seq + 1 when there is none
  std::uint64_t last_seq = 0;         // 0 = none ever
  std::uint64_t repaired_blocks = 0;  // rewritten from the other mirror
  std::uint64_t torn_bytes = 0;       // cut off at the tail, never acknowledged
};

struct Record {
  std::uint64_t seq = 0;
  std::uint8_t type = 0;  // the owner's
  ByteView payload;       // valid during the visit
};
using Visit = std::function<Status(const Record&)>;

class Journal {
 public:
  // Makes a new one in a folder that holds none (journal.exists).
  static Result<std::unique_ptr<Journal>> create(Fs& fs, const std::string& dir, Options options, Random& random);
  // Recovers an existing one (journal.missing when the folder holds none).
  static Result<std::unique_ptr<Journal>> open(Fs& fs, const std::string& dir);
  static Result<bool> exists(Fs& fs, const std::string& dir);
  ~Journal();

  // Adds a record to the group being filled; its number is last + 1. Not durable until sync() returns.
  Result<std::uint64_t> append(std::uint8_t type, ByteView payload);
  Status sync();  // makes every appended record durable in both mirrors; nothing to do when none waits
  std::uint64_t last_seq() const;
  std::uint64_t durable_seq() const;

  // Visits durable records with seq >= from in order; an error from visit ends it and is returned.
  Status replay(std::uint64_t from, const Visit& visit) const;
  // Records below seq are no longer needed; their segments are reused when all of a segment's records are below.
  void release(std::uint64_t seq);

  const Recovered& recovered() const;
  const Nonce& nonce() const;
  std::size_t record_bytes_max() const;
  double used_share() const;  // of the segments, 0 to 1: when near 1, release

 private:
  struct Rep;
  explicit Journal(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// For tools; they change nothing.
Result<Recovered> check_journal(Fs& fs, const std::string& dir);  // what open() would find and repair
Status dump_journal(Fs& fs, const std::string& dir, const Visit& visit);

}  // namespace hanse::journal
