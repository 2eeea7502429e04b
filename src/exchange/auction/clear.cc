#include "exchange/auction/clear.h"

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "base/crypto/merkle.h"

namespace hanse::auction {
namespace {

using market::AskEnd;
using market::BidEnd;
using market::Cell;
__extension__ using u128 = unsigned __int128;

constexpr std::uint32_t kNone = ~std::uint32_t{0};
constexpr std::size_t kLevels = market::kLevelMax + 1, kLists = 5u * market::kRegionsMax, kCells = kLists * kLevels;

// What all asks of a provider share.
struct Stand {
  std::uint32_t slots;
  Amount bond;
};

struct AskSlot {
  const market::RoundAsk* in;
  Hash32 tie;
  std::uint64_t price;  // ut per kCU
  std::uint64_t left;   // compute units
  Stand* stand;
  bool has_rest() const { return left != 0 && stand->slots != 0; }
};

struct BidSlot {
  const market::RoundBid* in;
  Hash32 tie;
  std::uint64_t value;  // v, ut per kCU
  std::size_t precision;
  std::uint64_t regions;
  std::optional<Amount> bond;  // for the limit; none is enough when it is beyond 64 bits
  std::uint32_t ask = kNone;
  BidEnd end = BidEnd::kNoFit;  // while there is no trade
};

struct CellState {
  std::vector<std::uint32_t> trades;  // bids, in order
  std::uint64_t excluded = 0;         // v'
  std::uint64_t spare = 0;            // a'
};

Amount money(std::uint64_t price, std::uint64_t cu) {
  const u128 total = (u128{price} * cu + market::kKiloUnits - 1) / market::kKiloUnits;
  return Amount{static_cast<std::uint64_t>(total)};  // at most the bid's limit, as price <= v
}

std::uint64_t value_of(const market::Bid& bid) {
  const u128 v = u128{bid.limit_total.value} * market::kKiloUnits / bid.cu;
  return v > ~std::uint64_t{0} ? ~std::uint64_t{0} : static_cast<std::uint64_t>(v);
}

bool good_fields(const market::Bid& bid, std::uint64_t cu_base) {
  const auto cu = compute_units(cu_base, bid.work);
  return cu && *cu == bid.cu && bid.cu != 0 && bid.precisions != 0 && (bid.precisions & ~market::kPrecisionsAll) == 0 &&
         bid.level <= market::kLevelMax && bid.seq != 0 && bid.batch != 0 && bid.region_mask != 0 &&
         bid.isolation <= market::kIsolationMax && bid.limit_total.value != 0 && bid.residency <= market::kRegionsMax &&
         (bid.residency == 0 || (bid.region_mask >> (bid.residency - 1) & 1) != 0);
}

bool good_fields(const market::Ask& ask) {
  return ask.region < market::kRegionsMax && ask.precisions != 0 && (ask.precisions & ~market::kPrecisionsAll) == 0 &&
         ask.level_max <= market::kLevelMax && ask.isolation <= market::kIsolationMax && ask.used_cu <= ask.capacity_cu;
}

std::optional<BidEnd> fault(const market::RoundBid& b, const market::Round& round) {
  if (!good_fields(b.bid, round.cu_base)) return BidEnd::kBadFields;
  if (market::commit_of(b.bid, b.salt) != round.commits[b.seq]) return BidEnd::kBadReveal;
  if (b.bid.expires <= round.height) return BidEnd::kExpired;
  if (b.funds < b.bid.limit_total) return BidEnd::kUnfunded;
  return std::nullopt;
}

std::optional<AskEnd> fault(const market::RoundAsk& a, const market::Round& round) {
  if (!good_fields(a.ask)) return AskEnd::kBadFields;
  if (a.ask.valid_until < round.height) return AskEnd::kExpired;
  if (a.bond < round.bond_min) return AskEnd::kUnbonded;
  if (a.ask.unit_price.value == 0) return AskEnd::kImmediate;
  if (a.ask.used_cu == a.ask.capacity_cu || a.free_slots == 0) return AskEnd::kExhausted;
  return std::nullopt;
}

class Clearing {
 public:
  explicit Clearing(const market::Round& round) : round_(round), root_(crypto::merkle_root(round.commits)) {}

