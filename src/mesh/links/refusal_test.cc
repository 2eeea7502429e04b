// Who does not come up, and what each side says. A bare endpoint of mesh/transport plays the strangers and the liars.
#include <gtest/gtest.h>

#include <latch>

#include "mesh/links/detail/core.h"
#include "mesh/links/detail/test_net.h"
#include "mesh/transport/driver.h"

namespace hanse::links {
namespace {

using detail::body;
using detail::Events;
using detail::kSmall;
using detail::local;
using detail::Pair;
using detail::test_key;
using detail::test_options;
using transport::Event;

constexpr std::uint64_t kVotes = detail::kFirstProtocol;

Meet meet_of(std::uint16_t from, std::uint16_t to) {
  Meet meet{.epoch = 3, .from = from, .to = to, .nonce = {}};
  meet.nonce.data[0] = 99;
  return meet;
}

// An endpoint with a key and no manners: it says what it is told to.
class Foreigner {
 public:
  Foreigner(std::uint16_t port, const crypto::SecretKey& key, std::uint8_t network = 7, std::uint16_t dialed = 1) {
    transport::DriverOptions o;
    o.endpoint.network.data[0] = network;
    o.endpoint.key = &key;
    o.endpoint.protocols = {{.id = kVotes, .frame_bytes_max = kPieceMax, .priority = transport::Priority::kConsensus}};
    o.endpoint.control_types = {detail::kMeetFrame, detail::kPingFrame, detail::kPongFrame, detail::kReadyFrame};
    o.on_event = [this](transport::Endpoint& endpoint, Event event) {
      if (event.credit > 0) endpoint.consumed(event.connection, event.stream, event.credit);
      events.push_back(std::move(event));
    };
    driver = std::move(*transport::Driver::open(std::move(o)));
    connection =
        *driver->dial(*transport::parse_address(local(port)), crypto::account_id(test_key(dialed).public_key()));
  }
  // Turns until an event fits; null after 20 s.
  const Event* wait(const std::function<bool(const Event&)>& fits) {
    const Event* found = nullptr;
    detail::eventually([&] {
      if (!driver->turn(1'000'000)) return true;
      for (const Event& e : events)
        if (fits(e)) found = &e;
      return found != nullptr;
    });
    return found;
  }
  // The same for what the other side's callbacks were told.
  bool until(Events& told, const std::function<bool()>& done) {
    return detail::eventually([&] {
      const bool turned = driver->turn(1'000'000).has_value();
      const std::lock_guard lock(told.mutex);
      return !turned || done();
    });
  }
  bool heard() {  // all that was said so far is acknowledged
    return detail::eventually(
        [&] { return driver->turn(1'000'000) && driver->endpoint().stats(connection)->send_bytes == 0; });
  }
  bool up() {
    return wait([](const Event& e) { return e.type == Event::Type::kUp; }) != nullptr;
  }
  // The code with which the other side has closed; 0: it has not.
  std::uint64_t closed() {
    const Event* down = wait([](const Event& e) { return e.type == Event::Type::kDown; });
    return down != nullptr ? down->code : 0;
  }
  void control(std::uint8_t type, const Bytes& bytes) {
    ASSERT_TRUE(driver->endpoint().send_control(connection, type, std::make_shared<const Bytes>(bytes)));
  }
  void meets(std::uint16_t from, std::uint16_t to) { control(detail::kMeetFrame, encode(meet_of(from, to))); }
  void frame(std::uint8_t type, Bytes bytes) {
    if (!stream) stream = *driver->endpoint().open_stream(connection, kVotes);
    ASSERT_TRUE(driver->endpoint().send(connection, *stream, type, std::make_shared<const Bytes>(std::move(bytes))));
  }

