// Against coturn's turnserver over UDP on loopback, where it is installed: a foreign peer for STUN, RFC 5780 and TURN.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/clock.h"
#include "mesh/nat/classify.h"
#include "mesh/nat/reflector.h"
#include "mesh/nat/turn.h"

namespace hanse::nat {
namespace {

class Socket {
 public:
  explicit Socket(const char* ip = "127.0.0.1", std::uint16_t port = 0)
      : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, ip, &a.sin_addr);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a), 0);
    socklen_t size = sizeof a;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &size);
    local_ = {Address::v4(ntohl(a.sin_addr.s_addr)), ntohs(a.sin_port)};
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(const Endpoint& to, ByteView bytes) const {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(to.port);
    std::memcpy(&a.sin_addr, to.ip.bytes.data(), 4);
    ::sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&a), sizeof a);
  }
  bool receive(Endpoint& from, Bytes& bytes) const {
    bytes.resize(4096);
    sockaddr_in a{};
    socklen_t size = sizeof a;
    const ssize_t n = ::recvfrom(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&a), &size);
    if (n < 0) return false;
    bytes.resize(static_cast<std::size_t>(n));
    from = {Address::v4(ntohl(a.sin_addr.s_addr)), ntohs(a.sin_port)};
    return true;
  }
  bool wait(int ms) const {
    pollfd p{fd_, POLLIN, 0};
    return ::poll(&p, 1, ms) == 1;
  }
  int fd() const { return fd_; }
  const Endpoint& local() const { return local_; }

 private:
  int fd_;
  Endpoint local_;
};

std::string find_program(const std::string& name) {
  std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  path += ":/usr/bin:/usr/sbin";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string file = path.substr(at, end - at) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
    at = end + 1;
  }
  return {};
}

class Coturn : public testing::Test {
 protected:
  void SetUp() override {
    const std::string program = find_program("turnserver");
    if (program.empty())
      GTEST_SKIP() << "no turnserver on this machine (Debian package coturn): nothing to test against";
    std::uint16_t ports[2];
    {
      const Socket one, two;  // the system's choice of free ports
      ports[0] = one.local().port, ports[1] = two.local().port;
    }
    server_ = {Address::v4(0x7f000001), ports[0]};
    char folder[] = "/tmp/hanse-coturn-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    std::vector<std::string> args{program,
                                  "-n",
                                  "--no-cli",
                                  "--no-tls",
                                  "--no-dtls",
                                  "--no-tcp",
                                  "--no-tcp-relay",
                                  "--lt-cred-mech",
                                  "--user=alice:secret",
                                  "--realm=hanse.test",
                                  "--fingerprint",
                                  "--allow-loopback-peers",
                                  "--listening-ip=127.0.0.1",
                                  "--listening-ip=127.0.0.2",
                                  "--relay-ip=127.0.0.1",
                                  "--min-port=40000",
                                  "--max-port=65000",
                                  "--listening-port=" + std::to_string(ports[0]),
                                  "--alt-listening-port=" + std::to_string(ports[1]),
                                  "--relay-threads=1",
                                  "--userdb=" + folder_ + "/db",
                                  "--pidfile=" + folder_ + "/pid",
                                  "--log-file=" + folder_ + "/log",
                                  "--simple-log"};
    std::vector<char*> argv;
    for (std::string& a : args) argv.push_back(a.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    ASSERT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    for (const char* name : {"/db", "/pid", "/log"})
      if (!folder_.empty()) ::unlink((folder_ + name).c_str());
    if (!folder_.empty()) ::rmdir(folder_.c_str());
  }

  // Requests are sent again until the server has started: no wait of our own is needed.
  const StunTiming timing_{.rto_ms = 100, .sends = 7, .last = 8};
  Endpoint server_;
  pid_t pid_ = 0;
  std::string folder_;
};

struct Session {
  explicit Session(TurnClient client) : turn(std::move(client)) {}