  market::RoundOutcome run() {
    take_asks();
    take_bids();
    for (std::uint32_t i = 0; i < bids_.size(); ++i) match(i);
    for (CellState& cell : cells_) uncross(cell);
    for (BidSlot& bid : bids_) {
      if (bid.ask == kNone) exclude(bid);
    }
    for (std::size_t i = 0; i < kCells; ++i) find_spare(i);
    for (std::size_t i = 0; i < kCells; ++i) settle(i);
    finish();
    return std::move(out_);
  }

 private:
  Hash32 tie(const AccountId& principal, std::uint64_t seq) const {
    std::uint8_t be[8];
    store_be(be, seq);
    return crypto::blake3("hanse/tie/2", {round_.beacon.view(), root_.view(), principal.view(), be});
  }

  void take_asks() {
    for (const market::RoundAsk& a : round_.asks) {
      if (const auto end = fault(a, round_)) {
        out_.dropped.push_back({.provider = a.ask.provider, .id = a.ask.id, .end = *end});
      } else {
        Stand& stand = stands_.try_emplace(a.ask.provider, Stand{a.free_slots, a.bond}).first->second;
        asks_.push_back({.in = &a,
                         .tie = tie(a.ask.provider, a.seq),
                         .price = a.ask.unit_price.value,
                         .left = a.ask.capacity_cu - a.ask.used_cu,
                         .stand = &stand});
      }
    }
    std::ranges::sort(asks_, [](const AskSlot& a, const AskSlot& b) {
      return std::tie(a.price, a.tie, a.in->ask.provider, a.in->ask.id) <
             std::tie(b.price, b.tie, b.in->ask.provider, b.in->ask.id);
    });
    for (std::uint32_t i = 0; i < asks_.size(); ++i) {
      const market::Ask& ask = asks_[i].in->ask;
      for (std::size_t p = 1; p <= 4; ++p) {
        if (ask.precisions >> p & 1) all_[list(p, ask.region)].push_back(i);
      }
    }
    live_ = all_;
    for (std::uint32_t i = 0; i < asks_.size(); ++i) asks_of_[asks_[i].stand].push_back(i);
  }

  void take_bids() {
    std::unordered_map<JobId, std::uint64_t> first;  // the lowest seq of a job; only looked up
    std::vector<const market::RoundBid*> good;
    for (const market::RoundBid& b : round_.bids) {
      if (const auto end = fault(b, round_)) {
        out_.unmatched.push_back({.seq = b.seq, .end = *end});
        continue;
      }
      good.push_back(&b);
      const auto [it, fresh] = first.try_emplace(b.bid.job_id, b.seq);
      if (!fresh) it->second = std::min(it->second, b.seq);
    }
    for (const market::RoundBid* in : good) {
      const market::RoundBid& b = *in;
      if (first.at(b.bid.job_id) != b.seq) {
        out_.unmatched.push_back({.seq = b.seq, .end = BidEnd::kTwice});
        continue;
      }
      Amount bond;
      const bool fits = bond_for(b.bid.limit_total, round_.bond, bond);
      const std::uint64_t resident = b.bid.residency == 0 ? ~std::uint64_t{0} : 1ull << (b.bid.residency - 1);
      bids_.push_back({.in = in,
                       .tie = tie(b.bid.payer, b.seq),
                       .value = value_of(b.bid),
                       .precision = static_cast<std::size_t>(std::countr_zero(b.bid.precisions)),
                       .regions = b.bid.region_mask & resident,
                       .bond = fits ? std::optional(bond) : std::nullopt});
    }
    std::ranges::sort(bids_, [](const BidSlot& a, const BidSlot& b) {
      return std::tie(b.value, a.tie, a.in->seq) < std::tie(a.value, b.tie, b.in->seq);
    });
  }

