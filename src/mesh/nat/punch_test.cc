#include "mesh/nat/punch.h"

#include <gtest/gtest.h>

#include "mesh/nat/simulated_net.h"

namespace hanse::nat {
namespace {

using namespace detail;  // NOLINT: the simulated net

struct Trial {
  NatKind kinds[2];
  std::uint64_t seed = 1;
  std::uint32_t loss_percent = 0, foreign_ports = 0;
  std::uint16_t hard_sockets = kHardSocketsMax;
  bool v6 = false;
};

struct Outcome {
  bool direct = false, relay_at_once = false;
  std::int64_t took_ms = 0;
  int attempts = 0;
  std::uint64_t sent = 0;
  std::uint64_t probes_most = 0;  // of one session
};

Address public_address(const Trial& trial, int i) {
  if (trial.v6) return parse_endpoint(i == 0 ? "[2001:db8:1::5]:1" : "[2001:db8:2::5]:1")->ip;
  return Address::v4(0xcb007101 + static_cast<std::uint32_t>(i));
}

class Lab {
 public:
  explicit Lab(const Trial& trial)
      : trial_(trial),
        net_(trial.seed, {.delay_ms = 30, .jitter_ms = 5, .loss_percent = trial.loss_percent, .hops = 6}),
        random_(trial.seed, "peers") {
    random_.fill(key_.span());
    for (int i : {0, 1}) {
      NatOptions options = nat_of(trial.kinds[i]);
      options.outside = public_address(trial, i);
      options.foreign_ports = trial.foreign_ports;
      Peer& p = peers_[i];
      const bool outside = options.mapping == Mapping::kNone;
      p.ip = outside ? options.outside : Address::v4(0x0a000002 + (static_cast<std::uint32_t>(i) << 16));
      if (trial.kinds[i] != kOpen) p.nat.emplace(options, trial.seed * 2 + static_cast<std::uint64_t>(i));
      random_.fill(p.tag.span());
      net_.add_host(
          p.ip, p.nat ? &*p.nat : nullptr,
          [this, i](const Endpoint& local, const Endpoint& from, const Bytes& b) { arrived(i, local, from, b); });
    }
  }

  Outcome run() {
    Outcome o;
    for (attempt_ = 0; attempt_ < 3 && !o.direct; ++attempt_) {
      if (!attempt(o)) break;
    }
    o.attempts = std::min(attempt_ + 1, 3);
    if (o.direct) o.attempts = attempt_;
    o.took_ms = net_.now_ns / kMs;
    o.sent = net_.sent();
    return o;
  }

 private:
  struct Peer {
    Address ip;
    std::optional<detail::SimulatedNat> nat;
    PeerTag tag;
    std::optional<PunchSession> session;
    int got_on = -1;  // the socket where the last word came
  };

  Endpoint local(int peer, std::uint16_t socket) const {
    return {peers_[peer].ip, static_cast<std::uint16_t>(socket == 0 ? 12000 : 20000 + attempt_ * 300 + socket)};
  }

  // What a STUN exchange would say; another port of the reflector each time, so that a counting NAT counts on.
  PunchOffer measured(int i) {
    const Endpoint reflector{Address::v4(0xc6336401), static_cast<std::uint16_t>(3478 + attempt_)};
    const NatOptions nat = nat_of(trial_.kinds[i]);
    PunchOffer o;
    o.attempt = static_cast<std::uint8_t>(attempt_);
    o.mapping = nat.mapping, o.filtering = nat.filtering, o.port_rule = nat.rule;
    o.delta = nat.rule == PortRule::kDelta ? nat.delta : std::int16_t{0};
    o.hard_sockets = trial_.hard_sockets;
    Peer& p = peers_[i];
    o.candidates = {p.nat ? p.nat->outbound(local(i, 0), reflector) : local(i, 0)};
    if (p.nat && o.candidates[0] != local(i, 0))
      o.candidates.push_back(local(i, 0));  // the address behind the NAT: reaches nobody here
    return o;
  }

  void send(int i, Outbox& out) {
    for (const Datagram& d : out) net_.send(local(i, d.socket), d);
    out.clear();
  }

