#include "node/api/submit_stream.h"

#include <mutex>

#include "base/core/text.h"
#include "base/telemetry/metrics.h"
#include "node/client/rpc_error.h"
#include "node/client/rpc_form.h"
#include "node/client/submit_stream.h"

#include <grpcpp/grpcpp.h>

namespace hanse::api {
namespace {

namespace wire = hanse::node::v1;

class Stream;

// What outlives the call: outcomes may come after it.
struct Desk {
  std::mutex mutex;
  Stream* stream = nullptr;       // nothing: over
  wire::SubmitStreamReply ready;  // outcomes that wait for a message
  std::size_t open = 0;           // transactions without an outcome
  bool writing = false, paused = false;
  bool read_all = false;            // the caller has no more
  std::optional<grpc::Status> end;  // how the call ends, once nothing is being written
  bool finished = false;
};

class Stream final : public grpc::ServerBidiReactor<wire::SubmitStreamRequest, wire::SubmitStreamReply> {
 public:
  Stream(Backend& backend, const Status& refused, std::shared_ptr<void> place)
      : backend_(backend), place_(std::move(place)), desk_(std::make_shared<Desk>()) {
    desk_->stream = this;
    if (refused) {
      StartRead(&request_);
    } else {
      end(client::to_rpc(refused.error()));
    }
  }

  static void answer(const std::shared_ptr<Desk>& desk, std::uint64_t number, const Result<client::Applied>& outcome) {
    std::unique_lock lock(desk->mutex);
    if (desk->stream == nullptr || desk->finished) return;
    client::put_outcome(*desk->ready.add_outcomes(), number, outcome);
    --desk->open;
    desk->stream->go_on(lock);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return change([](Desk& d) { d.read_all = true; });
    const auto count = static_cast<std::size_t>(request_.txs_size());
    if (count == 0 || count > client::kSubmitBatchMax)
      return end(
          client::to_rpc(Error(Kind::kInvalid, "api.bad_request",
                               text("found {} transactions, expected 1 to {}", count, client::kSubmitBatchMax))));
    static telemetry::Counter& calls =
        telemetry::registry().counter(telemetry::Metric::kApiRequests, {"submit_stream", "ok"});
    calls.add();
    take(count);
    change([](Desk& d) { d.paused = true; });
  }

  void take(std::size_t count) {
    std::vector<ledger::Tx> txs;
    std::vector<std::uint64_t> numbers;
    std::vector<std::pair<std::uint64_t, Error>> bad;
    for (const auto& one : request_.txs()) {
      if (auto tx = client::take_tx(one.tx())) {
        txs.push_back(*std::move(tx));
        numbers.push_back(one.number());
      } else {
        bad.emplace_back(one.number(), std::move(tx).error());
      }
    }
    {
      const std::lock_guard lock(desk_->mutex);
      desk_->open += count;
    }
    for (auto& [number, error] : bad) answer(desk_, number, std::unexpected(std::move(error)));
    backend_.submit_each(std::move(txs), [desk = desk_, numbers = std::move(numbers)](
                                             std::size_t place, const Result<client::Applied>& outcome) {
      answer(desk, numbers[place], outcome);
    });
  }

  void OnWriteDone(bool ok) override {
    change([ok](Desk& d) {
      d.writing = false;
      if (!ok && !d.end) d.end = grpc::Status::CANCELLED;
    });
  }

  void OnCancel() override { end(grpc::Status::CANCELLED); }

  void OnDone() override {
    {
      const std::lock_guard lock(desk_->mutex);
      desk_->stream = nullptr;
    }
    delete this;
  }

  void end(grpc::Status status) {
    change([&status](Desk& d) {
      if (!d.end) d.end = std::move(status);
    });
  }

  // Reads on, writes or finishes, whatever is possible now. The reactions that this leads to run on other threads, and
  // the last of them waits for the lock.
  void go_on(std::unique_lock<std::mutex>& lock) {
    Desk& d = *desk_;
    if (d.finished || d.writing) return;
    const bool all_said = d.read_all && d.open == 0 && d.ready.outcomes_size() == 0;
    if (d.end || all_said) {
      d.finished = true;
      const grpc::Status status = d.end.value_or(grpc::Status::OK);
      lock.unlock();
      return Finish(status);
    }
    if (d.paused && d.open < client::kStreamOpenMax) {
      d.paused = false;
      StartRead(&request_);
    }
    if (d.ready.outcomes_size() == 0) return;
    d.writing = true;
    reply_.Clear();
    reply_.Swap(&d.ready);
    StartWrite(&reply_);
  }

  // The desk stays until the lock is given up.
  template <class Change>
  void change(Change&& what) {
    const std::shared_ptr<Desk> desk = desk_;
    std::unique_lock lock(desk->mutex);
    what(*desk);
    go_on(lock);
  }

  Backend& backend_;
  const std::shared_ptr<void> place_;
  const std::shared_ptr<Desk> desk_;
  wire::SubmitStreamRequest request_;  // the reader's
  wire::SubmitStreamReply reply_;      // the writer's
};

}  // namespace

grpc::ServerBidiReactor<wire::SubmitStreamRequest, wire::SubmitStreamReply>* start_submit_stream(
    Backend& backend, const Status& refused, std::shared_ptr<void> place) {
  return new Stream(backend, refused, std::move(place));
}

}  // namespace hanse::api
