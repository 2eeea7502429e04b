// For tests: NATs of every kind and a network between them, in virtual time. Not linked into any program.
// A NAT maps by (inside), (inside, address) or (inside, address, port), filters by what a mapping has sent to, and
// chooses ports by one of three rules. Six hops lie between two hosts, so a datagram of TTL 3 opens its own NAT and
// never arrives. Same seed, same run.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "base/core/random.h"
#include "mesh/nat/classify.h"

namespace hanse::nat::detail {

struct NatOptions {
  Mapping mapping = Mapping::kEndpoint;
  Filtering filtering = Filtering::kAddressPort;
  PortRule rule = PortRule::kRandom;
  std::int16_t delta = 1;
  bool hairpin = false;
  Address outside;
  std::uint32_t foreign_ports = 0;  // of 100 new mappings, how many follow one of somebody else's
};

enum NatKind { kOpen, kFullCone, kAddressRestricted, kModerate, kCounting, kStrict, kKinds, kFirewall };
inline constexpr const char* kKindNames[] = {"open", "full_cone", "addr_restr", "moderate", "counting", "strict"};

inline NatOptions nat_of(NatKind kind) {
  constexpr Mapping kE = Mapping::kEndpoint, kP = Mapping::kAddressPort;
  constexpr Filtering kAny = Filtering::kEndpoint, kIp = Filtering::kAddress, kPort = Filtering::kAddressPort;
  switch (kind) {
    case kFullCone: return {kE, kAny, PortRule::kRandom, 1, false, {}, 0};
    case kAddressRestricted: return {kE, kIp, PortRule::kRandom, 1, false, {}, 0};
    case kModerate: return {kE, kPort, PortRule::kPreserved, 1, false, {}, 0};
    case kCounting: return {kP, kPort, PortRule::kDelta, 2, false, {}, 0};
    case kStrict: return {kP, kPort, PortRule::kRandom, 1, false, {}, 0};
    case kFirewall: return {Mapping::kNone, kPort, PortRule::kPreserved, 1, false, {}, 0};
    default: return {Mapping::kNone, kAny, PortRule::kPreserved, 1, false, {}, 0};
  }
}

class SimulatedNat {
 public:
  SimulatedNat(const NatOptions& options, std::uint64_t seed) : options_(options), random_(seed, "nat") {
    counter_ = static_cast<std::uint16_t>(2000 + random_.below(60000));
  }

  Endpoint outbound(const Endpoint& inside, const Endpoint& to) {
    if (options_.mapping == Mapping::kNone) {  // a firewall: nothing is rewritten
      by_port_[inside.port] = {inside};
      open_[inside.port].insert(to);
      return inside;
    }
    const auto key = std::make_tuple(inside, options_.mapping == Mapping::kEndpoint ? Address{} : to.ip,
                                     options_.mapping == Mapping::kAddressPort ? to.port : std::uint16_t{0});
    auto found = ports_.find(key);
    if (found == ports_.end()) {
      const std::uint16_t port = choose(inside.port);
      found = ports_.emplace(key, port).first;
      by_port_[port] = {inside};
    }
    open_[found->second].insert(to);
    return {options_.outside, found->second};
  }

  std::optional<Endpoint> inbound(const Endpoint& from, std::uint16_t port) const {
    const auto found = by_port_.find(port);
    if (found == by_port_.end()) return std::nullopt;
    for (const Endpoint& to : open_.at(port)) {
      if (options_.filtering == Filtering::kEndpoint || to == from ||
          (options_.filtering == Filtering::kAddress && to.ip == from.ip))
        return found->second;
    }
    return std::nullopt;
  }

  const NatOptions& options() const { return options_; }
  std::size_t mappings() const { return by_port_.size(); }

