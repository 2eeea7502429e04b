#include "chain/replica/inbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace hanse::replica {
namespace {

using consensus::Type;

constexpr auto kVertex = static_cast<std::uint8_t>(Type::kVertex);
constexpr auto kCommit = static_cast<std::uint8_t>(Type::kCommit);

consensus::Frame body_of(std::size_t size) { return std::make_shared<const Bytes>(size); }

TEST(Inbox, gives_everything_once_votes_apart_from_bulk) {
  Inbox inbox(system_clock());
  inbox.frame(1, kVertex, body_of(10));
  inbox.frame(2, kCommit, body_of(20));
  inbox.durable(3);
  inbox.durable(2);
  inbox.executed({.seq = 7, .block = {}, .wants_block = true});
  inbox.attested({.seq = 8, .signature = Bytes(1)});
  inbox.up(1);
  inbox.up(1);
  inbox.compact();
  inbox.kick();
  Mail mail;
  inbox.drain(mail, 0);
  EXPECT_EQ(mail.votes.size(), 1u);
  EXPECT_EQ(mail.bulk.size(), 1u);
  EXPECT_EQ(mail.durable, 3u);
  EXPECT_EQ(mail.executed.size(), 1u);
  EXPECT_EQ(mail.attested.size(), 1u);
  EXPECT_EQ(mail.ups.size(), 1u);
  EXPECT_TRUE(mail.compact && mail.kicked && !mail.stop);
  inbox.drain(mail, 0);
  EXPECT_TRUE(mail.empty());
}

TEST(Inbox, waits_until_something_comes_and_stays_stopped) {
  Inbox inbox(system_clock());
  Mail mail;
  std::jthread later([&] { inbox.stop(); });
  inbox.drain(mail, std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(mail.stop);
  inbox.drain(mail, std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(mail.stop);
}

TEST(Inbox, drops_what_is_beyond_a_peers_limits_and_nobody_elses) {
  Inbox inbox(system_clock());
  for (std::size_t n = 0; n <= kPeerFramesMax; ++n) inbox.frame(1, kCommit, body_of(1));
  EXPECT_EQ(inbox.dropped(), 1u);
  inbox.frame(2, kCommit, body_of(1));
  inbox.frame(1, kVertex, body_of(kPeerBytesMax));
  EXPECT_EQ(inbox.dropped(), 1u);
  inbox.frame(1, kVertex, body_of(1));
  EXPECT_EQ(inbox.dropped(), 2u);
  Mail mail;
  inbox.drain(mail, 0);
  EXPECT_EQ(mail.votes.size(), kPeerFramesMax + 1);
  inbox.frame(1, kVertex, body_of(1));
  EXPECT_EQ(inbox.dropped(), 2u);
}

}  // namespace
}  // namespace hanse::replica
