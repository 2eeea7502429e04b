#include "mesh/links/links.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "mesh/links/detail/test_net.h"
#include "mesh/links/pieces.h"

namespace hanse::links {
namespace {

using detail::body;
using detail::body_of;
using detail::Events;
using detail::kLarge;
using detail::kLargeMax;
using detail::kSmall;
using detail::kSmallMax;
using detail::kUnknown;
using detail::Pair;

TEST(Links, delivers_both_ways_in_order) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up()) << pair.events[0].all() << "\n" << pair.events[1].all();
  for (int side : {0, 1}) {
    for (int i = 0; i < 1000; ++i)
      ASSERT_TRUE(pair.sides[side]->send(side == 0 ? 1 : 0, Priority::kVote, kSmall, body(text("frame {}", i))));
  }
  for (int side : {0, 1}) {
    Events& events = pair.events[side];
    ASSERT_TRUE(events.wait([&] { return events.frames.size() == 1000; })) << events.all();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(as_text(events.frames[i].body), text("frame {}", i));
      EXPECT_EQ(events.frames[i].peer, 1 - side);
      EXPECT_EQ(events.frames[i].type, kSmall);
    }
    const auto stats = pair.sides[side]->stats(side == 0 ? 1 : 0);
    ASSERT_TRUE(stats);
    EXPECT_TRUE(stats->up);
    EXPECT_EQ(stats->frames_in, 1000u);
    EXPECT_EQ(stats->connects, 1u);
  }
}

TEST(Links, four_validators_hear_a_broadcast) {
  constexpr std::uint16_t kCount = 4;
  Events events[kCount];
  std::vector<std::unique_ptr<Links>> all(kCount);
  for (int i = kCount - 1; i >= 0; --i) {
    Options o = detail::test_options(static_cast<std::uint16_t>(i), kCount, events[i]);
    for (PeerSpec& peer : o.peers) {
      if (peer.index > i) peer.address = detail::local(all[peer.index]->port());
    }
    auto opened = Links::open(std::move(o));
    ASSERT_TRUE(opened) << opened.error().str();
    all[static_cast<std::size_t>(i)] = std::move(*opened);
  }
  for (Events& e : events) ASSERT_TRUE(e.wait([&] { return e.ups.size() == 3; })) << e.all();
  for (auto& one : all) EXPECT_EQ(one->broadcast(Priority::kControl, kLarge, body("to all")), 3u);
  for (Events& e : events) ASSERT_TRUE(e.wait([&] { return e.frames.size() == 3; })) << e.all();
}

TEST(Links, bodies_of_every_size_arrive_whole) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  const std::size_t sizes[] = {0, 1, 65536, kPieceMax - 1, kPieceMax, kPieceMax + 1, 2 * kPieceMax, kLargeMax};
  for (std::size_t i = 0; i < std::size(sizes); ++i)
    ASSERT_TRUE(pair.sides[0]->send(1, Priority::kBulk, kLarge, body_of(sizes[i], static_cast<std::uint8_t>(i))));
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return events.frames.size() == std::size(sizes); })) << events.all();
  for (std::size_t i = 0; i < std::size(sizes); ++i)
    EXPECT_EQ(events.frames[i].body, Bytes(sizes[i], static_cast<std::uint8_t>(i))) << sizes[i];
}

TEST(Links, refuses_frames_over_their_limit_and_of_no_limit) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  EXPECT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body_of(kSmallMax)));
  auto over = pair.sides[0]->send(1, Priority::kVote, kSmall, body_of(kSmallMax + 1));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().id(), "links.frame");
  EXPECT_EQ(pair.sides[0]->send(1, Priority::kVote, kUnknown, body_of(0)).error().id(), "links.frame");
  EXPECT_EQ(pair.sides[0]->send(1, Priority::kVote, kSmall, nullptr).error().id(), "links.frame");
  EXPECT_EQ(pair.sides[0]->broadcast(Priority::kVote, kUnknown, body_of(0)), 0u);
  EXPECT_EQ(pair.sides[0]->send(5, Priority::kVote, kSmall, body_of(1)).error().id(), "links.no_peer");
  EXPECT_EQ(pair.sides[0]->stats(0).error().id(), "links.no_peer");
}

