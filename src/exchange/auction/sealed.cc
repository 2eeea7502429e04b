#include "exchange/auction/sealed.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "exchange/auction/book.h"
#include "exchange/auction/clear.h"
#include "exchange/auction/escrow.h"
#include "exchange/auction/market_query.h"
#include "exchange/market/keys.h"

namespace hanse::auction {
namespace {

using market::BidEnd;
using market::RoundHead;
using market::RoundTopic;
using market::SealedBid;

Status check_phase(const RoundHead& head, Height height) {
  if (height > head.commit_until && height <= head.reveal_until) return {};
  return fail(Kind::kConflict, "market.round_phase",
              text("round {} takes reveals from height {} to {}, now is {}", head.number, head.commit_until.value + 1,
                   head.reveal_until.value, height.value));
}

std::unexpected<Error> not_committed(const market::Reveal& reveal, std::string_view what) {
  return fail(Kind::kDenied, "market.not_committed",
              text("the job at {} of round {} has another {} than its commit", reveal.seq, reveal.round, what));
}

}  // namespace

Result<OpenedBid> open_reveal(const ledger::StateReader& state, const market::Params& params, const NetworkId& network,
                              Height height, const market::Reveal& reveal) {
  TRY(auto head, find_round(state, reveal.round));
  if (!head || !head->open())
    return fail(Kind::kNotFound, "market.no_round", text("round {} is not open", reveal.round));
  TRY_OK(check_phase(*head, height));
  TRY(auto sealed, find_sealed(state, reveal.round, reveal.seq));
  if (!sealed) {
    return fail(Kind::kNotFound, "market.no_commit",
                text("round {} has {} commits, none at {}", reveal.round, head->commits, reveal.seq));
  }
  if (sealed->revealed)
    return fail(Kind::kConflict, "market.revealed",
                text("commit {} of round {} is revealed already", reveal.seq, reveal.round));
  TRY(const gxf::Job job, gxf::validate(reveal.gxf, height, job_params(params, network)));
  if (job.payer != sealed->payer) return not_committed(reveal, "payer");
  if (job.nonce != sealed->nonce) return not_committed(reveal, "nonce");
  TRY(const market::Bid bid, bid_of(job, params));
  if (market::commit_of(bid, reveal.salt) != sealed->commit) return not_committed(reveal, "bid or salt");
  TRY(const auto pending, state.get(market::gxf_key(job.job_id)));
  TRY(const auto known, find_job(state, job.job_id));
  if (pending || known)
    return fail(Kind::kConflict, "market.job_exists", text("job {} was ordered before", job.job_id));
  sealed->revealed = SealedBid::Revealed{.bid = bid,
                                         .salt = reveal.salt,
                                         .gxf_hash = crypto::blob_id(reveal.gxf),
                                         .gas_limit = gas_limit_of(job),
                                         .outputs = static_cast<std::uint32_t>(job.outputs.size()),
                                         .audit = job.audit};
  return OpenedBid{.head = *head, .sealed = *std::move(sealed)};
}

Result<bool> any_round_open(const ledger::StateReader& state) {
  TRY(const market::RoundsHead rounds, read_rounds(state));
  return rounds.any_open();
}

void SealedBids::emit(const market::RoundEvent& event) {
  events_.push_back({.topic = std::string(market::topic_name(event.topic)), .data = market::encode_round_event(event)});
}

// The round that takes commits now; the next one when there is none.
Result<RoundHead> SealedBids::joining() {
  TRY(market::RoundsHead rounds, read_rounds(state_));
  if (rounds.any_open()) {
    TRY(auto newest, find_round(state_, rounds.newest));
    check(newest.has_value(), "an open round has a head");
    if (context_.height <= newest->commit_until) return *newest;
  }
  ++rounds.newest;
  write_rounds(state_, rounds);
  RoundHead fresh;
  fresh.number = rounds.newest;
  fresh.opened = context_.height;
  fresh.commit_until = context_.height.plus(params_.commit_blocks - 1);
  fresh.reveal_until = fresh.commit_until.plus(params_.reveal_blocks);
  return fresh;
}

Result<market::CommitPlace> SealedBids::commit(const ledger::SignedCall& call, const market::Commit& args) {
  TRY(RoundHead head, joining());
  const std::uint64_t count = args.commits.size();
  if (head.commits + count > market::kRoundBidsMax) {
    return fail(Kind::kExhausted, "market.round_limit",
                text("round {} has {} commits, {} more would be beyond {}; the next takes them from height {} on",
                     head.number, head.commits, count, market::kRoundBidsMax, head.commit_until.value + 1));
  }
  const market::CommitPlace place{
      .round = head.number, .seq = head.commits, .commit_until = head.commit_until, .reveal_until = head.reveal_until};
  Amount deposits;
  for (const Hash32& commit : args.commits) {
    if (!Amount::add(deposits, params_.deposit, deposits))
      return fail(Kind::kExhausted, "ledger.insufficient", text("{} deposits do not fit 64 bits", count));
    write_sealed(
        state_, head.number, head.commits++,
        {.commit = commit, .payer = call.sender, .nonce = call.nonce, .held = params_.deposit, .revealed = {}});
  }
  TRY_OK(ledger::debit(state_, call.sender, deposits));
  TRY(market::Totals totals, read_totals(state_));
  totals.sealed = plus(totals.sealed, deposits);
  write_totals(state_, totals);
  write_round(state_, head);
  emit({.topic = RoundTopic::kCommitted,
        .round = head.number,
        .seq = place.seq,
        .count = count,
        .payer = call.sender,
        .job_id = {},
        .amount = deposits,
        .hash = {}});
  return place;
}

Status SealedBids::reveal(const market::Reveal& reveal) {
  TRY(OpenedBid opened, open_reveal(state_, params_, context_.network, context_.height, reveal));
  SealedBid& bid = opened.sealed;
  const Amount limit = bid.revealed->bid.limit_total;
  TRY_OK(ledger::credit(state_, bid.payer, bid.held));
  TRY_OK(ledger::debit(state_, bid.payer, limit));
  TRY(market::Totals totals, read_totals(state_));
  totals.sealed = plus(minus(totals.sealed, bid.held), limit);
  write_totals(state_, totals);
  bid.held = limit;
  ++opened.head.reveals;
  write_round(state_, opened.head);
  write_sealed(state_, reveal.round, reveal.seq, bid);
  state_.put(market::gxf_key(bid.revealed->bid.job_id), reveal.gxf);
  emit({.topic = RoundTopic::kRevealed,
        .round = reveal.round,
        .seq = reveal.seq,
        .payer = bid.payer,
        .job_id = bid.revealed->bid.job_id,
        .amount = limit,
        .hash = {}});
  return {};
}

Status SealedBids::end() {
  TRY(market::RoundsHead rounds, read_rounds(state_));
  if (!rounds.any_open()) return {};
  TRY(auto head, find_round(state_, rounds.open));
  check(head.has_value(), "an open round has a head");
  if (context_.height < head->reveal_until) return {};
  market::RoundRecord record;
  if (head->open()) {
    TRY(record, clear_round(*head));
  } else {
    TRY(record, read_record(*head));
  }
  TRY_OK(settle(*head, record));
  write_round(state_, *head);
  if (head->settled < head->commits) return {};
  ++rounds.open;
  write_rounds(state_, rounds);
  if (head->number <= market::kRoundsKept) return {};
  TRY(const auto old, find_round(state_, head->number - market::kRoundsKept));
  if (old) forget(*old);
  return {};
}

void SealedBids::forget(const RoundHead& head) {
  for (std::uint64_t at = 0, part = 0; at < head.record_bytes; at += market::kRoundPartBytes)
    state_.erase(market::round_part_key(head.number, part++));
  state_.erase(market::round_key(head.number));
}

Result<market::Round> SealedBids::inputs(const RoundHead& head, const std::vector<SealedBid>& bids) {
  market::Round round;
  round.number = head.number;
  round.height = context_.height;
  round.beacon = context_.beacon;
  round.cu_base = params_.cu_base;
  round.bond_min = params_.bond_min;
  round.bond = params_.bond;
  for (const SealedBid& bid : bids) {
    const std::uint64_t seq = round.commits.size();
    round.commits.push_back(bid.commit);
    if (const auto& revealed = bid.revealed)
      round.bids.push_back({.bid = revealed->bid, .seq = seq, .salt = revealed->salt, .funds = bid.held});
  }
  TRY(auto offers, round_offers(state_, market::kRoundAsksMax));
  for (Offer& offer : offers) {
    const market::Provider& p = offer.provider;
    market::RoundAsk ask;
    ask.seq = load_be<std::uint64_t>(offer.ask.id.data.data());  // tells the asks of one provider apart
    ask.bond = minus(p.bond, p.bond_locked);
    ask.free_slots = p.capacity - std::min(p.used, p.capacity);
    ask.ask = std::move(offer.ask);
    round.asks.push_back(std::move(ask));
  }
  // As in the record, so that what is kept is what was cleared.
  std::ranges::sort(round.asks, {}, [](const market::RoundAsk& a) { return std::tie(a.ask.provider, a.ask.id); });
  return round;
}

Result<market::RoundRecord> SealedBids::clear_round(RoundHead& head) {
  TRY(const std::vector<SealedBid> bids, sealed_of(state_, head.number));
  check(bids.size() == head.commits, "every commit of a round is kept");
  market::RoundRecord record;
  TRY(record.round, inputs(head, bids));
  TRY(record.outcome, clear(record.round));
  const market::RoundOutcome& out = record.outcome;
  TRY_OK(reserve(record));

  const Bytes bytes = market::encode_round(record);
  for (std::uint64_t at = 0, part = 0; at < bytes.size(); at += market::kRoundPartBytes) {
    const ByteView rest = ByteView(bytes).subspan(at);
    state_.put(market::round_part_key(head.number, part++), rest.first(std::min(rest.size(), market::kRoundPartBytes)));
  }
  head.cleared = context_.height;
  head.matches = out.matches.size();
  head.paid = out.paid;
  head.received = out.received;
  head.treasury = out.treasury;
  head.record_hash = market::round_hash(bytes);
  head.record_bytes = bytes.size();
  emit({.topic = RoundTopic::kCleared,
        .round = head.number,
        .count = head.matches,
        .payer = {},
        .job_id = {},
        .amount = head.treasury,
        .hash = head.record_hash});
  return record;
}

Result<market::RoundRecord> SealedBids::read_record(const RoundHead& head) {
  Bytes bytes;
  for (std::uint64_t part = 0; bytes.size() < head.record_bytes; ++part) {
    TRY(const auto found, state_.get(market::round_part_key(head.number, part)));
    if (!found || found->empty())
      return fail(Kind::kCorrupt, "market.state",
                  text("part {} of the record of round {} is missing", part, head.number));
    append(bytes, *found);
  }
  return market::decode_round(bytes);
}

// The slots, units and bonds of all matches, so that nothing that happens before they are locked can take them.
Status SealedBids::reserve(const market::RoundRecord& record) {
  std::map<JobId, std::uint64_t> units;
  for (const market::RoundBid& b : record.round.bids) units.emplace(b.bid.job_id, b.bid.cu);
  std::map<AccountId, market::Provider> providers;
  std::map<std::pair<AccountId, market::AskId>, market::Ask> asks;
  for (const market::RoundMatch& match : record.outcome.matches) {
    auto provider = providers.find(match.provider);
    if (provider == providers.end()) {
      TRY(market::Provider found, read_provider(state_, match.provider));
      provider = providers.emplace(match.provider, std::move(found)).first;
    }
    auto ask = asks.find({match.provider, match.ask_id});
    if (ask == asks.end()) {
      TRY(auto found, find_ask(state_, match.provider, match.ask_id));
      check(found.has_value(), "a match names a standing ask");
      ask = asks.emplace(std::pair(match.provider, match.ask_id), *std::move(found)).first;
    }
    Amount bond;
    check(bond_for(match.gets, params_.bond, bond), "the bond for the limit fits, so that for the price does");
    ++provider->second.used;
    provider->second.bond_locked = plus(provider->second.bond_locked, bond);
    ask->second.used_cu += units.at(match.job_id);
  }
  for (const auto& [id, provider] : providers) write_provider(state_, provider);
  for (const auto& [id, ask] : asks) update_ask(state_, ask);
  return {};
}

// The next kLocksMax commits by seq. What was held for them leaves: into escrow, back to payers, or to the burned.
Status SealedBids::settle(RoundHead& head, const market::RoundRecord& record) {
  const std::uint64_t until = std::min(head.commits, head.settled + market::kLocksMax);
  const std::uint64_t from = std::exchange(head.settled, until);
  std::map<JobId, const market::RoundMatch*> match_of;
  std::map<std::uint64_t, BidEnd> end_of;
  for (const market::RoundMatch& match : record.outcome.matches) match_of.emplace(match.job_id, &match);
  for (const market::BidFate& fate : record.outcome.unmatched) end_of.emplace(fate.seq, fate.end);
  std::vector<SealedBid> bids;
  Amount held, burned;
  for (std::uint64_t seq = from; seq < until; ++seq) {
    TRY(auto bid, find_sealed(state_, head.number, seq));
    check(bid.has_value(), "a commit is kept until it is settled");
    state_.erase(market::sealed_key(head.number, seq));
    held = plus(held, bid->held);
    if (!bid->revealed) burned = plus(burned, bid->held);
    bids.push_back(*std::move(bid));
  }
  head.burned = plus(head.burned, burned);
  TRY(market::Totals totals, read_totals(state_));
  totals.sealed = minus(totals.sealed, held);
  totals.burned = plus(totals.burned, burned);
  write_totals(state_, totals);
  for (std::uint64_t seq = from; seq < until; ++seq) {
    const SealedBid& bid = bids[seq - from];
    const auto end = end_of.find(seq);
    if (!bid.revealed) {
      tell_burned(head, seq, bid);
    } else if (end != end_of.end()) {
      TRY_OK(pay_back(head, seq, bid, end->second));
    } else {
      TRY_OK(lock(head, bid, *match_of.at(bid.revealed->bid.job_id)));
    }
  }
  return {};
}

Status SealedBids::lock(const RoundHead& head, const SealedBid& bid, const market::RoundMatch& match) {
  Match locked{.offer = {}, .price = match.gets, .bond = {}};
  locked.offer.ask.provider = match.provider;
  locked.offer.ask.id = match.ask_id;
  check(bond_for(match.gets, params_.bond, locked.bond), "it was reserved");
  Escrow escrow(state_, params_, context_, events_);
  return escrow.open({.bid = bid.revealed->bid,
                      .gxf_hash = bid.revealed->gxf_hash,
                      .gas_limit = bid.revealed->gas_limit,
                      .outputs = bid.revealed->outputs,
                      .audit = bid.revealed->audit,
                      .round = head.number,
                      .spread = minus(match.pays, match.gets),
                      .held = bid.held},
                     locked);
}

Status SealedBids::pay_back(const RoundHead& head, std::uint64_t seq, const SealedBid& bid, BidEnd end) {
  TRY_OK(ledger::credit(state_, bid.payer, bid.held));
  state_.erase(market::gxf_key(bid.revealed->bid.job_id));
  emit({.topic = RoundTopic::kUnmatched,
        .round = head.number,
        .seq = seq,
        .payer = bid.payer,
        .job_id = bid.revealed->bid.job_id,
        .amount = bid.held,
        .end = static_cast<std::uint8_t>(end),
        .hash = {}});
  return {};
}

void SealedBids::tell_burned(const RoundHead& head, std::uint64_t seq, const SealedBid& bid) {
  emit({.topic = RoundTopic::kNoReveal,
        .round = head.number,
        .seq = seq,
        .payer = bid.payer,
        .job_id = {},
        .amount = bid.held,
        .hash = {}});
}

}  // namespace hanse::auction
