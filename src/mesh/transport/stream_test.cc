#include <gtest/gtest.h>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: the world of the tests

std::shared_ptr<const Bytes> body_of(std::size_t size, std::uint8_t byte = 'x') {
  return std::make_shared<const Bytes>(size, byte);
}

struct Pair : World {
  explicit Pair(std::uint64_t seed = 1, std::function<void(Options&)> change = {}) : World(seed) {
    for (int number : {1, 2}) {
      Options o = test_options(number);
      if (change) change(o);
      add(std::move(o));
    }
    here = dial(0, 1);
    const bool up = run(20'000 * kMs, [&] {
      return nodes[0].first(Event::Type::kHello) != nullptr && nodes[1].first(Event::Type::kHello) != nullptr;
    });
    EXPECT_TRUE(up) << a().story() << " /" << b().story();
    if (up) there = b().first(Event::Type::kUp)->connection;
  }
  Node& a() { return nodes[0]; }
  Node& b() { return nodes[1]; }
  Endpoint& ea() { return *nodes[0].endpoint; }
  Endpoint& eb() { return *nodes[1].endpoint; }
  std::vector<const Event*> frames(Node& node) {
    std::vector<const Event*> out;
    for (const Event& e : node.events)
      if (e.type == Event::Type::kFrame) out.push_back(&e);
    return out;
  }
  ConnectionId here = 0, there = 0;
};

TEST(Hello, tells_the_version_and_the_facts_of_the_other_side) {
  Pair p(1, [](Options& o) { o.hello = {.record_seq = 9, .caps = 5, .roles = 3}; });
  const Event* hello = p.a().first(Event::Type::kHello);
  EXPECT_EQ(hello->hello->version, kVersionMax);
  EXPECT_EQ(hello->hello->facts.record_seq, 9u);
  EXPECT_EQ(hello->hello->facts.caps, 5u);
  EXPECT_EQ(hello->hello->facts.roles, 3u);
  EXPECT_EQ(hello->hello->frame_bytes_max, kFrameBodyMax);
}

