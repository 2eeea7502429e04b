#include "node/services/access.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/core/text.h"
#include "base/core/fs.h"

#include <gtest/gtest.h>

namespace hanse::services {
namespace {

constexpr Scopes kRead = static_cast<Scopes>(Scope::kRead), kBid = static_cast<Scopes>(Scope::kBid);

AccountId account(std::uint8_t number) {
  AccountId out;
  out.data[0] = number;
  return out;
}

struct Guarded {
  Guarded() {
    std::string pattern = testing::TempDir() + "hanse_access_XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path = pattern + "/tokens.json";
    write();
    access.emplace(AccessOptions{.token_file = path,
                                 .identities = {{account(1), kRead}, {account(2), kScopesAll}},
                                 .rate = {.per_s = 10, .burst = 2}},
                   clock);
  }
  void write() {
    ASSERT_TRUE(write_tokens(path, {{.name = "reader",
                                     .hash = token_hash("read me"),
                                     .scopes = kRead,
                                     .expires_ms = expires_ms,
                                     .revoked = revoked,
                                     .rate = {.per_s = 4, .burst = 3}}}));
  }
  std::string id(const Visit& visit, Scopes scopes = kRead) {
    const Verdict verdict = access->admit(visit, scopes);
    return verdict.status ? "" : std::string(verdict.status.error().id());
  }
  ManualClock clock{1'000'000};
  std::string path;
  std::int64_t expires_ms = 1'060'000;
  bool revoked = false;
  std::optional<Access> access;
};

TEST(Access, takes_a_token_for_its_scopes_until_it_ends) {
  Guarded g;
  EXPECT_EQ(g.id({.token = "read me"}), "");
  EXPECT_EQ(g.id({.token = "read me"}, kRead | kBid), "");  // any one is enough
  EXPECT_EQ(g.id({.token = "read me"}, kBid), "services.scope");
  EXPECT_EQ(g.id({.token = "read me "}), "services.unknown_token");
  EXPECT_EQ(g.id({}), "services.no_credentials");
  g.clock.advance_ns(59'999'000'000);
  EXPECT_EQ(g.id({.token = "read me"}), "");
  g.clock.advance_ns(1'000'000);
  EXPECT_EQ(g.id({.token = "read me"}), "services.token_expired");
}

TEST(Access, reads_the_file_again_when_it_changed) {
  Guarded g;
  EXPECT_EQ(g.id({.token = "read me"}), "");
  g.revoked = true;
  g.write();
  EXPECT_EQ(g.id({.token = "read me"}), "services.token_revoked");
  g.revoked = false;
  g.write();
  EXPECT_EQ(g.id({.token = "read me"}), "");
  ASSERT_EQ(::chmod(g.path.c_str(), 0644), 0);
  EXPECT_EQ(g.id({.token = "read me"}), "services.token_file");
  EXPECT_EQ(g.id({.token = "read me"}), "services.token_file");  // and stays so
  ASSERT_EQ(::chmod(g.path.c_str(), 0600), 0);
  EXPECT_EQ(g.id({.token = "read me"}), "");
  ASSERT_TRUE(real_fs().unlink(g.path));
  EXPECT_EQ(g.id({.token = "read me"}), "services.unknown_token");
}

TEST(Access, a_file_that_cannot_be_read_now_is_asked_again) {
  Guarded g;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string full = g.id({.token = "read me"});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(full, "services.token_file");
  EXPECT_EQ(g.id({.token = "read me"}), "");
}

TEST(Access, a_certificate_is_judged_by_the_list_alone) {
  Guarded g;
  EXPECT_EQ(g.id({.identity = account(1)}), "");
  EXPECT_EQ(g.id({.identity = account(1)}, kBid), "services.scope");
  EXPECT_EQ(g.id({.identity = account(2)}, kBid), "");
  EXPECT_EQ(g.id({.identity = account(3), .token = "read me"}), "services.unknown_identity");
}

TEST(Access, each_visitor_has_its_own_rate_and_hears_when_to_come_again) {
  Guarded g;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(g.id({.token = "read me"}), "");
  const Verdict over = g.access->admit({.token = "read me"}, kRead);
  ASSERT_FALSE(over.status);
  EXPECT_EQ(over.status.error().id(), "services.rate_limited");
  EXPECT_EQ(over.status.error().kind(), Kind::kExhausted);
  EXPECT_EQ(over.retry_ms, 250);
  EXPECT_EQ(g.id({.identity = account(1)}), "");  // another bucket
  g.clock.advance_ns(249'000'000);
  EXPECT_EQ(g.id({.token = "read me"}), "services.rate_limited");
  g.clock.advance_ns(1'000'000);
  EXPECT_EQ(g.id({.token = "read me"}), "");
  EXPECT_EQ(g.id({.token = "read me"}), "services.rate_limited");
  g.write();  // the same rate: what was used stays used
  EXPECT_EQ(g.id({.token = "read me"}), "services.rate_limited");
}

TEST(Access, without_a_file_there_are_no_tokens) {
  ManualClock clock;
  Access access({}, clock);
  EXPECT_EQ(access.admit({.token = "read me"}, kRead).status.error().id(), "services.unknown_token");
}

}  // namespace
}  // namespace hanse::services
