// The thread with routers of our own; tests/e2e/test_portmap.py has miniupnpd.
#include "mesh/portmap/portmap.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/core/text.h"

namespace hanse::portmap {
namespace {

const Mapping kShort{Protocol::kPcp, "11.0.0.1", 12000, 2};
Mapping on(Protocol protocol) { return {protocol, "11.0.0.1", 12000, 7200}; }

// What all fakes of a test share, and what it waits for.
struct Log {
  void say(std::string what) {
    const std::lock_guard lock(mutex);
    said.push_back(std::move(what));
    changed.notify_all();
  }
  bool until(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return said.size() >= count; });
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return said;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> said;
  bool open = false;  // a stuck router may go on
};

class Fake final : public Router {
 public:
  Fake(Protocol protocol, Log& log, std::function<Result<Mapping>()> answer)
      : protocol_(protocol), log_(log), answer_(std::move(answer)) {}
  Protocol protocol() const override { return protocol_; }
  Result<Mapping> map(const Wanted&, const Budget&) override {
    log_.say(text("map {}", protocol_name(protocol_)));
    return answer_();
  }
  Status release(const Wanted&, const Mapping& mapping, const Budget&) override {
    log_.say(text("release {} {}", protocol_name(protocol_), mapping.port));
    return {};
  }

 private:
  Protocol protocol_;
  Log& log_;
  std::function<Result<Mapping>()> answer_;
};
Result<Mapping> silent() { return fail(Kind::kUnavailable, "portmap.no_router", "found nobody"); }
Result<Mapping> denied() { return fail(Kind::kDenied, "portmap.refused", "found result 2"); }

struct Bench {
  void add(Protocol protocol, std::function<Result<Mapping>()> answer) {
    routers.push_back(std::make_unique<Fake>(protocol, log, std::move(answer)));
  }
  std::unique_ptr<PortMapper> start(std::int64_t stop_ms = 20'000) {
    auto out =
        PortMapper::start({.wanted = {.port = 12000, .lifetime_s = 7200},
                           .stop_ms = stop_ms,
                           .on_change = [this](const auto& m) { changes.say(m ? text("{}", m->port) : "gone"); }},
                          std::move(routers));
    EXPECT_TRUE(out) << out.error().str();
    return std::move(*out);
  }
  Log log, changes;
  Routers routers;
};

TEST(PortMapper, takes_the_first_that_answers_and_releases_at_it) {
  Bench b;
  b.add(Protocol::kPcp, silent);
  b.add(Protocol::kNatPmp, denied);
  b.add(Protocol::kUpnp, [] { return on(Protocol::kUpnp); });
  const auto mapper = b.start();
  ASSERT_TRUE(b.changes.until(1));
  EXPECT_EQ(mapper->mapping(), on(Protocol::kUpnp));
  EXPECT_FALSE(mapper->failure());
  EXPECT_TRUE(mapper->stop());
  EXPECT_TRUE(mapper->stop());
  EXPECT_FALSE(mapper->mapping());
  EXPECT_EQ(b.log.all(), (std::vector<std::string>{"map pcp", "map nat-pmp", "map upnp", "release upnp 12000"}));
  EXPECT_EQ(b.changes.all(), (std::vector<std::string>{"12000"}));
}

TEST(PortMapper, renews_with_what_has_worked_and_tells_only_changes) {
  Bench b;
  int times = 0;
  b.add(Protocol::kPcp, silent);
  b.add(Protocol::kNatPmp, [&]() -> Result<Mapping> {
    Mapping m{Protocol::kNatPmp, "11.0.0.1", 12000, 1};
    if (++times == 3) m.port = 12009;  // the router was started anew
    return m;
  });
  const auto mapper = b.start();
  ASSERT_TRUE(b.changes.until(2));
  EXPECT_EQ(mapper->mapping()->port, 12009);
  EXPECT_EQ(mapper->renewals(), 2u);
  EXPECT_TRUE(mapper->stop());
  EXPECT_EQ(b.log.all(), (std::vector<std::string>{"map pcp", "map nat-pmp", "map nat-pmp", "map nat-pmp",
                                                   "release nat-pmp 12009"}));
  EXPECT_EQ(b.changes.all(), (std::vector<std::string>{"12000", "12009"}));
}

TEST(PortMapper, a_mapping_that_cannot_be_renewed_ends) {
  Bench b;
  int times = 0;
  b.add(Protocol::kPcp, [&]() -> Result<Mapping> { return ++times == 1 ? Result<Mapping>(kShort) : denied(); });
  const auto mapper = b.start();
  ASSERT_TRUE(b.changes.until(2));
  EXPECT_EQ(b.changes.all(), (std::vector<std::string>{"12000", "gone"}));
  EXPECT_FALSE(mapper->mapping());
  EXPECT_EQ(mapper->failure()->id(), "portmap.refused");
  EXPECT_TRUE(mapper->stop());
  EXPECT_NE(b.log.all().back().substr(0, 7), "release");
}

TEST(PortMapper, a_refusal_is_told_before_silence) {
  Bench b;
  b.add(Protocol::kPcp, silent);
  b.add(Protocol::kNatPmp, denied);
  b.add(Protocol::kUpnp, silent);
  const auto mapper = b.start();
  ASSERT_TRUE(b.log.until(3));
  EXPECT_TRUE(mapper->stop());
  EXPECT_EQ(mapper->failure()->id(), "portmap.refused");
  EXPECT_TRUE(b.changes.all().empty());
}

TEST(PortMapper, a_router_that_never_answers_stops_nobody) {
  const auto log = std::make_shared<Log>();
  Routers routers;
  routers.push_back(std::make_unique<Fake>(Protocol::kUpnp, *log, [log]() -> Result<Mapping> {
    std::unique_lock lock(log->mutex);
    log->changed.wait(lock, [&] { return log->open; });
    return on(Protocol::kUpnp);
  }));
  bool told = false;
  auto mapper = PortMapper::start(
      {.wanted = {.port = 12000}, .stop_ms = 30, .on_change = [&](const auto&) { told = true; }}, std::move(routers));
  ASSERT_TRUE(mapper && log->until(1));
  const Status stopped = (*mapper)->stop();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().id(), "portmap.deadline");
  EXPECT_EQ((*mapper)->stop().error().id(), "portmap.deadline");
  mapper->reset();
  {
    const std::lock_guard lock(log->mutex);
    log->open = true;
    log->changed.notify_all();
  }
  ASSERT_TRUE(log->until(2));  // what it got in the end is given back
  EXPECT_EQ(log->all()[1], "release upnp 12000");
  EXPECT_FALSE(told);
}