 private:
  std::uint16_t choose(std::uint16_t inside) {
    if (options_.rule == PortRule::kPreserved && !by_port_.contains(inside)) return inside;
    for (;;) {
      std::uint16_t port = static_cast<std::uint16_t>(1024 + random_.below(64512));
      if (options_.rule == PortRule::kDelta) {
        const int steps = random_.below(100) < options_.foreign_ports ? 2 : 1;
        counter_ = static_cast<std::uint16_t>(counter_ + options_.delta * steps);
        if (counter_ < 1024) counter_ = options_.delta > 0 ? 1024 : 65535;
        port = counter_;
      }
      if (!by_port_.contains(port)) return port;
    }
  }

  NatOptions options_;
  SeededRandom random_;
  std::uint16_t counter_ = 0;
  std::map<std::tuple<Endpoint, Address, std::uint16_t>, std::uint16_t> ports_;
  std::map<std::uint16_t, Endpoint> by_port_;
  std::map<std::uint16_t, std::set<Endpoint>> open_;
};

struct NetOptions {
  std::int64_t delay_ms = 20, jitter_ms = 5;
  std::uint32_t loss_percent = 0;
  std::uint8_t hops = 6;
};

class SimulatedNet {
 public:
  using Receiver = std::function<void(const Endpoint& local, const Endpoint& from, const Bytes&)>;

  explicit SimulatedNet(std::uint64_t seed, NetOptions options = {}) : options_(options), random_(seed, "net") {}

  void add_host(const Address& ip, SimulatedNat* nat, Receiver receiver) {
    if (nat != nullptr && nat->options().mapping != Mapping::kNone) nats_[nat->options().outside] = nat;
    hosts_[ip] = {nat, std::move(receiver)};
  }

  void send(const Endpoint& source, const Datagram& d) {
    ++sent_;
    SimulatedNat* nat = hosts_.at(source.ip).nat;
    const Endpoint from = nat != nullptr ? nat->outbound(source, d.to) : source;
    if (nat != nullptr && d.to.ip == nat->options().outside && nat->options().mapping != Mapping::kNone) {
      if (nat->options().hairpin) at(now_ns + kMs, [=, this] { arrive(from, d.to, d.bytes); });
      return;
    }
    if ((d.ttl != 0 && d.ttl < options_.hops) || random_.below(100) < options_.loss_percent) return;
    const auto jitter =
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options_.jitter_ms * kMs + 1)));
    at(now_ns + options_.delay_ms * kMs + jitter, [=, this] { arrive(from, d.to, d.bytes); });
  }

  void at(std::int64_t when_ns, std::function<void()> what) { events_.emplace(when_ns, std::move(what)); }

  bool step() {
    if (events_.empty()) return false;
    auto node = events_.extract(events_.begin());
    now_ns = node.key();
    node.mapped()();
    return true;
  }

  std::int64_t next_ns() const { return events_.empty() ? INT64_MAX : events_.begin()->first; }
  std::uint64_t sent() const { return sent_; }
  std::int64_t now_ns = 0;

 private:
  struct Host {
    SimulatedNat* nat = nullptr;
    Receiver receiver;
  };

  void arrive(const Endpoint& from, Endpoint to, const Bytes& bytes) {
    if (const auto nat = nats_.find(to.ip); nat != nats_.end()) {
      const auto inside = nat->second->inbound(from, to.port);
      if (!inside) return;
      to = *inside;
    } else if (const auto host = hosts_.find(to.ip); host != hosts_.end() && host->second.nat != nullptr) {
      if (host->second.nat->options().mapping != Mapping::kNone) return;  // a private address from outside
      if (!host->second.nat->inbound(from, to.port)) return;
    }
    if (const auto host = hosts_.find(to.ip); host != hosts_.end()) host->second.receiver(to, from, bytes);
  }

  NetOptions options_;
  SeededRandom random_;
  std::map<Address, Host> hosts_;
  std::map<Address, SimulatedNat*> nats_;
  std::multimap<std::int64_t, std::function<void()>> events_;
  std::uint64_t sent_ = 0;
};

}  // namespace hanse::nat::detail