TEST(Stream, carries_frames_both_ways_in_order) {
  Pair p;
  const StreamId s = p.ea().open_stream(p.here, kEcho).value();
  for (std::uint8_t i = 0; i < 100; ++i) ASSERT_TRUE(p.ea().send(p.here, s, i, body_of(i * 600u, i)));
  ASSERT_TRUE(p.run(60'000 * kMs, [&] { return p.frames(p.b()).size() == 100; })) << p.b().story();
  for (std::uint8_t i = 0; i < 100; ++i) {
    const Event& e = *p.frames(p.b())[i];
    EXPECT_EQ(e.frame_type, i);
    EXPECT_EQ(e.protocol, kEcho);
    EXPECT_EQ(e.body, Bytes(i * 600u, i));
  }
  ASSERT_TRUE(p.eb().send(p.there, s, 7, body_of(3)));
  ASSERT_TRUE(p.eb().end(p.there, s));
  ASSERT_TRUE(p.ea().end(p.here, s));
  ASSERT_TRUE(p.run(5000 * kMs, [&] { return p.a().first(Event::Type::kEnd) && p.b().first(Event::Type::kEnd); }));
  EXPECT_EQ(p.frames(p.a()).at(0)->frame_type, 7);
  p.run(1000 * kMs);
  EXPECT_EQ(p.ea().stats(p.here)->send_bytes, 0u) << "all was acknowledged and forgotten";
  EXPECT_EQ(p.ea().send(p.here, s, 1, body_of(1)).error().id(), "transport.no_stream") << "it has ended";
  EXPECT_EQ(p.ea().end(p.here, s).error().id(), "transport.no_stream");
  EXPECT_EQ(p.ea().send(p.here, 0, 1, body_of(1)).error().id(), "transport.no_stream") << "0 is control";
}

// Eight frames, 1 ms apart, over a path of 0.2 ms, and what the reader sends because of them.
std::size_t acknowledgements(std::size_t packets, std::int64_t wait_ns) {
  Pair p(1, [&](Options& o) {
    o.limits.ack_packets = packets;
    o.limits.ack_wait_ns = wait_ns;
  });
  p.delay_ns = 100'000;
  const StreamId s = p.ea().open_stream(p.here, kEcho).value();
  for (int i = 0; i < 40; ++i) {  // until it knows how near the other end is
    EXPECT_TRUE(p.ea().send(p.here, s, 1, body_of(10)));
    p.run(kMs);
  }
  p.run(500 * kMs);
  const std::size_t before = p.sent_packets[1];
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(p.ea().send(p.here, s, 1, body_of(10)));
    p.run(kMs);
  }
  p.run(50 * kMs);
  EXPECT_EQ(p.frames(p.b()).size(), 48u);
  EXPECT_EQ(p.ea().stats(p.here)->send_bytes, 0u) << "all was acknowledged";
  return p.sent_packets[1] - before;
}

TEST(Stream, what_came_is_acknowledged_after_so_many_packets_or_so_long) {
  EXPECT_GE(acknowledgements(2, 0), 4u);
  EXPECT_EQ(acknowledgements(4, 10 * kMs), 2u);
  EXPECT_EQ(acknowledgements(100, 10 * kMs), 1u);
  EXPECT_EQ(acknowledgements(100, 5 * kMs), 2u);
}

TEST(Stream, bodies_in_memory_of_earlier_ones_are_whole_too) {
  Pair p;
  p.b().gives_credit = false;
  const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
  for (std::uint8_t i = 0; i < 40; ++i) {
    const std::size_t size = i % 2 == 0 ? kFrameBodyMax : 100'000u + i;
    ASSERT_TRUE(p.ea().send(p.here, s, i, body_of(size, i)));
    ASSERT_TRUE(p.run(60'000 * kMs, [&] { return p.b().first(Event::Type::kFrame) != nullptr; }));
    EXPECT_EQ(p.b().first(Event::Type::kFrame)->body, Bytes(size, i));
    for (Event& e : p.b().events)
      if (e.type == Event::Type::kFrame) p.eb().consumed(std::move(e));
    p.b().events.clear();
  }
}

TEST(Stream, delivers_all_under_loss) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    Pair p(seed);
    p.loss_percent = 5;
    const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
    for (std::uint8_t i = 0; i < 20; ++i) ASSERT_TRUE(p.ea().send(p.here, s, i, body_of(100'000, i)));
    ASSERT_TRUE(p.run(120'000 * kMs, [&] { return p.frames(p.b()).size() == 20; })) << p.frames(p.b()).size();
    for (std::uint8_t i = 0; i < 20; ++i) EXPECT_EQ(p.frames(p.b())[i]->body, Bytes(100'000, i));
  }
}

TEST(Stream, that_is_cancelled_never_arrives_as_a_short_message) {
  for (std::int64_t wait_ms : {0, 20, 60, 90, 130, 200, 400}) {
    SCOPED_TRACE(text("cancelled after {} ms", wait_ms));
    Pair p;
    const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
    ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(10)));
    ASSERT_TRUE(p.ea().send(p.here, s, 2, body_of(kFrameBodyMax)));
    p.run(wait_ms * kMs);
    ASSERT_TRUE(p.ea().cancel(p.here, s, CloseCode::kEvicted));
    p.run(5000 * kMs);
    for (const Event* e : p.frames(p.b())) EXPECT_EQ(e->body.size(), e->frame_type == 1 ? 10u : kFrameBodyMax);
    EXPECT_EQ(p.b().count(Event::Type::kEnd), 0u);
    if (const Event* reset = p.b().first(Event::Type::kReset)) {
      EXPECT_EQ(reset->code, static_cast<std::uint64_t>(CloseCode::kEvicted));
    }
    EXPECT_EQ(p.b().count(Event::Type::kDown), 0u) << p.b().story();
    // What the cancelled stream held of the window is free again.
    const StreamId next = p.ea().open_stream(p.here, kEcho).value();
    ASSERT_TRUE(p.ea().send(p.here, next, 3, body_of(5)));
    EXPECT_TRUE(p.run(2000 * kMs, [&] { return !p.frames(p.b()).empty() && p.frames(p.b()).back()->frame_type == 3; }));
  }
}

TEST(Stream, that_is_cancelled_gives_back_what_its_begun_frame_held) {
  Pair p(1, [](Options& o) {
    o.limits.stream_window_bytes = 300'000;
    o.limits.streams_max = 2;
    o.limits.connection_window_bytes = 700'000;
  });
  for (int i = 0; i < 40; ++i) {
    const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
    ASSERT_TRUE(p.ea().send(p.here, s, 2, body_of(kFrameBodyMax)));
    std::size_t passed = 0;
    p.filter = [&](Datagram& d) { return d.from != 0 || (passed += d.bytes.size()) < 100'000; };
    p.run(90 * kMs);  // some of it has arrived, never all
    p.filter = {};
    ASSERT_TRUE(p.ea().cancel(p.here, s, CloseCode::kDone));
    ASSERT_TRUE(p.run(2000 * kMs, [&] { return p.b().count(Event::Type::kReset) == static_cast<std::size_t>(i + 1); }));
    p.run(500 * kMs);
  }
  const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
  ASSERT_TRUE(p.ea().send(p.here, s, 3, body_of(kFrameBodyMax)));
  EXPECT_TRUE(p.run(20'000 * kMs, [&] { return !p.frames(p.b()).empty() && p.frames(p.b()).back()->frame_type == 3; }));
}

TEST(Stream, of_a_protocol_that_the_peer_does_not_speak_is_refused_and_the_rest_goes_on) {
  World w(1);
  Options wide = test_options(1);
  wide.protocols.push_back({.id = 0x77, .frame_bytes_max = 100, .priority = Priority::kGossip});
  w.add(std::move(wide));
  w.add(test_options(2));
  const ConnectionId id = w.dial(0, 1);
  ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[0].first(Event::Type::kHello) != nullptr; }));
  const StreamId s = w.nodes[0].endpoint->open_stream(id, 0x77).value();
  ASSERT_TRUE(w.nodes[0].endpoint->send(id, s, 1, body_of(10)));
  ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[0].first(Event::Type::kReset) != nullptr; }));
  EXPECT_EQ(w.nodes[0].first(Event::Type::kReset)->stream, s);
  EXPECT_EQ(w.nodes[1].count(Event::Type::kFrame) + w.nodes[1].count(Event::Type::kDown), 0u);
}

TEST(Limit, one_byte_over_a_protocols_frame_is_refused_by_the_sender) {
  Pair p;
  const StreamId s = p.ea().open_stream(p.here, kEcho).value();
  EXPECT_TRUE(p.ea().send(p.here, s, 1, body_of(kEchoMax)));
  const auto over = p.ea().send(p.here, s, 1, body_of(kEchoMax + 1));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "transport.frame");
  ASSERT_TRUE(p.run(5000 * kMs, [&] { return p.frames(p.b()).size() == 1; }));
  EXPECT_EQ(p.frames(p.b())[0]->body.size(), kEchoMax);
}

TEST(Limit, one_byte_over_the_receivers_frame_ends_the_connection) {
  for (const std::uint32_t more : {0u, 1u}) {
    World w(1);
    Options wide = test_options(1);
    wide.protocols[0].frame_bytes_max = kEchoMax + 1;
    w.add(std::move(wide));
    w.add(test_options(2));
    const ConnectionId id = w.dial(0, 1);
    ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[0].first(Event::Type::kHello) != nullptr; }));
    const StreamId s = w.nodes[0].endpoint->open_stream(id, kEcho).value();
    ASSERT_TRUE(w.nodes[0].endpoint->send(id, s, 1, body_of(kEchoMax + more)));
    w.run(5000 * kMs);
    EXPECT_EQ(w.nodes[1].count(Event::Type::kFrame), more == 0 ? 1u : 0u);
    const Event* down = w.nodes[1].first(Event::Type::kDown);
    ASSERT_EQ(down != nullptr, more == 1);
    if (more == 0) continue;
    EXPECT_EQ(down->error->id(), "transport.frame_limit");
    EXPECT_EQ(w.nodes[0].first(Event::Type::kDown)->code, static_cast<std::uint64_t>(CloseCode::kViolation));
  }
}

