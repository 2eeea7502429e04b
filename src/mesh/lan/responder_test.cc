#include "mesh/lan/responder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::lan {
namespace {

const Address kAsker{.ip = {10, 0, 0, 9}, .port = kPort};
const Bytes kOurs = {10, 0, 0, 1};

struct Bench {
  explicit Bench(std::uint64_t seed = 1, std::uint16_t port = 12000)
      : random(seed), responder({"alias", txt_data({"v=1"}), port}, random, 0) {
    std::vector<Outgoing> none;
    responder.set_addresses({kOurs}, {kOurs}, 0, none);
  }
  // Turns until `end`, taking what is sent with its instant.
  void until(std::int64_t end) {
    while (responder.next_ns() <= end) {
      now = std::max(now, responder.next_ns());
      std::vector<Outgoing> out;
      responder.tick(now, out);
      take(out);
    }
    now = end;
  }
  void hold() {
    until(10 * kSecond);
    ASSERT_EQ(responder.claim(), Claim::kHeld);
    sent.clear();
  }
  void receive(const Message& message, const Address& from = kAsker) {
    std::vector<Outgoing> out;
    responder.receive(message, from, now, out);
    take(out);
  }
  void take(std::vector<Outgoing>& out) {
    for (Outgoing& one : out) sent.push_back({now, std::move(one)});
  }
  Name instance() const { return Name::of({responder.label(), "_hanse", "_udp", "local"}); }
  Name host() const { return Name::of({responder.label(), "local"}); }

