#include "chain/replica/syncer.h"

#include <algorithm>
#include <chrono>

#include "base/core/text.h"

namespace hanse::replica {
namespace {

constexpr std::int64_t kSleepNsMax = 3'600'000'000'000;

}  // namespace

Syncer::Syncer(ledger::Ledger& ledger, Net& net, Clock& clock, sync::Config config, Callbacks callbacks)
    : ledger_(ledger),
      net_(net),
      clock_(clock),
      callbacks_(std::move(callbacks)),
      core_(std::move(config)),
      thread_([this] { run(); }) {}

Syncer::~Syncer() { stop(); }

void Syncer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<bool> Syncer::begun(ledger::Ledger& ledger) {
  TRY(const auto name, ledger::Installer(ledger).begun());
  return name.has_value();
}

void Syncer::begin(Height own, const Hash32& block) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_front(sync::Start{.height = own, .block = block});
  }
  wake_.notify_one();
}

void Syncer::received(consensus::Index from, consensus::Frame answer) {
  {
    const std::lock_guard lock(mutex_);
    if (!stats_.active || queue_.size() >= kAnswersMax || queue_bytes_ + answer->size() > kAnswersBytesMax) return;
    queue_bytes_ += answer->size();
    queue_.push_back(sync::Received{.from = from, .body = std::move(answer)});
  }
  wake_.notify_one();
}

sync::Stats Syncer::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Syncer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::int64_t wait_ns = std::min(core_.wake_ns() - clock_.mono_ns(), kSleepNsMax);
    if (wait_ns > 0 && unreachable_.empty())
      wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    sync::Event event = sync::Tick{};
    if (!unreachable_.empty()) {
      event = sync::Unreachable{unreachable_.back()};
      unreachable_.pop_back();
    } else if (!queue_.empty()) {
      event = std::move(queue_.front());
      queue_.pop_front();
      if (const auto* got = std::get_if<sync::Received>(&event)) queue_bytes_ -= got->body->size();
    }
    if (std::holds_alternative<sync::Start>(event)) stats_.active = true;  // before the first answer can come
    lock.unlock();
    const auto done = [&]() -> Status {
      if (auto* start = std::get_if<sync::Start>(&event)) {
        const ledger::Installer installer(ledger_);
        TRY(auto name, installer.begun());
        if (name) {
          TRY(auto marks, installer.marks());
          start->resume = sync::Start::Resume{.name = *std::move(name), .marks = std::move(marks)};
        }
      }
      return carry_out(core_.step(clock_.mono_ns(), std::move(event)));
    }();
    if (!done) return callbacks_.failed(done.error());
    lock.lock();
    stats_ = core_.stats();
  }
}

Status Syncer::carry_out(sync::StoreRange& range) {
  return ledger::Installer(ledger_).put(range.proof.pairs, range.nodes, {range.mark.key, range.mark.value});
}

Status Syncer::carry_out(sync::StorePast& past) {
  std::vector<ledger::Block> blocks;
  blocks.reserve(past.blocks.size());
  for (sync::PastBlock& block : past.blocks)
    blocks.push_back({.header = std::move(block.header),
                      .tx_ids = std::move(block.tx_ids),
                      .result_hashes = std::move(block.result_hashes)});
  return ledger::Installer(ledger_).put(blocks, {past.mark.key, past.mark.value});
}

Status Syncer::carry_out(sync::Effects effects) {
  ledger::Installer installer(ledger_);
  for (sync::Effect& effect : effects) {
    if (auto* send = std::get_if<sync::Send>(&effect)) {
      const auto sent =
          net_.send(send->to, consensus::kSyncQuestion, std::make_shared<const Bytes>(std::move(send->body)));
      if (sent == Net::Sent::kDown && std::ranges::find(unreachable_, send->to) == unreachable_.end())
        unreachable_.push_back(send->to);
    } else if (auto* begin = std::get_if<sync::Begin>(&effect)) {
      TRY_OK(installer.begin(begin->name));
    } else if (auto* range = std::get_if<sync::StoreRange>(&effect)) {
      TRY_OK(carry_out(*range));
    } else if (auto* past = std::get_if<sync::StorePast>(&effect)) {
      TRY_OK(carry_out(*past));
    } else if (auto* complete = std::get_if<sync::Complete>(&effect)) {
      callbacks_.complete(std::move(complete->head));
    } else if (std::holds_alternative<sync::GaveUp>(effect)) {
      TRY_OK(installer.abandon());
      callbacks_.gave_up();
    } else if (const auto* contradiction = std::get_if<sync::Contradiction>(&effect)) {
      return fail(Kind::kInternal, "replica.contradicted", contradiction->why);
    }
  }
  return {};
}

}  // namespace hanse::replica
