#include "chain/replica/inbox.h"

#include <algorithm>
#include <chrono>

namespace hanse::replica {

constexpr std::int64_t kSleepNsMax = 3'600'000'000'000;

bool is_bulk(std::uint8_t type) {
  using consensus::Type;
  return type == static_cast<std::uint8_t>(Type::kVertex) || type == static_cast<std::uint8_t>(Type::kSlot) ||
         type == static_cast<std::uint8_t>(Type::kProposal);
}

template <class Put>
void Inbox::put(Put put) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    put();
    wake = waiting_;
    waiting_ = false;
  }
  if (wake) wake_.notify_one();
}

void Inbox::frame(consensus::Index from, std::uint8_t type, consensus::Frame body) {
  put([&] {
    const bool bulk = is_bulk(type);
    Held& held = held_[bulk ? 1 : 0][from % consensus::kReplicasMax];
    if (held.frames >= kPeerFramesMax || held.bytes + body->size() > kPeerBytesMax) {
      ++dropped_;
      return;
    }
    held.frames += 1;
    held.bytes += body->size();
    (bulk ? mail_.bulk : mail_.votes).push_back({.from = from, .type = type, .body = std::move(body)});
  });
}

void Inbox::executed(Mail::Executed what) {
  put([&] { mail_.executed.push_back(what); });
}
void Inbox::attested(Mail::Attested what) {
  put([&] { mail_.attested.push_back(std::move(what)); });
}
void Inbox::up(consensus::Index peer) {
  put([&] {
    if (std::ranges::find(mail_.ups, peer) == mail_.ups.end()) mail_.ups.push_back(peer);
  });
}
void Inbox::durable(std::uint64_t token) {
  put([&] { mail_.durable = std::max(mail_.durable, token); });
}
void Inbox::compact() {
  put([&] { mail_.compact = true; });
}
void Inbox::kick() {
  put([&] { mail_.kicked = true; });
}
void Inbox::stop() {
  put([&] { mail_.stop = true; });
}

void Inbox::drain(Mail& out, std::int64_t until_ns) {
  out.votes.clear();
  out.bulk.clear();
  out.executed.clear();
  out.attested.clear();
  out.ups.clear();
  std::unique_lock lock(mutex_);
  if (mail_.empty()) {
    const std::int64_t wait_ns = std::min(until_ns - clock_.mono_ns(), kSleepNsMax);
    if (wait_ns > 0) {
      waiting_ = true;
      wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] { return !mail_.empty(); });
      waiting_ = false;
    }
  }
  std::swap(out, mail_);
  mail_.durable = 0;
  mail_.compact = mail_.kicked = false;
  mail_.stop = out.stop;
  held_ = {};
}

std::uint64_t Inbox::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace hanse::replica
