#include "engines/tlog/proof.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/core/text.h"

namespace hanse::tlog {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";

std::unexpected<Error> bad(std::string_view why) { return fail(Kind::kCorrupt, "tlog.proof", why); }

}  // namespace

std::string format_proof(const LogProof& proof) {
  std::string out = text("{}\n", kFirstLine);
  if (proof.extra) out += text("extra {}\n", codec::to_base64(*proof.extra));
  out += text("index {}\n", proof.index);
  for (const Hash32& hash : proof.hashes) out += codec::to_base64(hash.view()) + "\n";
  return out + "\n" + proof.checkpoint;
}

Result<LogProof> parse_proof(std::string_view file) {
  LogProof out;
  std::string_view rest = file, line;
  if (file.size() > kProofFileMax) return bad(text("found {} bytes, expected at most {}", file.size(), kProofFileMax));
  if (!take_line(rest, line) || line != kFirstLine) return bad(text("found another first line than {}", kFirstLine));
  if (!take_line(rest, line)) return bad("found no index line");
  if (line.starts_with("extra ")) {
    auto extra = codec::from_base64(line.substr(6));
    if (!extra) return bad(text("extra: {}", extra.error().message()));
    if (extra->size() > kExtraMax) return bad(text("found {} bytes of extra, at most {}", extra->size(), kExtraMax));
    out.extra = std::move(*extra);
    if (!take_line(rest, line)) return bad("found no index line");
  }
  if (!line.starts_with("index ") || !parse_decimal(line.substr(6), out.index))
    return bad(text("found '{}', expected index and a number", line.substr(0, 40)));
  for (;;) {
    if (!take_line(rest, line)) return bad("found no empty line after the hashes");
    if (line.empty()) break;
    if (out.hashes.size() == crypto::kProofMax) return bad(text("found more than {} hashes", crypto::kProofMax));
    if (!parse_hash(line, out.hashes.emplace_back()))
      return bad(text("hash {} is not the base64 of 32 bytes", out.hashes.size() - 1));
  }
  TRY(const Note note, parse_note(rest));
  TRY_OK(parse_checkpoint(note.text));
  out.checkpoint = rest;
  return out;
}

Result<ProofVerdict> verify_checkpoint(std::string_view note, const Trust& trust) {
  TRY(const OpenCheckpoint open, open_checkpoint(note, trust.origin, trust.log_keys));
  ProofVerdict out{.index = 0, .head = open.checkpoint.head, .witnesses = {}};
  if (const auto seen = verify_note(open.note, trust.witnesses); seen) {
    for (const NoteSignature& signature : seen->signatures)
      if (!std::ranges::contains(out.witnesses, signature.name)) out.witnesses.push_back(signature.name);
  } else if (seen.error().id() != "tlog.unsigned") {
    return std::unexpected(seen.error().clone());
  }
  if (out.witnesses.size() < trust.witnesses_min)
    return fail(
        Kind::kDenied, "tlog.witnesses",
        text("found cosignatures of {} known witnesses, expected {}", out.witnesses.size(), trust.witnesses_min));
  return out;
}

Result<ProofVerdict> verify_proof(const LogProof& proof, const Hash32& leaf_hash, const Trust& trust) {
  TRY(ProofVerdict out, verify_checkpoint(proof.checkpoint, trust));
  out.index = proof.index;
  if (const Status in =
          crypto::log_verify_inclusion(leaf_hash, {proof.index, out.head.size}, proof.hashes, out.head.root);
      !in)
    return bad(in.error().message());
  return out;
}

}  // namespace hanse::tlog
