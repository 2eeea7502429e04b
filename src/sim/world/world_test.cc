#include "sim/world/world.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "sim/world/report.h"
#include "sim/world/search.h"

namespace hanse::sim {
namespace {

Outcome run(const PlanOptions& options) {
  const auto plan = make_plan(options);
  EXPECT_TRUE(plan.has_value()) << (plan ? "" : plan.error().str());
  auto outcome = run_plan(*plan);
  EXPECT_TRUE(outcome.has_value());
  if (outcome->failure)
    ADD_FAILURE() << outcome->failure->rule << ": " << outcome->failure->what << "\n" << repro(*plan);
  return *std::move(outcome);
}

TEST(World, the_same_seed_gives_the_same_trace) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const Outcome a = run({.seed = seed}), b = run({.seed = seed});
    EXPECT_EQ(trace_text(a.trace), trace_text(b.trace)) << "seed " << seed;
    EXPECT_EQ(a.events, b.events);
  }
  EXPECT_NE(run({.seed = 1}).trace, run({.seed = 2}).trace);
}

TEST(World, a_quiet_network_needs_exactly_2n_n_minus_1_ordering_messages_a_slot) {
  for (const std::uint16_t n : {4, 7, 16, 31, 64}) {
    const std::uint32_t slots = n > 16 ? 12 : 60;
    const Outcome o = run({.seed = 5, .n = n, .slots = slots, .faults = "none"});
    EXPECT_GE(o.slots, slots);
    // In the first slots peers still meet and give each other votes again; the last ones are under way.
    for (std::size_t slot = 4; slot + 4 <= o.slots; ++slot) {
      EXPECT_EQ(o.ordering_frames[slot], 2u * n * (n - 1u)) << n << " replicas, slot " << slot;
      // At most 200 bytes of votes for each peer and 64 of the proposal, for each replica and slot.
      EXPECT_LE(o.ordering_bytes[slot], n * (200u * n + 64u * n)) << n << " replicas, slot " << slot;
    }
  }
}

TEST(World, real_signatures_give_the_same_run_as_tokens) {
  const Outcome tokens = run({.seed = 4, .n = 4, .slots = 40, .faults = "crash:100:300:1:0"});
  const Outcome real = run({.seed = 4, .n = 4, .slots = 40, .faults = "crash:100:300:1:0", .real_crypto = true});
  EXPECT_EQ(tokens.slots, real.slots);
  EXPECT_GE(real.operations, 40u);
}

TEST(World, survives_each_kind_of_fault) {
  for (const char* faults : {"breaks:0:3600000:20:0",
                             "reorder:0:3600000:3000:0",
                             "duplicate:0:3600000:800:0",
                             "corrupt:0:3600000:200:0",
                             "spikes:0:3600000:200:300",
                             "slow_net:100:3600000:20:0",
                             "slow_node:0:3600000:1:10",
                             "partition:200:900:3:0",
                             "one_way:100:700:1:6",
                             "cut_pair:100:900:0:2",
                             "crash:100:300:1:0,crash:350:500:2:0",
                             "power_loss:400:600:0:0",
                             "damage:300:500:2:0",
                             "disk_full:300:3600000:3:0",
                             "stall:200:5200:0:0",
                             "slow_disk:0:3600000:2:40",
                             "skew:100:3600000:1:30000",
                             "skew:100:3600000:0:-30000",
                             "twins:0:3600000:3:5",
                             "change:100:100:7:0,change:600:600:15:8",
                             "change:50:50:15:15,crash:120:300:1:0,change:400:400:14:2,partition:420:700:3:0",
                             "damage:80:200:2:0,change:100:100:15:1,change:500:500:15:2",
                             "byzantine:0:3600000:1:8191"})
    run({.seed = 9, .n = 4, .slots = 60, .faults = faults});
}

// With a network that loses nothing, what a liar signs twice is on the ledger at the end.
TEST(World, each_way_to_sign_twice_is_proved_on_the_ledger) {
  struct Way {
    Lie lie;
    consensus::Purpose purpose;
    std::string_view more;  // faults that bring the occasion
  };
  for (const Way& way :
       {Way{Lie::kAttest, consensus::Purpose::kAttest, ""}, Way{Lie::kEquivocate, consensus::Purpose::kProposals, ""},
        Way{Lie::kForkLane, consensus::Purpose::kVertex, ""},
        Way{Lie::kForgeClaims, consensus::Purpose::kViewChange, ",crash:300:900:0:0"}}) {
    bool proved = false;
    for (std::uint16_t liar = 0; liar < 4; ++liar) {
      const Outcome o = run({.seed = 9,
                             .n = 4,
                             .slots = 60,
                             .faults = text("byzantine:0:3600000:{}:{}{}", liar, static_cast<std::uint32_t>(way.lie),
                                            liar == 0 ? "" : way.more)});
      for (const consensus::Fact& f : o.proved) {
        EXPECT_EQ(f.replica, liar);
        proved = proved || f.purpose == way.purpose;
      }
    }
    EXPECT_TRUE(proved) << consensus::purpose_name(way.purpose);
  }
}

