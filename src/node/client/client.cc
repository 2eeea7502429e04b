#include "node/client/client.h"

#include <chrono>
#include <mutex>
#include <thread>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "base/exec/backoff.h"
#include "node/client/address.h"
#include "node/client/detail/calls.h"
#include "node/client/exchange.h"
#include "node/client/rpc_error.h"
#include "node/client/rpc_form.h"

#include "hanse/node/v1/node.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace hanse::client {
namespace {

namespace wire = hanse::node::v1;
using TimePoint = std::chrono::system_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

using detail::to_string;

Result<BackupInfo> take_backup(const wire::BackupState& from) {
  BackupInfo out;
  out.target = from.target();
  out.running = from.running();
  out.last_id = from.last_id();
  out.last_success_ms = from.last_success_ms();
  out.duration_ms = from.duration_ms();
  out.bytes = from.bytes();
  out.height = Height{from.height()};
  out.failures = from.failures();
  if (from.has_failure()) {
    TRY(out.failure, take_error(from.failure()));
  }
  return out;
}

class RandomUnderLock final : public Random {
 public:
  explicit RandomUnderLock(Random& random) : random_(random) {}
  void fill(ByteSpan out) override {
    const std::lock_guard lock(mutex_);
    random_.fill(out);
  }

 private:
  std::mutex mutex_;
  Random& random_;
};

class GrpcClient final : public Client {
 public:
  GrpcClient(const Address& address, Options options)
      : where_(address.shown()),
        deadline_(options.deadline_ms),
        random_(options.random != nullptr ? *options.random : system_random()) {
    keep_rpc_library();
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(static_cast<int>(kReplyBytesMax));
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // loopback only, whatever http_proxy says
    args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
    args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // one object is one connection
    stub_ = wire::Node::NewStub(grpc::CreateCustomChannel(where_, grpc::InsecureChannelCredentials(), args));
  }

  Result<NodeInfo> info() override {
    wire::InfoReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Info(&c, {}, &reply); }));
    return take_info(reply);
  }

  Result<Applied> submit(const ledger::Tx& tx) override {
    wire::SubmitRequest request;
    put_tx(request, tx);
    wire::SubmitReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Submit(&c, request, &reply); }));
    return take_applied(reply);
  }

  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    wire::QueryRequest request;
    request.set_app(app);
    request.set_path(std::string(path));
    request.set_argument(to_string(argument));
    wire::QueryReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Query(&c, request, &reply); }));
    return to_bytes(reply.data());
  }

  Result<Bytes> prove(ByteView state_key) override {
    wire::ProveRequest request;
    request.set_state_key(to_string(state_key));
    wire::ProveReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Prove(&c, request, &reply); }));
    return to_bytes(reply.proof());
  }

  Result<ConsensusInfo> consensus() override {
    wire::ConsensusReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Consensus(&c, {}, &reply); }));
    ConsensusInfo out;
    out.height = Height{reply.height()};
    out.finalized = Height{reply.finalized()};
    out.economic = Height{reply.economic()};
    out.view = reply.view();
    out.leader = reply.leader();
    out.stable = reply.stable();
    out.lag = reply.lag();
    out.abstaining = reply.abstaining();
    out.validators = reply.validators();
    out.quorum_bp = reply.quorum_bp();
    out.economic_bp = reply.economic_bp();
    if (reply.has_not_live()) {
      TRY(out.not_live, take_error(reply.not_live()));
    }
    if (reply.has_not_ready()) {
      TRY(out.not_ready, take_error(reply.not_ready()));
    }
    if (reply.has_backup()) {
      TRY(out.backup, take_backup(reply.backup()));
    }
    return out;
  }

  Result<CertifiedBlock> certified(Height height) override {
    wire::CertifiedRequest request;
    request.set_height(height.value);
    wire::CertifiedReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->Certified(&c, request, &reply); }));
    return CertifiedBlock{.header = to_bytes(reply.header()), .certificate = to_bytes(reply.certificate())};
  }

  Result<BlobId> put_blob(ByteView data) override {
    return detail::put_blob(
        data, [&](const auto& attempt) { return call([&](grpc::ClientContext& c) { return attempt(c, *stub_); }); });
  }

  Result<Bytes> get_blob(const BlobId& id) override {
    return detail::get_blob(
        id, [&](const auto& attempt) { return call([&](grpc::ClientContext& c) { return attempt(c, *stub_); }); });
  }

  Result<bool> has_blob(const BlobId& id) override {
    wire::HasBlobRequest request;
    request.set_id(to_string(id.view()));
    wire::HasBlobReply reply;
    TRY_OK(call([&](grpc::ClientContext& c) { return stub_->HasBlob(&c, request, &reply); }));
    return reply.present();
  }

  Status watch(Height from, std::string_view topic_prefix, const std::function<bool(const LedgerEvent&)>& visit,
               const std::function<bool()>& idle) override {
    wire::WatchRequest request;
    request.set_from(from.value);
    request.set_topic_prefix(std::string(topic_prefix));
    grpc::ClientContext context;
    return detail::follow<wire::WatchReply>(
        context, where_,
        [&](grpc::CompletionQueue& queue) { return stub_->AsyncWatch(&context, request, &queue, nullptr); },
        [&](const wire::WatchReply& reply) { return visit(detail::take_event(reply)); }, idle);
  }

 private:
  // Every call of this interface may be repeated: reads, content-addressed writes, transactions known by their id.
  template <class Attempt>
  Status call(Attempt&& attempt) {
    const TimePoint end = std::chrono::system_clock::now() + deadline_;
    exec::Backoff backoff(random_, {.first_ms = 20, .most_ms = 500});
    for (;;) {
      grpc::ClientContext context;
      context.set_deadline(end);
      const grpc::Status status = attempt(context);
      if (status.ok()) return {};
      Error error = from_rpc(status, where_);
      if (error.kind() != Kind::kUnavailable) return std::unexpected(std::move(error));
      const Milliseconds wait(backoff.next_ms());
      if (std::chrono::system_clock::now() + wait >= end) return std::unexpected(std::move(error));
      std::this_thread::sleep_for(wait);
    }
  }

  const std::string where_;
  const Milliseconds deadline_;
  RandomUnderLock random_;
  std::unique_ptr<wire::Node::Stub> stub_;
};

}  // namespace

Error error_of(const ledger::TxResult& result) {
  Error error = Error(Kind::kConflict, result.error_id.empty() ? "ledger.refused" : std::string_view(result.error_id),
                      result.message);
  // 1 stands for every error without a number of its own, and is a number of the GXF catalogue as well.
  if (result.code != 1 || result.error_id.starts_with("gxf.")) error = std::move(error).coded(result.code);
  if (!result.path.empty()) error = std::move(error).at(result.path);
  return error;
}

Result<std::unique_ptr<Client>> Client::connect(std::string_view address, Options options) {
  if (address.starts_with(kDoorScheme)) {
    TRY(auto exchange, Exchange::open(std::string(address.substr(kDoorScheme.size())), options));
    return exchange;
  }
  TRY(const Address parsed, parse_address(address));
  TRY_OK(probe(parsed));
  return std::make_unique<GrpcClient>(parsed, options);
}

}  // namespace hanse::client
