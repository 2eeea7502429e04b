#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "chain/reputation/reputation.h"
#include "cli/inspect/inspect.h"

namespace hanse::inspect {
namespace {

constexpr std::uint64_t kExpiryBlocks = 1'000;

Result<plugin::Answer> run(client::Client& client, const crypto::SecretKey& key) {
  const AccountId validator = crypto::account_id(key.public_key());
  TRY(const auto node, client.info());
  TRY(const Bytes account_bytes, client.query(ledger::kAccountsApp, "account", validator.view()));
  TRY(const ledger::Account account, ledger::decode_account(account_bytes));
  const Height expires{node.height.value + kExpiryBlocks};
  TRY(const auto applied, client.submit(reputation::unjail_tx(node.network, key, account.nonce + 1, expires)));
  if (applied.result.code != 0)
    return std::unexpected(Error(Kind::kDenied, applied.result.error_id, applied.result.message));
  TRY(const Bytes bytes, client.query(reputation::kReputationApp, "standing", validator.view()));
  TRY(const reputation::Standing standing, reputation::decode_standing(bytes));
  codec::Json json = codec::Json::object();
  json.set("validator", codec::encode_id(validator.view()))
      .set("height", applied.height.value)
      .set("score", std::uint64_t{standing.score});
  return plugin::Answer{.json = std::move(json),
                        .text = text("{} is let in again at height {} with a score of {}",
                                     codec::encode_id(validator.view()), applied.height.value, standing.score)};
}

}  // namespace

plugin::Verb node_unjail_verb(NodeFinder finder, KeyFinder key) {
  plugin::Verb verb{.name = "node unjail",
                    .summary = "ask for a validator's power back after it was lost to evidence or a low score",
                    .details =
                        "Four epochs must have passed. The key is the validator's own.\n"
                        "Exit codes: 0 let in, 1 nothing to undo, 4 too early.\n"
                        "Example:\n  hanse node unjail --wallet net/validator-0/key.json --dir net",
                    .options = std::move(finder.options),
                    .run = [connect = std::move(finder.connect), open = std::move(key.open)](
                               const plugin::VerbArgs& args, plugin::Talk&) -> Result<plugin::Answer> {
                      TRY(const auto client, connect(args));
                      TRY(const crypto::SecretKey secret, open(args));
                      return run(*client, secret);
                    }};
  for (plugin::VerbOption& option : key.options) verb.options.push_back(std::move(option));
  return verb;
}

}  // namespace hanse::inspect
