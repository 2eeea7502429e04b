#include "chain/replica/inbox.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/core/thread_name.h"

namespace hanse::replica {

constexpr std::int64_t kSleepNsMax = 3'600'000'000'000;
constexpr std::int64_t kForeverNs = std::numeric_limits<std::int64_t>::max();

bool is_bulk(std::uint8_t type) {
  using consensus::Type;
  return type == static_cast<std::uint8_t>(Type::kVertex) || type == static_cast<std::uint8_t>(Type::kSlot) ||
         type == static_cast<std::uint8_t>(Type::kProposal);
}

void Mail::clear() {
  votes.clear();
  bulk.clear();
  executed.clear();
  attested.clear();
  stated.clear();
  checked.clear();
  ups.clear();
  installed.reset();
  next_epoch.reset();
  durable = 0;
  compact = kicked = sync_over = false;
}

template <class Put>
void Inbox::put(Put put) {
  std::unique_lock lock(mutex_);
  put();
  work(lock);
}

void Inbox::frame(PeerNumber from, std::uint8_t type, consensus::Frame body) {
  const bool bulk = is_bulk(type);
  const std::lock_guard lock(mutex_);
  Held& held = held_[bulk ? 1 : 0][from % kPeerBins];
  if (held.frames >= kPeerFramesMax || held.bytes + body->size() > kPeerBytesMax) {
    ++dropped_;
    return;
  }
  held.frames += 1;
  held.bytes += body->size();
  (bulk ? mail_.bulk : mail_.votes).push_back({.from = from, .type = type, .body = std::move(body)});
}

void Inbox::executed(consensus::Reached what) {
  put([&] { mail_.executed.push_back(what); });
}
void Inbox::attested(Mail::Attested what) {
  put([&] { mail_.attested.push_back(std::move(what)); });
}
void Inbox::stated(consensus::Statement what) {
  put([&] { mail_.stated.push_back(std::move(what)); });
}
void Inbox::checked(Mail::Checked what) {
  put([&] { mail_.checked.push_back(std::move(what)); });
}
void Inbox::up(PeerNumber peer) {
  put([&] {
    if (std::ranges::find(mail_.ups, peer) == mail_.ups.end()) mail_.ups.push_back(peer);
  });
}
void Inbox::installed(consensus::Installed what) {
  put([&] { mail_.installed = std::move(what); });
}
void Inbox::sync_over() {
  put([&] { mail_.sync_over = true; });
}
void Inbox::durable(std::uint64_t token) {
  put([&] { mail_.durable = std::max(mail_.durable, token); });
}
void Inbox::compact() {
  put([&] { mail_.compact = true; });
}
void Inbox::next_epoch(NextEpoch next) {
  put([&] { mail_.next_epoch = std::move(next); });
}
void Inbox::kick() {
  put([&] { mail_.kicked = true; });
}

void Inbox::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_one();
}

void Inbox::work() {
  std::unique_lock lock(mutex_);
  work(lock);
}

void Inbox::work(std::unique_lock<std::mutex>& lock) {
  if (working_) return;  // the worker looks once more before it ends
  working_ = true;
  for (int n = 0; n < kTurnsInARow && !mail_.empty() && !stopped_; ++n) take_turn(lock);
  end_work();
}

// `working_` keeps everybody else out while the lock is given up.
void Inbox::take_turn(std::unique_lock<std::mutex>& lock) {
  taken_.clear();
  std::swap(taken_, mail_);
  held_ = {};
  lock.unlock();
  const std::int64_t due_ns = turn_(taken_);
  lock.lock();
  due_ns_ = due_ns;
}

void Inbox::end_work() {
  working_ = false;
  if (asleep_ns_ > 0 && (stopped_ || !mail_.empty() || due_ns_ < asleep_ns_)) wake_.notify_one();
}

void Inbox::run() {
  name_thread("turns");
  std::unique_lock lock(mutex_);
  working_ = false;
  for (;;) {
    const std::int64_t now_ns = clock_.mono_ns();
    if (working_) {
      asleep_ns_ = kForeverNs;
      wake_.wait(lock);
    } else if (stopped_) {
      return;
    } else if (!mail_.empty() || due_ns_ <= now_ns) {
      working_ = true;
      take_turn(lock);
      end_work();
    } else {
      asleep_ns_ = due_ns_;
      wake_.wait_for(lock, std::chrono::nanoseconds(std::min(due_ns_ - now_ns, kSleepNsMax)));
    }
    asleep_ns_ = 0;
  }
}

std::uint64_t Inbox::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace hanse::replica