TEST(Links, a_peer_over_the_receivers_limit_is_cut_off_and_counted) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) {
    if (o.self == 0) o.limits[kSmall] = kSmallMax + 1;
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body_of(kSmallMax + 1)));
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return Events::count(events.downs, "links.frame_limit") == 1; })) << events.all();
  EXPECT_EQ(pair.sides[1]->stats(0)->violations, 1u);
  EXPECT_TRUE(events.empty(&Events::frames));
  ASSERT_TRUE(events.wait([&] { return events.ups.size() == 2; })) << "it dials anew";
}

// Holds the receiver's thread in its first frame until released.
struct Gate {
  std::latch entered{1}, released{1};
  std::atomic<bool> passed{false};
  void pass() {
    if (passed.exchange(true)) return;
    entered.count_down();
    released.wait();
  }
};

TEST(Links, a_full_queue_is_refused_and_the_other_priorities_are_not) {
  Gate gate;
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    if (o.self == 0) o.queues.bytes_max = {1000, 1000, 32u << 20};
    if (o.self == 1) o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) { gate.pass(); };
  }));
  ASSERT_TRUE(pair.up());
  Links& from = *pair.sides[0];
  ASSERT_TRUE(from.send(1, Priority::kBulk, kLarge, body_of(1)));
  gate.entered.wait();  // from here on nothing is read
  Status status;
  int sent = 0;
  while ((status = from.send(1, Priority::kBulk, kLarge, body_of(kLargeMax)))) ++sent;
  EXPECT_EQ(status.error().id(), "links.full");
  EXPECT_GE(sent, 32);
  EXPECT_EQ(from.stats(1)->dropped_full, 1u);
  EXPECT_LE(from.stats(1)->queued_bytes[2], 32u << 20);
  EXPECT_TRUE(from.send(1, Priority::kVote, kSmall, body_of(1)));
  gate.released.count_down();
}

TEST(Links, a_vote_overtakes_the_bulk_that_waits) {
  Gate gate;
  Pair pair;
  std::atomic<int> bulk_before_vote{0}, votes{0};
  ASSERT_TRUE(pair.open([&](Options& o) {
    if (o.self == 0) return;
    o.callbacks.on_frame = [&, note = o.callbacks.on_frame](std::uint16_t p, std::uint8_t type, Bytes b) {
      gate.pass();
      if (type == kSmall) ++votes;
      if (type == kLarge && votes == 0) ++bulk_before_vote;
      note(p, type, std::move(b));
    };
  }));
  ASSERT_TRUE(pair.up());
  constexpr int kBulkFrames = 100;
  for (int i = 0; i < kBulkFrames; ++i)
    ASSERT_TRUE(pair.sides[0]->send(1, Priority::kBulk, kLarge, body_of(kLargeMax)));
  gate.entered.wait();
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("vote")));
  gate.released.count_down();
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return events.frames.size() == kBulkFrames + 1; })) << events.all();
  EXPECT_LT(bulk_before_vote, kBulkFrames / 2) << "what the network holds goes first, no more";
}

TEST(Links, comes_up_again_after_the_other_side_ended) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  const std::string address = detail::local(pair.sides[1]->port());
  pair.sides[1].reset();
  Events& events = pair.events[0];
  ASSERT_TRUE(events.wait([&] { return events.downs.size() == 1; }));
  EXPECT_EQ(events.told(&Events::downs, "transport.closed"), 1u) << events.all();
  auto down = pair.sides[0]->send(1, Priority::kVote, kSmall, body("lost"));
  ASSERT_FALSE(down);
  EXPECT_EQ(down.error().id(), "links.down");
  EXPECT_GE(pair.sides[0]->stats(1)->dropped_down, 1u);
  EXPECT_FALSE(pair.sides[0]->is_up(1));

  Events again;
  Options o = detail::test_options(1, 2, again);
  o.listen = address;
  auto second = Links::open(std::move(o));
  ASSERT_TRUE(second) << second.error().str();
  ASSERT_TRUE(events.wait([&] { return events.ups.size() == 2; })) << events.all();
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("found")));
  ASSERT_TRUE(again.wait([&] { return again.frames.size() == 1; }));
  EXPECT_EQ(pair.sides[0]->stats(1)->connects, 2u);
}

