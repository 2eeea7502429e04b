#include "node/api/exchange_server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "node/api/calls.h"
#include "node/api/grpc_server.h"
#include "node/client/rpc_error.h"
#include "node/client/rpc_form.h"

#include "hanse/services/v1/services.grpc.pb.h"
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>

namespace hanse::api {
namespace {

namespace wire = hanse::services::v1;
namespace node = hanse::node::v1;
using grpc::ServerContext;
using market::Method;
using services::Scope, services::Scopes;

std::string to_string(ByteView v) { return std::string(as_text(v)); }
std::string shown(const AccountId& id) { return id.is_zero() ? std::string() : codec::encode_id(id.view()); }
constexpr int kPingEveryMs = 60'000, kPingWaitMs = 20'000;
constexpr Scopes mask(Scope scope) { return static_cast<Scopes>(scope); }

// A call that runs keeps its connection open.
class Stay {
 public:
  explicit Stay(gate::Visitor* visitor) : visitor_(visitor) {
    if (visitor_ != nullptr) visitor_->began();
  }
  ~Stay() {
    if (visitor_ != nullptr) visitor_->ended(system_clock().mono_ns());
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

 private:
  gate::Visitor* const visitor_;
};

// Of one kind of call, how many each visitor has: a quarter of the places is left for others, whatever one does.
class Shares {
 public:
  explicit Shares(std::uint32_t places) : most_(places - places / 4) {}
  bool take(const Hash32& who) {
    const std::lock_guard lock(mutex_);
    std::uint32_t& mine = taken_[who];
    if (mine == most_) return false;
    ++mine;
    return true;
  }
  void leave(const Hash32& who) {
    const std::lock_guard lock(mutex_);
    if (--taken_[who] == 0) taken_.erase(who);
  }
  std::uint32_t most() const { return most_; }

 private:
  const std::uint32_t most_;
  std::mutex mutex_;
  std::map<Hash32, std::uint32_t> taken_;  // only those that have some
};

// Places for calls of one kind.
struct Places {
  explicit Places(std::uint32_t max) : seats(max), shares(max) {}
  Seats seats;
  Shares shares;
};

// Everything that the three services share.
class Door {
 public:
  Door(services::Desk& by, services::Access& access, const ExchangeOptions& options)
      : desk(by),
        access_(access),
        calls_(options.calls_max),
        watches_(options.watches_max),
        execute_ms_max(options.execute_ms_max) {}

  void close() { closing_ = true; }
  void enter(int fd, std::shared_ptr<gate::Visitor> visitor) {
    const std::lock_guard lock(mutex_);
    visitors_[fd] = std::move(visitor);
  }

  template <class Body>
  grpc::Status call(ServerContext& context, std::string_view method, Scopes any_of, Body&& body) {
    return admitted(context, method, any_of, calls_, "calls", body);
  }
  template <class Body>
  grpc::Status watch(ServerContext& context, std::string_view method, Scopes any_of, Body&& body) {
    return admitted(context, method, any_of, watches_, "watches", body);
  }
  // One more time the price of a call that goes on; 0: whether it may, such as after its token was revoked.
  Status again(ServerContext& context, Scopes any_of, std::uint64_t cost = 1) {
    if (closing_) return closing_error();
    const auto visitor = visitor_of(context);
    TRY(const auto visit, visit_of(context, visitor.get()));
    return judge(context, visit, any_of, cost);
  }

  services::Desk& desk;

 private:
  static std::unexpected<Error> closing_error() {
    return fail(Kind::kUnavailable, "api.closing", "the node is shutting down");
  }