TEST(World, a_set_that_changes_in_the_middle_of_faults_is_one_history) {
  Coverage seen{};
  for (std::uint64_t seed = 1, runs = 0; runs < 8; ++seed) {
    const PlanOptions options{.seed = seed,
                              .n = 5,
                              .slots = 300,
                              .faults =
                                  "byzantine:0:3600000:4:257,change:40:40:30:2,crash:150:400:1:0,"
                                  "change:600:600:31:4,power_loss:1200:1300:0:0,change:1900:1900:29:1"};
    if (!make_plan(options)) continue;  // replica 4 has too much power to lie in all of these sets
    ++runs;
    const Outcome o = run(options);
    for (std::size_t i = 0; i < kSeenCount; ++i) seen[i] += o.seen[i];
  }
  const auto times = [&](Seen what) { return seen[static_cast<std::size_t>(what)]; };
  EXPECT_GE(times(Seen::kEpochs), 12u);
  EXPECT_GT(times(Seen::kJoins), 0u);
  EXPECT_GT(times(Seen::kLeaves), 0u);
  EXPECT_GT(times(Seen::kOtherEpochs), 0u);
  EXPECT_GT(times(Seen::kHandovers), 0u);
}

TEST(World, one_replica_alone_orders_and_survives_power_loss) {
  run({.seed = 3, .n = 1, .slots = 50, .faults = "power_loss:300:400:0:0"});
}

TEST(World, an_endless_run_is_a_failure) {
  const auto plan = make_plan({.seed = 1, .n = 4, .slots = 200, .faults = "none"});
  const auto outcome = run_plan(*plan, {.narrate = {}, .events_max = 1'000});
  ASSERT_TRUE(outcome->failure);
  EXPECT_EQ(outcome->failure->rule, "liveness");
}

TEST(World, narrates_faults_and_votes) {
  const auto plan = make_plan({.seed = 1, .n = 4, .slots = 10, .faults = "crash:20:60:1:0"});
  std::string story;
  (void)run_plan(*plan, {.narrate = [&](std::string_view line) { (story += line) += '\n'; }});
  EXPECT_NE(story.find("fault begins: crash:20:60:1:0"), std::string::npos);
  EXPECT_NE(story.find("sends pre_prepare"), std::string::npos);
  EXPECT_NE(story.find("commits slot 1"), std::string::npos);
}

// Seeds that once broke a rule.
TEST(World, regressions) {
  run({.seed = 6, .n = 4, .faults = "stall:282:720:1:0,partition:426:1131:12:0"});
  run({.seed = 601,
       .n = 5,
       .faults = "byzantine:0:3600000:4:1536,spikes:0:3600000:256:283,one_way:38:222:8:22,one_way:657:689:11:5"});
  run({.seed = 700, .n = 4, .faults = "cut_pair:956:1145:2:0,damage:1971:2755:3:0,cut_pair:2672:3997:0:1"});
  run({.seed = 65,
       .n = 5,
       .faults =
           "byzantine:0:3600000:2:2113,byzantine:0:3600000:4:2061,partition:453:1704:30:0,partition:1575:2710:11:0,"
           "crash:2396:3443:0:0,partition:2829:3174:27:0,slow_node:2862:3600000:0:9"});
  run({.seed = 3'758,
       .n = 7,
       .faults = "twins:0:3600000:1:68,reorder:0:3600000:4539:0,corrupt:0:3600000:255:0,spikes:0:3600000:231:950,"
                 "twins:600:1871:1:72,partition:1516:1927:103:0,crash:1622:1998:5:0,crash:1690:2731:6:0,"
                 "partition:1798:2806:8:0,partition:2040:2298:58:0,twins:2186:3472:1:41,crash:2735:3722:6:0,"
                 "partition:2787:2862:115:0"});
  run({.seed = 86,
       .n = 6,
       .faults = "byzantine:0:3600000:5:104,byzantine:0:3600000:0:4120,breaks:0:3600000:12:0,crash:780:855:2:0,"
                 "crash:1132:2174:2:0,change:1323:1323:63:25,crash:2366:2706:2:0,crash:2387:2417:5:0,"
                 "crash:2649:3288:3:0,change:2961:2961:63:59"});
  run({.seed = 1'430,
       .n = 5,
       .faults = "byzantine:0:3600000:1:1281,slow_node:299:3600000:0:9,crash:881:1946:1:0,crash:962:2083:3:0,"
                 "change:979:979:31:12,crash:1974:2079:1:0,change:2329:2329:31:18"});
  run({.seed = 23'665,
       .n = 7,
       .faults = "byzantine:0:3600000:5:5256,byzantine:0:3600000:6:520,reorder:0:3600000:169:0,"
                 "duplicate:0:3600000:826:0,crash:238:259:1:0,partition:637:1790:98:0,crash:979:2088:2:0,"
                 "change:1632:1632:85:80,crash:1881:2995:5:0"});
}

}  // namespace
}  // namespace hanse::sim
