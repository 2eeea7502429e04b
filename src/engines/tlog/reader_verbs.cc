// checkpoint, proof, verify, witness and watch: what reads logs, one's own or another's, by their static files.
#include <algorithm>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "engines/tlog/log_verbs.h"
#include "engines/tlog/mirror.h"
#include "engines/tlog/monitor.h"
#include "engines/tlog/verb_files.h"
#include "engines/tlog/witness.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kEvidenceMax = 4 * kNoteMax;

codec::Json verdict_json(const Trust& trust, const ProofVerdict& verdict) {
  codec::Json names = codec::Json::array();
  for (const std::string& name : verdict.witnesses) names.push(name);
  codec::Json out = codec::Json::object();
  out.set("origin", trust.origin).set("size", verdict.head.size).set("root", text("{}", verdict.head.root));
  out.set("witnesses", std::move(names));
  return out;
}

Result<std::string> read_text(std::string_view path, std::size_t size_max) {
  TRY(const Bytes bytes, read_file(real_fs(), std::string(path), size_max));
  return std::string(as_text(bytes));
}

Result<plugin::Answer> verify_evidence(const plugin::VerbArgs& args, const Trust& trust) {
  TRY(const std::string file, read_text(args.get("evidence"), kEvidenceMax));
  TRY(const ForkEvidence evidence, parse_evidence(file));
  TRY_OK(check_evidence(evidence, trust.origin, trust.log_keys));
  codec::Json json = codec::Json::object();
  json.set("origin", trust.origin).set("fork", true);
  return plugin::Answer{.json = std::move(json),
                        .text = text("holds: {} signed two checkpoints that contradict one another", trust.origin)};
}

// The request that a log would send: its newest checkpoint and a proof from what the witness saw.
Result<std::string> request_from_files(const Source& source, const TreeHead& seen) {
  AddCheckpoint request{seen.size, {}, {}};
  TRY(request.note, read_checkpoint(source));
  TRY(const OpenCheckpoint open, open_checkpoint(request.note, source.trust.origin, source.trust.log_keys));
  const std::uint64_t size = open.checkpoint.head.size;
  if (seen.size > 0 && seen.size < size) {
    TRY(request.proof,
        crypto::log_prove_consistency(TileNodes(folder_fetch(real_fs(), source.www), size), {seen.size, size}));
  }
  return format_add_checkpoint(request);
}

}  // namespace

Result<plugin::Answer> run_checkpoint(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Source source, open_source(args, Needs::kFiles));
  TRY(const std::string note, read_checkpoint(source));
  TRY(const ProofVerdict verdict, verify_checkpoint(note, source.trust));
  codec::Json json = verdict_json(source.trust, verdict);
  json.set("note", note);
  return plugin::Answer{.json = std::move(json), .text = note.substr(0, note.size() - 1)};
}

Result<plugin::Answer> run_proof(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Source source, open_source(args, Needs::kFiles));
  LogProof proof;
  TRY(proof.index, args.number("index", 0));
  TRY(const std::string note, read_checkpoint(source));
  TRY(OpenCheckpoint open, open_checkpoint(note, source.trust.origin, source.trust.log_keys));
  for (const std::string& path : args.all("cosignatures")) {
    TRY(const std::string lines, read_text(path, kNoteMax));
    TRY(auto signatures, with_context(parse_signature_lines(lines), text("read {}", path)));
    for (NoteSignature& signature : signatures) open.note.signatures.push_back(std::move(signature));
  }
  proof.checkpoint = format_note(open.note);
  const TreeHead head = open.checkpoint.head;
  const Fetch fetch = folder_fetch(real_fs(), source.www);
  TRY(proof.hashes, crypto::log_prove_inclusion(TileNodes(fetch, head.size), {proof.index, head.size}));
  // Its own reader, before anybody else is: files of a foreign log may be wrong.
  TRY(const Bytes bundle, fetch_bundle(fetch, head.size, proof.index / kTileWidth));
  TRY(const auto entries, parse_bundle(bundle, tile_width(head.size, 0, proof.index / kTileWidth)));
  const Hash32 leaf = crypto::log_leaf_hash(entries[proof.index % kTileWidth]);
  TRY(const ProofVerdict verdict, verify_proof(proof, leaf, source.trust));
  const std::string path(args.get("out")), file = format_proof(proof);
  TRY_OK(parse_proof(file));  // the note's limits, with the cosignatures
  TRY_OK(replace_file(real_fs(), path, as_bytes(file)));
  codec::Json json = verdict_json(source.trust, verdict);
  json.set("index", proof.index).set("proof", path).set("proof_bytes", file.size());
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}: entry {} of {} in {}, {} bytes", path, proof.index, head.size,
                                     source.trust.origin, file.size())};
}

