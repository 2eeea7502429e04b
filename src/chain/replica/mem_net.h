// Networks inside one process, for tests and benchmarks: frames go to the receiver's thread, or are lost where a link
// is cut or an end is gone. Not for programs.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "chain/replica/net.h"

namespace hanse::replica {

class MemHub : public std::enable_shared_from_this<MemHub> {
 public:
  explicit MemHub(std::size_t count) : ends_(count) {}

  std::unique_ptr<Net> end(PeerNumber self) { return std::make_unique<End>(shared_from_this(), self); }

  // As a second process with the replica's key would make itself known to it.
  void twin(PeerNumber index) {
    const std::shared_lock lock(mutex_);
    if (ends_[index] != nullptr) ends_[index]->take([index](const Net::Events& e) { e.twin(index); });
  }
  // A frame that `from` never sent of its own accord, as a liar with its key would.
  void forge(consensus::Index from, consensus::Index to, consensus::Type type, const Bytes& body) {
    const std::shared_lock lock(mutex_);
    if (!linked(from, to)) return;
    ends_[to]->take([from, type, frame = std::make_shared<const Bytes>(body)](const Net::Events& e) {
      e.frame(from, static_cast<std::uint8_t>(type), frame);
    });
  }
  // Cuts a replica off from all others, or joins it again.
  void cut(PeerNumber index) {
    const std::unique_lock lock(mutex_);
    cut_.insert(index);
  }
  void join(PeerNumber index) {
    {
      const std::unique_lock lock(mutex_);
      cut_.erase(index);
    }
    greet(index);
  }

 private:
  class End final : public Net {
   public:
    End(std::shared_ptr<MemHub> hub, PeerNumber self) : hub_(std::move(hub)), self_(self) {}
    ~End() override { stop(); }
    Status start(Events events) override {
      events_ = std::move(events);
      thread_ = std::thread([this] { run(); });
      {
        const std::unique_lock lock(hub_->mutex_);
        hub_->ends_[self_] = this;
      }
      hub_->greet(self_);
      return {};
    }
    Sent send(PeerNumber to, consensus::Type type, const consensus::Frame& body) override {
      const std::shared_lock lock(hub_->mutex_);
      const auto one = [&](std::size_t peer) {
        if (peer == self_ || !hub_->linked(self_, peer)) return Sent::kDown;
        hub_->ends_[peer]->take(
            [from = self_, type, body](const Events& e) { e.frame(from, static_cast<std::uint8_t>(type), body); });
        return Sent::kYes;
      };
      if (to != kNobody) return one(to);
      for (std::size_t peer = 0; peer < hub_->ends_.size(); ++peer) one(peer);
      return Sent::kYes;
    }
    void stop() override {
      {
        const std::unique_lock lock(hub_->mutex_);
        hub_->ends_[self_] = nullptr;
      }
      {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
      }
      wake_.notify_one();
      if (thread_.joinable()) thread_.join();
    }

    Peer peer(PeerNumber index) const override {
      const std::shared_lock lock(hub_->mutex_);
      return {.up = index != self_ && hub_->linked(self_, index)};
    }
    std::uint16_t port() const override { return 0; }
    Status set_address(PeerNumber, std::string_view) override { return {}; }

    void take(std::function<void(const Events& events)> what) {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(what));
      wake_.notify_one();
    }

   private:
    void run() {
      std::unique_lock lock(mutex_);
      for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        decltype(queue_) taken;
        taken.swap(queue_);
        lock.unlock();
        for (const auto& what : taken) what(events_);
        events_.read();
        lock.lock();
      }
    }

    std::shared_ptr<MemHub> hub_;
    PeerNumber self_;
    Events events_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::function<void(const Events& events)>> queue_;
    bool stopping_ = false;
    std::thread thread_;
  };

  bool linked(std::size_t a, std::size_t b) const {
    return ends_[a] != nullptr && ends_[b] != nullptr && !cut_.contains(static_cast<PeerNumber>(a)) &&
           !cut_.contains(static_cast<PeerNumber>(b));
  }
  void greet(PeerNumber index) {
    const std::shared_lock lock(mutex_);
    for (std::size_t peer = 0; peer < ends_.size(); ++peer) {
      if (peer == index || !linked(index, peer)) continue;
      const auto other = static_cast<PeerNumber>(peer);
      ends_[peer]->take([index](const Net::Events& e) { e.up(index); });
      ends_[index]->take([other](const Net::Events& e) { e.up(other); });
    }
  }

  std::shared_mutex mutex_;
  std::vector<End*> ends_;  // null: not there
  std::set<PeerNumber> cut_;
};

}  // namespace hanse::replica
