#include "mesh/transport/driver.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: keys and options of the tests

constexpr std::int64_t kPatienceNs = 20'000'000'000;

struct Side {
  std::unique_ptr<Driver> driver;
  std::vector<Event> events;

  Status open(int number, std::function<void(DriverOptions&)> change = {}) {
    DriverOptions o;
    o.endpoint = test_options(number);
    o.on_event = [this](Endpoint& endpoint, Event event) {
      if (event.credit > 0) endpoint.consumed(event.connection, event.stream, event.credit);
      events.push_back(std::move(event));
    };
    if (change) change(o);
    TRY(driver, Driver::open(std::move(o)));
    return {};
  }
  const Event* first(Event::Type type) const {
    for (const Event& e : events)
      if (e.type == type) return &e;
    return nullptr;
  }
};

// Turns both on this thread until done().
bool until(std::vector<Side*> sides, const std::function<bool()>& done) {
  const std::int64_t end = system_clock().mono_ns() + kPatienceNs;
  while (!done()) {
    if (system_clock().mono_ns() > end) return false;
    for (Side* side : sides)
      if (!side->driver->turn(sides.size() == 1 ? 10'000'000 : 200'000)) return false;
  }
  return true;
}

void transfers(bool segments, const char* listen) {
  Side a, b;
  const auto change = [&](DriverOptions& o) {
    o.segments = segments;
    o.listen = {listen};
  };
  ASSERT_TRUE(a.open(1, change));
  ASSERT_TRUE(b.open(2, change));
  const ConnectionId id = a.driver->dial(b.driver->addresses()[0], b.driver->endpoint().id()).value();
  ASSERT_TRUE(until({&a, &b}, [&] { return a.first(Event::Type::kHello) != nullptr; }));
  const StreamId s = a.driver->endpoint().open_stream(id, kBulkProtocol).value();
  SeededRandom random(5);
  Bytes body(kFrameBodyMax);
  random.fill(body);
  const auto shared = std::make_shared<const Bytes>(body);
  for (std::uint8_t i = 0; i < 20; ++i) ASSERT_TRUE(a.driver->endpoint().send(id, s, i, shared));
  const auto frames = [&] { return std::ranges::count(b.events, Event::Type::kFrame, &Event::type); };
  ASSERT_TRUE(until({&a, &b}, [&] { return frames() == 20; })) << frames();
  for (const Event& e : b.events) EXPECT_TRUE(e.type != Event::Type::kFrame || e.body == body);
  const SocketStats sent = a.driver->stats();
  EXPECT_EQ(sent.segments, segments);
  EXPECT_GE(sent.datagrams_out, 20u * kFrameBodyMax / kPacketMax);
  if (segments) {
    EXPECT_LT(sent.calls_out, sent.datagrams_out / 4);
  } else {
    EXPECT_EQ(sent.calls_out, sent.datagrams_out);
  }
}

TEST(Driver, carries_frames_over_loopback_in_segments) { transfers(true, "127.0.0.1:0"); }
TEST(Driver, carries_frames_over_loopback_one_datagram_a_call) { transfers(false, "127.0.0.1:0"); }
TEST(Driver, carries_frames_over_ipv6) { transfers(true, "[::1]:0"); }

TEST(Driver, answers_from_the_address_that_was_asked) {
  Side a, b;
  ASSERT_TRUE(a.open(1));
  ASSERT_TRUE(b.open(2, [](DriverOptions& o) { o.listen = {"0.0.0.0:0"}; }));
  const Address there = *parse_address(text("127.0.0.9:{}", b.driver->addresses()[0].port));
  ASSERT_TRUE(a.driver->dial(there, b.driver->endpoint().id()));
  EXPECT_TRUE(until({&a, &b}, [&] { return a.first(Event::Type::kHello) != nullptr; }));
}

TEST(Driver, packets_grow_to_what_the_path_and_the_limit_take) {
  for (const std::size_t most : {kPacketMax, kPacketLimit}) {
    Side a, b;
    ASSERT_TRUE(a.open(1, [&](DriverOptions& o) { o.endpoint.limits.packet_bytes_max = most; }));
    ASSERT_TRUE(b.open(2));
    const auto id = a.driver->dial(b.driver->addresses()[0], b.driver->endpoint().id());
    ASSERT_TRUE(id);
    const auto size = [&] { return a.driver->endpoint().stats(*id)->packet_bytes; };
    EXPECT_TRUE(until({&a, &b}, [&] { return size() == most; })) << size();
    EXPECT_TRUE(a.driver->stats().segments) << "a probe that is refused is no reason to send one by one";
  }
}

TEST(Driver, survives_datagrams_that_the_system_refuses) {
  Side a, b;
  ASSERT_TRUE(a.open(1, [](DriverOptions& o) {
    o.listen = {"127.0.0.1:0", "0.0.0.0:0"};
    o.endpoint.limits.handshake_ms = 300;
  }));
  ASSERT_TRUE(b.open(2));
  const PeerId other = crypto::account_id(test_key(7).public_key());
  // From loopback there is no way out, and nobody may send to everybody.
  ASSERT_TRUE(a.driver->dial(*parse_address("192.0.2.1:9"), other));
  ASSERT_TRUE(a.driver->dial(*parse_address("255.255.255.255:9"), other));
  ASSERT_TRUE(a.driver->dial(b.driver->addresses()[0], b.driver->endpoint().id()));
  ASSERT_TRUE(until({&a, &b}, [&] {
    return a.first(Event::Type::kHello) != nullptr &&
           std::ranges::count(a.events, Event::Type::kDown, &Event::type) == 2;
  }));
  for (const Event& e : a.events) EXPECT_TRUE(e.type != Event::Type::kDown || e.error->id() == "transport.silent");
  EXPECT_GT(a.driver->stats().lost, 0u);
  EXPECT_EQ(a.driver->endpoint().connections(), 1u);
}

TEST(Driver, names_what_it_cannot_do) {
  Side a;
  ASSERT_TRUE(a.open(1));
  EXPECT_EQ(a.driver->dial(*parse_address("[::1]:1"), {}).error().id(), "transport.no_path");
  Side taken;
  const std::string same = address_text(a.driver->addresses()[0]);
  EXPECT_EQ(taken.open(2, [&](DriverOptions& o) { o.listen = {same}; }).error().id(), "transport.listen");
  EXPECT_EQ(taken.open(2, [](DriverOptions& o) { o.listen = {}; }).error().id(), "transport.options");
  for (std::size_t i = 0; i < kPostedMax; ++i) ASSERT_TRUE(a.driver->post([] {}));
  EXPECT_EQ(a.driver->post([] {}).error().id(), "transport.full");
}

TEST(Driver, runs_tasks_of_other_threads_and_says_farewell_when_stopped) {
  Side a, b;
  ASSERT_TRUE(a.open(1));
  ASSERT_TRUE(b.open(2));
  const Address there = b.driver->addresses()[0];
  const PeerId peer = b.driver->endpoint().id();
  std::atomic<bool> dialed{false};
  std::thread thread([&] { EXPECT_TRUE(a.driver->run()); });
  ASSERT_TRUE(a.driver->post([&] { dialed = a.driver->dial(there, peer).has_value(); }));
  EXPECT_TRUE(until({&b}, [&] { return b.first(Event::Type::kHello) != nullptr; }));
  EXPECT_TRUE(dialed);
  a.driver->stop();
  thread.join();
  EXPECT_TRUE(until({&b}, [&] { return b.first(Event::Type::kDown) != nullptr; }));
  EXPECT_EQ(b.first(Event::Type::kDown)->error->id(), "transport.closed");
}

}  // namespace
}  // namespace hanse::transport
