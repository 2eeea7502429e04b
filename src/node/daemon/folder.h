// Folder: a daemon's data folder, held by one process at a time and bound to one network.
//   hansed.pid   the process, locked while it lives; a stale one means nothing
//   network      hex id of the network the folder belongs to
//   ready        present from the moment the daemon serves until it stops: one JSON line with pid and addresses
// Errors: daemon.folder (denied: cannot be made, is not ours, is open to others), daemon.running (conflict: another
// process holds it), daemon.other_network (conflict: found, expected), core.fs_*.
#pragma once

#include <memory>
#include <string>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::daemon {

class Folder {
 public:
  static Result<Folder> hold(const std::string& dir);
  Folder(Folder&& other) noexcept : dir_(std::move(other.dir_)), lock_fd_(other.lock_fd_) { other.lock_fd_ = -1; }
  Folder& operator=(Folder&&) = delete;
  ~Folder();

  Status bind_network(const NetworkId& network);
  Status write_ready(std::string_view line);
  void remove_ready();
  std::string path(std::string_view name) const { return dir_ + "/" + std::string(name); }

 private:
  Folder(std::string dir, int lock_fd) : dir_(std::move(dir)), lock_fd_(lock_fd) {}
  std::string dir_;
  int lock_fd_ = -1;
};

}  // namespace hanse::daemon