  void match(std::uint32_t index) {
    BidSlot& bid = bids_[index];
    bool cut = false;
    for (std::uint64_t rest = bid.regions; rest != 0; rest &= rest - 1) {
      const auto& entries = live_[list(bid.precision, static_cast<std::size_t>(std::countr_zero(rest)))];
      for (std::size_t n = 0; n < entries.size(); ++n) {
        const AskSlot& ask = asks_[entries[n]];
        if (ask.price > bid.value || entries[n] > bid.ask) break;
        if (n == kScanMax) {
          cut = true;
          break;
        }
        if (bid.in->bid.cu > ask.left || !bid.bond || *bid.bond > ask.stand->bond) continue;
        if (fixed_violations(bid.in->bid, ask.in->ask) != 0) continue;
        bid.ask = entries[n];
        break;
      }
    }
    if (bid.ask == kNone) {
      if (cut) bid.end = BidEnd::kScanLimit;
      return;
    }
    AskSlot& ask = asks_[bid.ask];
    ask.left -= bid.in->bid.cu;
    check(Amount::sub(ask.stand->bond, *bid.bond, ask.stand->bond), "the bond was looked at");
    if (--ask.stand->slots == 0) {
      for (const std::uint32_t each : asks_of_.at(ask.stand)) take_out(each);
    } else if (ask.left == 0) {
      take_out(bid.ask);
    }
    cells_[cell_index(bid.precision, ask.in->ask)].trades.push_back(index);
  }

  // An ask that is used up, or whose provider is, no longer counts towards the scan cap.
  void take_out(std::uint32_t ask) {
    const market::Ask& a = asks_[ask].in->ask;
    for (std::size_t p = 1; p <= 4; ++p) {
      if ((a.precisions >> p & 1) == 0) continue;
      auto& entries = live_[list(p, a.region)];
      const auto at = std::ranges::lower_bound(entries, ask);
      if (at != entries.end() && *at == ask) entries.erase(at);
    }
  }

  void uncross(CellState& cell) {
    std::uint64_t highest = 0;
    std::size_t keep = 0;
    for (; keep < cell.trades.size(); ++keep) {
      const BidSlot& bid = bids_[cell.trades[keep]];
      highest = std::max(highest, asks_[bid.ask].price);
      if (highest > bid.value) break;
    }
    while (cell.trades.size() > keep) {
      BidSlot& bid = bids_[cell.trades.back()];
      asks_[bid.ask].left += bid.in->bid.cu;
      ++asks_[bid.ask].stand->slots;
      bid.ask = kNone;
      bid.end = BidEnd::kCrossed;
      cell.trades.pop_back();
    }
  }

  void exclude(BidSlot& bid) {
    bool fits = false, affordable = false;
    for (std::uint64_t rest = bid.regions; rest != 0; rest &= rest - 1) {
      const auto& entries = all_[list(bid.precision, static_cast<std::size_t>(std::countr_zero(rest)))];
      for (std::size_t n = 0; n < std::min(entries.size(), kScanMax); ++n) {
        const AskSlot& ask = asks_[entries[n]];
        if (fixed_violations(bid.in->bid, ask.in->ask) != 0) continue;
        fits = true;
        affordable = affordable || ask.price <= bid.value;
        std::uint64_t& best = cells_[cell_index(bid.precision, ask.in->ask)].excluded;
        best = std::max(best, bid.value);
      }
    }
    if (bid.end == BidEnd::kNoFit && fits) bid.end = affordable ? BidEnd::kCapacity : BidEnd::kPrice;
  }

  void find_spare(std::size_t index) {
    CellState& cell = cells_[index];
    if (cell.trades.empty()) return;
    cell.spare = bids_[cell.trades.back()].value;
    for (const std::uint32_t i : all_[index / kLevels]) {
      if (asks_[i].in->ask.level_max != index % kLevels || !asks_[i].has_rest()) continue;
      cell.spare = asks_[i].price;
      return;
    }
  }

