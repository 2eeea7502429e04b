// What the verbs of a log share: its folder, its key, and logs of others as a reader names them.
// Threads: one. Errors: those of log_verbs.h.
#pragma once

#include "base/crypto/keyfile.h"
#include "base/plugin/verb.h"
#include "engines/tlog/proof.h"
#include "engines/tlog/tile.h"

namespace hanse::tlog {

constexpr std::size_t kVkeysMax = 64 * 1024;

std::string www_dir(const std::string& dir);
std::string vkeys_path(const std::string& dir);

// The key file in a folder, made when there is none.
Result<crypto::KeySeeds> make_seeds(const plugin::VerbArgs& args, const std::string& path);
Result<crypto::KeySeeds> open_seeds(const plugin::VerbArgs& args, const std::string& path);
// Signers of the two keys that grow from one seed.
Result<std::vector<NoteSigner>> make_signers(const crypto::KeySeeds& seeds, std::string_view name,
                                             std::initializer_list<SignatureType> types);

Result<std::vector<NoteKey>> read_vkeys(const std::string& path);

// --dir, or --www, --vkey and --origin.
struct Source {
  std::string www;  // empty where only keys were given
  Trust trust;      // with --witness and --witnesses-min
};
enum class Needs : bool { kKeys, kFiles };
Result<Source> open_source(const plugin::VerbArgs& args, Needs needs);
Result<std::string> read_checkpoint(const Source& source);  // the note, not checked

}  // namespace hanse::tlog
