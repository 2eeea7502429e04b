// kill -9 while a state is fetched and while the ledger changes over to it: afterwards it is the old one or the new
// one, whole, and what had come is gone on with.
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include "chain/sync/sync_world_test.h"

extern char** environ;

namespace hanse::sync {
namespace {

constexpr int kTellFd = 78;
constexpr std::uint64_t kSeed = 21;

void tell(char what) { (void)!::write(kTellFd, &what, 1); }

// The child's side: fetches, changes over, and waits to be killed. Without a folder nobody asked for it.
TEST(SyncKillChild, fetches_until_killed) {
  const char* dir = std::getenv("HANSE_SYNC_KILL_DIR");
  if (dir == nullptr) return;
  World world(kSeed, dir);
  world.snapshots.emplace(world.source->tip().header.height, *world.source->view());
  world.boot();
  for (std::size_t told = 0; !world.over(); world.advance())
    for (; told < world.stores; ++told) tell('s');
  ASSERT_TRUE(world.complete);
  tell('f');
  world.expect_installed();
  tell(HasFailure() ? 'x' : 'd');
  ::pause();
}

class Child {
 public:
  explicit Child(const std::string& dir) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, fds[1], kTellFd);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    std::string self = "/proc/self/exe", filter = "--gtest_filter=SyncKillChild.*",
                env_dir = "HANSE_SYNC_KILL_DIR=" + dir;
    char* const argv[] = {self.data(), filter.data(), nullptr};
    std::vector<char*> env;
    for (char** each = environ; *each != nullptr; ++each) env.push_back(*each);
    env.push_back(env_dir.data());
    env.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, self.c_str(), &actions, nullptr, argv, env.data()), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    fd_ = fds[0];
  }
  ~Child() { ::close(fd_); }
  char next() const {
    char what = 0;
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 60'000) <= 0 || ::read(fd_, &what, 1) != 1) return 0;
    return what;
  }
  bool quiet_for(int ms) const {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, ms) == 0;
  }
  void kill() const {
    EXPECT_EQ(::kill(pid_, SIGKILL), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
};

TEST(SyncKill, leaves_the_old_ledger_or_the_new_one) {
  TempDir dir(testing::TempDir());
  Height top;
  {
    World world(kSeed, dir.path());
    world.grow(30, 60, 300);
    top = world.source->tip().header.height;
  }
  SeededRandom random(kSeed, "sync kills");
  std::size_t kills = 0, in_the_change = 0;
  for (bool done = false; !done && !testing::Test::HasFailure();) {
    SCOPED_TRACE(text("seed {}, kill {}", kSeed, kills));
    {
      const Child child(dir.path());
      std::uint64_t left = 1 + random.below(14);
      char last = 's';
      while (left > 0 && last == 's') {
        last = child.next();
        --left;
      }
      if (last == 'f' && random.below(2) == 0) {  // in the middle of it, or soon after
        ++in_the_change;
        (void)child.quiet_for(static_cast<int>(random.below(3)));
      } else if (last == 'f') {
        last = child.next();
      }
      ASSERT_TRUE(last == 's' || last == 'f' || last == 'd') << "the child said " << static_cast<int>(last);
      child.kill();
      ++kills;
    }
    World world(kSeed, dir.path());
    const Height height = world.target->tip().header.height;
    const Status audited = world.target->audit();
    ASSERT_TRUE(audited) << audited.error().str();
    ASSERT_TRUE(height == Height{} || height == top) << height.value;
    ledger::Installer installer(*world.target);
    done = height == top;
    EXPECT_EQ((*installer.begun()).has_value(), !done);
    EXPECT_EQ((*installer.marks()).empty(), done);
    EXPECT_EQ(world.target->tip().header == world.source->tip().header, done);
  }
  printf("%zu kills, %zu while the ledger changed over\n", kills, in_the_change);
  EXPECT_GT(kills, 5u);
}

}  // namespace
}  // namespace hanse::sync
