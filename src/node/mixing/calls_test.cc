// Calls and exits over a line that loses, doubles and reorders what it carries, in virtual time.
#include "node/mixing/calls.h"

#include <gtest/gtest.h>

namespace hanse::mixing {
namespace {

constexpr const router::Geometry& kGeometry = router::kXWingGeometry;
constexpr std::int64_t kMs = 1'000'000;

router::NodeId node(std::uint8_t number) {
  router::NodeId out;
  out.data[0] = number;
  return out;
}
router::Surb block() {
  return {.layers = 1, .epoch = 1, .first = {}, .header = Bytes(kGeometry.header(1)), .reply_key = {}};
}
router::Message copy(const router::Message& m, std::size_t surbs) {
  router::Message out{
      .kind = m.kind, .id = m.id, .fragment = m.fragment, .fragments = m.fragments, .surbs = {}, .body = m.body};
  for (std::size_t i = 0; i < surbs; ++i) out.surbs.push_back(block());
  return out;
}
Bytes answer_to(const Bytes& question, std::size_t size) {
  SeededRandom random(question.size(), "answer");
  Bytes out(size);
  random.fill(out);
  return out;
}

struct Line {
  explicit Line(std::uint64_t seed) : random(seed, "line"), calls(kGeometry, random) {
    for (std::uint8_t n = 1; n <= 3; ++n) exits.emplace(node(n), kGeometry);
  }
  struct Flying {
    std::optional<router::NodeId> to;  // none: to the caller
    router::Message message;
  };
  void fly(std::optional<router::NodeId> to, const router::Message& m, std::size_t surbs) {
    ++carried;
    EXPECT_TRUE(router::encode_message(kGeometry, copy(m, surbs), random));  // fits a cell
    for (int copies = random.below(100) < doubles ? 2 : 1; copies > 0; --copies)
      if (random.below(100) >= loses)
        flying.emplace(now + static_cast<std::int64_t>(random.below(200) * kMs), Flying{to, copy(m, surbs)});
  }
  void send(Calls::Sends sends) {
    for (Calls::Send& s : sends) {
      fly(s.exit, s.message, s.surbs);
      calls.expect(s.call, now + 400 * kMs);
    }
  }
  void reply(const router::NodeId& exit, Exit::Effects effects) {
    for (Exit::Reply& r : effects.replies) fly(std::nullopt, r.message, 0);
    if (!effects.run) return;
    ++worked;
    reply(exit, exits.at(exit).answered(now, effects.run->id, answer_to(effects.run->body, answer_bytes)));
  }
  void step() {
    const std::int64_t next = flying.empty() ? calls.next_ns() : std::min(flying.begin()->first, calls.next_ns());
    now = std::max(now, next);
    if (!flying.empty() && flying.begin()->first <= now) {
      Flying one = std::move(flying.begin()->second);
      flying.erase(flying.begin());
      if (!one.to)
        send(calls.take(now, std::move(one.message)));
      else if (!dead.contains(*one.to))
        reply(*one.to, exits.at(*one.to).take(now, std::move(one.message)));
    } else {
      send(calls.tick(now));
    }
    for (auto& [id, exit] : exits) exit.expire(now);
  }
  Result<Bytes> ask(const Bytes& question, std::vector<router::NodeId> whom) {
    TRY(Calls::Begun begun, calls.begin(now, router::Lane::kFlash, std::move(whom), question));
    send(std::move(begun.sends));
    for (int i = 0; i < 100'000; ++i) {
      if (auto ended = calls.ended(begun.call)) return std::move(*ended);
      step();
    }
    return fail(Kind::kTimeout, "test.timeout", "no answer");
  }

  SeededRandom random;
  Calls calls;
  std::map<router::NodeId, Exit> exits;
  std::set<router::NodeId> dead;
  std::multimap<std::int64_t, Flying> flying;
  std::int64_t now = 0;
  std::uint64_t loses = 0, doubles = 0;
  std::size_t answer_bytes = 100, worked = 0, carried = 0;
};

TEST(MixCalls, every_size_of_question_and_answer_arrives_over_a_line_that_loses_doubles_and_reorders) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Line line(seed);
    line.loses = seed % 4 * 15;
    line.doubles = seed % 3 * 20;
    for (const std::size_t question : {0u, 1'204u, 1'205u, 30'000u, 300'000u})
      for (const std::size_t answer : {0u, 11'188u, 11'189u, 22'377u, 500'000u}) {
        line.answer_bytes = answer;
        const Bytes asked(question, 7);
        const auto got = line.ask(asked, {node(1), node(2), node(3)});
        ASSERT_TRUE(got) << "seed " << seed << ", " << question << " bytes: " << got.error().str();
        ASSERT_EQ(*got, answer_to(asked, answer)) << "seed " << seed;
      }
    EXPECT_EQ(line.calls.under_way(), 0u);
  }
}

