// Waiting, for the tests of this room; and what happens when the system has nothing left to give.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "mesh/channel/detail/socket.h"
#include "mesh/channel/detail/test_net.h"

namespace hanse::channel {
namespace detail {
namespace {

constexpr std::chrono::seconds kPatience{20};

}  // namespace

bool Events::wait(const std::function<bool()>& done) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kPatience, done);
}

bool eventually(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace detail

namespace {

// The process may open `more` descriptors than it has now.
class Descriptors {
 public:
  explicit Descriptors(rlim_t more) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);
    close(next);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next) + more;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~Descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  Descriptors(const Descriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(Channel, without_descriptors_it_does_not_open) {
  detail::Events events;
  const Descriptors few(1);  // the listener's
  auto opened = Channels::open(detail::test_options(0, 2, events));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().id(), "channel.system") << opened.error().str();
}

TEST(Channel, takes_connections_again_once_there_are_descriptors) {
  detail::Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) {
    o.timing.redial_most_ms = 5;
    if (o.self == 0) o.peers[0].address = "127.0.0.1:1";
  }));
  const auto address = detail::parse_address(detail::local(pair.sides[1]->port()));
  {
    const Descriptors few(1);
    const detail::Fd knocks(socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(connect(knocks.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size), 0);
    EXPECT_TRUE(detail::eventually([&] { return pair.sides[1]->totals().accepts_failed > 0; }));
  }
  ASSERT_TRUE(pair.sides[0]->set_peer_address(1, detail::local(pair.sides[1]->port())));
  EXPECT_TRUE(pair.up()) << pair.events[1].all();
}

}  // namespace
}  // namespace hanse::channel
