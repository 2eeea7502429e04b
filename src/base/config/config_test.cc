#include "base/config/config.h"

#include <cstdio>
#include <cstdlib>

#include "base/config/toml.h"
#include "base/core/text.h"

#include <gtest/gtest.h>

namespace hanse::config {
namespace {

constexpr Key kSchema[] = {
    {.path = "node.name", .fallback = "lone", .help = "name"},
    {.path = "storage.path", .fallback = "/var/lib/hanse", .help = "data folder"},
    {.path = "storage.cache_bytes",
     .type = Type::kNumber,
     .fallback = "64",
     .help = "cache",
     .unit = "bytes",
     .min = 8,
     .max = 128},
    {.path = "logging.level", .type = Type::kChoice, .fallback = "info", .help = "level", .choices = "off|info|debug"},
    {.path = "roles.names", .type = Type::kTextList, .fallback = "gateway", .help = "roles"},
    {.path = "api.enabled", .type = Type::kBool, .fallback = "true", .help = "serve"},
    {.path = "api.token", .fallback = "", .help = "shared word", .secret = true},
};

std::string write_file(std::string_view name, std::string_view bytes) {
  const std::string path = testing::TempDir() + "config_" + std::string(name);
  std::FILE* f = std::fopen(path.c_str(), "wb");
  EXPECT_NE(f, nullptr);
  std::fwrite(bytes.data(), 1, bytes.size(), f);
  std::fclose(f);
  return path;
}

Error load_error(const Sources& sources) {
  auto r = Config::load(kSchema, sources);
  EXPECT_FALSE(r);
  return r ? Error(Kind::kInternal, "test.none", "loaded") : std::move(r.error());
}

TEST(Config, gives_defaults_with_their_origin) {
  const auto c = Config::load(kSchema, {});
  ASSERT_TRUE(c) << c.error().str();
  EXPECT_EQ(c->text("storage.path"), "/var/lib/hanse");
  EXPECT_EQ(c->number("storage.cache_bytes"), 64u);
  EXPECT_TRUE(c->flag("api.enabled"));
  EXPECT_EQ(c->list("roles.names"), std::vector<std::string>{"gateway"});
  EXPECT_EQ(c->origin("storage.path").where, "default");
}

TEST(Config, lets_later_layers_win_and_remembers_which) {
  const auto file = write_file("layers.toml",
                               "[storage]\npath = \"/a\"\ncache_bytes = 16\n[logging]\nlevel = \"debug\"\n"
                               "[roles]\nnames = [\"validator\", \"provider\"]\n");
  const auto over = write_file("layers2.toml", "storage.path = \"/b\"\n");
  const auto c = Config::load(kSchema, {.files = {file, over},
                                        .environment = {{"HANSE_STORAGE__CACHE_BYTES", "32"},
                                                        {"HANSE_LOGGING__LEVEL", "off"},
                                                        {"HANSE_VECTORS", "/elsewhere"},
                                                        {"PATH", "/bin"}},
                                        .flags = {"logging.level=info"}});
  ASSERT_TRUE(c) << c.error().str();
  EXPECT_EQ(c->text("storage.path"), "/b");
  EXPECT_EQ(c->origin("storage.path").where, over + ":1");
  EXPECT_EQ(c->number("storage.cache_bytes"), 32u);
  EXPECT_EQ(c->origin("storage.cache_bytes").layer, Layer::kEnvironment);
  EXPECT_EQ(c->text("logging.level"), "info");
  EXPECT_EQ(c->origin("logging.level").where, "flag logging.level");
  EXPECT_EQ(c->list("roles.names"), (std::vector<std::string>{"validator", "provider"}));
  EXPECT_EQ(c->origin("roles.names").where, file + ":7");
}

TEST(Config, names_the_nearest_key_and_the_line_of_an_unknown_one) {
  const auto file = write_file("typo.toml", "[node]\nname = \"n\"\n[storage]\ncache_byte = 9\n");
  const Error e = load_error({.files = {file}});
  EXPECT_EQ(e.id(), "config.unknown_key");
  EXPECT_EQ(e.message(),
            file + ":4: found unknown key storage.cache_byte, the nearest known one is storage.cache_bytes");
  EXPECT_EQ(load_error({.environment = {{"HANSE_STORAGE__PTH", "x"}}}).message(),
            "HANSE_STORAGE__PTH: found unknown key storage.pth, the nearest known one is storage.path");
  EXPECT_EQ(load_error({.flags = {"node.cache_bytes=9"}}).message(),
            "flag node.cache_bytes: found unknown key node.cache_bytes, the nearest known one is storage.cache_bytes");
  EXPECT_EQ(load_error({.flags = {"zzz.qqqqqq=9"}}).message(), "flag zzz.qqqqqq: found unknown key zzz.qqqqqq");
}

TEST(Config, checks_ranges_on_both_sides) {
  EXPECT_TRUE(Config::load(kSchema, {.flags = {"storage.cache_bytes=8"}}));
  EXPECT_TRUE(Config::load(kSchema, {.flags = {"storage.cache_bytes=128"}}));
  for (const char* bad : {"7", "129", "-8", "8x", "", "18446744073709551616", "0x10"}) {
    const Error e = load_error({.flags = {text("storage.cache_bytes={}", bad)}});
    EXPECT_EQ(e.id(), "config.bad_value") << bad;
    EXPECT_NE(e.message().find("a whole number from 8 to 128 bytes"), std::string_view::npos) << e.message();
  }
  EXPECT_EQ(load_error({.flags = {"logging.level=inf"}}).id(), "config.bad_value");
  EXPECT_EQ(load_error({.flags = {"logging.level=off|info"}}).id(), "config.bad_value");
  EXPECT_EQ(load_error({.flags = {"api.enabled=yes"}}).id(), "config.bad_value");
  EXPECT_EQ(load_error({.flags = {"api.enabled"}}).id(), "config.bad_value");
}

TEST(Config, limits_values_and_lists) {
  const std::string most(kValueBytesMax, 'p');
  EXPECT_TRUE(Config::load(kSchema, {.flags = {"storage.path=" + most}}));
  EXPECT_EQ(load_error({.flags = {"storage.path=" + most + "p"}}).id(), "config.bad_value");
  std::string items = "a";
  for (std::size_t i = 1; i < kListItemsMax; ++i) items += ",a";
  EXPECT_TRUE(Config::load(kSchema, {.flags = {"roles.names=" + items}}));
  EXPECT_EQ(load_error({.flags = {"roles.names=" + items + ",a"}}).id(), "config.bad_value");
  std::string array = "\"a\"";
  for (std::size_t i = 0; i < kListItemsMax; ++i) array += ",\"a\"";
  EXPECT_EQ(load_error({.files = {write_file("list.toml", "[roles]\nnames = [" + array + "]")}}).id(),
            "config.bad_value");
}

TEST(Config, does_not_take_text_for_a_number_in_a_file) {
  const Error e = load_error({.files = {write_file("type.toml", "[storage]\n\ncache_bytes = \"16\"\n")}});
  EXPECT_EQ(e.id(), "config.bad_value");
  EXPECT_NE(e.message().find("type.toml:3: found \"16\" for storage.cache_bytes"), std::string_view::npos)
      << e.message();
  EXPECT_EQ(load_error({.files = {write_file("type2.toml", "[storage]\npath = 4\n")}}).id(), "config.bad_value");
  EXPECT_EQ(load_error({.files = {write_file("type3.toml", "[storage]\ncache_bytes = 1.5\n")}}).id(),
            "config.bad_value");
  EXPECT_EQ(load_error({.files = {write_file("type4.toml", "[roles]\nnames = [1]\n")}}).id(), "config.bad_value");
  EXPECT_EQ(load_error({.files = {write_file("type5.toml", "a.b.c.d.e.f = 1\n")}}).id(), "config.bad_value");
}

TEST(Config, says_where_the_syntax_breaks) {
  const Error e = load_error({.files = {write_file("syntax.toml", "[storage]\npath = \n")}});
  EXPECT_EQ(e.id(), "config.syntax");
  EXPECT_NE(e.message().find("syntax.toml:2:"), std::string_view::npos) << e.message();
  EXPECT_EQ(load_error({.files = {write_file("twice.toml", "[storage]\npath=\"a\"\npath=\"b\"\n")}}).id(),
            "config.syntax");
}

TEST(Config, refuses_files_it_cannot_read_whole) {
  const Error missing = load_error({.files = {testing::TempDir() + "config_absent.toml"}});
  EXPECT_EQ(missing.id(), "config.unreadable");
  EXPECT_EQ(missing.kind(), Kind::kNotFound);
  EXPECT_EQ(load_error({.files = {testing::TempDir()}}).id(), "config.unreadable");
  std::string big = "#" + std::string(kFileBytesMax - 2, 'x') + "\n";
  EXPECT_TRUE(Config::load(kSchema, {.files = {write_file("big.toml", big)}}));
  EXPECT_EQ(load_error({.files = {write_file("bigger.toml", big + "\n")}}).id(), "config.too_large");
}

TEST(Config, prints_what_loads_again_and_masks_secrets) {
  const auto c =
      Config::load(kSchema, {.flags = {"storage.path=/a \"b\"\\c", "api.token=open sesame", "roles.names=a, b"}});
  ASSERT_TRUE(c) << c.error().str();
  const std::string printed = c->print();
  EXPECT_EQ(printed.find("sesame"), std::string::npos);
  EXPECT_NE(printed.find("path = \"/a \\\"b\\\"\\\\c\"  # flag storage.path\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("token = \"********\""), std::string::npos) << printed;
  const auto again = Config::load(kSchema, {.files = {write_file("printed.toml", printed)}});
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(again->text("storage.path"), c->text("storage.path"));
  EXPECT_EQ(again->list("roles.names"), c->list("roles.names"));
}

TEST(Config, keeps_secrets_out_of_errors) {
  const Error e = load_error({.flags = {"api.token=" + std::string("sesame\0x", 8)}});
  EXPECT_EQ(e.id(), "config.bad_value");
  EXPECT_EQ(e.message().find("sesame"), std::string_view::npos) << e.message();
}

TEST(Config, writes_a_reference_page_with_every_key) {
  const std::string page = reference_page("Keys", "All of them.", kSchema);
  EXPECT_NE(page.find("## [storage]"), std::string::npos);
  EXPECT_NE(page.find("| `cache_bytes` | number | `64` | 8-128 | bytes | cache |"), std::string::npos) << page;
  EXPECT_NE(page.find("| `level` | choice | `info` | off, info, debug |  | level |"), std::string::npos) << page;
  EXPECT_NE(page.find("secret"), std::string::npos);
}

TEST(ConfigDeath, reading_a_key_outside_the_schema_is_our_bug) {
  const auto c = Config::load(kSchema, {});
  ASSERT_TRUE(c);
  EXPECT_DEATH((void)c->text("storage.pth"), "stands in the schema");
  EXPECT_DEATH((void)c->text("storage.cache_bytes"), "type its schema gives");
}

}  // namespace
}  // namespace hanse::config
