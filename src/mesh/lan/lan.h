// Who else runs Hanse on this network: multicast DNS (RFC 6762) with service discovery (RFC 6763), as a pure core.
//
// A node is the service "<alias>._hanse._udp.local": alias = 16 letters drawn anew at each start, so that the name
// alone tells nobody who was here before; TXT "v=1", "id=<base32 of the peer id>", "net=<hex of the network id's first
// 4 bytes>"; SRV with the port of QUIC; A and AAAA of the interface it is heard on. responder.h says how that is
// claimed and answered for, cache.h how others are found. Only datagrams of our networks are looked at: IP TTL 255,
// which no router lets through, and a source within a subnet of the interface (or fe80::/10). What is found is a hint:
// anybody there can say anything, and who a peer is shows TLS. Time, randomness and datagrams are arguments:
// nanoseconds of a monotonic clock; what is to be sent comes back in Outbox, all to port 5353 of a group or to one
// asker, to be sent with TTL 255. Limits: kInterfacesMax interfaces with kAddressesMax addresses each, the others are
// left out; dns.h, responder.h and cache.h have theirs. Threads: one. Borrows random. Errors: none; what is refused is
// counted. Refuses to: open sockets, read a clock, dial, publish other services, resolve names for others.
#pragma once

#include <memory>
#include <span>

#include "mesh/lan/cache.h"
#include "mesh/lan/responder.h"

namespace hanse::lan {

constexpr std::size_t kInterfacesMax = 16;

struct Subnet {
  Bytes ip;  // our address, 4 or 16 bytes
  unsigned bits = 0;
  friend bool operator==(const Subnet&, const Subnet&) = default;
};

struct Interface {
  std::uint32_t index = 0;  // the system's
  std::vector<Subnet> subnets;
  friend bool operator==(const Interface&, const Interface&) = default;
};

struct Arrival {
  std::uint32_t interface = 0;
  Address from;
  int ttl = 0;  // or hop limit
};

struct Datagram {
  std::uint32_t interface = 0;
  Address to;
  Bytes bytes;
};

struct Outbox {
  std::vector<Datagram> datagrams;
  bool hints_changed = false;
};

struct LanOptions {
  AccountId peer = {};
  NetworkId network = {};
  std::uint16_t port = 0;  // of QUIC
};

struct LanCounts {
  std::uint64_t received = 0, foreign = 0, malformed = 0, interfaces_refused = 0;
  ResponderCounts responder;  // of the interfaces there are
  CacheCounts cache;
};

class Lan {
 public:
  Lan(const LanOptions& options, Random& random);

  // Which interfaces there are now. New ones are claimed on and asked on, the others forgotten with what was heard
  // there.
  void set_interfaces(std::span<const Interface> interfaces, std::int64_t now_ns, Outbox& out);
  void receive(const Arrival& arrival, ByteView datagram, std::int64_t now_ns, Outbox& out);
  void tick(std::int64_t now_ns, Outbox& out);
  std::int64_t next_ns() const;
  void stop(Outbox& out);  // goodbye everywhere; nothing is sent afterwards

  std::vector<Hint> hints() const;  // others, by interface and instance; never this node's own
  Claim claim(std::uint32_t interface) const;
  std::string instance(std::uint32_t interface) const;  // "" when there is no such interface
  LanCounts counts() const;

 private:
  struct Link {
    Interface interface;
    Responder responder;
    Cache cache;
  };

  void send(const Link& link, std::vector<Outgoing>& messages, Outbox& out) const;

  LanOptions options_;
  Random* random_;
  Identity identity_;
  std::map<std::uint32_t, Link> links_;
  bool stopped_ = false;
  LanCounts counts_;
};

}  // namespace hanse::lan
