// Nodes that know little of each other, on loopback: records, the cache, finding and gossip between real nodes.
#include <set>

#include "node/overlay/overlay.h"
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

std::size_t peers(const std::unique_ptr<MeshNode>& node) { return node->health()->peers; }

TEST(Restart, finds_the_peers_again_from_the_cache_alone) {
  const Folder folder;
  const auto other = node(2, settings());
  MeshSettings kept = settings({known(2, *other)});
  kept.folder = folder.path;
  {
    const auto first = node(1, kept);
    ASSERT_TRUE(first->dial({.peer = id_of(2)}));
    ASSERT_TRUE(until([&] { return first->knows(id_of(2))->record; }));
  }
  kept.known.clear();
  const auto again = node(1, kept);
  EXPECT_TRUE(until([&] { return peers(again) == 1; }));
  kept.folder.clear();
  again->stop(0);
  const auto blank = node(1, kept);
  EXPECT_FALSE(blank->knows(id_of(2))->record);
}

TEST(Restart, of_another_network_forgets_the_cache) {
  const Folder folder;
  const auto other = node(2, settings());
  MeshSettings kept = settings({known(2, *other)});
  kept.folder = folder.path;
  {
    const auto first = node(1, kept);
    ASSERT_TRUE(first->dial({.peer = id_of(2)}));
    ASSERT_TRUE(until([&] { return first->knows(id_of(2))->record; }));
  }
  kept.known.clear();
  kept.network.data[0] = 10;
  const auto again = node(1, kept);
  EXPECT_FALSE(again->knows(id_of(2))->record);
  EXPECT_FALSE(again->dial({.peer = id_of(2), .wait_ms = 300}));
}

