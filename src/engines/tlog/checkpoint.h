// Checkpoints (c2sp.org/tlog-checkpoint): what a log signs about itself, as the text of a note.
//   origin "\n" size in decimal "\n" base64(root 32) "\n", then extension lines, which Hanse's logs do not use
// Parsing is strict: what parses is written back as the same bytes. Pure; any thread.
// Errors: tlog.checkpoint (corrupt: another form), tlog.wrong_origin (denied: of another log), and those of note.h.
#pragma once

#include "base/core/ids.h"
#include "engines/tlog/note.h"

namespace hanse::tlog {

struct TreeHead {
  std::uint64_t size = 0;
  Hash32 root;
  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};
TreeHead empty_head();

struct Checkpoint {
  std::string origin;
  TreeHead head;
  std::vector<std::string> extensions;
};
Result<Checkpoint> parse_checkpoint(std::string_view text);
std::string format_checkpoint(const Checkpoint& checkpoint);

// Parses a note, checks that a key of `keys` signed it and that it is of `origin`.
struct OpenCheckpoint {
  Checkpoint checkpoint;
  Note note;
  Verified verified;
};
Result<OpenCheckpoint> open_checkpoint(std::string_view note, std::string_view origin, std::span<const NoteKey> keys);

// A whole number as these formats have it: decimal, no sign, no leading zero. False when it is none.
bool parse_decimal(std::string_view digits, std::uint64_t& out);
// One line of base64 that must be a SHA-256 hash. False when it is none.
bool parse_hash(std::string_view base64, Hash32& out);
// The next line of `rest`, without its newline; false when none is complete.
bool take_line(std::string_view& rest, std::string_view& line);

}  // namespace hanse::tlog
