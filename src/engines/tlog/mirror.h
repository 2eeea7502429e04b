// The log as a folder of static files (c2sp.org/tlog-tiles) that any web server can hand out.
// update() writes what a newer checkpoint needs and then the checkpoint, each file whole and synced, so whoever reads
// the folder at any moment finds every tile of the checkpoint it has. Full tiles and bundles are never written again.
// It may lag behind the log; it never goes back: a checkpoint of a smaller tree, or of another one of the same size, is
// refused. Partial tiles of earlier checkpoints are removed when their full ones are there.
// Threads: one at a time. Errors: tlog.rollback and tlog.fork (corrupt: the folder shows more than this log, or other
// entries), tlog.unsigned and the like where the folder's checkpoint is not of `keys`, those of the source and of fs.h.
#pragma once

#include <functional>
#include <memory>

#include "base/core/fs.h"
#include "engines/tlog/checkpoint.h"
#include "engines/tlog/tile.h"

namespace hanse::tlog {

class Mirror {
 public:
  struct Parts {
    std::string dir;
    std::string origin;
    std::vector<NoteKey> keys;
    Fs* fs = &real_fs();
    std::function<void(const std::string& path)> made;  // after a file or folder was made: for its mode
  };
  static Result<Mirror> open(Parts parts);

  // fetch: the log's resources as of `note` (LogStore::fetch). note: signed by one of the keys.
  Status update(std::string_view note, const Fetch& fetch);
  const TreeHead& shown() const { return shown_; }

 private:
  Mirror(Parts parts) : parts_(std::move(parts)) {}
  Status write(const std::string& path, ByteView bytes);
  Status copy(const Resource& resource, const Fetch& fetch);
  Status copy_level(Resource first, std::uint64_t size, const Fetch& fetch);
  Status drop_parts(Resource full);

  Parts parts_;
  TreeHead shown_ = empty_head();
  bool any_ = false;  // a checkpoint is there
};

// A folder written by a Mirror, or fetched by whatever means, as a source. size_max of a file: a full bundle.
Fetch folder_fetch(Fs& fs, std::string dir);

}  // namespace hanse::tlog