Result<plugin::Answer> run_verify(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Source source, open_source(args, Needs::kKeys));
  if (args.has("evidence")) return verify_evidence(args, source.trust);
  if (!args.has("PROOF") || !args.has("entry"))
    return fail(Kind::kInvalid, "cli.usage", "found no proof and entry, expected PROOF and --entry, or --evidence");
  TRY(const std::string file, read_text(args.get("PROOF"), kProofFileMax));
  TRY(const Bytes entry, read_file(real_fs(), std::string(args.get("entry")), kEntryMax));
  TRY(const LogProof proof, parse_proof(file));
  TRY(const ProofVerdict verdict, verify_proof(proof, crypto::log_leaf_hash(entry), source.trust));
  codec::Json json = verdict_json(source.trust, verdict);
  json.set("holds", true).set("index", verdict.index);
  return plugin::Answer{.json = std::move(json),
                        .text = text("holds: entry {} of {} in {}, seen by {} witnesses", verdict.index,
                                     verdict.head.size, source.trust.origin, verdict.witnesses.size())};
}

Result<plugin::Answer> run_witness(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Source source, open_source(args, args.has("request") ? Needs::kKeys : Needs::kFiles));
  const std::string state(args.get("state")), key_file = state + "/key", vkeys = vkeys_path(state);
  TRY_OK(real_fs().mkdir(state));
  TRY(const bool there, real_fs().exists(vkeys));
  if (!there && !args.has("name"))
    return fail(Kind::kInvalid, "tlog.no_source", text("found no witness in {}, expected --name to make one", state));
  Witness::Parts parts{.dir = state, .signers = {}, .logs = {{source.trust.origin, source.trust.log_keys}}};
  static constexpr auto kTypes = {SignatureType::kCosignature, SignatureType::kSubtree};
  if (!there) {
    TRY_OK(check_key_name(args.get("name")));
    TRY(const crypto::KeySeeds seeds, make_seeds(args, key_file));
    TRY(parts.signers, make_signers(seeds, args.get("name"), kTypes));
    std::string lines;
    for (const NoteSigner& signer : parts.signers) lines += format_vkey(signer.key()) + "\n";
    TRY_OK(replace_file(real_fs(), vkeys, as_bytes(lines)));
  } else {
    TRY(const auto keys, read_vkeys(vkeys));
    if (keys.empty()) return fail(Kind::kInvalid, "tlog.no_source", text("found no key in {}", vkeys));
    TRY(const crypto::KeySeeds seeds, open_seeds(args, key_file));
    TRY(parts.signers, make_signers(seeds, keys[0].name, kTypes));
  }
  TRY(const auto witness, Witness::open(std::move(parts)));
  TRY(const std::string request, args.has("request")
                                     ? read_text(args.get("request"), kRequestMax)
                                     : request_from_files(source, witness->latest_head(source.trust.origin)));
  TRY(const WitnessAnswer answer, witness->add_checkpoint(request));
  const bool good = answer.status == 200;
  if (good && args.has("out")) TRY_OK(replace_file(real_fs(), std::string(args.get("out")), as_bytes(answer.body)));
  codec::Json json = codec::Json::object();
  json.set("status", answer.status).set("content_type", answer.content_type).set("body", answer.body);
  json.set("size", witness->latest_head(source.trust.origin).size);
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}\n{}", answer.status, answer.body.substr(0, answer.body.size() - 1)),
                        .exit = good ? 0 : 1};
}

Result<plugin::Answer> run_watch(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Source source, open_source(args, Needs::kFiles));
  const std::string state(args.get("state"));
  const std::string evidence = args.has("evidence") ? std::string(args.get("evidence")) : state + ".fork.json";
  TRY(const bool seen_before, real_fs().exists(state));
  std::string last;
  if (seen_before) {
    TRY(last, read_text(state, kNoteMax));
  }
  TRY(Monitor monitor, with_context(Monitor::create(source.trust.origin, source.trust.log_keys, last), state));
  TRY(const std::string note, read_checkpoint(source));
  TRY(const Observation seen, monitor.observe(note, folder_fetch(real_fs(), source.www),
                                              args.has("entries") ? Audit::kEntries : Audit::kTiles));
  if (monitor.last() != last) TRY_OK(replace_file(real_fs(), state, as_bytes(monitor.last())));
  codec::Json json = codec::Json::object();
  json.set("origin", source.trust.origin).set("seen", seen_name(seen.seen)).set("size", seen.head.size);
  json.set("root", text("{}", seen.head.root)).set("entries", seen.entries);
  std::string shown =
      text("{}: {}, size {}, root {}", source.trust.origin, seen_name(seen.seen), seen.head.size, seen.head.root);
  if (seen.fork) {
    TRY_OK(replace_file(real_fs(), evidence, as_bytes(evidence_json(*seen.fork).dump_pretty())));
    json.set("evidence", evidence);
    shown += text("\nTwo signed checkpoints contradict one another: {} shows both", evidence);
  }
  return plugin::Answer{.json = std::move(json), .text = std::move(shown), .exit = seen.fork ? 1 : 0};
}

}  // namespace hanse::tlog
