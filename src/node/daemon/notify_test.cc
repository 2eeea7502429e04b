#include "node/daemon/notify.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/codec/json.h"
#include "node/daemon/test_net.h"

namespace hanse::daemon {
namespace {

// The manager's side.
class Manager {
 public:
  explicit Manager(std::string address) : address_(std::move(address)) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    address_.copy(at.sun_path, address_.size());
    if (address_[0] == '@') at.sun_path[0] = 0;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0) << std::strerror(errno);
  }
  ~Manager() {
    ::close(fd_);
    ::unlink(address_.c_str());
  }
  std::string hear(int ms = 30'000) const {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, ms) != 1) return "(nothing)";
    char word[256];
    const ssize_t n = ::recv(fd_, word, sizeof word, 0);
    return std::string(word, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }

 private:
  std::string address_;
  int fd_ = -1;
};

std::string fresh_path() {
  std::string pattern = testing::TempDir() + "notify_XXXXXX";
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  return pattern + "/socket";
}

TEST(Notify, words_arrive_at_a_path_and_at_an_abstract_name) {
  for (const std::string& address : {fresh_path(), "@hanse-notify-" + std::to_string(::getpid())}) {
    const Manager manager(address);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    const auto notify = Notify::from_environment();
    ASSERT_TRUE(notify) << notify.error().str();
    notify->send("READY=1");
    EXPECT_EQ(manager.hear(), "READY=1");
    EXPECT_EQ(notify->watchdog_ns(), 0);
    EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "children do not speak for us";
  }
}

TEST(Notify, the_watchdog_is_fed_twice_as_often_as_asked_when_it_is_ours) {
  const std::string address = fresh_path();
  const Manager manager(address);
  const auto due = [&](const char* us, const std::string& pid) {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    ::setenv("WATCHDOG_USEC", us, 1);
    ::setenv("WATCHDOG_PID", pid.c_str(), 1);
    return Notify::from_environment()->watchdog_ns();
  };
  EXPECT_EQ(due("30000000", std::to_string(::getpid())), 15'000'000'000);
  EXPECT_EQ(due("30000000", ""), 15'000'000'000);
  EXPECT_EQ(due("30000000", "1"), 0);
  EXPECT_EQ(due("-5", ""), 0);
  EXPECT_EQ(due("rubbish", ""), 0);
  EXPECT_EQ(due("9223372036854775807", ""), 43'200'000'000'000);
}

TEST(Notify, without_a_manager_nothing_is_said_and_nothing_fails) {
  ::unsetenv("NOTIFY_SOCKET");
  const auto none = Notify::from_environment();
  ASSERT_TRUE(none);
  none->send("READY=1");
  ::setenv("NOTIFY_SOCKET", fresh_path().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  const auto deaf = Notify::from_environment();
  ASSERT_TRUE(deaf);
  deaf->send("READY=1");
  EXPECT_EQ(deaf->watchdog_ns(), 0);
}

TEST(Notify, an_address_that_is_none_is_refused) {
  for (const std::string& address : {std::string("relative"), "/" + std::string(107, 'x')}) {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    const auto refused = Notify::from_environment();
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().id(), "daemon.notify");
  }
}

TEST(Notify, hansed_says_when_it_is_ready_alive_and_stopping) {
  TestNet net(0);
  const std::string address = net.dir + "/notify";
  const Manager manager(address);
  ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "200000", 1);
  Child validator = net.start_ready("v0");
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_EQ(manager.hear(), "READY=1");
  EXPECT_EQ(manager.hear(), "WATCHDOG=1");
  EXPECT_EQ(manager.hear(), "WATCHDOG=1");
  validator.signal(SIGTERM);
  std::string word;
  do word = manager.hear();
  while (word == "WATCHDOG=1");
  EXPECT_EQ(word, "STOPPING=1");
  EXPECT_EQ(validator.wait(), 0) << validator.err();
}

}  // namespace
}  // namespace hanse::daemon