TEST(MixCalls, without_loss_a_question_is_worked_out_once_and_nothing_is_sent_twice) {
  Line line(1);
  line.answer_bytes = 20'000;
  ASSERT_TRUE(line.ask(Bytes(20'000), {node(1)}));
  EXPECT_EQ(line.worked, 1u);
  EXPECT_EQ(line.carried, 3u + 2u);
  EXPECT_EQ(line.calls.repeats(), 0u);
}

TEST(MixCalls, only_lost_fragments_are_sent_again) {
  Line line(1);
  auto begun = line.calls.begin(0, router::Lane::kDeep, {node(1)}, Bytes(100'000));
  ASSERT_TRUE(begun);
  ASSERT_EQ(begun->sends.size(), 10u);
  Exit& exit = line.exits.at(node(1));
  for (const Calls::Send& s : begun->sends)  // all but 3 and 7
    if (s.message.fragment != 3 && s.message.fragment != 7) {
      EXPECT_TRUE(exit.take(0, copy(s.message, s.surbs)).replies.empty());
    }
  line.calls.expect(begun->call, 50'000 * kMs);
  EXPECT_TRUE(line.calls.tick(50'000 * kMs + kSlackNs - 1).empty());
  const auto poll = line.calls.tick(50'000 * kMs + kSlackNs);
  ASSERT_EQ(poll.size(), 1u);
  EXPECT_EQ(poll[0].lane, router::Lane::kDeep);  // no other lane is ever taken
  auto told = exit.take(0, copy(poll[0].message, poll[0].surbs));
  ASSERT_EQ(told.replies.size(), 1u);
  const auto again = line.calls.take(60'000 * kMs, std::move(told.replies[0].message));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_FALSE(exit.take(0, copy(again[0].message, again[0].surbs)).run);
  const auto whole = exit.take(0, copy(again[1].message, again[1].surbs));
  ASSERT_TRUE(whole.run);
  EXPECT_EQ(whole.run->body, Bytes(100'000));
}

TEST(MixCalls, a_dead_exit_is_left_for_another_under_another_id) {
  Line line(5);
  line.dead = {node(1), node(2)};
  const auto begun = line.calls.begin(0, router::Lane::kFlash, {node(1), node(3)}, Bytes(10));
  ASSERT_TRUE(begun);
  const router::MessageId first = begun->sends[0].message.id;
  line.calls.forget(begun->call);
  ASSERT_TRUE(line.ask(Bytes(5'000), {node(1), node(2), node(3)}));
  EXPECT_EQ(line.calls.other_exits(), 2u);
  EXPECT_EQ(line.worked, 1u);
  EXPECT_FALSE(line.calls.knows(first));
}

TEST(MixCalls, one_call_past_the_limit_no_exit_and_a_question_too_long_are_refused) {
  Line line(1);
  EXPECT_EQ(line.calls.begin(0, router::Lane::kFlash, {}, Bytes(1)).error().id(), "mixing.no_exit");
  EXPECT_EQ(line.calls.begin(0, router::Lane::kFlash, {node(1)}, Bytes(4u << 20)).error().id(), "router.message");
  for (std::size_t i = 0; i < kCallsMax; ++i)
    ASSERT_TRUE(line.calls.begin(0, router::Lane::kFlash, {node(1)}, Bytes(1)));
  EXPECT_EQ(line.calls.begin(0, router::Lane::kFlash, {node(1)}, Bytes(1)).error().id(), "mixing.limit");
}

TEST(MixCalls, what_cannot_be_sent_ends_its_call_with_the_reason) {
  Line line(1);
  const auto begun = line.calls.begin(0, router::Lane::kDeep, {node(1), node(2)}, Bytes(1));
  line.calls.failed(0, begun->sends[0].message.id, Error(Kind::kUnavailable, "router.anon_set_too_small", "few"));
  EXPECT_EQ(line.calls.ended(begun->call)->error().id(), "router.anon_set_too_small");
  EXPECT_EQ(line.calls.under_way(), 0u);
}

TEST(MixCalls, an_exit_without_a_path_is_left_at_once_and_when_none_has_one_the_call_ends) {
  Line line(1);
  const Error none(Kind::kUnavailable, "router.no_path", "a stratum has no mix");
  const auto begun = line.calls.begin(0, router::Lane::kDeep, {node(1), node(2)}, Bytes(20'000));
  ASSERT_EQ(begun->sends.size(), 3u);
  for (const Calls::Send& s : begun->sends) line.calls.failed(5, s.message.id, none);  // one exit, three fragments
  EXPECT_FALSE(line.calls.ended(begun->call));
  EXPECT_EQ(line.calls.next_ns(), 5);
  const auto second = line.calls.tick(5);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].exit, node(2));
  EXPECT_NE(second[0].message.id, begun->sends[0].message.id);
  line.calls.failed(6, second[0].message.id, none);
  EXPECT_EQ(line.calls.ended(begun->call)->error().id(), "router.no_path");
}

// ---- an exit alone -------------------------------------------------------------------------------------------------

struct ExitAlone : testing::Test {
  router::Message question(std::uint8_t number, std::size_t size = 10) {
    router::Message out = copy({.kind = kCallKind, .id = {}, .surbs = {}, .body = Bytes(size)}, 2);
    out.id.data[0] = number;
    out.id.data[1] = 1;
    return out;
  }
  bool runs(Exit& exit, std::uint8_t number) { return exit.take(0, question(number)).run.has_value(); }
  std::size_t replies(Exit& exit, std::uint8_t number) { return exit.take(0, question(number)).replies.size(); }
  void answer(Exit& exit, std::uint8_t number, std::size_t size, std::int64_t now_ns = 0) {
    (void)exit.answered(now_ns, question(number).id, Bytes(size));
  }
};

TEST_F(ExitAlone, works_on_so_many_questions_at_once_and_passes_over_the_next) {
  Exit exit(kGeometry, {.running_max = 2});
  EXPECT_TRUE(runs(exit, 1));
  EXPECT_TRUE(runs(exit, 2));
  EXPECT_FALSE(runs(exit, 3));
  EXPECT_EQ(exit.refused(), 1u);
  EXPECT_FALSE(runs(exit, 1));  // it runs
  answer(exit, 1, 10);
  EXPECT_TRUE(runs(exit, 3));
}

TEST_F(ExitAlone, knows_so_many_calls_and_no_more) {
  Exit exit(kGeometry, {.calls_max = 2});
  EXPECT_TRUE(runs(exit, 1));
  answer(exit, 1, 10);
  EXPECT_TRUE(runs(exit, 2));
  EXPECT_FALSE(runs(exit, 3));
  EXPECT_EQ(replies(exit, 1), 1u);
}

TEST_F(ExitAlone, keeps_answers_for_a_while_and_within_their_bytes) {
  Exit exit(kGeometry, {.answer_bytes_max = 100, .keep_ns = 1'000});
  ASSERT_TRUE(runs(exit, 1) && runs(exit, 2));
  answer(exit, 1, 60, 0);
  EXPECT_EQ(replies(exit, 1), 1u);  // again
  answer(exit, 2, 40, 1);
  EXPECT_EQ(replies(exit, 1), 1u);
  ASSERT_TRUE(runs(exit, 3));
  answer(exit, 3, 1, 2);  // one byte past: the oldest goes
  EXPECT_EQ(replies(exit, 2), 1u);
  EXPECT_TRUE(runs(exit, 1));
  answer(exit, 1, 101, 3);  // none at all: more than may be kept
  EXPECT_EQ(replies(exit, 1), 0u);
  exit.expire(1'000);
  EXPECT_EQ(replies(exit, 2), 1u);
  exit.expire(1'001);
  EXPECT_TRUE(runs(exit, 2));
}

TEST_F(ExitAlone, answers_by_every_block_once_and_forgets_what_never_came_whole) {
  Exit exit(kGeometry, {.assembly = {.age_ns = 10}});
  ASSERT_TRUE(runs(exit, 1));
  EXPECT_EQ(exit.answered(0, question(1).id, Bytes(50'000)).replies.size(), 2u);
  EXPECT_TRUE(exit.answered(0, question(1).id, Bytes(1)).replies.empty());  // it was answered
  router::Message more = question(1);
  more.kind = kMoreKind;
  more.body = encode_numbers({4, 5, 2});  // 5 is past the end
  const auto got = exit.take(0, std::move(more));
  ASSERT_EQ(got.replies.size(), 2u);
  EXPECT_EQ(got.replies[0].message.fragment, 4u);
  EXPECT_EQ(got.replies[1].message.fragment, 2u);
  more = question(9);
  more.kind = kMoreKind;
  EXPECT_TRUE(exit.take(0, std::move(more)).replies.empty());
  EXPECT_EQ(exit.refused(), 1u);
  router::Message part = question(2);
  part.fragments = 2;
  EXPECT_FALSE(exit.take(0, std::move(part)).run);
  EXPECT_EQ(exit.calls(), 2u);
  exit.expire(10);
  EXPECT_EQ(exit.calls(), 1u);
}

TEST(ExitWire, numbers_are_read_back_and_odd_or_too_many_bytes_are_none) {
  const std::vector<std::uint16_t> numbers{0, 7, 65'535};
  EXPECT_EQ(decode_numbers(encode_numbers(numbers)), numbers);
  EXPECT_FALSE(decode_numbers(Bytes(3)));
  EXPECT_TRUE(decode_numbers(Bytes(2 * router::kFragmentsMax)));
  EXPECT_FALSE(decode_numbers(Bytes(2 * router::kFragmentsMax + 2)));
}

}  // namespace
}  // namespace hanse::mixing
