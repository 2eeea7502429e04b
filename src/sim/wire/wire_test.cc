#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sim/wire/command.h"
#include "sim/wire/counting_nat.h"
#include "sim/wire/tunnel.h"

namespace hanse::wire {
namespace {

constexpr std::int64_t kMs = 1'000'000;

Bytes packet(std::uint32_t number, std::size_t size = 100) {
  Bytes out(size, 0);
  store_be(out.data(), number);
  return out;
}

struct Arrival {
  std::int64_t at_ns;
  std::uint32_t number;
  friend bool operator==(const Arrival&, const Arrival&) = default;
};

// n packets, one every `every_ns`, and what becomes of them.
std::vector<Arrival> pass(Link& link, std::uint32_t n, std::int64_t every_ns, std::size_t size = 100) {
  std::vector<Arrival> out;
  const auto drain = [&](std::int64_t until_ns) {
    while (link.next_ns() && *link.next_ns() <= until_ns) {
      const std::int64_t at_ns = *link.next_ns();
      EXPECT_FALSE(link.receive(at_ns - 1)) << "never early";
      const auto got = link.receive(at_ns);
      EXPECT_TRUE(got);
      if (got) out.push_back({at_ns, load_be<std::uint32_t>(got->data())});
    }
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    drain(i * every_ns);
    link.send(i * every_ns, packet(i, size));
  }
  drain(INT64_MAX);
  const LinkCounts& c = link.counts();
  EXPECT_EQ(c.in + c.twice, c.out + c.down + c.too_big + c.lost + c.queue_full);
  return out;
}

TEST(Link, delays_and_keeps_the_order) {
  Link link({.delay_ns = 25 * kMs, .jitter_ns = 5 * kMs}, 1, "t");
  const auto got = pass(link, 2000, 10 * kMs);
  ASSERT_EQ(got.size(), 2000u);
  std::int64_t least = INT64_MAX, most = 0;
  for (std::uint32_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].number, i);
    const std::int64_t took = got[i].at_ns - i * 10 * kMs;
    least = std::min(least, took), most = std::max(most, took);
  }
  EXPECT_GE(least, 25 * kMs);
  EXPECT_LT(least, 25 * kMs + kMs / 10);
  EXPECT_LE(most, 30 * kMs);
  EXPECT_GT(most, 30 * kMs - kMs / 10);
}