  void arrived(int i, const Endpoint& to, const Endpoint& from, const Bytes& bytes) {
    const int socket = to.port == 12000 ? 0 : to.port - 20000 - attempt_ * 300;
    if (socket < 0 || socket > kHardSocketsMax) return;  // of an attempt before
    if (bytes.size() == 1) {
      peers_[i].got_on = socket;
      return;
    }
    Outbox out;
    peers_[i].session->receive(static_cast<std::uint16_t>(socket), from, bytes, net_.now_ns, out);
    send(i, out);
  }

  void carry(int from, const std::vector<Bytes>& control) {  // over the relay, in order
    for (const Bytes& b : control)
      net_.at(net_.now_ns + 40 * kMs, [this, from, b] {
        std::vector<Bytes> more;
        PunchSession& s = *peers_[1 - from].session;
        const Status done = b.size() == 17 ? s.sync(b, net_.now_ns) : s.offer(b, net_.now_ns, more);
        EXPECT_TRUE(done) << done.error().str();
        carry(1 - from, more);
      });
  }

  bool attempt(Outcome& o) {  // false: no more attempts
    for (int i : {0, 1}) {
      PunchOptions options{i == 0, key_, peers_[i].tag, peers_[1 - i].tag, measured(i)};
      auto session = PunchSession::create(std::move(options), random_);
      EXPECT_TRUE(session) << session.error().str();
      peers_[i].session.emplace(std::move(*session));
    }
    std::vector<Bytes> control;
    peers_[0].session->start(net_.now_ns, control);
    carry(0, control);
    const auto over = [&](int i) {
      const PunchState s = peers_[i].session->state();
      return s == PunchState::kDone || s == PunchState::kFailed;
    };
    while (!over(0) || !over(1)) {
      std::int64_t next = net_.next_ns();
      for (int i : {0, 1}) next = std::min(next, peers_[i].session->next_ns().value_or(INT64_MAX));
      if (next == net_.next_ns()) {
        net_.step();
        continue;
      }
      net_.now_ns = next;
      for (int i : {0, 1}) {
        Outbox out;
        peers_[i].session->tick(next, out);
        send(i, out);
      }
    }
    for (const Peer& p : peers_) o.probes_most = std::max(o.probes_most, p.session->probes());
    o.relay_at_once = peers_[0].session->plan() == PunchPlan::kRelay;
    o.direct = peers_[0].session->state() == PunchState::kDone && peers_[1].session->state() == PunchState::kDone;
    if (o.direct) check_path();
    return !o.relay_at_once;
  }

  // The two ends speak of the same pair: a word on each path arrives at the socket of the other.
  void check_path() {
    const std::int64_t took = net_.now_ns;
    for (int i : {0, 1}) {
      Outbox out;
      const auto& path = *peers_[i].session->path();
      for (int word = 0; word < 8; ++word) out.push_back({path.socket, 0, path.remote, Bytes{7}});  // some may be lost
      send(i, out);
    }
    while (net_.next_ns() < took + 100 * kMs) net_.step();
    for (int i : {0, 1}) EXPECT_EQ(peers_[i].got_on, peers_[i].session->path()->socket) << trial_.seed;
    net_.now_ns = took;
  }

