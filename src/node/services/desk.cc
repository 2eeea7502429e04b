#include "node/services/desk.h"

#include <algorithm>
#include <condition_variable>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/telemetry/metrics.h"
#include "chain/ledger/call.h"
#include "exchange/market/view.h"

namespace hanse::services {
namespace {

using telemetry::Metric;

constexpr std::uint32_t kPriorityMax = 255;
constexpr std::int64_t kPauseMs = 200;  // before a node that is away is asked again

std::string_view lane_name(std::size_t lane) { return lane == 0 ? "flash" : "deep"; }

std::string_view step_name(market::Topic topic) {
  return market::topic_name(topic).substr(std::string_view("market.").size());
}

bool is_unsigned(const Error& error) {
  return error.code() == static_cast<std::uint32_t>(gxf::GxfCode::kSigBad) && error.path() == "sig";
}

}  // namespace

std::size_t lane_number(gxf::Lane lane) { return lane == gxf::Lane::kDeep ? 1 : 0; }

Desk::Desk(Ways ways) : ways_(std::move(ways)), thread_([this] { follow(); }) {}
Desk::~Desk() { stop(); }

void Desk::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

Result<Ordered> Desk::route(ByteView envelope) {
  TRY(const gxf::Job job, gxf::decode(envelope));
  TRY_OK(gxf::verify_signature(job));
  const gxf::Lane lane = job.effective_lane();
  const bool needs_mix = job.lane != gxf::Lane::kAuto || lane == gxf::Lane::kDeep;
  if (needs_mix && !ways_.mix) {
    Ordered out{.job_id = job.job_id, .lane = lane, .sent = false};
    out.refusal = Error(Kind::kUnavailable, "services.no_mix",
                        text("found no node of the mix here, the job asks for the {} lane; it was not sent another way",
                             lane_name(lane_number(lane))));
    return out;
  }
  // Before it is sent: its end may be told of before the answer comes.
  const std::size_t number = lane_number(lane);
  {
    const std::lock_guard lock(mutex_);
    if (active_.size() < kActiveMax && active_.emplace(job.job_id, number).second) ++active_count_[number];
  }
  auto by = ways_.mix ? ways_.mix(lane) : ways_.direct();
  auto out = by ? order(**by, job, envelope) : Result<Ordered>(std::unexpected(std::move(by).error()));
  if (!out || out->refusal) {
    forget(job.job_id);
    return out;
  }
  if (ways_.mix) out->way = lane_name(number);
  telemetry::registry().counter(Metric::kRouterPackets, {lane_name(number)}).add();
  const std::lock_guard lock(mutex_);
  ++lanes_[number];
  return out;
}

Result<Ordered> Desk::order(client::Client& by, const gxf::Job& job, ByteView bytes) {
  Ordered out{.job_id = job.job_id, .lane = job.effective_lane()};
  TRY_OK(by.put_blob(bytes));  // so that its receipt can be put together later
  TRY(client::Applied applied,
      by.submit({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kJob, bytes)}));
  out.height = applied.height;
  out.applied = applied;
  if (applied.result.code != 0) {
    out.sent = false;
    out.refusal = client::error_of(applied.result);
    return out;
  }
  for (const auto& event : applied.result.events) {
    const auto matched = market::decode_event(event.topic, event.data);
    if (!matched || matched->topic != market::Topic::kMatched || matched->job_id != job.job_id) continue;
    out.provider = matched->provider;
    out.price = matched->price;
  }
  return out;
}

void Desk::count_auction(std::string_view result) {
  ++auctions_;
  if (result == "unmatched") ++unmatched_;
  telemetry::registry().counter(Metric::kAuctionRuns, {result}).add();
}

Result<Ordered> Desk::run_auction(ByteView bytes, std::uint32_t priority) {
  if (priority > kPriorityMax)
    return fail(Kind::kInvalid, "services.priority", text("found priority {}, expected at most 255", priority));
  auto job = gxf::decode(bytes);
  const bool dry = !job && is_unsigned(job.error());
  if (dry) job = gxf::decode_unsigned(bytes);
  if (!job) return std::unexpected(std::move(job).error());
  if (priority != 0 && priority != job->priority)
    return fail(Kind::kInvalid, "services.priority",
                text("found priority {} beside a job of priority {}, expected the same, or 0", priority,
                     std::uint64_t{job->priority}));
  if (dry) return quote(*job);
  TRY_OK(gxf::verify_signature(*job));
  TRY(client::Client* const node, ways_.direct());
  TRY(Ordered out, order(*node, *job, bytes));
  count_auction(!out.refusal ? "ordered" : out.refusal->id() == "market.unmatched" ? "unmatched" : "refused");
  return out;
}

