// State sync against hosts made of real ledgers, in virtual time: they lie, vanish, forget and are slow, and the one
// that fetches dies and comes back; what it has in the end is what they have.
#include "chain/sync/sync_world_test.h"

namespace hanse::sync {
namespace {

TEST(Sync, fetches_a_state_from_several_hosts_at_once) {
  World world(1);
  world.grow(40, 60, 400);
  world.boot();
  world.run();
  EXPECT_EQ(world.sync->stats().lies, 0u);
  EXPECT_GE(world.sync->stats().ranges, 64u);
  world.expect_installed();
}

TEST(Sync, has_the_state_in_the_end_whatever_a_host_does_and_whenever_it_dies) {
  std::uint64_t lies = 0, timeouts = 0, deaths = 0, resumed = 0;
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    World world(seed);
    world.grow(10 + world.random.below(30), 40, 300);
    world.faults[world.random.below(3)] = static_cast<Fault>(world.random.below(4));
    world.faults[world.random.below(3)] = world.random.below(2) == 0 ? Fault::kLies : Fault::kNone;
    world.boot();
    for (;;) {
      world.die_after = world.random.below(3) == 0 ? world.stores + 1 + world.random.below(60) : 0;
      world.run();
      if (world.die_after == 0 || world.complete || world.gave_up) break;
      lies += world.sync->stats().lies;
      ++deaths;
      world.die_after = 0;
      world.crash();
      resumed += world.sync->stats().resumed;
    }
    lies += world.sync->stats().lies;
    timeouts += world.sync->stats().timeouts;
    ASSERT_FALSE(world.gave_up);
    world.expect_installed();
    EXPECT_EQ(world.begins, 1u);
  }
  printf("%llu lies, %llu timeouts, %llu deaths, %llu resumed\n", static_cast<unsigned long long>(lies),
         static_cast<unsigned long long>(timeouts), static_cast<unsigned long long>(deaths),
         static_cast<unsigned long long>(resumed));
  EXPECT_GT(lies, 5u);
  EXPECT_GT(timeouts, 5u);
  EXPECT_GT(deaths, 5u);
  EXPECT_EQ(resumed, deaths);
}

TEST(Sync, avoids_a_host_that_lied) {
  World world(3);
  world.grow(20, 60, 400);
  world.faults[0] = Fault::kLies;
  world.boot();
  while (!world.over() && world.sync->stats().lies == 0) world.advance();
  ASSERT_EQ(world.sync->stats().lies, 1u);
  world.wire.clear();
  world.faults[0] = Fault::kNone;
  world.run();
  for (const auto& flight : world.wire) EXPECT_NE(flight.from, 0);
  EXPECT_EQ(world.sync->stats().lies, 1u);
  world.expect_installed();
}

TEST(Sync, takes_another_target_when_the_first_is_forgotten) {
  World world(4);
  world.grow(20, 60, 400);
  world.boot();
  while (!world.over() && world.stores < 30) world.advance();
  ASSERT_FALSE(world.over());
  const Height first = world.sync->stats().target;
  world.grow(10, 60, 400);
  world.snapshots.erase(first);
  world.run();
  EXPECT_EQ(world.sync->stats().targets, 2u);
  EXPECT_EQ(world.begins, 2u);
  ASSERT_TRUE(world.complete);
  EXPECT_GT(world.complete->header.height, first);
  world.expect_installed();
}

TEST(Sync, gives_up_when_nobody_offers_a_snapshot_far_enough_ahead) {
  World world(5);
  world.grow(20, 5, 100);
  world.boot(20);  // as many as there are: none of use
  world.run();
  EXPECT_TRUE(world.gave_up);
  EXPECT_EQ(world.begins, 0u);
  world.gave_up = false;
  world.boot(19);
  world.run();
  world.expect_installed();
}

TEST(Sync, gives_up_among_liars_and_leaves_the_ledger_as_it_was) {
  World world(6);
  world.grow(20, 20, 100);
  world.faults = {Fault::kLies, Fault::kLies, Fault::kSilent, Fault::kNone};
  world.boot();
  world.run();
  EXPECT_TRUE(world.gave_up || world.complete);
  if (world.gave_up) {
    EXPECT_EQ(world.target->tip().header.height.value, 0u);
    EXPECT_TRUE(world.target->audit());
  }
}

TEST(Sync, a_lagging_ledger_fetches_only_the_blocks_it_lacks) {
  World world(7);
  for (int n = 0; n < 10; ++n) {
    const std::vector<Tx> txs = {fill(static_cast<std::uint32_t>(n), 50)};
    World::apply(*world.source, txs);
    World::apply(*world.target, txs);
  }
  world.grow(30, 20, 100);
  world.boot();
  world.run();
  EXPECT_EQ(world.sync->stats().blocks, 30u);
  world.expect_installed();
  const std::vector<Tx> again = {fill(3, 50), fill(4'001, 1)};
  EXPECT_EQ(world.target->execute(World::cut_of(*world.target, again))->header,
            world.source->execute(World::cut_of(*world.source, again))->header);
}

TEST(Sync, says_so_when_a_certified_chain_does_not_hold_the_own_block) {
  World world(8);
  World::apply(*world.target, {fill(1, 1)});
  World::apply(*world.source, {fill(2, 2)});
  world.grow(30, 20, 100);
  world.boot();
  world.run();
  EXPECT_FALSE(world.contradiction.empty());
  EXPECT_FALSE(world.complete);
}

TEST(Sync, asks_for_no_more_than_its_rate) {
  World world(9);
  world.grow(20, 60, 2'000);
  Config config;
  config.self = 3;
  config.power_bp = {2'500, 2'500, 2'500, 2'500};
  config.trusted = light::trust(world.genesis);
  config.bytes_per_s = 300'000;
  world.sync = std::make_unique<Sync>(std::move(config));
  const std::int64_t began_ns = world.now_ns;
  world.carry_out(
      world.sync->step(world.now_ns, Start{.height = {}, .block = light::header_hash(world.target->tip().header)}));
  std::size_t open_max = 0;
  while (!world.over()) {
    world.advance();
    open_max = std::max(open_max, world.wire.size());
  }
  world.expect_installed();
  const double seconds = static_cast<double>(world.now_ns - began_ns) / 1e9;
  const double rate =
      (static_cast<double>(world.sync->stats().bytes) - 300'000) / seconds;  // but for the first second's
  EXPECT_LE(open_max, 4u);                                                   // one, and the questions for offers
  EXPECT_GT(seconds, 2.0);
  EXPECT_LE(rate, 310'000.0) << seconds << " s";
}

TEST(SyncMessages, decode_to_what_was_encoded_and_refuse_other_bytes) {
  World world(10);
  world.grow(5, 10, 50);
  const Height height = world.source->tip().header.height;
  const std::vector<Request> requests = {{1, Ask{}},
                                         {2, WantHead{height}},
                                         {3, WantRange{height, {.first = {}, .last = light::kKeyHashMax}}},
                                         {4, WantPast{height, Height{2}, height}}};
  for (const Request& request : requests) {
    const Bytes asked = encode(request);
    EXPECT_EQ(encode(*decode_request(asked)), asked);
    EXPECT_LE(asked.size(), kRequestBytesMax);
    Bytes longer = asked;
    longer.push_back(0);
    EXPECT_FALSE(decode_request(longer));
    const Bytes answer = world.answer_bytes(request);
    EXPECT_EQ(encode(*decode_reply(answer)), answer);
    Bytes more = answer;
    more.push_back(0);
    EXPECT_EQ(decode_reply(more).error().id(), "codec.trailing");
  }
  const Reply head = world.answer(requests[1]);
  Head lie = std::get<Head>(head.what);
  EXPECT_TRUE(verify(lie, light::trust(world.genesis)));
  lie.cut.push_back({.lane = 0, .height = 1, .id = {}});
  EXPECT_EQ(verify(lie, light::trust(world.genesis)).error().id(), "sync.head");
  lie = std::get<Head>(head.what);
  lie.certificate.attests.pop_back();
  EXPECT_EQ(verify(lie, light::trust(world.genesis)).error().id(), "light.cert_weight");
  const Past past = std::get<Past>(world.answer(requests[3]).what);
  const light::BlockHeader& top = world.source->tip().header;
  EXPECT_TRUE(verify(past, Height{2}, top));
  const auto refused = [&](const Past& other, Height first = Height{2}) {
    const Status verified = verify(other, first, top);
    return !verified && verified.error().id() == "sync.past";
  };
  EXPECT_TRUE(refused(past, Height{3}));
  EXPECT_TRUE(refused(Past{}));
  for (std::size_t n = 0; n < past.blocks.size(); ++n) {
    Past other = past;
    other.blocks[n].tx_ids.pop_back();
    EXPECT_TRUE(refused(other)) << n;
    other = past;
    other.blocks[n].header.time_ms += 1;
    EXPECT_TRUE(refused(other)) << n;
    other = past;
    other.blocks.erase(other.blocks.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_TRUE(refused(other)) << n;
  }
}

}  // namespace
}  // namespace hanse::sync
