// Agents found by their id between real nodes: they move, coordinators die, and one lies.
#include <algorithm>

#include "mesh/rendezvous/record.h"
#include "node/overlay/overlay.h"
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

using codec::Json;

constexpr std::uint8_t kAgent = 40, kOther = 41;

identity::AgentId agent(std::uint8_t key = kAgent) { return identity::agent_id(crypto::test_key(key).public_key()); }

identity::Papers papers_of(std::uint8_t machine, std::int64_t begin_ms, std::uint8_t of = kAgent) {
  const identity::AgentCert cert{
      .subject = id_of(machine), .not_before_ms = begin_ms, .not_after_ms = begin_ms + 3'600'000};
  return {.agent = *identity::sign_cert(cert, crypto::test_key(of)), .user = {}};
}
std::int64_t wall_ms() { return system_clock().wall_ms(); }

struct Coordinators {
  std::vector<std::unique_ptr<MeshNode>> nodes;
  std::vector<Known> known;
  // The first has the number 1; each knows those before it.
  explicit Coordinators(std::uint8_t n) {
    for (std::uint8_t i = 1; i <= n; ++i) {
      nodes.push_back(node(i, settings(known, reach::kCoordinatorRole)));
      known.push_back(peering::known(i, *nodes.back()));
    }
  }
  MeshSettings with_papers(std::uint8_t machine, std::int64_t begin_ms) const {
    MeshSettings out = settings(known);
    out.papers = papers_of(machine, begin_ms);
    return out;
  }
  bool keep(std::size_t records) const {
    return until(
        [&] { return std::ranges::all_of(nodes, [&](const auto& n) { return n->health()->agents.kept == records; }); });
  }
};

// Of the places, in order.
std::vector<PeerId> found(MeshNode& node, std::uint8_t of = kAgent) {
  std::vector<PeerId> out;
  const auto places = node.find_agent(agent(of), 10'000);
  if (places)
    for (const auto& place : places->places) out.push_back(place.machine);
  return out;
}

TEST(Agents, are_found_by_their_id_and_dialed) {
  Coordinators c(3);
  const auto home = node(10, c.with_papers(10, wall_ms()));
  ASSERT_TRUE(c.keep(1));
  const auto asker = node(11, settings(c.known));
  ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 3; }));
  const auto places = asker->find_agent(agent(), 10'000);
  ASSERT_TRUE(places) << places.error().str();
  ASSERT_EQ(places->places.size(), 1u);
  EXPECT_EQ(places->places[0].machine, id_of(10));
  EXPECT_EQ(places->asked, 3u);
  const auto path = asker->dial_agent(agent(), MeshNode::Until::kUp, 20'000);
  ASSERT_TRUE(path) << path.error().str();
  EXPECT_EQ(path->peer, id_of(10));
  EXPECT_EQ(path->who->agent, agent());
  const auto nobody = asker->find_agent(agent(kOther), 10'000);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().id(), "peering.no_agent");
}

TEST(Agents, that_move_are_found_where_they_are_now) {
  Coordinators c(3);
  const std::int64_t begin = wall_ms();
  auto before = node(10, c.with_papers(10, begin));
  ASSERT_TRUE(c.keep(1));
  const auto after = node(12, c.with_papers(12, begin + 1'000));
  ASSERT_TRUE(c.keep(2));
  const auto asker = node(11, settings(c.known));
  ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 3; }));
  EXPECT_EQ(found(*asker), (std::vector{id_of(12), id_of(10)})) << "that certified last stands first";
  EXPECT_EQ(asker->dial_agent(agent(), MeshNode::Until::kUp, 20'000)->peer, id_of(12));
  before->stop(0);  // says so
  EXPECT_TRUE(until([&] { return found(*asker) == std::vector{id_of(12)}; }));
}

TEST(Agents, are_found_while_one_coordinator_lives_and_come_back_to_one_that_began_anew) {
  Coordinators c(3);
  const auto home = node(10, c.with_papers(10, wall_ms()));
  ASSERT_TRUE(c.keep(1));
  const auto asker = node(11, settings(c.known));
  ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 3; }));
  const auto port = c.nodes[0]->addresses()[0];
  c.nodes[0].reset();
  c.nodes[1]->stop(0);
  EXPECT_EQ(found(*asker), std::vector{id_of(10)});
  c.nodes[2]->stop(0);
  EXPECT_TRUE(found(*asker).empty());
  MeshSettings again = settings({}, reach::kCoordinatorRole);
  again.bind = {transport::address_text(port)};
  const auto anew = node(1, again);
  EXPECT_TRUE(until([&] { return anew->health()->agents.kept == 1; })) << "nobody waits for the next record";
  EXPECT_TRUE(until([&] { return found(*asker) == std::vector{id_of(10)}; }));
}

