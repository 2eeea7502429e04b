#include <gtest/gtest.h>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: the world of the tests

constexpr std::int64_t kRtt = 100 * kMs;

std::shared_ptr<const Bytes> body_of(std::size_t size) { return std::make_shared<const Bytes>(size, std::uint8_t{1}); }

// A dialer that was here once before.
struct Again : World {
  explicit Again(std::uint64_t seed, std::function<void(Options&)> server = {}) : World(seed) {
    add(test_options(1));
    Options o = test_options(2);
    if (server) server(o);
    add(std::move(o));
    const ConnectionId first = dial(0, 1);
    EXPECT_FALSE(nodes[0].endpoint->may_send_early(first));
    EXPECT_EQ(nodes[0].endpoint->open_stream(first, kEcho).error().id(), "transport.no_connection");
    EXPECT_TRUE(run(5000 * kMs, [&] { return nodes[0].first(Event::Type::kHello) != nullptr; }))
        << nodes[0].story() << " /" << nodes[1].story();
    run(1000 * kMs);
    nodes[0].endpoint->close(first, CloseCode::kDone, now_ns);
    run(5000 * kMs);
    nodes[0].events.clear();
    nodes[1].events.clear();
    began = now_ns;
  }
  Endpoint& a() { return *nodes[0].endpoint; }
  std::size_t frames() const { return nodes[1].count(Event::Type::kFrame); }
  ConnectionId dial_and_say(std::size_t size) {
    const ConnectionId id = dial(0, 1);
    EXPECT_TRUE(a().may_send_early(id));
    const StreamId s = a().open_stream(id, kEcho).value();
    EXPECT_TRUE(a().send(id, s, 5, body_of(size)));
    return id;
  }
  std::int64_t began = 0;
};

TEST(Early, arrives_after_half_a_round_trip_with_two_datagrams) {
  Again w(1);
  w.sent_packets[0] = 0;
  const ConnectionId id = w.dial_and_say(100);
  w.send_all();
  EXPECT_LE(w.sent_packets[0], 2u);
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.frames() == 1; })) << w.nodes[1].story();
  EXPECT_EQ(w.now_ns - w.began, kRtt / 2);
  const Event& frame = *w.nodes[1].first(Event::Type::kFrame);
  EXPECT_TRUE(frame.early);
  EXPECT_EQ(frame.peer, w.a().id());
  EXPECT_EQ(frame.body, *body_of(100));
  EXPECT_EQ(w.nodes[1].count(Event::Type::kUp), 0u) << "the handshake has not ended";
  // The answer comes with the handshake's.
  ASSERT_TRUE(w.nodes[1].endpoint->send(frame.connection, frame.stream, 6, body_of(7)));
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[0].first(Event::Type::kFrame) != nullptr; }));
  EXPECT_LE(w.now_ns - w.began, kRtt + kMs) << "and what pacing holds it back";
  EXPECT_TRUE(w.a().stats(id)->early);
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[1].first(Event::Type::kHello) != nullptr; }));
  EXPECT_EQ(w.nodes[1].first(Event::Type::kUp)->peer, w.a().id());
  EXPECT_EQ(w.frames(), 1u);
}

TEST(Early, is_not_for_who_does_not_remember) {
  World w(9);
  Options forgetful = test_options(1);
  forgetful.remember_visits = false;
  w.add(std::move(forgetful));
  w.add(test_options(2));
  for (int i = 0; i < 2; ++i) {
    const ConnectionId id = w.dial(0, 1);
    EXPECT_FALSE(w.nodes[0].endpoint->may_send_early(id));
    w.run(1000 * kMs);
  }
}

TEST(Early, is_for_early_protocols_alone) {
  Again w(2);
  const ConnectionId id = w.dial(0, 1);
  EXPECT_EQ(w.a().open_stream(id, kBulkProtocol).error().id(), "transport.no_connection");
  EXPECT_TRUE(w.a().open_stream(id, kEcho));
}