TEST(Links, who_comes_back_dials_itself) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) { o.timing.redial_first_ms = o.timing.redial_most_ms = 3'600'000; }));
  ASSERT_TRUE(pair.up());
  const std::string address = detail::local(pair.sides[1]->port());
  pair.sides[1].reset();
  ASSERT_TRUE(pair.events[0].wait([&] { return pair.events[0].downs.size() == 1; }));
  Events again;
  Options o = detail::test_options(1, 2, again);
  o.listen = address;
  o.peers[0].address = detail::local(pair.sides[0]->port());
  auto second = Links::open(std::move(o));
  ASSERT_TRUE(second) << second.error().str();
  ASSERT_TRUE(again.wait([&] { return again.ups.size() == 1; })) << again.all() << pair.events[0].all();
  EXPECT_TRUE(again.empty(&Events::refused)) << again.all();
  EXPECT_TRUE(pair.events[0].empty(&Events::refused)) << pair.events[0].all();
}

TEST(Links, a_body_in_pieces_holds_no_vote_up_and_queues_are_counted_down) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) { o.limits[7] = kFrameBodyMax; }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kBulk, 7, body_of(kFrameBodyMax, 3)));
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("vote")));
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return events.frames.size() == 2; })) << events.all();
  EXPECT_EQ(events.frames[0].type, kSmall) << "16 MiB are begun";
  EXPECT_EQ(events.frames[1].body, Bytes(kFrameBodyMax, 3));
  const auto stats = pair.sides[0]->stats(1);
  EXPECT_EQ(stats->frames_out, 2u);
  EXPECT_EQ(stats->bytes_out, kFrameBodyMax + 4);
  EXPECT_EQ(stats->queued_bytes, (std::array<std::uint64_t, kPriorities>{}));
}

TEST(Links, both_dial_and_one_connection_stays) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.sides[1]->set_peer_address(0, detail::local(pair.sides[0]->port())));
  ASSERT_TRUE(pair.up());
  for (int i = 0; i < 200; ++i) {
    for (const int side : {0, 1})
      ASSERT_TRUE(pair.sides[side]->send(side == 0 ? 1 : 0, Priority::kVote, kSmall, body(text("{}", i))));
    for (Events& events : pair.events)
      ASSERT_TRUE(events.wait([&] { return events.frames.size() == static_cast<std::size_t>(i) + 1; })) << events.all();
  }
  for (const int side : {0, 1}) {
    EXPECT_TRUE(pair.events[side].empty(&Events::downs)) << pair.events[side].all();
    EXPECT_EQ(pair.sides[side]->stats(side == 0 ? 1 : 0)->connects, 1u);
  }
}

TEST(Links, a_twin_that_dials_is_found) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  Events events;
  Options o = detail::test_options(1, 2, events);
  o.peers[0].address = detail::local(pair.sides[0]->port());
  const auto twin = Links::open(std::move(o));
  ASSERT_TRUE(twin);
  ASSERT_TRUE(pair.events[0].wait([&] { return !pair.events[0].twins.empty(); })) << pair.events[0].all();
  EXPECT_EQ(pair.events[0].first_twin(), 1);
  EXPECT_TRUE(pair.sides[0]->is_up(1)) << "the first process keeps its channel";
  EXPECT_TRUE(events.empty(&Events::ups));
}