  template <class Body>
  grpc::Status admitted(ServerContext& context, std::string_view method, Scopes any_of, Places& places,
                        std::string_view what, Body& body) {
    const auto visitor = visitor_of(context);
    if (closing_) return counted(method, closing_error());
    const auto visit = visit_of(context, visitor.get());
    if (!visit) return counted(method, std::unexpected(visit.error().clone()));
    Status may = judge(context, *visit, any_of, 1);
    if (!may) return counted(method, may);
    // Not before: who may make no call gets no more time by trying.
    const Stay stay(visitor.get());
    const Seat seat(places.seats);
    if (!seat) return counted(method, busy(places.seats, what));
    Hash32 who = services::token_hash(visit->token);
    if (visit->identity) (void)Hash32::from(visit->identity->view(), who);
    if (!places.shares.take(who))
      return counted(
          method, fail(Kind::kExhausted, "api.busy",
                       text("found {} {} of this visitor running, the most one may have", places.shares.most(), what)));
    Status done = body();
    places.shares.leave(who);
    return counted(method, done);
  }

  static Result<services::Visit> visit_of(const ServerContext& context, const gate::Visitor* visitor) {
    constexpr std::string_view kBearer = "Bearer ";
    services::Visit visit;
    if (visitor != nullptr) visit.identity = visitor->identity;
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("authorization");
    if (found == metadata.end()) return visit;
    const std::string_view given(found->second.data(), found->second.size());
    if (!given.starts_with(kBearer))
      return fail(Kind::kDenied, "services.no_credentials",
                  "found an authorization of another kind, expected: Bearer TOKEN");
    visit.token = given.substr(kBearer.size());
    return visit;
  }

  Status judge(ServerContext& context, const services::Visit& visit, Scopes any_of, std::uint64_t cost) {
    services::Verdict verdict = access_.admit(visit, any_of, cost);
    if (verdict.retry_ms > 0) context.AddTrailingMetadata("retry-after-ms", text("{}", verdict.retry_ms));
    return std::move(verdict.status);
  }

  // "fd:17"
  std::shared_ptr<gate::Visitor> visitor_of(const ServerContext& context) {
    const std::string peer = context.peer();
    const auto colon = peer.rfind(':');
    int fd = -1;
    if (colon != peer.npos) std::from_chars(peer.data() + colon + 1, peer.data() + peer.size(), fd);
    const std::lock_guard lock(mutex_);
    const auto found = visitors_.find(fd);
    return found == visitors_.end() ? nullptr : found->second;
  }

  services::Access& access_;
  Places calls_, watches_;
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::map<int, std::shared_ptr<gate::Visitor>> visitors_;

 public:
  const std::int64_t execute_ms_max;
};

template <class Reply>
void put_refusal(Reply& reply, const std::optional<Error>& refusal) {
  reply.set_success(!refusal);
  if (!refusal) return;
  reply.set_error(text("{}: {}", refusal->id(), refusal->message()));
  client::put_error(*reply.mutable_detail(), *refusal);
}

template <class Reply>
void put_ordered(Reply& reply, const services::Ordered& ordered) {
  reply.set_job_id(to_string(ordered.job_id.view()));
  reply.set_lane_id(static_cast<std::uint32_t>(services::lane_number(ordered.lane)));
  reply.set_height(ordered.height.value);
  if (ordered.applied) client::put_applied(*reply.mutable_applied(), *ordered.applied);
  put_refusal(reply, ordered.refusal);
}

void put_called(wire::CallReply& reply, const services::Called& called) {
  put_refusal(reply, called.refusal);
  client::put_applied(*reply.mutable_applied(), called.applied);
}

void put_step(wire::JobStatus& out, const services::JobStep& step) {
  const market::Job& job = step.job;
  out.set_job_id(to_string(job.bid.job_id.view()));
  out.set_state(std::string(step.state));
  out.set_slp_id(shown(job.provider));
  out.set_price(job.price.value);
  out.set_attempt(job.attempt);
  out.set_height(step.height.value);
  out.set_ended(job.ended());
  if (job.reason != market::CloseReason::kNone) out.set_reason(std::string(market::close_reason_name(job.reason)));
  if (!job.result) return;
  out.set_status(std::string(market::run_status_name(job.result->status)));
  out.set_gas(job.result->gas);
  out.set_paid(job.result->paid.value);
  out.set_fee(job.result->fee.value);
  out.set_receipt_hash(to_string(job.result->receipt_hash.view()));
  for (const auto& output : job.result->outputs) out.add_outputs(to_string(output.id.view()));
}

Result<JobId> job_id(const std::string& bytes) {
  JobId id;
  if (JobId::from(as_bytes(bytes), id)) return id;
  return bad_request(text("found a job id of {} bytes, expected {}", bytes.size(), JobId::kSize));
}

class Router final : public wire::RouterService::Service {
 public:
  explicit Router(Door& door) : door_(door) {}
  grpc::Status RouteEnvelope(ServerContext* context, const wire::RouteEnvelopeRequest* request,
                             wire::RouteEnvelopeReply* reply) override {
    return door_.call(*context, "route_envelope", mask(Scope::kRoute), [&]() -> Status {
      TRY(const auto ordered, door_.desk.route(as_bytes(request->envelope())));
      put_ordered(*reply, ordered);
      if (!ordered.refusal) reply->set_way(std::string(ordered.way));
      return {};
    });
  }
  grpc::Status GetRouterStats(ServerContext* context, const wire::GetRouterStatsRequest*,
                              wire::GetRouterStatsReply* reply) override {
    return door_.call(*context, "get_router_stats", mask(Scope::kRead), [&]() -> Status {
      const auto stats = door_.desk.router_stats();
      reply->set_total_routed(stats.routed);
      for (std::uint32_t lane = 0; lane < services::kLanes; ++lane) {
        (*reply->mutable_lane_counts())[lane] = stats.lanes[lane];
        (*reply->mutable_active_jobs())[lane] = stats.active[lane];
      }
      return {};
    });
  }

