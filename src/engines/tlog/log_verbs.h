// The verbs `hanse attest log ...`: declared here, done by the program hanse-attest (main_attest.cc), which hanse
// becomes: only writers of a log need its store, and no start of hanse should pay for that.
// A log's folder, made by init:
//   key       its seed (proto/records/keyfile.md): one Ed25519 and one ML-DSA-44 key
//   store/    entries, tiles, ids (log_store.h)       signed    the last signed checkpoint (signed_file.h)
//   vkeys     its public keys, one a line             www/      static files for any web server (mirror.h)
// Errors: tlog.exists (conflict), tlog.no_source (invalid: no folder and keys to read a log with), and those of the
// room and of crypto/keyfile.h.
#pragma once

#include <vector>

#include "base/plugin/verb.h"

namespace hanse::tlog {

using Run = Result<plugin::Answer> (*)(const plugin::VerbArgs&, plugin::Talk&);
struct Runs {
  Run init, append, checkpoint, proof, verify, witness, watch;
};
std::vector<plugin::Verb> log_verbs(const Runs& runs);
// The same verbs, each of which becomes the program hanse-attest.
std::vector<plugin::Verb> forwarded_log_verbs();

// What they do.
Result<plugin::Answer> run_init(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_append(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_checkpoint(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_proof(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_verify(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_witness(const plugin::VerbArgs& args, plugin::Talk& talk);
Result<plugin::Answer> run_watch(const plugin::VerbArgs& args, plugin::Talk& talk);

}  // namespace hanse::tlog
