// The run of a plan (bazaar.h): players, blocks, what they do when something happens, and the checks after each block.
// world.cc: players and rounds. blocks.cc: events, answers to them, checks, and rounds cleared again with the truth.
#pragma once

#include <map>
#include <memory>

#include "base/core/random.h"
#include "base/crypto/hash.h"
#include "base/crypto/sign.h"
#include "chain/ledger/app.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "exchange/market/sealed.h"
#include "sim/bazaar/bazaar.h"

namespace hanse::sim::bazaar {

constexpr std::size_t kNobody = ~std::size_t{0};  // player of a validator's account

struct Account {
  crypto::Identity who;
  std::uint64_t nonce = 0;
  std::size_t player = kNobody;
};
struct Player {
  Strategy strategy = Strategy::kTruth;
  std::vector<std::size_t> accounts;
  std::uint64_t cost = 0;  // of a provider, per 1000 compute units
};
struct Want {
  std::size_t player = 0, account = 0;
  std::uint64_t value = 0;  // per 1000 compute units
  bool asked = false;       // for an audit
};

bool does_work(Strategy strategy);

class World {
 public:
  explicit World(const MarketPlan& plan);
  Status set_up();
  MarketOutcome run();

 private:
  std::size_t add_account(std::size_t player);
  void add_player(Strategy strategy);
  void offer(const Player& player);
  ledger::BlockContext context() const;
  ledger::TxResult apply(const ledger::Tx& tx);
  ledger::TxResult call_bytes(std::size_t account, market::Method method, Bytes args);
  template <class Args>
  ledger::TxResult call(std::size_t account, market::Method method, const Args& args) {
    return call_bytes(account, method, market::encode(args));
  }
  gxf::Job plain_job(Amount limit);
  std::size_t wanted(std::size_t player);
  void draw_wants();
  void order(const Want& want);
  void commit(std::size_t account, const std::vector<Want>& wants);
  void reveal(std::size_t from, std::size_t until);
  void run_round();

  bool end_block();  // whether something is pending
  void record(const ledger::Event& event);
  void record_job(const market::JobEvent& event);
  void answer(const market::JobEvent& event);
  void judge(const market::JobEvent& event);
  void check_round(const market::RoundEvent& cleared);
  void try_truth(const market::RoundRecord& record);
  void plant();
  BlobId receipt_hash(const JobId& id, bool holds) const;

  bool failed() const { return outcome_.failure.has_value(); }
  void fail(std::string_view check, std::string what) {
    if (!failed()) outcome_.failure = {.check = std::string(check), .what = std::move(what), .height = height_.value};
  }
  std::uint64_t money(std::uint64_t unit) const { return unit * cu_ / 1000; }  // of one job
  static Amount plus(Amount a, std::uint64_t b) { return Amount{a.value + b}; }
  RoundRow& now() { return outcome_.rounds.back(); }
  StrategyRow& row(Strategy s) { return outcome_.strategies[static_cast<std::size_t>(s)]; }
  const Player& player_of(const AccountId& id) const { return players_[accounts_[by_id_.at(id)].player]; }

  MarketPlan plan_;
  market::Params params_;
  SeededRandom random_;
  std::unique_ptr<ledger::App> app_;
  ledger::MemState state_;
  NetworkId network_;
  light::ValidatorSet validators_;
  Height height_{1};
  std::uint64_t cu_ = 0;  // of a job
  std::vector<Account> accounts_;
  std::map<AccountId, std::size_t> by_id_;
  std::vector<Player> players_;
  std::size_t round_ = 0;
  std::uint64_t posted_ = 0;
  std::vector<Want> sealed_wants_, immediate_wants_;
  std::vector<market::Reveal> reveals_;
  std::map<JobId, Want> wants_;
  std::vector<market::JobEvent> todo_;       // what providers and validators answer in the next block
  std::vector<market::RoundEvent> cleared_;  // of this block
  std::map<std::string, std::uint64_t> ends_, unmatched_, refused_;
  crypto::Blake3 trace_{"hanse/sim-market/1"};
  bool planted_ = false;
  MarketOutcome outcome_;
};

}  // namespace hanse::sim::bazaar
