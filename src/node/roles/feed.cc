#include "node/roles/feed.h"

#include <chrono>

#include "base/core/thread_name.h"

namespace hanse::roles {
namespace {

constexpr std::size_t kPunishedMax = 256;  // events of one block that are told
constexpr std::int64_t kWaitMs =
    100;  // a view that changed without a block is told of so late, and a stop waits so long

}  // namespace

void FinalityClock::admitted(Height height, std::int64_t at_ns) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() == kTimedBlocksMax) entries_.pop_front();
  entries_.push_back({.height = height, .at_ns = at_ns});
}

std::vector<std::int64_t> FinalityClock::economic(Height height, std::int64_t now_ns) {
  std::vector<std::int64_t> out;
  const std::lock_guard lock(mutex_);
  for (; !entries_.empty() && entries_.front().height <= height; entries_.pop_front())
    out.push_back(now_ns - entries_.front().at_ns);
  return out;
}

Feed::Feed(const replica::Chain& chain, Tell tell)
    : chain_(chain),
      tell_(std::move(tell)),
      blocks_([this] { run_blocks(); }),
      certificates_([this] { run_certificates(); }) {}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  blocks_.join();
  certificates_.join();
}

// For when the chain halted or stopped: its waits return at once then.
bool Feed::pause() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(kWaitMs), [this] { return stopping_; });
  return !stopping_;
}

void Feed::run_blocks() {
  name_thread("feed-blocks");
  Height told = chain_.height();
  std::optional<consensus::View> view;
  for (;;) {
    const Height now = chain_.wait_above(told, kWaitMs);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    const consensus::Facts facts = chain_.facts();
    if (view != facts.view) {
      const std::lock_guard lock(telling_);
      if (view) tell_({.topic = News::Topic::kView, .header = {}, .view = facts.view, .leader = facts.leader});
      view = facts.view;
    }
    if (now <= told) {
      if (!chain_.health() && !pause()) return;
      continue;
    }
    const auto state = chain_.view();
    for (Height h = told.plus(1); state && h <= now; h = h.plus(1)) {
      tell_block(*state, h, facts);
    }
    told = now;
  }
}

void Feed::tell_block(const ledger::View& state, Height height, const consensus::Facts& facts) {
  const auto block = state.block(height);
  if (!block) return;
  const std::lock_guard lock(telling_);
  tell_({.topic = News::Topic::kBlockFast, .header = block->header, .view = facts.view, .leader = facts.leader});
  if (!chain_.genesis().apps.contains(reputation::kReputationApp)) return;
  const auto events = state.events({.height = height, .skip = 0}, "reputation.punished", kPunishedMax);
  if (!events) return;
  for (const ledger::LedgerEvent& e : *events) {
    if (e.height != height) return;
    auto punished = reputation::decode_punished(e.event.data);
    if (punished) tell_({.topic = News::Topic::kEvidence, .header = block->header, .punished = *std::move(punished)});
  }
}

void Feed::run_certificates() {
  name_thread("feed-certs");
  const auto first = chain_.certified(light::Grade::kEconomic);
  Height told = first ? first->header.height : Height{0};
  for (;;) {
    const auto reached = chain_.wait_certified(told.plus(1), kWaitMs, light::Grade::kEconomic);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    const auto newest = chain_.certified(light::Grade::kEconomic);
    if (!newest || newest->header.height <= told) {
      if (!reached && !chain_.health() && !pause()) return;
      continue;
    }
    told = newest->header.height;
    const std::lock_guard lock(telling_);
    tell_({.topic = News::Topic::kBlockEconomic, .header = newest->header, .power_bp = newest->power_bp});
  }
}

}  // namespace hanse::roles
