// Nodes of the mesh on loopback, asked through their control sockets.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/core/text.h"
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

using codec::Json;

TEST(MeshNode, meets_a_peer_that_only_a_relay_knows_and_counts_truly) {
  const auto relay = node(1, settings({}, kAllRoles));
  const auto a = node(2, settings({known(1, *relay)})), b = node(3, settings({known(1, *relay)}));
  ASSERT_TRUE(a->dial({.peer = id_of(1)}));
  ASSERT_TRUE(b->dial({.peer = id_of(1)}));
  for (auto* n : {&a, &b}) {
    placed(**n, 1);
    surveyed(**n);
  }
  const auto met = a->dial({.peer = id_of(3), .until = MeshNode::Until::kDirect});
  ASSERT_TRUE(met) << met.error().str();
  EXPECT_TRUE(met->direct);
  EXPECT_EQ(met->address, transport::address_text(b->addresses()[0]));
  const auto health = relay->health();
  ASSERT_TRUE(health);
  EXPECT_TRUE(health->healthy);
  EXPECT_EQ(health->peers, 2u);
  EXPECT_EQ(health->roles, (std::vector<std::string>{"coordinator", "reflector", "relay"}));
  EXPECT_EQ(health->reservations, 2u);
  EXPECT_EQ(a->nat()->nat->mapping, nat::Mapping::kNone);
  EXPECT_TRUE(until([&] { return b->paths()->size() == 2; })) << "the dialer is up first";
}

TEST(MeshNode, says_when_there_is_no_way) {
  const auto alone = node(1, settings());
  EXPECT_FALSE(alone->health()->healthy);
  const auto none = alone->dial({.peer = id_of(2), .wait_ms = 50});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id(), "peering.timeout");
  EXPECT_EQ(alone->speed(id_of(2), 1, 1000, {}).error().id(), "peering.not_connected");
  alone->stop();
  EXPECT_EQ(alone->health().error().id(), "peering.stopped");
  MeshSettings nameless = settings();
  nameless.network = {};
  EXPECT_EQ(MeshNode::start(std::move(nameless), crypto::test_key(1)).error().id(), "peering.network");
}

