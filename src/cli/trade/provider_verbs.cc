#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/trade/trade_verbs.h"
#include "exchange/market/view.h"
#include "node/roles/caller.h"

namespace hanse::trade {
namespace {

constexpr std::uint64_t kNumberMax = 1ull << 50;

Result<codec::Json> ask_json(client::Client& client, const AccountId& account, Height height) {
  TRY(const Bytes record, client.query(market::kMarketApp, "provider", account.view()));
  TRY(const market::Provider p, market::decode_provider(record));
  codec::Json json = codec::Json::object();
  json.set("provider", codec::encode_id(p.account.view())).set("height", height.value);
  json.set("region", region_name(p.region)).set("precisions", precisions_name(p.precisions));
  json.set("isolation", std::uint64_t{p.isolation}).set("capacity", p.capacity).set("used", p.used);
  json.set("asks", p.asks).set("bond_ut", p.bond.value).set("bond_locked_ut", p.bond_locked.value);
  json.set("reputation", p.reputation).set("settled", p.settled).set("faults", p.faults);
  return json;
}

// What a command does with the account's calls; gives the height of the last and adds what it has to say.
struct Done {
  Height height;
  std::string said;
  codec::Json asks = codec::Json::array();  // ids it posted or withdrew
};
using Act = std::function<Result<Done>(const plugin::VerbArgs&, client::Client&, roles::Caller&,
                                       const crypto::Identity&, Height now)>;

Result<Done> register_provider(const plugin::VerbArgs& args, client::Client&, roles::Caller& caller,
                               const crypto::Identity& identity, Height) {
  market::ProviderRegister call;
  TRY(call.region, parse_region(args.get("region", "EU")));
  TRY(call.precisions, parse_precisions(args.get("precisions", "int8,e5m2,fp8,bf16")));
  TRY(const std::uint64_t isolation, args.number("isolation", 0, market::kIsolationMax));
  TRY(const std::uint64_t capacity, args.number("capacity", 1, market::kCapacityMax));
  TRY(call.bond.value, args.number("bond", 0));
  call.isolation = static_cast<std::uint8_t>(isolation);
  call.capacity = static_cast<std::uint32_t>(capacity);
  call.ed25519 = identity.ed25519().public_key().bytes;
  TRY(const client::Applied applied, caller.call(market::Method::kProviderRegister, call));
  return Done{.height = applied.height, .said = "registered"};
}

Result<Done> offer(const plugin::VerbArgs& args, client::Client& client, roles::Caller& caller, const crypto::Identity&,
                   Height now) {
  TRY(const Bytes record, client.query(market::kMarketApp, "provider", caller.account().view()));
  TRY(const market::Provider known, market::decode_provider(record));
  market::AskPost call;
  call.precisions = known.precisions;
  if (args.has("precisions")) {
    TRY(call.precisions, parse_precisions(args.get("precisions")));
  }
  TRY(const std::uint64_t level, args.number("level", market::kLevelMax, market::kLevelMax));
  TRY(const std::uint64_t seq, args.number("max-seq", 8192, ~std::uint32_t{0}));
  TRY(const std::uint64_t batch, args.number("max-batch", 32, 0xffff));
  TRY(const std::uint64_t latency, args.number("latency", 50, ~std::uint32_t{0}));
  TRY(const std::uint64_t isolation, args.number("isolation", known.isolation, market::kIsolationMax));
  TRY(call.base_price.value, args.number("base-price", 1000, kNumberMax));
  TRY(call.unit_price.value, args.number("unit-price", 0, kNumberMax));
  TRY(call.capacity_cu, args.number("capacity-cu", 1'000'000'000, kNumberMax));
  TRY(const std::uint64_t blocks, args.number("blocks", 100'000, kNumberMax));
  call.level_max = static_cast<std::uint8_t>(level);
  call.max_seq = static_cast<std::uint32_t>(seq);
  call.max_batch = static_cast<std::uint16_t>(batch);
  call.latency_ms = static_cast<std::uint32_t>(latency);
  call.isolation = static_cast<std::uint8_t>(isolation);
  call.valid_until = now.plus(blocks);
  TRY(const client::Applied applied, caller.call(market::Method::kAskPost, call));
  Done done{.height = applied.height, .said = text("ask {} stands", codec::to_hex(applied.result.data))};
  done.asks.push(codec::to_hex(applied.result.data));
  return done;
}

Result<Done> withdraw(const plugin::VerbArgs& args, client::Client& client, roles::Caller& caller,
                      const crypto::Identity&, Height now) {
  Done done{.height = now, .said = {}};
  TRY(const std::uint64_t bond, args.number("bond", 0));
  std::vector<market::AskId> ids;
  if (args.has("ASK")) {
    auto id = codec::fixed_from_hex<market::AskId>(args.get("ASK"));
    if (!id) return fail(Kind::kInvalid, "cli.usage", text("found ask '{}', expected 32 hex digits", args.get("ASK")));
    ids.push_back(*id);
  } else if (args.has("all")) {
    const market::AsksQuery query{.provider = caller.account(), .after_provider = {}, .after_ask = {}};
    TRY(const Bytes answer, client.query(market::kMarketApp, "asks", market::encode_query(query)));
    TRY(const auto asks, market::decode_asks(answer));
    for (const market::Ask& ask : asks) ids.push_back(ask.id);
  } else if (bond == 0) {
    return fail(Kind::kInvalid, "cli.usage", "found nothing to withdraw, expected ASK, --all or --bond UT");
  }
  for (const market::AskId& id : ids) {
    TRY(const client::Applied applied, caller.call(market::Method::kAskWithdraw, market::AskWithdraw{.id = id}));
    done.height = applied.height;
    done.asks.push(codec::to_hex(id.view()));
  }
  done.said = text("{} asks withdrawn", ids.size());
  if (bond > 0) {
    TRY(const client::Applied applied,
        caller.call(market::Method::kProviderUnbond, market::ProviderUnbond{.amount = Amount{bond}}));
    done.height = applied.height;
    done.said += text(", {} ut of bond taken back", bond);
  }
  return done;
}

plugin::Verb verb(const NodeFinder& node, const WalletFinder& wallet, plugin::Verb made, Act act) {
  for (const auto* more : {&node.options, &wallet.options})
    made.options.insert(made.options.end(), more->begin(), more->end());
  made.run = [node, wallet, act = std::move(act)](const plugin::VerbArgs& args,
                                                  plugin::Talk&) -> Result<plugin::Answer> {
    TRY(const auto client, node.connect(args));
    TRY(const client::NodeInfo info, client->info());
    TRY(const crypto::KeySeeds seeds, wallet.open(args));
    TRY(const crypto::Identity identity, seeds.identity());
    roles::Caller caller(*client, identity, info.network);
    TRY(Done done, act(args, *client, caller, identity, info.height));
    // A provider that took everything back is forgotten.
    auto json = ask_json(*client, caller.account(), done.height);
    if (!json && json.error().kind() != Kind::kNotFound) return std::unexpected(std::move(json).error());
    plugin::Answer answer{.json = json ? *std::move(json) : codec::Json::object().set("height", done.height.value),
                          .text = done.said};
    answer.json.set("ask_ids", std::move(done.asks));
    return answer;
  };
  return made;
}

}  // namespace

std::vector<plugin::Verb> provider_verbs(const NodeFinder& node, const WalletFinder& wallet) {
  const plugin::VerbOption precisions{
      .name = "--precisions", .value = "LIST", .help = "such as int8,fp8", .fallback = {}};
  const plugin::VerbOption isolation{.name = "--isolation", .value = "N", .help = "0 to 3", .fallback = {}};
  std::vector<plugin::Verb> out;
  out.push_back(verb(node, wallet,
                     {.name = "provider register",
                      .summary = "make the wallet's account a provider, or add to its bond",
                      .details = "The daemon's role `provider` does this by itself; this is for accounts that offer by "
                                 "hand.\nExample:\n  hanse provider register --region EU --capacity 4 --bond 2000000",
                      .options = {{.name = "--region", .value = "NAME", .help = "such as EU", .fallback = "EU"},
                                  {.name = "--capacity", .value = "N", .help = "jobs at a time", .fallback = "1"},
                                  {.name = "--bond", .value = "UT", .help = "added to the bond", .fallback = "0"},
                                  precisions,
                                  isolation},
                      .run = {}},
                     register_provider));
  out.push_back(verb(
      node, wallet,
      {.name = "provider offer",
       .summary = "post an ask: for immediate orders, and with --unit-price for batch rounds",
       .details = "Example:\n  hanse provider offer --base-price 900 --unit-price 800 --capacity-cu 5000000",
       .options = {{.name = "--base-price", .value = "UT", .help = "of immediate jobs", .fallback = "1000"},
                   {.name = "--unit-price", .value = "UT", .help = "of 1000 units in rounds; 0: none", .fallback = "0"},
                   {.name = "--capacity-cu", .value = "N", .help = "compute units", .fallback = "1000000000"},
                   {.name = "--max-seq", .value = "N", .help = "longest sequence", .fallback = "8192"},
                   {.name = "--max-batch", .value = "N", .help = "largest batch", .fallback = "32"},
                   {.name = "--level", .value = "N", .help = "shape level, 0 to 3", .fallback = "3"},
                   {.name = "--latency", .value = "MS", .help = "promised", .fallback = "50"},
                   {.name = "--blocks", .value = "N", .help = "how long it stands", .fallback = "100000"},
                   precisions,
                   isolation},
       .run = {}},
      offer));
  out.push_back(
      verb(node, wallet,
           {.name = "provider withdraw",
            .summary = "take asks back, and bond that no job locks",
            .details = "Examples:\n  hanse provider withdraw 5f0c…\n  hanse provider withdraw --all --bond 1000000",
            .options = {{.name = "ASK", .value = "ASK", .help = "ask id", .fallback = {}},
                        {.name = "--all", .value = {}, .help = "every ask of the account", .fallback = {}},
                        {.name = "--bond", .value = "UT", .help = "to take back", .fallback = "0"}},
            .run = {}},
           withdraw));
  return out;
}

}  // namespace hanse::trade
