// The last checkpoint that a log signed, in a file of its own beside the store: what a store that went back in time, or
// was changed, is compared with before anything more is signed.
// Two slots of kSlotSize bytes are written in turn and synced, so a torn write leaves the one before:
//   u32 CRC-32C of what follows | u32 length | u64 number | note          little-endian; the higher number is the last
// Threads: one at a time. Errors: tlog.signed_corrupt (corrupt: no slot is whole), tlog.note_limit (exhausted: a note
// larger than a slot), tlog.exists (conflict: the file is there already), those of fs.h.
#pragma once

#include <memory>
#include <string>

#include "base/core/fs.h"

namespace hanse::tlog {

constexpr std::size_t kSlotSize = 16 * 1024;

class SignedFile {
 public:
  static Status create(Fs& fs, const std::string& path, std::string_view note);
  static Result<SignedFile> open(Fs& fs, const std::string& path);

  const std::string& last() const { return last_; }
  Status put(std::string_view note);  // durable when it returns

 private:
  SignedFile() = default;
  std::unique_ptr<File> file_;
  std::uint64_t number_ = 0;
  std::string last_;
};

}  // namespace hanse::tlog
