#include "node/client/exchange.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/keyfile.h"
#include "base/exec/backoff.h"
#include "chain/ledger/call.h"
#include "exchange/market/calls.h"
#include "mesh/gate/gate.h"
#include "node/client/detail/calls.h"
#include "node/client/rpc_form.h"

#include "hanse/services/v1/services.grpc.pb.h"
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

namespace hanse::client {
namespace {

namespace wire = hanse::services::v1;
namespace node = hanse::node::v1;
using detail::to_string;
using grpc::ClientContext;
using Milliseconds = std::chrono::milliseconds;
using market::Method;

enum Service : std::size_t { kRouter, kAuction, kExecution };

std::unexpected<Error> not_carried(std::string_view what) {
  return fail(Kind::kUnsupported, "client.not_carried", text("the public services do not offer {}", what));
}

JobUpdate take_status(const wire::JobStatus& from) {
  return {.state = from.state(),
          .status = from.status(),
          .reason = from.reason(),
          .provider = from.slp_id(),
          .price_ut = from.price(),
          .gas = from.gas(),
          .paid_ut = from.paid(),
          .height = from.height(),
          .ended = from.ended()};
}

// What was refused without being sent is told in `detail` alone.
template <class Reply>
Result<Applied> take_sent(const Reply& reply) {
  if (reply.has_applied()) return take_applied(reply.applied());
  if (!reply.has_detail()) return fail(Kind::kCorrupt, "client.bad_reply", "found neither an outcome nor a reason");
  TRY(Error why, take_error(reply.detail()));
  return std::unexpected(std::move(why));
}

class Remote final : public Exchange {
 public:
  Remote(DoorFile door, std::optional<crypto::Identity> identity, Options options)
      : door_(std::move(door)), identity_(std::move(identity)), deadline_(options.deadline_ms) {
    keep_rpc_library();
  }

  Result<NodeInfo> info() override {
    node::InfoReply reply;
    TRY_OK(auction([&](ClientContext& c, auto& stub) { return stub.Info(&c, {}, &reply); }));
    return take_info(reply);
  }

  Result<Applied> submit(const ledger::Tx& tx) override {
    if (tx.app != market::kMarketApp) return not_carried(text("application {}", std::uint64_t{tx.app}));
    TRY(const market::Body body, market::decode_body(tx.body));
    if (body.kind == market::BodyKind::kReveal) return not_carried("sealed bids");
    return body.kind == market::BodyKind::kJob ? submit_job(body.bytes) : submit_call(body.bytes);
  }

  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    if (app != market::kMarketApp) return not_carried(text("application {}", std::uint64_t{app}));
    wire::QueryMarket request;
    request.set_path(std::string(path));
    request.set_argument(to_string(argument));
    node::QueryReply reply;
    TRY_OK(auction([&](ClientContext& c, auto& stub) { return stub.Query(&c, request, &reply); }));
    return to_bytes(reply.data());
  }

  Result<Bytes> prove(ByteView state_key) override {
    node::ProveRequest request;
    request.set_state_key(to_string(state_key));
    node::ProveReply reply;
    TRY_OK(execution([&](ClientContext& c, auto& stub) { return stub.Prove(&c, request, &reply); }));
    return to_bytes(reply.proof());
  }

  Result<ConsensusInfo> consensus() override { return not_carried("where consensus is"); }
  Result<CertifiedBlock> certified(Height) override { return not_carried("certified blocks"); }

  Result<BlobId> put_blob(ByteView data) override {
    return detail::put_blob(data, [&](const auto& attempt) { return execution(attempt); });
  }
  Result<Bytes> get_blob(const BlobId& id) override {
    return detail::get_blob(id, [&](const auto& attempt) { return execution(attempt); });
  }
  Result<bool> has_blob(const BlobId& id) override {
    node::HasBlobRequest request;
    request.set_id(to_string(id.view()));
    node::HasBlobReply reply;
    TRY_OK(execution([&](ClientContext& c, auto& stub) { return stub.HasBlob(&c, request, &reply); }));
    return reply.present();
  }

  Status watch(Height from, std::string_view topic_prefix, const std::function<bool(const LedgerEvent&)>& visit,
               const std::function<bool()>& idle) override {
    node::WatchRequest request;
    request.set_from(from.value);
    request.set_topic_prefix(std::string(topic_prefix));
    TRY(const auto link, link_to(kExecution));
    ClientContext context;
    prepare(context);
    const auto stub = wire::ExecutionService::NewStub(link->channel);
    return watched(
        *link, detail::follow<node::WatchReply>(
                   context, door_.addresses[kExecution],
                   [&](grpc::CompletionQueue& queue) { return stub->AsyncWatch(&context, request, &queue, nullptr); },
                   [&](const node::WatchReply& reply) { return visit(detail::take_event(reply)); }, idle));
  }

