#include "node/daemon/settings.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/codec/hex.h"
#include "base/core/text.h"

#include <gtest/gtest.h>

namespace hanse::daemon {
namespace {

Result<Settings> settings(std::vector<std::string> flags, const std::string& base = "/srv/net") {
  TRY(const auto config, config::Config::load(schema(), {.flags = std::move(flags)}));
  return settings_of(config, base);
}

TEST(Settings, take_paths_from_the_folder_of_the_file) {
  const auto s = settings({"provider.node=unix:../v0/api.sock", "storage.path=/abs"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->key_file, "/srv/net/key.json");
  EXPECT_EQ(s->dir, "/abs");
  EXPECT_EQ(s->grpc.socket, "/srv/net/api.sock");
  EXPECT_EQ(s->offer.node, "unix:/srv/net/../v0/api.sock");
  EXPECT_TRUE(s->validator && s->gateway && !s->provider);
  EXPECT_EQ(s->passphrase_file, "");
}

TEST(Settings, read_regions_and_precisions_by_name) {
  const auto s = settings({"provider.region=JP", "provider.precisions=int8,bf16"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->offer.offer.region, 10);
  EXPECT_EQ(s->offer.offer.precisions, 0b1'0010);
  EXPECT_EQ(settings({"provider.region=63"})->offer.offer.region, 63);
}

TEST(Settings, read_the_public_services_and_whom_they_let_in) {
  const std::string id = codec::encode_id(Hash32{}.view());
  FixedBytes<32> other;
  other.data.fill(1);
  const std::string second = codec::encode_id(other.view());
  EXPECT_FALSE(settings({})->services.enabled);
  const auto s = settings({"services.enabled=true", "services.identities=" + id + "," + second + "/read+bid",
                           "services.node=tls:up.door", "services.mix=w/mesh.sock", "services.connections_max=3",
                           "metrics.aliases=127.0.0.1:9001,[::1]:9002"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->services.node, "tls:/srv/net/up.door");
  EXPECT_EQ(s->services.mix, "/srv/net/w/mesh.sock");
  EXPECT_EQ(s->services.access.token_file, "/srv/net/tokens.json");
  EXPECT_EQ(s->services.access.identities.at(AccountId{}), services::kScopesAll);
  AccountId reader;
  reader.data.fill(1);
  EXPECT_EQ(services::scopes_text(s->services.access.identities.at(reader)), "bid,read");
  EXPECT_EQ(s->services.server.gate.addresses,
            (std::vector<std::string>{"127.0.0.1:50051", "127.0.0.1:50052", "127.0.0.1:50053"}));
  EXPECT_EQ(s->services.server.gate.connections_max, 3u);
  EXPECT_EQ(s->metrics_aliases, (std::vector<std::string>{"127.0.0.1:9001", "[::1]:9002"}));
  std::string nine = "metrics.aliases=127.0.0.1:1";
  for (int i = 0; i < 8; ++i) nine += ",127.0.0.1:1";
  for (const std::string& bad : {"services.identities=" + id + "," + id, "services.identities=" + id + "/reads",
                                 std::string("services.identities=me"), std::string("metrics.aliases=0.0.0.0:9001"),
                                 nine, std::string("api.http=tls:up.door")})
    EXPECT_EQ(settings({bad}).error().id(), "config.bad_value") << bad;
}

TEST(Settings, read_whom_the_mesh_trusts) {
  const std::string id = codec::encode_id(Hash32{}.view()), pair = "agent:" + id + "@" + id;
  const auto s = settings({"mesh.admission=trusted", "mesh.trust=" + pair + ",user:" + id, "mesh.papers=p.cbor"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->mesh_role.papers, "/srv/net/p.cbor");
  const identity::Trust& trust = s->mesh_role.node.trust;
  EXPECT_EQ(trust.judge({}, {}).error().id(), "identity.not_trusted");
  EXPECT_TRUE(trust.judge({}, identity::Who{.agent = {}, .user = {}, .caps = identity::kConnectCap}));
  EXPECT_TRUE(settings({"mesh.revoked=" + id})->mesh_role.node.trust.revoked({}));
  EXPECT_FALSE(settings({})->mesh_role.node.trust.asks());
  EXPECT_EQ(settings({"mesh.peer_bytes_per_s=1000000"})->mesh_role.node.peer_bytes_per_second, 1'000'000u);
  for (const std::string& bad : {std::string("mesh.admission=closed"), "mesh.trust=agent:" + id.substr(1),
                                 "mesh.revoked=" + pair, std::string("mesh.revoked=me")})
    EXPECT_EQ(settings({bad}).error().id(), "config.bad_value") << bad;
}

TEST(Settings, read_the_list_of_the_mix_for_the_role_router_alone) {
  const std::string id = codec::encode_id(Hash32{}.view());
  const std::string roles = "roles.enabled=mesh,router", nodes = "router.nodes=" + id + "/1";
  const auto s = settings({roles, nodes, "router.epoch_ms=20000", "router.sends_per_min=30"});
  ASSERT_TRUE(s) << s.error().str();
  const auto& mix = s->mesh_role.node.mix;
  ASSERT_TRUE(mix);
  ASSERT_EQ(mix->nodes.size(), 1u);
  EXPECT_EQ(mix->nodes[0].stratum, 1);
  EXPECT_EQ(mix->grace_ms, 2'000);
  EXPECT_EQ(mix->sends_per_s, 0.5);
  EXPECT_EQ(mix->wanted.bits, 12);
  EXPECT_FALSE(mix->ledger);
  EXPECT_FALSE(settings({"roles.enabled=mesh", nodes})->mesh_role.node.mix);
  const auto ledger = settings({roles, "router.node=unix:v0/api.sock", "router.exit=true", "router.mixes=false"});
  ASSERT_TRUE(ledger) << ledger.error().str();
  EXPECT_TRUE(ledger->mesh_role.node.mix->ledger && ledger->mesh_role.mix_exit);
  EXPECT_FALSE(ledger->mesh_role.node.mix->mixes);
  EXPECT_EQ(ledger->mesh_role.mix_node, "unix:/srv/net/v0/api.sock");
  for (const std::vector<std::string>& bad : {std::vector<std::string>{roles},
                                              {"roles.enabled=router", nodes},
                                              {roles, "router.nodes=" + id + "/3"},
                                              {roles, nodes, "router.exit=true"},
                                              {roles, "router.node=10.0.0.1:50051"},
                                              {roles, nodes, "router.delay_min_ms=2000", "router.delay_max_ms=1000"}})
    EXPECT_EQ(settings(bad).error().id(), "config.bad_value") << bad.back();
}

TEST(Settings, refuse_what_a_single_key_cannot_tell) {
  for (const char* bad : {"roles.enabled=", "roles.enabled=validator", "roles.enabled=gateway", "roles.enabled=king",
                          "roles.enabled=provider,provider", "provider.region=64", "provider.region=Atlantis",
                          "provider.precisions=int8,fp4", "provider.precisions=", "provider.node=10.0.0.1:5",
                          "api.http=0.0.0.0:80", "api.grpc=unix:x.sock", "metrics.address=localhost",
                          "storage.journal_segment_bytes=16385", "storage.path=", "consensus.snapshot_every=1000"}) {
    const auto s = settings({bad});
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().id(), "config.bad_value") << bad;
    EXPECT_NE(s.error().message().find("flag "), std::string_view::npos) << s.error().message();
  }
  EXPECT_FALSE(settings({text("api.socket={}", std::string(120, 's'))}));
}

TEST(Settings, tell_where_and_how_often_backups_are_made) {
  const auto s = settings({"backup.target=dir:kept", "backup.interval_s=7", "backup.verify=false"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->backup.target, "dir:/srv/net/kept");
  EXPECT_EQ(s->backup.interval_ms, 7'000);
  EXPECT_EQ(s->backup.blocks_interval_ms, 600'000);
  EXPECT_FALSE(s->backup.verify);
  EXPECT_EQ(settings({"backup.target=kept"})->backup.target, "dir:/srv/net/kept");
  EXPECT_EQ(settings({"backup.target=s3://b/p?region=r"})->backup.target, "s3://b/p?region=r");
  EXPECT_EQ(settings({})->backup.target, "");
  const auto no_ledger = settings({"backup.target=dir:kept", "roles.enabled=provider"});
  ASSERT_FALSE(no_ledger);
  EXPECT_EQ(no_ledger.error().id(), "config.bad_value");
}

TEST(Settings, say_where_a_providers_jobs_run) {
  EXPECT_EQ(settings({})->offer.pilots.cluster, ClusterKind::kNone);
  const auto slurm =
      settings({"pilots.cluster=slurm", "pilots.slots=3", "pilots.plugin_dir=/opt/kinds", "pilots.max=64"});
  ASSERT_TRUE(slurm) << slurm.error().str();
  const auto& shape = slurm->offer.pilots.slurm.shape;
  EXPECT_TRUE(shape.argv.at(0).ends_with("/hanse-pilot")) << shape.argv.at(0);
  EXPECT_EQ(std::vector<std::string>(shape.argv.begin() + 1, shape.argv.end()),
            (std::vector<std::string>{"--slots", "3", "--plugins", "/opt/kinds", "--scratch", "/tmp"}));
  EXPECT_EQ(slurm->offer.pilots.limits.slots, 3u);
  const std::vector<std::string> good = {"pilots.cluster=kubernetes", "pilots.kubernetes_url=https://api:6443",
                                         "pilots.kubernetes_image=i", "pilots.kubernetes_token_file=token"};
  const auto kubernetes = settings(good);
  ASSERT_TRUE(kubernetes) << kubernetes.error().str();
  EXPECT_EQ(kubernetes->offer.pilots.kubernetes.token_file, "/srv/net/token");
  EXPECT_EQ(kubernetes->offer.pilots.kubernetes.shape.argv.at(0), "hanse-pilot");
  for (const std::string bad :
       {"pilots.kubernetes_url=http://api", "pilots.kubernetes_url=https://api/", "pilots.kubernetes_namespace=a/b",
        "pilots.kubernetes_image=", "pilots.min=5", "pilots.max=65", "pilots.slots=65", "pilots.isolation=4",
        "pilots.kubernetes_user_id=0"}) {
    auto all = good;
    all.push_back(bad);
    const auto s = settings(all);
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().id(), "config.bad_value") << bad;
  }
}

TEST(Settings, take_the_limits_of_state_sync_and_the_number_of_a_joiner) {
  const auto s = settings({"consensus.sync_lag=128", "consensus.snapshot_every=64", "consensus.number=130"});
  ASSERT_TRUE(s) << s.error().str();
  EXPECT_EQ(s->consensus.sync_lag, 128u);
  EXPECT_EQ(s->consensus.snapshot_every, 64u);
  EXPECT_EQ(s->consensus.number, 130);
  const auto defaults = settings({});
  const replica::ChainOptions chain;
  EXPECT_EQ(defaults->consensus.sync_lag, chain.sync_lag);
  EXPECT_EQ(defaults->consensus.sync_bytes_per_s, chain.sync_bytes_per_s);
  EXPECT_EQ(defaults->consensus.snapshot_every, chain.snapshot_every);
  EXPECT_EQ(defaults->consensus.snapshot_bytes_per_s, chain.snapshot_bytes_per_s);
}

TEST(Settings, reference_page_is_the_one_that_is_committed) {
  const std::string path = "docs/reference/config.md";
  if (std::getenv("HANSE_BLESS") != nullptr) std::ofstream(path) << config_page();
  std::ifstream in(path);
  std::stringstream found;
  found << in.rdbuf();
  EXPECT_EQ(found.str(), config_page()) << "run: ./dev docs";
}

}  // namespace
}  // namespace hanse::daemon
