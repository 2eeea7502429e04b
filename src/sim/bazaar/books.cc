#include "sim/bazaar/books.h"

#include <map>

#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/book.h"
#include "exchange/market/keys.h"

namespace hanse::sim {
namespace {

__extension__ using u128 = unsigned __int128;

// Every record of a prefix, decoded; the first one that cannot be is the answer.
template <class Decode, class Visit>
std::optional<std::string> each(const ledger::StateReader& state, std::string_view prefix, Decode decode, Visit visit) {
  std::optional<std::string> bad;
  const Status scanned = state.scan(as_bytes(prefix), {}, [&](ByteView, ByteView value) {
    const auto record = decode(value);
    if (!record) bad = text("a record under {} does not decode: {}", prefix, record.error().str());
    if (record) visit(*record);
    return !bad;
  });
  if (!scanned) return scanned.error().str();
  return bad;
}

std::optional<std::string> unequal(std::string_view what, std::uint64_t total, std::uint64_t counted) {
  if (total == counted) return std::nullopt;
  return text("{}: the total says {}, the records {}", what, total, counted);
}

struct Count {
  u128 accounts = 0;
  std::uint64_t escrow = 0, live = 0, settled = 0, closed = 0, paid = 0, sealed = 0, bonds = 0, locked = 0;
  struct Taken {
    std::uint64_t bond = 0, slots = 0;
  };
  std::map<AccountId, Taken> by_jobs, by_providers;
  std::map<AccountId, std::uint64_t> over;  // capacity or bond overrun
};

std::optional<std::string> count(const ledger::StateReader& state, Count& c) {
  if (auto bad = each(state, "accounts/a", ledger::decode_account,
                      [&](const ledger::Account& a) { c.accounts += a.balance.value; }))
    return bad;
  if (auto bad = each(state, market::kJobPrefix, market::decode_job, [&](const market::Job& job) {
        c.settled += job.state == market::JobState::kSettled ? 1 : 0;
        c.closed += job.state == market::JobState::kClosed ? 1 : 0;
        if (job.result) c.paid += job.result->paid.value;
        if (job.ended()) return;
        ++c.live;
        c.escrow += job.price.value + job.spread.value;
        c.by_jobs[job.provider].bond += job.bond.value;
        ++c.by_jobs[job.provider].slots;
      }))
    return bad;
  // Deposits of challenges would be in escrow too; nobody challenges here, so an audit with one is an error itself.
  if (auto bad = each(state, market::kAuditPrefix, market::decode_audit,
                      [&](const market::Audit& audit) { c.escrow += audit.deposit.value; }))
    return bad;
  if (auto bad = each(state, market::kSealedPrefix, market::decode_sealed_bid,
                      [&](const market::SealedBid& bid) { c.sealed += bid.held.value; }))
    return bad;
  return each(state, market::kProviderPrefix, market::decode_provider, [&](const market::Provider& p) {
    c.bonds += p.bond.value;
    c.locked += p.bond_locked.value;
    c.by_providers[p.account] = {.bond = p.bond_locked.value, .slots = p.used};
    if (p.used > p.capacity || p.bond < p.bond_locked) c.over[p.account] = p.used;
  });
}

std::optional<std::string> wrong_bond(const Count& c, bool settling) {
  for (const auto& [account, used] : c.over)
    return text("provider {}: {} jobs or their bonds are more than it has", account, used);
  const auto wrong = [&](std::uint64_t taken, std::uint64_t due) { return taken < due || (taken != due && !settling); };
  for (const auto& [account, taken] : c.by_providers) {
    const auto jobs = c.by_jobs.find(account);
    const Count::Taken due = jobs == c.by_jobs.end() ? Count::Taken{} : jobs->second;
    if (wrong(taken.bond, due.bond))
      return text("bond of {}: {} locked, its live jobs lock {}", account, taken.bond, due.bond);
    if (wrong(taken.slots, due.slots))
      return text("slots of {}: {} used, its live jobs use {}", account, taken.slots, due.slots);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_error_in_books(const ledger::StateReader& state) {
  Count c;
  if (auto bad = count(state, c)) return bad;
  const auto totals = auction::read_totals(state);
  const auto supply = ledger::supply(state);
  const auto rounds = auction::read_rounds(state);
  if (!totals || !supply || !rounds) return "totals, supply or rounds cannot be read";
  const u128 sum = c.accounts + c.escrow + c.sealed + c.bonds + totals->treasury.value + totals->burned.value;
  if (sum != supply->value) {
    const bool more = sum > supply->value;
    const u128 gap = more ? sum - supply->value : supply->value - sum;
    return text("money: {} ut {} the supply of {}", static_cast<std::uint64_t>(gap), more ? "more than" : "less than",
                supply->value);
  }
  for (const auto& bad :
       {unequal("escrow", totals->escrow.value, c.escrow), unequal("sealed", totals->sealed.value, c.sealed),
        unequal("bonds", totals->bonds.value, c.bonds), unequal("live jobs", totals->live, c.live),
        unequal("settled jobs", totals->settled, c.settled), unequal("closed jobs", totals->closed, c.closed),
        unequal("volume", totals->volume.value, c.paid)})
    if (bad) return bad;
  const auto oldest = auction::find_round(state, rounds->open);
  return wrong_bond(c, rounds->any_open() && oldest && *oldest && !(*oldest)->open());
}

std::optional<std::string> find_left_over(const ledger::StateReader& state) {
  Count c;
  if (auto bad = count(state, c)) return bad;
  const auto rounds = auction::read_rounds(state);
  const auto deadline = auction::any_deadline(state);
  if (!rounds || !deadline) return "rounds or deadlines cannot be read";
  if (c.live != 0) return text("{} jobs live", c.live);
  if (c.escrow + c.sealed != 0) return text("{} ut are held", c.escrow + c.sealed);
  if (c.locked != 0) return text("{} ut of bonds are locked", c.locked);
  if (*deadline) return "a deadline stands";
  if (rounds->any_open()) return text("round {} is open", rounds->open);
  return std::nullopt;
}

}  // namespace hanse::sim