TEST(Links, a_new_address_is_dialed) {
  Pair pair;
  Events events;
  ASSERT_TRUE(pair.open());
  Options o = detail::test_options(0, 2, events);
  o.peers[0].address = "127.0.0.1:1";
  o.timing.redial_most_ms = o.timing.redial_first_ms = 1;
  o.timing.handshake_ms = 200;
  pair.sides[0].reset();
  auto opened = Links::open(std::move(o));
  ASSERT_TRUE(opened);
  ASSERT_TRUE(events.wait([&] { return Events::count(events.refused, "transport.silent") > 1; })) << events.all();
  EXPECT_GE((*opened)->stats(1)->refusals, 2u);
  ASSERT_TRUE((*opened)->set_peer_address(1, detail::local(pair.sides[1]->port())));
  ASSERT_TRUE(events.wait([&] { return events.ups.size() == 1; })) << events.all();
  EXPECT_EQ((*opened)->set_peer_address(1, "localhost:4").error().id(), "transport.address");
  EXPECT_EQ((*opened)->set_peer_address(1, "127.0.0.1").error().id(), "transport.address");
  EXPECT_EQ((*opened)->set_peer_address(1, "127.0.0.1:65536").error().id(), "transport.address");
  EXPECT_TRUE((*opened)->set_peer_address(1, "[::1]:65535"));
  EXPECT_EQ((*opened)->set_peer_address(7, "127.0.0.1:1").error().id(), "links.no_peer");
}

TEST(Links, a_newcomer_is_met_while_it_runs) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  Events events;
  Options third = detail::test_options(200, 0, events);
  third.key = &detail::test_key(2);
  third.peers = {{.index = 0, .key = detail::test_key(0).public_key(), .address = {}},
                 {.index = 1, .key = detail::test_key(1).public_key(), .address = {}}};
  auto opened = Links::open(std::move(third));
  ASSERT_TRUE(opened) << opened.error().str();
  const crypto::PublicKey key = detail::test_key(2).public_key();
  const std::string address = detail::local((*opened)->port());
  EXPECT_EQ(pair.sides[0]->send(200, Priority::kVote, detail::kSmall, detail::body("x")).error().id(), "links.no_peer");
  for (const auto& side : pair.sides) ASSERT_TRUE(side->meet({.index = 200, .key = key, .address = address}));
  ASSERT_TRUE(events.wait([&] { return events.ups.size() == 2; })) << events.all();
  ASSERT_TRUE(detail::eventually([&] { return pair.sides[0]->is_up(200) && pair.sides[1]->is_up(200); }));
  EXPECT_EQ(pair.sides[0]->broadcast(Priority::kVote, detail::kSmall, detail::body("hello")), 2u);
  ASSERT_TRUE(events.wait([&] { return !events.frames.empty(); }));
  // Known: only its address may be new. Another's index or key, or our own: refused.
  EXPECT_TRUE(pair.sides[0]->meet({.index = 200, .key = key, .address = address}));
  EXPECT_TRUE(pair.sides[0]->meet({.index = 200, .key = key, .address = {}}));
  EXPECT_EQ(pair.sides[0]->meet({.index = 201, .key = key, .address = {}}).error().id(), "links.options");
  EXPECT_EQ(pair.sides[0]->meet({.index = 1, .key = key, .address = {}}).error().id(), "links.options");
  EXPECT_EQ(pair.sides[0]->meet({.index = 0, .key = detail::test_key(3).public_key(), .address = {}}).error().id(),
            "links.options");
  EXPECT_EQ(pair.sides[0]->meet({.index = 9, .key = detail::test_key(0).public_key(), .address = {}}).error().id(),
            "links.options");
}

TEST(Links, a_silent_link_is_kept_by_pings_and_tells_its_round_trip) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) {
    o.timing.ping_ms = 2;
    o.timing.dead_after_ms = 10'000;
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(detail::eventually([&] { return pair.sides[0]->stats(1)->rtt_us > 0; }));
  EXPECT_GT(pair.sides[0]->stats(1)->rtt_us, 0);
  EXPECT_TRUE(pair.events[0].empty(&Events::downs)) << pair.events[0].all();
}

TEST(Links, a_peer_that_falls_silent_is_dropped) {
  Gate gate;
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    if (o.self == 0) o.timing.ping_ms = 5, o.timing.dead_after_ms = 50;
    if (o.self == 1) o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) { gate.pass(); };
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("hold")));
  Events& events = pair.events[0];
  EXPECT_TRUE(events.wait([&] { return Events::count(events.downs, "links.silent") > 0; })) << events.all();
  gate.released.count_down();
}

