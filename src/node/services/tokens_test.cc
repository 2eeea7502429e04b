#include "node/services/tokens.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/fs.h"
#include "base/core/text.h"

#include <gtest/gtest.h>

namespace hanse::services {
namespace {

std::string temp_file() {
  std::string pattern = testing::TempDir() + "hanse_tokens_XXXXXX";
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  return pattern + "/tokens.json";
}

Token token_of(std::string name, std::string_view secret) {
  return {.name = std::move(name),
          .hash = token_hash(secret),
          .scopes = static_cast<Scopes>(Scope::kRead),
          .created_ms = 5,
          .rate = {.per_s = 2, .burst = 3}};
}

TEST(Tokens, scopes_are_read_as_they_are_shown) {
  EXPECT_EQ(scopes_text(kScopesAll), "route,bid,provide,read,cancel");
  EXPECT_EQ(*parse_scopes("all"), kScopesAll);
  for (Scopes mask = 1; mask <= kScopesAll; ++mask) EXPECT_EQ(*parse_scopes(scopes_text(mask)), mask);
  EXPECT_EQ(*parse_scopes("read+bid", '+'), 10);
  for (const char* bad : {"", "reads", "read,", ",read", "all,read", "Read"}) {
    const auto parsed = parse_scopes(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().id(), "services.scopes");
  }
}

TEST(Tokens, a_file_keeps_all_but_the_token) {
  const std::string path = temp_file();
  const std::string secret = make_token(system_random());
  EXPECT_TRUE(secret.starts_with(kTokenPrefix));
  EXPECT_NE(secret, make_token(system_random()));
  Token one = token_of("a", secret);
  one.expires_ms = 77;
  one.revoked = true;
  ASSERT_TRUE(write_tokens(path, {one, token_of("b", "other")}));
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  const auto bytes = read_file(real_fs(), path, kTokenFileMax);
  EXPECT_EQ(as_text(*bytes).find(secret.substr(kTokenPrefix.size())), std::string::npos);
  const auto back = read_tokens(path);
  ASSERT_TRUE(back) << back.error().str();
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[0].name, "a");
  EXPECT_EQ((*back)[0].hash, token_hash(secret));
  EXPECT_EQ((*back)[0].expires_ms, 77);
  EXPECT_TRUE((*back)[0].revoked);
  EXPECT_EQ((*back)[1].rate.per_s, 2u);
  EXPECT_EQ((*back)[1].rate.burst, 3u);
  EXPECT_TRUE(read_tokens(path + ".none")->empty());
}

TEST(Tokens, a_file_open_to_others_is_refused) {
  const std::string path = temp_file();
  ASSERT_TRUE(write_tokens(path, {}));
  for (const unsigned mode : {0640u, 0604u, 0620u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto read = read_tokens(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().id(), "services.token_file");
    EXPECT_EQ(read.error().kind(), Kind::kDenied);
  }
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(read_tokens(path));
  ASSERT_EQ(::symlink(path.c_str(), (path + ".link").c_str()), 0);
  EXPECT_FALSE(read_tokens(path + ".link"));
}

TEST(Tokens, damaged_files_are_refused) {
  const std::string good = encode_tokens({token_of("a", "s")});
  ASSERT_TRUE(decode_tokens(good));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string out = good;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  for (const std::string& bad :
       {std::string(), std::string("[]"), with("\"format\": 1", "\"format\": 2"), with("\"read\"", "\"reads\""),
        with("\"calls_per_s\": 2", "\"calls_per_s\": 0"), with("\"name\": \"a\"", "\"name\": \"\""),
        with("\"revoked\": false", "\"revoked\": 0"), with("\"hash\": \"", "\"hash\": \"00"),
        with("\"burst\": 3", "\"burst\": -3"), good.substr(0, good.size() / 2)}) {
    const auto read = decode_tokens(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().id(), "services.token_file") << bad;
  }
  EXPECT_FALSE(decode_tokens(encode_tokens({token_of("a", "s"), token_of("b", "s")})));  // the same twice
}

TEST(Tokens, one_more_than_the_most_is_refused) {
  std::vector<Token> many;
  for (std::size_t i = 0; i < kTokensMax; ++i) many.push_back(token_of(text("t{}", i), text("s{}", i)));
  const std::string path = temp_file();
  ASSERT_TRUE(write_tokens(path, many));
  ASSERT_TRUE(read_tokens(path));
  many.push_back(token_of("more", "more"));
  const auto written = write_tokens(path, many);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().id(), "services.tokens_full");
  EXPECT_FALSE(decode_tokens(encode_tokens(many)));
}

TEST(Tokens, are_revoked_by_id_or_name) {
  std::vector<Token> tokens{token_of("a", "s"), token_of("b", "t"), token_of("c", "u")};
  ASSERT_TRUE(revoke(tokens, "b"));
  ASSERT_TRUE(revoke(tokens, tokens[2].id()));
  EXPECT_FALSE(tokens[0].revoked);
  EXPECT_TRUE(tokens[1].revoked && tokens[2].revoked);
  const auto none = revoke(tokens, "d");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id(), "services.no_token");
}

TEST(Tokens, one_that_is_named_like_the_id_of_another_does_not_keep_it_from_being_revoked) {
  const Token wanted = token_of("b", "t");
  std::vector<Token> tokens{token_of(wanted.id(), "s"), wanted};
  ASSERT_TRUE(revoke(tokens, wanted.id()));
  EXPECT_TRUE(tokens[1].revoked);
}

}  // namespace
}  // namespace hanse::services
