// kill -9 while a log is written, mirrored and cosigned by nobody: afterwards it opens, whatever was acknowledged is
// where it was said to be, and every checkpoint that was ever published is of one growing tree.
// HANSE_TLOG_KILLS chooses how many times, HANSE_TLOG_SEED which moments.
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/core/random.h"
#include "engines/tlog/log_world_test.h"
#include "engines/tlog/mirror.h"
#include "engines/tlog/sequencer.h"

extern char** environ;

namespace hanse::tlog {
namespace {

constexpr int kTellFd = 78;
constexpr std::string_view kOrigin = "log.example/killed";

Entry entry(std::uint64_t n) {
  Entry out;
  store_be(out.id.data.data(), n + 1);
  out.body = to_bytes(text("entry {}", n));
  out.body.resize(20 + n % 700, static_cast<std::uint8_t>(n));
  return out;
}

Sequencer::Parts parts_in(const std::string& dir) {
  Sequencer::Parts parts{.dir = dir, .origin = std::string(kOrigin), .signers = {}, .limits = {}, .on_published = {}};
  parts.signers.push_back(test_signer(kOrigin, SignatureType::kEd25519));
  parts.limits.group_wait_ns = 200'000;
  return parts;
}
std::vector<NoteKey> keys() { return {test_signer(kOrigin, SignatureType::kEd25519).key()}; }
Mirror mirror_in(const std::string& dir) {
  return Mirror::open({.dir = dir + "/www", .origin = std::string(kOrigin), .keys = keys(), .made = {}}).value();
}
TreeHead head_of(std::string_view note) { return open_checkpoint(note, kOrigin, keys()).value().checkpoint.head; }

struct Told {
  std::uint64_t number, index;  // of an entry acknowledged; number ~0 for a published size and its root's first bytes
  std::uint8_t root[16];
};

// The child's side: adds and tells of each acknowledgement and checkpoint until it is killed. Without a folder nobody
// asked for it.
TEST(TlogKillChild, appends_until_killed) {
  const char* dir = std::getenv("HANSE_TLOG_KILL_DIR");
  if (dir == nullptr) return;
  const std::uint64_t first = std::strtoull(std::getenv("HANSE_TLOG_KILL_FIRST"), nullptr, 10);
  auto parts = parts_in(dir);
  parts.on_published = [](const std::string& note) {
    const TreeHead head = head_of(note);
    Told told{~0ull, head.size, {}};
    std::memcpy(told.root, head.root.data.data(), sizeof told.root);
    (void)!::write(kTellFd, &told, sizeof told);
  };
  auto log = Sequencer::open(std::move(parts)).value();
  Mirror mirror = mirror_in(dir);
  std::atomic<std::uint64_t> done{first};
  for (std::uint64_t n = first;; ++n) {
    ASSERT_TRUE(log->add(entry(n), [&, n](const Result<Added>& added) {
      const Told told{n, added->index, {}};
      (void)!::write(kTellFd, &told, sizeof told);
      ++done;
      done.notify_one();
    }));
    for (std::uint64_t seen = done; seen + 300 < n; seen = done) done.wait(seen);
    if (n % 50 == 0) {
      const std::string note = log->checkpoint();
      ASSERT_TRUE(mirror.update(note, log->store().fetch(head_of(note).size)));
    }
  }
}

class Child {
 public:
  Child(const std::string& dir, std::uint64_t first) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, fds[1], kTellFd);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    std::string self = "/proc/self/exe", filter = "--gtest_filter=TlogKillChild.*",
                env_dir = "HANSE_TLOG_KILL_DIR=" + dir, env_first = text("HANSE_TLOG_KILL_FIRST={}", first);
    char* const argv[] = {self.data(), filter.data(), nullptr};
    std::vector<char*> env;
    for (char** each = environ; *each != nullptr; ++each) env.push_back(*each);
    env.push_back(env_dir.data());
    env.push_back(env_first.data());
    env.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, self.c_str(), &actions, nullptr, argv, env.data()), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    fd_ = fds[0];
  }
  ~Child() { ::close(fd_); }
  // False at the end of what was told, or when nothing came for a minute.
  bool next(Told& out) const {
    std::size_t have = 0;
    while (have < sizeof out) {
      pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
      if (::poll(&p, 1, 60'000) <= 0) return false;
      const ssize_t n = ::read(fd_, reinterpret_cast<char*>(&out) + have, sizeof out - have);
      if (n <= 0) return false;
      have += static_cast<std::size_t>(n);
    }
    return true;
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

std::uint64_t setting(const char* name, std::uint64_t fallback) {
  const char* set = std::getenv(name);
  return set != nullptr ? std::strtoull(set, nullptr, 10) : fallback;
}

TEST(TlogKill, loses_nothing_acknowledged_and_never_contradicts_a_published_checkpoint) {
  const std::uint64_t kills = setting("HANSE_TLOG_KILLS", 25), seed = setting("HANSE_TLOG_SEED", 20261128);
  std::printf("seed %llu, %llu kills\n", static_cast<unsigned long long>(seed), static_cast<unsigned long long>(kills));
  TempDir temp;
  const std::string dir = temp.path() + "/log";
  {
    auto parts = parts_in(dir);
    ASSERT_TRUE(Sequencer::create(parts));
  }
  SeededRandom random(seed, "tlog kills");
  MemLog model(std::string{kOrigin});                           // the one tree, as the store has it
  std::vector<std::uint64_t> index_of;                          // of entries acknowledged, by number
  std::vector<std::pair<std::uint64_t, Bytes>> published = {};  // sizes and roots ever shown
  std::uint64_t behind = 0;
  for (std::uint64_t kill = 0; kill < kills && !testing::Test::HasFailure(); ++kill) {
    SCOPED_TRACE(text("HANSE_TLOG_SEED={} kill {}", seed, kill));
    const auto keep = [&](const Told& told) {
      if (told.number == ~0ull) {
        published.emplace_back(told.index, to_bytes(ByteView(told.root)));
      } else {
        index_of.resize(std::max<std::size_t>(index_of.size(), told.number + 1), ~0ull);
        ASSERT_TRUE(index_of[told.number] == ~0ull || index_of[told.number] == told.index) << told.number;
        index_of[told.number] = told.index;
      }
    };
    {
      const Child child(dir, index_of.size());
      Told told{};
      // Half of them early, while it opens and signs for the first time.
      for (std::uint64_t left = random.below(kill % 2 == 0 ? 12 : 900); left > 0; --left) {
        ASSERT_TRUE(child.next(told));
        keep(told);
      }
      for (std::uint64_t spin = random.below(200'000); spin > 0; --spin) asm volatile("" ::: "memory");
      child.kill();
      while (child.next(told)) keep(told);
    }
    auto log = Sequencer::open(parts_in(dir));
    ASSERT_TRUE(log) << log.error().str();
    const TreeHead head = (*log)->published();
    EXPECT_EQ(head_of((*log)->checkpoint()), head);
    while (model.entries.size() < head.size) model.add((*log)->store().entry(model.entries.size()).value());
    ASSERT_EQ(model.head(), head);
    for (const auto& [size, root] : published) {
      ASSERT_LE(size, head.size) << "a published checkpoint went back";
      const Hash32 now = model.head(size).root;
      ASSERT_TRUE(equal(now.view().first(16), root)) << "size " << size << " has another root now";
    }
    for (std::uint64_t n = 0; n < index_of.size(); ++n)
      ASSERT_EQ(model.entries.at(index_of[n]), entry(n).body) << "entry " << n << " is lost";
    if (std::filesystem::exists(dir + "/www/checkpoint")) {  // and the static files hold together
      const Fetch files = folder_fetch(real_fs(), dir + "/www");
      const TreeHead shown = head_of(as_text(files("checkpoint").value()));
      ASSERT_EQ(shown, model.head(shown.size));
      ASSERT_EQ(crypto::log_root(TileNodes(files, shown.size), shown.size).value(), shown.root);
      if (shown.size > 0) {
        const std::uint64_t last = (shown.size - 1) / kTileWidth;
        ASSERT_TRUE(parse_bundle(fetch_bundle(files, shown.size, last).value(), tile_width(shown.size, 0, last)));
      }
      behind += shown.size < head.size ? 1 : 0;
      Mirror mirror = mirror_in(dir);
      ASSERT_TRUE(mirror.update((*log)->checkpoint(), (*log)->store().fetch(head.size)));
    }
    published.emplace_back(head.size, to_bytes(head.root.view().first(16)));
  }
  std::printf("%zu entries, %zu checkpoints, the static files were behind %llu times\n", model.entries.size(),
              published.size(), static_cast<unsigned long long>(behind));
  EXPECT_GT(model.entries.size(), kills);
}

}  // namespace
}  // namespace hanse::tlog
