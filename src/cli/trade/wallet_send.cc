#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "cli/trade/trade_verbs.h"
#include "node/roles/caller.h"

namespace hanse::trade {
namespace {

Result<AccountId> parse_account(std::string_view shown) {
  TRY(const Bytes bytes, codec::decode_id(shown));
  AccountId id;
  if (!AccountId::from(bytes, id))
    return fail(Kind::kInvalid, "cli.usage", text("found an id of {} bytes, expected an account", bytes.size()));
  return id;
}

}  // namespace

plugin::Verb wallet_send_verb(const NodeFinder& node, const WalletFinder& wallet) {
  plugin::Verb made{
      .name = "wallet send",
      .summary = "give money of the wallet's account to another",
      .details =
          "An account needs no opening: whoever has its key can use what it was sent.\n"
          "Example:\n  hanse wallet send hanse1fgeqovop… 250000 --dir net",
      .options = {{.name = "ACCOUNT",
                   .value = "ACCOUNT",
                   .help = "as `hanse wallet show` prints it",
                   .fallback = {},
                   .required = true},
                  {.name = "UT", .value = "UT", .help = "micro-tokens", .fallback = {}, .required = true}},
      .run = {}};
  for (const auto* more : {&node.options, &wallet.options})
    made.options.insert(made.options.end(), more->begin(), more->end());
  made.run = [node, wallet](const plugin::VerbArgs& args, plugin::Talk&) -> Result<plugin::Answer> {
    TRY(const AccountId to, parse_account(args.get("ACCOUNT")));
    TRY(const std::uint64_t amount, args.number("UT", 0));
    if (amount == 0) return fail(Kind::kInvalid, "cli.number", "UT: found 0, expected at least 1");
    TRY(const auto client, node.connect(args));
    TRY(const client::NodeInfo info, client->info());
    TRY(const crypto::KeySeeds seeds, wallet.open(args));
    TRY(const crypto::Identity identity, seeds.identity());
    roles::Caller caller(*client, identity, info.network);
    TRY(const client::Applied applied, caller.call(ledger::kAccountsApp, ledger::kMethodTransfer,
                                                   ledger::encode_transfer({.to = to, .amount = Amount{amount}})));
    codec::Json json = codec::Json::object();
    json.set("from", codec::encode_id(caller.account().view())).set("to", codec::encode_id(to.view()));
    json.set("amount_ut", amount).set("height", applied.height.value);
    return plugin::Answer{
        .json = std::move(json),
        .text = text("{} ut to {} at height {}", amount, codec::encode_id(to.view()), applied.height.value)};
  };
  return made;
}

}  // namespace hanse::trade
