// Nodes with their real QUIC behind simulated NATs, in virtual time: one bootstrap node outside, peers behind what the
// case says.
#include "mesh/reach/reach.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/crypto/test_key.h"
#include "mesh/nat/simulated_net.h"
#include "mesh/reach/detail/meetings.h"

namespace hanse::reach {
namespace {

using namespace detail;  // NOLINT: words for addresses
using nat::detail::NatKind, nat::detail::SimulatedNat, nat::detail::SimulatedNet;

constexpr std::uint64_t kTalk = 0x40;

struct Host {
  std::string name;
  nat::Address ip;
  std::unique_ptr<SimulatedNat> nat;
  std::unique_ptr<SeededRandom> random;
  std::unique_ptr<Reach> reach;
  std::uint16_t next_port = 20000;
  std::set<std::uint16_t> ports{12000};
  std::vector<PeerEvent> events;
  std::vector<Bytes> heard;
  std::size_t opened_most = 0;

  nat::Endpoint outside() const { return {nat ? nat->options().outside : ip, 12000}; }
};

class World {
 public:
  explicit World(std::uint64_t seed, nat::detail::NetOptions net_options = {.delay_ms = 20, .jitter_ms = 2})
      : seed_(seed), net(seed, net_options) {}

  struct What {
    NatKind kind = nat::detail::kOpen;
    std::uint32_t roles = 0;
    std::vector<Known> known = {};
    bool punch = true;
    relay::RelayLimits relay = {.bytes_per_second = 64u << 20};
    identity::Trust trust = {};
    identity::Papers papers = {};
  };
  Host& add(std::string name, What what) {
    const auto n = static_cast<std::uint8_t>(hosts.size() + 1);
    hosts.push_back(std::make_unique<Host>());
    Host& h = *hosts.back();
    h.name = std::move(name);
    nat::detail::NatOptions options = nat::detail::nat_of(what.kind);
    options.outside = nat::Address::v4(0xcb007100u + (std::uint32_t{n} << 16));
    h.ip = what.kind == nat::detail::kOpen ? options.outside : nat::Address::v4(0x0a000002u + (std::uint32_t{n} << 16));
    if (what.kind != nat::detail::kOpen) h.nat = std::make_unique<SimulatedNat>(options, seed_ * 64 + n);
    h.random = std::make_unique<SeededRandom>(seed_, h.name);
    ReachOptions o;
    o.endpoint.network.data[0] = 7;
    o.endpoint.key = &crypto::test_key(n);
    o.endpoint.protocols = {{.id = kTalk, .frame_bytes_max = 64u << 10, .priority = transport::Priority::kBulk}};
    o.roles = what.roles;
    o.known = std::move(what.known);
    o.punch = what.punch;
    o.relay = what.relay;
    o.trust = std::move(what.trust);
    o.papers = std::move(what.papers);
    o.clock = &wall;
    o.random = h.random.get();
    auto made = Reach::create(std::move(o));
    EXPECT_TRUE(made) << made.error().str();
    h.reach = std::move(*made);
    attach(h);
    Ports ports{.own_v4 = 12000,
                .open = [&h](bool) -> Result<std::uint16_t> {
                  h.ports.insert(h.next_port);
                  h.opened_most = std::max(h.opened_most, h.ports.size());
                  return h.next_port++;
                },
                .close = [&h](std::uint16_t port) { EXPECT_EQ(h.ports.erase(port), 1u) << port; }};
    h.reach->start(std::move(ports), {to_address({h.ip, 0})}, net.now_ns);
    return h;
  }

  void attach(Host& h) {
    net.add_host(h.ip, h.nat.get(), [this, &h](const nat::Endpoint& local, const nat::Endpoint& from, const Bytes& b) {
      if (!h.ports.contains(local.port) || local.ip != h.ip || !alive(h)) return;
      h.reach->receive({.local = to_address(local), .remote = to_address(from)}, b, 0, net.now_ns);
      turn(h);
    });
  }
  // The uplink of a host is another one, behind another NAT of the same kind.
  void move(Host& h, NatKind kind) {
    const auto n = static_cast<std::uint32_t>(hosts.size() + 10 * ++moves_);
    nat::detail::NatOptions options = nat::detail::nat_of(kind);
    options.outside = nat::Address::v4(0xc6330000u + (n << 8) + 1);
    h.ip = kind == nat::detail::kOpen ? options.outside : nat::Address::v4(0x0a800002u + (n << 16));
    old_nats_.push_back(std::move(h.nat));
    if (kind != nat::detail::kOpen) h.nat = std::make_unique<SimulatedNat>(options, seed_ * 64 + n);
    attach(h);
    h.reach->uplink({to_address({h.ip, 0})}, net.now_ns);
    turn(h);
  }
  bool alive(const Host& h) const { return !dead.contains(h.name); }

