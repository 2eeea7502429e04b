#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/trade/trade_verbs.h"
#include "cli/verbs/render.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"

namespace hanse::cli {

namespace {

Result<std::vector<market::Provider>> all_providers(Session& session) {
  std::vector<market::Provider> all;
  market::ProvidersQuery query;
  while (true) {
    TRY(const Bytes answer, market_query(session, "providers", market::encode_query(query)));
    TRY(auto page, market::decode_providers(answer));
    for (auto& provider : page) all.push_back(std::move(provider));
    if (page.size() < market::kPageMax) return all;
    query.after = all.back().account;
  }
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(Session session, open_session(args));
  TRY(const auto providers, all_providers(session));
  codec::Json list = codec::Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& p : providers) {
    const std::string id = codec::encode_id(p.account.view());
    codec::Json one = codec::Json::object();
    one.set("id", id).set("region", trade::region_name(p.region)).set("isolation", std::uint64_t{p.isolation});
    one.set("capacity", p.capacity).set("used", p.used).set("asks", p.asks).set("bond_ut", p.bond.value);
    one.set("reputation", p.reputation).set("settled", p.settled).set("faults", p.faults);
    list.push(std::move(one));
    rows.push_back({id.substr(0, 20), trade::region_name(p.region), text("{}", p.isolation),
                    text("{}/{}", p.used, p.capacity), text("{}", p.asks), text("{}", p.bond.value),
                    text("{}", p.reputation), text("{}", p.settled)});
  }
  codec::Json json = codec::Json::object();
  json.set("providers", std::move(list));
  return plugin::Answer{
      .json = std::move(json),
      .text = table({"provider", "region", "isolation", "busy", "asks", "bond ut", "reputation", "settled"}, rows)};
}

}  // namespace

plugin::Verb provider_list_verb() {
  return {.name = "provider list",
          .summary = "the providers of a network, their isolation, load, bond and reputation",
          .details = "Example:\n  hanse provider list --dir net",
          .options = {dir_option(), node_option()},
          .run = run};
}

}  // namespace hanse::cli