 private:
  Door& door_;
};

class Auction final : public wire::AuctionService::Service {
 public:
  Auction(Door& door, std::string self) : door_(door), self_(std::move(self)) {}
  grpc::Status RunAuction(ServerContext* context, const wire::RunAuctionRequest* request,
                          wire::RunAuctionReply* reply) override {
    return door_.call(*context, "run_auction", mask(Scope::kBid), [&]() -> Status {
      TRY(const auto ordered, door_.desk.run_auction(as_bytes(request->job()), request->priority()));
      put_ordered(*reply, ordered);
      reply->set_ordered(ordered.sent);
      reply->set_price(ordered.price.value);
      if (ordered.refusal) return {};
      reply->set_slp_id(shown(ordered.provider));
      reply->add_route(self_);
      if (!ordered.provider.is_zero()) reply->add_route(shown(ordered.provider));
      return {};
    });
  }
  grpc::Status GetAuctionStats(ServerContext* context, const wire::GetAuctionStatsRequest*,
                               wire::GetAuctionStatsReply* reply) override {
    return door_.call(*context, "get_auction_stats", mask(Scope::kRead), [&]() -> Status {
      TRY(const auto stats, door_.desk.auction_stats());
      reply->set_total_matches(stats.totals.matched);
      reply->set_total_volume(stats.totals.volume.value);
      reply->set_live_jobs(stats.totals.live);
      reply->set_settled(stats.totals.settled);
      reply->set_closed(stats.totals.closed);
      reply->set_escrow(stats.totals.escrow.value);
      reply->set_total_auctions(stats.auctions);
      reply->set_total_unmatched(stats.unmatched);
      return {};
    });
  }
  grpc::Status RegisterProvider(ServerContext* context, const wire::SignedCall* request,
                                wire::CallReply* reply) override {
    return door_.call(*context, "register_provider", mask(Scope::kProvide), [&]() -> Status {
      TRY(const auto called,
          door_.desk.call(as_bytes(request->call()), {Method::kProviderRegister, Method::kProviderUnbond,
                                                      Method::kAskPost, Method::kAskWithdraw}));
      put_called(*reply, called);
      return {};
    });
  }
  grpc::Status Info(ServerContext* context, const node::InfoRequest*, node::InfoReply* reply) override {
    return door_.call(*context, "info", mask(Scope::kRead), [&]() -> Status {
      TRY(client::Client* const at, door_.desk.node());
      TRY(const auto info, at->info());
      client::put_info(*reply, info);
      return {};
    });
  }
  grpc::Status Query(ServerContext* context, const wire::QueryMarket* request, node::QueryReply* reply) override {
    return door_.call(*context, "query", mask(Scope::kRead), [&]() -> Status {
      if (request->path().size() > kQueryPathBytesMax)
        return bad_request(
            text("found a path of {} bytes, expected at most {}", request->path().size(), kQueryPathBytesMax));
      TRY(client::Client* const at, door_.desk.node());
      TRY(const Bytes data, at->query(market::kMarketApp, request->path(), as_bytes(request->argument())));
      reply->set_data(to_string(data));
      return {};
    });
  }

