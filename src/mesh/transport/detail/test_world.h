// For tests and benchmarks of this room: endpoints in virtual time, joined by links with delay, loss and more.
// Every datagram to an address that has not shown itself is counted against what came from it: never more than three
// times as much (RFC 9000, 8.1). Threads: one. Errors: none.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mesh/transport/detail/tls.h"
#include "mesh/transport/transport.h"

namespace hanse::transport::detail {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::uint64_t kEcho = 0x01, kBulkProtocol = 0x21;
constexpr std::uint32_t kEchoMax = 64u << 10;

const crypto::SecretKey& test_key(int number, crypto::SigAlg alg = crypto::SigAlg::kMlDsa65);

Options test_options(int number, crypto::SigAlg alg = crypto::SigAlg::kMlDsa65);

struct Node {
  std::unique_ptr<Endpoint> endpoint;
  Address address{};
  std::vector<Address> others{};  // further addresses of the same node
  std::vector<Event> events{};
  bool takes_events = true;  // false: the application sleeps
  bool gives_credit = true;

  const Event* first(Event::Type type) const;
  std::size_t count(Event::Type type) const;
  std::string story() const;  // for messages of tests
};

struct Datagram {
  std::int64_t at_ns = 0;
  std::size_t from = 0, to = 0;
  Path path{};  // as the receiver sees it
  Bytes bytes{};
};

class World {
 public:
  explicit World(std::uint64_t seed) : dice(seed, "world"), seed_(seed) {}

  std::size_t add(Options options, const TlsProfile* profile = nullptr);
  ConnectionId dial(std::size_t from, std::size_t to, std::optional<PeerId> peer = {});
  Path path(std::size_t from, std::size_t to) const { return {nodes[from].address, nodes[to].address}; }
  // Runs until done() or the virtual time has passed; answers done().
  bool run(std::int64_t most_ns, const std::function<bool()>& done = {});
  void send_all();  // what every endpoint wants to say now

  std::vector<Node> nodes;
  SeededRandom dice;
  std::int64_t now_ns = 0;
  std::int64_t delay_ns = 50 * kMs;
  int loss_percent = 0;
  // Sees each datagram before it travels; false drops it. May change it.
  std::function<bool(Datagram&)> filter;
  std::vector<std::size_t> sent_bytes, sent_packets;  // by sender
  double amplification = 0;                           // the worst that was seen

 private:
  struct Debt {
    std::uint64_t got = 0, gave = 0;
    bool valid = false, dialed = false;  // dialed: it spoke first, which the rule is not about
  };
  void travel(std::size_t from, const Batch& batch);
  void account(const Datagram& datagram);
  void take_events(Node& node);

  std::uint64_t seed_;
  std::vector<std::unique_ptr<SeededRandom>> randoms_;
  std::multimap<std::int64_t, Datagram> flying_;
  std::map<std::pair<std::size_t, Address>, Debt> debts_;  // of a node towards an address
  Batch batch_;
};

}  // namespace hanse::transport::detail
