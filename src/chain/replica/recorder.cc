#include "chain/replica/recorder.h"

#include <chrono>
#include <utility>

#include "base/core/thread_name.h"

namespace hanse::replica {

Recorder::Recorder(journal::Journal& journal, Clock& clock, Callbacks callbacks)
    : journal_(journal),
      clock_(clock),
      callbacks_(std::move(callbacks)),
      base_(journal.last_seq()),
      durable_seq_(journal.durable_seq()),
      thread_([this] { run(); }) {}

Recorder::~Recorder() { stop(); }

void Recorder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Recorder::record(std::vector<consensus::Record> records) {
  const std::int64_t now_ns = clock_.mono_ns();
  bool sooner = false;
  {
    const std::lock_guard lock(mutex_);
    for (const consensus::Record& record : records) {
      sooner = sooner || now_ns + record.patience_ns < due_ns_;
      due_ns_ = std::min(due_ns_, now_ns + record.patience_ns);
    }
    if (waiting_.empty()) {
      waiting_ = std::move(records);
    } else {
      waiting_.insert(waiting_.end(), std::make_move_iterator(records.begin()), std::make_move_iterator(records.end()));
    }
  }
  if (sooner) wake_.notify_one();
}

void Recorder::release(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  release_ = std::max(release_, token);
}

Status Recorder::write(const std::vector<consensus::Record>& group) {
  for (const consensus::Record& record : group) {
    TRY_OK(journal_.append(static_cast<std::uint8_t>(record.type), *record.payload));
    bytes_ += record.payload->size();
    since_compact_ += since_compact_ == ~std::uint64_t{0} ? 0 : record.payload->size();
  }
  records_ += group.size();
  const std::int64_t before = clock_.mono_ns();
  TRY_OK(journal_.sync());
  sync_ns_last_ = clock_.mono_ns() - before;
  ++syncs_;
  return {};
}

void Recorder::run() {
  name_thread("recorder");
  std::vector<consensus::Record> group;
  std::unique_lock lock(mutex_);
  for (;;) {
    for (std::int64_t left_ns = 0; !stopping_ && (left_ns = due_ns_ - clock_.mono_ns()) > 0;) {
      if (due_ns_ == kNever) {
        wake_.wait(lock);
      } else {
        wake_.wait_for(lock, std::chrono::nanoseconds(left_ns));
      }
    }
    if (waiting_.empty()) return;  // stopping
    group.clear();
    group.swap(waiting_);
    due_ns_ = kNever;
    if (release_ > 0) journal_.release(base_ + std::exchange(release_, 0));
    lock.unlock();
    if (const Status written = write(group); !written) return callbacks_.failed(written.error());
    durable_seq_ = journal_.durable_seq();
    callbacks_.durable(journal_.durable_seq() - base_);
    const auto capacity = static_cast<std::uint64_t>(journal_.record_bytes_max());  // a segment, about
    if (journal_.used_share() > kCompactShare && since_compact_ >= capacity / 2) {
      since_compact_ = 0;
      callbacks_.filling();
    }
    lock.lock();
  }
}

}  // namespace hanse::replica
