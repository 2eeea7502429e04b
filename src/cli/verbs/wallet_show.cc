#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"

namespace hanse::cli {

namespace {

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string dir = network_dir(args);
  const std::string path = args.has("FILE") ? std::string(args.get("FILE")) : dir + "/wallet.json";
  TRY(const auto info, crypto::read_key_file(path));
  const std::string account = codec::encode_id(info.account.view());
  codec::Json json = codec::Json::object();
  json.set("account", account).set("file", path).set("encrypted", info.encrypted);
  json.set("algorithm", crypto::sig_alg_name(info.public_key.alg));
  json.set("public_key", codec::to_hex(info.public_key.bytes));
  std::string out = text("account     {}\nfile        {}\nalgorithm   {}\nencrypted   {}", account, path,
                         crypto::sig_alg_name(info.public_key.alg), info.encrypted ? "yes" : "no");
  if (args.has("dir") || args.has("node")) {
    TRY(const Way way, asking_way(args));
    TRY(Session session, open_session(args, way));
    TRY(const auto view, read_account(session, info.account));
    json.set("balance_ut", view.balance.value).set("nonce", view.nonce);
    out += text("\nbalance     {} ut\nnonce       {}", view.balance.value, view.nonce);
  }
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

}  // namespace

plugin::Verb wallet_show_verb() {
  return {.name = "wallet show",
          .summary = "the public part of a key file, and its balance when a network is named",
          .details = "Needs no passphrase.\nExamples:\n  hanse wallet show my.json\n  hanse wallet show --dir net",
          .options = {{.name = "FILE",
                       .value = "FILE",
                       .help = "key file (default wallet.json of the network)",
                       .fallback = {}},
                      dir_option(),
                      node_option(),
                      lane_option(),
                      mix_option()},
          .run = run};
}

}  // namespace hanse::cli