 private:
  Door& door_;
  const std::string self_;
};

class Execution final : public wire::ExecutionService::Service {
 public:
  explicit Execution(Door& door) : door_(door) {}

  grpc::Status ExecuteJob(ServerContext* context, const wire::ExecuteJobRequest* request,
                          wire::JobStatus* reply) override {
    return door_.watch(*context, "execute_job", mask(Scope::kBid), [&]() -> Status {
      const ByteView bytes = as_bytes(request->job());
      TRY(const gxf::Job job, gxf::decode(bytes));
      if (!door_.desk.job(job.job_id)) {
        TRY(auto ordered, door_.desk.run_auction(bytes, 0));
        if (ordered.refusal) return std::unexpected(std::move(*ordered.refusal));
      }
      const std::int64_t until_ns =
          system_clock().mono_ns() + wait_ms(*context, door_.execute_ms_max) * std::int64_t{1'000'000};
      const auto idle = [&] { return goes_on(*context, mask(Scope::kBid)) && system_clock().mono_ns() < until_ns; };
      TRY_OK(door_.desk.watch_job(
          job.job_id,
          [&](const services::JobStep& step) {
            put_step(*reply, step);
            return idle();
          },
          idle));
      if (reply->ended()) return {};
      TRY_OK(door_.again(*context, mask(Scope::kBid), 0));
      return fail(Kind::kTimeout, "services.still_running",
                  text("job {} has not ended; it goes on, ask GetJob", job.job_id));
    });
  }
  grpc::Status GetJob(ServerContext* context, const wire::JobRequest* request, wire::JobStatus* reply) override {
    return door_.call(*context, "get_job", mask(Scope::kRead), [&]() -> Status {
      TRY(const JobId id, job_id(request->job_id()));
      TRY(market::Job job, door_.desk.job(id));
      const Height at = job.ended() ? job.closed : std::max({job.matched, job.started, job.receipted});
      put_step(*reply, {.state = market::job_state_name(job.state), .height = at, .job = std::move(job)});
      return {};
    });
  }
  grpc::Status WatchJob(ServerContext* context, const wire::JobRequest* request,
                        grpc::ServerWriter<wire::JobStatus>* writer) override {
    return door_.watch(*context, "watch_job", mask(Scope::kRead), [&]() -> Status {
      TRY(const JobId id, job_id(request->job_id()));
      TRY_OK(door_.desk.watch_job(
          id,
          [&](const services::JobStep& step) {
            wire::JobStatus out;
            put_step(out, step);
            return writer->Write(out) && goes_on(*context, mask(Scope::kRead));
          },
          [&] { return goes_on(*context, mask(Scope::kRead)); }));
      return door_.again(*context, mask(Scope::kRead), 0);
    });
  }
  grpc::Status CancelJob(ServerContext* context, const wire::SignedCall* request, wire::CallReply* reply) override {
    return called(*context, "cancel_job", mask(Scope::kCancel), *request, *reply, {Method::kJobCancel});
  }
  grpc::Status ReportJob(ServerContext* context, const wire::SignedCall* request, wire::CallReply* reply) override {
    return called(*context, "report_job", mask(Scope::kProvide), *request, *reply,
                  {Method::kJobStart, Method::kJobReceipt});
  }