  std::vector<Event> events;
  std::unique_ptr<transport::Driver> driver;
  transport::ConnectionId connection = 0;
  std::optional<transport::StreamId> stream;
};

// Validator 1 of 0, 1 and 2, alone.
struct Alone {
  explicit Alone(const std::function<void(Options&)>& change = {}) {
    Options o = test_options(1, 3, events);
    if (change) change(o);
    links = std::move(*Links::open(std::move(o)));
  }
  bool refused(std::string_view words, std::size_t count = 1) {
    return events.wait([&] { return Events::count(events.refused, words) >= count; });
  }
  Events events;
  std::unique_ptr<Links> links;
};

TEST(Refusal, an_honest_endpoint_is_taken) {  // so that the refusals below are for their own reason
  Alone one;
  Foreigner peer(one.links->port(), test_key(0));
  ASSERT_TRUE(peer.up());
  peer.frame(kSmall, {1});  // before its MEET: held
  ASSERT_TRUE(peer.heard());
  peer.meets(0, 1);
  const Event* meet = peer.wait([](const Event& e) { return e.frame_type == detail::kMeetFrame; });
  ASSERT_NE(meet, nullptr);
  EXPECT_EQ(decode_meet(meet->body)->from, 1);
  EXPECT_EQ(decode_meet(meet->body)->to, 0);
  EXPECT_EQ(decode_meet(meet->body)->epoch, 3u);
  peer.control(detail::kReadyFrame, {});
  peer.frame(kSmall, {2});
  peer.control(detail::kPingFrame, Bytes(8, 5));
  const Event* pong = peer.wait([](const Event& e) { return e.frame_type == detail::kPongFrame; });
  ASSERT_NE(pong, nullptr);
  EXPECT_EQ(pong->body, Bytes(8, 5));
  ASSERT_TRUE(one.events.wait([&] { return one.events.frames.size() == 2; })) << one.events.all();
  EXPECT_EQ(one.events.frames[0].body, Bytes{1});
  EXPECT_EQ(one.events.frames[1].peer, 0);
}

TEST(Refusal, strangers_and_foreign_networks_before_a_word_is_said) {
  Alone one;
  Foreigner stranger(one.links->port(), test_key(5));
  EXPECT_NE(stranger.closed(), 0u);
  EXPECT_TRUE(one.refused(text("{} transport.not_admitted", kNobody))) << one.events.all();
  EXPECT_EQ(one.links->totals().strangers, 1u);
  Foreigner foreign(one.links->port(), test_key(0), 8);
  EXPECT_NE(foreign.closed(), 0u);
  EXPECT_TRUE(one.refused("transport.wrong_network")) << one.events.all();
  for (const Foreigner* each : {&stranger, &foreign})
    for (const Event& e : each->events) EXPECT_NE(e.frame_type, detail::kMeetFrame);
  EXPECT_TRUE(one.events.empty(&Events::ups));
}

TEST(Refusal, what_a_meet_must_not_say) {
  Alone one;
  const auto said = [&](const Bytes& bytes, std::string_view id) {
    Foreigner peer(one.links->port(), test_key(0));
    EXPECT_TRUE(peer.up());
    peer.control(detail::kMeetFrame, bytes);
    EXPECT_TRUE(peer.until(one.events, [&] { return Events::count(one.events.refused, text("0 {}", id)) > 0; }))
        << one.events.all();
    return peer.closed();
  };
  EXPECT_EQ(said(encode(meet_of(2, 1)), "links.wrong_identity: found index 2"), 0x101u);
  EXPECT_EQ(said(encode(meet_of(0, 2)), "links.wrong_identity: the peer wants index 2"), 0x101u);
  Meet late = meet_of(0, 1);
  late.epoch = 4;
  EXPECT_EQ(said(encode(late), "links.wrong_epoch"), 0x110u);
  Bytes old = encode(meet_of(0, 1));
  old[0] = 0;
  EXPECT_EQ(said(old, "links.bad_meet"), 0x102u);
  EXPECT_EQ(one.links->stats(0)->refusals, 4u) << "each is counted";
  EXPECT_TRUE(one.events.empty(&Events::ups));
}

TEST(Refusal, another_epoch_or_network_on_both_sides) {
  for (const bool network : {true, false}) {
    Pair pair;
    ASSERT_TRUE(pair.open([&](Options& o) {
      if (o.self != 0) return;
      if (network)
        o.network.data[0] = 8;
      else
        o.epoch = 4;
    }));
    for (const int side : {0, 1}) {
      Events& events = pair.events[side];
      const std::string_view id = !network    ? "links.wrong_epoch"
                                  : side == 1 ? "transport.wrong_network"
                                              : "transport.refused";
      EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, id) > 0; })) << events.all();
      EXPECT_TRUE(events.empty(&Events::ups));
    }
  }
}

