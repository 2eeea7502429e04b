// Real endpoints on loopback, turned by one thread.
#include "mesh/peers/peers.h"

#include <utility>

#include <gtest/gtest.h>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/test_key.h"
#include "mesh/transport/driver.h"

namespace hanse::peers {
namespace {

using Type = PeerEvent::Type;

constexpr std::uint64_t kTalk = 0x40;
constexpr std::int64_t kPatienceNs = 20'000'000'000;

std::shared_ptr<const Bytes> body_of(std::string_view words) { return std::make_shared<const Bytes>(to_bytes(words)); }

struct Node {
  std::unique_ptr<transport::Driver> driver;
  std::unique_ptr<Peers> peers;
  std::vector<PeerEvent> events;
  bool consumes = true;

  explicit Node(std::uint8_t number, std::string_view listen = "127.0.0.1:0", PoolLimits limits = {},
                std::uint64_t bytes_per_second = 0) {
    transport::DriverOptions o;
    o.listen = {std::string(listen)};
    o.endpoint.network.data[0] = 3;
    o.endpoint.key = &crypto::test_key(number);
    o.endpoint.protocols = {{.id = kTalk, .frame_bytes_max = 64u << 10, .priority = transport::Priority::kDirect}};
    o.on_event = [this](transport::Endpoint&, transport::Event event) {
      peers->handle(std::move(event), driver->now_ns());
    };
    auto opened = transport::Driver::open(std::move(o));
    EXPECT_TRUE(opened) << opened.error().str();
    driver = std::move(*opened);
    peers = std::make_unique<Peers>(
        driver->endpoint(), PeersOptions{.limits = limits,
                                         .bytes_per_second = bytes_per_second,
                                         .dial = [this](const Address& remote, const PeerId& peer, std::int64_t) {
                                           return driver->dial(remote, peer);
                                         }});
  }
  const PeerId& id() const { return peers->id(); }
  Address address() const { return driver->addresses()[0]; }
  Status want(const Node& other) { return peers->want(other.id(), {other.address()}, driver->now_ns()); }
  Status say(const Node& to, std::string_view words) {
    return peers->send(to.id(), kTalk, 1, body_of(words), driver->now_ns());
  }
  void turn() {
    EXPECT_TRUE(driver->turn(200'000));
    peers->on_deadline(driver->now_ns());
    PeerEvent event;
    while (peers->next_event(event)) {
      if (event.type != Type::kFrame || !consumes) {
        events.push_back(std::move(event));
        continue;
      }
      events.push_back({.type = event.type, .peer = event.peer, .body = event.body});
      peers->consumed(std::move(event));
    }
  }
  std::size_t count(Type type) const {
    return static_cast<std::size_t>(std::ranges::count(events, type, &PeerEvent::type));
  }
  std::string heard() const {
    std::string out;
    for (const PeerEvent& e : events)
      if (e.type == Type::kFrame) out += std::string(as_text(e.body)) + " ";
    return out;
  }
};

bool until(const std::vector<Node*>& nodes, const std::function<bool()>& done) {
  const std::int64_t end = system_clock().mono_ns() + kPatienceNs;
  while (!done()) {
    if (system_clock().mono_ns() > end) return false;
    for (Node* node : nodes) node->turn();
  }
  return true;
}

TEST(Peers, two_who_dial_each_other_at_once_have_one_connection_and_lose_no_frame) {
  Node a(1), b(2);
  ASSERT_TRUE(a.want(b));
  ASSERT_TRUE(b.want(a));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.peers->connected(b.id()) && b.peers->connected(a.id()); }));
  std::string said;
  for (int n = 0; n < 200; ++n) {  // while the race is settled
    ASSERT_TRUE(a.say(b, text("{}", n)));
    said += text("{} ", n);
    a.turn();
    b.turn();
  }
  ASSERT_TRUE(until({&a, &b}, [&] {
    return b.count(Type::kFrame) == 200 && a.peers->pool().connections() == 1 && b.peers->pool().connections() == 1;
  })) << b.heard();
  for (const Node* node : {&a, &b}) {
    EXPECT_EQ(node->count(Type::kUp), 1u);
    EXPECT_EQ(node->count(Type::kDown), 0u);
    EXPECT_GE(node->count(Type::kHello), 1u);
  }
  ASSERT_TRUE(b.say(a, "back"));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.heard() == "back "; }));
}

