// What this node knows of the NAT before it: asks the reflectors among its peers (mesh/nat), on its own socket and on
// fresh ones. Private to this room.
// A survey begins kGatherNs after the first reflector is known, so that a second one may be asked too, and again when
// the uplink changes or the result is old. Sockets are opened and closed in on_deadline() alone.
// Threads: one. Errors: none; without an answer the class says so.
#pragma once

#include <utility>

#include "mesh/nat/classify.h"
#include "mesh/nat/observe.h"
#include "mesh/reach/detail/wire.h"
#include "mesh/reach/reach.h"

namespace hanse::reach::detail {

constexpr std::int64_t kGatherNs = 300 * kMs;
constexpr std::size_t kReflectorsMax = 8, kMeasuresMax = 16;

class Survey {
 public:
  Survey(const Ports& ports, Random& random) : ports_(ports), random_(random) {}

  void reflector(const nat::Endpoint& reflector, std::int64_t now_ns);
  void uplink(std::vector<Address> local, std::uint16_t own_port, std::int64_t now_ns);
  void observed(const nat::Observation& observation, std::int64_t now_ns) { observed_.add(observation, now_ns); }
  void mapped(const std::optional<nat::Endpoint>& outside) { mapped_ = outside; }  // by the router's leave
  // Where a counting NAT stands now: asks from a fresh socket; the answer comes in measured().
  void measure(const PeerId& whom_for);
  struct Measured {
    PeerId whom_for;
    std::optional<nat::Endpoint> next;
  };
  std::vector<Measured> take_measured() { return std::exchange(measured_, {}); }

  bool receive(std::uint16_t port, const nat::Endpoint& from, ByteView datagram, std::int64_t now_ns);
  void on_deadline(std::int64_t now_ns);
  std::int64_t next_ns() const;

  const std::optional<nat::NatClass>& result() const { return result_; }
  bool working() const { return begin_ns_ != kNever || classifier_ != nullptr; }
  // Places where others may try to reach our own socket, the likeliest first.
  std::vector<nat::Endpoint> candidates(std::int64_t now_ns);
  RawOut out;

 private:
  struct Measure {
    PeerId whom_for;
    std::uint16_t port = 0;  // 0: not begun
    std::unique_ptr<nat::StunClient> client;
  };
  void abandon();
  void begin(std::int64_t now_ns);
  void finish(std::int64_t now_ns);
  void post(nat::Outbox& box);
  nat::Endpoint local_of(std::uint16_t port) const;

  const Ports& ports_;
  Random& random_;
  std::vector<Address> local_;
  std::uint16_t own_port_ = 0;
  std::vector<nat::Endpoint> reflectors_;
  nat::ObservedAddresses observed_;
  std::int64_t begin_ns_ = kNever, again_ns_ = kNever;
  std::unique_ptr<nat::Classifier> classifier_;
  std::vector<std::uint16_t> sockets_;  // of the classifier; 0 is our own
  std::vector<std::uint16_t> spent_;    // to be closed
  std::optional<nat::NatClass> result_;
  std::optional<nat::Endpoint> mapped_;
  std::vector<Measure> measures_;
  std::vector<Measured> measured_;
};

}  // namespace hanse::reach::detail
