#include "node/roles/provider.h"

#include <thread>

#include "exchange/auction/book.h"
#include "node/services/market_client_test.h"

#include <gtest/gtest.h>

namespace hanse::roles {
namespace {

using services::MarketClient;

Offer offer_of(const crypto::Identity& who) {
  return {.region = 3,
          .precisions = market::kPrecisionsAll,
          .isolation = 3,
          .capacity = 8,
          .bond = Amount{50'000'000},
          .ed25519 = who.ed25519().public_key().bytes,
          .level_max = 3,
          .max_seq = 131'072,
          .max_batch = 1024,
          .latency_ms = 50,
          .base_price = Amount{1000},
          .unit_price = {},
          .capacity_cu = 1ull << 40,
          .ask_blocks = 1000};
}

market::Provider stored(const Offer& o) {
  return {.account = {},
          .mldsa_key_id = {},
          .ed25519 = o.ed25519,
          .region = o.region,
          .precisions = o.precisions,
          .isolation = o.isolation,
          .capacity = o.capacity,
          .bond = o.bond,
          .bond_locked = {}};
}

market::Ask stored_ask(const Offer& o, Height until, std::uint8_t id = 1) {
  market::Ask ask{.id = {},
                  .provider = {},
                  .region = o.region,
                  .precisions = o.precisions,
                  .level_max = o.level_max,
                  .max_seq = o.max_seq,
                  .max_batch = o.max_batch,
                  .latency_ms = o.latency_ms,
                  .isolation = o.isolation,
                  .base_price = o.base_price,
                  .unit_price = o.unit_price,
                  .capacity_cu = o.capacity_cu,
                  .used_cu = 0,
                  .valid_until = until};
  ask.id.data[0] = id;
  return ask;
}

using What = OfferStep::What;

TEST(Offer, leads_from_nothing_to_a_standing_ask) {
  const Offer o = offer_of(crypto::Identity::generate(system_random()));
  const auto first = next_step(o, std::nullopt, {}, Height{10});
  EXPECT_EQ(first.what, What::kRegister);
  EXPECT_EQ(first.provider.bond, o.bond);
  const auto second = next_step(o, stored(o), {}, Height{10});
  EXPECT_EQ(second.what, What::kPost);
  EXPECT_EQ(second.ask.valid_until.value, 1010u);
  EXPECT_EQ(next_step(o, stored(o), {stored_ask(o, Height{1010})}, Height{10}).what, What::kDone);
}

TEST(Offer, renews_an_ask_when_a_quarter_of_its_life_is_left) {
  const Offer o = offer_of(crypto::Identity::generate(system_random()));
  EXPECT_EQ(next_step(o, stored(o), {stored_ask(o, Height{1000})}, Height{750}).what, What::kDone);
  EXPECT_EQ(next_step(o, stored(o), {stored_ask(o, Height{1000})}, Height{751}).what, What::kWithdraw);
}

TEST(Offer, keeps_one_ask_and_withdraws_the_others) {
  const Offer o = offer_of(crypto::Identity::generate(system_random()));
  const auto step =
      next_step(o, stored(o), {stored_ask(o, Height{1010}, 1), stored_ask(o, Height{1010}, 2)}, Height{10});
  EXPECT_EQ(step.what, What::kWithdraw);
  EXPECT_EQ(step.withdraw.id.data[0], 2);
  Offer dearer = o;
  dearer.base_price = Amount{1001};
  EXPECT_EQ(next_step(dearer, stored(o), {stored_ask(o, Height{1010})}, Height{10}).what, What::kWithdraw);
}

TEST(Offer, changes_terms_only_when_nothing_runs_under_the_old_ones) {
  const Offer o = offer_of(crypto::Identity::generate(system_random()));
  Offer wider = o;
  wider.capacity = 3;
  EXPECT_EQ(next_step(wider, stored(o), {stored_ask(o, Height{1010})}, Height{10}).what, What::kWithdraw);
  auto busy = stored(o);
  busy.used = 1;
  EXPECT_EQ(next_step(wider, busy, {}, Height{10}).what, What::kWait);
  const auto step = next_step(wider, stored(o), {}, Height{10});
  EXPECT_EQ(step.what, What::kRegister);
  EXPECT_EQ(step.provider.bond.value, 0u);
}

TEST(Offer, has_its_key_known_before_an_ask_takes_private_jobs) {
  Offer o = offer_of(crypto::Identity::generate(system_random()));
  o.payload_key = Bytes(market::kPayloadKeyBytes, 3);
  market::Ask ask = stored_ask(o, Height{1010});
  EXPECT_EQ(next_step(o, stored(o), {ask}, Height{10}).what, What::kWithdraw);
  const auto step = next_step(o, stored(o), {}, Height{10});
  EXPECT_EQ(step.what, What::kKey);
  EXPECT_EQ(step.key.key, o.payload_key);
  EXPECT_EQ(next_step(o, stored(o), {}, Height{10}, o.payload_key).what, What::kPost);
  EXPECT_EQ(next_step(o, stored(o), {ask}, Height{10}, o.payload_key).what, What::kWithdraw);
  ask.takes_private = true;
  EXPECT_EQ(next_step(o, stored(o), {ask}, Height{10}, o.payload_key).what, What::kDone);
  auto busy = stored(o);
  busy.used = 1;
  EXPECT_EQ(next_step(o, busy, {}, Height{10}).what, What::kWait);
  const auto gone = next_step(offer_of(crypto::Identity::generate(system_random())), stored(o), {}, Height{10});
  EXPECT_EQ(gone.what, What::kRegister);  // another identity has another Ed25519 key
  o.payload_key.clear();
  EXPECT_EQ(next_step(o, stored(o), {}, Height{10}, Bytes(market::kPayloadKeyBytes, 3)).what, What::kKey);
}

TEST(Offer, tops_up_a_bond_that_a_penalty_cut) {
  const Offer o = offer_of(crypto::Identity::generate(system_random()));
  auto cut = stored(o);
  cut.bond = Amount{o.bond.value - 7};
  const auto step = next_step(o, cut, {stored_ask(o, Height{1010})}, Height{10});
  EXPECT_EQ(step.what, What::kRegister);
  EXPECT_EQ(step.provider.bond.value, 7u);
}

class Lines final : public Report {
 public:
  void say(Level level, std::string_view event, logging::Fields fields, const std::source_location&) override {
    const std::lock_guard lock(mutex);
    lines.emplace_back(level, event);
    for (const auto& field : fields)
      if (field.value.type == TextArg::Type::kText) lines.emplace_back(level, field.value.s);
  }
  bool said(std::string_view event) {
    const std::lock_guard lock(mutex);
    for (const auto& line : lines)
      if (line.second == event) return true;
    return false;
  }
  std::mutex mutex;
  std::vector<std::pair<Level, std::string>> lines;
};

// Account 0 provides, account 1 pays.
struct Running {
  explicit Running(JobWork job_work, std::int64_t drain_ms = 10'000) : work(std::move(job_work)) {
    options.offer = offer_of(me());
    options.offer.payload_key = Bytes(market::kPayloadKeyBytes, 3);
    options.drain_ms = drain_ms;
    start();
  }
  ~Running() { end(); }
  void start() {
    caller = std::make_unique<Caller>(node, me(), node.world.network);
    provider = std::make_unique<Provider>(
        Provider::Ports{.client = node, .caller = *caller, .clock = system_clock(), .random = random, .report = lines},
        node.world.network, options, work);
    thread = std::thread([this] { outcome = provider->run(); });
  }
  void end() {
    provider->stop();
    if (thread.joinable()) thread.join();
  }
  const crypto::Identity& me() const { return node.world.who[0]; }
  market::Job job(const JobId& id) {
    return node.with([&] { return node.world.job(id); });
  }
  Status call_start(const JobId& id) {
    TRY_OK(caller->call(market::Method::kJobStart, market::JobStart{.id = id}));
    return {};
  }
  Status call_receipt(const JobId& id) {
    TRY_OK(caller->call(market::Method::kJobReceipt, node.world.receipt_of(id)));
    return {};
  }

