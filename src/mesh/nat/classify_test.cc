#include "mesh/nat/classify.h"

#include <gtest/gtest.h>

#include "mesh/nat/simulated_net.h"
#include "mesh/nat/reflector.h"

namespace hanse::nat {
namespace {

using detail::NatOptions;

const Endpoint kFirst = *parse_endpoint("198.51.100.1:3478"), kSecond = *parse_endpoint("198.51.100.2:3479");
const Address kInside = parse_endpoint("10.0.0.2:1")->ip, kOutside = parse_endpoint("203.0.113.7:1")->ip;

struct Lab {
  NatOptions nat;
  bool natted = true, two_addresses = true, other_reflector = true, reachable = true;
  detail::NetOptions net;
};

struct Finding {
  NatClass found;
  std::int64_t took_ms = 0;
};

Finding classify(const Lab& lab, std::uint64_t seed) {
  detail::SimulatedNet net(seed, lab.net);
  SeededRandom random(seed, "nonces");
  NatOptions options = lab.nat;
  options.outside = kOutside;
  detail::SimulatedNat nat(options, seed);
  Reflector reflector({kFirst, lab.two_addresses ? std::optional(kSecond) : std::nullopt}, random);
  const auto serve = [&](const Endpoint& local, const Endpoint& from, const Bytes& bytes) {
    if (!lab.reachable) return;
    if (const auto r = reflector.receive(local, from, bytes, net.now_ns)) net.send(r->from, {0, 0, r->to, r->bytes});
  };
  net.add_host(kFirst.ip, nullptr, serve);
  net.add_host(kSecond.ip, nullptr, serve);

  ClassifierOptions asked;
  asked.reflector = kFirst;
  if (lab.other_reflector) asked.other = Endpoint{kSecond.ip, kFirst.port};
  for (std::uint16_t i = 0; i < kClassifySockets; ++i)
    asked.local.push_back({kInside, static_cast<std::uint16_t>(i == 0 ? 12000 : 30000 + random.below(20000) + i)});
  Classifier c(asked, random);
  const auto send = [&](const Outbox& out) {
    for (const Datagram& d : out) net.send(asked.local[d.socket], d);
  };
  net.add_host(kInside, lab.natted ? &nat : nullptr, [&](const Endpoint& local, const Endpoint& from, const Bytes& b) {
    Outbox out;
    for (std::uint16_t i = 0; i < kClassifySockets; ++i)
      if (asked.local[i] == local) c.receive(i, from, b, net.now_ns, out);
    send(out);
  });
  Outbox out;
  c.start(0, out);
  send(out);
  while (!c.done()) {
    const std::int64_t due = c.next_ns().value_or(INT64_MAX);
    if (net.next_ns() <= due) {
      net.step();
      continue;
    }
    net.now_ns = due;
    Outbox more;
    c.tick(due, more);
    send(more);
  }
  return {c.result(), net.now_ns / kMs};
}

TEST(Classify, names_every_kind_of_nat) {
  std::int64_t slowest_ms = 0;
  int runs = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (const Mapping mapping : {Mapping::kEndpoint, Mapping::kAddress, Mapping::kAddressPort})
      for (const Filtering filtering : {Filtering::kEndpoint, Filtering::kAddress, Filtering::kAddressPort})
        for (const PortRule rule : {PortRule::kPreserved, PortRule::kDelta, PortRule::kRandom})
          for (const bool hairpin : {false, true}) {
            Lab lab;
            const auto delta =
                static_cast<std::int16_t>(seed % 2 == 0 ? seed % 16 + 1 : -static_cast<int>(seed % 16) - 1);
            lab.nat = {mapping, filtering, rule, delta, hairpin, {}, 0};
            const Finding f = classify(lab, seed);
            slowest_ms = std::max(slowest_ms, f.took_ms);
            ++runs;
            const std::string where = "seed " + std::to_string(seed) + " " + std::string(mapping_name(mapping)) + "/" +
                                      std::string(filtering_name(filtering)) + "/" + std::string(port_rule_name(rule));
            EXPECT_TRUE(f.found.udp) << where;
            EXPECT_EQ(mapping_name(f.found.mapping), mapping_name(mapping)) << where;
            EXPECT_EQ(filtering_name(f.found.filtering), filtering_name(filtering)) << where;
            EXPECT_EQ(port_rule_name(f.found.port_rule), port_rule_name(rule)) << where;
            EXPECT_EQ(f.found.delta, rule == PortRule::kDelta ? delta : 0) << where;
            // Where the mapping depends on the destination, the one that the reflector saw is open to it alone.
            const bool reachable = mapping == Mapping::kEndpoint || filtering == Filtering::kEndpoint;
            EXPECT_EQ(f.found.hairpin, hairpin && reachable) << where;
          }
  std::printf("%d NATs, the slowest classified in %lld ms of virtual time\n", runs, static_cast<long long>(slowest_ms));
  EXPECT_LE(slowest_ms, 9000);
}

TEST(Classify, the_median_bears_with_ports_taken_by_others) {
  int right = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Lab lab;
    lab.nat = {Mapping::kAddressPort, Filtering::kAddressPort, PortRule::kDelta, 2, false, {}, 20};
    const NatClass c = classify(lab, seed).found;
    right += c.port_rule == PortRule::kDelta && c.delta == 2 ? 1 : 0;
  }
  std::printf("seeds 1 to 100, one foreign mapping in five: %d right\n", right);
  EXPECT_GE(right, 85);
}

TEST(Classify, a_lossy_path_changes_time_and_not_the_finding) {
  int right = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Lab lab;
    lab.net.loss_percent = 10;
    lab.nat = {Mapping::kEndpoint, Filtering::kAddress, PortRule::kPreserved, 1, false, {}, 0};
    const NatClass c = classify(lab, seed).found;
    right +=
        c.mapping == Mapping::kEndpoint && c.filtering == Filtering::kAddress && c.port_rule == PortRule::kPreserved;
  }
  EXPECT_GE(right, 45);
}

