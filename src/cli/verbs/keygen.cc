#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"

namespace hanse::cli {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk& talk) {
  const std::string path(args.get("out"));
  const bool unencrypted = args.has("unencrypted");
  std::string passphrase;
  if (unencrypted) {
    talk.say("the key is stored unencrypted; use this for development only");
  } else {
    TRY(passphrase, read_passphrase(args, path, Prompt::kTwice));
  }
  const auto seeds = crypto::KeySeeds::generate(system_random());
  TRY_OK(crypto::write_key_file(path, seeds, passphrase, system_random(),
                                {.allow_unencrypted = unencrypted, .replace = args.has("force")}));
  TRY(const auto info, crypto::read_key_file(path));
  codec::Json json = codec::Json::object();
  json.set("account", codec::encode_id(info.account.view())).set("file", path).set("encrypted", info.encrypted);
  return plugin::Answer{.json = std::move(json),
                        .text = text("account  {}\nfile     {}", codec::encode_id(info.account.view()), path)};
}

}  // namespace

plugin::Verb node_keygen_verb() {
  plugin::Verb verb = keygen_verb();
  verb.name = "node keygen";
  return verb;
}

plugin::Verb keygen_verb() {
  return {.name = "keygen",
          .summary = "make a key file: an ML-DSA-65 and an Ed25519 key from one seed",
          .details =
              "The file is encrypted under a passphrase (scrypt, AES-256-GCM), mode 0600, and never overwritten "
              "unless --force.\nExamples:\n  hanse keygen --out my.json\n  hanse keygen --out my.json "
              "--passphrase-fd 3 3<secret.txt",
          .options = {{.name = "--out", .value = "FILE", .help = "where to write it", .fallback = {}, .required = true},
                      {.name = "--force", .value = {}, .help = "replace an existing key file", .fallback = {}},
                      {.name = "--unencrypted", .value = {}, .help = "no passphrase, for development", .fallback = {}},
                      passphrase_option()},
          .run = run};
}

}  // namespace hanse::cli
