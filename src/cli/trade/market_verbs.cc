#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "cli/trade/sealed_job.h"
#include "cli/trade/trade_verbs.h"
#include "exchange/market/calls.h"
#include "exchange/market/round_check.h"
#include "exchange/market/view.h"

namespace hanse::trade {
namespace {

using codec::Json;

constexpr std::size_t kPagesMax = 200;

Result<std::vector<market::Ask>> all_asks(client::Client& client) {
  std::vector<market::Ask> all;
  market::AsksQuery query;
  for (std::size_t page = 0; page < kPagesMax; ++page) {
    TRY(const Bytes answer, client.query(market::kMarketApp, "asks", market::encode_query(query)));
    TRY(auto asks, market::decode_asks(answer));
    for (market::Ask& ask : asks) all.push_back(std::move(ask));
    if (asks.size() < market::kPageMax) break;
    query.after_provider = all.back().provider;
    query.after_ask = all.back().id;
  }
  return all;
}

Result<std::vector<market::RoundHead>> rounds(client::Client& client, std::uint64_t before, std::uint32_t limit) {
  TRY(const Bytes answer,
      client.query(market::kMarketApp, "rounds", market::encode_query(market::RoundsQuery{before, limit})));
  return market::decode_round_heads(answer);
}

Json round_json(const market::RoundHead& head) {
  Json json = Json::object();
  json.set("round", head.number).set("open", head.open()).set("opened", head.opened.value);
  json.set("commit_until", head.commit_until.value).set("reveal_until", head.reveal_until.value);
  json.set("commits", head.commits).set("reveals", head.reveals);
  if (head.open()) return json;
  json.set("cleared", head.cleared.value).set("matches", head.matches).set("burned_ut", head.burned.value);
  json.set("paid_ut", head.paid.value).set("received_ut", head.received.value);
  json.set("treasury_ut", head.treasury.value);
  return json.set("record_hash", codec::to_hex(head.record_hash.view())).set("record_bytes", head.record_bytes);
}

std::string round_line(const market::RoundHead& head) {
  if (head.open())
    return text("round {} is open: {} commits until {}, {} reveals until {}", head.number, head.commits,
                head.commit_until.value, head.reveals, head.reveal_until.value);
  return text("round {} at height {}: {} commits, {} revealed, {} matches, paid {} ut, treasury {} ut, burned {} ut",
              head.number, head.cleared.value, head.commits, head.reveals, head.matches, head.paid.value,
              head.treasury.value, head.burned.value);
}

Result<plugin::Answer> book(client::Client& client, const plugin::VerbArgs&, plugin::Talk&) {
  TRY(auto asks, all_asks(client));
  std::ranges::stable_sort(asks, {}, &market::Ask::base_price);
  Json list = Json::array();
  std::string shown = text("{} asks", asks.size());
  for (const market::Ask& a : asks) {
    Json one = Json::object();
    one.set("ask", codec::to_hex(a.id.view())).set("provider", codec::encode_id(a.provider.view()));
    one.set("region", region_name(a.region)).set("precisions", precisions_name(a.precisions));
    one.set("level_max", std::uint64_t{a.level_max}).set("max_seq", a.max_seq);
    one.set("max_batch", std::uint64_t{a.max_batch}).set("latency_ms", a.latency_ms);
    one.set("isolation", std::uint64_t{a.isolation}).set("base_price_ut", a.base_price.value);
    one.set("unit_price_ut", a.unit_price.value).set("capacity_cu", a.capacity_cu).set("used_cu", a.used_cu);
    list.push(one.set("valid_until", a.valid_until.value));
    shown += text("\n{}  {:<4} base {:>8} ut  unit {:>8} ut  {} of {} units used  until {}  {}",
                  codec::to_hex(a.id.view()), region_name(a.region), a.base_price.value, a.unit_price.value, a.used_cu,
                  a.capacity_cu, a.valid_until.value, precisions_name(a.precisions));
  }
  TRY(const auto heads, rounds(client, 0, market::kPageMax));
  Json open = Json::array();
  for (const market::RoundHead& head : heads) {
    if (!head.open()) break;
    open.push(round_json(head));
    shown += "\n" + round_line(head);
  }
  Json json = Json::object();
  json.set("asks", std::move(list)).set("open_rounds", std::move(open));
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

Result<plugin::Answer> history(client::Client& client, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t limit, args.number("limit", 20, market::kPageMax));
  TRY(const std::uint64_t before, args.number("before", 0));
  if (limit == 0) return fail(Kind::kInvalid, "cli.usage", "--limit: found 0, expected 1 or more");
  TRY(const auto heads, rounds(client, before, static_cast<std::uint32_t>(limit)));
  Json list = Json::array();
  std::string shown;
  for (const market::RoundHead& head : heads) {
    list.push(round_json(head));
    shown += (shown.empty() ? "" : "\n") + round_line(head);
  }
  Json json = Json::object();
  json.set("rounds", std::move(list));
  return plugin::Answer{.json = std::move(json), .text = shown.empty() ? "no round was held" : std::move(shown)};
}

Result<Bytes> record_of(client::Client& client, const market::RoundHead& head) {
  Bytes record;
  for (std::uint64_t part = 0; record.size() < head.record_bytes; ++part) {
    TRY(const Bytes bytes,
        client.query(market::kMarketApp, "round_part", market::encode_query(market::RoundPlace{head.number, part})));
    if (bytes.empty()) break;
    append(record, bytes);
  }
  if (record.size() == head.record_bytes && market::round_hash(record) == head.record_hash) return record;
  return fail(Kind::kCorrupt, "trade.record",
              text("the node gave {} bytes with hash {} for round {}, its head names {} with {}", record.size(),
                   market::round_hash(record), head.number, head.record_bytes, head.record_hash));
}

Result<plugin::Answer> round(client::Client& client, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t number, args.number("ROUND", 0));
  TRY(const auto heads, rounds(client, number + 1, 1));
  if (heads.empty() || heads[0].number != number || heads[0].open())
    return fail(Kind::kNotFound, "market.no_round", text("round {} is not cleared, or no longer kept", number));
  TRY(const Bytes bytes, record_of(client, heads[0]));
  TRY(const market::RoundRecord record, market::decode_round(bytes));
  if (args.has("out")) TRY_OK(replace_file(real_fs(), std::string(args.get("out")), bytes));
  Json json = round_json(heads[0]);
  std::string shown = round_line(heads[0]);
  Json cells = Json::array(), matches = Json::array(), unmatched = Json::array();
  for (const market::CellPrice& c : record.outcome.cells) {
    const std::string name = cell_name(c.cell.precision, c.cell.region, c.cell.level);
    Json one = Json::object();
    one.set("cell", name).set("trades", c.trades).set("kept", c.kept);
    cells.push(one.set("buyer_price_ut", c.buyer_price).set("seller_price_ut", c.seller_price));
    shown += text("\ncell {}: {} of {} trades at {} ut for payers, {} ut for providers", name, c.kept, c.trades,
                  c.buyer_price, c.seller_price);
  }
  for (const market::RoundMatch& m : record.outcome.matches) {
    Json one = Json::object();
    one.set("job_id", codec::to_hex(m.job_id.view())).set("provider", codec::encode_id(m.provider.view()));
    matches.push(one.set("pays_ut", m.pays.value).set("gets_ut", m.gets.value));
    shown += text("\n{} pays {} ut, {} gets {} ut", m.job_id, m.pays.value, codec::encode_id(m.provider.view()),
                  m.gets.value);
  }
  for (const market::BidFate& fate : record.outcome.unmatched) {
    Json one = Json::object();
    unmatched.push(one.set("seq", fate.seq).set("reason", market::bid_end_name(fate.end)));
    shown += text("\nbid {} found nothing: {}", fate.seq, market::bid_end_name(fate.end));
  }
  json.set("cells", std::move(cells)).set("matched", std::move(matches)).set("unmatched", std::move(unmatched));
  if (args.has("out")) {
    json.set("file", args.get("out"));
    shown += text("\nrecord    {}, check it with: hanse-auction-check {}", args.get("out"), args.get("out"));
  }
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

Result<plugin::Answer> finish(client::Client& client, const std::string& folder, plugin::Talk& talk) {
  TRY(const client::NodeInfo info, client.info());
  TRY(const auto all, kept(real_fs(), folder));
  Json list = Json::array();
  std::string shown;
  int exit = 0;
  for (const SealedJob& sealed : all) {
    if (sealed.network != info.network) continue;
    TRY(const gxf::Job job, gxf::decode(sealed.gxf));
    Json one = Json::object();
    one.set("job_id", codec::to_hex(job.job_id.view()));
    const auto place = commit(client, sealed);
    auto height = place ? reveal(client, sealed, *place, talk) : Result<Height>(std::unexpected(place.error().clone()));
    if (place) one.set("round", place->round).set("seq", place->seq).set("reveal_until", place->reveal_until.value);
    if (height) {
      TRY_OK(client.put_blob(sealed.gxf));
      one.set("state", "revealed").set("height", height->value);
      shown += text("job {} is revealed in round {}\n", job.job_id, place->round);
    } else {
      const Kind kind = height.error().kind();
      if (kind == Kind::kUnavailable || (kind == Kind::kTimeout && height.error().id() != "trade.too_late"))
        return std::unexpected(std::move(height).error());  // it can be tried again: the file stays
      exit = 1;
      one.set("state", height.error().id() == "trade.too_late" ? "too_late" : "refused");
      one.set("error", height.error().id()).set("message", height.error().message());
      shown += text("job {}: {}\n", job.job_id, height.error().message());
      if (height.error().id() != "trade.too_late" && height.error().id() != "ledger.nonce_reused" &&
          height.error().id() != "ledger.call_expired") {
        list.push(std::move(one));
        continue;  // such as too little money: the file stays
      }
    }
    TRY_OK(forget(real_fs(), folder, sealed));
    list.push(std::move(one));
  }
  if (!shown.empty()) shown.pop_back();
  Json json = Json::object();
  json.set("sealed", std::move(list));
  return plugin::Answer{
      .json = std::move(json), .text = shown.empty() ? "no sealed bid is waiting" : std::move(shown), .exit = exit};
}

using Act = Result<plugin::Answer> (*)(client::Client&, const plugin::VerbArgs&, plugin::Talk&);

plugin::Verb verb(const NodeFinder& node, plugin::Verb made, Act act) {
  made.options.insert(made.options.end(), node.options.begin(), node.options.end());
  made.run = [node, act](const plugin::VerbArgs& args, plugin::Talk& talk) -> Result<plugin::Answer> {
    TRY(const auto client, node.connect(args));
    return act(*client, args, talk);
  };
  return made;
}

plugin::Verb reveal_verb(const NodeFinder& node, const WalletFinder& wallet) {
  plugin::Verb made{.name = "market reveal",
                    .summary = "reveal sealed bids whose program ended before it could",
                    .details =
                        "`hanse submit --sealed` keeps salt and job in the folder `sealed` beside the wallet "
                        "until it has revealed.\nExit code 1 when a bid is too late or refused.\nExample:\n"
                        "  hanse market reveal --dir net",
                    .options = {},
                    .run = {}};
  for (const auto* more : {&node.options, &wallet.options})
    made.options.insert(made.options.end(), more->begin(), more->end());
  made.run = [node, wallet](const plugin::VerbArgs& args, plugin::Talk& talk) -> Result<plugin::Answer> {
    TRY(const auto client, node.connect(args));
    return finish(*client, sealed_folder(wallet.path(args)), talk);
  };
  return made;
}

}  // namespace

std::vector<plugin::Verb> market_verbs(const NodeFinder& node, const WalletFinder& wallet) {
  std::vector<plugin::Verb> out;
  out.push_back(verb(node,
                     {.name = "market book",
                      .summary = "the standing asks, cheapest first, and the batch rounds that are open",
                      .details = "Example:\n  hanse market book --dir net",
                      .options = {},
                      .run = {}},
                     book));
  out.push_back(verb(node,
                     {.name = "market history",
                      .summary = "the batch rounds of the network, newest first",
                      .details = "The newest 64 are kept.\nExample:\n  hanse market history --dir net --limit 5",
                      .options = {{.name = "--limit", .value = "N", .help = "at most 100", .fallback = "20"},
                                  {.name = "--before", .value = "ROUND", .help = "only earlier ones", .fallback = {}}},
                      .run = {}},
                     history));
  out.push_back(
      verb(node,
           {.name = "market round",
            .summary = "what went into a cleared round and what came out; --out writes its record",
            .details = "The record is what hanse-auction-check derives again.\nExample:\n"
                       "  hanse market round 3 --dir net --out round3.cbor && hanse-auction-check round3.cbor",
            .options = {{.name = "ROUND", .value = "ROUND", .help = "its number", .fallback = {}, .required = true},
                        {.name = "--out", .value = "FILE", .help = "where the record goes", .fallback = {}}},
            .run = {}},
           round));
  out.push_back(reveal_verb(node, wallet));
  return out;
}

}  // namespace hanse::trade
