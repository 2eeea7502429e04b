// A mix of real nodes on loopback: six mixes in three strata and two that receive only, each with its connections.
#include <future>

#include "base/core/text.h"
#include "node/overlay/overlay.h"
#include "node/peering/test_nodes.h"

namespace hanse::peering {
namespace {

constexpr std::int64_t kEpochMs = 600'000;

// The system's, with a wall that the test moves.
class WallClock final : public Clock {
 public:
  std::int64_t mono_ns() const override { return system_clock().mono_ns(); }
  std::int64_t wall_ms() const override { return wall_ms_; }
  void advance_ms(std::int64_t ms) { wall_ms_ += ms; }

 private:
  std::atomic<std::int64_t> wall_ms_{5'000 * kEpochMs + kEpochMs / 2};
};

struct World {
  static constexpr std::uint8_t kMixes = 6, kAll = 8;

  MeshSettings of(std::uint8_t number) {
    MeshSettings out = settings();
    out.secret.data[0] = number;
    out.folder = text("{}/{}", folder.path, number);
    out.gossip = false;
    std::filesystem::create_directory(out.folder);
    out.mix.emplace();
    for (std::uint8_t n = 1; n <= kAll; ++n)
      out.mix->nodes.push_back(
          {id_of(n), n <= kMixes ? std::optional<std::uint8_t>((n - 1) % 3) : std::nullopt, n == kAll});
    if (number == kAll) out.mix_answer = reversed;
    if (ledger) {
      out.mix->ledger = true;
      out.mix->nodes.clear();
      out.mix->mixes = number <= kMixes;
    }
    out.mix->wanted = {.bits = 0, .mean_ms_min = 20, .mean_ms_max = 40};
    out.mix->sends_per_s = 20;
    out.mix->loops_per_s = 1;
    out.mix->mix_loops_per_s = 2;
    out.mix->clock = &clock;
    for (const auto& one : nodes) out.known.push_back({one->id(), one->addresses()});
    return out;
  }
  explicit World(bool by_ledger = false) : ledger(by_ledger) {
    for (std::uint8_t n = 1; n <= kAll; ++n) nodes.push_back(node(n, of(n)));
  }
  static Bytes reversed(ByteView question) { return {question.rbegin(), question.rend()}; }
  mixing::MixFacts facts(std::uint8_t number) { return *nodes[number - 1u]->mix(); }
  bool all_know_all(std::uint32_t epoch) {
    return until([&] {
      for (std::uint8_t n = 1; n <= kAll; ++n)
        if (const auto f = facts(n); f.epoch != epoch || !f.takes || f.nodes != kAll) return false;
      return true;
    });
  }
  bool begin() {
    clock.advance_ms(kEpochMs);
    return all_know_all(5'001);
  }

  const bool ledger;
  Folder folder;
  WallClock clock;
  std::vector<std::unique_ptr<MeshNode>> nodes;
};

TEST(Mix, carries_pings_and_their_answers_over_two_layers_and_over_four) {
  World world;
  // In the first epoch nobody has a key yet.
  EXPECT_EQ(world.nodes[6]->mix_ping(id_of(8), router::Lane::kFlash, 1'000).error().id(), "router.no_path");
  ASSERT_TRUE(world.begin());
  const auto sum = [&](auto member) {
    std::uint64_t out = 0;
    for (std::uint8_t n = 1; n <= World::kAll; ++n) out += world.facts(n).mix.*member;
    return out;
  };
  const auto flash = world.nodes[6]->mix_ping(id_of(8), router::Lane::kFlash, 20'000);
  ASSERT_TRUE(flash) << flash.error().str();
  EXPECT_EQ(sum(&router::MixCounters::flash), 2u);  // one mix on the way there and one on the way back
  const auto deep = world.nodes[6]->mix_ping(id_of(8), router::Lane::kDeep, 20'000);
  ASSERT_TRUE(deep) << deep.error().str();
  EXPECT_GE(*deep, 6'000'000);  // at least 1 ms at each of six mixes
  EXPECT_EQ(sum(&router::MixCounters::flash), 2u);
  EXPECT_EQ(world.facts(8).pings_answered, 2u);
  const std::uint64_t before = world.facts(1).mix.flash;
  // A mix sends through others alone.
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(world.nodes[0]->mix_ping(id_of(8), router::Lane::kFlash, 20'000));
  EXPECT_EQ(world.facts(1).mix.flash, before);
  // A mix sends as well as it carries, and a node that only receives carries nothing.
  ASSERT_TRUE(world.nodes[0]->mix_ping(id_of(2), router::Lane::kDeep, 20'000));
  EXPECT_EQ(world.facts(7).mix.deep, 0u);
  // Cover and loops go on by themselves, and loops come back.
  EXPECT_TRUE(
      until([&] { return sum(&router::MixCounters::cover) > 0 && sum(&router::MixCounters::loops_back) >= 6; }));
  EXPECT_EQ(sum(&router::MixCounters::replays), 0u);
  EXPECT_EQ(sum(&router::MixCounters::rejected), 0u);
}

TEST(Mix, goes_on_after_a_clean_stop_within_the_epoch_and_in_the_next_epoch) {
  World world;
  ASSERT_TRUE(world.begin());
  world.nodes[7]->stop(0);
  world.nodes.pop_back();
  world.nodes.push_back(node(8, world.of(8)));
  ASSERT_TRUE(world.all_know_all(5'001));
  const auto back = world.nodes[6]->mix_ping(id_of(8), router::Lane::kFlash, 20'000);
  EXPECT_TRUE(back) << back.error().str();
  world.clock.advance_ms(kEpochMs);
  ASSERT_TRUE(world.all_know_all(5'002));
  const auto next = world.nodes[6]->mix_ping(id_of(8), router::Lane::kDeep, 20'000);
  EXPECT_TRUE(next) << next.error().str();
}

TEST(Mix, too_little_traffic_for_what_is_wanted_is_refused_and_no_other_lane_taken) {
  World world;
  MeshSettings strict = world.of(8);
  strict.mix->wanted = {};
  world.nodes.back()->stop(0);
  world.nodes.back() = node(8, strict);
  ASSERT_TRUE(world.begin());
  EXPECT_EQ(world.nodes[7]->mix_ping(id_of(7), router::Lane::kDeep, 1'000).error().id(), "router.anon_set_too_small");
  EXPECT_TRUE(world.nodes[7]->mix_ping(id_of(7), router::Lane::kFlash, 20'000));
}

void calls_reach_the_exit(World& world) {
  const auto flash = [&] {
    std::uint64_t out = 0;
    for (std::uint8_t n = 1; n <= World::kMixes; ++n) out += world.facts(n).mix.flash;
    return out;
  };
  std::uint64_t by_flash = 0;
  for (const router::Lane lane : {router::Lane::kFlash, router::Lane::kDeep}) {
    for (const std::size_t size : {10u, 60'000u}) {  // one cell each way, and six
      Bytes question(size);
      system_random().fill(question);
      const auto answer = world.nodes[6]->mix_call(lane, question, 60'000);
      ASSERT_TRUE(answer) << answer.error().str();
      EXPECT_EQ(*answer, World::reversed(question));
    }
    if (lane == router::Lane::kFlash) by_flash = flash();
  }
  EXPECT_GE(by_flash, 2u + 6u + 6u);
  EXPECT_EQ(flash(), by_flash);  // not a cell of the Deep lane's calls went by it, there or back
  EXPECT_EQ(world.facts(8).calls_answered, 4u);
  EXPECT_EQ(world.facts(7).calls, 0u);
  EXPECT_EQ(world.nodes[7]->mix_call(router::Lane::kFlash, Bytes(1), 1'000).error().id(), "mixing.no_exit");
}

TEST(Mix, carries_calls_to_an_exit_and_their_answers_on_both_lanes) {
  World world;
  ASSERT_TRUE(world.begin());
  calls_reach_the_exit(world);
  world.nodes[7]->stop(0);
  EXPECT_EQ(world.nodes[6]->mix_call(router::Lane::kFlash, Bytes(1), 1'000).error().id(), "peering.timeout");
  EXPECT_EQ(world.facts(7).calls, 0u);
}

TEST(Mix, takes_its_nodes_from_a_ledger_and_each_node_s_keys_go_there) {
  World world(true);
  router::Directory directory{5'002, {}};
  for (std::uint8_t n = 1; n <= World::kAll; ++n) {
    const auto own = world.nodes[n - 1u]->mix_to_publish();
    ASSERT_TRUE(own);
    EXPECT_EQ(own->epoch, 5'000u);
    ASSERT_EQ(own->keys.size(), 3u);
    ASSERT_EQ(own->keys[1].epoch, 5'002u);
    directory.nodes.push_back({.node = id_of(n), .key = own->keys[1].key, .stratum = {}, .exit = n == World::kAll});
    if (n <= World::kMixes) directory.nodes.back().stratum = 0;
  }
  router::draw_strata({}, directory.nodes);
  world.clock.advance_ms(kEpochMs);
  EXPECT_EQ(world.nodes[6]->mix_call(router::Lane::kFlash, Bytes(1), 1'000).error().id(), "mixing.no_exit");
  for (const auto& one : world.nodes) {
    router::Directory given{directory.epoch, directory.nodes};
    ASSERT_TRUE(one->mix_directory(std::move(given)));
  }
  EXPECT_EQ(world.facts(1).nodes, 0u);  // of this epoch
  world.clock.advance_ms(kEpochMs);
  ASSERT_TRUE(world.all_know_all(5'002));
  EXPECT_TRUE(world.facts(1).mixes && !world.facts(7).mixes);
  calls_reach_the_exit(world);
  EXPECT_EQ(world.facts(1).strangers, 0u);
}

// A listed peer without the rest of a node: it hears the keys of the first mix and sends what the test makes.
struct Prober {
  Prober(const MeshNode& to, std::uint8_t number) {
    reach::ReachOptions o;
    o.endpoint.network = settings().network;
    o.endpoint.key = &crypto::test_key(number);
    o.endpoint.protocols = overlay::protocols({.network = o.endpoint.network, .gossip = false});
    o.endpoint.protocols.push_back(mixing::protocol());
    o.endpoint.hello.caps = mixing::kMixCap;
    o.known = {known(1, to)};
    reach = std::move(*reach::Reach::create(std::move(o)));
    sockets = std::move(*transport::Sockets::open({}, *reach));
    reach->start({.own_v4 = sockets->addresses()[0].port,
                  .open = [this](bool v4) { return sockets->open_more(v4); },
                  .close = [](auto) {}},
                 sockets->addresses(), sockets->now_ns());
  }
  void turn() {
    EXPECT_TRUE(sockets->turn(1'000'000));
    reach::PeerEvent event;
    while (reach->next_event(event)) {
      up = up || event.type == reach::PeerEvent::Type::kUp;
      if (event.type != reach::PeerEvent::Type::kFrame) continue;
      if (event.protocol == mixing::kMixProtocol && event.frame_type == mixing::kKeys)
        if (auto told = mixing::decode_keys(crypto::KemAlg::kXWing, event.body)) keys = std::move(told->keys);
      reach->consumed(std::move(event));
    }
  }
  bool say(std::uint8_t type, const Bytes& body) {
    return reach->send(id_of(1), mixing::kMixProtocol, type, std::make_shared<const Bytes>(body), sockets->now_ns())
        .has_value();
  }
  // For the first mix itself, of that epoch.
  Bytes cell(std::uint32_t epoch, const crypto::KemPublicKey& key) const {
    const router::Path path{.hops = {{id_of(1), key, 0}},
                            .last = router::Command::kDrop,
                            .target = {},
                            .epoch = epoch,
                            .expiry_epoch = epoch + 1};
    return *router::seal_cell(router::kXWingGeometry, path,
                              std::move(*router::encode_message(router::kXWingGeometry, {}, system_random())),
                              system_random());
  }
  // For a first mix of the Deep lane, which passes it on to who is nowhere.
  Bytes held_cell(std::uint32_t epoch, const crypto::KemPublicKey& key, std::uint16_t delay_ms) const {
    const router::Path path{
        .hops = {{id_of(1), key, delay_ms}, {id_of(5), key, 1}, {id_of(6), key, 1}, {id_of(7), key, 0}},
        .last = router::Command::kDrop,
        .target = {},
        .epoch = epoch,
        .expiry_epoch = epoch + 1};
    return *router::seal_cell(router::kXWingGeometry, path,
                              std::move(*router::encode_message(router::kXWingGeometry, {}, system_random())),
                              system_random());
  }
  std::vector<router::EpochPublic> keys;
  bool up = false;
  std::unique_ptr<reach::Reach> reach;
  std::unique_ptr<transport::Sockets> sockets;
};

// A mix and, outside the strata, who probes it.
MeshSettings alone(const Folder& folder, WallClock& clock) {
  MeshSettings s = settings();
  s.folder = folder.path;
  s.gossip = false;
  s.mix.emplace();
  s.mix->nodes = {{id_of(1), 0}, {id_of(2), std::nullopt}};
  s.mix->clock = &clock;
  return s;
}

TEST(Mix, refuses_and_counts_replays_other_epochs_damage_and_strangers) {
  const Folder folder;
  WallClock clock;
  MeshSettings s = alone(folder, clock);
  const auto mix = node(1, s);
  clock.advance_ms(kEpochMs);
  ASSERT_TRUE(until([&] { return mix->mix()->takes; }));
  Prober prober(*mix, 2), stranger(*mix, 3);
  ASSERT_TRUE(until([&] {
    prober.turn();
    stranger.turn();
    return prober.keys.size() > 1 && stranger.up;
  }));
  EXPECT_TRUE(stranger.keys.empty());
  ASSERT_EQ(prober.keys[0].epoch, 5'001u);
  const Bytes good = prober.cell(5'001, prober.keys[0].key);
  Bytes altered = prober.cell(5'001, prober.keys[0].key);
  altered[100] ^= 1;
  ASSERT_TRUE(prober.say(mixing::kCell, good));
  ASSERT_TRUE(prober.say(mixing::kCell, good));
  ASSERT_TRUE(prober.say(mixing::kCell, prober.cell(5'002, prober.keys[1].key)));  // published, not begun
  ASSERT_TRUE(prober.say(mixing::kCell, prober.cell(4'000, prober.keys[0].key)));
  ASSERT_TRUE(prober.say(mixing::kCell, altered));
  ASSERT_TRUE(prober.say(mixing::kCell, Bytes(router::kCellSize - 1)));
  ASSERT_TRUE(prober.say(mixing::kKeys, Bytes(5)));  // no keys: passed over
  ASSERT_TRUE(stranger.say(mixing::kCell, prober.cell(5'001, prober.keys[0].key)));
  ASSERT_TRUE(until([&] {
    prober.turn();
    stranger.turn();
    return mix->mix()->mix.received == 6 && mix->mix()->strangers == 1;
  }));
  const mixing::MixFacts facts = *mix->mix();
  EXPECT_EQ(facts.mix.cover, 1u);
  EXPECT_EQ(facts.mix.replays, 1u);
  EXPECT_EQ(facts.mix.refused_epoch, 2u);
  EXPECT_EQ(facts.mix.rejected, 1u);
  EXPECT_EQ(facts.mix.refused_cell, 1u);
  EXPECT_EQ(facts.nodes, 1u);  // the prober told no key
}

TEST(Mix, full_of_held_cells_reads_no_further_one_and_loses_none) {
  const Folder folder;
  WallClock clock;
  MeshSettings s = alone(folder, clock);
  s.mix->held_max = 1;
  const auto mix = node(1, s);
  clock.advance_ms(kEpochMs);
  ASSERT_TRUE(until([&] { return mix->mix()->takes; }));
  Prober prober(*mix, 2);
  ASSERT_TRUE(until([&] {
    prober.turn();
    return !prober.keys.empty();
  }));
  const crypto::KemPublicKey& key = prober.keys[0].key;
  ASSERT_TRUE(prober.say(mixing::kCell, prober.held_cell(5'001, key, 3'000)));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(prober.say(mixing::kCell, prober.cell(5'001, key)));
  ASSERT_TRUE(until([&] {
    prober.turn();
    return mix->mix()->unread == 3;
  }));
  EXPECT_EQ(mix->mix()->held, 1u);
  EXPECT_EQ(mix->mix()->mix.received, 1u);
  ASSERT_TRUE(until([&] {
    prober.turn();
    return mix->mix()->mix.cover == 3;
  }));
  EXPECT_EQ(mix->mix()->unread, 0u);
  EXPECT_EQ(mix->mix()->mix.refused_full, 0u);
  EXPECT_EQ(mix->mix()->lost, 1u);  // the held one was for who is not connected
}

TEST(Mix, a_list_names_each_node_once_and_strata_0_to_2) {
  const auto mixes = mixing::parse_place(id_text(1) + "/2"), receives = mixing::parse_place(id_text(1));
  const auto exit = mixing::parse_place(id_text(1) + "/0/exit"),
             receiving_exit = mixing::parse_place(id_text(1) + "/exit");
  ASSERT_TRUE(mixes && receives && exit && receiving_exit);
  EXPECT_TRUE(exit->exit && exit->stratum == 0 && receiving_exit->exit && !receiving_exit->stratum);
  EXPECT_FALSE(mixes->exit || receives->exit);
  EXPECT_EQ(mixes->node, id_of(1));
  EXPECT_EQ(mixes->stratum, 2);
  EXPECT_FALSE(receives->stratum);
  const std::string id = id_text(1);
  for (const std::string& bad :
       {id + "/3", id + "/", id + "/00", id + "/exit/0", id + "/0/exit/exit", std::string("/0"), std::string()})
    EXPECT_EQ(mixing::parse_place(bad).error().id(), "mixing.nodes") << bad;
  MeshSettings twice = settings();
  twice.mix.emplace();
  twice.mix->nodes = {{id_of(1), 0}, {id_of(1), 1}};
  EXPECT_EQ(MeshNode::start(twice, crypto::test_key(1)).error().id(), "mixing.nodes");
}

TEST(Mix, so_many_pings_at_once_and_one_past_is_refused) {
  World world;
  ASSERT_TRUE(world.begin());
  world.nodes[7]->stop(0);  // nobody answers
  std::vector<std::future<std::string>> ends;
  for (std::size_t i = 0; i <= mixing::kPingsMax; ++i)
    ends.push_back(std::async(std::launch::async, [&] {
      return std::string(world.nodes[6]->mix_ping(id_of(8), router::Lane::kFlash, 2'000).error().id());
    }));
  std::map<std::string, std::size_t> count;
  for (auto& end : ends) ++count[end.get()];
  EXPECT_EQ(count, (std::map<std::string, std::size_t>{{"mixing.limit", 1}, {"peering.timeout", mixing::kPingsMax}}));
  EXPECT_EQ(world.nodes[6]->mix_ping(id_of(8), router::Lane::kFlash, 10).error().id(), "peering.timeout");
}

TEST(Mix, is_off_unless_given_and_a_list_without_this_node_is_refused) {
  const auto plain = node(1, settings());
  EXPECT_EQ(plain->mix().error().id(), "peering.no_mix");
  EXPECT_EQ(plain->mix_ping(id_of(2), router::Lane::kFlash, 100).error().id(), "peering.no_mix");
  MeshSettings strange = settings();
  strange.mix.emplace();
  strange.mix->nodes = {{id_of(2), 0}};
  const auto refused = MeshNode::start(strange, crypto::test_key(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "mixing.nodes");
}

}  // namespace
}  // namespace hanse::peering