  void turn(Host& h) {
    h.reach->deliver(net.now_ns);
    transport::Batch batch;
    while (h.reach->transmit(batch, net.now_ns)) {
      for (std::size_t at = 0; at < batch.size; at += batch.segment) {
        const ByteView bytes = ByteView(batch.buffer).subspan(at, std::min(batch.segment, batch.size - at));
        const nat::Datagram d{.ttl = batch.ttl, .to = to_endpoint(batch.path.remote), .bytes = to_bytes(bytes)};
        if (!blocked || !blocked(h, d.to)) net.send({h.ip, batch.path.local.port}, d);
      }
    }
    h.reach->deliver(net.now_ns);
    PeerEvent event;
    while (h.reach->next_event(event)) {
      if (event.type == PeerEvent::Type::kFrame) {
        h.heard.push_back(event.body);
        h.reach->consumed(std::move(event));
      } else {
        h.events.push_back(std::move(event));
      }
    }
  }

  bool run(std::int64_t most_ms, const std::function<bool()>& done = {}) {
    const std::int64_t end = net.now_ns + most_ms * kMs;
    for (auto& h : hosts) turn(*h);
    while (!done || !done()) {
      std::int64_t next = net.next_ns();
      Host* first = nullptr;
      for (auto& h : hosts) {
        if (!alive(*h) || h->reach->next_deadline_ns() >= next) continue;
        next = h->reach->next_deadline_ns();
        first = h.get();
      }
      if (next > end) {
        net.now_ns = end;
        return !done || done();
      }
      if (first == nullptr) {
        net.step();
        continue;
      }
      net.now_ns = std::max(net.now_ns, next);
      first->reach->on_deadline(net.now_ns);
      turn(*first);
    }
    return true;
  }

  static Known known(const Host& h) { return {h.reach->id(), {to_address(h.outside())}}; }
  static std::optional<LinkFacts> link(const Host& h, const Host& to) {
    for (LinkFacts& f : h.reach->links())
      if (f.peer == to.reach->id()) return f;
    return std::nullopt;
  }
  static bool direct(const Host& h, const Host& to) {
    const auto f = link(h, to);
    return f && !f->path.remote.is_carried();
  }
  bool say(Host& from, const Host& to, std::string_view words) {
    const bool sent =
        from.reach->send(to.reach->id(), kTalk, 1, std::make_shared<const Bytes>(to_bytes(words)), net.now_ns)
            .has_value();
    turn(from);
    return sent;
  }

