// kill -9 at random moments: whatever was acknowledged is there afterwards, money is conserved, every root recomputes.
#include <gtest/gtest.h>

#include <csignal>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>

#include "chain/ledger/test_net.h"
#include "chain/replica/chain.h"

extern char** environ;

namespace hanse::replica {
namespace {

using ledger::Applied;
using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;

constexpr std::size_t kUsers = 4;
constexpr int kAckFd = 77;

struct Ack {
  Hash32 tx_id;
  std::uint64_t user = 0;
  std::uint64_t nonce = 0;
};

TestNet kill_net() { return TestNet(kUsers); }

Chain::Options kill_options() {
  Chain::Options o;
  o.journal_segment_bytes = 640u << 10;  // small, so that segments are released and reused under load
  o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 1u << 20};
  return o;
}

Result<std::unique_ptr<Chain>> open_chain(const std::string& dir) {
  return Chain::open(dir, kill_net().genesis, TestNet::accounts_only(), TestNet::validator_key(), kill_options());
}

// One user's transfers, each sent when one of the last 16 was answered; every answer goes to the pipe.
void send_user(Chain& chain, const TestNet& net, std::size_t user, std::uint64_t first_nonce) {
  std::atomic<std::uint64_t> answered = 0;
  for (std::uint64_t sent = 0;; ++sent) {
    const std::uint64_t nonce = first_nonce + sent;
    const Tx tx = net.transfer(user, net.user((user + nonce) % kUsers), 1 + nonce % 3, nonce);
    for (std::uint64_t seen = answered; sent - seen >= 16; seen = answered) answered.wait(seen);
    const Status accepted = chain.submit_async(tx, [&answered, user, nonce](Result<Applied> applied) {
      if (applied) {
        const Ack ack{.tx_id = applied->tx_id, .user = user, .nonce = nonce};
        (void)!::write(kAckFd, &ack, sizeof ack);
      }
      ++answered;
      answered.notify_all();
    });
    if (!accepted) ++answered;  // short of money: the next one may not be
  }
}

// The child's side: started by the test below in a process of its own, with a folder, and ended by its kill. Without a
// folder nobody asked for it.
TEST(KillChild, sends_transfers_until_killed) {
  const char* dir = std::getenv("HANSE_KILL_DIR");
  if (dir == nullptr) return;
  auto chain = open_chain(dir);
  ASSERT_TRUE(chain) << chain.error().str();
  const TestNet net = kill_net();
  std::vector<std::jthread> threads;
  for (std::size_t user = 0; user < kUsers; ++user) {
    const auto view = (*chain)->view();
    const std::uint64_t nonce = ledger::read_account(*view, net.user(user))->nonce + 1;
    threads.emplace_back([&, user, nonce] { send_user(**chain, net, user, nonce); });
  }
}

class Child {
 public:
  explicit Child(const std::string& dir) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, fds[1], kAckFd);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    std::string self = "/proc/self/exe", filter = "--gtest_filter=KillChild.*", folder = "HANSE_KILL_DIR=" + dir;
    char* const argv[] = {self.data(), filter.data(), nullptr};
    std::vector<char*> env;
    for (char** each = environ; *each != nullptr; ++each) env.push_back(*each);
    env.push_back(folder.data());
    env.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, self.c_str(), &actions, nullptr, argv, env.data()), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    fd_ = fds[0];
  }
  ~Child() { ::close(fd_); }

  // Reads answers until `count` came or `patience_ms` passed without one.
  void read(std::size_t count, int patience_ms, std::vector<Ack>& acks) {
    while (count > 0) {
      pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
      if (::poll(&p, 1, patience_ms) <= 0 || !read_one(acks)) return;
      --count;
    }
  }
  void kill(std::vector<Ack>& acks) {
    EXPECT_EQ(::kill(pid_, SIGKILL), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
    while (read_one(acks)) {
    }
  }

 private:
  bool read_one(std::vector<Ack>& acks) {
    Ack ack;
    if (::read(fd_, &ack, sizeof ack) != static_cast<ssize_t>(sizeof ack)) return false;
    acks.push_back(ack);
    return true;
  }
  pid_t pid_ = -1;
  int fd_ = -1;
};

std::uint64_t kill_count() {
  const char* env = std::getenv("HANSE_KILLS");
  return env != nullptr ? std::strtoull(env, nullptr, 10) : 50;
}

TEST(Kill, loses_nothing_acknowledged_over_many_kills) {
  TempDir dir(testing::TempDir());
  const TestNet net = kill_net();
  const char* seed_env = std::getenv("HANSE_KILL_SEED");
  const std::uint64_t seed = seed_env != nullptr ? std::strtoull(seed_env, nullptr, 10) : 1;
  SCOPED_TRACE(text("seed {}", seed));
  SeededRandom random(seed, "kill");
  std::vector<Ack> acks;
  std::uint64_t replayed = 0, height = 0;
  for (std::uint64_t n = 0; n < kill_count() && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE(text("kill {}", n));
    const std::size_t checked = acks.size();
    {
      Child child(dir.path());
      if (random.below(8) == 0) {
        child.read(1, static_cast<int>(random.below(150)), acks);  // while it opens
      } else {
        child.read(1, 20'000, acks);
        child.read(random.below(150), 20'000, acks);
        child.read(1, 0, acks);
      }
      child.kill(acks);
    }
    auto chain = open_chain(dir.path());
    ASSERT_TRUE(chain) << chain.error().str();
    ASSERT_FALSE((*chain)->stats().abstaining) << (*chain)->health().error().str();
    replayed += (*chain)->stats().replayed;
    const auto view = (*chain)->view();
    ASSERT_TRUE(view);
    EXPECT_GE(view->height().value, height);
    height = view->height().value;
    for (std::size_t i = checked; i < acks.size(); ++i) {
      const auto found = view->tx_result(acks[i].tx_id);
      ASSERT_TRUE(found && *found) << "acknowledged transaction " << i << " is gone";
      EXPECT_GE(ledger::read_account(*view, net.user(acks[i].user))->nonce,
                (*found)->result.code == 0 ? acks[i].nonce : 0);
    }
    EXPECT_EQ(ledger::accounts_total(*view)->value, ledger::supply(*view)->value);
    EXPECT_EQ(ledger::supply(*view)->value, kUsers * 1'000'000u);
    std::uint64_t sum = 0;
    for (std::size_t user = 0; user < kUsers; ++user) sum += ledger::read_account(*view, net.user(user))->balance.value;
    EXPECT_EQ(sum, kUsers * 1'000'000u);
    const Status audited = (*chain)->audit();
    EXPECT_TRUE(audited) << audited.error().str();
  }
  printf("seed %llu: %llu kills, %zu acknowledged, height %llu, %llu blocks replayed\n",
         static_cast<unsigned long long>(seed), static_cast<unsigned long long>(kill_count()), acks.size(),
         static_cast<unsigned long long>(height), static_cast<unsigned long long>(replayed));
  EXPECT_GT(acks.size(), kill_count());
}

}  // namespace
}  // namespace hanse::replica
