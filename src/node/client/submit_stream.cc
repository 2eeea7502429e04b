#include "node/client/submit_stream.h"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/core/text.h"
#include "node/client/address.h"
#include "node/client/rpc_error.h"
#include "node/client/rpc_form.h"

#include "hanse/node/v1/node.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace hanse::client {
namespace {

namespace wire = hanse::node::v1;

constexpr std::size_t kMessageGoal = 256u << 10;  // of transactions that go together, well below a message's limit

class Stream final : public SubmitStream,
                     private grpc::ClientBidiReactor<wire::SubmitStreamRequest, wire::SubmitStreamReply> {
 public:
  Stream(const Address& address, Callbacks callbacks) : where_(address.shown()), callbacks_(std::move(callbacks)) {
    keep_rpc_library();
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(static_cast<int>(kReplyBytesMax));
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = wire::Node::NewStub(grpc::CreateCustomChannel(where_, grpc::InsecureChannelCredentials(), args));
    stub_->async()->SubmitStream(&context_, this);
    AddHold();  // writes come from outside of the reactions
    StartRead(&reply_);
    StartCall();
  }

  ~Stream() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    close_locked(lock);
    done_.wait(lock, [this] { return gone_; });
  }

  Status send(std::span<const Numbered> txs) override {
    if (txs.empty()) return {};
    std::unique_lock lock(mutex_);
    if (closed_) return fail(Kind::kUnavailable, "client.unreachable", text("the stream to {} ended", where_));
    if (open_ + txs.size() > kStreamOpenMax)
      return fail(Kind::kExhausted, "client.stream_full",
                  text("found {} transactions without an outcome and {} more, expected at most {}", open_, txs.size(),
                       kStreamOpenMax));
    for (const Numbered& each : txs) add_locked(each);
    open_ += txs.size();
    if (!std::exchange(writing_, true)) write_next(lock);
    return {};
  }

 private:
  void add_locked(const Numbered& each) {
    if (waiting_.empty() || waiting_.back().txs_size() >= static_cast<int>(kSubmitBatchMax) ||
        waiting_bytes_ >= kMessageGoal) {
      waiting_.emplace_back();
      waiting_bytes_ = 0;
    }
    auto* const one = waiting_.back().add_txs();
    one->set_number(each.number);
    put_tx(*one->mutable_tx(), each.tx);
    waiting_bytes_ += each.tx.body.size();
  }

  // `writing_` is set and keeps the hold; the lock is given up.
  void write_next(std::unique_lock<std::mutex>& lock) {
    sending_ = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    StartWrite(&sending_);
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    if (ok && !closed_ && !waiting_.empty()) return write_next(lock);
    writing_ = false;
    if (closed_) return release_locked(lock);
    if (!ok) close_locked(lock);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      std::unique_lock lock(mutex_);
      return close_locked(lock);
    }
    {
      const std::lock_guard lock(mutex_);
      open_ -= std::min(open_, static_cast<std::size_t>(reply_.outcomes_size()));
    }
    for (const auto& outcome : reply_.outcomes()) callbacks_.answered(outcome.number(), take_outcome(outcome));
    StartRead(&reply_);
  }

  void OnDone(const grpc::Status& status) override {
    callbacks_.ended(status.ok() ? Error(Kind::kUnavailable, "client.unreachable", text("{} ended the stream", where_))
                                 : from_rpc(status, where_));
    const std::lock_guard lock(mutex_);
    gone_ = true;
    done_.notify_all();
  }

  // No more writes; the hold goes once none is under way.
  void close_locked(std::unique_lock<std::mutex>& lock) {
    closed_ = true;
    if (!writing_) release_locked(lock);
  }

  void release_locked(std::unique_lock<std::mutex>& lock) {
    if (std::exchange(released_, true)) return;
    lock.unlock();
    RemoveHold();
    lock.lock();
  }

  const std::string where_;
  const Callbacks callbacks_;
  std::unique_ptr<wire::Node::Stub> stub_;
  grpc::ClientContext context_;
  wire::SubmitStreamReply reply_;      // the reader's
  wire::SubmitStreamRequest sending_;  // the writer's

  std::mutex mutex_;  // for what follows
  std::condition_variable done_;
  std::deque<wire::SubmitStreamRequest> waiting_;
  std::size_t waiting_bytes_ = 0;  // of the last of them
  std::size_t open_ = 0;
  bool writing_ = false;
  bool closed_ = false, released_ = false, gone_ = false;
};

}  // namespace

Result<std::unique_ptr<SubmitStream>> SubmitStream::open(std::string_view address, Callbacks callbacks) {
  TRY(const Address parsed, parse_address(address));
  TRY_OK(probe(parsed));
  return std::make_unique<Stream>(parsed, std::move(callbacks));
}

}  // namespace hanse::client
