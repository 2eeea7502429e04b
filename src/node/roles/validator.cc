#include "node/roles/validator.h"

#include <array>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "chain/beacon/beacon.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/load_app.h"
#include "chain/reputation/reputation.h"
#include "chain/stake/stake.h"
#include "exchange/auction/market_app.h"
#include "exchange/market/calls.h"
#include "exchange/market/events.h"
#include "exchange/market/view.h"
#include "exchange/router/mix_app.h"

namespace hanse::roles {
namespace {

using codec::Json;

constexpr int kMatchPagesMax = 100;  // a scrape counts at most so many pages; the next one goes on
constexpr std::size_t kMatchesPage = 256;
constexpr int kProviderPagesMax = 2;  // more than a metric keeps apart
constexpr std::array<std::pair<gxf::Precision, std::string_view>, 4> kPrecisions = {{{gxf::Precision::kInt8, "int8"},
                                                                                     {gxf::Precision::kE5m2, "e5m2"},
                                                                                     {gxf::Precision::kFp8, "fp8"},
                                                                                     {gxf::Precision::kBf16, "bf16"}}};
constexpr std::int64_t kEconomicWaitMs = 300, kCertificateWaitMs = 5'000;

std::string shown(const AccountId& id) { return id.is_zero() ? "" : codec::encode_id(id.view()); }

Json result_document(const market::JobResult& result) {
  Json outputs = Json::array();
  for (const auto& output : result.outputs)
    outputs.push(
        std::move(Json::object().set("blob", codec::to_hex(output.id.view())).set("size_bytes", output.size_bytes)));
  Json out = Json::object();
  out.set("receipt_hash", codec::to_hex(result.receipt_hash.view()))
      .set("status", market::run_status_name(result.status))
      .set("gas", result.gas)
      .set("paid_ut", result.paid.value)
      .set("fee_ut", result.fee.value)
      .set("outputs", std::move(outputs));
  return out;
}

Result<client::Applied> client_form(Result<ledger::Applied> applied) {
  if (!applied) return std::unexpected(std::move(applied).error());
  return client::Applied{.tx_id = applied->tx_id, .height = applied->height, .result = std::move(applied->result)};
}

}  // namespace

Result<std::unique_ptr<Validator>> Validator::open(const light::Genesis& genesis, crypto::SecretKey key,
                                                   blob::BlobStore& blobs, ValidatorOptions options) {
  std::unique_ptr<Validator> v(new Validator(blobs, std::move(options)));
  v->facts_.version = v->options_.version;
  v->facts_.genesis = light::encode(genesis);
  v->facts_.network = light::network_id(genesis);
  v->facts_.node_id = codec::encode_id(crypto::account_id(key.public_key()).view());
  v->facts_.roles = v->options_.roles;
  std::vector<std::unique_ptr<ledger::App>> apps;
  apps.push_back(ledger::make_accounts_app());
  apps.push_back(auction::make_market_app());
  apps.push_back(reputation::make_reputation_app());
  if (genesis.apps.contains(stake::kStakeApp)) apps.push_back(stake::make_stake_app());
  if (genesis.apps.contains(beacon::kBeaconApp)) apps.push_back(beacon::make_beacon_app());
  if (genesis.apps.contains(router::kMixApp)) apps.push_back(router::make_mix_app());
  if (genesis.apps.contains(ledger::kLoadApp)) apps.push_back(ledger::make_load_app());
  replica::Chain::Options chain;
  chain.ledger.cache_bytes = v->options_.cache_bytes;
  chain.ledger.write_buffer_bytes = v->options_.write_buffer_bytes;
  chain.journal_segment_bytes = v->options_.journal_segment_bytes;
  chain.timeout_ms = v->options_.timeout_ms;
  chain.sync_lag = v->options_.sync_lag;
  chain.sync_bytes_per_s = v->options_.sync_bytes_per_s;
  chain.snapshot_every = v->options_.snapshot_every;
  chain.snapshot_bytes_per_s = v->options_.snapshot_bytes_per_s;
  chain.network = v->options_.network;
  chain.on_block = [clock = v->clock_](const replica::ChainStats& stats) {
    static auto& block = telemetry::registry().histogram(telemetry::Metric::kLedgerBlockSeconds);
    static auto& fsync = telemetry::registry().histogram(telemetry::Metric::kJournalFsyncSeconds);
    block.observe(stats.block_ns_last);
    fsync.observe(stats.sync_ns_last);
    if (stats.admitted_ns_last == 0) return;
    static auto& fast = telemetry::registry().histogram(telemetry::Metric::kConsensusFinalityTime, {"fast"});
    fast.observe(stats.finality_ns_last);
    clock->admitted(stats.height, stats.admitted_ns_last);
  };
  TRY(v->chain_, replica::Chain::open(v->options_.dir, genesis, std::move(apps), std::move(key), std::move(chain)));
  v->counted_ = v->chain_->height();
  v->feed_ = std::make_unique<Feed>(*v->chain_, [v = v.get()](const News& news) { v->tell(news); });
  return v;
}

void Validator::stop() {
  feed_.reset();
  chain_->stop();
}

void Validator::listen(Listener listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Validator::tell(const News& news) {
  if (news.topic == News::Topic::kBlockEconomic) {
    static auto& economic = telemetry::registry().histogram(telemetry::Metric::kConsensusFinalityTime, {"economic"});
    for (const std::int64_t took_ns : clock_->economic(news.header->height, system_clock().mono_ns()))
      economic.observe(took_ns);
  }
  const std::lock_guard lock(listener_mutex_);
  if (!listener_) return;
  Json out = Json::object();
  if (news.topic == News::Topic::kView) {
    out.set("topic", "view").set("view", news.view).set("leader", shown(chain_->validator_id(news.leader)));
    return listener_("view", out.dump());
  }
  if (news.topic == News::Topic::kEvidence) return listener_("evidence", evidence_news(news).dump());
  const std::string_view topic = news.topic == News::Topic::kBlockFast ? "block.fast" : "block.economic";
  out.set("topic", topic)
      .set("height", news.header->height.value)
      .set("hash", codec::to_hex(light::header_hash(*news.header).view()))
      .set("time_ms", news.header->time_ms);
  if (news.topic == News::Topic::kBlockEconomic) out.set("weight_bp", std::uint64_t{news.power_bp});
  listener_(topic, out.dump());
}

Result<client::NodeInfo> Validator::info() {
  client::NodeInfo out = facts_;
  out.height = chain_->height();
  return out;
}

Result<client::Applied> Validator::submit(const ledger::Tx& tx, std::int64_t wait_ms) {
  return client_form(chain_->submit(tx, wait_ms));
}

void Validator::submit_each(std::vector<ledger::Tx> txs, EachAnswer each) {
  chain_->submit_each(std::move(txs), [each = std::move(each)](std::size_t place, Result<ledger::Applied> applied) {
    each(place, client_form(std::move(applied)));
  });
}

Result<Bytes> Validator::query(std::uint8_t app, std::string_view path, ByteView argument) {
  TRY(const auto view, chain_->view());
  return view.query(app, path, argument);
}

// Waits for the certificate of what is committed now: it comes milliseconds after the last block when it gets quiet,
// and so does the economic one, unless a validator is away.
Result<Bytes> Validator::prove(ByteView state_key) {
  const Height tip = chain_->height();
  const auto prove_at = [&](light::Grade grade, std::int64_t wait_ms) -> Result<Bytes> {
    TRY(const auto view, chain_->wait_certified(tip, wait_ms, grade));
    TRY(const auto proof, view.prove(state_key, {.grade = grade, .from_epoch = 0}));
    return light::encode(proof);
  };
  auto economic = prove_at(light::Grade::kEconomic, kEconomicWaitMs);
  return economic ? std::move(economic) : prove_at(light::Grade::kFast, kCertificateWaitMs);
}

Result<api::EventPage> Validator::events(Height from, std::string_view topic_prefix, std::size_t events_max) {
  TRY(const auto view, chain_->view());
  api::EventPage page{.events = {}, .next = from};
  if (from > view.height()) return page;
  ledger::View::EventsFrom at{.height = from, .skip = 0};
  const std::size_t limit = events_max == 0 ? 1 : events_max;
  for (;;) {
    TRY(auto found, view.events(at, topic_prefix, limit));
    const bool all = found.size() < limit;
    for (auto& e : found) {
      at = {.height = e.height, .skip = e.index + 1};
      page.events.push_back({.height = e.height, .event = std::move(e.event)});
    }
    if (all) {
      page.next = view.height().plus(1);
      return page;
    }
    // The last height may go on: leave it to the next page, unless it is all there is.
    const Height last = page.events.back().height;
    if (page.events.front().height == last) continue;
    while (page.events.back().height == last) page.events.pop_back();
    page.next = last;
    return page;
  }
}

bool Validator::wait_height(Height wanted, std::int64_t wait_ms) {
  if (wanted.value == 0) return true;
  return chain_->wait_above(Height{wanted.value - 1}, wait_ms) >= wanted;
}

Result<Json> Validator::block_document(Height height) {
  TRY(const auto view, chain_->view());
  if (height > view.height())
    return fail(Kind::kNotFound, "roles.no_height",
                text("found height {}, the newest is {}", height.value, view.height().value));
  TRY(const auto block, view.block(height));
  const auto& h = block.header;
  Json txs = Json::array();
  for (const auto& id : block.tx_ids) txs.push(codec::to_hex(id.view()));
  Json attests = Json::array();
  TRY(const auto certificate, view.certificate(height));
  if (certificate)
    for (const auto& attest : certificate->attests) attests.push(std::uint64_t{attest.validator});
  Json out = Json::object();
  out.set("height", h.height.value)
      .set("hash", codec::to_hex(light::header_hash(h).view()))
      .set("parent", codec::to_hex(h.parent.view()))
      .set("time_ms", h.time_ms)
      .set("leader", shown(h.leader))
      .set("state_root", codec::to_hex(h.state_root.view()))
      .set("tx_root", codec::to_hex(h.tx_root.view()))
      .set("receipt_root", codec::to_hex(h.receipt_root.view()))
      .set("txs", std::move(txs))
      .set("attested_by", std::move(attests));
  return out;
}

Result<Json> Validator::job_document(const JobId& id) {
  TRY(const Bytes answer, query(market::kMarketApp, "job", id.view()));
  TRY(const auto job, market::decode_job(answer));
  Json out = Json::object();
  out.set("job_id", codec::to_hex(job.bid.job_id.view()))
      .set("state", market::job_state_name(job.state))
      .set("payer", shown(job.bid.payer))
      .set("provider", shown(job.provider))
      .set("price_ut", job.price.value)
      .set("attempt", std::uint64_t{job.attempt})
      .set("submitted_height", job.submitted.value)
      .set("matched_height", job.matched.value)
      .set("started_height", job.started.value)
      .set("receipted_height", job.receipted.value)
      .set("closed_height", job.closed.value)
      .set("deadline_height", job.deadline.value);
  if (job.reason != market::CloseReason::kNone) out.set("reason", market::close_reason_name(job.reason));
  if (job.result) out.set("result", result_document(*job.result));
  return out;
}

void Validator::count_market() {
  for (int page = 0; page < kMatchPagesMax; ++page) {
    const auto found = events(counted_.plus(1), "market.", kMatchesPage);
    if (!found) return;
    for (const auto& e : found->events)
      if (const auto event = market::decode_event(e.event.topic, e.event.data)) count(*event);
    if (found->next.value <= counted_.value + 1) return;
    counted_ = Height{found->next.value - 1};
  }
}

void Validator::count(const market::JobEvent& event) {
  using telemetry::Metric;
  auto& registry = telemetry::registry();
  switch (event.topic) {
    case market::Topic::kMatched: {
      registry.counter(Metric::kAuctionMatches, {shown(event.provider)}).add();
      registry.histogram(Metric::kAuctionPrice).observe(static_cast<std::int64_t>(event.price.value));
      const auto answer = query(market::kMarketApp, "job", event.job_id.view());
      const auto job =
          answer ? market::decode_job(*answer) : Result<market::Job>(std::unexpected(answer.error().clone()));
      if (!job) return;
      for (const auto& [precision, name] : kPrecisions)
        if ((job->bid.precisions & market::precision_bit(precision)) != 0)
          registry.counter(Metric::kAuctionPrecisions, {name}).add();
      return;
    }
    case market::Topic::kSettled:
      registry.counter(Metric::kRuntimeJobs, {market::run_status_name(event.status)}).add();
      return;
    case market::Topic::kClosed:
      registry.counter(Metric::kRuntimeJobs, {market::close_reason_name(event.reason)}).add();
      return;
    default: return;
  }
}

void Validator::measure_providers() {
  market::ProvidersQuery page;
  for (int pages = 0; pages < kProviderPagesMax; ++pages) {
    const auto answer = query(market::kMarketApp, "providers", market::encode_query(page));
    const auto found = answer ? market::decode_providers(*answer)
                              : Result<std::vector<market::Provider>>(std::unexpected(answer.error().clone()));
    if (!found) return;
    for (const market::Provider& one : *found)
      telemetry::registry()
          .gauge(telemetry::Metric::kAuctionUtilization, {shown(one.account)})
          .set(one.capacity == 0 ? 0 : std::int64_t{one.used} * 10'000 / one.capacity);
    if (found->size() < market::kPageMax) return;
    page.after = found->back().account;
  }
}

void Validator::refresh_metrics() {
  using telemetry::Metric;
  auto& registry = telemetry::registry();
  const auto stats = chain_->stats();
  registry.gauge(Metric::kLedgerHeight).set(static_cast<std::int64_t>(stats.height.value));
  registry.counter(Metric::kLedgerTxs).raise_to(stats.txs);
  refresh_consensus_metrics(stats);
  refresh_sync_metrics(stats);
  count_market();
  measure_providers();
  const auto answer = query(market::kMarketApp, "totals", {});
  if (!answer) return;
  const auto totals = market::decode_totals(*answer);
  if (!totals) return;
  registry.gauge(Metric::kEscrowLocked).set(static_cast<std::int64_t>(totals->escrow.value));
  registry.counter(Metric::kAuctionVolume).raise_to(totals->volume.value);
}

}  // namespace hanse::roles