  SeededRandom random;
  Responder responder;
  std::int64_t now = 0;
  std::vector<std::pair<std::int64_t, Outgoing>> sent;
};

std::vector<Type> types(const std::vector<Record>& records) {
  std::vector<Type> out;
  for (const Record& r : records) out.push_back(r.type);
  return out;
}
Message ask(const Name& name, Type type, bool unicast = false) { return {.questions = {{name, type, unicast}}}; }

TEST(Responder, probes_three_times_and_announces_twice) {
  Bench b;
  b.until(10 * kSecond);
  ASSERT_EQ(b.sent.size(), 5u);
  for (std::size_t i = 0; i < 3; ++i) {
    const Message& probe = b.sent[i].second.message;
    EXPECT_FALSE(probe.response);
    ASSERT_EQ(probe.questions.size(), 2u);
    EXPECT_EQ(probe.questions[0], (Question{b.instance(), Type::kAny, true}));
    EXPECT_EQ(probe.questions[1], (Question{b.host(), Type::kAny, true}));
    EXPECT_EQ(types(probe.authority), (std::vector{Type::kSrv, Type::kTxt, Type::kA}));
    EXPECT_EQ(b.sent[i].first - b.sent[0].first, static_cast<std::int64_t>(i) * 250 * kMs);
  }
  EXPECT_LE(b.sent[0].first, 250 * kMs);
  EXPECT_EQ(b.sent[3].first - b.sent[2].first, 250 * kMs);
  EXPECT_EQ(b.sent[4].first - b.sent[3].first, kSecond);
  for (std::size_t i = 3; i < 5; ++i) {
    const Message& m = b.sent[i].second.message;
    EXPECT_TRUE(m.response);
    EXPECT_EQ(types(m.answers), (std::vector{Type::kPtr, Type::kPtr, Type::kSrv, Type::kTxt, Type::kA}));
    for (const Record& r : m.answers) EXPECT_EQ(r.flush, r.type != Type::kPtr);
    EXPECT_EQ(srv_of(m.answers[2])->port, 12000);
    EXPECT_EQ(m.answers[0].ttl_s, 4500u);
    EXPECT_EQ(m.answers[2].ttl_s, 120u);
  }
}

TEST(Responder, a_taken_name_is_left_for_the_next) {
  Bench b;
  b.until(300 * kMs);
  const Record theirs{b.instance(), Type::kSrv, true, 120, srv_data({9, b.host()})};
  b.receive({.response = true, .answers = {theirs}});
  EXPECT_EQ(b.responder.label(), "alias-2");
  b.until(400 * kMs + 250 * kMs);
  // A record of the host under another type is enough while probing.
  b.receive({.response = true, .answers = {{b.host(), static_cast<Type>(13), true, 120, {1}}}});
  EXPECT_EQ(b.responder.label(), "alias-3");
  b.until(20 * kSecond);
  EXPECT_EQ(b.responder.claim(), Claim::kHeld);
  EXPECT_EQ(b.responder.counts().conflicts, 2u);
  EXPECT_EQ(*ptr_of(b.sent.back().second.message.answers[1]), b.instance());
}

TEST(Responder, our_own_data_or_a_farewell_is_no_conflict) {
  Bench b;
  b.until(300 * kMs);
  b.receive({.response = true,
             .answers = {{b.instance(), Type::kSrv, true, 120, srv_data({12000, b.host()})},
                         {b.host(), Type::kA, true, 120, kOurs},
                         {b.instance(), Type::kSrv, true, 0, srv_data({9, b.host()})}}});
  std::vector<Outgoing> out;
  b.responder.set_addresses({kOurs}, {kOurs, {10, 0, 1, 1}}, b.now, out);
  b.receive({.response = true, .answers = {{b.host(), Type::kA, true, 120, {10, 0, 1, 1}}}});  // our other interface
  EXPECT_EQ(b.responder.label(), "alias");
  EXPECT_EQ(b.responder.counts().conflicts, 0u);
  b.receive({.response = true, .answers = {{b.host(), Type::kA, true, 120, {10, 0, 1, 2}}}});
  EXPECT_EQ(b.responder.label(), "alias-2");
}

TEST(Responder, a_later_conflict_starts_the_claim_again_and_keeps_the_name_if_nobody_holds_it) {
  Bench b;
  b.hold();
  const Message theirs{.response = true, .answers = {{b.instance(), Type::kSrv, true, 120, srv_data({9, b.host()})}}};
  b.receive(theirs);
  b.receive(theirs);  // the same over the other family
  EXPECT_EQ(b.responder.claim(), Claim::kProbing);
  b.until(20 * kSecond);
  EXPECT_EQ(b.responder.claim(), Claim::kHeld);
  EXPECT_EQ(b.responder.label(), "alias");
  EXPECT_EQ(b.responder.counts().conflicts, 1u);
}

TEST(Responder, a_type_of_record_that_we_do_not_have_is_no_conflict_later) {
  Bench b;
  b.hold();
  b.receive({.response = true, .answers = {{b.host(), static_cast<Type>(13), true, 120, {1}}}});
  EXPECT_EQ(b.responder.claim(), Claim::kHeld);
}

TEST(Responder, after_fifteen_conflicts_it_waits_five_seconds) {
  Bench b;
  for (int i = 0; i < 14; ++i) {
    while (b.sent.empty()) b.until(b.responder.next_ns());
    b.sent.clear();
    b.receive({.response = true, .answers = {{b.host(), Type::kA, true, 120, {10, 0, 0, 7}}}});
    EXPECT_LE(b.responder.next_ns(), b.now + 250 * kMs) << i;
  }
  while (b.sent.empty()) b.until(b.responder.next_ns());
  b.receive({.response = true, .answers = {{b.host(), Type::kA, true, 120, {10, 0, 0, 7}}}});
  EXPECT_EQ(b.responder.counts().conflicts, 15u);
  EXPECT_EQ(b.responder.next_ns(), b.now + 5 * kSecond);
}

TEST(Responder, of_two_probes_the_later_records_go_on) {
  for (const std::uint16_t port : {11999, 12000, 12001}) {
    Bench b;
    b.until(300 * kMs);
    const std::size_t before = b.sent.size();
    Bench other(2, port);
    other.until(300 * kMs);
    b.receive(other.sent.front().second.message);
    EXPECT_EQ(b.responder.counts().ties_lost, port == 12001 ? 1u : 0u) << port;
    EXPECT_EQ(b.responder.label(), "alias");
    EXPECT_EQ(b.responder.next_ns() == b.now + kSecond, port == 12001);
    b.until(20 * kSecond);
    EXPECT_EQ(b.responder.claim(), Claim::kHeld);
    EXPECT_GT(b.sent.size(), before);
  }
}

TEST(Responder, ties_are_compared_by_type_then_data_as_unsigned_bytes_then_number) {
  const auto lost = [](std::vector<Record> theirs) {
    Bench b;
    b.until(300 * kMs);
    for (Record& r : theirs) r.name = b.host();
    b.receive({.questions = {{b.host(), Type::kAny, true}}, .authority = theirs});
    return b.responder.counts().ties_lost == 1;
  };
  EXPECT_TRUE(lost({{.type = Type::kA, .data = {200, 0, 0, 1}}}));  // 200 > 10, also above 127
  EXPECT_FALSE(lost({{.type = Type::kA, .data = {9, 255, 255, 255}}}));
  EXPECT_TRUE(lost({{.type = Type::kAaaa, .data = Bytes(16, 0)}}));  // a higher type
  EXPECT_FALSE(lost({{.type = static_cast<Type>(0), .data = {255}}}));
  EXPECT_TRUE(lost({{.type = Type::kAaaa, .data = Bytes(16, 1)}, {.type = Type::kA, .data = kOurs}}));  // one more
  EXPECT_FALSE(lost({{.type = Type::kA, .data = kOurs}}));                                              // the same
}

TEST(Responder, where_the_instances_are_the_same_the_hosts_decide) {
  for (const std::uint8_t last : {0, 2}) {
    Bench b;
    b.until(300 * kMs);
    Message probe = b.sent.front().second.message;
    probe.authority.back().data = {10, 0, 0, last};
    b.receive(probe);
    EXPECT_EQ(b.responder.counts().ties_lost, last == 2 ? 1u : 0u);
  }
}

TEST(Responder, answers_a_browser_after_20_to_120_ms_with_all_it_needs) {
  Bench b;
  b.hold();
  b.receive(ask(service_name(), Type::kPtr));
  EXPECT_TRUE(b.sent.empty());
  b.until(b.now + kSecond);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_GE(b.sent[0].first, 10 * kSecond + 20 * kMs);
  EXPECT_LE(b.sent[0].first, 10 * kSecond + 120 * kMs);
  EXPECT_FALSE(b.sent[0].second.to);
  EXPECT_EQ(types(b.sent[0].second.message.answers), (std::vector{Type::kPtr}));
  EXPECT_EQ(types(b.sent[0].second.message.additional), (std::vector{Type::kSrv, Type::kTxt, Type::kA}));
  b.sent.clear();
  b.receive(ask(b.host(), Type::kA));  // unique: at once, but a second after it was multicast
  b.until(b.now + 2 * kSecond);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_EQ(types(b.sent[0].second.message.answers), (std::vector{Type::kA}));
  b.sent.clear();
  b.receive(ask(Name::of({"other", "local"}), Type::kA));
  b.receive(ask(b.host(), Type::kTxt));
  b.until(b.now + 2 * kSecond);
  EXPECT_TRUE(b.sent.empty());
}

TEST(Responder, no_record_is_multicast_twice_within_a_second) {
  Bench b;
  b.hold();
  for (int i = 0; i < 500; ++i) {
    b.receive(ask(b.instance(), Type::kAny));
    b.receive(ask(service_name(), Type::kPtr));
    b.until(b.now + 10 * kMs);
  }
  std::map<std::pair<std::string, Type>, std::int64_t> last;
  std::size_t seen = 0;
  for (const auto& [at, one] : b.sent) {
    for (const auto* section : {&one.message.answers, &one.message.additional}) {
      for (const Record& r : *section) {
        const auto [found, is_new] = last.try_emplace({r.name.folded(), r.type}, at);
        EXPECT_TRUE(is_new || at - found->second >= kSecond) << r.name.text();
        found->second = at;
        ++seen;
      }
    }
  }
  EXPECT_GE(seen, 4u * 4u);
  EXPECT_LE(seen, 6u * 4u);
}

TEST(Responder, a_probe_for_its_name_is_answered_within_the_second) {
  Bench b;
  b.hold();
  const Message probe{.questions = {{b.host(), Type::kAny, false}},
                      .authority = {{b.host(), Type::kA, false, 120, {10, 0, 0, 7}}}};
  b.receive(probe);
  b.until(b.now);
  ASSERT_EQ(b.sent.size(), 1u);
  b.receive(probe);
  b.until(b.now + 249 * kMs);
  EXPECT_EQ(b.sent.size(), 1u);
  b.until(b.now + kMs);
  ASSERT_EQ(b.sent.size(), 2u);
  EXPECT_EQ(types(b.sent[1].second.message.answers), (std::vector{Type::kA}));
}

TEST(Responder, what_the_asker_knows_is_not_said) {
  for (const std::uint32_t ttl : {2249u, 2250u}) {
    Bench b;
    b.hold();
    Message m = ask(service_name(), Type::kPtr);
    m.answers.push_back({service_name(), Type::kPtr, false, ttl, ptr_data(b.instance())});
    b.receive(m);
    b.until(b.now + kSecond);
    EXPECT_EQ(b.sent.size(), ttl < 2250 ? 1u : 0u) << ttl;
  }
}

TEST(Responder, what_somebody_else_has_said_is_not_said_again) {
  const Name types_name = Name::of({"_services", "_dns-sd", "_udp", "local"});
  for (const std::uint32_t ttl : {4499u, 4500u}) {
    Bench b;
    b.hold();
    b.receive(ask(types_name, Type::kPtr));
    b.receive({.response = true, .answers = {{types_name, Type::kPtr, false, ttl, ptr_data(service_name())}}});
    b.until(b.now + kSecond);
    EXPECT_EQ(b.sent.size(), ttl < 4500 ? 1u : 0u) << ttl;
  }
}

TEST(Responder, waits_for_known_answers_that_follow) {
  Bench b;
  b.hold();
  Message first = ask(service_name(), Type::kPtr);
  first.truncated = true;
  const Message rest{.answers = {{service_name(), Type::kPtr, false, 4000, ptr_data(b.instance())}}};
  b.receive(first);
  b.until(b.now + 300 * kMs);
  b.receive(rest);
  b.until(b.now + 2 * kSecond);
  EXPECT_TRUE(b.sent.empty());
  const std::int64_t start = b.now;
  b.receive(first);
  b.receive(rest, {.ip = {10, 0, 0, 8}, .port = kPort});  // of somebody else
  b.until(b.now + 2 * kSecond);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_GE(b.sent[0].first - start, 400 * kMs);
  EXPECT_LE(b.sent[0].first - start, 500 * kMs);
}

TEST(Responder, waits_longer_while_more_known_answers_are_announced) {
  Bench b;
  b.hold();
  Message m = ask(service_name(), Type::kPtr);
  m.truncated = true;
  b.receive(m);
  b.until(b.now + 390 * kMs);
  b.receive({.truncated = true});
  b.until(b.now + 390 * kMs);
  EXPECT_TRUE(b.sent.empty());
  b.until(b.now + 110 * kMs);
  EXPECT_EQ(b.sent.size(), 1u);
}

TEST(Responder, one_asker_too_many_with_more_to_send_is_answered_at_once) {
  Bench b;
  b.hold();
  Message m = ask(service_name(), Type::kPtr);
  m.truncated = true;
  for (std::size_t i = 0; i < kPendingMax; ++i)
    b.receive(m, {.ip = {10, 0, 1, static_cast<std::uint8_t>(i)}, .port = kPort});
  EXPECT_EQ(b.responder.counts().pending_refused, 0u);
  b.until(b.now + 200 * kMs);
  EXPECT_TRUE(b.sent.empty());
  b.receive(m, {.ip = {10, 0, 2, 0}, .port = kPort});
  EXPECT_EQ(b.responder.counts().pending_refused, 1u);
  b.until(b.now + 130 * kMs);
  EXPECT_EQ(b.sent.size(), 1u);
}

TEST(Responder, an_asker_alone_is_answered_alone_if_all_have_heard_it_lately) {
  Bench b;
  b.hold();  // multicast eight seconds ago: SRV within a quarter of 120 s
  b.receive(ask(b.instance(), Type::kSrv, true));
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_EQ(b.sent[0].second.to, kAsker);
  b.until(60 * kSecond);
  b.sent.clear();
  b.receive(ask(b.instance(), Type::kSrv, true));
  b.until(b.now);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_FALSE(b.sent[0].second.to);
}

TEST(Responder, a_plain_resolver_gets_an_answer_it_understands) {
  Bench b;
  b.hold();
  Message m = ask(service_name(), Type::kPtr);
  m.id = 77;
  const Address resolver{.ip = {10, 0, 0, 9}, .port = 40'000};
  b.receive(m, resolver);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_EQ(b.sent[0].second.to, resolver);
  const Message& answer = b.sent[0].second.message;
  EXPECT_EQ(answer.id, 77);
  EXPECT_EQ(answer.questions, m.questions);
  EXPECT_EQ(types(answer.answers), (std::vector{Type::kPtr, Type::kSrv, Type::kTxt, Type::kA}));
  for (const Record& r : answer.answers) {
    EXPECT_LE(r.ttl_s, 10u);
    EXPECT_FALSE(r.flush);
  }
}

TEST(Responder, answers_to_single_askers_are_twenty_a_second) {
  Bench b;
  b.hold();
  for (std::uint32_t i = 0; i <= kUnicastPerSecondMax; ++i) b.receive(ask(b.instance(), Type::kSrv, true));
  EXPECT_EQ(b.sent.size(), kUnicastPerSecondMax);
  EXPECT_EQ(b.responder.counts().unicast_refused, 1u);
  b.until(b.now + kSecond);
  b.receive(ask(b.instance(), Type::kSrv, true));
  EXPECT_EQ(b.sent.size(), kUnicastPerSecondMax + 1);
}

TEST(Responder, nothing_is_answered_before_the_name_is_held) {
  Bench b;
  b.until(400 * kMs);
  b.sent.clear();
  b.receive(ask(service_name(), Type::kPtr));
  b.receive(ask(service_name(), Type::kPtr, true));
  b.receive(ask(service_name(), Type::kPtr), {.ip = {10, 0, 0, 9}, .port = 40'000});
  for (const auto& [at, one] : b.sent) EXPECT_FALSE(one.message.response);
  EXPECT_TRUE(b.sent.empty());
}

TEST(Responder, a_new_address_is_announced_and_an_old_one_ended) {
  Bench b;
  b.hold();
  const Bytes next = {10, 0, 0, 2};
  std::vector<Outgoing> out;
  b.responder.set_addresses({next}, {next}, b.now, out);
  b.take(out);
  b.until(b.now + 3 * kSecond);
  ASSERT_EQ(b.sent.size(), 3u);
  EXPECT_EQ(b.sent[0].second.message.answers, (std::vector<Record>{{b.host(), Type::kA, false, 0, kOurs}}));
  EXPECT_EQ(b.sent[1].second.message.answers.back().data, next);
  EXPECT_EQ(b.responder.claim(), Claim::kHeld);
}

TEST(Responder, seventeen_addresses_are_sixteen) {
  Bench b;
  std::vector<Bytes> many;
  for (std::uint8_t i = 0; i < kAddressesMax + 1; ++i) many.push_back({10, 0, 0, i});
  std::vector<Outgoing> out;
  b.responder.set_addresses(many, {many.begin(), many.end()}, 0, out);
  b.until(10 * kSecond);
  EXPECT_EQ(b.sent.back().second.message.answers.size(), 4 + kAddressesMax);
  for (const Record& r : b.sent.back().second.message.answers) EXPECT_NE(r.data, many.back());
}

TEST(Responder, takes_its_leave) {
  Bench b;
  b.hold();
  std::vector<Outgoing> out;
  b.responder.stop(out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(types(out[0].message.answers), (std::vector{Type::kPtr, Type::kSrv, Type::kTxt, Type::kA}));
  for (const Record& r : out[0].message.answers) EXPECT_EQ(r.ttl_s, 0u);
  b.receive(ask(service_name(), Type::kPtr));
  EXPECT_EQ(b.responder.next_ns(), kNever);
  out.clear();
  Bench(5).responder.stop(out);
  EXPECT_TRUE(out.empty());  // nothing was announced
}

}  // namespace
}  // namespace hanse::lan