  Trial trial_;
  detail::SimulatedNet net_;
  SeededRandom random_;
  ProbeKey key_;
  Peer peers_[2];
  int attempt_ = 0;
};

struct Cell {
  int direct = 0, relay = 0, first = 0;
  std::int64_t slowest_ms = 0, sum_ms = 0;
  std::uint64_t probes_most = 0;
};

Cell measure(NatKind a, NatKind b, int seeds, std::uint32_t loss = 0, std::uint32_t foreign = 0) {
  Cell c;
  for (int seed = 1; seed <= seeds; ++seed) {
    const Outcome o = Lab({{a, b}, static_cast<std::uint64_t>(seed), loss, foreign}).run();
    c.direct += o.direct ? 1 : 0;
    c.relay += o.relay_at_once ? 1 : 0;
    c.first += o.direct && o.attempts == 1 ? 1 : 0;
    c.probes_most = std::max(c.probes_most, o.probes_most);
    if (!o.direct) continue;
    c.slowest_ms = std::max(c.slowest_ms, o.took_ms);
    c.sum_ms += o.took_ms;
  }
  return c;
}

void print_row(NatKind a, const std::vector<Cell>& row, int seeds) {
  std::printf("%-11s", kKindNames[a]);
  for (const Cell& c : row) {
    if (c.relay == seeds)
      std::printf("  relay           ");
    else
      std::printf("  %3d/%3d %5lld ms ", c.direct, seeds, static_cast<long long>(c.slowest_ms));
  }
  std::printf("\n");
}

// Both sides have no port to aim at: of two strict NATs, or of a strict and a counting one.
bool hopeless(int a, int b) { return (a == kStrict && b >= kCounting) || (b == kStrict && a >= kCounting); }
bool guessed(int a, int b) { return (a == kStrict && b == kModerate) || (b == kStrict && a == kModerate); }

void matrix(int seeds, std::uint32_t loss, int right_of_100) {
  std::printf("seeds 1 to %d, loss %u in 100: direct, slowest from offer to path\n%-11s", seeds, loss, "");
  for (const char* name : kKindNames) std::printf("  %-16s", name);
  std::printf("\n");
  for (int a = 0; a < kKinds; ++a) {
    std::vector<Cell> row;
    for (int b = 0; b < kKinds; ++b) {
      const Cell c = measure(static_cast<NatKind>(a), static_cast<NatKind>(b), seeds, loss);
      const std::string where = std::string(kKindNames[a]) + " x " + kKindNames[b];
      if (hopeless(a, b)) {
        EXPECT_EQ(c.relay, seeds) << where;
        EXPECT_EQ(c.probes_most, 0u) << where;
      } else {
        EXPECT_GE(c.direct * 100, right_of_100 * seeds) << where;
        EXPECT_LE(c.slowest_ms, guessed(a, b) ? 10'000 : loss == 0 ? 5'000 : 10'000) << where;
        EXPECT_LE(c.probes_most, guessed(a, b) ? 2200u : 300u) << where;
      }
      row.push_back(c);
    }
    print_row(static_cast<NatKind>(a), row, seeds);
  }
}

TEST(Punch, opens_all_pairs_that_can_be_opened) { matrix(20, 0, 100); }

TEST(Punch, opens_them_on_a_lossy_path) { matrix(10, 5, 90); }

TEST(Punch, two_firewalls_of_ipv6_are_opened_from_both_sides) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome o = Lab({{kFirewall, kFirewall}, seed, 5, 0, kHardSocketsMax, true}).run();
    EXPECT_TRUE(o.direct) << seed;
    EXPECT_LE(o.took_ms, 5000) << seed;
    EXPECT_LE(o.probes_most, 20u) << seed;
  }
}

TEST(Punch, guesses_ports_between_moderate_and_strict) {
  const Cell c = measure(kModerate, kStrict, 100), d = measure(kStrict, kModerate, 100);
  for (const Cell& cell : {c, d}) {
    std::printf(
        "moderate x strict, seeds 1 to 100: %d direct, %d in the first attempt, mean %lld ms, slowest %lld ms, "
        "at most %llu probes an attempt\n",
        cell.direct, cell.first, static_cast<long long>(cell.sum_ms / std::max(cell.direct, 1)),
        static_cast<long long>(cell.slowest_ms), static_cast<unsigned long long>(cell.probes_most));
    EXPECT_GE(cell.direct, 95);
    EXPECT_LE(cell.slowest_ms, 10'000);
  }
}

TEST(Punch, a_counting_nat_with_other_users_is_met_within_three_attempts) {
  for (const NatKind other : {kModerate, kCounting}) {
    const Cell c = measure(kCounting, other, 100, 0, 20);
    std::printf("counting x %s, one foreign mapping in five, seeds 1 to 100: %d direct, %d in the first attempt\n",
                kKindNames[other], c.direct, c.first);
    EXPECT_GE(c.direct, other == kModerate ? 99 : 80);
  }
}

TEST(Punch, without_leave_to_open_many_sockets_a_strict_nat_means_relay) {
  const Outcome o = Lab({{kModerate, kStrict}, 1, 0, 0, 0}).run();
  EXPECT_TRUE(o.relay_at_once);
  EXPECT_FALSE(o.direct);
  EXPECT_EQ(o.probes_most, 0u);
}

TEST(Punch, the_same_seed_gives_the_same_run) {
  const Trial t{{kModerate, kStrict}, 77, 3, 10};
  const Outcome a = Lab(t).run(), b = Lab(t).run();
  EXPECT_EQ(std::tie(a.took_ms, a.sent, a.attempts), std::tie(b.took_ms, b.sent, b.attempts));
}

PunchOffer small_offer() {
  PunchOffer o;
  o.session.data[0] = 1;
  o.mapping = Mapping::kEndpoint;
  o.filtering = Filtering::kAddressPort;
  o.port_rule = PortRule::kDelta;
  o.delta = -16;
  o.hard_sockets = 256, o.t_offset_ms = 1000;
  for (int i = 0; i < 16; ++i)
    o.candidates.push_back(*parse_endpoint(i % 2 == 0 ? "192.0.2.1:12000" : "[2001:db8::7]:12000"));
  return o;
}

TEST(PunchMessage, offers_survive_a_round_trip_and_nothing_else_is_read) {
  const PunchOffer o = small_offer();
  const Bytes bytes = encode(o);
  EXPECT_EQ(*decode_punch(bytes), o);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_punch(ByteView(bytes).first(size)));
  const auto refuses = [&](auto change) {
    PunchOffer bad = small_offer();
    change(bad);
    const auto found = decode_punch(encode(bad));
    return !found && found.error().id() == "nat.punch_format";
  };
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.candidates.push_back(b.candidates[0]); }));
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.delta = -17; }));
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.hard_sockets = 257; }));
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.t_offset_ms = 1001; }));
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.candidates[0].port = 0; }));
  EXPECT_TRUE(refuses([](PunchOffer& b) { b.port_rule = PortRule::kRandom; }));
  EXPECT_EQ(decode_punch_sync(Bytes(16)).error().id(), "nat.punch_format");
}