TEST(Limit, of_bytes_that_wait_refuses_the_next_frame_and_tells_when_there_is_room) {
  Pair p(1, [](Options& o) { o.limits.send_bytes_max = 300'000; });
  const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
  const std::uint64_t held = p.ea().stats(p.here)->send_bytes;
  const std::size_t fits = 200'000, rest = 300'000 - held - fits - 5 - 5;
  ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(fits)));
  const auto over = p.ea().send(p.here, s, 1, body_of(rest + 1));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "transport.full");
  EXPECT_TRUE(p.ea().send(p.here, s, 1, body_of(rest)));
  ASSERT_TRUE(p.run(20'000 * kMs, [&] { return p.a().first(Event::Type::kRoom) != nullptr; }));
  EXPECT_TRUE(p.ea().send(p.here, s, 1, body_of(rest)));
}

TEST(Limit, of_streams_refuses_the_next_one) {
  Pair p(1, [](Options& o) { o.limits.streams_max = 3; });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(p.ea().open_stream(p.here, kEcho));
  const auto over = p.ea().open_stream(p.here, kEcho);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "transport.limit");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(p.eb().open_stream(p.there, kEcho)) << "the other way has its own count";
}

TEST(Limit, of_datagrams_in_size_and_number) {
  Pair p;
  EXPECT_EQ(p.ea().send_datagram(p.here, Bytes(p.ea().datagram_room(p.here) + 1)).error().id(), "transport.frame");
  for (std::size_t i = 0; i < kDatagramsQueuedMax; ++i) EXPECT_TRUE(p.ea().send_datagram(p.here, Bytes(kDatagramMax)));
  EXPECT_EQ(p.ea().send_datagram(p.here, Bytes(1)).error().id(), "transport.full");
  ASSERT_TRUE(p.run(20'000 * kMs, [&] { return p.b().count(Event::Type::kDatagram) == kDatagramsQueuedMax; }));
  EXPECT_EQ(p.b().first(Event::Type::kDatagram)->body.size(), kDatagramMax);
}

TEST(Limit, of_inbound_connections_refuses_the_next_one) {
  World w(1);
  Options few = test_options(9);
  few.limits.inbound_max = 2;
  const std::size_t target = w.add(std::move(few));
  for (int i = 1; i <= 3; ++i) w.dial(w.add(test_options(i)), target);
  w.run(2000 * kMs);
  EXPECT_EQ(w.nodes[target].count(Event::Type::kUp), 2u);
  EXPECT_GT(w.nodes[target].endpoint->totals().full, 0u);
}

TEST(Limit, of_connections_refuses_a_dial) {
  World w(1);
  Options few = test_options(1);
  few.limits.connections_max = 1;
  w.add(std::move(few));
  w.add(test_options(2));
  w.dial(0, 1);
  const auto over = w.nodes[0].endpoint->dial(w.path(0, 1), w.nodes[1].endpoint->id(), 0);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "transport.limit");
}

// Flow control: an application that takes nothing makes the peer wait, not us grow.
TEST(Limit, a_reader_that_sleeps_holds_back_the_writer) {
  Pair p(1, [](Options& o) {
    o.limits.stream_window_bytes = 600'000;
    o.limits.streams_max = 8;
    o.limits.connection_window_bytes = 3'000'000;
    o.limits.send_bytes_max = 64u << 20;
  });
  p.b().gives_credit = false;
  const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(100'000)));
  p.run(20'000 * kMs);
  EXPECT_EQ(p.frames(p.b()).size(), 5u) << "as many as fit the window of the stream";
  std::uint64_t credit = 0;
  for (const Event* e : p.frames(p.b())) credit += e->credit;
  p.eb().consumed(p.there, s, credit);
  p.b().gives_credit = true;
  EXPECT_TRUE(p.run(60'000 * kMs, [&] { return p.frames(p.b()).size() == 100; })) << p.frames(p.b()).size();
}

// Frames of no bytes hold next to nothing of a window, so their events are counted too.
TEST(Limit, of_events_that_wait_drops_datagrams_until_some_are_taken) {
  Pair p(1, [](Options& o) { o.limits.events_max = 50; });
  p.b().takes_events = false;
  const StreamId s = p.ea().open_stream(p.here, kEcho).value();
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(0)));
  p.run(3000 * kMs);
  EXPECT_GT(p.eb().totals().strays, 0u);
  std::size_t waiting = 0;
  for (Event e; p.eb().next_event(e); ++waiting) p.eb().consumed(std::move(e));
  EXPECT_GE(waiting, 50u);
  EXPECT_LT(waiting, 50u + kPacketMax) << "what was in the one datagram that reached the limit";
  p.b().takes_events = true;
  EXPECT_TRUE(p.run(60'000 * kMs, [&] { return p.frames(p.b()).size() + waiting >= 5000; }));
}

TEST(Priority, what_is_urgent_overtakes_bulk) {
  Pair p;
  const StreamId bulk = p.ea().open_stream(p.here, kBulkProtocol).value();
  const StreamId quick = p.ea().open_stream(p.here, kEcho).value();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(p.ea().send(p.here, bulk, 1, body_of(kFrameBodyMax)));
  p.run(100 * kMs);
  ASSERT_TRUE(p.ea().send(p.here, quick, 2, body_of(10)));
  ASSERT_TRUE(p.run(60'000 * kMs, [&] {
    return std::ranges::any_of(p.b().events, [](const Event& e) { return e.frame_type == 2; });
  }));
  EXPECT_LT(p.frames(p.b()).size(), 20u) << "it did not wait for the bulk before it";
}

TEST(Control, an_unknown_optional_type_is_skipped_and_a_critical_one_ends_the_connection) {
  Pair p(1, [](Options& o) { o.control_types = {0x07}; });
  ASSERT_TRUE(p.ea().send_control(p.here, 0x40, body_of(3)));
  ASSERT_TRUE(p.ea().send_control(p.here, 0x07, body_of(4)));
  ASSERT_TRUE(p.run(1000 * kMs, [&] { return !p.frames(p.b()).empty(); }));
  EXPECT_EQ(p.frames(p.b())[0]->frame_type, 0x07);
  EXPECT_EQ(p.frames(p.b())[0]->stream, 0);
  ASSERT_TRUE(p.ea().send_control(p.here, 0x41, body_of(3)));
  ASSERT_TRUE(p.run(1000 * kMs, [&] { return p.a().first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(p.b().first(Event::Type::kDown)->error->id(), "transport.bad_frame");
  EXPECT_EQ(p.a().first(Event::Type::kDown)->code, static_cast<std::uint64_t>(CloseCode::kViolation));
}

TEST(Close, is_heard_with_its_code_and_nothing_is_left) {
  Pair p;
  p.ea().close(p.here, CloseCode::kEvicted, p.now_ns);
  ASSERT_TRUE(p.run(1000 * kMs, [&] { return p.b().first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(p.b().first(Event::Type::kDown)->error->id(), "transport.refused");
  EXPECT_EQ(p.b().first(Event::Type::kDown)->code, static_cast<std::uint64_t>(CloseCode::kEvicted));
  EXPECT_EQ(p.a().first(Event::Type::kDown)->error->id(), "transport.closed");
  p.run(5000 * kMs);
  EXPECT_EQ(p.ea().connections() + p.eb().connections(), 0u);
  EXPECT_EQ(p.ea().next_deadline_ns(), INT64_MAX) << "no grave is left";
  EXPECT_EQ(p.ea().send(p.here, 4, 1, body_of(1)).error().id(), "transport.no_connection");
}

// Somebody sends small datagrams with the id of a hello that was refused, from the address of its dialer.
TEST(Close, is_repeated_ever_more_rarely_and_within_three_times) {
  World w(1);
  Options other = test_options(1);
  other.network.data[0] = 8;
  w.add(std::move(other));
  w.add(test_options(2));
  Bytes hello;
  w.filter = [&](Datagram& d) {
    if (d.from == 0 && hello.empty()) hello = d.bytes;
    return true;
  };
  w.dial(0, 1);
  ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[1].first(Event::Type::kDown) != nullptr; }));
  Bytes small(hello.begin(), hello.begin() + 6 + hello[5]);
  small.push_back(0);
  std::size_t got = 0, gave = 0, answers = 0;
  Batch batch;
  for (int i = 0; i < 64; ++i) {
    w.nodes[1].endpoint->receive({w.nodes[1].address, w.nodes[0].address}, small, 0, w.now_ns);
    got += small.size();
    while (w.nodes[1].endpoint->transmit(batch, w.now_ns)) gave += batch.size, ++answers;
    EXPECT_LE(gave, 3 * got) << i;
  }
  EXPECT_GT(answers, 0u);
  EXPECT_LE(answers, 7u);
}

TEST(Close, of_an_idle_connection_is_silent) {
  Pair p;
  ASSERT_TRUE(p.run(40'000 * kMs, [&] { return p.a().first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(p.a().first(Event::Type::kDown)->error->id(), "transport.silent");
}

TEST(Clock, that_goes_back_is_taken_as_standing_still) {
  Pair p;
  const StreamId s = p.ea().open_stream(p.here, kEcho).value();
  ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(100)));
  Batch batch;
  while (p.ea().transmit(batch, p.now_ns - 3'000'000'000)) {
  }
  p.ea().on_deadline(INT64_MIN);
  p.ea().receive(p.path(0, 1), Bytes(1200, 0x40), 0, -5);
  EXPECT_EQ(p.ea().connections(), 1u);
}

TEST(Reset, a_forgotten_connection_is_told_at_once_when_the_secret_stays) {
  World w(1);
  const std::size_t a = w.add(test_options(1));
  const auto with_secret = [] {
    Options o = test_options(2);
    o.secret.data[0] = 1;
    return o;
  };
  const std::size_t b = w.add(with_secret());
  const ConnectionId id = w.dial(a, b);
  ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[a].first(Event::Type::kHello) != nullptr; }));
  w.run(1000 * kMs);
  w.nodes[b].endpoint = std::move(*Endpoint::create(with_secret()));
  const StreamId s = w.nodes[a].endpoint->open_stream(id, kEcho).value();
  ASSERT_TRUE(w.nodes[a].endpoint->send(id, s, 1, body_of(1000)));
  ASSERT_TRUE(w.run(1000 * kMs, [&] { return w.nodes[a].first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(w.nodes[a].first(Event::Type::kDown)->error->id(), "transport.closed");
  EXPECT_EQ(w.nodes[b].endpoint->totals().resets, 1u);
}

TEST(World, the_same_seed_gives_the_same_bytes_on_the_wire) {
  std::vector<std::size_t> first;
  for (int round = 0; round < 2; ++round) {
    Pair p(77);
    p.loss_percent = 3;
    const StreamId s = p.ea().open_stream(p.here, kBulkProtocol).value();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(p.ea().send(p.here, s, 1, body_of(50'000)));
    p.run(10'000 * kMs);
    if (round == 0)
      first = p.sent_bytes;
    else
      EXPECT_EQ(first, p.sent_bytes);
  }
}

TEST(Options, that_cannot_work_are_refused) {
  const auto id_of = [](std::function<void(Options&)> change) -> std::string {
    Options o = test_options(1);
    change(o);
    const auto made = Endpoint::create(std::move(o));
    return made ? "" : std::string(made.error().id());
  };
  EXPECT_EQ(id_of([](Options&) {}), "");
  EXPECT_EQ(id_of([](Options& o) { o.key = nullptr; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.key = &test_key(1, crypto::SigAlg::kEd25519); }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.protocols.push_back(o.protocols[0]); }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.protocols[0].id = kControlProtocol; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.protocols[0].frame_bytes_max = kFrameBodyMax + 1; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.streams_max = 1000; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.idle_ms = 0; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.ack_packets = 0; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.ack_wait_ns = kAckWaitMaxNs + 1; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.packet_bytes_max = kPacketMax - 1; }), "transport.options");
  EXPECT_EQ(id_of([](Options& o) { o.limits.packet_bytes_max = kPacketLimit + 1; }), "transport.options");
}

}  // namespace
}  // namespace hanse::transport
