// A ledger of one process for tests: accounts and market over a MemState, blocks by hand, keys from numbers.
// For test programs of this room and of rooms that need a market to talk to; includes GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "exchange/auction/book.h"
#include "exchange/auction/escrow.h"
#include "exchange/auction/market_app.h"
#include "exchange/auction/supply.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/calls.h"
#include "exchange/market/keys.h"
#include "exchange/market/sealed.h"
#include "exchange/market/view.h"

namespace hanse::auction {

class MarketWorld {
 public:
  explicit MarketWorld(const market::Params& params = {}, int people = 6, std::uint64_t each = 100'000'000,
                       const NetworkId& network_id = some_network())
      : network(network_id), app(make_market_app()), accounts(ledger::make_accounts_app()) {
    std::vector<std::pair<AccountId, Amount>> balances;
    for (int i = 0; i < people; ++i) {
      Bytes seed(32, static_cast<std::uint8_t>(i + 1));
      who.push_back(*crypto::Identity::from_seed(seed));
      balances.emplace_back(who.back().id(), Amount{each});
    }
    nonces.resize(who.size(), 0);
    const Status first = accounts->genesis(ledger::encode_accounts_genesis(balances), network, state);
    EXPECT_TRUE(first) << (first ? "" : first.error().str());
    EXPECT_TRUE(app->genesis(market::encode_params(params), network, state));
    open_block();
  }

  static NetworkId some_network() {
    NetworkId id;
    id.data.fill(0x42);
    return id;
  }
  ledger::BlockContext context() const {
    ledger::BlockContext c;
    c.network = network;
    c.height = height;
    c.time_ms = static_cast<std::int64_t>(height.value) * 1000;
    store_be(c.beacon.data.data(), height.value);
    c.validators = &validators;
    return c;
  }

  // Applies a transaction in the open block.
  ledger::TxResult apply(const ledger::Tx& tx) {
    log.emplace_back(height, tx);
    ledger::TxResult result = app->apply(tx, context(), state);
    for (const ledger::Event& event : result.events) record(event);
    return result;
  }
  template <class Args>
  ledger::Tx call_tx(std::size_t sender, market::Method method, const Args& args) {
    ledger::SignedCall call;
    call.network = network;
    call.app = market::kMarketApp;
    call.nonce = ++nonces[sender];
    call.expires = height.plus(100);
    call.method = static_cast<std::uint16_t>(method);
    call.args = market::encode(args);
    ledger::sign_call(call, who[sender].mldsa());
    return {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kCall, ledger::encode_call(call))};
  }
  template <class Args>
  ledger::TxResult call(std::size_t sender, market::Method method, const Args& args) {
    return apply(call_tx(sender, method, args));
  }

  // Ends the open block, keeps its events and opens the next one.
  ledger::EndResult next_block() {
    auto end = app->end(context(), state);
    EXPECT_TRUE(end) << (end ? "" : end.error().str());
    for (const ledger::Event& event : end->events) record(event);
    height = height.plus(1);
    open_block();
    return *std::move(end);
  }
  void skip(std::uint64_t blocks) {
    for (std::uint64_t i = 0; i < blocks; ++i) next_block();
  }

  ledger::TxResult add_provider(std::size_t i, std::uint16_t region = 0, std::uint32_t capacity = 100,
                                std::uint64_t bond = 50'000'000) {
    return call(i, market::Method::kProviderRegister,
                market::ProviderRegister{.region = region,
                                         .precisions = market::kPrecisionsAll,
                                         .isolation = 3,
                                         .capacity = capacity,
                                         .bond = Amount{bond},
                                         .ed25519 = who[i].ed25519().public_key().bytes});
  }
  static market::AskPost ask(std::uint64_t base_price = 1000) {
    return {.precisions = market::kPrecisionsAll,
            .level_max = 3,
            .max_seq = 131'072,
            .max_batch = 1024,
            .latency_ms = 50,
            .isolation = 3,
            .base_price = Amount{base_price},
            .unit_price = {},
            .capacity_cu = 1ull << 40,
            .valid_until = Height{1000}};
  }
  ledger::TxResult add_ask(std::size_t i, std::uint64_t base_price = 1000) {
    return call(i, market::Method::kAskPost, ask(base_price));
  }