  void settle(std::size_t index) {
    CellState& cell = cells_[index];
    if (cell.trades.empty()) return;
    const std::uint64_t v_k = bids_[cell.trades.back()].value;
    std::uint64_t a_k = 0;
    for (const std::uint32_t i : cell.trades) a_k = std::max(a_k, asks_[bids_[i].ask].price);
    const auto p0 = static_cast<std::uint64_t>((u128{cell.excluded} + cell.spare) / 2);
    const bool one_price = a_k <= p0 && p0 <= v_k;
    market::CellPrice row;
    row.cell = Cell{.precision = static_cast<std::uint8_t>(index / kLevels / market::kRegionsMax),
                    .region = static_cast<std::uint16_t>(index / kLevels % market::kRegionsMax),
                    .level = static_cast<std::uint8_t>(index % kLevels)};
    row.trades = cell.trades.size();
    row.kept = one_price ? row.trades : row.trades - 1;
    row.buyer_price = one_price ? p0 : v_k;
    row.seller_price = one_price ? p0 : a_k;
    for (std::size_t n = 0; n < row.kept; ++n) emit(row, bids_[cell.trades[n]]);
    if (!one_price) {
      BidSlot& marginal = bids_[cell.trades.back()];
      marginal.ask = kNone;
      marginal.end = BidEnd::kReduced;
    }
    out_.cells.push_back(row);
  }

  void emit(const market::CellPrice& row, const BidSlot& bid) {
    const market::Ask& ask = asks_[bid.ask].in->ask;
    const std::uint64_t cu = bid.in->bid.cu;
    out_.matches.push_back({.job_id = bid.in->bid.job_id,
                            .provider = ask.provider,
                            .ask_id = ask.id,
                            .cell = row.cell,
                            .pays = money(row.buyer_price, cu),
                            .gets = money(row.seller_price, cu)});
    const market::RoundMatch& m = out_.matches.back();
    check(m.pays <= bid.in->bid.limit_total && m.gets <= m.pays, "a match keeps the limit and the balance");
    check(Amount::add(out_.paid, m.pays, out_.paid) && Amount::add(out_.received, m.gets, out_.received),
          "the limits together fit 64 bits");
  }

  void finish() {
    check(Amount::sub(out_.paid, out_.received, out_.treasury), "no more is received than paid");
    for (const BidSlot& bid : bids_) {
      if (bid.ask == kNone) out_.unmatched.push_back({.seq = bid.in->seq, .end = bid.end});
    }
    std::ranges::sort(out_.matches, {}, &market::RoundMatch::job_id);
    std::ranges::sort(out_.unmatched, {}, &market::BidFate::seq);
    std::ranges::sort(out_.dropped, {}, [](const market::AskFate& f) { return std::tie(f.provider, f.id); });
  }

  static std::size_t list(std::size_t precision, std::size_t region) {
    return precision * market::kRegionsMax + region;
  }
  static std::size_t cell_index(std::size_t precision, const market::Ask& ask) {
    return list(precision, ask.region) * kLevels + ask.level_max;
  }

  const market::Round& round_;
  Hash32 root_;
  std::map<AccountId, Stand> stands_;
  std::map<const Stand*, std::vector<std::uint32_t>> asks_of_;  // only looked up
  std::vector<AskSlot> asks_;                                   // in order; their index is their rank
  std::vector<BidSlot> bids_;                                   // in order
  std::vector<std::vector<std::uint32_t>> all_{kLists}, live_;  // ranks by list, ascending
  std::vector<CellState> cells_{kCells};
  market::RoundOutcome out_;
};

}  // namespace

Result<market::RoundOutcome> clear(const market::Round& round) {
  TRY_OK(market::check_round(round));
  return Clearing(round).run();
}

}  // namespace hanse::auction
