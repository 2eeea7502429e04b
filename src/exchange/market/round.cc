#include "exchange/market/round.h"

#include <algorithm>
#include <map>

#include "base/crypto/hash.h"
#include "exchange/market/detail/fields.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kLimits{.size_max = kRoundBytesMax, .depth_max = 4};
constexpr std::size_t kItemBytesMax = 512;  // an encoded ask or bid

Status limit(std::string_view what, std::size_t found, std::size_t max) {
  if (found <= max) return {};
  return fail(Kind::kExhausted, "market.round_limit", text("found {} {}, at most {} in a round", found, what, max));
}

std::pair<const AccountId&, const AskId&> ask_key_of(const RoundAsk& a) { return {a.ask.provider, a.ask.id}; }

template <class T, class Key>
std::vector<const T*> in_order(const std::vector<T>& items, Key key) {
  std::vector<const T*> out;
  out.reserve(items.size());
  for (const T& item : items) out.push_back(&item);
  std::ranges::sort(out, {}, [&](const T* item) { return key(*item); });
  return out;
}

void write_inputs(codec::CborWriter& w, const Round& round) {
  w.key(5);
  w.array(round.commits.size());
  for (const Hash32& commit : round.commits) w.bytes(commit.view());
  w.key(6);
  w.array(round.asks.size());
  for (const RoundAsk* a : in_order(round.asks, ask_key_of)) {
    w.array(4);
    w.u64(a->seq);
    w.u64(a->bond.value);
    w.u64(a->free_slots);
    w.bytes(encode_ask(a->ask));
  }
  w.key(7);
  w.array(round.bids.size());
  for (const RoundBid* b : in_order(round.bids, [](const RoundBid& bid) { return bid.seq; })) {
    w.array(4);
    w.u64(b->seq);
    w.u64(b->funds.value);
    w.bytes(b->salt.view());
    w.bytes(encode_bid(b->bid));
  }
}

void write_cell(codec::CborWriter& w, const Cell& cell) {
  w.u64(cell.precision);
  w.u64(cell.region);
  w.u64(cell.level);
}

void write_outcome(codec::CborWriter& w, const RoundOutcome& out) {
  w.map(5);
  w.key(0);
  w.array(out.matches.size());
  for (const RoundMatch& m : out.matches) {
    w.array(8);
    w.bytes(m.job_id.view());
    w.bytes(m.provider.view());
    w.bytes(m.ask_id.view());
    write_cell(w, m.cell);
    w.u64(m.pays.value);
    w.u64(m.gets.value);
  }
  w.key(1);
  w.array(out.cells.size());
  for (const CellPrice& c : out.cells) {
    w.array(7);
    write_cell(w, c.cell);
    for (const std::uint64_t v : {c.trades, c.kept, c.buyer_price, c.seller_price}) w.u64(v);
  }
  w.key(2);
  w.array(out.unmatched.size());
  for (const BidFate& fate : out.unmatched) {
    w.array(2);
    w.u64(fate.seq);
    w.u64(static_cast<std::uint64_t>(fate.end));
  }
  w.key(3);
  w.array(out.dropped.size());
  for (const AskFate& fate : out.dropped) {
    w.array(3);
    w.bytes(fate.provider.view());
    w.bytes(fate.id.view());
    w.u64(static_cast<std::uint64_t>(fate.end));
  }
  w.key(4);
  w.array(3);
  for (const Amount a : {out.paid, out.received, out.treasury}) w.u64(a.value);
}

Status read_commits(codec::CborReader& r, Round& round) {
  TRY_OK(r.enter_array("commits", kRoundBidsMax));
  while (r.more()) TRY_OK(r.fixed("commit", round.commits.emplace_back()));
  return r.leave();
}

Status read_asks(codec::CborReader& r, Round& round) {
  TRY_OK(r.enter_array("asks", kRoundAsksMax));
  while (r.more()) {
    RoundAsk a;
    TRY_OK(r.enter_array("ask", 4));
    TRY(a.seq, r.u64("seq"));
    TRY(a.bond.value, r.u64("bond"));
    TRY(const std::uint64_t slots, r.u64("free_slots", kCapacityMax));
    a.free_slots = static_cast<std::uint32_t>(slots);
    TRY(const ByteView bytes, r.bytes("ask", kItemBytesMax));
    TRY(a.ask, decode_ask(bytes));
    if (!round.asks.empty() && !(ask_key_of(round.asks.back()) < ask_key_of(a)))
      return r.fail_here("market.record", "found an ask out of order, expected them by provider and id");
    TRY_OK(r.leave());
    round.asks.push_back(std::move(a));
  }
  return r.leave();
}

