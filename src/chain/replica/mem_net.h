// Networks inside one process, for tests and benchmarks: frames go straight into the receiver's inbox, or are lost
// where a link is cut or an end is gone. Not for programs.
#pragma once

#include <memory>
#include <set>
#include <shared_mutex>
#include <vector>

#include "chain/replica/net.h"

namespace hanse::replica {

class MemHub : public std::enable_shared_from_this<MemHub> {
 public:
  explicit MemHub(std::size_t count) : ends_(count) {}

  std::unique_ptr<Net> end(consensus::Index self) { return std::make_unique<End>(shared_from_this(), self); }

  // As a second process with the replica's key would make itself known to it.
  void twin(consensus::Index index) {
    const std::shared_lock lock(mutex_);
    if (ends_[index].twin) ends_[index].twin(index);
  }
  // Cuts a replica off from all others, or joins it again.
  void cut(consensus::Index index) {
    const std::unique_lock lock(mutex_);
    cut_.insert(index);
  }
  void join(consensus::Index index) {
    {
      const std::unique_lock lock(mutex_);
      cut_.erase(index);
    }
    greet(index);
  }

 private:
  class End final : public Net {
   public:
    End(std::shared_ptr<MemHub> hub, consensus::Index self) : hub_(std::move(hub)), self_(self) {}
    ~End() override { stop(); }
    Status start(Events events) override {
      {
        const std::unique_lock lock(hub_->mutex_);
        hub_->ends_[self_] = std::move(events);
      }
      hub_->greet(self_);
      return {};
    }
    Sent send(consensus::Index to, consensus::Type type, const consensus::Frame& body) override {
      const std::shared_lock lock(hub_->mutex_);
      const auto one = [&](std::size_t peer) {
        if (peer == self_ || !hub_->linked(self_, peer)) return Sent::kDown;
        hub_->ends_[peer].frame(self_, static_cast<std::uint8_t>(type), body);
        return Sent::kYes;
      };
      if (to != consensus::kEveryone) return one(to);
      for (std::size_t peer = 0; peer < hub_->ends_.size(); ++peer) one(peer);
      return Sent::kYes;
    }
    void stop() override {
      const std::unique_lock lock(hub_->mutex_);
      hub_->ends_[self_] = {};
    }

    Peer peer(consensus::Index index) const override {
      const std::shared_lock lock(hub_->mutex_);
      return {.up = index != self_ && hub_->linked(self_, index)};
    }
    std::uint16_t port() const override { return 0; }
    Status set_address(consensus::Index, std::string_view) override { return {}; }

   private:
    std::shared_ptr<MemHub> hub_;
    consensus::Index self_;
  };

  bool linked(std::size_t a, std::size_t b) const {
    return ends_[a].frame && ends_[b].frame && !cut_.contains(static_cast<consensus::Index>(a)) &&
           !cut_.contains(static_cast<consensus::Index>(b));
  }
  void greet(consensus::Index index) {
    const std::shared_lock lock(mutex_);
    for (std::size_t peer = 0; peer < ends_.size(); ++peer) {
      if (peer == index || !linked(index, peer)) continue;
      ends_[peer].up(index);
      ends_[index].up(static_cast<consensus::Index>(peer));
    }
  }

  std::shared_mutex mutex_;
  std::vector<Net::Events> ends_;  // empty functions: not there
  std::set<consensus::Index> cut_;
};

}  // namespace hanse::replica
