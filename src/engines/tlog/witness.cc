#include "engines/tlog/witness.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::tlog {
namespace {

std::unexpected<Error> bad_request(std::string_view why) { return fail(Kind::kInvalid, "tlog.request", why); }

WitnessAnswer answer(unsigned status, std::string_view why) { return {.status = status, .body = text("{}\n", why)}; }

// Why the checkpoint does not continue `latest`; empty when it does.
std::string not_a_continuation(const TreeHead& latest, const TreeHead& head, const crypto::Proof& proof) {
  if (head.size == 0 && head != empty_head()) return "an empty tree has another root";
  if (latest.size == 0) return proof.empty() ? "" : "found a proof from the empty tree, expected none";
  const Status grown = crypto::log_verify_consistency({latest.size, head.size}, proof, latest.root, head.root);
  return grown ? "" : std::string(grown.error().message());
}

}  // namespace

Result<AddCheckpoint> parse_add_checkpoint(std::string_view body) {
  AddCheckpoint out;
  std::string_view rest = body, line;
  if (body.size() > kRequestMax) return bad_request(text("found {} bytes, at most {}", body.size(), kRequestMax));
  if (!take_line(rest, line) || !line.starts_with("old ") || !parse_decimal(line.substr(4), out.old_size))
    return bad_request("found another first line than old and a size");
  for (;;) {
    if (!take_line(rest, line)) return bad_request("found no empty line before the checkpoint");
    if (line.empty()) break;
    if (out.proof.size() == kRequestHashesMax) return bad_request(text("found more than {} hashes", kRequestHashesMax));
    if (!parse_hash(line, out.proof.emplace_back()))
      return bad_request(text("hash {} is not the base64 of 32 bytes", out.proof.size() - 1));
  }
  out.note = rest;
  return out;
}

std::string format_add_checkpoint(const AddCheckpoint& request) {
  std::string out = text("old {}\n", request.old_size);
  for (const Hash32& hash : request.proof) out += codec::to_base64(hash.view()) + "\n";
  return out + "\n" + request.note;
}

WitnessStep witness_step(const WitnessLog& log, const TreeHead& latest, const AddCheckpoint& request,
                         std::span<const NoteSigner> signers, std::uint64_t now_s) {
  WitnessStep out;
  const auto open = open_checkpoint(request.note, log.origin, log.keys);
  if (!open) {
    out.answer = answer(open.error().kind() == Kind::kDenied ? 403 : 400, open.error().message());
    return out;
  }
  out.head = open->checkpoint.head;
  if (request.old_size > out.head.size) {
    out.answer = answer(400, "the old size is above that of the checkpoint");
  } else if (request.old_size != latest.size) {
    out.answer = {.status = 409, .content_type = "text/x.tlog.size", .body = text("{}\n", latest.size)};
  } else if (const std::string why = not_a_continuation(latest, out.head, request.proof); !why.empty()) {
    out.answer = answer(422, why);
  } else {
    Note kept{open->note.text, open->verified.signatures};
    for (const NoteSigner& signer : signers) {
      auto signature = signer.sign(open->note.text, now_s);
      if (!signature) {  // a checkpoint that this type of cosignature cannot say
        out.answer = answer(400, signature.error().message());
        return out;
      }
      out.answer.body += signature_line(*signature);
      kept.signatures.push_back(std::move(*signature));
    }
    out.keep = format_note(kept);
  }
  return out;
}

std::string origin_hash(std::string_view origin) { return codec::to_hex(crypto::sha256({as_bytes(origin)}).view()); }

Result<std::unique_ptr<Witness>> Witness::open(Parts parts) {
  const bool cosigners = std::ranges::all_of(
      parts.signers, [](const NoteSigner& signer) { return signer.key().type != SignatureType::kEd25519; });
  if (parts.signers.empty() || !cosigners)
    return fail(Kind::kInvalid, "tlog.cosigner", "found no key, or one of type 0x01, expected types 0x04 and 0x06");
  if (parts.logs.size() > kWitnessLogsMax)
    return fail(Kind::kExhausted, "tlog.logs_limit",
                text("found {} logs, expected at most {}", parts.logs.size(), kWitnessLogsMax));
  std::unique_ptr<Witness> out(new Witness(std::move(parts)));
  TRY_OK(out->parts_.fs->mkdir(out->parts_.dir));
  for (const WitnessLog& log : out->parts_.logs) {
    Known& known = out->logs_[log.origin];
    known.log = log;
    const std::string folder = out->parts_.dir + "/" + origin_hash(log.origin), path = folder + "/checkpoint";
    TRY_OK(out->parts_.fs->mkdir(folder));
    TRY(const bool there, out->parts_.fs->exists(path));
    if (!there) continue;
    TRY(const Bytes note, read_file(*out->parts_.fs, path, kNoteMax));
    TRY(const OpenCheckpoint open,
        with_context(open_checkpoint(as_text(note), log.origin, log.keys), text("read {}", path)));
    known.head = open.checkpoint.head;
    known.note = as_text(note);
  }
  TRY_OK(out->parts_.fs->sync_dir(out->parts_.dir));
  return out;
}

Result<WitnessAnswer> Witness::add_checkpoint(std::string_view body) {
  const auto request = parse_add_checkpoint(body);
  if (!request) return answer(400, request.error().message());
  const auto note = parse_note(request->note);
  if (!note) return answer(400, note.error().message());
  const auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return answer(400, checkpoint.error().message());
  const std::lock_guard lock(mutex_);
  const auto known = logs_.find(checkpoint->origin);
  if (known == logs_.end()) return answer(404, "this witness does not know the origin");
  const auto now_s = static_cast<std::uint64_t>(std::max<std::int64_t>(parts_.clock->wall_ms() / 1000, 1));
  WitnessStep step = witness_step(known->second.log, known->second.head, *request, parts_.signers, now_s);
  if (!step.keep) return step.answer;
  TRY_OK(replace_file(*parts_.fs, parts_.dir + "/" + origin_hash(checkpoint->origin) + "/checkpoint",
                      as_bytes(*step.keep)));
  known->second.head = step.head;
  known->second.note = std::move(*step.keep);
  return step.answer;
}

Result<std::string> Witness::latest(std::string_view origin) const {
  const std::lock_guard lock(mutex_);
  const auto known = logs_.find(origin);
  if (known == logs_.end() || known->second.note.empty())
    return fail(Kind::kNotFound, "tlog.path", text("no checkpoint of '{}' was cosigned here", origin));
  return known->second.note;
}

TreeHead Witness::latest_head(std::string_view origin) const {
  const std::lock_guard lock(mutex_);
  const auto known = logs_.find(origin);
  return known == logs_.end() ? empty_head() : known->second.head;
}

}  // namespace hanse::tlog
