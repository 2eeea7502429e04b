#include <algorithm>

#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "exchange/auction/book.h"
#include "exchange/auction/clear.h"
#include "exchange/market/audit.h"
#include "exchange/market/keys.h"
#include "exchange/market/round_check.h"
#include "sim/bazaar/books.h"
#include "sim/bazaar/detail/world.h"

namespace hanse::sim::bazaar {
namespace {

constexpr std::uint64_t kPlantBlock = 6;
constexpr std::size_t kTriedMax = 8;  // bids or asks a strategy and round that are tried with the truth

// What one bid or all slots of one ask gain by an outcome, in ut.
std::int64_t bid_gain(const market::RoundOutcome& outcome, const JobId& id, std::uint64_t value) {
  const auto match = std::ranges::lower_bound(outcome.matches, id, {}, &market::RoundMatch::job_id);
  if (match == outcome.matches.end() || match->job_id != id) return 0;
  return static_cast<std::int64_t>(value) - static_cast<std::int64_t>(match->pays.value);
}
std::int64_t ask_gain(const market::RoundOutcome& outcome, const market::AskId& id, std::uint64_t cost) {
  std::int64_t gain = 0;
  for (const market::RoundMatch& match : outcome.matches)
    if (match.ask_id == id) gain += static_cast<std::int64_t>(match.gets.value) - static_cast<std::int64_t>(cost);
  return gain;
}

}  // namespace

void World::plant() {
  if (planted_ || height_.value < kPlantBlock) return;
  const AccountId provider = accounts_.back().who.id();  // the last player is one
  if (plan_.plant == Plant::kMoney) {
    planted_ = ledger::credit(state_, provider, Amount{1}).has_value();
  } else if (plan_.plant == Plant::kBond || plan_.plant == Plant::kSlot) {
    auto record = auction::read_provider(state_, provider);
    if (!record) return;
    if (plan_.plant == Plant::kBond) ++record->bond_locked.value;
    if (plan_.plant == Plant::kSlot) ++record->used;
    auction::write_provider(state_, *record);
    planted_ = true;
  }
}

bool World::end_block() {
  if (failed()) return false;
  const auto end = app_->end(context(), state_);
  if (!end) return fail("end of a block", end.error().str()), false;
  for (const ledger::Event& event : end->events) record(event);
  plant();
  if (const auto bad = find_error_in_books(state_)) return fail("books", *bad), false;
  for (const market::RoundEvent& event : std::exchange(cleared_, {})) check_round(event);
  height_ = height_.plus(1);
  if (const Status begun = app_->begin(context(), state_); !begun) return fail("begin", begun.error().str()), false;
  for (const market::JobEvent& event : std::exchange(todo_, {})) answer(event);
  return end->wants_block;
}

void World::record(const ledger::Event& event) {
  ++outcome_.events;
  Bytes data = event.data;
  if (const auto of_round = market::decode_round_event(event.topic, event.data)) {
    if (of_round->topic == market::RoundTopic::kCleared) cleared_.push_back(*of_round);
    if (of_round->topic == market::RoundTopic::kUnmatched)
      ++unmatched_[std::string(market::bid_end_name(static_cast<market::BidEnd>(of_round->end)))];
    if (of_round->topic == market::RoundTopic::kNoReveal) ++unmatched_["not_revealed"];
  } else if (auto of_job = market::decode_event(event.topic, event.data)) {
    record_job(*of_job);
    of_job->gxf_hash = {};
    data = market::encode_event(*of_job);
  } else {
    fail("events", text("{}: {}", event.topic, of_job.error().str()));
  }
  std::uint8_t be[8];
  store_be(be, std::uint64_t{data.size()});
  trace_.update(as_bytes(event.topic));
  trace_.update(be);
  trace_.update(data);
}

void World::record_job(const market::JobEvent& event) {
  const auto found = wants_.find(event.job_id);
  if (found == wants_.end()) return fail("events", text("job {} was never ordered", event.job_id));
  const Player& provider = player_of(event.provider);
  StrategyRow& seller = row(provider.strategy);
  MarketOutcome::Lies& lies = found->second.asked ? outcome_.asked : outcome_.unasked;
  switch (event.topic) {
    case market::Topic::kMatched: ++seller.jobs; break;
    case market::Topic::kAudited: ++outcome_.audits; break;
    case market::Topic::kClosed:
      ++ends_[std::string(market::close_reason_name(event.reason))];
      if (event.reason != market::CloseReason::kFalse) break;
      ++lies.caught;
      lies.gain -= static_cast<std::int64_t>(event.penalty.value);
      break;
    case market::Topic::kSettled: {
      if (provider.strategy == Strategy::kFalse) {
        ++lies.paid;
        lies.gain += static_cast<std::int64_t>(event.paid.value);
        ++ends_["settled_false"];
        break;
      }
      ++ends_["settled"];
      StrategyRow& buyer = row(players_[found->second.player].strategy);
      const auto value = static_cast<std::int64_t>(money(found->second.value));
      const auto cost = static_cast<std::int64_t>(money(provider.cost));
      ++buyer.served;
      ++seller.served;
      buyer.gain += value;
      seller.gain -= cost;
      ++now().served;
      now().welfare += value - cost;
      break;
    }
    default: break;
  }
  todo_.push_back(event);
}

BlobId World::receipt_hash(const JobId& id, bool holds) const {
  BlobId out;
  out.data = crypto::blake3(holds ? "hanse/sim-receipt/1" : "hanse/sim-false-receipt/1", {id.view()}).data;
  return out;
}

void World::answer(const market::JobEvent& event) {
  if (failed()) return;
  const Strategy strategy = player_of(event.provider).strategy;
  const std::size_t account = by_id_.at(event.provider);
  if (event.topic == market::Topic::kMatched && strategy != Strategy::kNoStart) {
    call(account, market::Method::kJobStart, market::JobStart{event.job_id});
  } else if (event.topic == market::Topic::kStarted && strategy != Strategy::kNoFinish) {
    call(account, market::Method::kJobReceipt,
         market::JobReceipt{.id = event.job_id,
                            .receipt_hash = receipt_hash(event.job_id, strategy != Strategy::kFalse),
                            .status = market::RunStatus::kOk,
                            .gas = 500'000,
                            .outputs = {{BlobId{}, 12}}});
  } else if (event.topic == market::Topic::kAudited) {
    judge(event);
  }
}

// Three of the four validators say what is so, the first one the contrary; two that agree decide.
void World::judge(const market::JobEvent& event) {
  const bool holds = event.receipt_hash == receipt_hash(event.job_id, true);
  const std::size_t first = random_.below(validators_.validators.size());
  for (std::size_t i = 0; i < validators_.validators.size(); ++i) {
    const auto job = auction::read_job(state_, event.job_id);
    if (!job || job->state != market::JobState::kAudited) return;
    const std::size_t who = (first + i) % validators_.validators.size();  // validators have the first accounts
    call(who, market::Method::kJobVerdict,
         market::JobVerdict{.id = event.job_id, .receipt_hash = event.receipt_hash, .holds = (who == 0) != holds});
  }
}

void World::check_round(const market::RoundEvent& cleared) {
  const auto head = auction::find_round(state_, cleared.round);
  if (!head || !*head) return fail("rounds", text("round {} has no head", cleared.round));
  Bytes bytes;
  for (std::uint64_t part = 0; bytes.size() < (*head)->record_bytes; ++part) {
    const auto found = state_.get(market::round_part_key(cleared.round, part));
    if (!found || !*found) return fail("rounds", text("part {} of round {} is missing", part, cleared.round));
    append(bytes, **found);
  }
  if (market::round_hash(bytes) != cleared.hash)
    return fail("rounds", text("the record of round {} has another hash than its event", cleared.round));
  auto record = market::decode_round(bytes);
  if (!record) return fail("rounds", record.error().str());
  if (plan_.plant == Plant::kRecord && !planted_ && !record->outcome.matches.empty()) {
    --record->outcome.matches.front().pays.value;
    planted_ = true;
  }
  const auto report = market::check_record(*record);
  if (!report) return fail("rounds", report.error().str());
  for (const market::RoundFinding& finding : report->findings)
    if (!finding.holds) return fail("rounds", text("round {}: {}: {}", cleared.round, finding.name, finding.detail));
  ++outcome_.checked_rounds;
  now().sealed += record->outcome.matches.size();
  for (const market::CellPrice& cell : record->outcome.cells)
    if (cell.kept != 0) now().price = cell.buyer_price;
  try_truth(*record);
}

// Clears the round again with one bid or ask as it would be in truth, for a few of those who say something else.
void World::try_truth(const market::RoundRecord& record) {
  std::array<std::size_t, kStrategies> tried{};
  const auto wanted = [&](Strategy s) { return tried[static_cast<std::size_t>(s)]++ < kTriedMax; };
  const auto note = [&](Strategy s, const market::Round& round, auto gain_of) {
    const auto again = auction::clear(round);
    if (!again) return fail("truth", again.error().str());
    StrategyRow& r = row(s);
    ++r.tried;
    r.did += gain_of(record.outcome);
    r.truth += gain_of(*again);
  };
  for (std::size_t i = 0; i < record.round.bids.size(); ++i) {
    const market::RoundBid& bid = record.round.bids[i];
    const Want& want = wants_.at(bid.bid.job_id);
    const Strategy s = players_[want.player].strategy;
    if ((s != Strategy::kShade && s != Strategy::kExaggerate) || !wanted(s)) continue;
    market::Round round = record.round;
    market::RoundBid& changed = round.bids[i];
    changed.bid.limit_total = changed.funds = Amount{money(want.value)};
    round.commits[changed.seq] = market::commit_of(changed.bid, changed.salt);
    note(s, round, [&](const auto& outcome) { return bid_gain(outcome, bid.bid.job_id, money(want.value)); });
  }
  for (std::size_t i = 0; i < record.round.asks.size(); ++i) {
    const market::Ask& ask = record.round.asks[i].ask;
    const Player& player = player_of(ask.provider);
    if (player.strategy != Strategy::kAskShade || !wanted(player.strategy)) continue;
    market::Round round = record.round;
    round.asks[i].ask.unit_price = Amount{player.cost};
    note(player.strategy, round, [&](const auto& outcome) { return ask_gain(outcome, ask.id, money(player.cost)); });
  }
}

}  // namespace hanse::sim::bazaar