  Result<RouterStats> router_stats() override {
    wire::GetRouterStatsReply reply;
    TRY_OK(router([&](ClientContext& c, auto& stub) { return stub.GetRouterStats(&c, {}, &reply); }));
    RouterStats out{.routed = reply.total_routed()};
    for (const auto& [lane, count] : reply.lane_counts())
      if (lane < out.lanes.size()) out.lanes[lane] = count;
    for (const auto& [lane, count] : reply.active_jobs())
      if (lane < out.active.size()) out.active[lane] = count;
    return out;
  }

  Result<AuctionStats> auction_stats() override {
    wire::GetAuctionStatsReply r;
    TRY_OK(auction([&](ClientContext& c, auto& stub) { return stub.GetAuctionStats(&c, {}, &r); }));
    return AuctionStats{.matches = r.total_matches(),
                        .volume_ut = r.total_volume(),
                        .live = r.live_jobs(),
                        .settled = r.settled(),
                        .closed = r.closed(),
                        .escrow_ut = r.escrow(),
                        .auctions = r.total_auctions(),
                        .unmatched = r.total_unmatched()};
  }

  Result<Offered> run_auction(ByteView job, std::uint32_t priority) override {
    TRY(const auto reply, auction_of(job, priority));
    if (!reply.success()) {
      TRY(Error why, take_error(reply.detail()));
      return std::unexpected(std::move(why));
    }
    Offered out{.job_id = {},
                .provider = reply.slp_id(),
                .price_ut = reply.price(),
                .lane = reply.lane_id(),
                .ordered = reply.ordered(),
                .route = {reply.route().begin(), reply.route().end()}};
    TRY_OK(detail::take_fixed(reply.job_id(), "job id", out.job_id));
    return out;
  }

  Result<Routed> route(ByteView job) override {
    TRY(const auto reply, route_envelope(job));
    if (!reply.success()) {
      TRY(Error why, take_error(reply.detail()));
      return std::unexpected(std::move(why));
    }
    Routed out{.job_id = {}, .lane = reply.lane_id(), .way = reply.way(), .height = reply.height()};
    TRY_OK(detail::take_fixed(reply.job_id(), "job id", out.job_id));
    return out;
  }

  Result<JobUpdate> execute_job(ByteView job, std::int64_t wait_ms) override {
    wire::ExecuteJobRequest request;
    request.set_job(to_string(job));
    wire::JobStatus reply;
    TRY_OK(call<wire::ExecutionService>(
        kExecution, [&](ClientContext& c, auto& stub) { return stub.ExecuteJob(&c, request, &reply); },
        Milliseconds(wait_ms)));
    return take_status(reply);
  }

  Result<JobUpdate> job(const JobId& id) override {
    wire::JobRequest request;
    request.set_job_id(to_string(id.view()));
    wire::JobStatus reply;
    TRY_OK(execution([&](ClientContext& c, auto& stub) { return stub.GetJob(&c, request, &reply); }));
    return take_status(reply);
  }

  Status watch_job(const JobId& id, const std::function<bool(const JobUpdate&)>& visit) override {
    wire::JobRequest request;
    request.set_job_id(to_string(id.view()));
    TRY(const auto link, link_to(kExecution));
    ClientContext context;
    prepare(context);
    const auto stub = wire::ExecutionService::NewStub(link->channel);
    return watched(*link, detail::follow<wire::JobStatus>(
                              context, door_.addresses[kExecution],
                              [&](grpc::CompletionQueue& queue) {
                                return stub->AsyncWatchJob(&context, request, &queue, nullptr);
                              },
                              [&](const wire::JobStatus& reply) { return visit(take_status(reply)); }, {}));
  }

 private:
  // A connection, shared by the calls that run on it: the channel reads the line's descriptor.
  struct Link {
    std::unique_ptr<gate::Line> line;
    std::shared_ptr<grpc::Channel> channel;
  };

  Result<wire::RunAuctionReply> auction_of(ByteView job, std::uint32_t priority) {
    wire::RunAuctionRequest request;
    request.set_job(to_string(job));
    request.set_priority(priority);
    wire::RunAuctionReply reply;
    TRY_OK(auction([&](ClientContext& c, auto& stub) { return stub.RunAuction(&c, request, &reply); }));
    return reply;
  }

  Result<wire::RouteEnvelopeReply> route_envelope(ByteView job) {
    wire::RouteEnvelopeRequest request;
    request.set_envelope(to_string(job));
    wire::RouteEnvelopeReply reply;
    TRY_OK(router([&](ClientContext& c, auto& stub) { return stub.RouteEnvelope(&c, request, &reply); }));
    return reply;
  }

  Result<Applied> submit_job(ByteView gxf) {
    if (!door_.by_router) {
      TRY(const auto reply, auction_of(gxf, 0));
      return take_sent(reply);
    }
    TRY(const auto reply, route_envelope(gxf));
    return take_sent(reply);
  }

