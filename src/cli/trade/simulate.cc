// `hanse market simulate`: clears a round that is only a file. Needs no node.
#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/trade/trade_verbs.h"
#include "exchange/auction/clear.h"

namespace hanse::trade {
namespace {

using codec::Json;

// Fields of one object; what is not there keeps its default, what is there and unknown is refused.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  template <class T>
  Status number(std::string_view name, T& out, std::uint64_t max = std::numeric_limits<T>::max()) {
    const Json* found = take(name);
    if (found == nullptr) return {};
    TRY(const std::uint64_t v, found->as_u64(path(name)));
    if (v > max)
      return fail(Kind::kInvalid, "trade.what_if", text("{} is {}, expected at most {}", path(name), v, max));
    out = static_cast<T>(v);
    return {};
  }
  Result<std::string_view> word(std::string_view name, std::string_view fallback) {
    const Json* found = take(name);
    if (found == nullptr) return fallback;
    return found->as_text(path(name));
  }
  Result<const std::vector<Json>*> list(std::string_view name) {
    static const std::vector<Json> kNone;
    const Json* found = take(name);
    if (found == nullptr) return &kNone;
    if (found->type() != Json::Type::kArray)
      return fail(Kind::kInvalid, "trade.what_if", text("{} is {}, expected a list", path(name), found->type_name()));
    return &found->items();
  }
  Status finish() const {
    if (json_.type() != Json::Type::kObject)
      return fail(Kind::kInvalid, "trade.what_if", text("{} is {}, expected an object", where_, json_.type_name()));
    for (const auto& [name, value] : json_.members()) {
      if (std::ranges::find(known_, name) == known_.end())
        return fail(Kind::kInvalid, "trade.what_if", text("{} is unknown", path(name)));
    }
    return {};
  }