TEST(Agents, are_not_said_of_who_does_not_want_it_and_nobody_is_asked_where_no_coordinator_is) {
  Coordinators c(1);
  MeshSettings hidden = c.with_papers(10, wall_ms());
  hidden.findable = false;
  const auto home = node(10, hidden);
  const auto open = node(12, c.with_papers(12, wall_ms()));
  ASSERT_TRUE(until([&] { return home->health()->peers >= 1 && c.nodes[0]->health()->agents.kept == 1; }));
  EXPECT_EQ(found(*open), std::vector{id_of(12)});
  EXPECT_EQ(home->health()->agents.placed, 0u);
  const auto alone = node(13, settings());
  const auto none = alone->find_agent(agent(), 1'000);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id(), "overlay.no_coordinator");
}

// ---- one that lies -------------------------------------------------------------------------------------------------

// A coordinator without the rest of a node: it answers with what the test says.
struct Liar {
  explicit Liar(std::vector<Bytes> given) : records(std::move(given)) {
    reach::ReachOptions o;
    o.endpoint.network = settings().network;
    o.endpoint.key = &crypto::test_key(7);
    o.endpoint.protocols = overlay::protocols({.network = o.endpoint.network, .gossip = false});
    o.roles = reach::kCoordinatorRole;
    reach = std::move(*reach::Reach::create(std::move(o)));
    sockets = std::move(*transport::Sockets::open({.listen = {"127.0.0.1:0"}}, *reach));
    const std::uint16_t port = sockets->addresses()[0].port;
    reach->start({.own_v4 = port, .open = [this](bool v4) { return sockets->open_more(v4); }, .close = [](auto) {}},
                 sockets->addresses(), sockets->now_ns());
    thread = std::thread([this] {
      while (!stopping.load()) turn();
    });
  }
  ~Liar() {
    stopping.store(true);
    thread.join();
  }
  Known known() const { return {id_of(7), sockets->addresses()}; }
  void turn() {
    EXPECT_TRUE(sockets->turn(1'000'000));
    reach::PeerEvent event;
    while (reach->next_event(event)) {
      if (event.type != reach::PeerEvent::Type::kFrame) continue;
      if (event.protocol == overlay::kAgentProtocol && event.frame_type == overlay::kWhere) {
        ++asked;
        const auto where = overlay::decode_where(event.body);
        const overlay::There there{.request = where->request, .records = records, .holders = {}};
        (void)reach->send(event.peer, overlay::kAgentProtocol, overlay::kThere,
                          std::make_shared<const Bytes>(overlay::encode(there)), sockets->now_ns());
      }
      reach->consumed(std::move(event));
    }
  }
  std::vector<Bytes> records;
  std::atomic<int> asked{0};
  std::atomic<bool> stopping{false};
  std::unique_ptr<reach::Reach> reach;
  std::unique_ptr<transport::Sockets> sockets;
  std::thread thread;
};

Bytes record_of(std::uint8_t machine, const Bytes& cert) {
  rendezvous::Record record{.network = settings().network,
                            .seq = 1'000'000'000'000'000,
                            .not_after_ms = wall_ms() + rendezvous::kLifeMsMax,
                            .cert = cert};
  return rendezvous::sign_record(std::move(record), crypto::test_key(machine))->bytes;
}

TEST(Agents, are_not_where_a_lying_coordinator_says) {
  Bytes forged = papers_of(7, wall_ms()).agent;
  forged.back() ^= 1;
  const Bytes of_another = record_of(7, papers_of(7, wall_ms(), kOther).agent);
  Bytes changed = record_of(7, papers_of(7, wall_ms()).agent);
  changed.back() ^= 1;
  for (const Bytes& false_one : {record_of(7, forged), of_another, changed, Bytes{0x80}}) {
    Coordinators c(2);
    Liar liar({false_one});
    const auto home = node(10, c.with_papers(10, wall_ms()));
    ASSERT_TRUE(c.keep(1));
    MeshSettings s = settings(c.known);
    s.known.push_back(liar.known());
    const auto asker = node(11, s);
    ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 3; }));
    // It is asked beside the others, which may be quicker by more than the grace.
    ASSERT_TRUE(until([&] {
      EXPECT_EQ(found(*asker), std::vector{id_of(10)});
      return asker->health()->agents.lies == 1;
    }));
    const int asked = liar.asked.load();
    const auto again = asker->find_agent(agent(), 10'000);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->asked, 2u);
    EXPECT_EQ(liar.asked.load(), asked) << "it is not asked again";
  }
}