  grpc::Status PutBlob(ServerContext* context, grpc::ServerReader<node::BlobPiece>* reader,
                       node::PutBlobReply* reply) override {
    constexpr Scopes kAny = mask(Scope::kBid) | mask(Scope::kProvide) | mask(Scope::kRoute);
    return door_.call(*context, "put_blob", kAny, [&]() -> Status {
      Bytes data;
      node::BlobPiece piece;
      for (bool first = true; reader->Read(&piece); first = false) {
        if (!first) TRY_OK(door_.again(*context, kAny));
        if (piece.data().size() > kPieceBytes)
          return bad_request(text("found a piece of {} bytes, expected at most {}", piece.data().size(), kPieceBytes));
        if (data.size() + piece.data().size() > client::kBlobBytesMax)
          return fail(Kind::kExhausted, "api.too_large",
                      text("found a blob of more than {} bytes, the most it may have", client::kBlobBytesMax));
        append(data, as_bytes(piece.data()));
      }
      TRY(client::Client* const at, door_.desk.node());
      TRY(const BlobId id, at->put_blob(data));
      reply->set_id(to_string(id.view()));
      return {};
    });
  }
  grpc::Status GetBlob(ServerContext* context, const node::GetBlobRequest* request,
                       grpc::ServerWriter<node::BlobPiece>* writer) override {
    return door_.call(*context, "get_blob", mask(Scope::kRead), [&]() -> Status {
      TRY(const BlobId id, blob_id(request->id()));
      TRY(client::Client* const at, door_.desk.node());
      TRY(const Bytes data, at->get_blob(id));
      node::BlobPiece piece;
      for (std::size_t from = 0; from < data.size(); from += kPieceBytes) {
        piece.set_data(data.data() + from, std::min(kPieceBytes, data.size() - from));
        if (!writer->Write(piece)) break;  // the caller is gone
      }
      return {};
    });
  }
  grpc::Status HasBlob(ServerContext* context, const node::HasBlobRequest* request,
                       node::HasBlobReply* reply) override {
    return door_.call(*context, "has_blob", mask(Scope::kRead), [&]() -> Status {
      TRY(const BlobId id, blob_id(request->id()));
      TRY(client::Client* const at, door_.desk.node());
      TRY(const bool present, at->has_blob(id));
      reply->set_present(present);
      return {};
    });
  }
  grpc::Status Prove(ServerContext* context, const node::ProveRequest* request, node::ProveReply* reply) override {
    return door_.call(*context, "prove", mask(Scope::kRead), [&]() -> Status {
      TRY(client::Client* const at, door_.desk.node());
      TRY(const Bytes proof, at->prove(as_bytes(request->state_key())));
      reply->set_proof(to_string(proof));
      return {};
    });
  }
  grpc::Status Watch(ServerContext* context, const node::WatchRequest* request,
                     grpc::ServerWriter<node::WatchReply>* writer) override {
    return door_.watch(*context, "watch", mask(Scope::kRead), [&]() -> Status {
      const std::string& prefix = request->topic_prefix();
      if (prefix.size() > kTopicBytesMax)
        return bad_request(text("found a topic of {} bytes, expected at most {}", prefix.size(), kTopicBytesMax));
      TRY(client::Client* const at, door_.desk.node());
      TRY_OK(at->watch(
          Height{request->from()}, prefix,
          [&](const client::LedgerEvent& seen) {
            node::WatchReply out;
            out.set_height(seen.height.value);
            client::put_event(*out.mutable_event(), seen.event);
            return writer->Write(out) && goes_on(*context, mask(Scope::kRead));
          },
          [&] { return goes_on(*context, mask(Scope::kRead)); }));
      return door_.again(*context, mask(Scope::kRead), 0);
    });
  }

 private:
  bool goes_on(ServerContext& context, Scopes any_of) const {
    return !context.IsCancelled() && door_.again(context, any_of, 0).has_value();
  }
  grpc::Status called(ServerContext& context, std::string_view name, Scopes scopes, const wire::SignedCall& request,
                      wire::CallReply& reply, std::initializer_list<Method> methods) {
    return door_.call(context, name, scopes, [&]() -> Status {
      TRY(const auto called, door_.desk.call(as_bytes(request.call()), methods));
      put_called(reply, called);
      return {};
    });
  }

  Door& door_;
};

class Server final : public ExchangeServer {
 public:
  Server(services::Desk& desk, services::Access& access, const crypto::Identity& identity, ExchangeOptions options)
      : options_(std::move(options)),
        door_(desk, access, options_),
        router_(door_),
        auction_(door_, shown(identity.id())),
        execution_(door_) {}
  ~Server() override { stop(0); }

