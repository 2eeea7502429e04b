#include "mesh/lan/cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"

namespace hanse::lan {
namespace {

Name instance(const std::string& label) { return Name::of({label, "_hanse", "_udp", "local"}); }
Name host(const std::string& label) { return Name::of({label, "local"}); }
Record ptr(const std::string& label, std::uint32_t ttl_s = 4500) {
  return {service_name(), Type::kPtr, false, ttl_s, ptr_data(instance(label))};
}
Record srv(const std::string& label, std::uint16_t port = 12000) {
  return {instance(label), Type::kSrv, true, 120, srv_data({port, host(label)})};
}
const std::string kId = "id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
Record txt(const std::string& label, const std::vector<std::string>& strings = {"v=1", kId, "net=01020304"}) {
  return {instance(label), Type::kTxt, true, 4500, txt_data(strings)};
}
Record address(const std::string& label, Bytes ip = {10, 0, 0, 2}, bool flush = true) {
  const Type type = ip.size() == 4 ? Type::kA : Type::kAaaa;
  return {host(label), type, flush, 120, std::move(ip)};
}
Message all_of(const std::string& label) {
  return {.response = true, .answers = {address(label), ptr(label)}, .additional = {srv(label), txt(label)}};
}

struct Bench {
  void until(std::int64_t end) {
    while (cache.next_ns() <= end) {
      now = std::max(now, cache.next_ns());
      std::vector<Outgoing> out;
      changes += cache.tick(now, out);
      for (Outgoing& one : out) sent.push_back({now, std::move(one.message)});
    }
    now = end;
  }
  bool receive(std::vector<Record> answers) {
    return cache.receive({.response = true, .answers = std::move(answers)}, now);
  }
  std::vector<std::int64_t> asked(const Name& name, Type type) const {
    std::vector<std::int64_t> out;
    for (const auto& [at, m] : sent)
      for (const Question& q : m.questions)
        if (q.name == name && q.type == type) out.push_back(at);
    return out;
  }