TEST(Peers, who_restarts_is_found_again) {
  Node a(1);
  auto b = std::make_unique<Node>(2);
  const std::string listens = address_text(b->address());
  ASSERT_TRUE(a.want(*b));
  ASSERT_TRUE(until({&a, b.get()}, [&] { return b->peers->connected(a.id()); }));
  b->peers->close(a.id(), CloseCode::kDone, b->driver->now_ns());
  ASSERT_TRUE(until({&a, b.get()}, [&] { return a.count(Type::kDown) == 1; }));
  EXPECT_EQ(a.say(*b, "lost").error().id(), "peers.not_connected");
  b.reset();
  Node again(2, listens);
  ASSERT_TRUE(until({&a, &again}, [&] { return again.peers->connected(a.id()); }));
  EXPECT_EQ(a.count(Type::kUp), 2u);
  ASSERT_TRUE(again.say(a, "here"));
  ASSERT_TRUE(until({&a, &again}, [&] { return a.heard() == "here "; }));
  EXPECT_GT(a.peers->stats(again.id())->bytes_in, 0u);
}

TEST(Peers, somebody_else_at_the_address_is_refused_before_anything_is_told) {
  Node a(1), b(2);
  const PeerId other = crypto::account_id(crypto::test_key(3).public_key());
  ASSERT_TRUE(a.peers->dial(other, {b.address()}, a.driver->now_ns()));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.count(Type::kFailed) == 1; }));
  // Its tag in the hello names another peer: b refuses without having signed anything.
  EXPECT_NE(a.events[0].error->message().find("transport.refused"), std::string::npos) << a.events[0].error->str();
  EXPECT_EQ(a.events.size(), 1u);
  EXPECT_TRUE(b.events.empty());
}

TEST(Peers, a_reader_that_stops_holds_the_sender_back_and_is_told_of_room) {
  Node a(1), b(2);
  b.consumes = false;
  ASSERT_TRUE(a.want(b));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.peers->connected(b.id()); }));
  const std::string big(60'000, 'x');
  std::size_t sent = 0;
  while (sent < 4'096 && a.say(b, big)) ++sent;
  ASSERT_LT(sent, 4'096u);
  EXPECT_EQ(a.say(b, big).error().id(), "transport.full");
  b.consumes = true;
  ASSERT_TRUE(until({&a, &b},
                    [&] {
                      for (PeerEvent& e : b.events)
                        if (e.credit > 0)
                          b.peers->consumed(
                              {.connection = e.connection, .stream = e.stream, .credit = std::exchange(e.credit, 0)});
                      return b.count(Type::kFrame) == sent && a.count(Type::kRoom) >= 1;
                    }))
      << b.count(Type::kFrame) << " of " << sent;
  EXPECT_TRUE(a.say(b, big));
}

// Real time: what is asserted is only that it took as long as the budget says, at least.
TEST(Peers, who_sends_more_than_its_budget_is_read_more_slowly_and_loses_nothing) {
  constexpr std::uint64_t kRate = 2u << 20;
  Node a(1), b(2, "127.0.0.1:0", {}, kRate);
  ASSERT_TRUE(a.want(b));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.peers->connected(b.id()) && b.peers->connected(a.id()); }));
  constexpr int kFrames = 160;  // of 64 KiB: more than the window and the burst together
  const std::string words(64u << 10, 'x');
  int sent = 0;
  std::size_t most = 0;
  const std::int64_t began = system_clock().mono_ns();
  ASSERT_TRUE(until({&a, &b}, [&] {
    while (sent < kFrames && a.say(b, words)) ++sent;
    most = std::max<std::size_t>(most, b.peers->meters().counts().held_back);
    return b.count(Type::kFrame) == kFrames;
  }));
  const double seconds = static_cast<double>(system_clock().mono_ns() - began) / 1e9;
  // What was read: the first second's budget, what came in its time, and what the stream's window may hold beyond.
  EXPECT_GE(seconds, (kFrames * 65'536.0 - (4u << 20) - 2.0 * kRate) / kRate) << "nobody was held back";
  EXPECT_GT(most, 0u);
  EXPECT_EQ(b.peers->meters().flows(a.id())->at(kTalk).bytes_in, kFrames * 65'536u);
  EXPECT_EQ(a.peers->meters().flows(b.id())->at(kTalk).bytes_out, kFrames * 65'536u);
}

TEST(Peers, what_is_sent_beyond_the_budget_is_refused_until_there_is_room) {
  Node a(1, "127.0.0.1:0", {}, 1u << 20), b(2);
  ASSERT_TRUE(a.want(b));
  ASSERT_TRUE(until({&a, &b}, [&] { return a.peers->connected(b.id()) && b.peers->connected(a.id()); }));
  const std::string words(64u << 10, 'x');
  Status last = {};
  int sent = 0;
  const std::int64_t began = system_clock().mono_ns();
  while ((last = a.say(b, words))) ++sent;
  EXPECT_EQ(last.error().id(), "peers.budget");
  EXPECT_GE(sent, 16) << "a second's bytes";
  EXPECT_LE(sent, 17 + (system_clock().mono_ns() - began) / 62'500'000) << "and what came in the time of the loop";
  ASSERT_TRUE(until({&a, &b}, [&] { return a.count(Type::kRoom) > 0; }));
  EXPECT_TRUE(a.say(b, words));
}

}  // namespace
}  // namespace hanse::peers