  std::int64_t now() const { return system_clock().mono_ns() + ahead_ns; }
  void flush() {
    for (const Datagram& d : out) sockets[d.socket].send(d.to, d.bytes);
    out.clear();
  }
  void pump(int ms) {
    flush();
    const std::int64_t end = now() + ms * kMs;
    for (;;) {
      Endpoint from;
      Bytes bytes;
      while (sockets[0].receive(from, bytes)) {
        if (auto got = turn.receive(0, from, bytes, now(), out)) received.push_back(std::move(*got));
      }
      turn.tick(now(), out);
      flush();
      if (done() || now() >= end) return;
      sockets[0].wait(20);
    }
  }
  bool until(std::function<bool()> what, int ms = 10'000) {
    done = std::move(what);
    pump(ms);
    return done();
  }

  TurnClient turn;
  Outbox out;
  Socket sockets[1];
  std::vector<Relayed> received;
  std::int64_t ahead_ns = 0;
  std::function<bool()> done = [] { return false; };
};

TEST_F(Coturn, relays_both_ways_by_indications_and_by_a_channel_and_is_released) {
  SeededRandom random(11);
  auto client = TurnClient::create({{server_}, {"alice", "secret"}, {0}, timing_}, random);
  ASSERT_TRUE(client);
  Session s(std::move(*client));
  s.turn.start(s.now(), s.out);
  ASSERT_TRUE(s.until([&] { return s.turn.state() == TurnState::kReady || s.turn.state() == TurnState::kFailed; }));
  ASSERT_EQ(s.turn.state(), TurnState::kReady) << s.turn.failure()->str();
  EXPECT_EQ(s.turn.mapped(), s.sockets[0].local());

  const Socket peer;
  Endpoint from;
  Bytes bytes;
  ASSERT_TRUE(s.turn.permit(peer.local().ip, s.now(), s.out));
  ASSERT_TRUE(s.until([&] { return s.turn.permitted(peer.local().ip); }));
  ASSERT_TRUE(s.turn.send(peer.local(), as_bytes("one"), s.out));
  s.flush();
  ASSERT_TRUE(peer.wait(5000) && peer.receive(from, bytes));
  EXPECT_EQ(as_text(bytes), "one");
  EXPECT_EQ(from, s.turn.relayed());
  peer.send(from, as_bytes("two"));
  ASSERT_TRUE(s.until([&] { return s.received.size() == 1; }));

  ASSERT_TRUE(s.turn.bind(peer.local(), s.now(), s.out));
  ASSERT_TRUE(s.until([&] { return s.turn.bound(peer.local()); }));
  ASSERT_TRUE(s.turn.send(peer.local(), as_bytes("three"), s.out));
  EXPECT_EQ(s.out.back().bytes[0], 0x40);
  s.flush();
  ASSERT_TRUE(peer.wait(5000) && peer.receive(from, bytes));
  EXPECT_EQ(as_text(bytes), "three");
  peer.send(from, as_bytes("four"));
  ASSERT_TRUE(s.until([&] { return s.received.size() == 2; }));
  EXPECT_EQ(as_text(s.received[0].data), "two");
  EXPECT_EQ(as_text(s.received[1].data), "four");
  EXPECT_EQ(s.received[1].peer, peer.local());

  s.ahead_ns = 541'000 * kMs;  // everything is due at once
  ASSERT_TRUE(s.until([&] { return s.turn.counts().refreshes == 1 && s.turn.next_ns() > s.now(); }));
  EXPECT_TRUE(s.turn.bound(peer.local()));
  s.turn.release(s.now(), s.out);
  ASSERT_TRUE(s.until([&] { return s.turn.state() == TurnState::kClosed; }));
  EXPECT_EQ(s.turn.counts().refused, 0u);
}

TEST_F(Coturn, denies_a_wrong_password) {
  SeededRandom random(12);
  auto client = TurnClient::create({{server_}, {"alice", "wrong"}, {0}, timing_}, random);
  Session s(std::move(*client));
  s.turn.start(s.now(), s.out);
  ASSERT_TRUE(s.until([&] { return s.turn.state() != TurnState::kAllocating; }));
  EXPECT_EQ(s.turn.state(), TurnState::kFailed);
  EXPECT_EQ(s.turn.failure()->id(), "nat.turn_denied");
}