  Result<Applied> submit_call(ByteView bytes) {
    TRY(const ledger::SignedCall signed_call, ledger::decode_call(bytes));
    wire::SignedCall request;
    request.set_call(to_string(bytes));
    wire::CallReply reply;
    switch (static_cast<Method>(signed_call.method)) {
      case Method::kProviderRegister:
      case Method::kProviderUnbond:
      case Method::kAskPost:
      case Method::kAskWithdraw:
        TRY_OK(auction([&](ClientContext& c, auto& stub) { return stub.RegisterProvider(&c, request, &reply); }));
        break;
      case Method::kJobStart:
      case Method::kJobReceipt:
        TRY_OK(execution([&](ClientContext& c, auto& stub) { return stub.ReportJob(&c, request, &reply); }));
        break;
      case Method::kJobCancel:
        TRY_OK(execution([&](ClientContext& c, auto& stub) { return stub.CancelJob(&c, request, &reply); }));
        break;
      default: return not_carried(text("method {} of the market", signed_call.method));
    }
    return take_sent(reply);
  }

  template <class Attempt>
  Status router(Attempt&& attempt) {
    return call<wire::RouterService>(kRouter, attempt, deadline_);
  }
  template <class Attempt>
  Status auction(Attempt&& attempt) {
    return call<wire::AuctionService>(kAuction, attempt, deadline_);
  }
  template <class Attempt>
  Status execution(Attempt&& attempt) {
    return call<wire::ExecutionService>(kExecution, attempt, deadline_);
  }

  // As GrpcClient's: each of these calls may be repeated. A lost connection is made anew.
  template <class Api, class Attempt>
  Status call(Service service, Attempt&& attempt, Milliseconds most) {
    const auto end = std::chrono::system_clock::now() + most;
    exec::Backoff backoff(system_random(), {.first_ms = 20, .most_ms = 500});
    for (;;) {
      Status done;
      if (const auto link = link_to(service); !link) {
        done = std::unexpected(link.error().clone());
        if (!reached_) return done;  // nobody there: say so at once
      } else {
        ClientContext context;
        prepare(context);
        context.set_deadline(end);
        const auto stub = Api::NewStub((*link)->channel);
        const grpc::Status status = attempt(context, *stub);
        if (status.ok()) return {};
        done = std::unexpected(from_rpc(status, door_.addresses[service]));
        if (done.error().id() == "client.unreachable") drop(service, **link);
      }
      if (done.error().kind() != Kind::kUnavailable) return done;
      const Milliseconds wait(backoff.next_ms());
      if (std::chrono::system_clock::now() + wait >= end) return done;
      std::this_thread::sleep_for(wait);
    }
  }

  void prepare(ClientContext& context) const {
    if (!door_.token.empty()) context.AddMetadata("authorization", "Bearer " + door_.token);
  }

  Result<std::shared_ptr<Link>> link_to(Service service) {
    const std::lock_guard lock(mutex_);
    auto& link = links_[service];
    if (link) return link;
    auto made = std::make_shared<Link>();
    TRY(made->line, gate::Line::dial({.address = door_.addresses[service],
                                      .server = door_.server,
                                      .key = identity_ ? &identity_->mldsa() : nullptr,
                                      .wait_ms = deadline_.count()}));
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(static_cast<int>(kReplyBytesMax));
    made->channel = grpc::CreateCustomInsecureChannelFromFd("hanse", made->line->take().release(), args);
    link = std::move(made);
    reached_ = true;
    return link;
  }
  // A watch is not begun again here; the next one finds a new connection.
  Status watched(const Link& link, Status done) {
    if (!done && done.error().id() == "client.unreachable") drop(kExecution, link);
    return done;
  }
  void drop(Service service, const Link& lost) {
    const std::lock_guard lock(mutex_);
    if (links_[service].get() == &lost) links_[service].reset();
  }

  const DoorFile door_;
  const std::optional<crypto::Identity> identity_;
  const Milliseconds deadline_;
  std::atomic<bool> reached_{false};  // at least once
  std::mutex mutex_;
  std::array<std::shared_ptr<Link>, 3> links_;
};

std::string beside(const std::string& folder, const std::string& path) {
  return path.empty() || path.front() == '/' || folder.empty() ? path : folder + "/" + path;
}

}  // namespace

Result<std::unique_ptr<Exchange>> Exchange::open(const DoorFile& door, const std::string& folder, Options options) {
  std::optional<crypto::Identity> identity;
  if (!door.key_file.empty()) {
    std::string passphrase;
    if (!door.passphrase_file.empty()) {
      TRY(const Bytes bytes, read_file(real_fs(), beside(folder, door.passphrase_file), 4'096));
      passphrase = as_text(bytes).substr(0, as_text(bytes).find('\n'));
    }
    TRY(const auto seeds, crypto::open_key_file(beside(folder, door.key_file), passphrase,
                                                {.allow_unencrypted = door.passphrase_file.empty()}));
    TRY(auto made, seeds.identity());
    identity.emplace(std::move(made));
  }
  return std::make_unique<Remote>(door, std::move(identity), options);
}

Result<std::unique_ptr<Exchange>> Exchange::open(const std::string& path, Options options) {
  TRY(const DoorFile door, read_door(path));
  const auto slash = path.rfind('/');
  return open(door, slash == path.npos ? std::string() : path.substr(0, slash), options);
}

}  // namespace hanse::client
