#include "exchange/market/round_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "base/crypto/merkle.h"
#include "exchange/market/view.h"

namespace hanse::market {
namespace {

__extension__ using u128 = unsigned __int128;

constexpr std::uint32_t kScan = 64;  // asks with something left that a bid looks at in a list

u128 units_of(const Work& work, std::uint64_t base) {  // ceil((base * weight + 10 * load) / 10)
  const u128 weighted = u128{base} * work.weight, loaded = u128{10} * work.load;
  const u128 sum = weighted + loaded;
  return sum < weighted ? ~u128{0} : sum / 10 + (sum % 10 != 0);
}

// A record may say anything: bids without work or precision are worth nothing and are in no list.
u128 worth(const Bid& bid) {
  return bid.cu == 0 ? 0 : std::min<u128>(u128{bid.limit_total.value} * 1000 / bid.cu, ~std::uint64_t{0});
}

unsigned first_precision(const Bid& bid) {
  unsigned p = 0;
  while (p < 8 && (bid.precisions >> p & 1) == 0) ++p;
  return p;
}

// The first constraint that the ask does not keep, or "".
std::string_view broken(const Bid& bid, const Ask& ask) {
  for (unsigned p = 0; p < 8; ++p) {
    if ((bid.precisions >> p & 1) && !(ask.precisions >> p & 1)) return constraint_name(Constraint::kPrecision);
  }
  if (bid.level > ask.level_max) return constraint_name(Constraint::kLevel);
  if (bid.seq > ask.max_seq) return constraint_name(Constraint::kSeq);
  if (bid.batch > ask.max_batch) return constraint_name(Constraint::kBatch);
  if (ask.region > 63 || (bid.region_mask & (std::uint64_t{1} << ask.region)) == 0)
    return constraint_name(Constraint::kRegion);
  if (bid.residency != 0 && bid.residency - 1 != ask.region) return constraint_name(Constraint::kResidency);
  if (bid.isolation > ask.isolation) return constraint_name(Constraint::kIsolation);
  if (bid.max_latency_ms != 0 && ask.latency_ms > bid.max_latency_ms) return constraint_name(Constraint::kLatency);
  if (bid.is_private && !ask.takes_private) return constraint_name(Constraint::kPrivate);
  return {};
}

std::optional<AskEnd> end_of(const RoundAsk& a, const Round& round) {
  const Ask& ask = a.ask;
  if (ask.region > 63 || ask.precisions == 0 || (ask.precisions & 0b1110'0001) != 0 || ask.level_max > 3 ||
      ask.isolation > 3 || ask.used_cu > ask.capacity_cu)
    return AskEnd::kBadFields;
  if (round.height > ask.valid_until) return AskEnd::kExpired;
  if (round.bond_min > a.bond) return AskEnd::kUnbonded;
  if (ask.unit_price == Amount{}) return AskEnd::kImmediate;
  if (ask.capacity_cu - ask.used_cu == 0 || a.free_slots == 0) return AskEnd::kExhausted;
  return std::nullopt;
}

std::optional<BidEnd> end_of(const RoundBid& b, const Round& round) {
  const Bid& bid = b.bid;
  const bool resident =
      bid.residency == 0 || (bid.residency <= 64 && (bid.region_mask & std::uint64_t{1} << (bid.residency - 1)) != 0);
  if (bid.cu == 0 || units_of(bid.work, round.cu_base) != bid.cu || bid.precisions == 0 ||
      (bid.precisions & 0b1110'0001) != 0 || bid.level > 3 || bid.seq == 0 || bid.batch == 0 || bid.region_mask == 0 ||
      bid.isolation > 3 || bid.limit_total == Amount{} || !resident)
    return BidEnd::kBadFields;
  const Bytes bytes = encode_bid(bid);
  if (crypto::blake3("hanse/bid/1", {bytes, b.salt.view()}) != round.commits[b.seq]) return BidEnd::kBadReveal;
  if (round.height >= bid.expires) return BidEnd::kExpired;
  if (bid.limit_total > b.funds) return BidEnd::kUnfunded;
  return std::nullopt;
}

// Bond for a price p: p and, rounded up, what cheating would win times the odds of not being audited.
u128 stake_for(Amount p, const BondRule& rule) {
  const u128 odds = u128{kPpm} - rule.audit_ppm, gain = u128{p.value} * rule.gain_ppm;
  const u128 over = gain * odds, under = u128{rule.audit_ppm} * kPpm;
  return over / under + (over % under != 0) + p.value;
}

struct Seller {
  const RoundAsk* in;
  std::uint64_t price, left;
  Hash32 tie;
  std::uint32_t* slots;
  u128* bond;
  Cell cell(const Bid& bid) const {
    return {static_cast<std::uint8_t>(first_precision(bid)), in->ask.region, in->ask.level_max};
  }
};
struct Buyer {
  const RoundBid* in;
  u128 worth;
  Hash32 tie;
  Seller* seller = nullptr;
  BidEnd end = BidEnd::kNoFit;
  bool scanned_out = false;
};

class Again {
 public:
  explicit Again(const Round& round) : round_(round), root_(crypto::merkle_root(round.commits)) {
    order();
    for (Buyer& buyer : buyers_) choose(buyer);
    for (Buyer& buyer : buyers_) {
      if (buyer.seller) cells_[buyer.seller->cell(buyer.in->bid)].push_back(&buyer);
    }
    for (auto& [cell, trades] : cells_) uncross(trades);
    look_at_losers();
    for (const auto& [cell, trades] : cells_) price(cell, trades);
    for (const auto& [cell, trades] : cells_) pay(cell, trades);
    sum_up();
  }

  RoundOutcome outcome;
  std::vector<Seller> sellers_;
  std::vector<Buyer> buyers_;

 private:
  void order() {
    for (const RoundAsk& a : round_.asks) {
      if (const auto end = end_of(a, round_)) {
        outcome.dropped.push_back({a.ask.provider, a.ask.id, *end});
      } else {
        sellers_.push_back({&a, a.ask.unit_price.value, a.ask.capacity_cu - a.ask.used_cu,
                            tie_of(a.ask.provider, a.seq),
                            &slots_.try_emplace(a.ask.provider, a.free_slots).first->second,
                            &bonds_.try_emplace(a.ask.provider, a.bond.value).first->second});
      }
    }
    std::vector<const RoundBid*> by_seq;
    for (const RoundBid& b : round_.bids) by_seq.push_back(&b);
    std::ranges::sort(by_seq, {}, &RoundBid::seq);
    std::set<JobId> jobs;
    for (const RoundBid* in : by_seq) {
      const RoundBid& b = *in;
      if (const auto end = end_of(b, round_)) {
        outcome.unmatched.push_back({b.seq, *end});
      } else if (!jobs.insert(b.bid.job_id).second) {
        outcome.unmatched.push_back({b.seq, BidEnd::kTwice});
      } else {
        buyers_.push_back({in, worth(b.bid), tie_of(b.bid.payer, b.seq)});
      }
    }
    std::stable_sort(sellers_.begin(), sellers_.end(), [](const Seller& a, const Seller& b) {
      if (a.price != b.price) return a.price < b.price;
      if (a.tie != b.tie) return a.tie < b.tie;
      return std::pair(a.in->ask.provider, a.in->ask.id) < std::pair(b.in->ask.provider, b.in->ask.id);
    });
    std::stable_sort(buyers_.begin(), buyers_.end(), [](const Buyer& a, const Buyer& b) {
      if (a.worth != b.worth) return a.worth > b.worth;
      return a.tie != b.tie ? a.tie < b.tie : a.in->seq < b.in->seq;
    });
  }

  Hash32 tie_of(const AccountId& who, std::uint64_t seq) const {
    Bytes rest = to_bytes(root_.view());
    append(rest, who.view());
    append_be(rest, seq);
    return crypto::blake3("hanse/tie/2", {round_.beacon.view(), rest});
  }

  bool listed(const Bid& bid, const Seller& seller) const {
    const bool in_region = (bid.region_mask & std::uint64_t{1} << seller.in->ask.region) != 0 &&
                           (bid.residency == 0 || bid.residency - 1 == seller.in->ask.region);
    return in_region && (seller.in->ask.precisions & 1u << first_precision(bid)) != 0;
  }

  void choose(Buyer& buyer) {
    const Bid& bid = buyer.in->bid;
    const u128 stake = stake_for(bid.limit_total, round_.bond);
    std::array<std::uint32_t, 64> seen{};
    for (Seller& seller : sellers_) {
      if (seller.price > buyer.worth) return;
      if (seller.left == 0 || *seller.slots == 0 || !listed(bid, seller)) continue;
      if (++seen[seller.in->ask.region] > kScan) {
        buyer.scanned_out = true;
      } else if (seller.left >= bid.cu && *seller.bond >= stake && broken(bid, seller.in->ask).empty()) {
        buyer.seller = &seller;
        seller.left -= bid.cu;
        *seller.bond -= stake;
        *seller.slots -= 1;
        return;
      }
    }
  }

  static void uncross(std::vector<Buyer*>& trades) {
    std::uint64_t top = 0;
    for (std::size_t i = 0; i < trades.size(); ++i) {
      top = std::max(top, trades[i]->seller->price);
      if (top <= trades[i]->worth) continue;
      for (std::size_t j = i; j < trades.size(); ++j) {
        trades[j]->seller->left += trades[j]->in->bid.cu;
        *trades[j]->seller->slots += 1;
        trades[j]->seller = nullptr;
        trades[j]->end = BidEnd::kCrossed;
      }
      trades.resize(i);
      return;
    }
  }

  void look_at_losers() {
    for (Buyer& buyer : buyers_) {
      if (buyer.seller) continue;
      const Bid& bid = buyer.in->bid;
      std::array<std::uint32_t, 64> seen{};
      bool fits = false, payable = false;
      for (const Seller& seller : sellers_) {
        if (!listed(bid, seller) || ++seen[seller.in->ask.region] > kScan) continue;
        if (!broken(bid, seller.in->ask).empty()) continue;
        fits = true;
        payable |= seller.price <= buyer.worth;
        u128& best = runner_up_[seller.cell(bid)];
        best = std::max(best, buyer.worth);
      }
      if (buyer.end != BidEnd::kNoFit) continue;
      if (buyer.scanned_out) {
        buyer.end = BidEnd::kScanLimit;
      } else if (fits) {
        buyer.end = payable ? BidEnd::kCapacity : BidEnd::kPrice;
      }
    }
  }

  void price(const Cell& cell, const std::vector<Buyer*>& trades) {
    if (trades.empty()) return;
    u128 v_k = ~u128{0}, a_k = 0;
    for (const Buyer* t : trades) {
      v_k = std::min(v_k, t->worth);
      a_k = std::max<u128>(a_k, t->seller->price);
    }
    u128 spare = v_k;
    for (const Seller& s : sellers_) {
      if (s.left == 0 || *s.slots == 0 || s.in->ask.region != cell.region || s.in->ask.level_max != cell.level)
        continue;
      if ((s.in->ask.precisions & 1u << cell.precision) == 0) continue;
      spare = s.price;
      break;
    }
    const auto runner_up = runner_up_.find(cell);
    const u128 middle = ((runner_up == runner_up_.end() ? 0 : runner_up->second) + spare) / 2;
    const bool all = middle >= a_k && middle <= v_k;
    outcome.cells.push_back({cell, trades.size(), trades.size() - (all ? 0 : 1),
                             static_cast<std::uint64_t>(all ? middle : v_k),
                             static_cast<std::uint64_t>(all ? middle : a_k)});
  }

  void pay(const Cell& cell, const std::vector<Buyer*>& trades) {
    const auto row = std::ranges::find(outcome.cells, cell, &CellPrice::cell);
    for (std::size_t i = 0; i < trades.size(); ++i) {
      Buyer& buyer = *trades[i];
      if (i >= row->kept) {
        buyer.seller = nullptr;
        buyer.end = BidEnd::kReduced;
        continue;
      }
      const auto total = [&](u128 each) {
        const u128 thousandths = each * buyer.in->bid.cu;
        return Amount{static_cast<std::uint64_t>(thousandths / 1000 + (thousandths % 1000 != 0))};
      };
      outcome.matches.push_back({buyer.in->bid.job_id, buyer.seller->in->ask.provider, buyer.seller->in->ask.id, cell,
                                 total(row->buyer_price), total(row->seller_price)});
    }
  }

  void sum_up() {
    for (const Buyer& buyer : buyers_) {
      if (!buyer.seller) outcome.unmatched.push_back({buyer.in->seq, buyer.end});
    }
    for (const RoundMatch& m : outcome.matches) {
      outcome.paid.value += m.pays.value;
      outcome.received.value += m.gets.value;
    }
    outcome.treasury.value = outcome.paid.value - outcome.received.value;
    std::ranges::sort(outcome.matches, {}, &RoundMatch::job_id);
    std::ranges::sort(outcome.unmatched, {}, &BidFate::seq);
    std::ranges::sort(outcome.dropped, {}, [](const AskFate& f) { return std::pair(f.provider, f.id); });
  }

  const Round& round_;
  const Hash32 root_;
  std::map<AccountId, std::uint32_t> slots_;
  std::map<AccountId, u128> bonds_;
  std::map<Cell, std::vector<Buyer*>> cells_;
  std::map<Cell, u128> runner_up_;
};

// The invariants, from the record alone: no auction is run for them.
class Audit {
 public:
  explicit Audit(const RoundRecord& record) : round_(record.round), out_(record.outcome) {
    for (const RoundAsk& a : round_.asks) asks_[{a.ask.provider, a.ask.id}] = &a;
    for (const BidFate& fate : out_.unmatched) lost_.insert(fate.seq);
    for (const RoundBid& b : round_.bids) {
      if (!lost_.contains(b.seq)) bids_[b.bid.job_id] = &b;
    }
  }

  std::vector<RoundFinding> run() {
    add("listed", text("{} matches, {} bids without", out_.matches.size(), lost_.size()), listed());
    if (!findings_.back().holds) return std::move(findings_);  // the rest would not know what it looks at
    add("commits", text("{} commits, {} revealed", round_.commits.size(), round_.bids.size()), commits());
    add("limits", "no payer pays more than its limit", limits());
    add("asks", "no provider gets less than it asked", asks());
    add("capacity", "no ask serves more than it has left, no provider more than its slots and bond", capacity());
    add("constraints", "each ask keeps the constraints of its bids", constraints());
    add("one price", "a cell has one price for payers and one for providers", one_price());
    add("balance", text("paid {}, received {}, treasury {}", out_.paid.value, out_.received.value, out_.treasury.value),
        balance());
    add("no envy", "no bid lost to a lower one that needs as much", no_envy());
    return std::move(findings_);
  }

 private:
  void add(std::string_view name, std::string what, std::string wrong) {
    const bool holds = wrong.empty();
    findings_.push_back({.name = name, .detail = holds ? std::move(what) : std::move(wrong), .holds = holds});
  }
  const RoundBid& bid(const RoundMatch& m) const { return *bids_.at(m.job_id); }
  const RoundAsk& ask(const RoundMatch& m) const { return *asks_.at({m.provider, m.ask_id}); }

  std::string listed() const {
    const JobId* last = nullptr;
    for (const RoundMatch& m : out_.matches) {
      if (last && !(*last < m.job_id)) return text("match of job {} is out of order or twice", m.job_id);
      if (!bids_.contains(m.job_id)) return text("job {} has a match but no bid, or is listed as unmatched", m.job_id);
      if (!asks_.contains({m.provider, m.ask_id})) return text("job {} is matched to no ask of the round", m.job_id);
      last = &m.job_id;
    }
    if (out_.matches.size() + out_.unmatched.size() != round_.bids.size() || lost_.size() != out_.unmatched.size())
      return text("{} matches and {} unmatched for {} bids", out_.matches.size(), out_.unmatched.size(),
                  round_.bids.size());
    return {};
  }
  std::string commits() const {
    for (const RoundMatch& m : out_.matches) {
      const RoundBid& b = bid(m);
      if (commit_of(b.bid, b.salt) != round_.commits[b.seq]) return text("bid {} is not what was committed", b.seq);
      if (b.funds < b.bid.limit_total || b.bid.expires <= round_.height || b.bid.cu == 0)
        return text("bid {} is matched but unfunded, expired or without work", b.seq);
    }
    return {};
  }
  std::string limits() const {
    for (const RoundMatch& m : out_.matches) {
      if (m.pays > bid(m).bid.limit_total)
        return text("job {} pays {}, its limit is {}", m.job_id, m.pays.value, bid(m).bid.limit_total.value);
    }
    return {};
  }
  std::string asks() const {
    for (const RoundMatch& m : out_.matches) {
      if (u128{m.gets.value} * 1000 < u128{ask(m).ask.unit_price.value} * bid(m).bid.cu)
        return text("job {} earns {} for {} units at {} each 1000", m.job_id, m.gets.value, bid(m).bid.cu,
                    ask(m).ask.unit_price.value);
    }
    return {};
  }
  std::string capacity() const {
    std::map<std::pair<AccountId, AskId>, u128> used;
    std::map<AccountId, std::pair<std::uint64_t, u128>> providers;
    for (const RoundMatch& m : out_.matches) {
      u128& sum = used[{m.provider, m.ask_id}];
      sum += bid(m).bid.cu;
      if (sum + ask(m).ask.used_cu > ask(m).ask.capacity_cu)
        return text("job {} is one too many for its ask", m.job_id);
      auto& [slots, bond] = providers[m.provider];
      bond += stake_for(m.gets, round_.bond);
      if (++slots > ask(m).free_slots || bond > ask(m).bond.value)
        return text("job {} is one too many for the slots or the bond of its provider", m.job_id);
    }
    return {};
  }
  std::string constraints() const {
    for (const RoundMatch& m : out_.matches) {
      const Bid& b = bid(m).bid;
      const RoundAsk& a = ask(m);
      if (const auto why = broken(b, a.ask); !why.empty()) return text("job {} breaks {} of its ask", m.job_id, why);
      if (end_of(a, round_)) return text("job {} has an ask that takes no part", m.job_id);
      if (m.cell != Cell{static_cast<std::uint8_t>(first_precision(b)), a.ask.region, a.ask.level_max})
        return text("job {} is in another cell than its ask", m.job_id);
    }
    return {};
  }
  std::string one_price() const {
    std::map<Cell, const CellPrice*> rows;
    for (const CellPrice& row : out_.cells) rows[row.cell] = &row;
    std::map<Cell, std::uint64_t> kept;
    for (const RoundMatch& m : out_.matches) {
      const auto row = rows.find(m.cell);
      if (row == rows.end()) return text("job {} is in a cell without a price", m.job_id);
      ++kept[m.cell];
      const u128 cu = bid(m).bid.cu;
      if ((cu * row->second->buyer_price + 999) / 1000 != m.pays.value ||
          (cu * row->second->seller_price + 999) / 1000 != m.gets.value)
        return text("job {} pays {} and earns {}, not at the prices of its cell", m.job_id, m.pays.value, m.gets.value);
    }
    for (const CellPrice& row : out_.cells) {
      if (kept[row.cell] != row.kept) return text("a cell tells of {} trades, found {}", row.kept, kept[row.cell]);
    }
    return {};
  }
  std::string balance() const {
    u128 paid = 0, received = 0;
    for (const RoundMatch& m : out_.matches) {
      if (m.gets > m.pays) return text("job {} earns {} and pays {}", m.job_id, m.gets.value, m.pays.value);
      paid += m.pays.value;
      received += m.gets.value;
    }
    if (paid != out_.paid.value || received != out_.received.value || paid != received + out_.treasury.value)
      return text("matches add up to {} paid and {} received", static_cast<std::uint64_t>(paid),
                  static_cast<std::uint64_t>(received));
    return {};
  }
  // A bid that found no ask, was not cut by the scan cap, is worth more than a winner, needs no more than it and could
  // have had its ask: it must have been served first. Of bond it needs no more, or there is enough for everybody.
  std::string no_envy() const {
    u128 everybody = 0;
    for (const RoundBid& b : round_.bids) everybody += stake_for(b.bid.limit_total, round_.bond);
    for (const BidFate& fate : out_.unmatched) {
      if (fate.end != BidEnd::kNoFit && fate.end != BidEnd::kPrice && fate.end != BidEnd::kCapacity) continue;
      const auto loser = std::ranges::find(round_.bids, fate.seq, &RoundBid::seq);
      const u128 value = worth(loser->bid), stake = stake_for(loser->bid.limit_total, round_.bond);
      for (const RoundMatch& m : out_.matches) {
        const Bid& winner = bid(m).bid;
        const bool bonded = everybody <= ask(m).bond.value || stake <= stake_for(winner.limit_total, round_.bond);
        if (value > worth(winner) && loser->bid.cu <= winner.cu && bonded &&
            first_precision(loser->bid) == m.cell.precision && broken(loser->bid, ask(m).ask).empty())
          return text("bid {} lost to the lower one of job {}", fate.seq, m.job_id);
      }
    }
    return {};
  }

  const Round& round_;
  const RoundOutcome& out_;
  std::map<std::pair<AccountId, AskId>, const RoundAsk*> asks_;
  std::map<JobId, const RoundBid*> bids_;  // those not listed as unmatched
  std::set<std::uint64_t> lost_;
  std::vector<RoundFinding> findings_;
};

}  // namespace

bool RoundReport::ok() const { return std::ranges::all_of(findings, &RoundFinding::holds); }

Result<RoundReport> check_record(const RoundRecord& record) {
  TRY_OK(check_round(record.round));
  RoundReport report{.findings = Audit(record).run()};
  const RoundOutcome again = Again(record.round).outcome;
  std::string wrong;
  if (again.dropped != record.outcome.dropped) wrong = "other asks take no part";
  if (again.unmatched != record.outcome.unmatched) wrong = "other bids stay without a match, or for other reasons";
  if (again.cells != record.outcome.cells) wrong = "cells have other prices";
  if (again.matches != record.outcome.matches) wrong = "matches differ";
  const bool same = wrong.empty() && again == record.outcome;
  report.findings.push_back({.name = "again",
                             .detail = same ? "derived a second time, the round is the same"
                                            : text("derived a second time, {}", wrong.empty() ? "sums differ" : wrong),
                             .holds = same});
  return report;
}

}  // namespace hanse::market
