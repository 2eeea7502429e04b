#include "sim/check/choice.h"

#include <gtest/gtest.h>

namespace hanse::sim {
namespace {

using namespace consensus;

const Power kPower = Power::create({2500, 2500, 2500, 2500}, 6'700, 8'000).value();

Digest digest(std::uint8_t n) {
  Digest d;
  d.data[0] = n;
  return d;
}
ViewChange from(Index replica, std::vector<Claim> prepared, std::vector<Claim> prepares) {
  return {.epoch = 1,
          .replica = replica,
          .view = 9,
          .checkpoint = {},
          .prepared = std::move(prepared),
          .prepares = std::move(prepares),
          .signature = {}};
}
Claim claim(std::uint8_t n, View view) { return {.seq = 1, .digest = digest(n), .view = view}; }
std::optional<Digest> chosen(const std::vector<ViewChange>& set) {
  const auto out = choose(kPower, set);
  if (!out || out->size() != 1) return std::nullopt;
  return out->front().second;
}

TEST(Choice, keeps_what_was_prepared) {
  EXPECT_EQ(chosen({from(0, {claim(7, 2)}, {claim(7, 2)}), from(1, {claim(7, 2)}, {claim(7, 2)}), from(2, {}, {})}),
            digest(7));
}

TEST(Choice, waits_while_one_claim_stands_alone) {
  EXPECT_EQ(chosen({from(0, {claim(7, 2)}, {}), from(1, {}, {}), from(2, {}, {})}), std::nullopt);
}

TEST(Choice, leaves_a_claim_without_backing_when_enough_others_are_silent) {
  EXPECT_EQ(chosen({from(0, {claim(7, 2)}, {}), from(1, {}, {}), from(2, {}, {}), from(3, {}, {})}), Digest{});
}

TEST(Choice, a_lone_higher_claim_stops_a_lower_one_until_all_have_spoken) {
  const std::vector<ViewChange> three = {from(0, {claim(7, 2)}, {claim(7, 2)}), from(1, {claim(7, 2)}, {claim(7, 2)}),
                                         from(2, {claim(8, 5)}, {})};
  EXPECT_EQ(chosen(three), std::nullopt);
  std::vector<ViewChange> four = three;
  four.push_back(from(3, {}, {}));
  EXPECT_EQ(chosen(four), digest(7));
}

TEST(Choice, protects_what_may_have_been_committed_by_everyone) {
  EXPECT_EQ(chosen({from(0, {}, {claim(7, 3)}), from(1, {}, {claim(7, 3)}), from(2, {}, {})}), digest(7));
}

TEST(Choice, the_later_view_wins) {
  EXPECT_EQ(chosen({from(0, {claim(7, 2)}, {claim(7, 2), claim(8, 4)}),
                    from(1, {claim(7, 2)}, {claim(7, 2), claim(8, 4)}), from(2, {}, {})}),
            digest(8));
}

}  // namespace
}  // namespace hanse::sim
