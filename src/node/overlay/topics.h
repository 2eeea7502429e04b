// Topics: gossip (mesh/gossip) over Reach: messages that are published under a topic reach every subscriber of the
// network once. Frames of the protocols 0x10 membership, 0x11 gossip and 0x12 reconcile; a frame's type is its first
// byte. It joins through connected peers that say kGossipCap in HELLO, dials whom the membership names, and holds the
// connections of its neighbours. Keys of publishers come from the book: asked of who sent the message, then of others.
//   topic id  BLAKE3("hanse/gossip-topic/1", name)
// Own sequence numbers are above all that were ever used: DIR/gossip.seq, or the clock without a folder.
// Back-pressure: a frame counts as sent when the endpoint takes it; after transport.full the rest waits for room.
// Threads: one. Limits: kTopicNameMax bytes of a name, kSubscribersMax subscribers, kWantedKeysMax keys asked for at
// once, those of gossip.h and of Seeker. Errors: overlay.topic (invalid: an empty or too long name), overlay.limit
// (exhausted: subscribers), overlay.no_gossip (unsupported: it is switched off), gossip.payload, gossip.subscriptions,
// those of Sequence.
#pragma once

#include "mesh/gossip/gossip.h"
#include "node/overlay/seeker.h"

namespace hanse::overlay {

constexpr std::size_t kTopicNameMax = 128, kSubscribersMax = 64, kWantedKeysMax = 64;

struct Delivery {
  std::string topic;
  PeerId origin;
  std::uint64_t seq = 0;
  std::int64_t published_ms = 0;  // by the publisher's clock
  Bytes payload;
};
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void take(const Delivery& message) = 0;
};

struct TopicCounts {
  std::size_t neighbours = 0, passive = 0;
  gossip::Counters gossip;
  std::uint64_t delivered = 0;
};

class Topics {
 public:
  struct Parts {
    reach::Reach* reach = nullptr;
    Seeker* seeker = nullptr;
    Holds* holds = nullptr;
    Book* book = nullptr;
    Random* random = nullptr;
  };
  static Result<std::unique_ptr<Topics>> open(const Parts& parts, const OverlayOptions& options, std::int64_t now_ns);

  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);
  std::int64_t next_ns() const;
  void learned(const PeerId& peer, std::int64_t now_ns);  // its key may be known now

  Status subscribe(std::string_view topic, std::weak_ptr<Listener> listener);  // as long as there is one
  Result<std::uint64_t> publish(std::string_view topic, ByteView payload, std::int64_t now_ns);  // its sequence number
  TopicCounts counts() const;
  std::int64_t score(const PeerId& peer, std::int64_t now_ns) const { return node_->score(now(now_ns), peer); }

 private:
  struct Peer {
    std::uint64_t group = 0;
    bool greeted = false, gossips = false;
  };
  struct Line {  // frames for one peer
    std::deque<gossip::SendFrame> frames;
    std::int64_t until_ns = 0;  // to be connected
    bool full = false;
  };
  struct WantedKey {
    PeerId from;
    std::int64_t ask_ns = 0;
    unsigned asks = 0;
  };
  Topics(const Parts& parts, const OverlayOptions& options, Sequence sequence);

  gossip::Now now(std::int64_t now_ns) const { return {.mono_ns = now_ns, .wall_ms = parts_.book->wall_ms()}; }
  void apply(gossip::Effects effects, const PeerId& from, std::int64_t now_ns);
  void flush(std::int64_t now_ns);
  bool flush(const PeerId& peer, Line& line, std::int64_t now_ns);
  void give_up(const PeerId& peer, std::int64_t now_ns);
  void let_go(const PeerId& peer);
  void deliver(const gossip::Held& held);
  void forget_gone();
  void want_key(const PeerId& origin, const PeerId& from, std::int64_t now_ns);
  void ask_keys(std::int64_t now_ns);
  void join(std::int64_t now_ns);

  Parts parts_;
  gossip::MlDsaKeys keys_;
  Sequence sequence_;
  std::unique_ptr<gossip::Node> node_;
  std::uint64_t first_seq_ = 0;
  std::map<PeerId, Peer> peers_;  // connected
  std::map<PeerId, Line> lines_;
  std::set<PeerId> ready_;               // whose line may have something to send
  std::map<PeerId, std::int64_t> held_;  // connections held, and until when if they are no neighbours
  std::map<PeerId, WantedKey> wanted_keys_;
  struct Subscriber {
    std::string topic;
    gossip::TopicId id;
    std::weak_ptr<Listener> listener;
  };
  std::vector<Subscriber> subscribers_;
  std::uint64_t delivered_ = 0;
  std::int64_t join_ns_ = 0, look_ns_ = 0;
};

}  // namespace hanse::overlay
