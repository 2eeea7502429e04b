#include "mesh/rendezvous/shelf.h"

#include <algorithm>

#include "base/core/text.h"
#include "mesh/rendezvous/test_records.h"

namespace hanse::rendezvous {
namespace {

CoordinatorId coordinator(std::uint32_t number) {
  CoordinatorId id;
  for (std::size_t i = 0; i < 4; ++i) id.data[i] = static_cast<std::uint8_t>(number >> (8 * i));
  id.data[31] = 7;
  return id;
}
std::vector<Coordinator> coordinators(std::uint32_t n) {
  std::vector<Coordinator> out;
  for (std::uint32_t i = 0; i < n; ++i) out.push_back({.id = coordinator(i)});
  return out;
}

// ---- holders -------------------------------------------------------------------------------------------------------

TEST(Holders, of_a_shard_are_the_same_in_whatever_order_they_are_known) {
  auto known = coordinators(40);
  const auto first = holders_of(77, known);
  ASSERT_EQ(first.size(), kHolders);
  std::ranges::reverse(known);
  EXPECT_EQ(holders_of(77, known), first);
  EXPECT_NE(holders_of(78, known), first);
}

TEST(Holders, move_only_where_one_has_gone) {
  const auto known = coordinators(40);
  const auto before = holders_of(5, known);
  auto fewer = known;
  std::erase_if(fewer, [&](const Coordinator& c) { return c.id == before[3]; });
  auto after = holders_of(5, fewer);
  auto kept = before;
  kept.erase(kept.begin() + 3);
  after.pop_back();
  EXPECT_EQ(after, kept);
}

TEST(Holders, share_the_shards_evenly) {
  const auto known = coordinators(40);
  std::map<CoordinatorId, int> load;
  for (std::uint32_t shard = 0; shard < 2'000; ++shard)
    for (const auto& id : holders_of(static_cast<std::uint16_t>(shard), known)) ++load[id];
  ASSERT_EQ(load.size(), 40u);
  for (const auto& [id, n] : load) EXPECT_NEAR(n, 400, 100);
}

TEST(Holders, are_two_of_one_group_of_addresses_at_most) {
  auto known = coordinators(40);
  for (std::size_t i = 0; i < 30; ++i) known[i].group = 9;
  const auto holders = holders_of(1, known);
  EXPECT_EQ(holders.size(), kHolders);
  EXPECT_EQ(std::ranges::count_if(holders, [&](const auto& id) { return id < coordinator(30) && id.data[0] < 30; }), 2);
}

TEST(Holders, keep_also_what_is_theirs_to_who_knows_fewer) {
  const auto known = coordinators(40);
  std::vector<std::pair<Hash32, CoordinatorId>> ranked;
  for (const Coordinator& c : known) ranked.emplace_back(weight_of(3, c.id), c.id);
  std::ranges::sort(ranked, std::greater<>());
  EXPECT_TRUE(keeps(3, ranked[kHolders + kSlack - 1].second, known));
  EXPECT_FALSE(keeps(3, ranked[kHolders + kSlack].second, known));
}

TEST(Holders, shard_and_weight_stay_what_they_are) {
  EXPECT_EQ(shard_of(AgentId{}), 58'127);
  EXPECT_EQ(text("{}", weight_of(0x0102, CoordinatorId{})).substr(0, 16), "3b756b3d1ab73d45");
}

// ---- shelf ---------------------------------------------------------------------------------------------------------

TEST(Shelf, gives_the_newest_of_each_machine_the_last_certified_first) {
  Shelf shelf(coordinator(0));
  EXPECT_EQ(shelf.take(made({.machine = 1, .seq = 1}), {}), Taken::kKept);
  EXPECT_EQ(shelf.take(made({.machine = 1, .seq = 2}), {}), Taken::kKept);
  EXPECT_EQ(shelf.take(made({.machine = 1, .seq = 1}), {}), Taken::kOlder);
  const SignedRecord other = made({.machine = 2, .certified_ms = kNow + 1});
  EXPECT_EQ(shelf.take(SignedRecord(other), {}), Taken::kKept);
  const auto given = shelf.give(agent_of(10));
  ASSERT_EQ(given.size(), 2u);
  EXPECT_TRUE(equal(given[0], other.bytes));
  EXPECT_EQ(decode_record(given[1])->record.seq, 2u);
  EXPECT_TRUE(shelf.give(agent_of(11)).empty());
  EXPECT_EQ(shelf.size(), 2u);
}

TEST(Shelf, keeps_that_an_agent_has_left_so_that_an_older_record_does_not_come_back) {
  Shelf shelf(coordinator(0));
  (void)shelf.take(made({.seq = 1}), {});
  EXPECT_EQ(shelf.take(made({.seq = 2, .here = false}), {}), Taken::kKept);
  EXPECT_EQ(shelf.take(made({.seq = 1}), {}), Taken::kOlder);
  EXPECT_FALSE(decode_record(shelf.give(agent_of(10)).at(0))->record.here);
}

TEST(Shelf, gives_both_records_of_a_machine_that_lied_until_both_have_ended) {
  Shelf shelf(coordinator(0));
  (void)shelf.take(made({.seq = 5, .end_ms = kNow}), {});
  EXPECT_EQ(shelf.take(made({.seq = 5, .end_ms = kNow + 1}), {}), Taken::kLied);
  EXPECT_EQ(shelf.take(made({.seq = 6}), {}), Taken::kLied);
  EXPECT_EQ(shelf.give(agent_of(10)).size(), 2u);
  EXPECT_EQ(shelf.lies(), 1u);
  shelf.expire(kNow + kSkewMs + 1);
  EXPECT_EQ(shelf.size(), 1u);
  shelf.expire(kNow + kSkewMs + 2);
  EXPECT_EQ(shelf.size(), 0u);
  EXPECT_EQ(shelf.take(made({.seq = 6}), {}), Taken::kKept);
}

TEST(Shelf, forgets_what_has_ended) {
  Shelf shelf(coordinator(0));
  (void)shelf.take(made({.end_ms = kNow}), {});
  shelf.expire(kNow + kSkewMs);
  EXPECT_EQ(shelf.size(), 1u);
  shelf.expire(kNow + kSkewMs + 1);
  EXPECT_TRUE(shelf.give(agent_of(10)).empty());
}

TEST(Shelf, takes_only_what_is_its_own) {
  const auto known = coordinators(40);
  const auto record = made({});
  std::size_t keep = 0;
  for (const Coordinator& c : known) keep += Shelf(c.id).take(SignedRecord(record), known) == Taken::kKept ? 1 : 0;
  EXPECT_EQ(keep, kHolders + kSlack);
}

TEST(Shelf, keeps_so_many_machines_of_an_agent_the_last_certified) {
  Shelf shelf(coordinator(0));
  for (std::uint8_t m = 1; m <= kMachinesMax; ++m)
    EXPECT_EQ(shelf.take(made({.machine = m, .certified_ms = kNow - m}), {}), Taken::kKept);
  EXPECT_EQ(shelf.take(made({.machine = 20, .certified_ms = kNow - 100}), {}), Taken::kFull);
  EXPECT_EQ(shelf.take(made({.machine = 21, .certified_ms = kNow}), {}), Taken::kKept);
  EXPECT_EQ(shelf.size(), kMachinesMax);
  const auto given = shelf.give(agent_of(10));
  EXPECT_EQ(decode_record(given[0])->record.machine, machine_of(21));
  for (const ByteView one : given) EXPECT_NE(decode_record(one)->record.machine, machine_of(kMachinesMax));
}

TEST(Shelf, keeps_so_many_agents_of_a_machine) {
  Shelf shelf(coordinator(0));
  for (std::uint32_t a = 0; a < kAgentsMax; ++a) EXPECT_EQ(shelf.take(unsigned_record(a, 1), {}), Taken::kKept);
  EXPECT_EQ(shelf.take(unsigned_record(kAgentsMax, 1), {}), Taken::kFull);
  EXPECT_EQ(shelf.take(unsigned_record(kAgentsMax, 2), {}), Taken::kKept);
}

TEST(Shelf, is_full_of_what_is_most_its_own) {
  const CoordinatorId self = coordinator(0);
  Shelf shelf(self);
  std::vector<std::pair<Hash32, std::uint32_t>> weights;
  for (std::uint32_t n = 0; n <= kRecordsMax; ++n)
    weights.emplace_back(weight_of(shard_of(unsigned_record(n, n).record.agent), self), n);
  std::ranges::sort(weights);
  for (std::size_t i = 1; i < weights.size(); ++i)
    ASSERT_EQ(shelf.take(unsigned_record(weights[i].second, weights[i].second), {}), Taken::kKept);
  EXPECT_EQ(shelf.size(), kRecordsMax);
  const std::uint32_t light = weights[0].second, next = weights[1].second;
  EXPECT_EQ(shelf.take(unsigned_record(light, light), {}), Taken::kFull);
  EXPECT_EQ(shelf.give(unsigned_record(next, next).record.agent).size(), 1u);
  std::uint32_t heavy = kRecordsMax + 1;
  while (weight_of(shard_of(unsigned_record(heavy, heavy).record.agent), self) <= weights[1].first) ++heavy;
  EXPECT_EQ(shelf.take(unsigned_record(heavy, heavy), {}), Taken::kKept);
  EXPECT_EQ(shelf.size(), kRecordsMax);
  EXPECT_TRUE(shelf.give(unsigned_record(next, next).record.agent).empty());
}

}  // namespace
}  // namespace hanse::rendezvous
