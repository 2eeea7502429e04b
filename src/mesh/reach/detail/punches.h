// Attempts to open direct paths to peers that are reached through a circuit (mesh/nat/punch.h): when, how often, on
// which sockets. The dialer of the connection is the initiator. Private to this room.
// A series is at most kTries attempts in kSeriesNs; after one that failed the next begins kRestMinNs to kRestMaxNs
// later. NATs that need many sockets are worked on within PunchBudget. Sockets are opened and closed in on_deadline().
// Threads: one. Limits: kWorksMax attempts at once; an offer past it is not answered, which its sender takes for a
// failure.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "mesh/nat/punch.h"
#include "mesh/reach/detail/wire.h"
#include "mesh/reach/reach.h"

namespace hanse::reach::detail {

constexpr std::size_t kWorksMax = 16;
constexpr int kTries = 3;
constexpr std::int64_t kSeriesNs = 10 * kSecondNs;
constexpr std::int64_t kRestMinNs = 5 * kSecondNs, kRestMaxNs = 60 * kSecondNs;
constexpr std::int64_t kAnswersNs = 3 * kSecondNs;  // a path that is found is still answered on

// What Punches asks of its owner, at once.
struct PunchHost {
  const Ports* ports = nullptr;
  std::function<std::optional<nat::ProbeKey>(const PeerId&)> key;  // of the connection with the peer
  // Our NAT and our places, of one attempt; `next` is where a counting NAT stands.
  std::function<nat::PunchOffer(const std::optional<nat::Endpoint>& next, std::int64_t now_ns)> offer;
  std::function<bool()> counts;                // a fresh measure is wanted before each offer
  std::function<void(const PeerId&)> measure;  // answer with measured()
  std::function<bool()> ready;                 // our NAT is known, or will not be
};

class Punches {
 public:
  Punches(PeerId self, PunchHost host, Random& random) : self_(self), host_(std::move(host)), random_(random) {}

  void want(const PeerId& peer, std::int64_t now_ns);  // a series, now or when the last one's rest is over
  void drop(const PeerId& peer);                       // it is reached directly, or not at all
  void hurry(std::int64_t now_ns);                     // the uplink has changed: nothing rests any longer
  void offered(const PeerId& from, ByteView punch, std::int64_t now_ns);
  void synced(const PeerId& from, ByteView sync, std::int64_t now_ns);
  void measured(const PeerId& peer, const std::optional<nat::Endpoint>& next, std::int64_t now_ns);
  void receive(std::uint16_t port, const nat::Endpoint& from, ByteView probe, std::int64_t now_ns);
  void on_deadline(std::int64_t now_ns);
  std::int64_t next_ns() const;

  struct Found {
    PeerId peer;
    bool initiator = false;
    std::uint16_t port = 0;  // 0: our own socket
    Address remote;
  };
  std::vector<Found> take_found() { return std::exchange(found_, {}); }
  void release(std::uint16_t port) { closing_.push_back(port); }  // a found one that is not used any more
  std::string_view plan_with(const PeerId& peer) const;           // of the last attempt, "" before one
  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t failed() const { return failed_; }
  RawOut out;
  Letters letters;

 private:
  struct Work {
    std::unique_ptr<nat::PunchSession> session;
    std::vector<std::uint16_t> ports;  // of sockets 1, 2, ...
    bool opened = false, told = false, budgeted = false;
    bool wants_ports() const { return session->fresh_sockets() > 0 && !opened && !told; }
    std::int64_t end_ns = kNever;  // of answering
  };
  struct Series {
    std::int64_t begin_ns = kNever;  // the next attempt; initiator
    std::int64_t first_ns = 0, rest_ns = kRestMinNs;
    int tries = 0;
    bool measuring = false;
    bool over = false;                // dropped; otherwise its plan is remembered
    Bytes offer;                      // of the initiator, which waits until we know our NAT, and for our measure
    std::int64_t answer_ns = kNever;  // when to look whether we know it
    std::optional<Work> work;
    std::string_view plan;
  };
  void begin(const PeerId& peer, Series& series, const std::optional<nat::Endpoint>& next, std::int64_t now_ns);
  void answer(const PeerId& peer, Series& series, const std::optional<nat::Endpoint>& next, std::int64_t now_ns);
  void consider(const PeerId& peer, Series& series, std::int64_t now_ns);
  bool set_up(const PeerId& peer, Series& series, bool initiator, nat::PunchOffer offer);
  void say(const PeerId& to, const std::vector<Bytes>& control);
  void post(const Work& work, nat::Outbox& box);
  void look(const PeerId& peer, Series& series, std::int64_t now_ns);
  void end(Series& series, std::uint16_t keep);
  std::size_t works() const;

  PeerId self_;
  PunchHost host_;
  Random& random_;
  std::map<PeerId, Series> series_;
  nat::PunchBudget budget_;
  std::vector<Found> found_;
  std::vector<std::uint16_t> closing_;
  std::uint64_t succeeded_ = 0, failed_ = 0;
};

}  // namespace hanse::reach::detail
