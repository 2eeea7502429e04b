#include "chain/replica/inbox.h"

#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

namespace hanse::replica {
namespace {

using consensus::Type;

constexpr auto kVertex = static_cast<std::uint8_t>(Type::kVertex);
constexpr auto kCommit = static_cast<std::uint8_t>(Type::kCommit);

consensus::Frame body_of(std::size_t size) { return std::make_shared<const Bytes>(size); }

constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::max();

// Turns that are kept, and the thread inside run().
struct Worked {
  Worked()
      : inbox(system_clock(),
              [this](Mail& mail) {
                if (also) also(mail);
                const std::lock_guard lock(mutex);
                turns.push_back(mail);
                threads.insert(std::this_thread::get_id());
                changed.notify_all();
                return kLater;
              }),
        runner([this] { inbox.run(); }) {
    for (bool alone = false; !alone;) {  // until the thread inside sleeps
      inbox.kick();
      const std::lock_guard lock(mutex);
      alone = threads.contains(std::this_thread::get_id());
      turns.clear();
      threads.clear();
    }
  }
  ~Worked() { inbox.stop(); }
  void wait(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return turns.size() >= count; });
  }

  std::function<void(const Mail& mail)> also;  // in a turn
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Mail> turns;
  std::set<std::thread::id> threads;
  Inbox inbox;
  std::jthread runner;
};

TEST(Inbox, takes_a_turn_on_the_thread_that_brings_something_and_one_for_all_frames_before) {
  Worked w;
  w.inbox.frame(1, kVertex, body_of(10));
  w.inbox.frame(2, kCommit, body_of(20));
  EXPECT_TRUE(w.turns.empty());
  w.inbox.work();
  ASSERT_EQ(w.turns.size(), 1u);
  EXPECT_EQ(w.turns[0].votes.size(), 1u);
  EXPECT_EQ(w.turns[0].bulk.size(), 1u);
  w.inbox.work();
  EXPECT_EQ(w.turns.size(), 1u);
  w.inbox.executed({.seq = 7, .block = {}, .wants_block = true});
  w.inbox.attested({.seq = 8, .signature = Bytes(1)});
  w.inbox.up(1);
  w.inbox.durable(3);
  w.inbox.compact();
  w.inbox.kick();
  ASSERT_EQ(w.turns.size(), 7u);
  EXPECT_EQ(w.turns[1].executed.size(), 1u);
  EXPECT_EQ(w.turns[2].attested.size(), 1u);
  EXPECT_EQ(w.turns[3].ups.size(), 1u);
  EXPECT_EQ(w.turns[4].durable, 3u);
  EXPECT_TRUE(w.turns[5].compact && w.turns[6].kicked);
  EXPECT_EQ(w.threads, std::set{std::this_thread::get_id()});
}

TEST(Inbox, gives_to_the_worker_what_comes_while_it_works_and_joins_what_is_alike) {
  Worked w;
  w.also = [&](const Mail& mail) {
    if (!mail.kicked) return;
    for (const std::uint64_t token : {3u, 2u}) w.inbox.durable(token);
    for (int n = 0; n < 2; ++n) w.inbox.up(1);
  };
  w.inbox.kick();
  ASSERT_EQ(w.turns.size(), 2u);
  EXPECT_EQ(w.turns[1].durable, 3u);
  EXPECT_EQ(w.turns[1].ups.size(), 1u);
  EXPECT_FALSE(w.turns[1].kicked);
}

TEST(Inbox, a_worker_leaves_what_never_ends_to_the_thread_inside) {
  Worked w;
  int left = 3 * kTurnsInARow;
  w.also = [&](const Mail&) {
    if (--left > 0) w.inbox.kick();
  };
  w.inbox.kick();
  w.wait(3 * kTurnsInARow);
  EXPECT_EQ(w.threads.size(), 2u);
}

TEST(Inbox, takes_a_turn_when_one_is_due_whatever_comes) {
  std::atomic<int> turns = 0;
  std::promise<void> third;
  Inbox inbox(system_clock(), [&](Mail& mail) {
    EXPECT_TRUE(mail.empty());
    if (++turns == 3) third.set_value();
    return turns < 3 ? system_clock().mono_ns() + 1'000'000 : kLater;
  });
  std::jthread runner([&] { inbox.run(); });
  third.get_future().wait();
  inbox.stop();
}

TEST(Inbox, takes_no_turn_before_run_or_after_stop) {
  std::atomic<int> turns = 0;
  Inbox inbox(system_clock(), [&](Mail&) {
    ++turns;
    return kLater;
  });
  inbox.kick();
  EXPECT_EQ(turns, 0);
  inbox.stop();
  inbox.run();
  inbox.kick();
  EXPECT_EQ(turns, 0);
}

TEST(Inbox, drops_what_is_beyond_a_peers_limits_and_nobody_elses) {
  Worked w;
  for (std::size_t n = 0; n <= kPeerFramesMax; ++n) w.inbox.frame(1, kCommit, body_of(1));
  EXPECT_EQ(w.inbox.dropped(), 1u);
  w.inbox.frame(2, kCommit, body_of(1));
  w.inbox.frame(1, kVertex, body_of(kPeerBytesMax));
  EXPECT_EQ(w.inbox.dropped(), 1u);
  w.inbox.frame(1, kVertex, body_of(1));
  EXPECT_EQ(w.inbox.dropped(), 2u);
  w.inbox.work();
  ASSERT_EQ(w.turns.size(), 1u);
  EXPECT_EQ(w.turns[0].votes.size(), kPeerFramesMax + 1);
  w.inbox.frame(1, kVertex, body_of(1));
  EXPECT_EQ(w.inbox.dropped(), 2u);
}

}  // namespace
}  // namespace hanse::replica
