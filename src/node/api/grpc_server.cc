#include "node/api/grpc_server.h"

#include <atomic>
#include <chrono>
#include <sys/stat.h>
#include <unistd.h>

#include "base/core/text.h"
#include "node/api/calls.h"
#include "node/api/listen.h"
#include "node/api/submit_stream.h"
#include "node/client/rpc_error.h"
#include "node/client/rpc_form.h"

#include "hanse/node/v1/node.grpc.pb.h"
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

namespace hanse::api {
namespace {

namespace wire = hanse::node::v1;

constexpr int kPollersMax = 16;
constexpr std::int64_t kWatchWaitMs = 250;  // how often a quiet watch looks whether its caller is gone

std::string to_string(ByteView v) { return std::string(as_text(v)); }

void put_backup(wire::BackupState& to, const client::BackupInfo& from) {
  to.set_target(from.target);
  to.set_running(from.running);
  to.set_last_id(from.last_id);
  to.set_last_success_ms(from.last_success_ms);
  to.set_duration_ms(from.duration_ms);
  to.set_bytes(from.bytes);
  to.set_height(from.height.value);
  to.set_failures(from.failures);
  if (from.failure) client::put_error(*to.mutable_failure(), *from.failure);
}

class Service final : public wire::Node::WithCallbackMethod_SubmitStream<wire::Node::Service> {
 public:
  Service(Backend& backend, const GrpcOptions& options)
      : backend_(backend),
        calls_(options.calls_max),
        watches_(options.watches_max),
        wait_ms_max_(options.wait_ms_max) {}

  void close() { closing_ = true; }

  grpc::Status Info(grpc::ServerContext*, const wire::InfoRequest*, wire::InfoReply* reply) override {
    return call("info", [&]() -> Status {
      TRY(const auto info, backend_.info());
      client::put_info(*reply, info);
      return {};
    });
  }

  grpc::Status Submit(grpc::ServerContext* context, const wire::SubmitRequest* request,
                      wire::SubmitReply* reply) override {
    return call("submit", [&]() -> Status {
      TRY(auto tx, client::take_tx(*request));
      TRY(const auto applied, backend_.submit(tx, wait_ms(*context, wait_ms_max_)));
      client::put_applied(*reply, applied);
      return {};
    });
  }

  grpc::ServerBidiReactor<wire::SubmitStreamRequest, wire::SubmitStreamReply>* SubmitStream(
      grpc::CallbackServerContext*) override {
    auto seat = std::make_shared<Seat>(watches_);
    const Status taken = *seat ? Status() : Status(busy(watches_, "streams and watches"));
    return start_submit_stream(backend_, taken, std::move(seat));
  }

  grpc::Status Query(grpc::ServerContext*, const wire::QueryRequest* request, wire::QueryReply* reply) override {
    return call("query", [&]() -> Status {
      if (request->app() > 255) return bad_request(text("found app {}, expected at most 255", request->app()));
      if (request->path().size() > kQueryPathBytesMax)
        return bad_request(
            text("found a path of {} bytes, expected at most {}", request->path().size(), kQueryPathBytesMax));
      TRY(const Bytes data,
          backend_.query(static_cast<std::uint8_t>(request->app()), request->path(), as_bytes(request->argument())));
      reply->set_data(to_string(data));
      return {};
    });
  }

  grpc::Status Prove(grpc::ServerContext*, const wire::ProveRequest* request, wire::ProveReply* reply) override {
    return call("prove", [&]() -> Status {
      TRY(const Bytes proof, backend_.prove(as_bytes(request->state_key())));
      reply->set_proof(to_string(proof));
      return {};
    });
  }

  grpc::Status Consensus(grpc::ServerContext*, const wire::ConsensusRequest*, wire::ConsensusReply* reply) override {
    return call("consensus", [&]() -> Status {
      TRY(const auto info, backend_.consensus());
      reply->set_height(info.height.value);
      reply->set_finalized(info.finalized.value);
      reply->set_economic(info.economic.value);
      reply->set_view(info.view);
      reply->set_leader(info.leader);
      reply->set_stable(info.stable);
      reply->set_lag(info.lag);
      reply->set_abstaining(info.abstaining);
      reply->set_validators(info.validators);
      reply->set_quorum_bp(info.quorum_bp);
      reply->set_economic_bp(info.economic_bp);
      if (info.not_live) client::put_error(*reply->mutable_not_live(), *info.not_live);
      if (info.not_ready) client::put_error(*reply->mutable_not_ready(), *info.not_ready);
      if (info.backup) put_backup(*reply->mutable_backup(), *info.backup);
      return {};
    });
  }

  grpc::Status Certified(grpc::ServerContext*, const wire::CertifiedRequest* request,
                         wire::CertifiedReply* reply) override {
    return call("certified", [&]() -> Status {
      TRY(const auto block, backend_.certified(Height{request->height()}));
      reply->set_header(to_string(block.header));
      reply->set_certificate(to_string(block.certificate));
      return {};
    });
  }

  grpc::Status PutBlob(grpc::ServerContext*, grpc::ServerReader<wire::BlobPiece>* reader,
                       wire::PutBlobReply* reply) override {
    return call("put_blob", [&]() -> Status {
      Bytes data;
      wire::BlobPiece piece;
      while (reader->Read(&piece)) {
        if (data.size() + piece.data().size() > client::kBlobBytesMax)
          return fail(Kind::kExhausted, "api.too_large",
                      text("found a blob of more than {} bytes, the most it may have", client::kBlobBytesMax));
        append(data, as_bytes(piece.data()));
      }
      TRY(const BlobId id, backend_.put_blob(data));
      reply->set_id(to_string(id.view()));
      return {};
    });
  }

