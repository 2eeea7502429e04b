#include "exchange/router/assembly.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "exchange/router/onion_world_test.h"

namespace hanse::router {
namespace {

constexpr AssemblyLimits kSmall{.messages_max = 2, .bytes_max = 30'000, .age_ns = 1'000};

Message copy(const Message& m) {
  return {.kind = m.kind, .id = m.id, .fragment = m.fragment, .fragments = m.fragments, .surbs = {}, .body = m.body};
}

class MixAssembly : public testing::TestWithParam<Geometry> {
 protected:
  std::vector<Message> cut(std::size_t size, std::size_t surbs = 0, Carries carries = Carries::kRequest) {
    whole_ = world_.message(size);
    auto out = fragments_of(g_, carries, surbs, copy(whole_));
    EXPECT_TRUE(out) << out.error().str();
    return std::move(*out);
  }
  OnionWorld world_{GetParam()};
  const Geometry& g_ = world_.geometry;
  Message whole_;
};
INSTANTIATE_TEST_SUITE_P(Suites, MixAssembly, testing::Values(kXWingGeometry, kMlKemGeometry),
                         [](const auto& i) { return std::string(crypto::kem_alg_name(i.param.kem)); });

std::string error_of(const Result<Assembly::Added>& added) { return added ? "" : std::string(added.error().id()); }

TEST_P(MixAssembly, a_body_of_any_size_comes_together_in_any_order_and_twice_sent_changes_nothing) {
  for (const std::size_t surbs : {std::size_t{0}, surbs_max(g_)}) {
    const std::size_t first = body_max(g_, Carries::kRequest, surbs), other = body_max(g_, Carries::kRequest, 0);
    for (const std::size_t size :
         {std::size_t{0}, first, first + 1, first + other, first + other + 1, first + 7 * other}) {
      auto fragments = cut(size, surbs);
      EXPECT_EQ(fragments.size(), size <= first ? 1u : 1 + (size - first + other - 1) / other) << size;
      for (Message& m : fragments) {  // each fits, the first one with its blocks
        for (std::size_t i = 0; m.fragment == 0 && i < surbs; ++i)
          m.surbs.push_back({.layers = 1, .epoch = 1, .first = {}, .header = Bytes(g_.header(1)), .reply_key = {}});
        ASSERT_TRUE(encode_message(g_, m, world_.random));
      }
      std::ranges::reverse(fragments);
      std::rotate(fragments.begin(), fragments.begin() + static_cast<std::ptrdiff_t>(fragments.size() / 2),
                  fragments.end());
      Assembly assembly;
      for (std::size_t i = 0; i < fragments.size(); ++i) {
        EXPECT_EQ(assembly.missing(whole_.id).size(), i == 0 ? 0 : fragments.size() - i);
        auto added = assembly.add(0, fragments[i]);
        ASSERT_TRUE(added) << added.error().str();
        ASSERT_EQ(added->whole.has_value(), i + 1 == fragments.size());
        EXPECT_EQ(added->whole.value_or(whole_.body), whole_.body);
        EXPECT_TRUE(added->whole || assembly.add(0, fragments[i])->repeated);
      }
      EXPECT_EQ(assembly.messages(), 0u);
      EXPECT_EQ(assembly.bytes(), 0u);
    }
  }
}

TEST_P(MixAssembly, what_contradicts_an_earlier_fragment_is_refused_and_the_earlier_one_holds) {
  const auto fragments = cut(25'000);
  Assembly assembly;
  ASSERT_TRUE(assembly.add(0, fragments[0]));
  const auto with = [&](std::size_t of, auto change) {
    Message m = copy(fragments[of]);
    change(m);
    return error_of(assembly.add(0, m));
  };
  EXPECT_EQ(with(1, [](Message& m) { ++m.fragments; }), "router.fragment");
  EXPECT_EQ(with(1, [](Message& m) { --m.fragments; }), "router.fragment");
  EXPECT_EQ(with(1, [](Message& m) { ++m.kind; }), "router.fragment");
  EXPECT_EQ(with(0, [](Message& m) { m.body[7] ^= 1; }), "router.fragment");
  EXPECT_EQ(with(0, [](Message& m) { m.fragments = 1; }), "router.fragment");
  EXPECT_EQ(with(0, [](Message& m) { m.fragment = m.fragments; }), "router.fragment");
  EXPECT_EQ(with(0,
                 [](Message& m) {
                   m.id = {};
                   m.fragments = kFragmentsMax + 1;
                 }),
            "router.fragment");
  EXPECT_EQ(with(0,
                 [](Message& m) {
                   m.id = {};
                   m.fragments = kFragmentsMax;
                 }),
            "");
  for (std::size_t i = 1; i < fragments.size(); ++i) {
    const auto added = assembly.add(0, fragments[i]);
    ASSERT_TRUE(added);
    EXPECT_EQ(added->whole.value_or(whole_.body), whole_.body);
    EXPECT_EQ(added->whole.has_value(), i + 1 == fragments.size());
  }
}

TEST_P(MixAssembly, one_message_and_one_byte_past_the_limits_are_refused_until_there_is_room) {
  Assembly assembly(kSmall);
  const auto a = cut(25'000), b = cut(25'000), c = cut(25'000);
  EXPECT_EQ(error_of(assembly.add(0, a[0])), "");
  EXPECT_EQ(error_of(assembly.add(0, b[0])), "");
  EXPECT_EQ(error_of(assembly.add(0, c[0])), "router.assembly_full");
  EXPECT_EQ(error_of(assembly.add(0, cut(10)[0])), "");  // whole at once: it waits for nothing
  assembly.forget(b[0].id);
  EXPECT_EQ(assembly.bytes(), a[0].body.size());
  Message last = copy(c[0]);
  last.body.resize(kSmall.bytes_max - assembly.bytes() + 1);
  EXPECT_EQ(error_of(assembly.add(0, last)), "router.assembly_full");
  EXPECT_FALSE(assembly.holds(c[0].id));
  last.body.pop_back();
  EXPECT_EQ(error_of(assembly.add(0, last)), "");
  EXPECT_EQ(assembly.bytes(), kSmall.bytes_max);
}

TEST_P(MixAssembly, what_stays_incomplete_is_forgotten_when_its_time_is_over_and_not_before) {
  Assembly assembly(kSmall);
  const auto a = cut(25'000);
  ASSERT_TRUE(assembly.add(5, a[0]));
  ASSERT_TRUE(assembly.add(900, a[1]));  // a later fragment does not keep it longer
  assembly.expire(5 + kSmall.age_ns - 1);
  EXPECT_TRUE(assembly.holds(a[0].id));
  assembly.expire(5 + kSmall.age_ns);
  EXPECT_FALSE(assembly.holds(a[0].id));
  EXPECT_EQ(assembly.bytes(), 0u);
}

TEST_P(MixAssembly, one_byte_past_the_most_fragments_is_not_cut) {
  const std::size_t most = body_max(g_, Carries::kReply, 1) + (kFragmentsMax - 1) * body_max(g_, Carries::kReply, 0);
  EXPECT_EQ(cut(most, 1, Carries::kReply).size(), kFragmentsMax);
  const auto refused = fragments_of(g_, Carries::kReply, 1, world_.message(most + 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "router.message");
}

}  // namespace
}  // namespace hanse::router
