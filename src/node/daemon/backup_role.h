// BackupRole: backups of a running node, as [backup] in node.toml says. A base: the store is copied as it is (a
// checkpoint: hard links beside it), and the program hanse-backup packs, sends, verifies and prunes that copy in a
// process of its own with a nice value of 10. Between bases only the blocks since the last time are sent. So consensus
// waits for nothing of it, keys of object stores are never ours, and what fails or crashes there is a failed run. A run
// that failed is tried again after kRetryFirstMs at first and kRetryMostMs at last. When the newest base was taken lies
// in a file, so a node that starts again does not begin anew. One run at a time, cut after kRunMsMax. Threads: one
// inside; start and stop from one, info from any. Errors of start: core.fs_*. Of runs, in info: what hanse-backup said,
// kv.* of the copy, backup.program (unavailable: it does not start, was cut or says nothing).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "node/client/client.h"
#include "node/daemon/settings.h"

namespace hanse::daemon {

constexpr std::int64_t kRetryFirstMs = 2'000, kRetryMostMs = 600'000;
constexpr std::int64_t kRunMsMax = 6 * 3'600'000;  // of one child

class BackupRole {
 public:
  struct Options {
    BackupSettings settings;
    std::string genesis_file;
    std::string dir;                                            // for copies; on the file system of the store
    std::string state_file;                                     // when the newest base was taken
    std::function<Status(const std::string& path)> checkpoint;  // a copy of the store into this new folder
  };
  static Result<std::unique_ptr<BackupRole>> start(Options options);
  virtual ~BackupRole() = default;
  virtual client::BackupInfo info() const = 0;
  virtual void stop() = 0;  // ends the child; an upload that was cut is no backup
};

}  // namespace hanse::daemon