TEST(Refusal, frames_that_break_the_format_or_a_limit) {
  std::uint64_t violations = 0;
  Alone one([](Options& o) { o.limits[5] = 2 * kPieceMax; });
  const auto breaks = [&](std::string_view id, const std::function<void(Foreigner&)>& lie) {
    Foreigner peer(one.links->port(), test_key(0));
    EXPECT_TRUE(peer.up());
    peer.meets(0, 1);
    peer.control(detail::kReadyFrame, {});
    lie(peer);
    EXPECT_TRUE(peer.until(one.events, [&] { return Events::count(one.events.downs, id) > 0; }))
        << id << one.events.all();
    EXPECT_EQ(peer.closed(), 0x102u) << id;
    EXPECT_EQ(one.links->stats(0)->violations, ++violations) << id;
  };
  breaks("links.frame_limit: found a body of 65", [](Foreigner& p) { p.frame(kSmall, Bytes(detail::kSmallMax + 1)); });
  breaks("links.bad_frame: found a frame of type 9", [](Foreigner& p) { p.frame(detail::kUnknown, {}); });
  breaks("links.frame_limit: found a body of 524289", [](Foreigner& p) { p.frame(kBeginType, {5, 0, 8, 0, 1}); });
  breaks("links.bad_meet: found a second", [](Foreigner& p) { p.meets(0, 1); });
  breaks("links.bad_frame: found a control frame of 0", [](Foreigner& p) { p.control(detail::kReadyFrame, {}); });
  breaks("links.bad_frame: found a control frame of 7", [](Foreigner& p) { p.control(detail::kPingFrame, Bytes(7)); });
  EXPECT_TRUE(one.events.empty(&Events::frames));
}

TEST(Refusal, too_many_frames_before_a_meet) {
  Alone one;
  Foreigner peer(one.links->port(), test_key(0));
  ASSERT_TRUE(peer.up());
  for (int i = 0; i < 4096; ++i) peer.frame(kSmall, {});
  peer.frame(kSmall, {});
  EXPECT_EQ(peer.closed(), 0x102u);
  EXPECT_TRUE(one.refused("links.bad_frame: found 4096 frames")) << one.events.all();
}

TEST(Refusal, a_peer_that_does_not_meet_is_cut) {
  Alone one([](Options& o) { o.timing.handshake_ms = 300; });
  Foreigner peer(one.links->port(), test_key(0));
  ASSERT_TRUE(peer.up());
  EXPECT_EQ(peer.closed(), 0x112u);
  EXPECT_TRUE(one.refused("0 links.silent")) << one.events.all();
}

TEST(Refusal, the_dialing_side_refuses_another_key_than_the_configured) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) {
    if (o.self == 0) o.peers[0].key = test_key(5).public_key();
  }));
  Events& events = pair.events[0];
  EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, "1 transport.refused") > 1; })) << events.all();
  EXPECT_GE(pair.sides[0]->stats(1)->refusals, 2u);
  EXPECT_TRUE(pair.events[1].empty(&Events::ups));
}

TEST(Refusal, a_second_process_with_a_peers_key_is_found_and_the_first_stays) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  Events twin;
  Options o = test_options(0, 2, twin);
  o.peers[0].address = local(pair.sides[1]->port());
  auto second = Links::open(std::move(o));
  ASSERT_TRUE(second);
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return !events.twins.empty(); })) << events.all();
  EXPECT_EQ(events.first_twin(), 0);
  EXPECT_GE(events.told(&Events::refused, "0 links.twin"), 1u);
  EXPECT_TRUE(events.empty(&Events::downs)) << events.all();
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("still here")));
  EXPECT_TRUE(events.wait([&] { return events.frames.size() == 1; }));
}

TEST(Refusal, a_second_process_takes_over_when_the_first_does_not_answer) {
  std::latch entered(1), released(1);
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    o.timing.dead_after_ms = 60'000;
    o.timing.twin_answer_ms = 30;
    if (o.self == 0)
      o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) {
        entered.count_down();
        released.wait();
      };
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[1]->send(0, Priority::kVote, kSmall, body("hold")));
  entered.wait();
  Events next;
  Options o = test_options(0, 2, next);
  o.peers[0].address = local(pair.sides[1]->port());
  auto second = Links::open(std::move(o));
  ASSERT_TRUE(second);
  EXPECT_TRUE(next.wait([&] { return next.ups.size() == 1; })) << next.all();
  Events& events = pair.events[1];
  EXPECT_TRUE(events.wait([&] { return events.ups.size() == 2; })) << events.all();
  EXPECT_EQ(events.told(&Events::downs, "links.silent"), 1u);
  EXPECT_TRUE(events.empty(&Events::twins));
  released.count_down();
}

