#include "engines/tlog/checkpoint.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/core/text.h"
#include "base/crypto/merkle.h"

namespace hanse::tlog {

TreeHead empty_head() { return {0, crypto::log_empty_root()}; }

bool parse_decimal(std::string_view digits, std::uint64_t& out) {
  if (digits.empty() || digits.size() > 20 || (digits[0] == '0' && digits.size() > 1)) return false;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value))
      return false;
  }
  out = value;
  return true;
}

bool parse_hash(std::string_view base64, Hash32& out) {
  if (base64.size() != 44) return false;
  const auto bytes = codec::from_base64(base64);
  return bytes && Hash32::from(*bytes, out);
}

bool take_line(std::string_view& rest, std::string_view& line) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return false;
  line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

Result<Checkpoint> parse_checkpoint(std::string_view note_text) {
  const auto refuse = [](std::string_view why) { return fail(Kind::kCorrupt, "tlog.checkpoint", why); };
  Checkpoint out;
  std::string_view rest = note_text, line;
  if (!take_line(rest, line) || line.empty()) return refuse("found no origin in the first line");
  out.origin = line;
  if (!take_line(rest, line) || !parse_decimal(line, out.head.size))
    return refuse(text("found '{}' in the second line, expected a tree size", line.substr(0, 40)));
  if (!take_line(rest, line) || !parse_hash(line, out.head.root))
    return refuse(text("found '{}' in the third line, expected the base64 of a hash", line.substr(0, 60)));
  while (!rest.empty()) {
    if (!take_line(rest, line) || line.empty()) return refuse("found an empty or unfinished extension line");
    out.extensions.emplace_back(line);
  }
  return out;
}

std::string format_checkpoint(const Checkpoint& checkpoint) {
  std::string out =
      text("{}\n{}\n{}\n", checkpoint.origin, checkpoint.head.size, codec::to_base64(checkpoint.head.root.view()));
  for (const std::string& line : checkpoint.extensions) out += line + "\n";
  return out;
}

Result<OpenCheckpoint> open_checkpoint(std::string_view note, std::string_view origin, std::span<const NoteKey> keys) {
  OpenCheckpoint out;
  TRY(out.note, parse_note(note));
  TRY(out.checkpoint, parse_checkpoint(out.note.text));
  if (out.checkpoint.origin != origin)
    return fail(Kind::kDenied, "tlog.wrong_origin",
                text("found a checkpoint of '{}', expected '{}'", out.checkpoint.origin, origin));
  TRY(out.verified, verify_note(out.note, keys));
  return out;
}

}  // namespace hanse::tlog