TEST(Link, loses_the_share_asked_for_alone_or_in_runs) {
  for (const std::uint32_t burst : {0u, 4000u}) {
    Link link({.loss_ppm = 50'000, .burst_milli = burst}, 7, "t");
    const auto got = pass(link, 200'000, 1000);
    std::uint32_t runs = 0, expected = 0;
    for (const Arrival& a : got) {
      runs += a.number != expected ? 1 : 0;
      expected = a.number + 1;
    }
    const auto lost = static_cast<double>(link.counts().lost);
    EXPECT_NEAR(lost / 200'000, 0.05, 0.004) << burst;
    EXPECT_NEAR(lost / runs, burst == 0 ? 1.05 : 4.0, burst == 0 ? 0.02 : 0.2) << burst;
  }
}

TEST(Link, certain_loss_loses_all_and_none_nothing) {
  for (const std::uint32_t burst : {0u, 2000u}) {
    Link all({.loss_ppm = kCertain, .burst_milli = burst}, 1, "t"), none({.burst_milli = burst}, 1, "t");
    EXPECT_EQ(pass(all, 100, kMs).size(), 0u);
    EXPECT_EQ(pass(none, 100, kMs).size(), 100u);
  }
}

TEST(Link, the_late_come_later_and_are_overtaken) {
  Link link({.delay_ns = 5 * kMs, .late_ppm = 100'000, .late_ns = 10 * kMs}, 3, "t");
  const auto got = pass(link, 10'000, kMs);
  ASSERT_EQ(got.size(), 10'000u);
  std::uint64_t later = 0;
  for (const Arrival& a : got) {
    const std::int64_t took = a.at_ns - a.number * kMs;
    EXPECT_TRUE(took == 5 * kMs || took == 15 * kMs) << took;
    later += took == 15 * kMs ? 1 : 0;
  }
  EXPECT_EQ(later, link.counts().late);
  EXPECT_NEAR(static_cast<double>(later) / 10'000, 0.1, 0.012);
  EXPECT_FALSE(std::ranges::is_sorted(got, {}, &Arrival::number));
}

TEST(Link, some_come_twice) {
  Link link({.twice_ppm = 200'000}, 3, "t");
  const auto got = pass(link, 5000, kMs);
  EXPECT_EQ(got.size(), 5000 + link.counts().twice);
  EXPECT_NEAR(static_cast<double>(link.counts().twice) / 5000, 0.2, 0.02);
}

TEST(Link, sends_at_its_rate) {
  Link link({.rate_bps = 8'000'000, .queue_bytes = 1 << 20}, 1, "t");  // a byte a microsecond
  const auto got = pass(link, 100, 0, 1000);
  ASSERT_EQ(got.size(), 100u);
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(got[i].at_ns, (i + 1) * kMs);
}

TEST(Link, a_full_queue_takes_no_more_until_it_has_sent) {
  Link link({.rate_bps = 8'000'000, .queue_bytes = 10'000}, 1, "t");
  for (std::uint32_t i = 0; i < 10; ++i) link.send(0, packet(i, 1000));
  EXPECT_EQ(link.counts().queue_full, 0u);
  link.send(0, packet(10, 1000));
  EXPECT_EQ(link.counts().queue_full, 1u);
  link.send(999'000, packet(11, 1000));  // 9001 bytes wait
  EXPECT_EQ(link.counts().queue_full, 2u);
  link.send(kMs, packet(12, 1000));
  EXPECT_EQ(link.counts().queue_full, 2u);
}

TEST(Link, takes_so_many_under_way_and_not_one_more) {
  Link link({.delay_ns = kMs, .twice_ppm = kCertain}, 1, "t");
  for (std::uint32_t i = 0; i < kWaitingMax / 2; ++i) link.send(0, packet(i, 4));
  EXPECT_EQ(link.counts().queue_full, 0u);
  link.send(0, packet(0, 4));
  EXPECT_EQ(link.counts().queue_full, 1u);
  EXPECT_TRUE(link.receive(kMs));
  link.send(kMs, packet(0, 4));
  EXPECT_EQ(link.counts().queue_full, 1u);
  EXPECT_EQ(link.counts().twice, kWaitingMax / 2) << "the last one had room for itself alone";
}

TEST(Link, what_is_larger_than_the_mtu_is_gone_without_a_word) {
  Link ip({.mtu = 1400}, 1, "t"), ethernet({.mtu = 1400, .header_bytes = 14}, 1, "t");
  ip.send(0, packet(0, 1400));
  ip.send(0, packet(1, 1401));
  ethernet.send(0, packet(0, 1414));
  ethernet.send(0, packet(1, 1415));
  for (const Link* link : {&ip, &ethernet}) EXPECT_EQ(link->counts().too_big, 1u);
}

TEST(Link, down_is_a_black_hole_for_what_is_sent_then) {
  Link link({.delay_ns = 10 * kMs}, 1, "t");
  link.send(0, packet(0));
  link.set({.delay_ns = 10 * kMs, .down = true});
  link.send(kMs, packet(1));
  EXPECT_TRUE(link.receive(10 * kMs));
  link.set({});
  link.send(20 * kMs, packet(2));
  EXPECT_TRUE(link.receive(20 * kMs));
  EXPECT_EQ(link.counts().down, 1u);
}

TEST(Link, the_same_seed_gives_the_same_fates) {
  const LinkOptions all{.delay_ns = kMs,
                        .jitter_ns = kMs,
                        .loss_ppm = 100'000,
                        .burst_milli = 2000,
                        .late_ppm = 50'000,
                        .twice_ppm = 50'000,
                        .rate_bps = 1'000'000};
  Link a(all, 5, "t"), b(all, 5, "t"), c(all, 6, "t");
  const auto one = pass(a, 3000, kMs);
  EXPECT_EQ(one, pass(b, 3000, kMs));
  EXPECT_NE(one, pass(c, 3000, kMs));
}

// ---- commands ------------------------------------------------------------------------------------------------------

TEST(Command, sets_one_direction_or_both) {
  Pair links;
  for (const char* line : {"delay 25ms", "a>b jitter 1.5ms", "b>a loss 0.25%", "burst 2.5", "late 1%", "late-by 300us",
                           "twice 100%", "rate 20mbit", "queue 64k", "b>a mtu 1400", "a>b down"})
    ASSERT_TRUE(obey(line, links)) << line;
  const auto& [ab, ba] = links;
  EXPECT_EQ(ab.delay_ns, 25 * kMs);
  EXPECT_EQ(ba.delay_ns, 25 * kMs);
  EXPECT_EQ(ab.jitter_ns, 1'500'000);
  EXPECT_EQ(ba.jitter_ns, 0);
  EXPECT_EQ(ab.loss_ppm, 0u);
  EXPECT_EQ(ba.loss_ppm, 2500u);
  EXPECT_EQ(ab.burst_milli, 2500u);
  EXPECT_EQ(ab.late_ppm, 10'000u);
  EXPECT_EQ(ab.late_ns, 300'000);
  EXPECT_EQ(ab.twice_ppm, kCertain);
  EXPECT_EQ(ab.rate_bps, 20'000'000u);
  EXPECT_EQ(ab.queue_bytes, 65'536u);
  EXPECT_EQ(ab.mtu, 65'535u);
  EXPECT_EQ(ba.mtu, 1400u);
  EXPECT_TRUE(ab.down);
  EXPECT_FALSE(ba.down);
  ASSERT_TRUE(obey("up", links));
  EXPECT_FALSE(links[0].down);
  EXPECT_EQ(*obey("counts", links), Verb::kCounts);
  EXPECT_EQ(*obey("stop", links), Verb::kStop);
}

TEST(Command, refuses_what_it_does_not_know_and_changes_nothing) {
  for (const char* line : {"",
                           "delay",
                           "delay 25",
                           "delay 1.2345ms",
                           "delay 1.ms",
                           "delay .5ms",
                           "delay 2000000000ns",
                           "delay 3601s",
                           "delay -1ms",
                           "loss 101%",
                           "loss 1",
                           "burst 0.5",
                           "burst 10001",
                           "rate 7kbit",
                           "rate 101gbit",
                           "queue 0",
                           "queue 1.5",
                           "queue 2000m",
                           "mtu 67",
                           "mtu 65536",
                           "mtu 1400b",
                           "down now",
                           "delay 1ms 2ms",
                           "a>c delay 1ms",
                           "a>b stop",
                           "sideways",
                           "delay 1ms\t"}) {
    Pair links;
    const auto done = obey(line, links);
    ASSERT_FALSE(done) << line;
    EXPECT_EQ(done.error().id(), "wire.command") << line;
    EXPECT_EQ(links[0].delay_ns, 0) << line;
  }
  Pair links;
  const std::string long_one = "delay " + std::string(kCommandBytesMax - 9, '0') + "1ms";
  EXPECT_EQ(long_one.size(), kCommandBytesMax);
  EXPECT_TRUE(obey(long_one, links));
  EXPECT_FALSE(obey(long_one + " ", links));
}

TEST(Schedule, gives_commands_at_their_time_and_has_an_end) {
  Schedule schedule;
  ASSERT_TRUE(schedule.add("at 8s up"));
  ASSERT_TRUE(schedule.add("at 5s down"));
  ASSERT_TRUE(schedule.add("at 5s a>b delay 1ms"));
  EXPECT_EQ(schedule.next_ns(), 5'000 * kMs);
  EXPECT_FALSE(schedule.take(5'000 * kMs - 1));
  EXPECT_EQ(schedule.take(5'000 * kMs), "down");
  EXPECT_EQ(schedule.take(9'000 * kMs), "a>b delay 1ms");
  EXPECT_EQ(schedule.take(9'000 * kMs), "up");
  EXPECT_FALSE(schedule.next_ns());
  for (const char* line : {"5s down", "at down", "at 5s", "at 5s at 6s down", "at 5s sideways"})
    EXPECT_EQ(schedule.add(line).error().id(), "wire.command") << line;
  for (std::size_t i = 0; i < kScheduleMax; ++i) ASSERT_TRUE(schedule.add("at 1s down"));
  EXPECT_EQ(schedule.add("at 1s down").error().id(), "wire.schedule_full");
}

TEST(Tunnel, an_end_that_is_none_is_refused) {
  for (const char* end : {"", "tun0", "space:", "space:a-name-of-16-byt"})
    EXPECT_EQ(Tunnel::open(end, Layer::kIp).error().id(), "wire.end") << end;
  EXPECT_EQ(Tunnel::open("no-such-namespace-of-hanse:t0", Layer::kIp).error().id(), "wire.device");
}

// ---- the NAT -------------------------------------------------------------------------------------------------------

constexpr std::uint32_t kInside = 0x0a000002, kOutside = 0xcb007105, kThere = 0xc6336401;

std::uint16_t sum_of(ByteView words, std::uint32_t start) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < words.size(); i += 2)
    sum += static_cast<std::uint32_t>(words[i]) << 8 | (i + 1 < words.size() ? words[i + 1] : 0);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::uint16_t udp_sum(const Bytes& p) {  // over pseudo header and datagram: 0 when the checksum is right
  const auto udp = ByteView(p).subspan(20);
  std::uint32_t start = 17 + static_cast<std::uint32_t>(udp.size());
  for (std::size_t i = 12; i < 20; i += 2) start += load_be<std::uint16_t>(p.data() + i);
  return sum_of(udp, start);
}

struct Ends {
  std::uint32_t from, to;
  std::uint16_t from_port, to_port;
  friend bool operator==(const Ends&, const Ends&) = default;
};

Bytes datagram(const Ends& e, std::uint8_t ttl = 64, bool summed = true) {
  Bytes p(20 + 8 + 5, 0x5a);
  p[0] = 0x45, p[1] = 0, p[8] = ttl, p[9] = 17;
  store_be(p.data() + 2, static_cast<std::uint16_t>(p.size()));
  store_be(p.data() + 4, std::uint32_t{0x00014000});
  store_be(p.data() + 10, std::uint16_t{0});
  store_be(p.data() + 12, e.from);
  store_be(p.data() + 16, e.to);
  store_be(p.data() + 20, e.from_port);
  store_be(p.data() + 22, e.to_port);
  store_be(p.data() + 24, static_cast<std::uint16_t>(p.size() - 20));
  store_be(p.data() + 26, std::uint16_t{0});
  store_be(p.data() + 10, sum_of(ByteView(p).first(20), 0));
  if (summed) store_be(p.data() + 26, udp_sum(p));
  return p;
}

Ends ends_of(const Bytes& p) {
  return {load_be<std::uint32_t>(p.data() + 12), load_be<std::uint32_t>(p.data() + 16),
          load_be<std::uint16_t>(p.data() + 20), load_be<std::uint16_t>(p.data() + 22)};
}

TEST(CountingNat, gives_each_flow_the_next_port_and_lets_only_its_answers_in) {
  for (const std::int16_t delta : {1, -3}) {
    CountingNat nat({.outside = kOutside, .first = 1025, .delta = delta});
    const std::uint16_t second = delta == 1 ? 1026 : 65'535;
    Bytes one = datagram({kInside, kThere, 5000, 3478}), two = datagram({kInside, kThere, 5000, 3479});
    ASSERT_TRUE(nat.outward(0, one));
    ASSERT_TRUE(nat.outward(0, two));
    EXPECT_EQ(ends_of(one), (Ends{kOutside, kThere, 1025, 3478}));
    EXPECT_EQ(ends_of(two), (Ends{kOutside, kThere, second, 3479}));
    Bytes again = datagram({kInside, kThere, 5000, 3478});
    ASSERT_TRUE(nat.outward(0, again));
    EXPECT_EQ(ends_of(again).from_port, 1025) << "a flow keeps its port";
    for (const Bytes* p : {&one, &two}) {
      EXPECT_EQ(sum_of(ByteView(*p).first(20), 0), 0);
      EXPECT_EQ(udp_sum(*p), 0);
      EXPECT_EQ((*p)[8], 63);
    }

    Bytes answer = datagram({kThere, kOutside, 3479, second});
    ASSERT_TRUE(nat.inward(0, answer));
    EXPECT_EQ(ends_of(answer), (Ends{kThere, kInside, 3479, 5000}));
    EXPECT_EQ(udp_sum(answer), 0);
    for (const Ends stranger : {Ends{kThere, kOutside, 3478, second}, Ends{kThere + 1, kOutside, 3479, second},
                                Ends{kThere, kOutside, 3479, 4000}, Ends{kThere, kOutside + 1, 3479, second}}) {
      Bytes p = datagram(stranger);
      EXPECT_FALSE(nat.inward(0, p));
    }
    EXPECT_EQ(nat.counts().unasked, 4u);
  }
}

TEST(CountingNat, leaves_a_missing_checksum_missing) {
  CountingNat nat({.outside = kOutside});
  Bytes p = datagram({kInside, kThere, 5000, 3478}, 64, false);
  ASSERT_TRUE(nat.outward(0, p));
  EXPECT_EQ(load_be<std::uint16_t>(p.data() + 26), 0);
  EXPECT_EQ(sum_of(ByteView(p).first(20), 0), 0);
}

TEST(CountingNat, drops_all_that_is_no_whole_udp_datagram) {
  CountingNat nat({.outside = kOutside});
  const Bytes good = datagram({kInside, kThere, 5000, 3478});
  const auto refused = [&](auto&& spoil) {
    Bytes p = good;
    spoil(p);
    return !nat.outward(0, p) && !nat.inward(0, p);
  };
  EXPECT_TRUE(refused([](Bytes& p) { p[0] = 0x65; }));
  EXPECT_TRUE(refused([](Bytes& p) { p[0] = 0x44; }));
  EXPECT_TRUE(refused([](Bytes& p) { p[0] = 0x4f; }));
  EXPECT_TRUE(refused([](Bytes& p) { p[9] = 6; }));
  EXPECT_TRUE(refused([](Bytes& p) { p[6] = 0x20; }));
  EXPECT_TRUE(refused([](Bytes& p) { p[7] = 1; }));
  EXPECT_TRUE(refused([](Bytes& p) { p.pop_back(); }));
  EXPECT_TRUE(refused([](Bytes& p) { p.resize(27); }));
  EXPECT_TRUE(refused([](Bytes& p) { p.clear(); }));
  EXPECT_EQ(nat.counts().foreign, 18u);
  EXPECT_TRUE(refused([](Bytes& p) { p[8] = 1; }));
  EXPECT_EQ(nat.counts().expired, 2u);
  Bytes home = datagram({kInside, kOutside, 5000, 20'000});
  EXPECT_FALSE(nat.outward(0, home)) << "no hairpin";
}

TEST(CountingNat, forgets_what_is_idle) {
  CountingNat nat({.outside = kOutside, .first = 2000});
  Bytes p = datagram({kInside, kThere, 5000, 3478});
  ASSERT_TRUE(nat.outward(0, p));
  Bytes answer = datagram({kThere, kOutside, 3478, 2000}), late = answer;
  EXPECT_TRUE(nat.inward(kMappingIdleNs - 1, answer));
  EXPECT_FALSE(nat.inward(kMappingIdleNs, late));
  p = datagram({kInside, kThere, 5000, 3478});
  ASSERT_TRUE(nat.outward(kMappingIdleNs, p));
  EXPECT_EQ(ends_of(p).from_port, 2001);
}

TEST(CountingNat, holds_so_many_mappings_and_not_one_more) {
  CountingNat nat({.outside = kOutside, .first = 65'530, .delta = 8});
  const auto flow = [&](std::int64_t now_ns, std::size_t n) {
    Bytes p = datagram({kInside, kThere, static_cast<std::uint16_t>(1 + n), 3478});
    return nat.outward(now_ns, p);
  };
  for (std::size_t n = 0; n < kMappingsMax; ++n) ASSERT_TRUE(flow(static_cast<std::int64_t>(n), n)) << n;
  EXPECT_FALSE(flow(kMs, kMappingsMax));
  EXPECT_EQ(nat.counts().full, 1u);
  EXPECT_TRUE(flow(kMappingIdleNs, kMappingsMax)) << "the first one is idle";
  EXPECT_FALSE(flow(kMappingIdleNs, kMappingsMax + 1));
}

}  // namespace
}  // namespace hanse::wire