  MarketClient node;
  SeededRandom random{11, "provider"};
  Lines lines;
  ProviderOptions options;
  JobWork work;
  std::unique_ptr<Caller> caller;
  std::unique_ptr<Provider> provider;
  std::thread thread;
  Status outcome;
};

TEST(Provider, registers_posts_an_ask_and_works_off_what_is_matched) {
  Running* self = nullptr;
  Running r([&](const JobId& id, runtime::RunControl&) -> Status {
    TRY_OK(self->call_start(id));
    return self->call_receipt(id);
  });
  self = &r;
  r.node.wait_watches(1);
  const auto known = r.node.with([&] { return r.node.world.provider(0); });
  EXPECT_EQ(known.bond.value, 50'000'000u);
  EXPECT_EQ(known.asks, 1u);
  std::vector<JobId> jobs;
  for (int i = 0; i < 5; ++i) {
    jobs.push_back(r.node.submit_job(1));
    r.node.wait_for([&] { return r.node.world.job(jobs.back()).state == market::JobState::kReceipted; });
  }
  r.end();
  EXPECT_TRUE(r.outcome);
  EXPECT_EQ(r.provider->counters().finished, 5u);
  EXPECT_EQ(r.node.with([&] { return r.node.world.provider(0).asks; }), 0u) << "a clean stop withdraws the ask";
}

// A provider of private jobs whose work waits for the payload as the story of a job does.
struct Private : Running {
  Private()
      : Running([this](const JobId& id, runtime::RunControl&) -> Status {
          ++tries;
          if (job(id).awaits_payload()) return fail(Kind::kUnavailable, "flow.awaits_payload", "not yet");
          TRY_OK(call_start(id));
          return call_receipt(id);
        }) {
    node.wait_watches(1);
    gxf::Job order = node.world.plain_job(1);
    order.extensions[gxf::kExtensionPrivate] = {1};
    order.inputs.push_back({.id = {}, .size_bytes = 40, .node = 0, .in_ix = 0});
    const ledger::Tx tx = node.with([&] { return node.world.job_tx(1, order); });
    EXPECT_EQ(node.submit(tx)->result.code, 0u);
    id = order.job_id;
    while (tries == 0) std::this_thread::yield();
  }
  std::atomic<int> tries = 0;
  JobId id;
};

TEST(Provider, takes_a_private_job_when_its_payload_is_given) {
  Private r;
  const ledger::Tx tx = r.node.with(
      [&] { return r.node.world.call_tx(1, market::Method::kJobPayload, market::JobPayload{.id = r.id, .blob = {}}); });
  ASSERT_EQ(r.node.submit(tx)->result.code, 0u);
  r.node.wait_for([&] { return r.node.world.job(r.id).state == market::JobState::kReceipted; });
  r.end();
  EXPECT_EQ(r.provider->counters().failed, 0u);
  EXPECT_EQ(r.provider->counters().given_back, 0u);
}

TEST(Provider, that_stops_declines_a_private_job_without_payload) {
  Private r;
  r.end();
  EXPECT_EQ(r.job(r.id).reason, market::CloseReason::kDeclined);
}

TEST(Provider, goes_on_after_a_restart_with_the_jobs_that_are_open) {
  Running* self = nullptr;
  std::atomic<bool> first_life = true;
  Running r(
      [&](const JobId& id, runtime::RunControl& control) -> Status {
        if (self->job(id).state == market::JobState::kMatched) TRY_OK(self->call_start(id));
        while (first_life && !control.stop()) std::this_thread::yield();
        if (first_life) return fail(Kind::kUnavailable, "test.cut", "cut off in the middle");
        return self->call_receipt(id);
      },
      1);
  self = &r;
  r.node.wait_watches(1);
  const JobId id = r.node.submit_job(1);
  r.node.wait_for([&] { return r.node.world.job(id).state == market::JobState::kStarted; });
  r.node.with([&] { r.node.down = true; });  // so the end of the first life can tell nobody
  r.end();
  EXPECT_EQ(r.job(id).state, market::JobState::kStarted);
  first_life = false;
  r.node.with([&] { r.node.down = false; });
  r.start();
  r.node.wait_for([&] { return r.node.world.job(id).state == market::JobState::kReceipted; });
  EXPECT_EQ(r.job(id).attempt, 0);
}

TEST(Provider, gives_a_job_back_that_it_cannot_do) {
  Running* self = nullptr;
  Running r([&](const JobId&, runtime::RunControl&) -> Status {
    return fail(Kind::kUnsupported, "runtime.no_kind", "no plug-in runs this");
  });
  self = &r;
  r.node.wait_watches(1);
  const JobId id = r.node.submit_job(1);
  r.node.wait_for([&] { return r.node.world.job(id).ended(); });
  EXPECT_EQ(self->job(id).reason, market::CloseReason::kDeclined);
  r.end();
  EXPECT_EQ(r.provider->counters().given_back, 1u);
}

TEST(Provider, tries_a_passing_failure_again_but_not_for_ever) {
  std::atomic<int> tries = 0;
  Running r([&](const JobId&, runtime::RunControl&) -> Status {
    ++tries;
    return fail(Kind::kUnavailable, "runtime.worker_crashed", "signal 11");
  });
  r.node.wait_watches(1);
  const JobId id = r.node.submit_job(1);
  r.node.wait_for([&] { return r.node.world.job(id).ended(); });
  EXPECT_EQ(tries, kJobAttemptsMax);
}

TEST(Provider, stops_what_outlasts_the_drain_and_gives_it_back) {
  std::atomic<bool> stopped = false;
  Running r(
      [&](const JobId&, runtime::RunControl& control) -> Status {
        while (!control.stop()) std::this_thread::yield();
        stopped = true;
        return fail(Kind::kUnavailable, "runtime.cancelled", "stopped");
      },
      20);
  r.node.wait_watches(1);
  const JobId id = r.node.submit_job(1);
  while (r.provider->counters().running == 0) std::this_thread::yield();
  r.end();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(r.job(id).ended());
  EXPECT_EQ(r.job(id).reason, market::CloseReason::kDeclined);
}

TEST(Provider, declines_what_it_did_not_begin_before_the_stop) {
  std::atomic<bool> release = false;
  Running* self = nullptr;
  Running r([&](const JobId& id, runtime::RunControl&) -> Status {
    while (!release) std::this_thread::yield();
    TRY_OK(self->call_start(id));
    return self->call_receipt(id);
  });
  self = &r;
  r.node.wait_watches(1);
  std::vector<JobId> jobs;
  for (std::uint32_t i = 0; i <= r.options.parallel; ++i) jobs.push_back(r.node.submit_job(1));
  while (r.provider->counters().running < r.options.parallel) std::this_thread::yield();
  r.provider->stop();
  release = true;
  r.end();
  int finished = 0, declined = 0;
  for (const auto& id : jobs) {
    finished += r.job(id).state == market::JobState::kReceipted ? 1 : 0;
    declined += r.job(id).reason == market::CloseReason::kDeclined ? 1 : 0;
  }
  EXPECT_EQ(finished, 4);
  EXPECT_LE(declined, 1);  // the last one was either taken and declined, or never taken
  if (declined == 1) {
    EXPECT_TRUE(r.lines.said("roles.stopping"));
  }
}

TEST(Provider, waits_for_a_node_that_went_away) {
  Running* self = nullptr;
  Running r([&](const JobId& id, runtime::RunControl&) -> Status {
    TRY_OK(self->call_start(id));
    return self->call_receipt(id);
  });
  self = &r;
  r.node.wait_watches(1);
  r.node.with([&] { r.node.down = true; });
  while (r.provider->counters().reconnects < 2) std::this_thread::yield();
  EXPECT_TRUE(r.lines.said("provider waits to try again"));
  r.node.with([&] { r.node.down = false; });
  const JobId id = r.node.submit_job(1);
  r.node.wait_for([&] { return r.node.world.job(id).state == market::JobState::kReceipted; });
}

TEST(Provider, refuses_a_node_of_another_network) {
  Running r([](const JobId&, runtime::RunControl&) -> Status { return {}; });
  r.node.wait_watches(1);
  r.node.with([&] {
    r.node.shown_network = NetworkId{};
    r.node.down = true;
  });
  while (r.provider->counters().reconnects < 1) std::this_thread::yield();
  r.node.with([&] { r.node.down = false; });
  r.thread.join();
  ASSERT_FALSE(r.outcome);
  EXPECT_EQ(r.outcome.error().id(), "roles.other_network");
}

TEST(Caller, repeats_a_call_whose_answer_was_lost_and_it_counts_once) {
  MarketClient node;
  Caller caller(node, node.world.who[0], node.world.network);
  node.lose_answers = 1;
  const Offer o = offer_of(node.world.who[0]);
  const auto r = caller.call(market::Method::kProviderRegister, market::ProviderRegister{.region = o.region,
                                                                                         .precisions = o.precisions,
                                                                                         .isolation = o.isolation,
                                                                                         .capacity = 1,
                                                                                         .bond = o.bond,
                                                                                         .ed25519 = o.ed25519});
  ASSERT_TRUE(r) << r.error().str();
  EXPECT_EQ(node.world.provider(0).bond, o.bond) << "not paid twice";
}

TEST(Caller, signs_again_when_another_program_used_the_nonce) {
  MarketClient node;
  const Offer o = offer_of(node.world.who[0]);
  Caller one(node, node.world.who[0], node.world.network), two(node, node.world.who[0], node.world.network);
  const market::ProviderRegister more{.region = o.region,
                                      .precisions = o.precisions,
                                      .isolation = o.isolation,
                                      .capacity = 1,
                                      .bond = o.bond,
                                      .ed25519 = o.ed25519};
  ASSERT_TRUE(one.call(market::Method::kProviderRegister, more));
  ASSERT_TRUE(two.call(market::Method::kProviderRegister, more).has_value());
  const auto again = one.call(market::Method::kProviderRegister, more);
  EXPECT_FALSE(again) << "the account has no third bond";
  EXPECT_EQ(again.error().id(), "ledger.insufficient");
  EXPECT_EQ(node.world.provider(0).bond.value, 2 * o.bond.value);
}

TEST(Caller, asks_for_the_height_again_when_the_chain_went_on_without_it) {
  MarketClient node;
  Caller caller(node, node.world.who[0], node.world.network);
  const Offer o = offer_of(node.world.who[0]);
  const market::ProviderRegister more{.region = o.region,
                                      .precisions = o.precisions,
                                      .isolation = o.isolation,
                                      .capacity = 1,
                                      .bond = o.bond,
                                      .ed25519 = o.ed25519};
  ASSERT_TRUE(caller.call(market::Method::kProviderRegister, more));
  node.world.skip(601);  // a call of the height it knows would have expired
  const auto again = caller.call(market::Method::kProviderRegister, more);
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(node.world.provider(0).bond.value, 2 * o.bond.value);
}

TEST(Caller, gives_the_id_of_the_refusal) {
  MarketClient node;
  Caller caller(node, node.world.who[0], node.world.network);
  const auto r = caller.call(market::Method::kJobStart, market::JobStart{});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().id(), "market.no_job");
}

}  // namespace
}  // namespace hanse::roles