Status read_bids(codec::CborReader& r, Round& round) {
  TRY_OK(r.enter_array("bids", kRoundBidsMax));
  while (r.more()) {
    RoundBid b;
    TRY_OK(r.enter_array("bid", 4));
    TRY(b.seq, r.u64("seq"));
    TRY(b.funds.value, r.u64("funds"));
    TRY_OK(r.fixed("salt", b.salt));
    TRY(const ByteView bytes, r.bytes("bid", kItemBytesMax));
    TRY(b.bid, decode_bid(bytes));
    if (!round.bids.empty() && round.bids.back().seq >= b.seq)
      return r.fail_here("market.record", text("found bid {} after bid {}", b.seq, round.bids.back().seq));
    TRY_OK(r.leave());
    round.bids.push_back(std::move(b));
  }
  return r.leave();
}

template <class T>
Status read_uint(codec::CborReader& r, std::string_view what, T& out,
                 std::uint64_t max = std::numeric_limits<T>::max()) {
  TRY(const std::uint64_t v, r.u64(what, max));
  out = static_cast<T>(v);
  return {};
}

Status read_cell(codec::CborReader& r, Cell& cell) {
  TRY_OK(read_uint(r, "precision", cell.precision, 4));
  TRY_OK(read_uint(r, "region", cell.region, kRegionsMax - 1));
  return read_uint(r, "level", cell.level, kLevelMax);
}

template <class E>
Status read_end(codec::CborReader& r, E& end, std::uint8_t max) {
  TRY(const std::uint64_t v, r.u64("end", max));
  if (v == 0) return r.fail_here("market.record", text("found end 0, expected 1 to {}", max));
  end = static_cast<E>(v);
  return {};
}

Status read_matches(codec::CborReader& r, RoundOutcome& out) {
  TRY_OK(r.enter_array("matches", kRoundBidsMax));
  while (r.more()) {
    RoundMatch& m = out.matches.emplace_back();
    TRY_OK(r.enter_array("match", 8));
    TRY_OK(r.fixed("job_id", m.job_id));
    TRY_OK(r.fixed("provider", m.provider));
    TRY_OK(r.fixed("ask_id", m.ask_id));
    TRY_OK(read_cell(r, m.cell));
    TRY_OK(read_uint(r, "pays", m.pays.value));
    TRY_OK(read_uint(r, "gets", m.gets.value));
    TRY_OK(r.leave());
  }
  return r.leave();
}

Status read_cells(codec::CborReader& r, RoundOutcome& out) {
  constexpr std::size_t kCellsMax = 4u * kRegionsMax * (kLevelMax + 1u);
  TRY_OK(r.enter_array("cells", kCellsMax));
  while (r.more()) {
    CellPrice& c = out.cells.emplace_back();
    TRY_OK(r.enter_array("cell", 7));
    TRY_OK(read_cell(r, c.cell));
    TRY_OK(read_uint(r, "trades", c.trades));
    TRY_OK(read_uint(r, "kept", c.kept));
    TRY_OK(read_uint(r, "buyer_price", c.buyer_price));
    TRY_OK(read_uint(r, "seller_price", c.seller_price));
    TRY_OK(r.leave());
  }
  return r.leave();
}

Status read_fates(codec::CborReader& r, Fields& f, RoundOutcome& out) {
  TRY_OK(f.key(2));
  TRY_OK(r.enter_array("unmatched", kRoundBidsMax));
  while (r.more()) {
    BidFate& fate = out.unmatched.emplace_back();
    TRY_OK(r.enter_array("bid", 2));
    TRY_OK(read_uint(r, "seq", fate.seq));
    TRY_OK(read_end(r, fate.end, kBidEndMax));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(f.key(3));
  TRY_OK(r.enter_array("dropped", kRoundAsksMax));
  while (r.more()) {
    AskFate& fate = out.dropped.emplace_back();
    TRY_OK(r.enter_array("ask", 3));
    TRY_OK(r.fixed("provider", fate.provider));
    TRY_OK(r.fixed("id", fate.id));
    TRY_OK(read_end(r, fate.end, kAskEndMax));
    TRY_OK(r.leave());
  }
  return r.leave();
}

Status read_outcome(codec::CborReader& r, RoundOutcome& out) {
  Fields f(r, "outcome");
  TRY_OK(f.enter(5));
  TRY_OK(f.key(0));
  TRY_OK(read_matches(r, out));
  TRY_OK(f.key(1));
  TRY_OK(read_cells(r, out));
  TRY_OK(read_fates(r, f, out));
  TRY_OK(f.key(4));
  TRY_OK(r.enter_array("money", 3));
  TRY_OK(read_uint(r, "paid", out.paid.value));
  TRY_OK(read_uint(r, "received", out.received.value));
  TRY_OK(read_uint(r, "treasury", out.treasury.value));
  TRY_OK(r.leave());
  return r.leave();
}

}  // namespace