  grpc::Status GetBlob(grpc::ServerContext*, const wire::GetBlobRequest* request,
                       grpc::ServerWriter<wire::BlobPiece>* writer) override {
    return call("get_blob", [&]() -> Status {
      TRY(const BlobId id, blob_id(request->id()));
      TRY(const Bytes data, backend_.get_blob(id));
      wire::BlobPiece piece;
      for (std::size_t at = 0; at < data.size(); at += kPieceBytes) {
        piece.set_data(data.data() + at, std::min(kPieceBytes, data.size() - at));
        if (!writer->Write(piece)) break;  // the caller is gone
      }
      return {};
    });
  }

  grpc::Status HasBlob(grpc::ServerContext*, const wire::HasBlobRequest* request, wire::HasBlobReply* reply) override {
    return call("has_blob", [&]() -> Status {
      TRY(const BlobId id, blob_id(request->id()));
      TRY(const bool present, backend_.has_blob(id));
      reply->set_present(present);
      return {};
    });
  }

  grpc::Status Watch(grpc::ServerContext* context, const wire::WatchRequest* request,
                     grpc::ServerWriter<wire::WatchReply>* writer) override {
    return counted("watch", watch(*context, *request, *writer));
  }

 private:
  template <class Body>
  grpc::Status call(std::string_view method, Body&& body) {
    const Seat seat(calls_);
    return counted(method, seat ? body() : Status(busy(calls_, "calls")));
  }

  // Ends well when the caller goes.
  Status watch(const grpc::ServerContext& context, const wire::WatchRequest& request,
               grpc::ServerWriter<wire::WatchReply>& writer) {
    const std::string& prefix = request.topic_prefix();
    if (prefix.size() > kTopicBytesMax)
      return bad_request(text("found a topic of {} bytes, expected at most {}", prefix.size(), kTopicBytesMax));
    const Seat seat(watches_);
    if (!seat) return busy(watches_, "watches");
    Height from{request.from()};
    while (!context.IsCancelled()) {
      if (closing_) return fail(Kind::kUnavailable, "api.closing", "the node is shutting down");
      TRY(const auto page, backend_.events(from, prefix, kEventsPage));
      for (const auto& e : page.events) {
        wire::WatchReply reply;
        reply.set_height(e.height.value);
        client::put_event(*reply.mutable_event(), e.event);
        if (!writer.Write(reply)) return {};
      }
      if (page.next == from) (void)backend_.wait_height(from, kWatchWaitMs);
      from = page.next;
    }
    return {};
  }

  Backend& backend_;
  Seats calls_;
  Seats watches_;
  const std::int64_t wait_ms_max_;
  std::atomic<bool> closing_{false};
};

class Server final : public GrpcServer {
 public:
  Server(Backend& backend, GrpcOptions options) : options_(std::move(options)), service_(backend, options_) {}
  ~Server() override { stop(0); }

  Status listen() {
    TRY_OK(prepare_socket(options_.socket));
    client::keep_rpc_library();
    grpc::ResourceQuota quota("api");
    // One thread a call and a watch, two that wait for new ones, and a few so that refusing the next one needs no luck.
    quota.SetMaxThreads(static_cast<int>(options_.calls_max + options_.watches_max + 8));
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
    builder.SetMaxSendMessageSize(static_cast<int>(client::kReplyBytesMax));
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    // A thread that ends its call goes when so many wait already: with 2, each call of a busy node made a new thread.
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kPollersMax);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                               static_cast<int>(options_.calls_max + options_.watches_max + 8));
    builder.RegisterService(&service_);
    int bound_socket = 0;
    builder.AddListeningPort("unix:" + options_.socket, grpc::InsecureServerCredentials(), &bound_socket);
    if (!options_.tcp.empty()) {
      TRY(const auto address, client::parse_address(options_.tcp));
      if (!address.path.empty())
        return fail(Kind::kInvalid, "client.bad_address",
                    text("found {} for the port, expected 127.0.0.1:PORT", options_.tcp));
      TRY_OK(port_is_free(address));
      builder.AddListeningPort(address.shown(), grpc::InsecureServerCredentials(), &port_);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || bound_socket == 0 || (!options_.tcp.empty() && port_ == 0))
      return fail(Kind::kInternal, "api.listen", text("listen on unix:{} {}: refused", options_.socket, options_.tcp));
    if (::chmod(options_.socket.c_str(), 0600) != 0)  // no gap before: the folder lets nobody else in
      return fail(Kind::kInternal, "api.listen", text("set the mode of {}", options_.socket));
    return {};
  }

  std::uint16_t tcp_port() const override { return static_cast<std::uint16_t>(port_); }

  void stop(std::int64_t grace_ms) override {
    if (server_ == nullptr) return;
    service_.close();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
    server_->Wait();
    server_.reset();
    ::unlink(options_.socket.c_str());
  }

 private:
  GrpcOptions options_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(Backend& backend, GrpcOptions options) {
  auto server = std::make_unique<Server>(backend, std::move(options));
  TRY_OK(server->listen());
  return server;
}

}  // namespace hanse::api