 private:
  std::string path(std::string_view name) const {
    return where_.empty() ? std::string(name) : text("{}.{}", where_, name);
  }
  const Json* take(std::string_view name) {
    known_.emplace_back(name);
    return json_.find(name);
  }
  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

Status read_ask(const Json& json, std::size_t i, market::Round& round) {
  Reader r(json, text("asks[{}]", i));
  market::RoundAsk a;
  std::uint64_t provider = i;
  market::Ask& ask = a.ask;
  ask.precisions = market::kPrecisionsAll;
  ask.level_max = market::kLevelMax;
  ask.max_seq = ~std::uint32_t{0};
  ask.max_batch = 0xffff;
  ask.isolation = market::kIsolationMax;
  ask.capacity_cu = ~std::uint64_t{0};
  ask.valid_until = round.height;
  a.bond = Amount{~std::uint64_t{0}};
  a.free_slots = market::kCapacityMax;
  TRY_OK(r.number("unit_price", ask.unit_price.value));
  TRY_OK(r.number("capacity_cu", ask.capacity_cu));
  TRY_OK(r.number("provider", provider));
  TRY_OK(r.number("level", ask.level_max));
  TRY_OK(r.number("max_seq", ask.max_seq));
  TRY_OK(r.number("max_batch", ask.max_batch));
  TRY_OK(r.number("isolation", ask.isolation));
  TRY_OK(r.number("latency_ms", ask.latency_ms));
  TRY_OK(r.number("slots", a.free_slots, market::kCapacityMax));
  TRY_OK(r.number("bond", a.bond.value));
  TRY(const std::string_view region, r.word("region", "EU"));
  TRY(ask.region, parse_region(region));
  TRY(const std::string_view precisions, r.word("precisions", "int8,e5m2,fp8,bf16"));
  TRY(ask.precisions, parse_precisions(precisions));
  TRY_OK(r.finish());
  store_be(ask.provider.data.data(), provider + 1);
  store_be(ask.id.data.data(), std::uint64_t{i} + 1);
  a.seq = i;
  round.asks.push_back(a);
  return {};
}

Status read_bid(const Json& json, std::size_t i, market::Round& round) {
  Reader r(json, text("bids[{}]", i));
  market::RoundBid b;
  b.seq = i;
  market::Bid& bid = b.bid;
  bid.seq = 1024;
  bid.batch = 1;
  bid.region_mask = ~std::uint64_t{0};
  bid.expires = round.height.plus(1);
  store_be(bid.job_id.data.data(), std::uint64_t{i} + 1);
  store_be(bid.payer.data.data(), std::uint64_t{i} + 1);
  TRY_OK(r.number("limit", bid.limit_total.value));
  TRY_OK(r.number("seq", bid.seq));
  TRY_OK(r.number("batch", bid.batch));
  TRY_OK(r.number("level", bid.level));
  TRY_OK(r.number("isolation", bid.isolation));
  TRY_OK(r.number("max_latency_ms", bid.max_latency_ms));
  TRY(const std::string_view precision, r.word("precision", "int8"));
  TRY(bid.precisions, parse_precisions(precision));
  TRY(const auto* regions, r.list("regions"));
  if (!regions->empty()) bid.region_mask = 0;
  for (const Json& each : *regions) {
    TRY(const std::string_view name, each.as_text(text("bids[{}].regions", i)));
    TRY(const std::uint16_t region, parse_region(name));
    bid.region_mask |= std::uint64_t{1} << region;
  }
  TRY_OK(r.finish());
  for (unsigned p = 1; p <= 4; ++p) {
    if ((bid.precisions >> p & 1) != 0)
      TRY_OK(auction::add_load(bid.work, {static_cast<gxf::Precision>(p), bid.seq, bid.batch}));
  }
  TRY(bid.cu, auction::compute_units(round.cu_base, bid.work));
  b.funds = bid.limit_total;
  round.commits.push_back(market::commit_of(bid, b.salt));
  round.bids.push_back(b);
  return {};
}

Result<market::Round> what_if(std::string_view content) {
  TRY(const Json json, codec::parse_yaml(content));
  market::Round round;
  round.number = 1;
  round.height = Height{1};
  Reader r(json, {});
  TRY_OK(r.number("cu_base", round.cu_base));
  TRY_OK(r.number("audit_ppm", round.bond.audit_ppm, market::kPpm));
  TRY_OK(r.number("gain_ppm", round.bond.gain_ppm, 100 * market::kPpm));
  TRY(const auto* asks, r.list("asks"));
  TRY(const auto* bids, r.list("bids"));
  TRY_OK(r.finish());
  for (std::size_t i = 0; i < asks->size(); ++i) TRY_OK(read_ask((*asks)[i], i, round));
  for (std::size_t i = 0; i < bids->size(); ++i) TRY_OK(read_bid((*bids)[i], i, round));
  return round;
}

Result<market::Round> read_round(const std::string& path) {
  TRY(const Bytes bytes, read_file(real_fs(), path, market::kRoundBytesMax));
  auto record = market::decode_round(bytes);
  if (record) return std::move(record->round);
  if (!bytes.empty() && (bytes[0] & 0xe0) == 0xa0) return std::unexpected(std::move(record).error());  // a CBOR map
  return with_context(what_if(as_text(bytes)), text("read {}", path));
}

Status leave_out(const plugin::VerbArgs& args, market::Round& round) {
  for (const std::string& shown : args.all("without")) {
    plugin::VerbArgs one;
    one.add("without", shown);
    TRY(const std::uint64_t seq, one.number("without", 0));
    if (std::erase_if(round.bids, [&](const market::RoundBid& b) { return b.seq == seq; }) == 0)
      return fail(Kind::kInvalid, "cli.usage", text("--without: found {}, the file has no such bid", seq));
  }
  return {};
}

Result<plugin::Answer> run(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(market::Round round, read_round(std::string(args.get("FILE"))));
  TRY_OK(leave_out(args, round));
  TRY(const market::RoundOutcome out, auction::clear(round));
  if (args.has("out"))
    TRY_OK(replace_file(real_fs(), std::string(args.get("out")), market::encode_round({round, out})));
  Json cells = Json::array(), matched = Json::array(), unmatched = Json::array(), json = Json::object();
  std::string shown =
      text("{} bids, {} asks, {} matches, paid {} ut, received {} ut, treasury {} ut", round.bids.size(),
           round.asks.size(), out.matches.size(), out.paid.value, out.received.value, out.treasury.value);
  for (const market::CellPrice& c : out.cells) {
    const std::string name = cell_name(c.cell.precision, c.cell.region, c.cell.level);
    Json one = Json::object();
    one.set("cell", name).set("trades", c.trades).set("kept", c.kept);
    cells.push(one.set("buyer_price_ut", c.buyer_price).set("seller_price_ut", c.seller_price));
    shown += text("\ncell {}: {} of {} trades at {} ut for payers, {} ut for providers", name, c.kept, c.trades,
                  c.buyer_price, c.seller_price);
  }
  for (const market::RoundMatch& m : out.matches) {
    const auto bid = std::ranges::find(round.bids, m.job_id, [](const market::RoundBid& b) { return b.bid.job_id; });
    const auto ask = std::ranges::find(round.asks, m.ask_id, [](const market::RoundAsk& a) { return a.ask.id; });
    Json one = Json::object();
    one.set("bid", bid->seq).set("ask", static_cast<std::uint64_t>(ask - round.asks.begin()));
    matched.push(one.set("pays_ut", m.pays.value).set("gets_ut", m.gets.value));
    shown += text("\nbid {} with ask {}: pays {} ut, it gets {} ut", bid->seq, ask - round.asks.begin(), m.pays.value,
                  m.gets.value);
  }
  for (const market::BidFate& fate : out.unmatched) {
    Json one = Json::object();
    unmatched.push(one.set("bid", fate.seq).set("reason", market::bid_end_name(fate.end)));
    shown += text("\nbid {} found nothing: {}", fate.seq, market::bid_end_name(fate.end));
  }
  json.set("matched", std::move(matched)).set("unmatched", std::move(unmatched)).set("cells", std::move(cells));
  json.set("paid_ut", out.paid.value).set("received_ut", out.received.value).set("treasury_ut", out.treasury.value);
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

}  // namespace

plugin::Verb simulate_verb() {
  return {.name = "market simulate",
          .summary = "clear a round that is only a file: a recorded one, or a what-if in YAML or JSON",
          .details =
              "A what-if has `asks` (unit_price, capacity_cu, region, precisions, slots, bond, provider, ...) "
              "and `bids` (limit, precision, seq,\nbatch, regions, ...); all but unit_price and limit have "
              "defaults. No node is asked.\nExample:\n  hanse market simulate round3.cbor --without 7",
          .options = {{.name = "FILE", .value = "FILE", .help = "what to clear", .fallback = {}, .required = true},
                      {.name = "--without",
                       .value = "SEQ",
                       .help = "leave this bid out; may be repeated",
                       .fallback = {},
                       .repeats = true},
                      {.name = "--out", .value = "FILE", .help = "write the record of it", .fallback = {}}},
          .run = run};
}

}  // namespace hanse::trade