  Status listen(const crypto::Identity& identity) {
    client::keep_rpc_library();
    grpc::Service* const all[kExchangeServices] = {&router_, &auction_, &execution_};
    if (options_.gate.addresses.size() != kExchangeServices)
      return fail(Kind::kInvalid, "gate.address",
                  text("found {} addresses, expected {}", options_.gate.addresses.size(), kExchangeServices));
    for (std::size_t i = 0; i < kExchangeServices; ++i) {
      grpc::ResourceQuota quota("services");
      quota.SetMaxThreads(static_cast<int>(options_.calls_max + options_.watches_max + 8));
      grpc::ServerBuilder builder;
      builder.SetResourceQuota(quota);
      builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
      builder.SetMaxSendMessageSize(static_cast<int>(client::kReplyBytesMax));
      builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
      builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
      builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 4);
      builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
      // A visitor that is gone without a word, such as behind a NAT, is found out.
      builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
      builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingWaitMs);
      builder.RegisterService(all[i]);
      servers_[i] = builder.BuildAndStart();
      if (servers_[i] == nullptr) return fail(Kind::kInternal, "api.listen", "start a public service: refused");
    }
    TRY(gate_, gate::Gate::start(identity, options_.gate,
                                 [this](std::size_t port, Fd plain, std::shared_ptr<gate::Visitor> visitor) {
                                   door_.enter(plain.get(), std::move(visitor));
                                   grpc::AddInsecureChannelFromFd(servers_[port].get(), plain.release());
                                 }));
    return {};
  }

  std::array<std::uint16_t, kExchangeServices> ports() const override {
    std::array<std::uint16_t, kExchangeServices> out{};
    const auto all = gate_->ports();
    std::ranges::copy(all, out.begin());
    return out;
  }
  std::string certificates() const override { return gate_->certificates(); }

  void refresh_metrics() override {
    using telemetry::Metric;
    auto& registry = telemetry::registry();
    const gate::Counts counts = gate_->counts();
    registry.gauge(Metric::kServicesConnections).set(static_cast<std::int64_t>(counts.open));
    registry.counter(Metric::kServicesRefused, {"connections"}).raise_to(counts.refused_full);
    registry.counter(Metric::kServicesRefused, {"handshakes"}).raise_to(counts.refused_handshakes);
    registry.counter(Metric::kServicesRefused, {"failed"}).raise_to(counts.failed_handshakes);
    registry.counter(Metric::kServicesRefused, {"late"}).raise_to(counts.late_handshakes);
    registry.counter(Metric::kServicesRefused, {"quiet"}).raise_to(counts.quiet);
    const auto stats = door_.desk.router_stats();
    registry.gauge(Metric::kRouterActiveJobs, {"flash"}).set(static_cast<std::int64_t>(stats.active[0]));
    registry.gauge(Metric::kRouterActiveJobs, {"deep"}).set(static_cast<std::int64_t>(stats.active[1]));
  }

  void stop(std::int64_t grace_ms) override {
    if (stopped_) return;
    stopped_ = true;
    door_.close();
    const auto until = std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms);
    for (auto& server : servers_)
      if (server != nullptr) server->Shutdown(until);  // its answers still leave through the gate
    if (gate_) gate_->stop();
    for (auto& server : servers_) {
      if (server != nullptr) server->Wait();
      server.reset();
    }
  }

 private:
  const ExchangeOptions options_;
  Door door_;
  Router router_;
  Auction auction_;
  Execution execution_;
  std::array<std::unique_ptr<grpc::Server>, kExchangeServices> servers_;
  std::unique_ptr<gate::Gate> gate_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<ExchangeServer>> ExchangeServer::start(services::Desk& desk, services::Access& access,
                                                              const crypto::Identity& identity,
                                                              ExchangeOptions options) {
  auto server = std::make_unique<Server>(desk, access, identity, std::move(options));
  TRY_OK(server->listen(identity));
  return server;
}

}  // namespace hanse::api
