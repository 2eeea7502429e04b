// Overlay: what makes a mesh of nodes that only reach each other (mesh/reach) one network: records of peers (book.h),
// company from a cache (company.h), finding a peer by its id (finder.h, seeker.h) and an agent by its own (agents.h),
// and topics that messages are published under (topics.h). State machines beside Reach: the
// node hands over every event, pumps after each round, and asks when to be woken. Threads: one, that of Reach. Borrows
// reach and what the options borrow. Errors: those of the parts.
#pragma once

#include "node/overlay/agents.h"
#include "node/overlay/company.h"
#include "node/overlay/topics.h"

namespace hanse::overlay {

// What Reach's endpoint has to carry for it.
std::vector<transport::Protocol> protocols(const OverlayOptions& options);
std::uint64_t caps(const OverlayOptions& options);

class Overlay {
 public:
  static Result<std::unique_ptr<Overlay>> create(reach::Reach& reach, const OverlayOptions& options,
                                                 std::int64_t now_ns);

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;
  void stop(std::int64_t now_ns);  // saves, and says that our agent has left

  // Stays connected with it, wherever it is.
  Status want(const PeerId& peer, Places places, std::int64_t now_ns);
  const Book& book() const { return book_; }
  Agents& agents() { return *agents_; }
  Result<Topics*> topics();  // overlay.no_gossip (unsupported)
  FinderCounts finder() const { return finder_.counts(); }

 private:
  Overlay(reach::Reach& reach, const OverlayOptions& options, Book book);
  PeerId self_;
  Random& random_;
  Book book_;
  Holds holds_;
  Company company_;
  Finder finder_;
  Seeker seeker_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Topics> topics_;  // null: switched off
};

}  // namespace hanse::overlay
