#include "base/plugin/manifest.h"

#include <gtest/gtest.h>

namespace hanse::plugin {
namespace {

constexpr const char* kGood =
    "# comment\n\nid = \"wasm\"\n  version = \"1.20.3\"  \nabi = \"1\"\ncapabilities = \"wasm/v1, wasm.text/v2\"\n"
    "needs = \"a >= 1.0.0, b-c >= 0.2.1\"\nname = \"WebAssembly\"\n";

TEST(Manifest, reads_every_field) {
  const auto m = parse_manifest(kGood);
  ASSERT_TRUE(m.has_value()) << m.error().str();
  EXPECT_EQ(m->id, "wasm");
  EXPECT_EQ(m->version, (Version{1, 20, 3}));
  EXPECT_EQ(m->abi, 1u);
  EXPECT_EQ(m->capabilities, (std::vector<std::string>{"wasm/v1", "wasm.text/v2"}));
  ASSERT_EQ(m->needs.size(), 2u);
  EXPECT_EQ(m->needs[1].id, "b-c");
  EXPECT_EQ(m->name, "WebAssembly");
}

TEST(Manifest, refuses_and_says_where) {
  const std::string head = "id = \"a\"\nversion = \"1.0.0\"\nabi = \"1\"\n";
  ASSERT_TRUE(parse_manifest(head).has_value());
  const std::pair<std::string, const char*> cases[] = {
      {"", "id is missing"},
      {"id = \"a\"\nabi = \"1\"\n", "version is missing"},
      {head + "id = \"b\"\n", "line 4: id is there twice"},
      {head + "colour = \"red\"\n", "line 4: found key 'colour'"},
      {head + "name = red\n", "line 4: name: found red, expected a text in quotes"},
      {head + "name = \"a\\n\"\n", "found byte 92"},
      {head + "name = \"a\x01\"\n", "found byte 1"},
      {head + "name\n", "expected key = \"value\""},
      {head + "capabilities = \"A\"\n", "capabilities: found 'A'"},
      {head + "capabilities = \"a, a\"\n", "a is there twice"},
      {head + "needs = \"b > 1.0.0\"\n", "needs: found 'b > 1.0.0'"},
      {head + "needs = \"b >= 1.0\"\n", "expected MAJOR.MINOR.PATCH"},
      {"id = \"9\"\nversion = \"1.0.0\"\nabi = \"1\"\n", "id: found '9'"},
      {"id = \"a\"\nversion = \"1.00.0\"\nabi = \"1\"\n", "found '1.00.0'"},
      {"id = \"a\"\nversion = \"1.0.1000000\"\nabi = \"1\"\n", "version"},
      {"id = \"a\"\nversion = \"1.0.0\"\nabi = \"x\"\n", "abi: found 'x'"},
      {std::string(kManifestSizeMax + 1, '\n'), "expected at most 8192"}};
  for (const auto& [source, why] : cases) {
    const auto m = parse_manifest(source);
    ASSERT_FALSE(m.has_value()) << source;
    EXPECT_EQ(m.error().id(), "plugin.bad_manifest");
    EXPECT_TRUE(m.error().message().contains(why)) << m.error().message() << " lacks " << why;
  }
}

TEST(Manifest, lists_hold_their_limits) {
  const std::string head = "id = \"a\"\nversion = \"1.0.0\"\nabi = \"1\"\ncapabilities = \"";
  std::string list;
  for (std::size_t i = 0; i < kCapabilitiesMax; ++i) list += (i ? "," : "") + std::string("c") + std::to_string(i);
  EXPECT_TRUE(parse_manifest(head + list + "\"\n").has_value());
  EXPECT_FALSE(parse_manifest(head + list + ",one\"\n").has_value());
}

TEST(Version, needs_the_same_major_and_at_least_the_rest) {
  const Need need{.id = "a", .version_min = {1, 2, 3}};
  EXPECT_TRUE(need.met_by({1, 2, 3}));
  EXPECT_TRUE(need.met_by({1, 3, 0}));
  EXPECT_FALSE(need.met_by({1, 2, 2}));
  EXPECT_FALSE(need.met_by({2, 0, 0}));
}

Manifest with_needs(std::string id, std::vector<std::string> needs) {
  Manifest m;
  m.id = std::move(id);
  for (auto& n : needs) m.needs.push_back({.id = std::move(n), .version_min = {}});
  return m;
}

TEST(LoadOrder, puts_needs_first_and_names_a_ring) {
  const auto order = load_order({with_needs("a", {"c", "outside"}), with_needs("b", {}), with_needs("c", {"b"})});
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(*order, (std::vector<std::size_t>{1, 2, 0}));
  const auto ring = load_order({with_needs("x", {"a"}), with_needs("a", {"b"}), with_needs("b", {"a"})});
  ASSERT_FALSE(ring.has_value());
  EXPECT_EQ(ring.error().id(), "plugin.cycle");
  EXPECT_EQ(ring.error().message(), "needs form a ring: a -> b -> a");
}

}  // namespace
}  // namespace hanse::plugin