TEST(Speed, is_measured_on_one_stream_with_the_same_bytes_at_the_end) {
  const auto a = node(1, settings()), b = node(2, settings());
  ASSERT_TRUE(a->dial({.peer = id_of(2), .addresses = b->addresses()}));
  std::uint64_t last = 0;
  const auto done = a->speed(id_of(2), 20'000'001, 60'000, [&](std::uint64_t sent) { last = sent; });
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(done->bytes, 20'000'001u);
  EXPECT_EQ(done->streams, 1u);
  EXPECT_EQ(last, 20'000'001u);
}

TEST(Speed, is_refused_where_it_is_not_allowed) {
  MeshSettings closed = settings();
  closed.speed_test = false;
  const auto a = node(1, settings()), b = node(2, std::move(closed));
  ASSERT_TRUE(a->dial({.peer = id_of(2), .addresses = b->addresses()}));
  EXPECT_EQ(a->speed(id_of(2), 1'000'000, 20'000, {}).error().id(), "peering.refused");
}

TEST(Check, names_the_links_that_are_missing) {
  const auto first = node(1, settings());
  const auto second = node(2, settings({known(1, *first)}));
  const auto third = node(3, settings({known(1, *first), known(2, *second)}));
  ASSERT_TRUE(third->dial({.peer = id_of(1)}));
  ASSERT_TRUE(third->dial({.peer = id_of(2)}));
  ASSERT_TRUE(second->dial({.peer = id_of(1)}));
  auto all = third->check(5000);
  ASSERT_TRUE(all) << all.error().str();
  // Each tells of those that it knows itself, and of who asks.
  EXPECT_EQ(all->nodes.size(), 3u);
  first->stop(0);
  const auto missing = third->check(300);
  ASSERT_TRUE(missing);
  EXPECT_FALSE(missing->whole());
  std::set<std::pair<PeerId, PeerId>> expected;
  for (const auto& [x, y] : {std::pair{1, 2}, std::pair{1, 3}})
    expected.insert(std::minmax(id_of(static_cast<std::uint8_t>(x)), id_of(static_cast<std::uint8_t>(y))));
  EXPECT_EQ(std::set(missing->missing.begin(), missing->missing.end()), expected);
  for (const auto& n : missing->nodes) EXPECT_EQ(n.answered, n.peer != id_of(1));
}

TEST(Stop, waits_for_the_circuits_of_a_relay_to_leave) {
  MeshSettings relaying = settings({}, kAllRoles);
  relaying.bind = {"127.0.0.1:0", "[::1]:0"};
  const auto relay = node(1, relaying), other = node(4, relaying);
  MeshSettings bound = settings({known(1, *relay), known(4, *other)});
  bound.punch = bound.gossip = false;
  const auto b = node(3, bound);
  bound.bind = {"[::1]:0"};  // so that there is no other way than through a relay
  const auto a = node(2, bound);
  for (const auto* n : {&a, &b})
    for (std::uint8_t r : {1, 4}) ASSERT_TRUE((*n)->dial({.peer = id_of(r)}));
  placed(*b, 2);
  const auto met = a->dial({.peer = id_of(3), .relays = {id_of(1)}});
  ASSERT_TRUE(met) << met.error().str();
  const bool first = met->relay == id_of(1);               // either side may have dialed first, through either
  ASSERT_TRUE(a->speed(id_of(3), 1'000'000, 20'000, {}));  // the connection is confirmed: it may move
  (first ? relay : other)->stop();
  EXPECT_TRUE(a->speed(id_of(3), 1'000'000, 20'000, {}));
  EXPECT_EQ(a->dial({.peer = id_of(3)})->relay, id_of(first ? 4 : 1));
  EXPECT_TRUE(until([&] { return b->health()->peers == 2; }));
}

TEST(Forward, reaches_the_api_of_a_peer_that_allows_it) {
  char name[] = "/tmp/hanse-peering-XXXXXX";
  const std::string folder = mkdtemp(name);
  // The API here is a control socket, which answers a line with a line.
  auto api = ControlServer::start(folder + "/api.sock", [](const codec::Json&, const Progress&) -> Result<codec::Json> {
    codec::Json out = codec::Json::object();
    out.set("api", true);
    return out;
  });
  ASSERT_TRUE(api);
  MeshSettings open = settings();
  open.api = folder + "/api.sock";
  open.api_peers = {id_of(1)};
  const auto a = node(1, settings()), b = node(2, std::move(open)), c = node(3, settings());
  for (auto* n : {&a, &c}) ASSERT_TRUE((*n)->dial({.peer = id_of(2), .addresses = b->addresses()}));
  ASSERT_TRUE(a->forward(id_of(2), folder + "/a.sock"));
  ASSERT_TRUE(c->forward(id_of(2), folder + "/c.sock"));
  const auto answer = ask({.path = folder + "/a.sock", .request = codec::Json::object()});
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_NE(answer->find("api"), nullptr);
  EXPECT_EQ(ask({.path = folder + "/c.sock", .request = codec::Json::object()}).error().id(), "peering.no_node");
  std::filesystem::remove_all(folder);
}

// ---- the control socket
// ----------------------------------------------------------------------------------------------

Json request(std::string_view what) {
  Json out = Json::object();
  out.set("do", what);
  return out;
}

TEST(Control, answers_what_the_mesh_knows) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  const auto a = node(1, settings()), b = node(2, settings());
  auto server = ControlServer::start(path, mesh_handler(*a));
  ASSERT_TRUE(server) << server.error().str();
  Json dial = request("dial");
  dial.set("peer", text("{}@{}", id_text(2), transport::address_text(b->addresses()[0])));
  const auto path_to = ask({.path = path, .request = dial});
  ASSERT_TRUE(path_to) << path_to.error().str();
  EXPECT_EQ(*path_to->find("path")->as_text("path"), "direct");
  const auto status = ask({.path = path, .request = request("status")});
  EXPECT_EQ(*status->find("peer_id")->as_text("peer_id"), id_text(1));
  EXPECT_EQ(*status->find("peers")->as_u64("peers"), 1u);
  EXPECT_EQ(ask({.path = path, .request = request("paths")})->find("paths")->items().size(), 1u);
  EXPECT_FALSE(*ask({.path = path, .request = request("nat")})->find("known")->as_bool("known"));
  EXPECT_EQ(ask({.path = path, .request = request("check")})->find("nodes")->items().size(), 1u);
  Json speed = request("speed");
  speed.set("peer", id_text(2)).set("bytes", 3'000'000);
  int lines = 0;
  const auto done = ask({.path = path, .request = speed, .progress = [&](const Json&) { ++lines; }});
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(*done->find("bytes")->as_u64("bytes"), 3'000'000u);
  EXPECT_GT(lines, 0);
  for (const char* from : {"paths", "status"}) {
    const auto answer = ask({.path = path, .request = request(from)});
    const Json* all = from == std::string_view("status") ? &*answer : &answer->find("paths")->items().at(0);
    const Json* flow = all->find("protocols")->find("0x24");
    ASSERT_NE(flow, nullptr) << from;
    EXPECT_GT(*flow->find("out")->as_u64("out"), 3'000'000u);
    EXPECT_LT(*flow->find("in")->as_u64("in"), 100u) << "the result";
  }
}

TEST(Control, refuses_what_is_no_request_by_name) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  const auto a = node(1, settings());
  auto server = ControlServer::start(path, mesh_handler(*a));
  const auto id_of_answer = [&](Json r) {
    const auto answer = ask({.path = path, .request = std::move(r)});
    return answer ? std::string("ok") : std::string(answer.error().id());
  };
  EXPECT_EQ(id_of_answer(request("dance")), "peering.request");
  EXPECT_EQ(id_of_answer(Json::object()), "peering.request");
  EXPECT_EQ(id_of_answer(request("dial")), "peering.request");
  Json bad = request("dial");
  bad.set("peer", "hanse1nobody");
  EXPECT_EQ(id_of_answer(bad), "peering.request");
  bad.set("peer", id_text(2) + "@example.org:1");
  EXPECT_EQ(id_of_answer(bad), "transport.address");
  bad.set("peer", id_text(2)).set("wait_ms", std::uint64_t{3'600'001});
  EXPECT_EQ(id_of_answer(bad), "peering.request");
  Json one = request("paths");
  one.set("peer", id_text(2));
  EXPECT_EQ(id_of_answer(one), "peering.not_connected");
  Json long_one = request(std::string(kRequestBytesMax + 1, 'x'));
  EXPECT_EQ(id_of_answer(long_one), "peering.limit");
  EXPECT_EQ(id_of_answer(request("status")), "ok");
  (*server)->stop();
  EXPECT_EQ(id_of_answer(request("status")), "peering.no_node");
}

TEST(Control, has_room_for_so_many_callers_and_refuses_the_next) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t inside = 0;
  bool go = false;
  auto server = ControlServer::start(path, [&](const Json&, const Tell&) -> Result<Json> {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return go; });
    return Json::object();
  });
  ASSERT_TRUE(server);
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < kConnectionsMax; ++i)
    callers.emplace_back([&] { EXPECT_TRUE(ask({.path = path, .request = request("wait")})); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == kConnectionsMax; });
  }
  EXPECT_EQ(ask({.path = path, .request = request("wait")}).error().id(), "peering.limit");
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
  for (auto& caller : callers) caller.join();
}

TEST(Known, is_read_as_an_id_with_or_without_an_address) {
  EXPECT_EQ(parse_known(id_text(1))->peer, id_of(1));
  EXPECT_TRUE(parse_known(id_text(1))->addresses.empty());
  EXPECT_EQ(transport::address_text(parse_known(id_text(1) + "@192.0.2.1:12000")->addresses[0]), "192.0.2.1:12000");
  std::string wrong = id_text(1);
  wrong[10] = wrong[10] == 'a' ? 'b' : 'a';
  EXPECT_EQ(parse_known(wrong).error().id(), "peering.request");
  EXPECT_FALSE(parse_known(id_text(1) + "@"));
  EXPECT_FALSE(parse_known(""));
}

}  // namespace
}  // namespace hanse::peering
