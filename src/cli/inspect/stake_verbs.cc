#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "chain/stake/stake.h"
#include "cli/inspect/inspect.h"

namespace hanse::inspect {
namespace {

constexpr std::uint64_t kExpiryBlocks = 1'000;

codec::Json json_of(const stake::Member& m) {
  codec::Json returns = codec::Json::array();
  for (const stake::Return& r : m.returns) {
    codec::Json one = codec::Json::object();
    one.set("epoch", r.epoch).set("amount_ut", r.amount.value);
    returns.push(std::move(one));
  }
  codec::Json out = codec::Json::object();
  out.set("owner", codec::encode_id(m.owner.view())).set("validator", codec::encode_id(m.validator().view()));
  out.set("stake_ut", m.stake.value).set("address", m.address).set("leaving", m.leaving);
  out.set("number", std::uint64_t{m.number});
  return out.set("returns", std::move(returns));
}

std::string text_of(const stake::Member& m) {
  std::string out = text("owner      {}\nvalidator  {}\nstake      {} ut{}\naddress    {}\nnumber     {}",
                         codec::encode_id(m.owner.view()), codec::encode_id(m.validator().view()), m.stake.value,
                         m.leaving ? ", leaving" : "", m.address.empty() ? "none" : m.address,
                         m.number == 0 ? "of the genesis file" : text("{}", m.number));
  for (const stake::Return& r : m.returns)
    out += text("\ncomes back {} ut at the end of epoch {}", r.amount.value, r.epoch);
  return out;
}

Result<std::vector<stake::Member>> all_members(client::Client& client) {
  TRY(const Bytes answer, client.query(stake::kStakeApp, "members", {}));
  return stake::decode_members(answer);
}

Result<std::optional<stake::Member>> member_of(client::Client& client, const AccountId& owner) {
  TRY(auto all, all_members(client));
  const auto found = std::ranges::find(all, owner, &stake::Member::owner);
  return found == all.end() ? std::nullopt : std::optional(std::move(*found));
}

Result<AccountId> account(const plugin::VerbArgs& args) {
  const auto id = codec::decode_id(args.get("account"));
  AccountId out;
  if (!id || !AccountId::from(*id, out))
    return fail(Kind::kInvalid, "cli.usage",
                text("--account: found '{}', expected an account id", args.get("account")));
  return out;
}

Result<plugin::Answer> show(client::Client& client, const plugin::VerbArgs& args) {
  TRY(auto all, all_members(client));
  if (args.has("account")) {
    TRY(const AccountId owner, account(args));
    std::erase_if(all, [&](const stake::Member& m) { return m.owner != owner; });
    if (all.empty())
      return fail(Kind::kNotFound, "stake.no_member", text("found no stake of {}", codec::encode_id(owner.view())));
  }
  codec::Json list = codec::Json::array();
  std::string shown;
  for (const stake::Member& m : all) {
    list.push(json_of(m));
    shown += (shown.empty() ? "" : "\n\n") + text_of(m);
  }
  codec::Json json = codec::Json::object();
  json.set("members", std::move(list));
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

// Signs and submits; the member as it is afterwards.
Result<plugin::Answer> submit(client::Client& client, const crypto::SecretKey& key, stake::Method method, Bytes args) {
  const AccountId owner = crypto::account_id(key.public_key());
  TRY(const auto node, client.info());
  TRY(const Bytes account_bytes, client.query(ledger::kAccountsApp, "account", owner.view()));
  TRY(const ledger::Account account, ledger::decode_account(account_bytes));
  ledger::SignedCall call{.network = node.network,
                          .app = stake::kStakeApp,
                          .sender = {},
                          .nonce = account.nonce + 1,
                          .expires = Height{node.height.value + kExpiryBlocks},
                          .method = static_cast<std::uint16_t>(method),
                          .args = std::move(args),
                          .key = {},
                          .signature = {}};
  ledger::sign_call(call, key);
  TRY(const auto applied, client.submit(ledger::call_tx(call)));
  if (applied.result.code != 0)
    return std::unexpected(Error(Kind::kDenied, applied.result.error_id, applied.result.message));
  TRY(const auto now, member_of(client, owner));
  if (!now)
    return fail(Kind::kNotFound, "stake.no_member", text("found no stake of {}", codec::encode_id(owner.view())));
  codec::Json json = json_of(*now);
  json.set("height", applied.height.value);
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}\nat height  {}", text_of(*now), applied.height.value)};
}

Result<std::uint64_t> amount(const plugin::VerbArgs& args) {
  TRY(const std::uint64_t value, args.number("amount", 0, 1ull << 62));
  if (value > 0) return value;
  return fail(Kind::kInvalid, "cli.number", "--amount: found 0, expected at least 1");
}

Result<plugin::Answer> bond(client::Client& client, const crypto::SecretKey& key, const plugin::VerbArgs& args) {
  TRY(const std::uint64_t more, amount(args));
  const AccountId owner = crypto::account_id(key.public_key());
  TRY(const auto now, member_of(client, owner));
  if (now) return submit(client, key, stake::Method::kSetStake, stake::encode_amount(Amount{now->stake.value + more}));
  TRY(const auto node, client.info());
  return submit(client, key, stake::Method::kJoin,
                stake::encode(stake::Join{.key = key.public_key(),
                                          .proof = stake::prove_key(key, node.network, owner),
                                          .stake = Amount{more},
                                          .address = std::string(args.get("address"))}));
}

Result<plugin::Answer> unbond(client::Client& client, const crypto::SecretKey& key, const plugin::VerbArgs& args) {
  if (args.has("all") == args.has("amount"))
    return fail(Kind::kInvalid, "cli.usage", "found both or neither of --amount and --all, expected one");
  if (args.has("all")) return submit(client, key, stake::Method::kLeave, stake::encode_nothing());
  TRY(const std::uint64_t less, amount(args));
  const AccountId owner = crypto::account_id(key.public_key());
  TRY(const auto now, member_of(client, owner));
  if (!now)
    return fail(Kind::kNotFound, "stake.no_member", text("found no stake of {}", codec::encode_id(owner.view())));
  if (less > now->stake.value)
    return fail(Kind::kInvalid, "stake.amount",
                text("found {} ut, expected at most the stake of {}", less, now->stake.value));
  return submit(client, key, stake::Method::kSetStake, stake::encode_amount(Amount{now->stake.value - less}));
}

plugin::Verb signed_verb(plugin::Verb verb, NodeFinder finder, KeyFinder key,
                         Result<plugin::Answer> (*act)(client::Client&, const crypto::SecretKey&,
                                                       const plugin::VerbArgs&)) {
  for (plugin::VerbOption& option : finder.options) verb.options.push_back(std::move(option));
  for (plugin::VerbOption& option : key.options) verb.options.push_back(std::move(option));
  verb.run = [connect = std::move(finder.connect), open = std::move(key.open), act](
                 const plugin::VerbArgs& args, plugin::Talk&) -> Result<plugin::Answer> {
    TRY(const auto client, connect(args));
    TRY(const crypto::SecretKey secret, open(args));
    return act(*client, secret, args);
  };
  return verb;
}

}  // namespace

plugin::Verb stake_show_verb(NodeFinder finder) {
  plugin::Verb verb{.name = "stake show",
                    .summary = "who stands behind validators, with what, and what comes back to whom",
                    .details = "Exit code 1: the account has no stake.\nExample:\n  hanse stake show --dir net --json",
                    .options = {{.name = "--account", .value = "ID", .help = "of this owner alone", .fallback = {}}},
                    .run = {}};
  for (plugin::VerbOption& option : finder.options) verb.options.push_back(std::move(option));
  verb.run = [connect = std::move(finder.connect)](const plugin::VerbArgs& args,
                                                   plugin::Talk&) -> Result<plugin::Answer> {
    TRY(const auto client, connect(args));
    return show(*client, args);
  };
  return verb;
}

plugin::Verb stake_bond_verb(NodeFinder finder, KeyFinder key) {
  return signed_verb(
      {.name = "stake bond",
       .summary = "put money behind the own key: the first time to become a validator, later to have more power",
       .details =
           "The wallet's account pays and its key is the validator's. What it gets of power, and when, is decided\n"
           "where an epoch ends. The number that is printed is `consensus.number` of the node that joins.\n"
           "Example:\n  hanse stake bond --amount 1000000 --address 192.0.2.7:12000 --wallet key.json --dir net",
       .options = {{.name = "--amount", .value = "UT", .help = "how much more", .fallback = {}, .required = true},
                   {.name = "--address",
                    .value = "ADDRESS",
                    .help = "where the others reach the node, the first time; without one it dials them",
                    .fallback = {}}},
       .run = {}},
      std::move(finder), std::move(key), bond);
}

plugin::Verb stake_unbond_verb(NodeFinder finder, KeyFinder key) {
  return signed_verb(
      {.name = "stake unbond",
       .summary = "take money back from behind the own key, or all of it and leave",
       .details = "It comes back some epochs after it stopped counting, as it answers for what the key signed.\n"
                  "Example:\n  hanse stake unbond --all --wallet key.json --dir net",
       .options = {{.name = "--amount", .value = "UT", .help = "how much less", .fallback = {}},
                   {.name = "--all", .value = {}, .help = "leave", .fallback = {}}},
       .run = {}},
      std::move(finder), std::move(key), unbond);
}

}  // namespace hanse::inspect