TEST(PortMapper, refuses_what_no_router_can_do) {
  const auto id = [](const Wanted& wanted, Protocol protocol, bool some = true) {
    Routers routers;
    Log log;
    if (some) routers.push_back(std::make_unique<Fake>(protocol, log, silent));
    const auto got = PortMapper::start({.wanted = wanted}, std::move(routers));
    return got ? "none" : std::string(got.error().id());
  };
  EXPECT_EQ(id({.port = 0}, Protocol::kPcp), "portmap.options");
  EXPECT_EQ(id({.port = 1, .lifetime_s = 0}, Protocol::kPcp), "portmap.options");
  EXPECT_EQ(id({.port = 1, .lifetime_s = kLifetimeMaxS + 1}, Protocol::kPcp), "portmap.options");
  EXPECT_EQ(id({.port = 1}, Protocol::kPcp, false), "portmap.options");
  EXPECT_EQ(id({.port = 1, .lifetime_s = kLifetimeMaxS}, Protocol::kPcp), "none");
}

// Nobody listens on loopback's port 5351 here, or somebody who is no router: both are said, in time.
TEST(Gateway, who_is_not_there_is_said) {
  for (const Protocol protocol : {Protocol::kPcp, Protocol::kNatPmp}) {
    const Routers routers = gateway_routers({.gateway = "127.255.255.254", .protocols = {protocol}});
    const std::int64_t start = system_clock().mono_ns();
    const auto got = routers[0]->map({.port = 12000}, {start + 200'000'000, -1});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().id(), "portmap.no_router") << got.error().str();
    EXPECT_LT(system_clock().mono_ns() - start, 5'000'000'000);
    const Routers wrong = gateway_routers({.gateway = "router", .protocols = {protocol}});
    EXPECT_EQ(wrong[0]->map({.port = 12000}, {start, -1}).error().id(), "portmap.no_router");
  }
}

}  // namespace
}  // namespace hanse::portmap
