// recount(): the market's books checked from the records alone, and random histories under that check.
#include "exchange/auction/market_world.h"

#include <algorithm>
#include <bit>

#include "base/core/text.h"
#include "exchange/market/round_check.h"

namespace hanse::auction {

__extension__ using u128 = unsigned __int128;

void recount(const ledger::StateReader& state) {
  u128 accounts = 0;
  ASSERT_TRUE(state.scan(as_bytes("accounts/a"), {}, [&](ByteView, ByteView value) {
    accounts += ledger::decode_account(value)->balance.value;
    return true;
  }));
  struct Held {
    std::uint64_t jobs = 0, bond = 0, asks = 0;
  };
  std::map<AccountId, Held> held;
  std::map<std::pair<AccountId, market::AskId>, std::uint64_t> units;
  std::map<std::pair<std::uint64_t, JobId>, int> deadlines;
  std::uint64_t escrow = 0, live = 0, settled = 0, closed = 0, paid = 0, gxfs = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kJobPrefix), {}, [&](ByteView key, ByteView value) {
    const auto job = market::decode_job(value);
    EXPECT_TRUE(job && equal(market::job_key(job->bid.job_id), key));
    EXPECT_EQ(job->deadline.value == 0, job->ended());
    EXPECT_EQ(state.get(market::gxf_key(job->bid.job_id))->has_value(), !job->ended());
    EXPECT_TRUE(state.get(market::payer_job_key(job->bid.payer, job->submitted, job->bid.job_id))->has_value());
    EXPECT_TRUE(state.get(market::provider_job_key(job->provider, job->submitted, job->bid.job_id))->has_value());
    EXPECT_LE(job->price.value + job->spread.value, job->bid.limit_total.value);
    settled += job->state == market::JobState::kSettled;
    closed += job->state == market::JobState::kClosed;
    if (job->result) paid += job->result->paid.value;
    if (job->ended()) return true;
    ++live;
    escrow += job->price.value + job->spread.value;
    held[job->provider].jobs += 1;
    held[job->provider].bond += job->bond.value;
    units[{job->provider, job->ask_id}] += job->bid.cu;
    deadlines[{job->deadline.value, job->bid.job_id}] = 1;
    return true;
  }));
  std::uint64_t sealed = 0, revealed = 0;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> rounds;  // commits, reveals
  ASSERT_TRUE(state.scan(as_bytes(market::kSealedPrefix), {}, [&](ByteView key, ByteView value) {
    const auto bid = market::decode_sealed_bid(value);
    EXPECT_TRUE(bid);
    sealed += bid->held.value;
    auto& [commits, reveals] = rounds[load_be<std::uint64_t>(key.data() + market::kSealedPrefix.size())];
    ++commits;
    if (!bid->revealed) return true;
    ++reveals;
    ++revealed;
    EXPECT_EQ(bid->held, bid->revealed->bid.limit_total);
    EXPECT_TRUE(state.get(market::gxf_key(bid->revealed->bid.job_id))->has_value());
    return true;
  }));
  ASSERT_TRUE(state.scan(as_bytes(market::kAuditPrefix), {}, [&](ByteView, ByteView value) {
    const auto audit = market::decode_audit(value);
    EXPECT_TRUE(audit && read_job(state, audit->id)->state == market::JobState::kAudited);
    escrow += audit->deposit.value;
    return true;
  }));
  const market::RoundsHead heads = *read_rounds(state);
  for (std::uint64_t n = heads.open; n <= heads.newest; ++n) {
    const auto head = *find_round(state, n);
    EXPECT_TRUE(head && head->commits - head->settled == rounds[n].first);
    if (head->open()) EXPECT_EQ(head->reveals, rounds[n].second);
    rounds.erase(n);
    if (head->open()) continue;
    // Cleared, and what is not locked yet is set aside.
    Bytes bytes;
    for (std::uint64_t part = 0; bytes.size() < head->record_bytes; ++part)
      append(bytes, **state.get(market::round_part_key(n, part)));
    const auto record = *market::decode_round(bytes);
    for (const market::RoundMatch& match : record.outcome.matches) {
      const auto bid = *std::ranges::find(record.round.bids, match.job_id, [](const auto& b) { return b.bid.job_id; });
      if (bid.seq < head->settled) continue;
      Amount bond;
      EXPECT_TRUE(bond_for(match.gets, read_params(state)->bond, bond));
      held[match.provider].jobs += 1;
      held[match.provider].bond += bond.value;
      units[{match.provider, match.ask_id}] += bid.bid.cu;
    }
  }
  EXPECT_TRUE(rounds.empty()) << "commits of a round that is not open";
  ASSERT_TRUE(state.scan(as_bytes(market::kGxfPrefix), {}, [&](ByteView, ByteView) { return ++gxfs, true; }));
  EXPECT_EQ(gxfs, live + revealed);
  std::size_t indexed = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kDeadlinePrefix), {}, [&](ByteView key, ByteView) {
    JobId id;
    EXPECT_TRUE(JobId::from(key.last(JobId::kSize), id));
    EXPECT_TRUE(deadlines.contains({load_be<std::uint64_t>(key.data() + market::kDeadlinePrefix.size()), id}));
    return ++indexed, true;
  }));
  EXPECT_EQ(indexed, deadlines.size());
  std::size_t lists = 0, by_unit_price = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kAskPrefix), {}, [&](ByteView, ByteView value) {
    const auto ask = market::decode_ask(value);
    EXPECT_TRUE(ask);
    held[ask->provider].asks += 1;
    lists += static_cast<std::size_t>(std::popcount(ask->precisions));
    if (ask->unit_price.value != 0) {
      ++by_unit_price;
      EXPECT_TRUE(state.get(market::unit_price_key(*ask))->has_value());
    }
    EXPECT_EQ(ask->used_cu, (units[{ask->provider, ask->id}]));
    EXPECT_LE(ask->used_cu, ask->capacity_cu);
    return true;
  }));
  std::size_t listed = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kAskIndexPrefix), {}, [&](ByteView, ByteView) { return ++listed, true; }));
  EXPECT_EQ(listed, lists);
  listed = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kUnitPricePrefix), {}, [&](ByteView, ByteView) { return ++listed, true; }));
  EXPECT_EQ(listed, by_unit_price);
  std::uint64_t bonds = 0;
  ASSERT_TRUE(state.scan(as_bytes(market::kProviderPrefix), {}, [&](ByteView, ByteView value) {
    const auto provider = market::decode_provider(value);
    EXPECT_TRUE(provider);
    const Held& h = held[provider->account];
    bonds += provider->bond.value;
    EXPECT_EQ(provider->used, h.jobs);
    EXPECT_LE(provider->used, provider->capacity);
    EXPECT_EQ(provider->bond_locked.value, h.bond);
    EXPECT_LE(provider->bond_locked, provider->bond);
    EXPECT_EQ(provider->asks, h.asks);
    held.erase(provider->account);
    return true;
  }));
  EXPECT_TRUE(std::ranges::all_of(held, [](const auto& h) { return h.second.jobs == 0 && h.second.asks == 0; }));
  const market::Totals totals = *read_totals(state);
  EXPECT_EQ(totals.escrow.value, escrow);
  EXPECT_EQ(totals.sealed.value, sealed);
  EXPECT_EQ(totals.bonds.value, bonds);
  EXPECT_EQ(totals.live, live);
  EXPECT_EQ(totals.settled, settled);
  EXPECT_EQ(totals.closed, closed);
  EXPECT_EQ(totals.volume.value, paid);
  const u128 sum = accounts + escrow + sealed + bonds + totals.treasury.value + totals.burned.value;
  EXPECT_TRUE(sum == ledger::supply(state)->value) << "money appeared or vanished";
}

