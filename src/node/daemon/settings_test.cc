#include "node/daemon/settings.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

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

TEST(Settings, refuse_what_a_single_key_cannot_tell) {
  for (const char* bad :
       {"roles.enabled=", "roles.enabled=validator", "roles.enabled=gateway", "roles.enabled=king",
        "roles.enabled=provider,provider", "provider.region=64", "provider.region=Atlantis",
        "provider.precisions=int8,fp4", "provider.precisions=", "provider.node=10.0.0.1:5", "api.http=0.0.0.0:80",
        "api.grpc=unix:x.sock", "metrics.address=localhost", "storage.journal_segment_bytes=16385", "storage.path="}) {
    const auto s = settings({bad});
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().id(), "config.bad_value") << bad;
    EXPECT_NE(s.error().message().find("flag "), std::string_view::npos) << s.error().message();
  }
  EXPECT_FALSE(settings({text("api.socket={}", std::string(120, 's'))}));
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
