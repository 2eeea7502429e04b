// Who stands behind the peers of a node, as its control socket shows it, and who is not let in.
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

using codec::Json;

constexpr std::uint8_t kAgent = 40, kUser = 41;

identity::Papers papers_of(std::uint8_t machine) {
  const std::int64_t now = system_clock().wall_ms();
  const identity::AgentCert agent{
      .subject = id_of(machine), .not_before_ms = now, .not_after_ms = now + 3'600'000, .caps = identity::kConnectCap};
  const identity::UserCert user{.subject = identity::agent_id(crypto::test_key(kAgent).public_key()),
                                .not_before_ms = now,
                                .not_after_ms = now + 3'600'000,
                                .caps = identity::kConnectCap};
  return {.agent = *identity::sign_cert(agent, crypto::test_key(kAgent)),
          .user = *identity::sign_cert(user, crypto::test_key(kUser))};
}
std::string agent_text() { return identity::id_text(identity::agent_id(crypto::test_key(kAgent).public_key())); }
std::string user_text() { return identity::id_text(identity::user_id(crypto::test_key(kUser).public_key())); }

MeshSettings with_papers(std::uint8_t machine) {
  MeshSettings out = settings();
  out.papers = papers_of(machine);
  return out;
}
MeshSettings trusting(const std::string& entry) {
  MeshSettings out = settings();
  out.trust.admission = identity::Admission::kTrusted;
  EXPECT_TRUE(out.trust.trust(entry));
  return out;
}
Json request(std::string_view what) {
  Json out = Json::object();
  out.set("do", what);
  return out;
}

TEST(Identity, of_a_peer_and_of_oneself_is_shown_on_the_control_socket) {
  const Folder folder;
  const std::string path = folder.path + "/mesh.sock";
  const auto a = node(1, with_papers(1)), b = node(2, trusting(user_text()));
  ASSERT_TRUE(a->dial({.peer = id_of(2), .addresses = b->addresses()})) << "a asks nothing of b";
  ASSERT_TRUE(until([&] { return !b->paths()->empty(); }));
  const auto server = ControlServer::start(path, mesh_handler(*b));
  const auto paths = ask({.path = path, .request = request("paths")});
  ASSERT_TRUE(paths) << paths.error().str();
  const Json& peer = paths->find("paths")->items().at(0);
  EXPECT_EQ(*peer.find("agent")->as_text("agent"), agent_text());
  EXPECT_EQ(*peer.find("user")->as_text("user"), user_text());
  EXPECT_EQ(*peer.find("caps")->as_u64("caps"), identity::kConnectCap);
  const std::string own = folder.path + "/own.sock";
  const auto of_a = ControlServer::start(own, mesh_handler(*a));
  const auto status = ask({.path = own, .request = request("status")});
  EXPECT_EQ(*status->find("agent")->as_text("agent"), agent_text());
  EXPECT_EQ(*status->find("user")->as_text("user"), user_text());
  EXPECT_EQ(ask({.path = path, .request = request("status")})->find("agent"), nullptr);
}

TEST(Identity, that_is_not_trusted_ends_a_dial_with_the_reason) {
  const auto a = node(1, settings()), b = node(2, trusting(agent_text()));
  const auto refused = b->dial({.peer = id_of(1), .addresses = a->addresses()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "identity.not_trusted");
  EXPECT_TRUE(b->paths()->empty());
  EXPECT_GE(b->health()->counts.refused, 1u);
  const auto again = b->dial({.peer = id_of(1), .addresses = a->addresses()});
  EXPECT_EQ(again.error().id(), "identity.not_trusted") << "each dial is answered anew";
}

TEST(Identity, of_known_peers_is_their_key_and_a_revoked_one_is_left_out) {
  const auto a = node(1, settings());
  MeshSettings closed = trusting(agent_text());
  closed.known = {known(1, *a)};
  const auto b = node(2, closed);
  EXPECT_TRUE(b->dial({.peer = id_of(1)}));
  MeshSettings wary = settings({known(1, *a)});
  ASSERT_TRUE(wary.trust.revoke(id_text(1)));
  const auto c = node(3, wary);
  const auto refused = c->dial({.peer = id_of(1), .addresses = a->addresses()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "identity.revoked");
  EXPECT_EQ(c->check(0)->nodes.size(), 1u);
}

TEST(Identity, that_does_not_hold_is_no_start) {
  const auto made = MeshNode::start(with_papers(2), crypto::test_key(1));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().id(), "identity.machine");
}

}  // namespace
}  // namespace hanse::peering
