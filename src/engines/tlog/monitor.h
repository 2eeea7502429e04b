// Follows a log from outside: every checkpoint it shows must continue the one before, and the entries it serves must be
// those it signed. What cannot both be true, and both signed, is kept as evidence that convinces whoever has the keys:
//   two roots of one size; or two sizes where the larger tree, by a consistency proof that leads to its signed root,
//   has another root at the smaller size than was signed
// A log that serves tiles or entries which do not lead to its own root proves nothing by that: that is an error.
// Limits: kAuditMax entries an observation. Pure but for what it fetches; one thread.
// Errors: tlog.tiles (corrupt: what is served does not lead to the signed root), tlog.audit_limit (exhausted),
// tlog.evidence (corrupt: it does not show a fork), those of checkpoint.h and of the source.
#pragma once

#include <optional>

#include "base/codec/json.h"
#include "engines/tlog/checkpoint.h"
#include "engines/tlog/tile.h"

namespace hanse::tlog {

constexpr std::uint64_t kAuditMax = std::uint64_t{1} << 24;

enum class Seen : std::uint8_t { kFirst, kSame, kGrown, kOlder, kFork };
std::string_view seen_name(Seen seen);  // "first", "same", ...

struct ForkEvidence {
  std::string smaller, larger;  // notes; of one size when proof is empty
  Hash32 other_root;            // of the smaller size in the larger tree
  crypto::Proof proof;          // from other_root to the larger root
};
codec::Json evidence_json(const ForkEvidence& evidence);
Result<ForkEvidence> parse_evidence(std::string_view json);
// Both notes are signed by keys of one log and contradict one another.
Status check_evidence(const ForkEvidence& evidence, std::string_view origin, std::span<const NoteKey> keys);

struct Observation {
  Seen seen = Seen::kFirst;
  TreeHead head;              // of the checkpoint shown
  std::uint64_t entries = 0;  // audited
  std::optional<ForkEvidence> fork;
};

enum class Audit : bool { kTiles, kEntries };

class Monitor {
 public:
  // last: the note of the newest checkpoint seen earlier, if any; it is checked again.
  static Result<Monitor> create(std::string origin, std::vector<NoteKey> keys, std::string_view last = {});

  // fetch: the log's resources. After kFork and kOlder the newest checkpoint stays the one before.
  Result<Observation> observe(std::string_view note, const Fetch& fetch, Audit audit,
                              std::uint64_t audit_max = kAuditMax);
  const std::string& last() const { return last_; }  // a note, or empty

 private:
  Monitor(std::string origin, std::vector<NoteKey> keys) : origin_(std::move(origin)), keys_(std::move(keys)) {}

  std::string origin_;
  std::vector<NoteKey> keys_;
  std::string last_;
  TreeHead head_ = empty_head();
};

}  // namespace hanse::tlog