TEST_F(Coturn, shows_that_loopback_has_no_nat) {
  SeededRandom random(13);
  Socket sockets[kClassifySockets];
  ClassifierOptions options;
  options.reflector = server_;
  options.timing = timing_;
  options.silence = {.rto_ms = 50, .sends = 2, .last = 2};
  for (const Socket& s : sockets) options.local.push_back(s.local());
  Classifier c(options, random);
  Outbox out;
  const std::int64_t end = system_clock().mono_ns() + 15'000 * kMs;
  c.start(system_clock().mono_ns(), out);
  while (!c.done() && system_clock().mono_ns() < end) {
    for (const Datagram& d : out) sockets[d.socket].send(d.to, d.bytes);
    out.clear();
    pollfd polled[kClassifySockets];
    for (std::size_t i = 0; i < kClassifySockets; ++i) polled[i] = {sockets[i].fd(), POLLIN, 0};
    ::poll(polled, kClassifySockets, 20);
    Endpoint from;
    Bytes bytes;
    for (std::uint16_t i = 0; i < kClassifySockets; ++i)
      while (sockets[i].receive(from, bytes)) c.receive(i, from, bytes, system_clock().mono_ns(), out);
    c.tick(system_clock().mono_ns(), out);
  }
  ASSERT_TRUE(c.done());
  EXPECT_EQ(mapping_name(c.result().mapping), "none");
  EXPECT_EQ(filtering_name(c.result().filtering), "endpoint");
  EXPECT_EQ(c.result().mapped, sockets[0].local());
}

// Coturn's own client against our reflector. It pads its questions (-P): bare ones are too short to be answered.
TEST(CoturnClient, learns_of_loopback_from_our_reflector) {
  const std::string program = find_program("turnutils_natdiscovery");
  if (program.empty()) GTEST_SKIP() << "no turnutils_natdiscovery on this machine (Debian package coturn)";
  const Socket a1("127.0.0.1"), a2("127.0.0.1");
  const Socket b1("127.0.0.2", a1.local().port), b2("127.0.0.2", a2.local().port);
  const Socket* sockets[] = {&a1, &a2, &b1, &b2};
  SeededRandom random(14);
  Reflector reflector({a1.local(), b2.local()}, random);
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  std::string args[] = {program, "-m",        "-f",       "-P", "-p", std::to_string(a1.local().port),
                        "-L",    "127.0.0.1", "127.0.0.1"};
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 2);
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string said;
  const std::int64_t end = system_clock().mono_ns() + 30'000 * kMs;
  for (bool open = true; open && system_clock().mono_ns() < end;) {
    pollfd polled[5] = {};
    for (int i = 0; i < 4; ++i) polled[i] = {sockets[i]->fd(), POLLIN, 0};
    polled[4] = {pipe[0], POLLIN, 0};
    ::poll(polled, 5, 100);
    Endpoint from;
    Bytes bytes;
    for (const Socket* s : sockets)
      while (s->receive(from, bytes)) {
        const auto r = reflector.receive(s->local(), from, bytes, system_clock().mono_ns());
        if (!r) continue;
        for (const Socket* t : sockets)
          if (t->local() == r->from) t->send(r->to, r->bytes);
      }
    if ((polled[4].revents & (POLLIN | POLLHUP)) == 0) continue;
    char words[4096];
    const ssize_t n = ::read(pipe[0], words, sizeof words);
    open = n > 0;
    if (open) said.append(words, static_cast<std::size_t>(n));
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(pipe[0]);
  EXPECT_GE(reflector.counts().answered, 3u) << said;
  EXPECT_NE(said.find("Endpoint Independent Filtering"), std::string::npos) << said;
  EXPECT_NE(said.find("No NAT! (Endpoint Independent Mapping)"), std::string::npos) << said;
}

}  // namespace
}  // namespace hanse::nat
