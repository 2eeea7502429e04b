// Backup: a ledger's data kept elsewhere (store/archive), and taken back. Page: docs/internals/backup.md.
//   <target>/backup-<height>-<unix ms>/manifest, data.tar.zst   a base: the store as it was after one block
//   <target>/cuts/<first height>-<last height>                  the archive: blocks to execute again after a base
// The manifest is written last, so a base that is torn is no base. A restored folder is made beside its place, checked,
// synced and renamed; what stood there before is never touched until then, and is kept as <chain>.before-restore.
//
// What is checked when a base is taken back (verify and restore): the seal of the manifest, hash and size of the packed
// object and of every file, header and state root of the ledger that opens from it, the root recomputed from every
// state record, and the newest certificate, by the validators that the genesis leads to. Blocks from the archive are
// executed by the same applications, and each header must come out as it was archived.
// A restored node has no journal of its votes: it may have promised what it no longer knows. restore() writes the file
// <chain>/restored (kMarkerName); a node that finds it, or finds a store without a journal, starts in abstain mode.
//
// Threads: create and archive_blocks may run beside a ledger that commits; one call at a time for a target.
// Errors: backup.manifest, backup.segment (corrupt: record.h), backup.mismatch (corrupt: found, expected),
// backup.not_found (not_found: no such backup), backup.no_base (not_found: none at or below the point), backup.gap
// (not_found: the archive lacks a block, or ends before the point), backup.other_network, backup.other_chain
// (conflict), backup.exists (conflict: the folder), backup.point (invalid), backup.space (exhausted), light.cert_*,
// and those of archive, ledger, kv, core.fs_*.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "chain/backup/record.h"
#include "store/archive/target.h"

namespace hanse::backup {

constexpr std::string_view kMarkerName = "restored";
constexpr std::int64_t kDayMs = 24ll * 3600 * 1000;

// Names the step that comes next; for people who wait, and for tests that stop there.
using Step = std::function<void(std::string_view)>;

struct Listed {
  std::string id;
  Height height;                     // by its name
  std::int64_t created_ms = 0;       // by its name
  std::optional<Manifest> manifest;  // nothing when it cannot be read; the reason is in damage
  std::string damage;
};

struct Archived {
  std::uint64_t segments = 0, blocks = 0;  // written by this call
  Height last;                             // of the archive now; 0 when it is empty
};

struct WorkOptions {
  std::string scratch;  // folder for copies, on the file system of the store; made when missing, left as it was
  Clock* clock = nullptr;
  Step step = {};
};
// A base of the ledger as it is now; gives its id.
Result<std::string> create(const ledger::Ledger& ledger, archive::Target& target, const WorkOptions& options);
// Every committed block that the archive does not have, in segments of at most kSegmentBlocksMax.
Result<Archived> archive_blocks(const ledger::Ledger& ledger, archive::Target& target);

Result<std::vector<Listed>> list(archive::Target& target);  // ascending height and time
Status erase(archive::Target& target, const std::string& id);

struct Pruned {
  std::vector<std::string> backups;
  std::uint64_t segments = 0;
};
// Erases bases older than the days and the segments that no base left needs. The newest readable base always stays.
Result<Pruned> prune(archive::Target& target, std::uint64_t retention_days, const Clock& clock);

// What a restored ledger is, or a verified base would be.
struct Restored {
  std::string id;                  // of the base
  Height base, height, certified;  // certified: the highest block with a certificate; 0 when there is none
  Hash32 block, state_root;
  std::int64_t time_ms = 0;
  std::uint64_t replayed = 0;  // blocks executed again
  std::uint64_t archived = 0;  // verify: blocks of the archive that follow the base without a hole
  std::string kept;            // restore: where the folder that stood there is now
};

struct Chain {
  const light::Genesis& genesis;
  const std::vector<ledger::App*>& apps;
};
// Takes a base back into scratch, checks it, follows the archive after it by its headers, and leaves nothing behind.
Result<Restored> verify(archive::Target& target, const std::string& id, const Chain& chain, const WorkOptions& options);

struct RestoreOptions {
  std::string dir;                              // the chain folder of a node's data folder
  std::string id = {};                          // of the base; empty: the newest that fits
  std::optional<Height> to_height = {};         // the state after this block
  std::optional<std::int64_t> to_time_ms = {};  // after the last block of that time or earlier
  bool replace = false;                         // dir exists: keep it as <dir>.before-restore
  Fs* fs = nullptr;                             // nullptr: real_fs()
  Step step = {};
};
// Without a point in time: the base alone.
Result<Restored> restore(archive::Target& target, const Chain& chain, const RestoreOptions& options);

// <dir>/restored as one line of JSON, or nothing.
Result<std::optional<std::string>> read_marker(Fs& fs, const std::string& dir);

}  // namespace hanse::backup
