#include "engines/tlog/verb_files.h"

#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kPassphraseMax = 4096;

Result<std::string> passphrase(const plugin::VerbArgs& args) {
  if (!args.has("passphrase-file")) return std::string();
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("passphrase-file")), kPassphraseMax));
  const std::string_view all = as_text(bytes);
  return std::string(all.substr(0, all.find('\n')));
}

crypto::KeyFileOptions key_options(const std::string& phrase) { return {.allow_unencrypted = phrase.empty()}; }

}  // namespace

std::string www_dir(const std::string& dir) { return dir + "/www"; }
std::string vkeys_path(const std::string& dir) { return dir + "/vkeys"; }

Result<crypto::KeySeeds> make_seeds(const plugin::VerbArgs& args, const std::string& path) {
  TRY(const std::string phrase, passphrase(args));
  crypto::KeySeeds seeds = crypto::KeySeeds::generate(system_random(), crypto::SigAlg::kMlDsa44);
  TRY_OK(crypto::write_key_file(path, seeds, phrase, system_random(), key_options(phrase)));
  return seeds;
}

Result<crypto::KeySeeds> open_seeds(const plugin::VerbArgs& args, const std::string& path) {
  TRY(const std::string phrase, passphrase(args));
  return crypto::open_key_file(path, phrase, key_options(phrase));
}

Result<std::vector<NoteSigner>> make_signers(const crypto::KeySeeds& seeds, std::string_view name,
                                             std::initializer_list<SignatureType> types) {
  std::vector<NoteSigner> out;
  for (const SignatureType type : types) {
    const char tag = static_cast<char>('0' + static_cast<int>(type));
    const Hash32 seed = crypto::blake3("hanse/tlog-key/1", {seeds.signing.view(), as_bytes({&tag, 1})});
    TRY(NoteSigner signer, NoteSigner::create(name, type, seed.view()));
    out.push_back(std::move(signer));
  }
  return out;
}

Result<std::vector<NoteKey>> read_vkeys(const std::string& path) {
  TRY(const Bytes bytes, read_file(real_fs(), path, kVkeysMax));
  std::vector<NoteKey> out;
  std::string_view rest = as_text(bytes), line;
  while (take_line(rest, line)) {
    TRY(NoteKey key, with_context(parse_vkey(line), text("read {}", path)));
    out.push_back(std::move(key));
  }
  return out;
}

Result<Source> open_source(const plugin::VerbArgs& args, Needs needs) {
  Source out;
  if (args.has("dir")) {
    const std::string dir(args.get("dir"));
    out.www = www_dir(dir);
    TRY(out.trust.log_keys, read_vkeys(vkeys_path(dir)));
  }
  if (args.has("www")) out.www = args.get("www");
  for (const std::string& vkey : args.all("vkey")) {
    TRY(NoteKey key, parse_vkey(vkey));
    out.trust.log_keys.push_back(std::move(key));
  }
  if (out.trust.log_keys.empty() || (out.www.empty() && needs == Needs::kFiles))
    return fail(Kind::kInvalid, "tlog.no_source",
                needs == Needs::kFiles ? "found no log, expected --dir, or --www and --vkey"
                                       : "found no key of a log, expected --vkey or --dir");
  out.trust.origin = args.has("origin") ? args.get("origin") : std::string_view(out.trust.log_keys[0].name);
  for (const std::string& vkey : args.all("witness")) {
    TRY(NoteKey key, parse_vkey(vkey));
    out.trust.witnesses.push_back(std::move(key));
  }
  TRY(out.trust.witnesses_min, args.number("witnesses-min", 0, kSignaturesMax));
  return out;
}

Result<std::string> read_checkpoint(const Source& source) {
  TRY(const Bytes note, read_file(real_fs(), source.www + "/checkpoint", kNoteMax));
  return std::string(as_text(note));
}

}  // namespace hanse::tlog
