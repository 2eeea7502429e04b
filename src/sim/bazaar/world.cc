#include "sim/bazaar/detail/world.h"

#include <algorithm>
#include <functional>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "exchange/auction/book.h"
#include "exchange/auction/market_app.h"
#include "exchange/auction/match.h"
#include "exchange/market/view.h"
#include "sim/bazaar/books.h"

namespace hanse::sim::bazaar {
namespace {

constexpr std::uint64_t kWealth = 1'000'000'000;  // of each account, in ut
constexpr std::uint32_t kSlots = 2;               // of each provider
constexpr std::size_t kBulkJobs = 4;              // that a payer of many jobs wants at a time
constexpr std::uint32_t kSeq = 10;                // of each job
constexpr std::size_t kValidators = 4;            // the first one lies
constexpr int kDrainMax = 100;                    // blocks in which the jobs of a round must end

market::Params make_params() {
  market::Params p;
  p.start_timeout = 2;
  p.run_timeout = 3;
  p.settle_window = 2;
  p.commit_blocks = 2;
  p.reveal_blocks = 2;
  p.audit_window = 4;
  p.cu_base = 100'000;
  return p;
}

Strategy payer_strategy(std::size_t i) {
  using enum Strategy;
  constexpr std::array kOf = {kTruth, kTruth,    kShade,      kTruth, kBurst, kTruth,      kShade,
                              kTruth, kWithhold, kTruth,      kBulk,  kTruth, kExaggerate, kTruth,
                              kBurst, kWithhold, kExaggerate, kShade, kSybil, kTruth};
  return kOf[i % kOf.size()];
}
Strategy provider_strategy(std::size_t i) {
  using enum Strategy;
  constexpr std::array kOf = {kAskTruth, kAskShade, kAskTruth, kAskTruth, kAskSplit, kAskTruth, kNoStart,
                              kAskTruth, kAskShade, kFalse,    kAskTruth, kAskTruth, kAskShade, kAskTruth,
                              kNoFinish, kAskTruth, kAskSplit, kAskTruth, kAskShade, kFalse};
  return kOf[i % kOf.size()];
}

// What a player says when its value or cost is `unit`.
std::uint64_t stated(Strategy strategy, std::uint64_t unit) {
  switch (strategy) {
    case Strategy::kShade: return unit * 4 / 5;
    case Strategy::kExaggerate: return unit * 4 / 3;
    case Strategy::kAskShade: return unit * 5 / 4;
    case Strategy::kNoStart:
    case Strategy::kNoFinish:
    case Strategy::kFalse: return unit / 2;
    default: return unit;
  }
}

}  // namespace

bool does_work(Strategy s) { return s == Strategy::kAskTruth || s == Strategy::kAskShade || s == Strategy::kAskSplit; }

World::World(const MarketPlan& plan)
    : plan_(plan), params_(make_params()), random_(plan.seed, "bazaar"), app_(auction::make_market_app()) {
  network_.data.fill(0x42);
  for (std::size_t i = 0; i < kStrategies; ++i) outcome_.strategies[i].strategy = static_cast<Strategy>(i);
}

std::size_t World::add_account(std::size_t player) {
  Bytes seed(32);
  store_be(seed.data(), plan_.seed);
  store_be(seed.data() + 8, std::uint64_t{accounts_.size()});
  accounts_.push_back({.who = *crypto::Identity::from_seed(seed), .nonce = 0, .player = player});
  by_id_.emplace(accounts_.back().who.id(), accounts_.size() - 1);
  return accounts_.size() - 1;
}

void World::add_player(Strategy strategy) {
  const bool many = strategy == Strategy::kSybil || strategy == Strategy::kAskSplit;
  Player player{.strategy = strategy, .accounts = {}, .cost = 200 + random_.below(700)};
  const std::size_t parts = !many ? 1 : is_provider(strategy) ? kSlots : kBulkJobs;
  for (std::size_t n = 0; n < parts; ++n) player.accounts.push_back(add_account(players_.size()));
  players_.push_back(std::move(player));
  ++row(strategy).players;
}

Status World::set_up() {
  for (std::size_t i = 0; i < kValidators; ++i) {
    const std::size_t account = add_account(kNobody);
    validators_.validators.push_back({.key = accounts_[account].who.mldsa().public_key(), .power_bp = 2500});
  }
  validators_ = light::sorted_set(std::move(validators_.validators));
  for (std::size_t i = 0; i < plan_.payers; ++i) add_player(payer_strategy(i));
  for (std::size_t i = 0; i < plan_.providers; ++i) add_player(provider_strategy(i));
  std::vector<std::pair<AccountId, Amount>> balances;
  for (const Account& account : accounts_) balances.emplace_back(account.who.id(), Amount{kWealth});
  TRY_OK(ledger::make_accounts_app()->genesis(ledger::encode_accounts_genesis(balances), network_, state_));
  TRY_OK(app_->genesis(market::encode_params(params_), network_, state_));
  TRY_OK(app_->begin(context(), state_));
  TRY(const market::Bid bid, auction::bid_of(plain_job(Amount{1}), params_));
  cu_ = bid.cu;
  for (Player& player : players_)
    if (is_provider(player.strategy)) offer(player);
  return {};
}

// Registers the accounts of a provider and posts one ask each, at a posted price one tenth above its sealed one.
void World::offer(const Player& player) {
  const auto capacity = static_cast<std::uint32_t>(kSlots / player.accounts.size());
  const std::uint64_t unit = stated(player.strategy, player.cost);
  for (const std::size_t i : player.accounts) {
    call(i, market::Method::kProviderRegister,
         market::ProviderRegister{.region = 0,
                                  .precisions = market::kPrecisionsAll,
                                  .isolation = 0,
                                  .capacity = capacity,
                                  .bond = plus(params_.bond_min, 500'000 * capacity),
                                  .ed25519 = accounts_[i].who.ed25519().public_key().bytes});
    call(i, market::Method::kAskPost,
         market::AskPost{.precisions = market::kPrecisionsAll,
                         .level_max = 0,
                         .max_seq = 1024,
                         .max_batch = 1,
                         .latency_ms = 50,
                         .isolation = 0,
                         .base_price = Amount{money(unit) * 11 / 10},
                         .unit_price = Amount{unit},
                         .capacity_cu = 1ull << 40,
                         .valid_until = Height{500'000}});
  }
}

ledger::BlockContext World::context() const {
  ledger::BlockContext c;
  c.network = network_;
  c.height = height_;
  c.time_ms = static_cast<std::int64_t>(height_.value) * 1000;
  std::uint8_t be[16];
  store_be(be, plan_.seed);
  store_be(be + 8, height_.value);
  c.beacon = crypto::blake3("hanse/sim-beacon/1", {be});
  c.validators = &validators_;
  return c;
}

ledger::TxResult World::apply(const ledger::Tx& tx) {
  ++outcome_.transactions;
  ledger::TxResult result = app_->apply(tx, context(), state_);
  if (result.code != 0) ++refused_[result.error_id];
  for (const ledger::Event& event : result.events) record(event);
  return result;
}

ledger::TxResult World::call_bytes(std::size_t account, market::Method method, Bytes args) {
  ledger::SignedCall call;
  call.network = network_;
  call.app = market::kMarketApp;
  call.nonce = ++accounts_[account].nonce;
  call.expires = height_.plus(100);
  call.method = static_cast<std::uint16_t>(method);
  call.args = std::move(args);
  ledger::sign_call(call, accounts_[account].who.mldsa());
  return apply(
      {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kCall, ledger::encode_call(call))});
}

gxf::Job World::plain_job(Amount limit) {
  gxf::Job job;
  job.network = network_;
  job.priority = 200;
  job.expires = height_.plus(500);
  job.lane = gxf::Lane::kFlash;
  job.limit_total = limit;
  job.audit = random_.below(10) < 6 ? gxf::Audit::kSampled : gxf::Audit::kReceipts;
  gxf::Node node;
  node.kind = gxf::NodeKind::kWasm;
  node.artifact.data.fill(7);
  node.shape = {.level = 0, .seq = kSeq, .batch = 1, .tokens = 0, .dims = {}};
  node.limits = {.gas = 1'000'000, .mem_pages = 16, .wall_ms = 1000, .out_bytes = 4096};
  job.nodes.push_back(node);
  job.outputs.push_back({.node = 0, .out_ix = 0});
  return job;
}

// How many jobs a payer wants in this round.
std::size_t World::wanted(std::size_t player) {
  switch (players_[player].strategy) {
    case Strategy::kBurst: return (round_ + player / 4) % 3 == 0 ? 3 : 0;
    case Strategy::kBulk:
    case Strategy::kSybil: return random_.below(4) == 0 ? kBulkJobs : 0;
    default: return random_.below(3) == 0 ? 1 : 0;
  }
}

void World::draw_wants() {
  std::vector<std::uint64_t> values, costs;
  for (std::size_t p = 0; p < players_.size(); ++p) {
    const Player& player = players_[p];
    if (is_provider(player.strategy)) {
      now().slots += kSlots;
      if (does_work(player.strategy)) costs.insert(costs.end(), kSlots, player.cost);
      continue;
    }
    const std::size_t n = wanted(p);
    const bool withhold = player.strategy == Strategy::kWithhold;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t value = 200 + random_.below(800);
      const bool sealed = random_.below(5) != 0 || withhold;
      (sealed ? sealed_wants_ : immediate_wants_)
          .push_back({.player = p, .account = player.accounts[i % player.accounts.size()], .value = value});
      ++row(player.strategy).jobs;
      if (!withhold) values.push_back(value);
    }
  }
  now().wants = values.size();
  std::ranges::sort(values, std::greater<>());
  std::ranges::sort(costs);
  for (std::size_t i = 0; i < std::min(values.size(), costs.size()) && values[i] > costs[i]; ++i)
    now().optimum += static_cast<std::int64_t>(money(values[i]) - money(costs[i]));
}

void World::order(const Want& want) {
  gxf::Job job = plain_job(Amount{money(stated(players_[want.player].strategy, want.value))});
  job.nonce = ++accounts_[want.account].nonce;
  const Status signed_job = gxf::sign(job, accounts_[want.account].who, gxf::JobSigAlg::kMlDsa65);
  if (!signed_job) return fail("setup", signed_job.error().str());
  wants_[job.job_id] = want;
  wants_[job.job_id].asked = job.audit == gxf::Audit::kSampled;
  const auto result =
      apply({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, gxf::encode(job))});
  if (result.code != 0) return;
  if (const auto quote = market::decode_quote(result.data)) {
    ++now().immediate;
    posted_ += quote->price.value;
  }
}

// One call for all the jobs that an account wants.
void World::commit(std::size_t account, const std::vector<Want>& wants) {
  const Strategy strategy = players_[accounts_[account].player].strategy;
  market::Commit call_args;
  std::vector<market::Reveal> reveals;
  for (const Want& want : wants) {
    gxf::Job job = plain_job(Amount{money(stated(strategy, want.value))});
    // The jobs of one call have its nonce; what tells them apart is the limit of their output.
    job.nodes[0].limits.out_bytes += static_cast<std::uint32_t>(reveals.size());
    job.nonce = accounts_[account].nonce + 1;
    const Status signed_job = gxf::sign(job, accounts_[account].who, gxf::JobSigAlg::kMlDsa65);
    if (!signed_job) return fail("setup", signed_job.error().str());
    const auto bid = auction::bid_of(job, params_);
    if (!bid) return fail("setup", bid.error().str());
    market::Reveal reveal{.round = 0, .seq = reveals.size(), .salt = {}, .gxf = gxf::encode(job), .attempt = 0};
    random_.fill(reveal.salt.data);
    call_args.commits.push_back(market::commit_of(*bid, reveal.salt));
    wants_[job.job_id] = want;
    wants_[job.job_id].asked = job.audit == gxf::Audit::kSampled;
    reveals.push_back(std::move(reveal));
  }
  const auto result = call(account, market::Method::kCommit, call_args);
  const auto place = market::decode_commit_place(result.data);
  if (result.code != 0 || !place || strategy == Strategy::kWithhold) return;
  for (market::Reveal& reveal : reveals) {
    reveal.round = place->round;
    reveal.seq += place->seq;
    reveals_.push_back(std::move(reveal));
  }
}

void World::reveal(std::size_t from, std::size_t until) {
  for (std::size_t i = from; i < until && !failed(); ++i)
    apply({.app = market::kMarketApp,
           .body = market::encode_body(market::BodyKind::kReveal, market::encode(reveals_[i]))});
}

void World::run_round() {
  outcome_.rounds.emplace_back();
  posted_ = 0;
  draw_wants();
  std::map<std::size_t, std::vector<Want>> by_account;
  for (const Want& want : sealed_wants_) by_account[want.account].push_back(want);
  const std::size_t half = immediate_wants_.size() / 2;
  for (std::size_t i = 0; i < half && !failed(); ++i) order(immediate_wants_[i]);
  for (const auto& [account, wants] : by_account) commit(account, wants);
  end_block();
  for (std::size_t i = half; i < immediate_wants_.size() && !failed(); ++i) order(immediate_wants_[i]);
  end_block();
  const std::size_t middle = reveals_.size() / 2;
  reveal(0, middle);
  end_block();
  reveal(middle, reveals_.size());
  bool more = end_block();
  const bool cut = plan_.plant == Plant::kLive && round_ + 1 == plan_.rounds;
  for (int blocks = 0; more && !failed() && !cut; ++blocks) {
    if (blocks == kDrainMax) return fail("ends", text("jobs of round {} live after {} blocks", round_, kDrainMax));
    more = end_block();
  }
  if (now().immediate != 0) now().posted = posted_ * 1000 / now().immediate / cu_;
  sealed_wants_.clear();
  immediate_wants_.clear();
  reveals_.clear();
  ++round_;
}

MarketOutcome World::run() {
  for (const Account& account : accounts_)
    if (account.player != kNobody) row(players_[account.player].strategy).money -= static_cast<std::int64_t>(kWealth);
  while (round_ < plan_.rounds && !failed()) run_round();
  if (!failed()) {
    if (const auto left = find_left_over(state_)) fail("end", *left);
  }
  for (const Account& account : accounts_) {
    if (account.player == kNobody) continue;
    StrategyRow& r = row(players_[account.player].strategy);
    if (const auto found = ledger::read_account(state_, account.who.id()))
      r.money += static_cast<std::int64_t>(found->balance.value);
    if (const auto found = auction::find_provider(state_, account.who.id()); found && *found)
      r.money += static_cast<std::int64_t>((*found)->bond.value);
  }
  for (StrategyRow& r : outcome_.strategies) r.gain += r.money;
  if (const auto totals = auction::read_totals(state_)) {
    outcome_.burned = totals->burned.value;
    outcome_.treasury = totals->treasury.value;
  }
  outcome_.blocks = height_.value - 1;
  outcome_.ends.assign(ends_.begin(), ends_.end());
  outcome_.unmatched.assign(unmatched_.begin(), unmatched_.end());
  outcome_.refused.assign(refused_.begin(), refused_.end());
  outcome_.trace = trace_.finish();
  return std::move(outcome_);
}

}  // namespace hanse::sim::bazaar

namespace hanse::sim {

bool is_provider(Strategy strategy) { return strategy >= Strategy::kAskTruth; }

Result<MarketOutcome> run_market(const MarketPlan& plan) {
  const auto in = [](std::string_view what, std::uint64_t found, std::uint64_t least, std::uint64_t most) -> Status {
    if (found >= least && found <= most) return {};
    return hanse::fail(Kind::kInvalid, "bazaar.plan", text("{} {}, expected {} to {}", what, found, least, most));
  };
  TRY_OK(in("rounds", plan.rounds, 1, kRoundsMax));
  TRY_OK(in("payers", plan.payers, kPayersMin, kPayersMax));
  TRY_OK(in("providers", plan.providers, kProvidersMin, kProvidersMax));
  bazaar::World world(plan);
  TRY_OK(world.set_up());
  return world.run();
}

}  // namespace hanse::sim
