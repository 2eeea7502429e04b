// Proofs that need nobody's server (c2sp.org/tlog-proof): an entry is in a log that a log key signed and that k of n
// witnesses saw. The text of a .tlog-proof file:
//   "c2sp.org/tlog-proof@v1\n", perhaps "extra <base64>\n", "index <n>\n", hashes in base64 from the leaf's sibling
//   upwards, an empty line, the checkpoint as it was signed
// `extra` is signed by nobody. Parsing is strict: what parses is written back as the same bytes.
// Limits: 64 hashes, extra 4 KiB, the note's limits. Pure; any thread.
// Errors: tlog.proof (corrupt: another form, or it proves nothing of this entry), tlog.witnesses (denied: too few of
// them signed), and those of checkpoint.h.
#pragma once

#include <optional>

#include "base/crypto/merkle.h"
#include "engines/tlog/checkpoint.h"

namespace hanse::tlog {

constexpr std::size_t kExtraMax = 4096;
constexpr std::size_t kProofFileMax = kNoteMax + 64 * 45 + 2 * kExtraMax;

struct LogProof {
  std::optional<Bytes> extra;
  std::uint64_t index = 0;
  crypto::Proof hashes;
  std::string checkpoint;  // the note
};
std::string format_proof(const LogProof& proof);
Result<LogProof> parse_proof(std::string_view file);

// Whom a reader trusts.
struct Trust {
  std::string origin;
  std::vector<NoteKey> log_keys;
  std::vector<NoteKey> witnesses;
  std::size_t witnesses_min = 0;  // how many names of them must have signed
};

struct ProofVerdict {
  std::uint64_t index = 0;
  TreeHead head;
  std::vector<std::string> witnesses;  // names that signed, each once
};
Result<ProofVerdict> verify_proof(const LogProof& proof, const Hash32& leaf_hash, const Trust& trust);
// The same for a checkpoint alone: the log's signature, and enough witnesses.
Result<ProofVerdict> verify_checkpoint(std::string_view note, const Trust& trust);

}  // namespace hanse::tlog