TEST(Agents, are_not_at_a_machine_that_shows_other_papers) {
  // True records, of machines that meanwhile run without papers, or with those of another agent.
  const auto bare = node(10, settings());
  MeshSettings with_other = settings();
  with_other.papers = papers_of(12, wall_ms(), kOther);
  const auto other = node(12, with_other);
  for (const std::uint8_t machine : {std::uint8_t{10}, std::uint8_t{12}}) {
    Liar stale({record_of(machine, papers_of(machine, wall_ms()).agent)});
    MeshSettings s = settings({stale.known(), known(10, *bare), known(12, *other)});
    const auto asker = node(11, s);
    ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 1; }));
    const auto path = asker->dial_agent(agent(), MeshNode::Until::kUp, 1'500);
    ASSERT_FALSE(path);
    EXPECT_EQ(path.error().id(), "peering.other_agent") << path.error().str();
  }
}

TEST(Agents, are_found_and_dialed_over_the_control_socket) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  Coordinators c(1);
  const auto home = node(10, c.with_papers(10, wall_ms()));
  ASSERT_TRUE(c.keep(1));
  const auto asker = node(11, settings(c.known));
  ASSERT_TRUE(until([&] { return asker->health()->agents.coordinators == 1; }));
  const auto server = ControlServer::start(path, mesh_handler(*asker));
  Json find = Json::object();
  find.set("do", "find").set("agent", identity::id_text(agent()));
  const auto answer = ask({.path = path, .request = find});
  ASSERT_TRUE(answer) << answer.error().str();
  const auto& machines = answer->find("machines")->items();
  ASSERT_EQ(machines.size(), 1u);
  EXPECT_EQ(*machines[0].find("machine")->as_text("machine"), id_text(10));
  EXPECT_EQ(*machines[0].find("told_by")->as_u64("told_by"), 1u);
  Json dial = Json::object();
  dial.set("do", "dial").set("peer", identity::id_text(agent()));
  const auto dialed = ask({.path = path, .request = dial});
  ASSERT_TRUE(dialed) << dialed.error().str();
  EXPECT_EQ(*dialed->find("peer")->as_text("peer"), id_text(10));
  find.set("agent", id_text(10));
  EXPECT_EQ(ask({.path = path, .request = find}).error().id(), "identity.id");
}

}  // namespace
}  // namespace hanse::peering