// A bare endpoint plays a process that is killed: it goes without a word, and another process gets its port.
TEST(Refusal, a_process_that_was_killed_is_replaced_as_soon_as_it_dials) {
  Alone one([](Options& o) { o.timing.twin_answer_ms = o.timing.dead_after_ms = 3'600'000; });
  std::string address;
  {
    Foreigner first(one.links->port(), test_key(0));
    address = local(first.driver->addresses().front().port);
    ASSERT_TRUE(first.up());
    first.meets(0, 1);
    first.control(detail::kReadyFrame, {});
    ASSERT_TRUE(first.until(one.events, [&] { return one.events.ups.size() == 1; })) << one.events.all();
  }
  Events events;
  Options o = test_options(0, 2, events);
  o.listen = address;
  o.peers[0].address = local(one.links->port());
  const auto second = Links::open(std::move(o));
  ASSERT_TRUE(second) << second.error().str();
  EXPECT_TRUE(one.events.wait([&] { return one.events.ups.size() == 2; })) << one.events.all();
  EXPECT_TRUE(one.events.empty(&Events::twins));
}

TEST(Refusal, a_process_that_was_killed_is_dialed_anew_as_soon_as_its_port_answers) {
  transport::DriverOptions bare;
  bare.endpoint.network.data[0] = 7;
  bare.endpoint.key = &test_key(1);
  bare.endpoint.secret = test_key(1).derive("hanse/links-secret/1");
  bare.endpoint.control_types = {detail::kMeetFrame, detail::kPingFrame, detail::kPongFrame, detail::kReadyFrame};
  bare.on_event = [](transport::Endpoint& endpoint, const Event& event) {
    if (event.frame_type == detail::kMeetFrame)
      (void)endpoint.send_control(event.connection, detail::kMeetFrame,
                                  std::make_shared<const Bytes>(encode(meet_of(1, 0))));
  };
  auto first = std::move(*transport::Driver::open(std::move(bare)));
  const std::string address = local(first->addresses().front().port);
  Events events, after;
  Options o = test_options(0, 2, events);
  o.timing.dead_after_ms = o.timing.ping_ms = 3'600'000;
  o.peers[0].address = address;
  const auto one = Links::open(std::move(o));
  ASSERT_TRUE(one);
  ASSERT_TRUE(detail::eventually([&] { return first->turn(1'000'000) && (*one)->is_up(1); }));
  first.reset();
  Options p = test_options(1, 2, after);
  p.listen = address;
  const auto second = Links::open(std::move(p));
  ASSERT_TRUE(second) << second.error().str();
  ASSERT_TRUE((*one)->send(1, Priority::kVote, kSmall, detail::body_of(64)));
  EXPECT_TRUE(after.wait([&] { return after.ups.size() == 1; })) << after.all() << events.all();
}

TEST(Refusal, a_second_process_with_our_own_key_is_found_by_both) {
  Events first_events, second_events;
  auto first = Links::open(test_options(0, 2, first_events));
  ASSERT_TRUE(first);
  Options o = test_options(0, 2, second_events);
  o.peers[0].address = local((*first)->port());
  auto second = Links::open(std::move(o));
  ASSERT_TRUE(second);
  for (Events* events : {&first_events, &second_events}) {
    ASSERT_TRUE(events->wait([&] { return !events->twins.empty(); })) << events->all();
    EXPECT_EQ(events->first_twin(), 0);
    EXPECT_TRUE(events->empty(&Events::ups));
  }
}

TEST(Refusal, ourselves_are_no_twin) {
  Events events;
  auto one = Links::open(test_options(0, 2, events));
  ASSERT_TRUE(one);
  ASSERT_TRUE((*one)->set_peer_address(1, local((*one)->port())));
  EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, "found ourselves") >= 2; })) << events.all();
  EXPECT_TRUE(events.empty(&Events::twins));
}

}  // namespace
}  // namespace hanse::links