TEST(Links, stops_while_threads_send) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  std::atomic<bool> end{false};
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&, i] {
      const auto small = body_of(kSmallMax);
      const auto large = body_of(100'000);
      while (!end) {
        (void)pair.sides[i % 2]->send(i % 2 == 0 ? 1 : 0, Priority::kVote, kSmall, small);
        (void)pair.sides[i % 2]->broadcast(Priority::kBulk, kLarge, large);
      }
    });
  }
  Events& events = pair.events[1];
  EXPECT_TRUE(events.wait([&] { return events.frames.size() > 500; })) << events.all();
  pair.sides[0]->stop();
  pair.sides[1]->stop();
  pair.sides[1]->stop();  // again is nothing
  end = true;
  for (std::thread& t : senders) t.join();
  EXPECT_EQ(pair.sides[0]->send(1, Priority::kVote, kSmall, body_of(1)).error().id(), "links.down");
  EXPECT_GE(pair.events[0].told(&Events::downs, "links.closed"), 1u);
}

TEST(Links, answers_from_the_callback_reach_the_sender) {
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    if (o.self == 1)
      o.callbacks.on_frame = [&](std::uint16_t peer, std::uint8_t type, Bytes b) {
        (void)pair.sides[1]->send(peer, Priority::kVote, type, std::make_shared<const Bytes>(std::move(b)));
      };
  }));
  ASSERT_TRUE(pair.up());
  Events& events = pair.events[0];
  for (std::size_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body(text("{}", i))));
    ASSERT_TRUE(events.wait([&] { return events.frames.size() == i; })) << events.all();
  }
}

TEST(Links, refuses_options_that_cannot_work) {
  Events events;
  const auto refused = [&](const std::function<void(Options&)>& change) {
    Options o = detail::test_options(0, 3, events);
    change(o);
    auto opened = Links::open(std::move(o));
    return opened ? std::string("opened") : std::string(opened.error().id());
  };
  const auto ed25519_key = crypto::SecretKey::from_seed(crypto::SigAlg::kEd25519, FixedBytes<32>{}.view());
  const crypto::SecretKey& ed25519 = *ed25519_key;
  EXPECT_EQ(refused([](Options&) {}), "opened");
  EXPECT_EQ(refused([](Options& o) { o.key = nullptr; }), "links.options");
  EXPECT_EQ(refused([&](Options& o) { o.key = &ed25519; }), "links.options");
  EXPECT_EQ(refused([&](Options& o) { o.peers[0].key = ed25519.public_key(); }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].key.bytes.pop_back(); }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].index = 0; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].index = 2; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].index = kNobody; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.self = kNobody; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].key = o.peers[1].key; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].key = o.key->public_key(); }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.limits[4] = kFrameBodyMax; }), "opened");
  EXPECT_EQ(refused([](Options& o) { o.limits[4] = kFrameBodyMax + 1; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.limits[kTypeMax] = 1; }), "opened");
  EXPECT_EQ(refused([](Options& o) { o.limits[kTypeMax + 1] = 1; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.timing.ping_ms = 0; }), "links.options");
  EXPECT_EQ(refused([](Options& o) { o.listen = "nowhere"; }), "transport.address");
  EXPECT_EQ(refused([](Options& o) { o.peers[0].address = "::1"; }), "transport.address");
  EXPECT_EQ(refused([](Options& o) { o.listen = "192.0.2.1:0"; }), "transport.listen");
  const auto many = [&](std::uint16_t count) {
    return refused([&](Options& o) {
      o.peers.clear();
      for (std::uint16_t i = 1; i <= count; ++i) {
        crypto::PublicKey key = detail::test_key(0).public_key();
        store_le(key.bytes.data(), i);
        o.peers.push_back({.index = i, .key = key, .address = {}});
      }
    });
  };
  EXPECT_EQ(many(kPeersMax), "opened");
  EXPECT_EQ(many(kPeersMax + 1), "links.options");
}

}  // namespace
}  // namespace hanse::links
