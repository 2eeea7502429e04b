// Seeker: stays with wanted peers wherever they are. Where a wanted peer is comes from who wants it, the book and the
// finder, joined; while it is not connected it is looked for, kSeekNs apart and twice as far each time, and dialed at
// whatever is new. The relays that its record names are sought too, once: not through relays of theirs.
// Threads: one. Limits: kSoughtMax peers sought at a time. Errors: overlay.limit (exhausted), those of Reach::want.
#pragma once

#include "node/overlay/finder.h"

namespace hanse::overlay {

constexpr std::size_t kSoughtMax = 256;
constexpr std::int64_t kSeekNs = 2 * kSecondNs, kSeekNsMax = 600 * kSecondNs;

class Seeker {
 public:
  Seeker(reach::Reach& reach, Holds& holds, Book& book, Finder& finder)
      : reach_(reach), holds_(holds), book_(book), finder_(finder) {}

  Status want(const PeerId& peer, Hold why, Places given, std::int64_t now_ns);
  void drop(const PeerId& peer, Hold why);
  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void learned() { look_ns_ = sought_.empty() ? look_ns_ : 0; }  // something new of somebody
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;

 private:
  struct Sought {
    Places given = {}, dialed = {};
    std::int64_t seek_ns = 0, wait_ns = kSeekNs;
  };
  Places joined(const PeerId& peer, const Places& given) const;
  void improve(const PeerId& peer, Sought& sought, std::int64_t now_ns);
  void reach_relay(const PeerId& relay, std::int64_t now_ns);
  void leave_relays();

  reach::Reach& reach_;
  Holds& holds_;
  Book& book_;
  Finder& finder_;
  std::map<PeerId, Sought> sought_;
  std::set<PeerId> relays_;  // held
  std::int64_t look_ns_ = 0;
};

}  // namespace hanse::overlay