TEST(PunchMessage, probes_open_whole_and_under_their_key_only) {
  ProbeKey key;
  key.data[5] = 1;
  const Probe ping{ProbeType::kPing, {}, {}, {}, std::nullopt};
  const Probe pong{ProbeType::kPong, {}, {}, {}, *parse_endpoint("[2001:db8::7]:12000")};
  for (const Probe& p : {ping, pong}) {
    const Bytes bytes = seal_probe(p, key);
    EXPECT_EQ(bytes.size(), kProbeSize);
    EXPECT_EQ(*open_probe(bytes, key), p);
    EXPECT_EQ(open_probe(bytes, ProbeKey{}).error().id(), "nat.probe");
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes b = bytes;
      b[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_FALSE(open_probe(b, key));
    }
  }
}

TEST(PunchSession, answers_no_probe_that_does_not_open_or_is_of_nobody_it_knows) {
  SeededRandom random(5);
  PeerTag us, them;
  us.data[0] = 1, them.data[0] = 2;
  PunchOffer o = small_offer();
  auto s = PunchSession::create({false, ProbeKey{}, us, them, o}, random);
  std::vector<Bytes> control;
  Outbox out;
  const Endpoint from = *parse_endpoint("192.0.2.9:9");
  const Bytes good = seal_probe({ProbeType::kPing, {}, them, {}, std::nullopt}, ProbeKey{});
  s->receive(0, from, good, 0, out);
  EXPECT_TRUE(out.empty());  // nothing is agreed yet
  ASSERT_TRUE(s->offer(encode(o), 0, control));
  Bytes bad = good;
  bad.back() ^= 1;
  s->receive(0, from, bad, 0, out);
  s->receive(0, from, seal_probe({ProbeType::kPing, {}, us, {}, std::nullopt}, ProbeKey{}), 0, out);  // reflected
  s->receive(0, from, seal_probe({ProbeType::kPong, {}, them, {}, from}, ProbeKey{}), 0, out);        // never asked
  EXPECT_TRUE(out.empty());
  s->receive(0, from, good, 0, out);
  EXPECT_EQ(out.size(), 2u);  // a pong, and a question of its own
}