TEST(Early, that_the_server_does_not_take_as_early_ends_the_connection) {
  Again w(3, [](Options& o) { o.protocols[0].early = false; });
  w.dial_and_say(100);
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[1].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(w.nodes[1].first(Event::Type::kDown)->error->id(), "transport.bad_frame");
  EXPECT_EQ(w.frames(), 0u);
}

TEST(Early, that_is_replayed_is_delivered_once) {
  Again w(4);
  std::vector<Datagram> flight;
  w.filter = [&](Datagram& d) {
    if (d.from == 0 && flight.size() < 2) flight.push_back(d);
    return true;
  };
  w.dial_and_say(100);
  w.run(3000 * kMs);
  ASSERT_EQ(w.frames(), 1u);
  ASSERT_EQ(flight.size(), 2u);
  for (int round = 0; round < 3; ++round) {
    for (Datagram d : flight) {
      d.path.remote.port = static_cast<std::uint16_t>(1000 + round);
      w.nodes[1].endpoint->receive(d.path, d.bytes, 0, w.now_ns);
    }
    w.run(40'000 * kMs);
  }
  EXPECT_EQ(w.frames(), 1u);
}

// A second process of the same node, or one that was away for long, does not know the ticket.
TEST(Early, that_is_refused_goes_again_behind_the_handshake) {
  Again w(5);
  w.nodes[1].endpoint = std::move(*Endpoint::create(test_options(2)));
  const ConnectionId id = w.dial_and_say(30'000);
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.frames() == 1; })) << w.nodes[1].story() << " /" << w.nodes[0].story();
  EXPECT_FALSE(w.nodes[1].first(Event::Type::kFrame)->early);
  EXPECT_EQ(w.nodes[1].first(Event::Type::kFrame)->body, *body_of(30'000));
  EXPECT_FALSE(w.a().stats(id)->early);
  EXPECT_EQ(w.nodes[1].count(Event::Type::kHello), 1u);
  w.run(1000 * kMs);
  EXPECT_EQ(w.frames(), 1u);
  EXPECT_EQ(w.a().stats(id)->send_bytes, 0u);
}

TEST(Early, of_somebody_who_is_not_admitted_any_more_is_not_taken) {
  bool admits = true;
  Again w(6, [&](Options& o) { o.admit = [&](const PeerId&) { return admits; }; });
  admits = false;
  w.dial_and_say(100);
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[0].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(w.frames(), 0u);
  EXPECT_EQ(w.nodes[1].count(Event::Type::kUp), 0u);
}

// The ticket of one node is shown to another, who answers at its address.
TEST(Early, dialed_identity_is_checked_after_resumption_too) {
  Again w(7);
  const std::size_t c = w.add(test_options(3));
  const ConnectionId id = w.nodes[0].endpoint->dial(w.path(0, c), w.nodes[1].endpoint->id(), w.now_ns).value();
  const StreamId s = w.a().open_stream(id, kEcho).value();
  EXPECT_TRUE(w.a().send(id, s, 5, body_of(10)));
  ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[0].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(w.nodes[c].count(Event::Type::kFrame) + w.nodes[c].count(Event::Type::kUp), 0u);
  EXPECT_EQ(w.nodes[0].count(Event::Type::kUp), 0u);
}

TEST(Early, a_resumed_connection_proves_the_same_peer_and_gives_a_new_ticket) {
  Again w(8);
  for (int round = 0; round < 3; ++round) {
    w.nodes[0].events.clear();
    const ConnectionId id = w.dial_and_say(10);
    ASSERT_TRUE(w.run(5000 * kMs, [&] { return w.nodes[0].first(Event::Type::kHello) != nullptr; })) << round;
    EXPECT_EQ(w.nodes[0].first(Event::Type::kUp)->peer, w.nodes[1].endpoint->id());
    EXPECT_TRUE(w.a().stats(id)->early) << round;
    w.run(1000 * kMs);
    w.a().close(id, CloseCode::kDone, w.now_ns);
    w.run(5000 * kMs);
  }
  EXPECT_EQ(w.frames(), 3u);
}

}  // namespace
}  // namespace hanse::transport
