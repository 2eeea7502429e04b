// Numbers that never come back, over restarts too: the clock's milliseconds or, if that went back, what a file
// reserved. The file holds the first number that was never reserved, in decimal, replaced as a whole before any of a
// block is given. Without a path the clock alone counts.
// Plain value; one thread at a time. Errors: those of base/core/fs.h.
#pragma once

#include <string>

#include "base/core/fs.h"

namespace hanse::overlay {

class Sequence {
 public:
  static Result<Sequence> open(Fs& fs, std::string path, std::uint64_t block, std::int64_t wall_ms);
  std::uint64_t first() const { return next_; }  // the next one to be given
  Status reserve(std::uint64_t upto);            // numbers below `upto` may be used
  Result<std::uint64_t> next();

 private:
  Sequence(Fs& fs, std::string path, std::uint64_t block) : fs_(&fs), path_(std::move(path)), block_(block) {}
  Fs* fs_;
  std::string path_;
  std::uint64_t block_, next_ = 0, reserved_ = 0;
};

}  // namespace hanse::overlay