Hash32 commit_of(const Bid& bid, const Salt& salt) {
  return crypto::blake3("hanse/bid/1", {encode_bid(bid), salt.view()});
}

std::string_view bid_end_name(BidEnd end) {
  constexpr std::string_view kNames[] = {"bad_fields", "bad_reveal", "expired",    "unfunded", "twice",  "no_fit",
                                         "price",      "capacity",   "scan_limit", "crossed",  "reduced"};
  const auto i = static_cast<std::size_t>(end);
  return i >= 1 && i <= kBidEndMax ? kNames[i - 1] : "unknown";
}

std::string_view ask_end_name(AskEnd end) {
  constexpr std::string_view kNames[] = {"bad_fields", "expired", "unbonded", "immediate", "exhausted"};
  const auto i = static_cast<std::size_t>(end);
  return i >= 1 && i <= kAskEndMax ? kNames[i - 1] : "unknown";
}

Status check_round(const Round& round) {
  TRY_OK(limit("commits", round.commits.size(), kRoundBidsMax));
  TRY_OK(limit("bids", round.bids.size(), kRoundBidsMax));
  TRY_OK(limit("asks", round.asks.size(), kRoundAsksMax));
  std::vector<bool> seen(round.commits.size());
  Amount sum;
  for (const RoundBid& b : round.bids) {
    if (b.seq >= round.commits.size()) {
      return fail(Kind::kInvalid, "market.round",
                  text("a bid has seq {}, the round has {} commits", b.seq, round.commits.size()));
    }
    if (seen[b.seq]) return fail(Kind::kInvalid, "market.round", text("two bids have seq {}", b.seq));
    seen[b.seq] = true;
    if (!Amount::add(sum, b.bid.limit_total, sum))
      return fail(Kind::kInvalid, "market.round", text("the limits up to bid {} do not fit 64 bits", b.seq));
  }
  if (round.bond.audit_ppm == 0) return fail(Kind::kInvalid, "market.round", "found audits at 0, expected 1 or more");
  std::map<std::pair<AccountId, AskId>, const RoundAsk*> asks;
  for (const RoundAsk& a : round.asks) {
    const auto [at, fresh] = asks.emplace(std::pair(a.ask.provider, a.ask.id), &a);
    if (!fresh)
      return fail(Kind::kInvalid, "market.round", text("ask {} of {} is there twice", a.ask.id, a.ask.provider));
    for (const auto& near : {at == asks.begin() ? at : std::prev(at), std::next(at)}) {
      if (near == asks.end() || near->first.first != a.ask.provider) continue;
      if (near->second->bond != a.bond || near->second->free_slots != a.free_slots)
        return fail(Kind::kInvalid, "market.round", text("the asks of {} differ in slots or bond", a.ask.provider));
    }
  }
  return {};
}

Bytes encode_round(const RoundRecord& record) {
  const Round& round = record.round;
  codec::CborWriter w;
  w.map(9);
  put(w, 0, kRoundVersion);
  put(w, 1, round.number);
  put(w, 2, round.height);
  put(w, 3, round.beacon.view());
  w.key(4);
  w.array(4);
  for (const std::uint64_t v : {round.cu_base, round.bond_min.value, round.bond.audit_ppm, round.bond.gain_ppm})
    w.u64(v);
  write_inputs(w, round);
  w.key(8);
  write_outcome(w, record.outcome);
  return w.take();
}

Result<RoundRecord> decode_round(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "round");
  RoundRecord record;
  Round& round = record.round;
  std::uint64_t version = 0;
  TRY_OK(f.enter(9));
  TRY_OK(f.uint(0, "version", version));
  if (version != kRoundVersion)
    return r.fail_here("market.record", text("found version {}, expected {}", version, kRoundVersion));
  TRY_OK(f.uint(1, "number", round.number));
  TRY_OK(f.height(2, "height", round.height));
  TRY_OK(f.fixed(3, "beacon", round.beacon));
  TRY_OK(f.key(4));
  TRY_OK(r.enter_array("params", 4));
  TRY(round.cu_base, r.u64("cu_base"));
  TRY(round.bond_min.value, r.u64("bond_min"));
  TRY(round.bond.audit_ppm, r.u64("audit_ppm", kPpm));
  TRY(round.bond.gain_ppm, r.u64("gain_ppm", 100 * kPpm));
  TRY_OK(r.leave());
  TRY_OK(f.key(5));
  TRY_OK(read_commits(r, round));
  TRY_OK(f.key(6));
  TRY_OK(read_asks(r, round));
  TRY_OK(f.key(7));
  TRY_OK(read_bids(r, round));
  TRY_OK(f.key(8));
  TRY_OK(read_outcome(r, record.outcome));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  TRY_OK(check_round(round));
  return record;
}

}  // namespace hanse::market