  std::uint64_t seed_;
  ManualClock wall{1'790'000'000'000};
  std::uint32_t moves_ = 0;
  std::vector<std::unique_ptr<SimulatedNat>> old_nats_;
  SimulatedNet net;
  std::vector<std::unique_ptr<Host>> hosts;
  std::set<std::string> dead;
  std::function<bool(const Host& from, const nat::Endpoint& to)> blocked;
};

constexpr std::uint32_t kAllRoles = kRelayRole | kReflectorRole | kCoordinatorRole;

struct Pair : World {
  Pair(std::uint64_t seed, NatKind a_kind, NatKind b_kind, bool punch = true) : World(seed) {
    relay = &add("relay", {.roles = kAllRoles});
    second = &add("second", {.roles = kAllRoles, .known = {known(*relay)}});
    const std::vector<Known> boot{known(*relay), known(*second)};
    a = &add("a", {.kind = a_kind, .known = boot, .punch = punch});
    b = &add("b", {.kind = b_kind, .known = boot, .punch = punch});
    EXPECT_TRUE(run(30'000, [&] {
      return !b->reach->places().empty() && a->reach->nat().has_value() && b->reach->nat().has_value();
    }));
  }
  bool meet(std::int64_t most_ms = 5000) {
    EXPECT_TRUE(a->reach->want(b->reach->id(), {}, {}, net.now_ns));
    return run(most_ms, [&] { return a->reach->connected(b->reach->id()) && b->reach->connected(a->reach->id()); });
  }
  Host *relay = nullptr, *second = nullptr, *a = nullptr, *b = nullptr;
};

TEST(Reach, talks_through_a_relay_at_once) {
  Pair w(1, nat::detail::kStrict, nat::detail::kStrict);
  const std::int64_t began = w.net.now_ns;
  ASSERT_TRUE(w.meet());
  EXPECT_LE(w.net.now_ns - began, 2000 * kMs);
  ASSERT_TRUE(w.say(*w.a, *w.b, "hello"));
  ASSERT_TRUE(w.run(2000, [&] { return !w.b->heard.empty(); }));
  EXPECT_EQ(as_text(w.b->heard[0]), "hello");
  const auto facts = World::link(*w.a, *w.b);
  ASSERT_TRUE(facts && facts->relay);
  EXPECT_EQ(*facts->relay == w.relay->reach->id() || *facts->relay == w.second->reach->id(), true);
  w.run(20'000);
  EXPECT_FALSE(World::direct(*w.a, *w.b)) << "two strict NATs cannot be punched";
  for (const auto& link : {World::link(*w.a, *w.b), World::link(*w.b, *w.a)}) EXPECT_EQ(link->punch_plan, "relay");
}

class Matrix : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Matrix, goes_direct_and_keeps_its_stream) {
  const auto a = static_cast<NatKind>(std::get<0>(GetParam())), b = static_cast<NatKind>(std::get<1>(GetParam()));
  Pair w(7, a, b);
  const std::int64_t began = w.net.now_ns;
  ASSERT_TRUE(w.meet());
  ASSERT_TRUE(w.say(*w.a, *w.b, "1"));
  const bool hard = (a == nat::detail::kStrict && b >= nat::detail::kModerate) ||
                    (b == nat::detail::kStrict && a >= nat::detail::kModerate) ||
                    (a == nat::detail::kCounting && b >= nat::detail::kModerate);
  const bool both_hard = a >= nat::detail::kCounting && b >= nat::detail::kCounting &&
                         (a == nat::detail::kStrict || b == nat::detail::kStrict);
  const bool got = w.run(both_hard ? 12'000
                         : hard    ? 60'000
                                   : 5000,
                         [&] { return World::direct(*w.a, *w.b) && World::direct(*w.b, *w.a); });
  EXPECT_EQ(got, !both_hard) << (w.net.now_ns - began) / kMs << " ms, " << World::link(*w.a, *w.b)->punch_plan << " "
                             << World::link(*w.b, *w.a)->punch_plan;
  for (int i = 2; i <= 50; ++i) ASSERT_TRUE(w.say(*w.a, *w.b, text("{}", i)));
  ASSERT_TRUE(w.run(5000, [&] { return w.b->heard.size() == 50; })) << w.b->heard.size();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(as_text(w.b->heard[static_cast<std::size_t>(i)]), text("{}", i + 1));
  w.run(10'000);
  EXPECT_LE(w.a->ports.size(), 2u) << "all sockets but a punched one are closed again";
  EXPECT_LE(w.b->ports.size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(OfNats, Matrix,
                         testing::Combine(testing::Range(0, int{nat::detail::kKinds}),
                                          testing::Range(0, int{nat::detail::kKinds})),
                         [](const auto& info) {
                           return text("{}_to_{}", nat::detail::kKindNames[std::get<0>(info.param)],
                                       nat::detail::kKindNames[std::get<1>(info.param)]);
                         });

// A stream of numbered frames that goes on whatever happens to its path.
struct Talk : Pair {
  explicit Talk(std::uint64_t seed, NatKind kind = nat::detail::kModerate) : Pair(seed, kind, kind) {
    EXPECT_TRUE(meet());
    EXPECT_TRUE(run(5000, [&] { return direct(*a, *b); }));
  }
  // Says a word each 20 ms both ways; answers the longest pause between two that arrived.
  std::int64_t talk(std::int64_t ms, const std::function<bool()>& done = {}) {
    std::int64_t last_ns = net.now_ns, longest_ns = 0;
    std::size_t heard = b->heard.size() + a->heard.size();
    for (std::int64_t t = 0; t < ms && !(done && done()); t += 20) {
      EXPECT_TRUE(say(*a, *b, text("{}", said)));
      EXPECT_TRUE(say(*b, *a, text("{}", said++)));
      run(20);
      if (a->heard.size() + b->heard.size() > heard) {
        heard = a->heard.size() + b->heard.size();
        last_ns = net.now_ns;
      }
      longest_ns = std::max(longest_ns, net.now_ns - last_ns);
    }
    return longest_ns / kMs;
  }
  void all_arrived_in_order() {
    ASSERT_TRUE(run(20'000, [&] { return a->heard.size() == said && b->heard.size() == said; }))
        << a->heard.size() << " " << b->heard.size() << " of " << said;
    for (const Host* h : {a, b})
      for (std::size_t i = 0; i < said; ++i) ASSERT_EQ(as_text(h->heard[i]), text("{}", i));
    for (const Host* h : {a, b}) EXPECT_EQ(std::ranges::count(h->events, PeerEvent::Type::kDown, &PeerEvent::type), 0);
  }
  std::size_t said = 0;
};

TEST(Path, that_goes_silent_is_left_for_a_relay_and_taken_again_when_it_works) {
  Talk w(3);
  EXPECT_LE(w.talk(1000), 100);
  w.blocked = [&](const Host& from, const nat::Endpoint& to) {
    const Host* other = &from == w.a ? w.b : &from == w.b ? w.a : nullptr;
    return other != nullptr && to.ip == other->outside().ip;
  };
  const std::int64_t pause = w.talk(15'000);
  EXPECT_GE(pause, 1500) << "the path was really blocked";
  EXPECT_LE(pause, 3000) << "T9: 7 s at most";
  EXPECT_FALSE(World::direct(*w.a, *w.b));
  EXPECT_FALSE(World::direct(*w.b, *w.a));
  EXPECT_EQ(w.a->reach->counts().silences, 1u);
  w.blocked = {};
  const std::int64_t again = w.talk(90'000, [&] { return World::direct(*w.a, *w.b); });
  EXPECT_TRUE(World::direct(*w.a, *w.b)) << "a better path is looked for again";
  EXPECT_LE(again, 200) << "moving to it costs no pause";
  w.talk(1000);
  w.all_arrived_in_order();
  EXPECT_EQ(w.a->reach->counts().to_direct, 2u);
  EXPECT_EQ(w.a->reach->counts().to_relay, 1u);
}

TEST(Path, that_goes_silent_as_soon_as_it_is_found_is_looked_for_again) {
  Talk w(6);
  w.talk(10'000, [&] { return World::direct(*w.a, *w.b); });
  ASSERT_TRUE(World::direct(*w.a, *w.b));
  w.blocked = [&](const Host& from, const nat::Endpoint& to) {
    const Host* other = &from == w.a ? w.b : &from == w.b ? w.a : nullptr;
    return other != nullptr && to.ip == other->outside().ip;
  };
  w.talk(2'500, [&] { return !World::direct(*w.a, *w.b); });  // within the time that a found path is answered on
  ASSERT_FALSE(World::direct(*w.a, *w.b));
  w.blocked = {};
  w.talk(90'000, [&] { return World::direct(*w.a, *w.b); });
  EXPECT_TRUE(World::direct(*w.a, *w.b));
  w.all_arrived_in_order();
}

TEST(Uplink, of_the_dialer_may_change) {
  Talk w(4);
  w.talk(1000);
  w.move(*w.a, nat::detail::kModerate);
  EXPECT_LE(w.talk(5000), 1200) << "who knows that its uplink has changed does not wait long; T9: 3 s";
  w.talk(60'000, [&] { return World::direct(*w.a, *w.b); });
  EXPECT_TRUE(World::direct(*w.a, *w.b));
  w.all_arrived_in_order();
}

TEST(Uplink, of_the_other_side_may_change) {
  Talk w(5);
  w.talk(1000);
  w.move(*w.b, nat::detail::kModerate);
  EXPECT_LE(w.talk(6000), 3000) << "T9: data again within 3 s";
  w.talk(60'000, [&] { return World::direct(*w.a, *w.b); });
  EXPECT_TRUE(World::direct(*w.a, *w.b));
  w.all_arrived_in_order();
}

TEST(Relay, that_dies_under_a_connection_is_replaced_by_another) {
  Pair w(6, nat::detail::kStrict, nat::detail::kStrict);
  ASSERT_TRUE(w.meet());
  ASSERT_TRUE(w.run(5000, [&] { return w.b->reach->places().size() == 2; }));
  w.run(1000);
  const PeerId used = *World::link(*w.a, *w.b)->relay;
  Host& dying = used == w.relay->reach->id() ? *w.relay : *w.second;
  w.dead.insert(dying.name);
  ASSERT_TRUE(w.say(*w.a, *w.b, "after"));
  ASSERT_TRUE(w.run(7000, [&] { return !w.b->heard.empty(); }));
  EXPECT_NE(World::link(*w.a, *w.b)->relay, used);
  EXPECT_EQ(std::ranges::count(w.b->events, PeerEvent::Type::kDown, &PeerEvent::type), 0);
}

TEST(Relay, that_says_it_will_go_is_left_before_it_goes) {
  Pair w(13, nat::detail::kStrict, nat::detail::kStrict);
  ASSERT_TRUE(w.meet());
  ASSERT_TRUE(w.run(5000, [&] { return w.b->reach->places().size() == 2; }));
  w.run(1000);
  const PeerId used = *World::link(*w.a, *w.b)->relay;
  Host& going = used == w.relay->reach->id() ? *w.relay : *w.second;
  going.reach->go_away();
  ASSERT_TRUE(w.run(1000, [&] { return World::link(*w.a, *w.b)->relay != used; }));
  ASSERT_TRUE(w.run(4000, [&] { return going.reach->relay()->circuits() == 0; })) << "it may stop now";
  ASSERT_TRUE(w.say(*w.a, *w.b, "still here"));
  EXPECT_TRUE(w.run(500, [&] { return !w.b->heard.empty(); }));
}

TEST(Reach, dials_a_public_peer_without_a_relay) {
  Pair w(8, nat::detail::kOpen, nat::detail::kModerate);
  ASSERT_TRUE(w.b->reach->want(w.a->reach->id(), {to_address(w.a->outside())}, {}, w.net.now_ns));
  ASSERT_TRUE(w.run(200, [&] { return w.b->reach->connected(w.a->reach->id()); }));
  EXPECT_TRUE(World::direct(*w.b, *w.a));
  w.run(3000);
  EXPECT_EQ(w.relay->reach->relay()->circuits() + w.second->reach->relay()->circuits(), 0u);
}

TEST(Reach, with_an_address_that_is_dead_goes_through_a_relay) {
  Pair w(9, nat::detail::kModerate, nat::detail::kModerate);
  ASSERT_TRUE(w.a->reach->want(w.b->reach->id(), {*transport::parse_address("203.0.113.99:12000")}, {}, w.net.now_ns));
  EXPECT_TRUE(w.run(1000, [&] { return w.a->reach->connected(w.b->reach->id()); }));
}

TEST(Reach, finds_a_peer_that_takes_a_place_later) {
  World w(10);
  Host& relay = w.add("relay", {.roles = kAllRoles});
  Host& a = w.add("a", {.kind = nat::detail::kModerate, .known = {World::known(relay)}});
  ASSERT_TRUE(w.run(2000, [&] { return a.reach->connected(relay.reach->id()); }));
  const PeerId late = crypto::account_id(crypto::test_key(3).public_key());
  ASSERT_TRUE(a.reach->want(late, {}, {}, w.net.now_ns));
  w.run(10'000);
  Host& b = w.add("b", {.kind = nat::detail::kModerate, .known = {World::known(relay)}});
  ASSERT_EQ(b.reach->id(), late);
  EXPECT_TRUE(w.run(60'000, [&] { return a.reach->connected(late); }));
}

TEST(Reach, that_does_not_know_its_nat_yet_answers_an_offer_when_it_does) {
  Pair w(11, nat::detail::kModerate, nat::detail::kOpen);
  const std::vector<Known> boot{World::known(*w.relay), World::known(*w.second)};
  Host& late = w.add("late", {.kind = nat::detail::kCounting, .known = boot});
  ASSERT_TRUE(w.run(2000, [&] { return !late.reach->places().empty(); }));
  ASSERT_TRUE(w.a->reach->want(late.reach->id(), {}, {late.reach->places()[0]}, w.net.now_ns));
  ASSERT_TRUE(w.run(1000, [&] { return w.a->reach->connected(late.reach->id()); }));
  ASSERT_FALSE(late.reach->nat()) << "it is still looking";
  EXPECT_TRUE(w.run(5000, [&] { return World::direct(*w.a, late); }));
  EXPECT_EQ(w.a->reach->counts().punch_failed, 0u);
}

// The counting NAT keeps the port of the first try for our own socket: what comes next is another.
TEST(Reach, that_was_dialed_in_vain_from_behind_a_counting_nat_is_reached_all_the_same) {
  for (const NatKind kind : {nat::detail::kModerate, nat::detail::kCounting}) {
    Pair w(12, nat::detail::kCounting, kind);
    ASSERT_TRUE(w.a->reach->want(w.b->reach->id(), {to_address(w.b->outside())}, {}, w.net.now_ns));
    EXPECT_TRUE(w.run(5000, [&] { return World::direct(*w.a, *w.b) && World::direct(*w.b, *w.a); })) << kind;
    EXPECT_EQ(w.a->reach->counts().punch_failed + w.b->reach->counts().punch_failed, 0u);
  }
}

TEST(Coordinator, lets_two_meet_without_a_relay) {
  World w(14);
  Host& middle = w.add("middle", {.roles = kCoordinatorRole | kReflectorRole});
  Host& a = w.add("a", {.kind = nat::detail::kModerate, .known = {World::known(middle)}});
  Host& b = w.add("b", {.kind = nat::detail::kModerate, .known = {World::known(middle)}});
  ASSERT_TRUE(w.run(10'000, [&] { return a.reach->nat() && b.reach->nat(); }));
  ASSERT_TRUE(a.reach->want(b.reach->id(), {}, {}, w.net.now_ns));
  ASSERT_TRUE(w.run(5000, [&] { return a.reach->connected(b.reach->id()) && b.reach->connected(a.reach->id()); }));
  EXPECT_TRUE(World::direct(a, b));
  ASSERT_TRUE(w.say(a, b, "met"));
  EXPECT_TRUE(w.run(1000, [&] { return !b.heard.empty(); }));
}

TEST(Coordinator, is_of_no_use_where_the_role_is_off) {
  World w(15);
  Host& plain = w.add("plain", {.roles = kReflectorRole});
  Host& a = w.add("a", {.kind = nat::detail::kModerate, .known = {World::known(plain)}});
  Host& b = w.add("b", {.kind = nat::detail::kModerate, .known = {World::known(plain)}});
  ASSERT_TRUE(w.run(10'000, [&] { return a.reach->nat() && b.reach->nat(); }));
  ASSERT_TRUE(a.reach->want(b.reach->id(), {}, {}, w.net.now_ns));
  EXPECT_FALSE(w.run(10'000, [&] { return a.reach->connected(b.reach->id()); }));
}

TEST(Meeting, is_the_same_after_encoding_and_refuses_other_lengths) {
  Meeting m{.kind = MeetKind::kCall,
            .places = {*transport::parse_address("192.0.2.1:7"), *transport::parse_address("[2001:db8::1]:8")}};
  m.peer.data[0] = 5;
  const Bytes bytes = encode(m);
  EXPECT_EQ(*decode_meeting(bytes), m);
  EXPECT_EQ(*decode_meeting(encode(Meeting{})), Meeting{});
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(decode_meeting(longer).error().id(), "reach.meeting");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_meeting(ByteView(bytes).first(cut))) << cut;
  Bytes many = bytes;
  many[1 + PeerId::kSize] = kPlacesOfOneMax + 1;
  EXPECT_EQ(decode_meeting(many).error().id(), "reach.meeting");
  m.places.assign(kPlacesOfOneMax + 1, m.places[0]);
  EXPECT_EQ(decode_meeting(encode(m))->places.size(), kPlacesOfOneMax);
}

TEST(Hint, of_a_neighbour_is_dialed_once_and_tried_when_it_is_wanted) {
  World w(16);
  Host& a = w.add("a", {});
  Host& b = w.add("b", {});
  a.reach->hint(b.reach->id(), {to_address(b.outside())}, w.net.now_ns);
  EXPECT_TRUE(w.run(1000, [&] { return a.reach->connected(b.reach->id()); }));
  w.run(60'000);
  EXPECT_FALSE(a.reach->connected(b.reach->id())) << "nobody wants it: it ends in silence";
  ASSERT_TRUE(a.reach->want(b.reach->id(), {}, {}, w.net.now_ns));
  EXPECT_TRUE(w.run(1000, [&] { return a.reach->connected(b.reach->id()); }));
}

TEST(Hint, is_kept_of_so_many_peers) {
  World w(17);
  Host& a = w.add("a", {});
  Host& b = w.add("b", {});
  PeerId peer;
  for (std::size_t i = 0; i < kHintsMax; ++i) {
    store_be(peer.data.data(), static_cast<std::uint32_t>(i + 1));
    a.reach->hint(peer, {*transport::parse_address("203.0.113.250:1")}, w.net.now_ns);
  }
  a.reach->hint(b.reach->id(), {to_address(b.outside())}, w.net.now_ns);
  ASSERT_TRUE(a.reach->want(b.reach->id(), {}, {}, w.net.now_ns));
  EXPECT_FALSE(w.run(2000, [&] { return a.reach->connected(b.reach->id()); }));
}

TEST(Mapped, by_the_router_is_a_place_to_be_reached_at) {
  World w(18);
  Host& a = w.add("a", {.kind = nat::detail::kStrict});
  const Address outside = *transport::parse_address("203.0.113.77:4711");
  a.reach->mapped(outside);
  auto places = a.reach->candidates(w.net.now_ns);
  EXPECT_NE(std::ranges::find(places, outside), places.end());
  a.reach->mapped(std::nullopt);
  places = a.reach->candidates(w.net.now_ns);
  EXPECT_EQ(std::ranges::find(places, outside), places.end());
}

TEST(Roles, that_are_off_are_refused) {
  World w(11);
  Host& plain = w.add("plain", {.roles = 0});
  Host& a = w.add("a", {.kind = nat::detail::kModerate, .known = {World::known(plain)}});
  Host& b = w.add("b", {.kind = nat::detail::kModerate, .known = {World::known(plain)}});
  ASSERT_TRUE(
      w.run(2000, [&] { return a.reach->connected(plain.reach->id()) && b.reach->connected(plain.reach->id()); }));
  ASSERT_TRUE(a.reach->want(b.reach->id(), {}, {}, w.net.now_ns));
  EXPECT_FALSE(w.run(20'000, [&] { return a.reach->connected(b.reach->id()); }));
  EXPECT_TRUE(b.reach->places().empty());
  EXPECT_FALSE(a.reach->nat().has_value()) << "nobody reflects";
  // Even one that asks all the same.
  (void)a.reach->send(plain.reach->id(), kTalk, 1, std::make_shared<const Bytes>(Bytes(1)), w.net.now_ns);
  EXPECT_EQ(plain.reach->relay(), nullptr);
}

TEST(Reach, wants_so_many_peers_and_one_more_is_refused) {
  World w(12);
  Host& a = w.add("a", {});
  PeerId peer;
  for (std::size_t i = 0; i < kWantedMax; ++i) {
    store_be(peer.data.data(), static_cast<std::uint32_t>(i + 1));
    ASSERT_TRUE(a.reach->want(peer, {}, {}, w.net.now_ns));
  }
  store_be(peer.data.data(), std::uint32_t{0xffffffff});
  EXPECT_EQ(a.reach->want(peer, {}, {}, w.net.now_ns).error().id(), "reach.limit");
  w.run(70'000);
}

// ---- who may be here -----------------------------------------------------------------------------------------------

identity::AgentId agent_of(std::uint8_t n) { return identity::agent_id(crypto::test_key(n).public_key()); }
PeerId machine_of(std::uint8_t n) { return crypto::account_id(crypto::test_key(n).public_key()); }
identity::Papers papers_of(std::uint8_t machine, std::uint8_t agent) {
  const identity::AgentCert cert{.subject = machine_of(machine),
                                 .not_before_ms = 1'789'000'000'000,
                                 .not_after_ms = 1'791'000'000'000,
                                 .caps = identity::kConnectCap};
  return {.agent = *identity::sign_cert(cert, crypto::test_key(agent)), .user = {}};
}
std::string end_of(const Host& h, const PeerId& peer) {
  for (const PeerEvent& e : h.events)
    if (e.peer == peer && e.error) return std::string(e.error->id());
  return "";
}
bool knows_of(const Host& h, const PeerId& peer) {
  return std::ranges::any_of(h.events,
                             [&](const PeerEvent& e) { return e.peer == peer && e.type == PeerEvent::Type::kUp; });
}

TEST(Admission, shows_the_agent_of_a_peer_on_both_sides) {
  World w(1);
  Host& a = w.add("a", {.papers = papers_of(1, 21)});
  Host& b = w.add("b", {.known = {World::known(a)}, .papers = papers_of(2, 22)});
  ASSERT_TRUE(w.run(5000, [&] {
    const auto at_a = World::link(a, b), at_b = World::link(b, a);
    return at_a && at_a->who && at_b && at_b->who;
  }));
  EXPECT_EQ(World::link(a, b)->who->agent, agent_of(22));
  EXPECT_EQ(World::link(b, a)->who->agent, agent_of(21));
}

TEST(Admission, by_trust_lets_in_trusted_agents_alone_and_takes_nothing_of_others) {
  identity::Trust trust;
  trust.admission = identity::Admission::kTrusted;
  ASSERT_TRUE(trust.trust(identity::id_text(agent_of(22))));
  World w(2);
  Host& a = w.add("a", {.roles = kAllRoles, .trust = trust});
  Host& good = w.add("good", {.known = {World::known(a)}, .papers = papers_of(2, 22)});
  Host& other = w.add("other", {.known = {World::known(a)}, .papers = papers_of(3, 23)});
  Host& bare = w.add("bare", {.known = {World::known(a)}});
  // What a stranger says as soon as it is up goes with its first packets.
  ASSERT_TRUE(w.run(5000, [&] {
    for (Host* h : {&good, &other, &bare})
      if (h->reach->connected(a.reach->id())) (void)w.say(*h, a, h->name);
    return !a.heard.empty() && !end_of(a, other.reach->id()).empty() && !end_of(a, bare.reach->id()).empty();
  }));
  EXPECT_EQ(end_of(a, other.reach->id()), "identity.not_trusted");
  EXPECT_EQ(end_of(a, bare.reach->id()), "identity.not_trusted");
  EXPECT_TRUE(knows_of(a, good.reach->id()));
  EXPECT_FALSE(knows_of(a, other.reach->id()) || knows_of(a, bare.reach->id()));
  for (const Bytes& words : a.heard) EXPECT_EQ(as_text(words), "good");
  EXPECT_GE(a.reach->counts().refused, 2u);
  EXPECT_TRUE(a.reach->connected(good.reach->id()));
}

TEST(Admission, of_a_revoked_machine_is_refused_in_the_handshake_and_it_is_never_dialed) {
  identity::Trust trust;
  ASSERT_TRUE(trust.revoke(identity::id_text(machine_of(2))));
  World w(3);
  Host& a = w.add("a", {.trust = trust});
  Host& b = w.add("b", {.known = {World::known(a)}});
  w.run(3000);
  EXPECT_FALSE(a.reach->connected(b.reach->id()));
  EXPECT_TRUE(a.events.empty()) << "nothing of it passes the handshake";
  const auto dialed = a.reach->want(b.reach->id(), {to_address(b.outside())}, {}, w.net.now_ns);
  ASSERT_FALSE(dialed);
  EXPECT_EQ(dialed.error().id(), "identity.revoked");
}

TEST(Admission, of_a_revoked_or_pinned_agent_ends_before_anything_is_told) {
  for (const bool pinned : {false, true}) {
    identity::Trust trust;
    if (pinned) {
      ASSERT_TRUE(trust.trust(identity::id_text(agent_of(22)) + "@" + identity::id_text(machine_of(9))));
    } else {
      ASSERT_TRUE(trust.revoke(identity::id_text(agent_of(22))));
    }
    World w(4);
    Host& a = w.add("a", {.trust = trust});
    Host& b = w.add("b", {.known = {World::known(a)}, .papers = papers_of(2, 22)});
    Host& c = w.add("c", {.known = {World::known(a)}});
    ASSERT_TRUE(w.run(5000, [&] { return !end_of(a, b.reach->id()).empty() && a.reach->connected(c.reach->id()); }));
    EXPECT_EQ(end_of(a, b.reach->id()), pinned ? "identity.pinned" : "identity.revoked");
    EXPECT_FALSE(knows_of(a, b.reach->id()));
  }
}

TEST(Admission, with_papers_that_do_not_hold_for_this_machine_is_no_start) {
  ReachOptions o;
  o.endpoint.network.data[0] = 7;
  o.endpoint.key = &crypto::test_key(1);
  o.papers = papers_of(2, 22);
  EXPECT_EQ(Reach::create(std::move(o)).error().id(), "identity.machine");
}

}  // namespace
}  // namespace hanse::reach