TEST(Classify, sees_an_open_address_and_a_firewall) {
  Lab lab;
  lab.natted = false;
  NatClass c = classify(lab, 1).found;
  EXPECT_EQ(c.mapping, Mapping::kNone);
  EXPECT_EQ(c.filtering, Filtering::kEndpoint);
  EXPECT_EQ(c.mapped, (Endpoint{kInside, 12000}));
  lab.natted = true;
  lab.nat.mapping = Mapping::kNone;
  c = classify(lab, 1).found;
  EXPECT_EQ(c.mapping, Mapping::kNone);
  EXPECT_EQ(c.filtering, Filtering::kAddressPort);
}

TEST(Classify, says_what_it_cannot_know) {
  Lab lab;
  lab.two_addresses = false;
  lab.nat = {Mapping::kAddress, Filtering::kEndpoint, PortRule::kRandom, 1, false, {}, 0};
  NatClass c = classify(lab, 3).found;
  EXPECT_EQ(c.mapping, Mapping::kAddressPort);  // one port of an address cannot tell it from kAddress: the harder one
  EXPECT_EQ(c.filtering, Filtering::kUnknown);
  EXPECT_EQ(c.port_rule, PortRule::kRandom);
  lab.other_reflector = false;
  c = classify(lab, 3).found;
  EXPECT_EQ(c.mapping, Mapping::kUnknown);
  EXPECT_TRUE(c.udp);
  lab.reachable = false;
  EXPECT_EQ(classify(lab, 3).found, NatClass{});
}

TEST(Classify, the_median_step_wraps_with_the_counter) {
  const std::uint16_t up[] = {65530, 65534, 2, 6, 900, 904}, down[] = {3, 1, 65535, 65533, 65531, 65529};
  EXPECT_EQ(median_step(up), 4);
  EXPECT_EQ(median_step(down), -2);
  const std::uint16_t restarted[] = {100, 104, 50, 54, 58, 62};
  EXPECT_EQ(median_step(restarted), 4);
  EXPECT_EQ(median_step({}), 0);
}

}  // namespace
}  // namespace hanse::nat
