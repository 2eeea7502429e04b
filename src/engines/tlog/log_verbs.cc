#include "engines/tlog/log_verbs.h"

#include <iterator>

#include "base/plugin/forward.h"

namespace hanse::tlog {
namespace {

using Options = std::vector<plugin::VerbOption>;

plugin::VerbOption option(std::string name, std::string value, std::string help) {
  return {.name = std::move(name), .value = std::move(value), .help = std::move(help), .fallback = {}};
}
plugin::VerbOption required(plugin::VerbOption one) {
  one.required = true;
  return one;
}
plugin::VerbOption repeats(plugin::VerbOption one) {
  one.repeats = true;
  return one;
}

plugin::VerbOption own_folder() { return required(option("--dir", "DIR", "the log's folder")); }
plugin::VerbOption passphrase() {
  return option("--passphrase-file", "FILE", "the passphrase of the key, in its first line (default: none)");
}

// A log to read: one's own folder, or somebody else's files and keys.
Options source(Options more) {
  Options out = {option("--dir", "DIR", "the folder of a log on this machine"),
                 option("--www", "DIR", "or the static files of any log, with --vkey"),
                 repeats(option("--vkey", "VKEY", "a public key of the log: name+id+key")),
                 option("--origin", "NAME", "its origin (default: the name of its first key)")};
  out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return out;
}

plugin::Verb verb(std::string name, std::string summary, std::string details, Options options, Run run) {
  return {.name = "attest log " + std::move(name),
          .summary = std::move(summary),
          .details = std::move(details),
          .options = std::move(options),
          .run = run};
}

}  // namespace

std::vector<plugin::Verb> log_verbs(const Runs& runs) {
  std::vector<plugin::Verb> out;
  out.push_back(verb("init", "make an empty transparency log",
                     "Checkpoints are signed with Ed25519 and ML-DSA-44; readers trust the keys in DIR/vkeys.\n"
                     "Example:\n  hanse attest log init --dir log --origin example.com/builds",
                     {own_folder(), required(option("--origin", "NAME", "its name: a URL without a scheme")),
                      option("--ed25519-only", "", "small checkpoints without a post-quantum signature"), passphrase()},
                     runs.init));
  out.push_back(verb("append", "add entries to a log, durably, and publish a checkpoint of them",
                     "A file is one entry of at most 65,535 bytes; one that is in the log keeps its index.\n"
                     "Examples:\n  hanse attest log append --dir log release.json sbom.json\n"
                     "  hanse attest log append --dir log --lines digests.txt",
                     {repeats(option("FILE", "FILE", "what to add")), own_folder(),
                      option("--lines", "FILE", "add each line of it, without its newline"), passphrase()},
                     runs.append));
  out.push_back(verb("checkpoint", "show and check the newest checkpoint of a log",
                     "Example:\n  hanse attest log checkpoint --dir log --json",
                     source({repeats(option("--witness", "VKEY", "a witness whose cosignature counts")),
                             option("--witnesses-min", "N", "how many of them must have signed")}),
                     runs.checkpoint));
  out.push_back(verb("proof", "write a proof that an entry is in the log, for readers without a network",
                     "Cosignatures are lines as `hanse attest log witness --out` writes them.\n"
                     "Example:\n  hanse attest log proof --dir log --index 3 --cosignatures w1.sig --out "
                     "release.tlog-proof",
                     source({required(option("--index", "N", "of the entry")),
                             repeats(option("--cosignatures", "FILE", "signature lines for this checkpoint")),
                             required(option("--out", "FILE", "where to write it"))}),
                     runs.proof));
  out.push_back(
      verb("verify", "check a proof, or the evidence of a fork, offline",
           "Exit code 0: it holds. 4: not signed by the keys given. 5: it proves nothing.\n"
           "Examples:\n"
           "  hanse attest log verify release.tlog-proof --entry release.json --vkey \"$LOG\" --witness "
           "\"$W1\" \\\n    --witness \"$W2\" --witnesses-min 2\n"
           "  hanse attest log verify --evidence fork.json --vkey \"$LOG\"",
           {option("PROOF", "PROOF", "a .tlog-proof file"), option("--entry", "FILE", "the entry that it is about"),
            option("--evidence", "FILE", "of a fork, as watch wrote it"),
            option("--dir", "DIR", "take the keys from the log in this folder"),
            repeats(option("--vkey", "VKEY", "a public key of the log")),
            option("--origin", "NAME", "its origin (default: the name of its first key)"),
            repeats(option("--witness", "VKEY", "a witness whose cosignature counts")),
            option("--witnesses-min", "N", "how many of them must have signed")},
           runs.verify));
  out.push_back(verb("witness", "cosign the checkpoint of a log if it continues the one seen before",
                     "The witness keeps its key and what it saw under --state. Exit code 1: it refuses.\n"
                     "Example:\n  hanse attest log witness --state w1 --name w1.example --dir log --out w1.sig",
                     source({required(option("--state", "DIR", "of the witness")),
                             option("--name", "NAME", "of the witness, when its state is made"),
                             option("--request", "FILE", "the body of an add-checkpoint request instead"),
                             option("--out", "FILE", "where to write the cosignatures"), passphrase()}),
                     runs.witness));
  out.push_back(verb("watch", "follow a log: check that it only grew, and keep evidence if it did not",
                     "Looks once; run it as often as the log should be watched. Exit code 1: two checkpoints "
                     "contradict one another.\n"
                     "Example:\n  hanse attest log watch --state seen --dir log --entries --evidence fork.json",
                     source({required(option("--state", "FILE", "the checkpoint seen last; made at the first look")),
                             option("--entries", "", "also read every new entry and compare it with the tree"),
                             option("--evidence", "FILE",
                                    "where to write evidence of a fork (default: "
                                    "STATE.fork.json)")}),
                     runs.watch));
  return out;
}

std::vector<plugin::Verb> forwarded_log_verbs() { return plugin::forwarded(log_verbs({}), "hanse-attest"); }

}  // namespace hanse::tlog