namespace {

// A random history: providers come, offer, leave; payers order, cancel; jobs are started, finished, dropped.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed, "market"), world_(small_params(), 6, 3'000'000) {}

  static market::Params small_params() {
    market::Params p;
    p.start_timeout = 3;
    p.run_timeout = 4;
    p.settle_window = 2;
    p.bond_min = Amount{1000};
    p.noreceipt_penalty_ppm = 750'000;
    p.fee_ppm = 33'333;
    p.commit_blocks = 2;
    p.reveal_blocks = 3;
    p.deposit = Amount{77};
    p.bond = {.audit_ppm = 800'000, .gain_ppm = market::kPpm};
    return p;
  }

  void run(int blocks) {
    for (int b = 0; b < blocks; ++b) {
      for (std::uint64_t n = random_.below(8); n > 0; --n) step();
      for (std::uint64_t n = random_.below(8); n > 0; --n) open();
      next_block();
    }
  }
  // With nothing new to do every life ends by itself.
  void drain() {
    int blocks = 0;
    while (next_block().wants_block && blocks < 100) ++blocks;
    EXPECT_LT(blocks, 100);
    EXPECT_EQ(world_.totals().live, 0u);
    EXPECT_EQ(world_.totals().escrow.value, 0u);
    EXPECT_EQ(world_.totals().sealed.value, 0u);
  }
  MarketWorld& world() { return world_; }
  std::map<std::string, int> outcomes;

 private:
  // The books are counted after every block, and every round that it cleared is given to the checker.
  ledger::EndResult next_block() {
    const std::size_t before = world_.round_events.size();
    const ledger::EndResult end = world_.next_block();
    recount(world_.state);
    for (std::size_t i = before; i < world_.round_events.size(); ++i) {
      const market::RoundEvent& event = world_.round_events[i];
      if (event.topic != market::RoundTopic::kCleared) continue;
      const auto record = market::decode_round(world_.round_bytes(event.round));
      EXPECT_TRUE(record && market::check_record(*record)->ok()) << "round " << event.round;
      EXPECT_EQ(record->outcome.matches.size(), event.count);
      ++outcomes["round cleared"];
      if (!record->outcome.matches.empty()) expect_alterations_found(*record);
    }
    return end;
  }
  void expect_alterations_found(const market::RoundRecord& record) {
    ++outcomes["round with matches"];
    for (int kind = 0; kind < 4; ++kind) {
      market::RoundRecord bad = record;
      market::RoundMatch& match = bad.outcome.matches[random_.below(bad.outcome.matches.size())];
      switch (kind) {
        case 0: match.pays.value -= 1; break;
        case 1: match.gets.value += 1; break;
        case 2: bad.round.beacon.data[0] ^= 1, match.provider.data[0] ^= 1; break;
        default: bad.outcome.matches.pop_back(); break;
      }
      EXPECT_FALSE(market::check_record(bad)->ok()) << "alteration " << kind;
    }
  }

  std::size_t one_of_three(std::size_t first) { return first + random_.below(3); }

  void note(std::string_view what, const ledger::TxResult& result) {
    ++outcomes[text("{} {}", what, result.code == 0 ? "ok" : result.error_id)];
  }

  void step() {
    const std::size_t provider = one_of_three(3);
    switch (random_.below(10)) {
      case 0:
        return note("register",
                    world_.add_provider(provider, static_cast<std::uint16_t>(provider - 3),
                                        1 + static_cast<std::uint32_t>(random_.below(3)), random_.below(60'000)));
      case 1: {
        market::AskPost ask = MarketWorld::ask(500 + random_.below(1000));
        ask.capacity_cu = 10'000 + random_.below(20'000);
        if (random_.below(4) != 0) ask.unit_price = Amount{300 + random_.below(700)};
        ask.valid_until = world_.height.plus(random_.below(30));
        return post(provider, ask);
      }
      case 2: return withdraw_or_unbond(provider);
      case 3:
      case 4: return order();
      case 5: return seal();
      default: return act();
    }
  }

  void post(std::size_t provider, const market::AskPost& ask) {
    const auto result = world_.call(provider, market::Method::kAskPost, ask);
    note("post", result);
    market::AskId id;
    if (result.code == 0 && market::AskId::from(result.data, id)) asks_.emplace_back(provider, id);
  }

  void withdraw_or_unbond(std::size_t provider) {
    if (random_.below(2) == 0 || asks_.empty()) {
      return note("unbond", world_.call(provider, market::Method::kProviderUnbond,
                                        market::ProviderUnbond{Amount{random_.below(50'000)}}));
    }
    const auto& [owner, id] = asks_[random_.below(asks_.size())];
    note("withdraw", world_.call(owner, market::Method::kAskWithdraw, market::AskWithdraw{id}));
  }

  void order() {
    gxf::Job job = world_.plain_job(one_of_three(0));
    job.nodes[0].shape.seq = 100 + static_cast<std::uint32_t>(random_.below(900));
    job.limit_total = Amount{3000 + random_.below(12'000)};
    job.expires = world_.height.plus(1 + random_.below(6));
    job.region_mask = 1 + random_.below(7);
    const std::size_t payer = payer_of(job);
    const auto result = world_.submit(payer, job);
    note("order", result);
    if (result.code == 0) jobs_.push_back(job.job_id);
  }
  std::size_t payer_of(const gxf::Job& job) const {
    for (std::size_t i = 0; i < 3; ++i)
      if (world_.nonces[i] == job.nonce) return i;
    return 0;
  }

  void seal() {
    std::vector<gxf::Job> jobs;
    const std::size_t payer = one_of_three(0);
    for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) {
      gxf::Job job = world_.plain_job(payer);
      --world_.nonces[payer];
      job.nodes[0].shape.seq = 100 + static_cast<std::uint32_t>(random_.below(900));
      job.limit_total = Amount{1000 + random_.below(12'000)};
      job.expires = world_.height.plus(3 + random_.below(12));
      job.region_mask = 1 + random_.below(7);
      jobs.push_back(job);
    }
    auto sealed = world_.commit(payer, std::move(jobs));
    note("commit", sealed.result);
    if (sealed.result.code == 0) sealed_.push_back(std::move(sealed));
  }
  // Reveals one of the last commits; some are asked for too early, too late or again, and some never.
  void open() {
    if (sealed_.empty()) return;
    const auto& sealed = sealed_[sealed_.size() - 1 - random_.below(std::min<std::size_t>(sealed_.size(), 6))];
    const std::size_t i = random_.below(sealed.jobs.size());
    const auto result = world_.reveal(sealed, i);
    note("reveal", result);
    if (result.code == 0) jobs_.push_back(sealed.jobs[i].job_id);
  }

  void act() {
    if (jobs_.empty()) return;
    const JobId id = jobs_[jobs_.size() - 1 - random_.below(std::min<std::size_t>(jobs_.size(), 8))];
    const auto found = *find_job(world_.state, id);
    if (!found) return;  // a bid that is not cleared, or found nothing
    const market::Job& job = *found;
    const std::size_t provider = index_of(job.provider);
    switch (random_.below(6)) {
      case 0:
        return note("cancel", world_.call(index_of(job.bid.payer), market::Method::kJobCancel, market::JobCancel{id}));
      case 1: return note("decline", world_.call(provider, market::Method::kJobCancel, market::JobCancel{id}));
      case 2:
      case 3: return note("start", world_.call(provider, market::Method::kJobStart, market::JobStart{id}));
      default: {
        const auto status = static_cast<market::RunStatus>(random_.below(7));
        return note("receipt", world_.call(provider, market::Method::kJobReceipt,
                                           world_.receipt_of(id, status, random_.below(1'100'000))));
      }
    }
  }
  std::size_t index_of(const AccountId& id) const {
    for (std::size_t i = 0; i < world_.who.size(); ++i)
      if (world_.who[i].id() == id) return i;
    return 0;
  }

  SeededRandom random_;
  MarketWorld world_;
  std::vector<std::pair<std::size_t, market::AskId>> asks_;
  std::vector<JobId> jobs_;
  std::vector<MarketWorld::Sealed> sealed_;
};

TEST(MarketHistory, keeps_its_books_and_always_ends) {
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    History history(seed);
    history.run(60);
    history.drain();
    for (const auto& [what, n] : history.outcomes) outcomes[what] += n;
    if (testing::Test::HasFailure()) return;
  }
  for (const char* reached :
       {"order ok", "order market.unmatched", "start ok", "receipt ok", "decline ok", "cancel ok",
        "receipt market.job_state", "withdraw ok", "unbond ok", "commit ok", "reveal ok", "reveal market.round_phase",
        "reveal market.revealed", "reveal market.no_round", "round cleared", "round with matches"})
    EXPECT_GT(outcomes[reached], 0) << reached;
}

TEST(MarketHistory, reaches_every_end) {
  std::set<market::CloseReason> reasons;
  int requeued = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    History history(seed);
    history.run(60);
    history.drain();
    for (const market::JobEvent& event : history.world().events) {
      if (event.topic == market::Topic::kClosed) reasons.insert(event.reason);
      requeued += event.topic == market::Topic::kRequeued;
    }
  }
  using enum market::CloseReason;
  for (const auto reason : {kCancelled, kExpired, kNoStart, kNoReceipt, kDeclined, kGivenUp})
    EXPECT_TRUE(reasons.contains(reason)) << market::close_reason_name(reason);
  EXPECT_GT(requeued, 0);
}

TEST(MarketHistory, the_same_transactions_give_the_same_state) {
  History history(77);
  history.run(40);
  const MarketWorld& first = history.world();
  EXPECT_GT(first.totals().matched, 5u);
  MarketWorld second(History::small_params(), 6, 3'000'000);
  for (const auto& [height, tx] : first.log) {
    while (second.height < height) second.next_block();
    second.apply(tx);
  }
  while (second.height < first.height) second.next_block();
  EXPECT_TRUE(first.state.entries() == second.state.entries());
  EXPECT_TRUE(first.events == second.events);
  EXPECT_TRUE(first.round_events == second.round_events);
  EXPECT_GT(first.round_events.size(), 5u);
}

}  // namespace
}  // namespace hanse::auction