TEST(PunchSession, the_smaller_tag_nominates_and_the_other_waits) {
  for (const bool smaller : {true, false}) {
    SeededRandom random(7);
    PeerTag us, them;
    us.data[0] = smaller ? 1 : 3, them.data[0] = 2;
    PunchOffer o = small_offer();
    o.candidates.resize(1);
    auto s = PunchSession::create({false, ProbeKey{}, us, them, o}, random);
    std::vector<Bytes> control;
    ASSERT_TRUE(s->offer(encode(o), 0, control));
    ASSERT_TRUE(s->sync(encode(PunchSync{o.session, 0}), 0));
    Outbox out;
    s->tick(1000 * kMs, out);
    ASSERT_FALSE(out.empty());
    const Probe ping = *open_probe(out.back().bytes, ProbeKey{});
    const Endpoint from = o.candidates[0];
    const auto receive = [&](const Probe& probe) {
      out.clear();
      s->receive(0, from, seal_probe(probe, ProbeKey{}), 1001 * kMs, out);
    };
    receive({ProbeType::kPong, {}, them, ping.tx, from});
    ASSERT_EQ(out.size(), smaller ? 1u : 0u);
    EXPECT_EQ(s->state(), PunchState::kProbing);
    if (smaller) {
      const Probe nominate = *open_probe(out[0].bytes, ProbeKey{});
      EXPECT_EQ(nominate.type, ProbeType::kNominate);
      receive({ProbeType::kNominate, {}, them, ProbeTx{}, std::nullopt});  // not theirs to say
      EXPECT_EQ(s->state(), PunchState::kProbing);
      receive({ProbeType::kPong, {}, them, nominate.tx, from});
    } else {
      receive({ProbeType::kNominate, {}, them, ProbeTx{}, std::nullopt});
    }
    EXPECT_EQ(s->state(), PunchState::kDone);
    EXPECT_EQ(s->path()->remote, from);
  }
}

TEST(PunchSession, a_repeated_probe_is_answered_a_limited_number_of_times) {
  SeededRandom random(8);
  PeerTag us, them;
  them.data[0] = 2;
  const PunchOffer o = small_offer();
  auto s = PunchSession::create({false, ProbeKey{}, us, them, o}, random);
  std::vector<Bytes> control;
  ASSERT_TRUE(s->offer(encode(o), 0, control));
  const Bytes ping = seal_probe({ProbeType::kPing, {}, them, {}, std::nullopt}, ProbeKey{});
  Outbox out;
  for (std::size_t i = 0; i < 3 * kProbesMax; ++i) s->receive(0, o.candidates[0], ping, 0, out);
  EXPECT_EQ(out.size(), 2 * kProbesMax);
  EXPECT_EQ(s->probes(), kProbesMax);
}

TEST(PunchSession, refuses_control_of_another_session_or_out_of_turn) {
  SeededRandom random(6);
  PeerTag us, them;
  them.data[0] = 2;
  const PunchOffer o = small_offer();
  auto s = PunchSession::create({false, ProbeKey{}, us, them, o}, random);
  std::vector<Bytes> control;
  EXPECT_EQ(s->sync(encode(PunchSync{o.session, 0}), 0).error().id(), "nat.punch_session");
  PunchOffer other = o;
  other.attempt = 1;
  EXPECT_EQ(s->offer(encode(other), 0, control).error().id(), "nat.punch_session");
  EXPECT_TRUE(s->offer(encode(o), 0, control));
  EXPECT_EQ(s->offer(encode(o), 0, control).error().id(), "nat.punch_session");
  EXPECT_TRUE(s->sync(encode(PunchSync{o.session, 0}), 0));
  EXPECT_EQ(PunchSession::create({false, ProbeKey{}, us, us, o}, random).error().id(), "nat.punch_options");
}

TEST(PunchBudget, allows_a_peer_once_in_ten_minutes_and_four_in_a_minute) {
  PunchBudget budget;
  constexpr std::int64_t kMinute = 60'000 * kMs;
  const auto peer = [](std::uint8_t n) {
    PeerTag t;
    t.data[0] = n;
    return t;
  };
  for (std::uint8_t i = 0; i < 4; ++i) EXPECT_TRUE(budget.take(peer(i), 0));
  EXPECT_EQ(budget.take(peer(9), kMinute - 1).error().id(), "nat.punch_budget");
  EXPECT_TRUE(budget.take(peer(9), kMinute));
  EXPECT_FALSE(budget.take(peer(0), 10 * kMinute - 1));
  EXPECT_TRUE(budget.take(peer(0), 10 * kMinute));
}

}  // namespace
}  // namespace hanse::nat