// Each knows the first node alone, which has no role: it tells who is where.
TEST(Finding, all_meet_by_id_who_know_one_node) {
  const auto first = node(1, settings());
  std::vector<std::unique_ptr<MeshNode>> others;
  for (std::uint8_t n = 2; n <= 8; ++n) others.push_back(node(n, settings({known(1, *first)})));
  for (auto& one : others)
    for (std::uint8_t n = 2; n <= 8; ++n) {
      if (id_of(n) == one->id()) continue;
      const auto met = one->dial({.peer = id_of(n), .wait_ms = 60'000});
      ASSERT_TRUE(met) << met.error().str();
    }
}

// Without gossip nobody dials but to find: who is in the table of the first node was tried by another for it.
TEST(Finding, who_dials_is_tried_by_another_before_it_is_told_of) {
  MeshSettings quiet = settings();
  quiet.gossip = false;
  const auto first = node(1, quiet);
  quiet.known = {known(1, *first)};
  const auto second = node(2, quiet);
  ASSERT_TRUE(second->dial({.peer = id_of(1)}));
  EXPECT_EQ(first->health()->finder.table, 0u);
  const auto third = node(3, quiet);
  EXPECT_TRUE(until([&] { return first->health()->finder.table >= 1; }));
}

TEST(Others, are_told_by_a_peer_that_gave_its_own_record_and_proved_like_any) {
  MeshSettings quiet = settings();
  quiet.gossip = false;
  const auto hub = node(1, quiet);
  quiet.known = {known(1, *hub)};
  const auto a = node(2, quiet), b = node(3, quiet);
  ASSERT_TRUE(until([&] { return hub->knows(id_of(2))->record && hub->knows(id_of(3))->record; }));
  const auto late = node(4, quiet);
  ASSERT_TRUE(until([&] { return late->health()->told >= 2; }));
  EXPECT_TRUE(late->knows(id_of(2))->record);
  EXPECT_TRUE(late->knows(id_of(3))->key);
}

// A peer without the rest of a node: it gives its own record, and what the test says when asked for others.
struct Teller {
  explicit Teller(const MeshNode& to) {
    reach::ReachOptions o;
    o.endpoint.network = settings().network;
    o.endpoint.key = &crypto::test_key(7);
    o.endpoint.protocols = overlay::protocols({.network = o.endpoint.network, .gossip = false});
    o.known = {known(1, to)};
    reach = std::move(*reach::Reach::create(std::move(o)));
    sockets = std::move(*transport::Sockets::open({}, *reach));
    const std::uint16_t port = sockets->addresses()[0].port;
    reach->start({.own_v4 = port, .open = [this](bool v4) { return sockets->open_more(v4); }, .close = [](auto) {}},
                 sockets->addresses(), sockets->now_ns());
  }
  // Signed with the key of one number and said to be of another.
  static overlay::Give give(std::uint8_t of, std::uint8_t signer) {
    const discovery::PeerRecord record{
        .seq = 1, .not_after_ms = system_clock().wall_ms() + 3'600'000, .network = settings().network};
    overlay::Give out{.key = crypto::test_key(of).public_key(), .of_public = {}, .of_local = {}};
    out.of_public = discovery::sign_record(record, crypto::test_key(signer))->bytes;
    return out;
  }
  void say(std::uint8_t type, Bytes body) {
    (void)reach->send(id_of(1), overlay::kRecordProtocol, type, std::make_shared<const Bytes>(std::move(body)),
                      sockets->now_ns());
  }
  void turn() {
    EXPECT_TRUE(sockets->turn(1'000'000));
    reach::PeerEvent event;
    while (reach->next_event(event)) {
      if (event.type == reach::PeerEvent::Type::kUp) say(overlay::kGive, encode(give(7, 7)));
      if (event.type != reach::PeerEvent::Type::kFrame) continue;
      if (event.frame_type == overlay::kAskOthers) {
        say(overlay::kOthers, encode(others));
        say(overlay::kAsk, to_bytes(id_of(1).view()));
        ++asked;
      }
      answered += asked > 0 && event.frame_type == overlay::kGive ? 1 : 0;  // it has worked on the others by then
      reach->consumed(std::move(event));
    }
  }
  overlay::Others others;
  int asked = 0, answered = 0;
  std::unique_ptr<reach::Reach> reach;
  std::unique_ptr<transport::Sockets> sockets;
};

TEST(Others, that_are_false_are_not_believed_nor_what_stands_behind_them) {
  for (const bool lies : {false, true}) {
    MeshSettings quiet = settings();
    quiet.gossip = false;
    const auto hearer = node(1, quiet);
    Teller teller(*hearer);
    teller.others.gives = {Teller::give(8, 8), Teller::give(9, lies ? 10 : 9), Teller::give(11, 11)};
    ASSERT_TRUE(until([&] {
      teller.turn();
      return teller.answered > 0 && hearer->health()->told >= (lies ? 1u : 3u);
    }));
    EXPECT_EQ(hearer->health()->told, lies ? 1u : 3u);
    EXPECT_TRUE(hearer->knows(id_of(8))->record);
    EXPECT_EQ(hearer->knows(id_of(9))->record, !lies);
    EXPECT_EQ(hearer->knows(id_of(11))->record, !lies);
  }
}

// One has IPv6 alone and the other IPv4 alone; each knows its own relay, and the relays know each other.
TEST(Finding, a_peer_behind_a_relay_that_only_its_record_names) {
  MeshSettings of_relay = settings({}, kAllRoles);
  of_relay.bind = {"127.0.0.1:0", "[::1]:0"};
  const auto left = node(1, of_relay);
  of_relay.known = {known(1, *left)};
  const auto right = node(2, of_relay);
  MeshSettings six = settings({known(1, *left)}), four = settings({known(2, *right)});
  six.bind = {"[::1]:0"};
  const auto a = node(3, six), b = node(4, four);
  ASSERT_TRUE(a->dial({.peer = id_of(1)}));
  ASSERT_TRUE(b->dial({.peer = id_of(2)}));
  placed(*b, 1);
  const auto met = a->dial({.peer = id_of(4), .wait_ms = 20'000});
  ASSERT_TRUE(met) << met.error().str();
  EXPECT_FALSE(met->direct);
  // Or it was b, who keeps company, that came first: through a's relay.
  EXPECT_EQ(met->relay, id_of(met->inbound ? 1 : 2));
}

TEST(Finding, nobody_of_another_network_is_found) {
  const auto first = node(1, settings({}, kAllRoles));
  MeshSettings strange = settings({known(1, *first)});
  strange.network.data[0] = 10;
  const auto stranger = node(2, strange), a = node(3, settings({known(1, *first)}));
  ASSERT_TRUE(a->dial({.peer = id_of(1)}));
  EXPECT_FALSE(stranger->dial({.peer = id_of(3), .wait_ms = 1'000}));
  EXPECT_FALSE(a->dial({.peer = id_of(2), .wait_ms = 1'000}));
  EXPECT_EQ(peers(stranger), 0u);
}

// ---- gossip --------------------------------------------------------------------------------------------------------

using Nodes = std::vector<std::unique_ptr<MeshNode>>;

Nodes mesh_of(std::uint8_t n) {
  Nodes out;
  out.push_back(node(1, settings()));
  for (std::uint8_t i = 2; i <= n; ++i) out.push_back(node(i, settings({known(1, *out[0])})));
  return out;
}
bool joined(const Nodes& nodes, std::size_t neighbours) {
  return until(
      [&] { return std::ranges::all_of(nodes, [&](const auto& n) { return n->topics()->neighbours >= neighbours; }); });
}
std::string read(Inbox& inbox, std::int64_t wait_ms = 20'000) {
  const auto message = inbox.next(wait_ms);
  return message && *message ? std::string(as_text((*message)->payload)) : "nothing";
}

TEST(Topics, a_message_reaches_all_subscribers_once_and_the_first_node_is_not_needed) {
  Nodes nodes = mesh_of(8);
  ASSERT_TRUE(joined(nodes, 3));
  std::vector<std::shared_ptr<Inbox>> inboxes;
  for (const auto& n : nodes) inboxes.push_back(*n->subscribe("news"));
  ASSERT_TRUE(nodes[3]->publish("news", to_bytes("one")));
  ASSERT_TRUE(nodes[4]->publish("other", to_bytes("of another topic")));
  for (const auto& inbox : inboxes) EXPECT_EQ(read(*inbox), "one");
  nodes[0]->stop(0);
  inboxes.erase(inboxes.begin());
  nodes.erase(nodes.begin());
  ASSERT_TRUE(joined(nodes, 2));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(nodes[i % 7]->publish("news", to_bytes(std::to_string(i))));
  for (const auto& inbox : inboxes) {
    std::multiset<int> got;
    for (int i = 0; i < 20; ++i) got.insert(std::atoi(read(*inbox).c_str()));
    EXPECT_EQ(got.size(), 20u);
    EXPECT_EQ(std::set(got.begin(), got.end()).size(), 20u);
    EXPECT_EQ(read(*inbox, 50), "nothing");
  }
}

// One has IPv6 alone and the other IPv4 alone, and nobody relays.
TEST(Topics, the_key_of_a_publisher_that_was_never_met_is_found) {
  MeshSettings both = settings();
  both.bind = {"127.0.0.1:0", "[::1]:0"};
  const auto hub = node(1, both);
  MeshSettings six = settings({known(1, *hub)});
  six.bind = {"[::1]:0"};
  const auto a = node(2, six), b = node(3, settings({known(1, *hub)}));
  ASSERT_TRUE(until([&] { return a->topics()->neighbours == 1 && b->topics()->neighbours == 1; }));
  const auto inbox = *b->subscribe("news");
  ASSERT_TRUE(a->publish("news", to_bytes("hello")));
  EXPECT_EQ(read(*inbox), "hello");
  EXPECT_EQ(peers(b), 1u);
}

TEST(Topics, sequence_numbers_go_on_after_a_restart) {
  const Folder folder;
  MeshSettings kept = settings();
  kept.folder = folder.path;
  std::uint64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    const auto n = node(1, kept);
    const auto seq = n->publish("news", to_bytes("x"));
    ASSERT_TRUE(seq) << seq.error().str();
    EXPECT_GT(*seq, last);
    last = *seq;
    EXPECT_EQ(*n->publish("news", to_bytes("y")), last + 1);
  }
}

TEST(Topics, limits_hold_and_one_past_is_refused) {
  const auto n = node(1, settings());
  EXPECT_EQ(n->publish("", {}).error().id(), "overlay.topic");
  EXPECT_TRUE(n->publish(std::string(overlay::kTopicNameMax, 't'), {}));
  EXPECT_EQ(n->publish(std::string(overlay::kTopicNameMax + 1, 't'), {}).error().id(), "overlay.topic");
  EXPECT_TRUE(n->publish("t", Bytes(gossip::kPayloadBytesMax)));
  EXPECT_EQ(n->publish("t", Bytes(gossip::kPayloadBytesMax + 1)).error().id(), "gossip.payload");
  std::vector<std::shared_ptr<Inbox>> inboxes;
  for (std::size_t i = 0; i < overlay::kSubscribersMax; ++i) inboxes.push_back(*n->subscribe("t"));
  EXPECT_EQ(n->subscribe("t").error().id(), "overlay.limit");
  inboxes.pop_back();
  EXPECT_TRUE(n->subscribe("t"));
  MeshSettings silent = settings();
  silent.gossip = false;
  const auto quiet = node(2, silent);
  EXPECT_EQ(quiet->publish("t", {}).error().id(), "overlay.no_gossip");
  EXPECT_EQ(quiet->subscribe("t").error().id(), "overlay.no_gossip");
}

TEST(Inbox, keeps_so_many_and_counts_what_it_drops) {
  Inbox inbox;
  for (std::size_t i = 0; i < kInboxMessagesMax; ++i) inbox.take({});
  EXPECT_EQ(inbox.dropped(), 0u);
  inbox.take({});
  EXPECT_EQ(inbox.dropped(), 1u);
  inbox.close();
  for (std::size_t i = 0; i < kInboxMessagesMax; ++i) ASSERT_TRUE(*inbox.next(0));
  EXPECT_EQ(inbox.next(0).error().id(), "peering.stopped");
  Inbox bytes;
  bytes.take({.payload = Bytes(kInboxBytesMax)});
  bytes.take({.payload = Bytes(1)});
  EXPECT_EQ(bytes.dropped(), 1u);
}

TEST(Control, publishes_and_subscribes_over_the_socket) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  const auto a = node(1, settings()), b = node(2, settings({known(1, *a)}));
  ASSERT_TRUE(until([&] { return a->topics()->neighbours == 1 && b->topics()->neighbours == 1; }));
  auto server = ControlServer::start(path, mesh_handler(*a));
  ASSERT_TRUE(server);
  codec::Json subscribe = codec::Json::object();
  subscribe.set("do", "subscribe").set("topic", "news").set("count", 2);
  std::vector<std::string> lines;
  const auto done = ask({.path = path, .request = subscribe, .progress = [&](const codec::Json& line) {
                           lines.push_back(line.dump());
                           if (lines.size() != 1) return;
                           EXPECT_TRUE(b->publish("news", to_bytes("one")));
                           codec::Json publish = codec::Json::object();
                           publish.set("do", "publish").set("topic", "news").set("hex", "ff00");
                           EXPECT_TRUE(ask({.path = path, .request = publish}));
                         }});
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(done->dump(), R"({"messages":2,"dropped":0})");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE((lines[1] + lines[2]).find(R"("text":"one")"), std::string::npos);
  EXPECT_NE((lines[1] + lines[2]).find(R"("hex":"ff00")"), std::string::npos);
  // Nobody else publishes; the time is over.
  subscribe.set("wait_ms", 50);
  EXPECT_EQ(ask({.path = path, .request = subscribe})->dump(), R"({"messages":0,"dropped":0})");
  // A stop ends who still listens.
  subscribe.set("wait_ms", 60'000);
  std::thread stopper;
  const auto ended = ask({.path = path, .request = subscribe, .progress = [&](const codec::Json&) {
                            stopper = std::thread([&] { (*server)->stop(); });
                          }});
  stopper.join();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace hanse::peering
