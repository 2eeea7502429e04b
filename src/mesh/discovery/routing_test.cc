#include "mesh/discovery/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "base/core/random.h"

namespace hanse::discovery {
namespace {

PeerId draw(Random& random) {
  PeerId id;
  random.fill(id.span());
  return id;
}

TEST(RoutingTable, only_peers_that_were_dialled_back_enter) {
  SeededRandom random(1);
  RoutingTable table(draw(random));
  const Contact c{.peer = draw(random)};
  EXPECT_FALSE(table.seen(1, c, Proof::kHeardOf));
  EXPECT_TRUE(table.seen(1, c, Proof::kDialledBack));
  EXPECT_TRUE(table.seen(1, c, Proof::kHeardOf));
  EXPECT_EQ(table.size(), 1u);
}

TEST(RoutingTable, buckets_are_bounded_and_the_old_ones_stay) {
  SeededRandom random(2);
  RoutingTable table(draw(random));
  std::vector<Contact> in;
  for (int i = 0; i < 2'000; ++i) {
    const Contact c{.peer = draw(random)};
    if (table.seen(1, c, Proof::kDialledBack)) in.push_back(c);
  }
  EXPECT_EQ(table.largest_bucket(), kBucketMax);
  EXPECT_EQ(table.size(), in.size());
  for (const Contact& c : in) EXPECT_TRUE(table.seen(2, c, Proof::kHeardOf));
  // One fails twice: somebody who waited takes its place.
  table.failed(in[0].peer);
  EXPECT_TRUE(table.seen(2, in[0], Proof::kHeardOf));
  table.failed(in[0].peer);
  EXPECT_FALSE(table.seen(2, in[0], Proof::kHeardOf));
  EXPECT_EQ(table.size(), in.size());
}

TEST(RoutingTable, one_address_group_cannot_fill_it) {
  SeededRandom random(3);
  RoutingTable table(draw(random));
  for (int i = 0; i < 5'000; ++i) table.seen(1, {.peer = draw(random), .group = 7}, Proof::kDialledBack);
  EXPECT_EQ(table.size(), kGroupTableMax);
  EXPECT_EQ(table.largest_bucket(), kGroupBucketMax);
}

TEST(RoutingTable, buckets_are_refreshed_every_15_minutes_where_they_are) {
  SeededRandom random(4);
  const PeerId self = draw(random);
  RoutingTable table(self);
  for (int i = 0; i < 100; ++i) table.seen(1, {.peer = draw(random)}, Proof::kDialledBack);
  EXPECT_FALSE(table.refresh_due(kRefreshNs));
  std::size_t due = 0;
  while (const auto key = table.refresh_due(kRefreshNs + 1)) {
    EXPECT_NE(*key, dht_key(self));
    ASSERT_LT(++due, 257u);
  }
  EXPECT_GE(due, 5u);
  EXPECT_FALSE(table.refresh_due(kRefreshNs + 2));
}

// Peers with tables filled by chance; some of them lie: they name liars only, the nearest to what is asked for.
struct Overlay {
  Overlay(std::uint64_t seed, std::size_t n, std::size_t liars_of_100) : random(seed, "overlay") {
    for (std::size_t i = 0; i < n; ++i) {
      ids.push_back(draw(random));
      lies[ids.back()] = i % 100 < liars_of_100;
    }
    for (const PeerId& id : ids) {
      auto& table = tables.emplace(id, RoutingTable(id)).first->second;
      for (int i = 0; i < 400; ++i) table.seen(1, {.peer = ids[random.below(n)]}, Proof::kDialledBack);
      for (const PeerId& near : truly_nearest(dht_key(id), 30, true))
        table.seen(1, {.peer = near}, Proof::kDialledBack);
    }
  }
  std::vector<PeerId> truly_nearest(const Hash32& key, std::size_t n, bool liars_too) const {
    std::vector<std::pair<Hash32, PeerId>> all;
    for (const PeerId& id : ids)
      if (liars_too || !lies.at(id)) all.emplace_back(distance(dht_key(id), key), id);
    n = std::min(n, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n), all.end());
    std::vector<PeerId> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(all[i].second);
    return out;
  }
  // Runs to the end; `asked` sees every honest peer that is asked.
  void run(Lookup& lookup, const Hash32& target, const std::function<void(const PeerId&)>& asked) {
    std::vector<Contact> liars;
    for (const PeerId& id : ids)
      if (lies.at(id)) liars.push_back({.peer = id});
    std::ranges::sort(liars, {}, [&](const Contact& c) { return distance(dht_key(c.peer), target); });
    if (liars.size() > kAnswerMax) liars.resize(kAnswerMax);
    while (!lookup.done()) {
      const auto now = lookup.next();
      ASSERT_FALSE(now.empty());
      for (const PeerId& p : now) {
        if (lies.at(p)) {
          lookup.answered(p, liars);
          continue;
        }
        asked(p);
        lookup.answered(p, tables.at(p).closest(target, kBucketMax));
      }
    }
  }
  SeededRandom random;
  std::vector<PeerId> ids;
  std::map<PeerId, bool> lies;
  std::map<PeerId, RoutingTable> tables;
};

TEST(Lookup, finds_the_nearest_there_are) {
  Overlay o(5, 600, 0);
  std::size_t found = 0, asks = 0;
  for (int i = 0; i < 30; ++i) {
    const PeerId from = o.ids[o.random.below(o.ids.size())];
    const Hash32 target = dht_key(draw(o.random));
    Lookup lookup(target, o.tables.at(from).closest(target, kBucketMax), {});
    o.run(lookup, target, [](const PeerId&) {});
    const auto truth = o.truly_nearest(target, kBucketMax, true);
    for (const PeerId& p : lookup.nearest()) found += std::ranges::count(truth, p) != 0 ? 1 : 0;
    asks += lookup.asks();
  }
  std::printf("600 peers: %zu of 600 nearest found, %zu asked a lookup\n", found, asks / 30);
  EXPECT_GE(found, 570u);
  EXPECT_LE(asks / 30, 80u);
}

// How many of 60 lookups reach one of the honest peers that hold what is looked for.
int reached(Overlay& o, std::size_t paths) {
  int good = 0;
  SeededRandom random(77, "targets");
  for (int i = 0; i < 60; ++i) {
    PeerId from = o.ids[random.below(o.ids.size())];
    while (o.lies.at(from)) from = o.ids[random.below(o.ids.size())];
    const Hash32 target = dht_key(draw(random));
    const auto holders = o.truly_nearest(target, kBucketMax, true);
    bool found = false;
    Lookup lookup(target, o.tables.at(from).closest(target, kBucketMax), {.paths = paths});
    o.run(lookup, target, [&](const PeerId& p) { found |= std::ranges::count(holders, p) != 0; });
    good += found ? 1 : 0;
  }
  return good;
}

TEST(Lookup, disjoint_paths_get_past_liars) {
  Overlay o(6, 600, 75);
  const int one = reached(o, 1), four = reached(o, kPaths);
  std::printf("three of four lie: %d of 60 lookups reach a holder over one path, %d over four\n", one, four);
  EXPECT_GE(four, 57);
  EXPECT_LT(one, four);
}

TEST(Lookup, sybils_around_a_key_do_not_end_it) {
  Overlay o(7, 600, 0);
  const Hash32 target = dht_key(draw(o.random));
  const auto holders = o.truly_nearest(target, kBucketMax, true);
  // 100 of 20,000 drawn ids: nearer to the key than anybody honest; they know each other, and everybody knows them.
  std::vector<std::pair<Hash32, PeerId>> drawn;
  for (int i = 0; i < 100'000; ++i) {
    const PeerId id = draw(o.random);
    drawn.emplace_back(distance(dht_key(id), target), id);
  }
  std::ranges::sort(drawn);
  for (int i = 0; i < 100; ++i) {
    const PeerId id = drawn[static_cast<std::size_t>(i)].second;
    o.ids.push_back(id);
    o.lies[id] = true;
    for (auto& [peer, table] : o.tables) table.seen(2, {.peer = id}, Proof::kDialledBack);
  }
  const PeerId from = o.ids[3];
  const auto ask = [&](std::uint64_t radius) {
    int found = 0;
    Lookup lookup(target, o.tables.at(from).closest(target, kBucketMax), {.radius = radius});
    o.run(lookup, target, [&](const PeerId& p) { found += std::ranges::count(holders, p) != 0 ? 1 : 0; });
    EXPECT_LE(lookup.asks(), kAsksMax);
    return found;
  };
  const int without = ask(0), with = ask(o.tables.at(from).radius());
  std::printf("100 sybils: %d of 20 holders asked without the radius, %d with it\n", without, with);
  EXPECT_GT(with, without);
  EXPECT_GE(with, 10);
}

TEST(Lookup, paths_share_no_peer_and_silence_ends_them) {
  SeededRandom random(8);
  std::vector<Contact> seeds;
  for (int i = 0; i < 20; ++i) seeds.push_back({.peer = draw(random)});
  Lookup lookup(dht_key(draw(random)), seeds, {});
  std::set<PeerId> asked;
  while (!lookup.done()) {
    for (const PeerId& p : lookup.next()) {
      EXPECT_TRUE(asked.insert(p).second);
      lookup.failed(p);
    }
  }
  EXPECT_EQ(asked.size(), 20u);
  EXPECT_TRUE(lookup.nearest().empty());
}

TEST(Lookup, answers_without_end_are_bounded) {
  SeededRandom random(9);
  Lookup lookup(dht_key(draw(random)), {{.peer = draw(random)}}, {.radius = UINT64_MAX});
  while (!lookup.done()) {
    for (const PeerId& p : lookup.next()) {
      std::vector<Contact> more;
      for (int i = 0; i < 1'000; ++i) more.push_back({.peer = draw(random)});
      lookup.answered(p, more);
    }
  }
  EXPECT_EQ(lookup.asks(), kAsksMax);
}

}  // namespace
}  // namespace hanse::discovery