// The market's question takes a signed job and does not look at the signature: an empty one says no more than none.
Result<Ordered> Desk::quote(const gxf::Job& job) {
  gxf::Job form = job;
  form.signature.mldsa.bytes.assign(1952, 0);
  const Bytes bytes = gxf::encode(form);
  TRY(client::Client* const node, ways_.direct());
  TRY(const auto info, node->info());
  const auto answer =
      node->query(market::kMarketApp, "quote",
                  market::encode_query(market::QuoteQuery{.height = info.height.plus(1), .gxf = bytes}));
  Ordered out{.job_id = job.job_id, .lane = job.effective_lane(), .sent = false, .height = info.height};
  if (!answer && answer.error().id() == "market.unmatched") {
    count_auction("unmatched");
    out.refusal = answer.error().clone();
    return out;
  }
  if (!answer) return std::unexpected(answer.error().clone());
  TRY(const market::Quote quote, market::decode_quote(*answer));
  count_auction("quoted");
  out.provider = quote.provider;
  out.price = quote.price;
  return out;
}

Result<Called> Desk::call(ByteView bytes, std::initializer_list<market::Method> methods) {
  TRY(const ledger::SignedCall call, ledger::decode_call(bytes));
  const bool fits = call.app == market::kMarketApp && std::ranges::any_of(methods, [&](market::Method one) {
                      return static_cast<std::uint16_t>(one) == call.method;
                    });
  if (!fits) {
    std::string expected;
    for (const market::Method one : methods)
      expected += text("{}{}", expected.empty() ? "" : ", ", static_cast<std::uint16_t>(one));
    return fail(Kind::kInvalid, "services.method",
                text("found a call of method {} of application {}, expected method {} of application {}", call.method,
                     std::uint64_t{call.app}, expected, std::uint64_t{market::kMarketApp}));
  }
  TRY(client::Client* const node, ways_.direct());
  Called out;
  TRY(out.applied,
      node->submit({.app = market::kMarketApp, .body = market::encode_body(market::BodyKind::kCall, bytes)}));
  if (out.applied.result.code != 0) out.refusal = client::error_of(out.applied.result);
  return out;
}

RouterStats Desk::router_stats() const {
  const std::lock_guard lock(mutex_);
  return {.routed = lanes_[0] + lanes_[1], .lanes = lanes_, .active = active_count_};
}

Result<AuctionStats> Desk::auction_stats() {
  AuctionStats out{.auctions = auctions_, .unmatched = unmatched_};
  TRY(client::Client* const node, ways_.direct());
  TRY(const Bytes answer, node->query(market::kMarketApp, "totals", {}));
  TRY(out.totals, market::decode_totals(answer));
  return out;
}

Result<market::Job> Desk::job(const JobId& id) {
  TRY(client::Client* const node, ways_.direct());
  TRY(const Bytes answer, node->query(market::kMarketApp, "job", id.view()));
  return market::decode_job(answer);
}

Status Desk::watch_job(const JobId& id, const Visit& visit, const std::function<bool()>& idle) {
  TRY(market::Job now, job(id));
  if (now.ended()) {
    (void)visit({.state = market::job_state_name(now.state), .height = now.closed, .job = now});
    return {};
  }
  TRY(client::Client* const node, ways_.direct());
  std::optional<Error> broken;
  Status watched = node->watch(
      now.submitted, "market.",
      [&](const client::LedgerEvent& seen) {
        const auto event = market::decode_event(seen.event.topic, seen.event.data);
        if (!event || event->job_id != id) return true;
        auto fresh = job(id);
        if (!fresh) {
          broken = std::move(fresh).error();
          return false;
        }
        const bool last = event->topic == market::Topic::kSettled || event->topic == market::Topic::kClosed;
        return visit({.state = step_name(event->topic), .height = seen.height, .job = std::move(*fresh)}) && !last;
      },
      [&] { return !stopping_ && idle(); });
  if (broken) return std::unexpected(std::move(*broken));
  return watched;
}

void Desk::forget(const JobId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  --active_count_[found->second];
  active_.erase(found);
}

void Desk::follow() {
  name_thread("services-desk");
  std::mutex mutex;
  std::condition_variable never;
  while (!stopping_) {
    follow_once();
    std::unique_lock lock(mutex);
    for (int i = 0; i < 10 && !stopping_; ++i) never.wait_for(lock, std::chrono::milliseconds(kPauseMs / 10));
  }
}

// A node that is away, or ends, is asked again; nothing is missed, since the events of the past come first.
void Desk::follow_once() {
  const auto node = ways_.direct();
  if (!node) return;
  if (followed_.value == 0) {
    const auto info = (*node)->info();
    if (!info) return;
    followed_ = info->height.plus(1);
  }
  (void)(*node)->watch(
      followed_, "market.",
      [&](const client::LedgerEvent& seen) {
        followed_ = seen.height;
        const auto event = market::decode_event(seen.event.topic, seen.event.data);
        if (event && (event->topic == market::Topic::kSettled || event->topic == market::Topic::kClosed))
          forget(event->job_id);
        return !stopping_;
      },
      [&] { return !stopping_; });
}

}  // namespace hanse::services