  SeededRandom random{3};
  Cache cache{random, 0};
  std::int64_t now = 0;
  int changes = 0;
  std::vector<std::pair<std::int64_t, Message>> sent;
};

TEST(Cache, one_message_makes_a_hint_whatever_its_order) {
  Bench b;
  EXPECT_TRUE(b.cache.receive(all_of("peer"), 0));
  const auto hints = b.cache.hints(7);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_TRUE(hints[0].peer.is_zero());
  EXPECT_EQ(hints[0].network, (std::array<std::uint8_t, 4>{1, 2, 3, 4}));
  EXPECT_EQ(hints[0].addresses, (std::vector<Address>{{.ip = {10, 0, 0, 2}, .port = 12000}}));
  EXPECT_EQ(hints[0].interface, 7u);
  EXPECT_EQ(hints[0].instance, "peer");
  EXPECT_FALSE(b.cache.receive(all_of("peer"), 0));
}

TEST(Cache, asks_after_1_2_4_seconds_and_at_last_every_hour) {
  Bench b;
  b.until(5 * 3600 * kSecond);
  const auto at = b.asked(service_name(), Type::kPtr);
  ASSERT_GT(at.size(), 14u);
  EXPECT_GE(at[0], 20 * kMs);
  EXPECT_LE(at[0], 120 * kMs);
  for (std::size_t i = 1; i < at.size(); ++i)
    EXPECT_EQ(at[i] - at[i - 1], i <= 12 ? kSecond << (i - 1) : 3600 * kSecond) << i;
  EXPECT_TRUE(b.sent[0].second.questions[0].unicast);
  EXPECT_FALSE(b.sent[1].second.questions[0].unicast);
}

TEST(Cache, asks_again_before_the_end_of_a_record_and_forgets_it_at_its_end) {
  Bench b;
  b.until(10 * kSecond);
  b.cache.receive(all_of("peer"), b.now);
  const std::int64_t start = b.now;
  b.until(start + 119 * kSecond);
  const auto at = b.asked(instance("peer"), Type::kSrv);
  ASSERT_EQ(at.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::int64_t percent = 80 + 5 * static_cast<std::int64_t>(i);
    EXPECT_GE(at[i] - start, percent * 1200 * kMs) << i;
    EXPECT_LE(at[i] - start, (percent + 2) * 1200 * kMs + kSecond) << i;  // at most a message a second
  }
  EXPECT_EQ(b.cache.hints(1).size(), 1u);
  b.changes = 0;
  b.until(start + 120 * kSecond);
  EXPECT_GE(b.changes, 1);
  EXPECT_TRUE(b.cache.hints(1).empty());
  b.until(start + 4500 * kSecond);
  EXPECT_EQ(b.cache.size(), 0u);
}

TEST(Cache, an_answer_starts_the_time_anew) {
  Bench b;
  b.cache.receive(all_of("peer"), 0);
  b.until(100 * kSecond);
  b.receive({srv("peer"), address("peer")});
  b.until(219 * kSecond);
  EXPECT_EQ(b.cache.hints(1).size(), 1u);
}

TEST(Cache, says_which_it_knows_with_more_than_half_its_time) {
  Bench b;
  b.receive({ptr("one"), ptr("two", 100)});
  b.until(40 * kSecond);
  const auto asked = [&] {
    for (auto it = b.sent.rbegin(); it != b.sent.rend(); ++it)
      if (it->second.questions.at(0).name == service_name()) return it->second.answers;
    return std::vector<Record>();
  };
  ASSERT_EQ(asked().size(), 2u);
  EXPECT_EQ(asked()[0].ttl_s, 4500u - 32u);
  b.until(70 * kSecond);
  ASSERT_EQ(asked().size(), 1u);
  EXPECT_EQ(asked()[0].data, ptr_data(instance("one")));
}

TEST(Cache, many_known_answers_go_in_several_messages) {
  Bench b;
  std::vector<Record> many;
  for (int i = 0; i < 120; ++i) many.push_back(ptr(text("a-peer-with-a-rather-long-name-{}", i)));
  b.receive(many);
  std::vector<Outgoing> out;
  b.cache.tick(120 * kMs, out);
  ASSERT_GT(out.size(), 3u);
  std::size_t known = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_LE(encode_message(out[i].message).size(), 1450u + (i == 0 ? 32 * 50 : 0));
    EXPECT_EQ(out[i].message.questions.empty(), i > 0);
    EXPECT_EQ(out[i].message.truncated, i + 1 < out.size());
    known += out[i].message.answers.size();
  }
  EXPECT_EQ(known, 120u);
}

TEST(Cache, asks_four_times_for_what_is_lacking) {
  Bench b;
  b.until(100 * kSecond);
  b.receive({ptr("peer")});
  b.until(b.now + 60 * kSecond);
  EXPECT_EQ(b.asked(instance("peer"), Type::kSrv).size(), 4u);
  EXPECT_EQ(b.asked(instance("peer"), Type::kTxt).size(), 4u);
  Bench c;
  c.until(100 * kSecond);
  c.receive({ptr("peer"), srv("peer"), txt("peer")});
  c.until(c.now + 5 * kSecond);
  EXPECT_TRUE(c.asked(instance("peer"), Type::kSrv).empty());
  EXPECT_EQ(c.asked(host("peer"), Type::kA).size(), 3u);
  EXPECT_EQ(c.asked(host("peer"), Type::kAaaa).size(), 3u);
  c.receive({address("peer")});
  c.until(c.now + 20 * kSecond);
  EXPECT_EQ(c.asked(host("peer"), Type::kA).size(), 3u);
  EXPECT_EQ(c.cache.hints(1).size(), 1u);
}

TEST(Cache, sends_one_message_a_second) {
  Bench b;
  for (int i = 0; i < 200; ++i) {
    b.receive({ptr(text("p{}", i % 250)), srv(text("p{}", i))});
    b.until(b.now + 30 * kMs);
  }
  b.until(b.now + 10 * kSecond);
  std::int64_t last = -kSecond;
  std::size_t starts = 0;
  for (const auto& [at, m] : b.sent) {
    if (m.questions.empty()) continue;  // carries on known answers
    EXPECT_LE(m.questions.size(), 32u);
    EXPECT_GE(at - last, kSecond);
    last = at;
    ++starts;
  }
  EXPECT_GT(starts, 10u);
}

TEST(Cache, a_farewell_counts_after_a_second_unless_it_is_taken_back) {
  Bench b;
  b.cache.receive(all_of("peer"), 0);
  b.until(10 * kSecond);
  b.receive({ptr("peer", 0)});
  b.until(10 * kSecond + 999 * kMs);
  EXPECT_EQ(b.cache.hints(1).size(), 1u);
  b.until(11 * kSecond);
  EXPECT_TRUE(b.cache.hints(1).empty());
  Bench c;
  c.cache.receive(all_of("peer"), 0);
  c.receive({ptr("peer", 0)});
  c.receive({ptr("peer")});
  c.until(5 * kSecond);
  EXPECT_EQ(c.cache.hints(1).size(), 1u);
}

TEST(Cache, the_flush_bit_ends_what_is_older_than_a_second) {
  Bench b;
  b.cache.receive(all_of("peer"), 0);
  b.receive({address("peer", {10, 0, 0, 3}, false)});
  b.until(kSecond);
  b.receive({address("peer", {10, 0, 0, 4})});  // not older: of one burst of announcements
  b.until(2 * kSecond + 500 * kMs);
  EXPECT_EQ(b.cache.hints(1).at(0).addresses.size(), 3u);
  b.receive({address("peer", {10, 0, 0, 4})});
  EXPECT_EQ(b.cache.hints(1).at(0).addresses.size(), 3u);
  b.until(3 * kSecond + 500 * kMs);
  ASSERT_EQ(b.cache.hints(1).size(), 1u);
  EXPECT_EQ(b.cache.hints(1)[0].addresses, (std::vector<Address>{{.ip = {10, 0, 0, 4}, .port = 12000}}));
}

TEST(Cache, what_nobody_asked_for_is_not_kept) {
  Bench b;
  EXPECT_FALSE(b.receive({{Name::of({"_http", "_tcp", "local"}), Type::kPtr, false, 100, ptr_data(instance("x"))},
                          {service_name(), Type::kPtr, false, 100, ptr_data(host("elsewhere"))},
                          {Name::of({"x", "_http", "_tcp", "local"}), Type::kSrv, true, 100, srv_data({1, host("x")})},
                          address("nobody"),
                          {instance("x"), static_cast<Type>(47), true, 100, {1}}}));
  EXPECT_EQ(b.cache.size(), 0u);
}

TEST(Cache, a_hint_needs_version_id_and_network) {
  const std::vector<std::vector<std::string>> bad = {
      {"v=2", kId, "net=01020304"},     {kId, "net=01020304"},
      {"v=1", "net=01020304"},          {"v=1", kId},
      {"v=1", kId, "net=0102030"},      {"v=1", kId, "net=0102030405"},
      {"v=1", "id=aa", "net=01020304"}, {"v=1", "id=1" + kId.substr(4), "net=01020304"}};
  for (const auto& strings : bad) {
    Bench b;
    b.receive({ptr("peer"), srv("peer"), txt("peer", strings), address("peer")});
    EXPECT_EQ(b.cache.size(), 4u);
    EXPECT_TRUE(b.cache.hints(1).empty()) << strings.back();
  }
}

TEST(Cache, addresses_that_are_never_dialled_are_left_out) {
  Bench b;
  Bytes loopback(16, 0);
  loopback[15] = 1;
  b.receive({ptr("peer"), srv("peer"), txt("peer"), address("peer", {127, 0, 0, 1}), address("peer", {224, 0, 0, 5}),
             address("peer", loopback)});
  EXPECT_EQ(b.cache.size(), 6u);
  EXPECT_TRUE(b.cache.hints(1).empty());
  Bench c;
  c.receive({ptr("peer"), srv("peer", 0), txt("peer"), address("peer")});
  EXPECT_TRUE(c.cache.hints(1).empty());
}

TEST(Cache, a_ttl_counts_for_75_minutes_at_most) {
  Bench b;
  b.receive({ptr("peer", UINT32_MAX)});
  b.until(4499 * kSecond);
  EXPECT_EQ(b.cache.size(), 1u);
  b.until(4500 * kSecond);
  EXPECT_EQ(b.cache.size(), 0u);
}

TEST(Cache, keeps_so_many_and_no_more) {
  Bench b;
  for (std::size_t i = 0; i < kInstancesMax; ++i) b.receive({ptr(text("p{}", i))});
  EXPECT_EQ(b.cache.counts().refused, 0u);
  b.receive({ptr("one-more")});
  EXPECT_EQ(b.cache.counts().refused, 1u);
  EXPECT_EQ(b.cache.size(), kInstancesMax);
  b.receive({ptr("p0")});  // known already
  EXPECT_EQ(b.cache.counts().refused, 1u);

  b.receive({srv("p0")});
  for (std::uint8_t i = 0; i <= kPerNameMax; ++i) b.receive({address("p0", {10, 0, 0, i}, false)});
  EXPECT_EQ(b.cache.counts().refused, 2u);
  EXPECT_EQ(b.cache.size(), kInstancesMax + 1 + kPerNameMax);

  for (std::uint16_t i = 0; b.cache.size() < kCachedMax; ++i) b.receive({txt(text("q{}", i / 16), {text("x={}", i)})});
  EXPECT_EQ(b.cache.counts().refused, 2u);
  b.receive({txt("other")});
  EXPECT_EQ(b.cache.counts().refused, 3u);
  EXPECT_EQ(b.cache.size(), kCachedMax);
}

TEST(Cache, an_instance_that_ended_makes_room) {
  Bench b;
  for (std::size_t i = 0; i < kInstancesMax; ++i) b.receive({ptr(text("p{}", i), 10)});
  b.until(10 * kSecond);
  EXPECT_EQ(b.cache.size(), 0u);
  EXPECT_TRUE(b.receive({ptr("later")}));
}

}  // namespace
}  // namespace hanse::lan