  gxf::Job plain_job(std::size_t payer) {
    gxf::Job job;
    job.network = network;
    job.nonce = ++nonces[payer];
    job.priority = 200;
    job.not_before = Height{0};
    job.expires = height.plus(500);
    job.lane = gxf::Lane::kFlash;
    job.region_mask = ~std::uint64_t{0};
    job.limit_total = Amount{1'000'000};
    gxf::Node node;
    node.kind = gxf::NodeKind::kWasm;
    node.artifact.data.fill(7);
    node.precision = gxf::Precision::kInt8;
    node.shape = {.level = 0, .seq = 1024, .batch = 1, .tokens = 0, .dims = {}};
    node.limits = {.gas = 1'000'000, .mem_pages = 16, .wall_ms = 1000, .out_bytes = 4096};
    job.nodes.push_back(node);
    job.outputs.push_back({.node = 0, .out_ix = 0});
    return job;
  }
  ledger::Tx job_tx(std::size_t payer, gxf::Job& job) {
    gxf::sign(job, who[payer], gxf::JobSigAlg::kMlDsa65);
    return {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, gxf::encode(job))};
  }
  ledger::TxResult submit(std::size_t payer, gxf::Job& job) { return apply(job_tx(payer, job)); }

  // Commits the jobs in one call; each gets the call's nonce, its payer's id and signature.
  struct Sealed {
    std::vector<gxf::Job> jobs;
    market::Salt salt;
    ledger::TxResult result;
    market::CommitPlace place;
    ledger::Tx tx;  // the call
  };
  Sealed commit(std::size_t payer, std::vector<gxf::Job> jobs) {
    const market::Params params = *read_params(state);
    Sealed sealed;
    sealed.salt.data.fill(static_cast<std::uint8_t>(payer + 1));
    market::Commit call;
    for (gxf::Job& job : jobs) {
      job.nonce = nonces[payer] + 1;
      gxf::sign(job, who[payer], gxf::JobSigAlg::kMlDsa65);
      call.commits.push_back(market::commit_of(*bid_of(job, params), sealed.salt));
    }
    sealed.jobs = std::move(jobs);
    sealed.tx = call_tx(payer, market::Method::kCommit, call);
    sealed.result = apply(sealed.tx);
    if (const auto place = market::decode_commit_place(sealed.result.data)) sealed.place = *place;
    return sealed;
  }
  static ledger::Tx reveal_tx(const market::Reveal& reveal) {
    return {.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kReveal, market::encode(reveal))};
  }
  market::Reveal reveal_of(const Sealed& sealed, std::size_t i = 0) const {
    return {.round = sealed.place.round,
            .seq = sealed.place.seq + i,
            .salt = sealed.salt,
            .gxf = gxf::encode(sealed.jobs[i]),
            .attempt = height.value};
  }
  ledger::TxResult reveal(const Sealed& sealed, std::size_t i = 0) { return apply(reveal_tx(reveal_of(sealed, i))); }
  market::RoundHead round(std::uint64_t number) const {
    return find_round(state, number)->value_or(market::RoundHead{});
  }
  // The bytes of a cleared round's record, put together again.
  Bytes round_bytes(std::uint64_t number) const {
    Bytes out;
    for (std::uint64_t part = 0; out.size() < round(number).record_bytes; ++part)
      append(out, **state.get(market::round_part_key(number, part)));
    return out;
  }

  market::JobReceipt receipt_of(const JobId& id, market::RunStatus status = market::RunStatus::kOk,
                                std::uint64_t gas = 500'000) const {
    market::JobReceipt receipt{.id = id, .receipt_hash = {}, .status = status, .gas = gas, .outputs = {}};
    receipt.receipt_hash.data.fill(0x5a);
    if (status == market::RunStatus::kOk) receipt.outputs.push_back({BlobId{}, 12});
    return receipt;
  }

  Amount balance(std::size_t i) const { return ledger::read_account(state, who[i].id())->balance; }
  market::Job job(const JobId& id) const { return *read_job(state, id); }
  market::Provider provider(std::size_t i) const { return *read_provider(state, who[i].id()); }
  std::optional<market::Ask> find_only_ask(std::size_t i) const {
    std::optional<market::Ask> found;
    EXPECT_TRUE(state.scan(market::asks_of_key(who[i].id()), {}, [&](ByteView, ByteView value) {
      found = *market::decode_ask(value);
      return false;
    }));
    return found;
  }
  market::Totals totals() const { return *read_totals(state); }
  std::vector<std::string> topics() const {
    std::vector<std::string> out;
    for (const market::JobEvent& event : events) out.emplace_back(market::topic_name(event.topic));
    return out;
  }

  // The people `from` and after are validators of these powers.
  void set_validators(std::size_t from, const std::vector<std::uint16_t>& powers) {
    validators.validators.clear();
    for (std::size_t i = 0; i < powers.size(); ++i)
      validators.validators.push_back({.key = who[from + i].mldsa().public_key(), .power_bp = powers[i]});
    validators = light::sorted_set(std::move(validators.validators));
  }

  NetworkId network;
  light::ValidatorSet validators;
  Height height{1};
  ledger::MemState state;
  std::unique_ptr<ledger::App> app;
  std::unique_ptr<ledger::App> accounts;
  std::vector<crypto::Identity> who;
  std::vector<std::uint64_t> nonces;
  std::vector<market::JobEvent> events;
  std::vector<market::RoundEvent> round_events;
  std::vector<std::pair<Height, ledger::Tx>> log;  // everything applied

 private:
  void open_block() { EXPECT_TRUE(app->begin(context(), state)); }
  void record(const ledger::Event& event) {
    if (const auto of_round = market::decode_round_event(event.topic, event.data)) {
      round_events.push_back(*of_round);
      return;
    }
    const auto decoded = market::decode_event(event.topic, event.data);
    ASSERT_TRUE(decoded) << decoded.error().str();
    events.push_back(*decoded);
  }
};

// Every sum and index of the market counted again from its records, without using its totals.
void recount(const ledger::StateReader& state);

}  // namespace hanse::auction
