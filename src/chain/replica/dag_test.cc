#include "chain/replica/dag.h"

#include <gtest/gtest.h>

#include "chain/ledger/test_net.h"
#include "chain/replica/server.h"

namespace hanse::replica {
namespace {

using consensus::Execute;
using consensus::Index;
using consensus::Seq;
using consensus::Tip;
using consensus::Type;
using consensus::VertexFrame;

VertexFrame vertex_of(Index lane, std::uint64_t height, const Hash32& parent, std::size_t size = 10) {
  return consensus::make_vertex(
      {.lane = lane, .height = height, .parents = {parent}, .batch_root = {}, .batch_len = 0, .tx_count = 3},
      Bytes(size, static_cast<std::uint8_t>(height)));
}
Tip tip_of(const VertexFrame& v) { return {.lane = v.vertex.lane, .height = v.vertex.height, .id = v.id}; }

// Three slots: a vertex of lane 0; two of lane 0 and one of lane 2; nothing.
struct DagTest : testing::Test {
  ledger::TempDir dir{testing::TempDir()};
  std::unique_ptr<kv::Store> store;
  std::vector<VertexFrame> a;
  VertexFrame c = vertex_of(2, 1, {});
  consensus::Proposal second{.seq = 2, .leader = 1, .time_ms = 5, .tips = {}};

  void SetUp() override {
    kv::Options options;
    for (int n = 0; n < 17; ++n) options.families.emplace_back(text("f{}", n));
    auto opened = kv::Store::open(dir.path() + "/store", options);
    ASSERT_TRUE(opened) << opened.error().str();
    store = std::move(*opened);
    a.push_back(vertex_of(0, 1, {}));
    a.push_back(vertex_of(0, 2, a[0].id));
    a.push_back(vertex_of(0, 3, a[1].id));
    put({.seq = 1, .digest = {}, .proposal = {}, .vertices = {a[0]}, .cut = {tip_of(a[0])}});
    second.tips = {tip_of(a[2]), tip_of(c)};
    put({.seq = 2,
         .digest = consensus::digest_of(second),
         .proposal = second,
         .vertices = {c, a[1], a[2]},
         .cut = {tip_of(a[2]), tip_of(c)}});
    put({.seq = 3, .digest = {}, .proposal = {}, .vertices = {}, .cut = {tip_of(a[2]), tip_of(c)}});
  }
  void put(const Execute& slot) {
    kv::Batch batch;
    put_slot(batch, slot, 100 + static_cast<std::int64_t>(slot.seq), 40 + slot.seq);
    ASSERT_TRUE(store->write(std::move(batch), kv::Sync::kNo));
  }
  void spoil(kv::Family family, ByteView key) {
    kv::Batch batch;
    batch.put(family, key, Bytes(3));
    ASSERT_TRUE(store->write(std::move(batch), kv::Sync::kNo));
  }
};

TEST_F(DagTest, remembers_vertices_slots_and_cuts) {
  EXPECT_EQ(**read_vertex(*store, a[1].id), *a[1].frame);
  EXPECT_FALSE(*read_vertex(*store, Hash32{}));
  EXPECT_EQ(**read_note(*store, a[1].id),
            (VertexNote{.lane = 0, .height = 2, .tx_count = 3, .slot = 2, .block_time_ms = 102}));
  EXPECT_FALSE(*read_note(*store, Hash32{}));
  EXPECT_TRUE((*read_slot(*store, 1))->null);
  EXPECT_EQ((*read_slot(*store, 2))->proposal, second);
  EXPECT_FALSE(*read_slot(*store, 4));
  EXPECT_TRUE(read_cut(*store, 0)->empty());
  EXPECT_EQ(*read_cut(*store, 1), (std::vector<Tip>{tip_of(a[0])}));
  EXPECT_EQ(*read_cut(*store, 3), (std::vector<Tip>{tip_of(a[2]), tip_of(c)}));
  EXPECT_EQ(*read_journal_seq(*store), 43u);
}

TEST_F(DagTest, gives_a_slots_vertices_after_those_they_stand_on) {
  EXPECT_EQ(*read_slot_vertices(*store, 1), (std::vector<Bytes>{*a[0].frame}));
  EXPECT_EQ(*read_slot_vertices(*store, 2), (std::vector<Bytes>{*a[1].frame, *a[2].frame, *c.frame}));
  EXPECT_TRUE(read_slot_vertices(*store, 3)->empty());
}

TEST_F(DagTest, keys_of_the_indexes_are_in_order) {
  std::vector<std::uint64_t> heights;
  ASSERT_TRUE(store->scan(ledger::kIndexHeight, {}, {}, [&](ByteView key, ByteView) {
    heights.push_back(load_be<std::uint64_t>(key.data()));
    return true;
  }));
  EXPECT_EQ(heights, (std::vector<std::uint64_t>{1, 1, 2, 3}));
  Bytes children = {'c'};
  append(children, a[0].id.view());
  int found = 0;
  ASSERT_TRUE(store->scan(ledger::kEdges, children, {}, [&](ByteView key, ByteView) {
    EXPECT_TRUE(equal(key.last(32), a[1].id.view()));
    return ++found > 0;
  }));
  EXPECT_EQ(found, 1);
}

TEST_F(DagTest, says_which_record_does_not_decode) {
  spoil(ledger::kMetadata, a[1].id.view());
  EXPECT_EQ(read_note(*store, a[1].id).error().id(), "replica.record");
  spoil(ledger::kVertices, a[1].id.view());
  EXPECT_EQ(read_slot_vertices(*store, 2).error().id(), "replica.record");
  Bytes key;
  append_be(key, Seq{2});
  spoil(ledger::kFinalized, key);
  EXPECT_EQ(read_slot(*store, 2).error().id(), "replica.record");
  spoil(ledger::kMetadata, as_bytes("journal"));
  EXPECT_EQ(read_journal_seq(*store).error().id(), "replica.record");
  EXPECT_EQ(read_cut(*store, 9).error().id(), "replica.record");
}

// Takes frames until it is told to be full.
class Taker final : public Net {
 public:
  Status start(Events) override { return {}; }
  Sent send(Index to, Type type, const consensus::Frame& body) override {
    const std::lock_guard lock(mutex);
    if (frames.size() >= room) return Sent::kFull;
    frames.push_back({to, type, *body});
    changed.notify_all();
    return Sent::kYes;
  }
  void stop() override {}
  Peer peer(Index) const override { return {}; }
  std::uint16_t port() const override { return 0; }
  Status set_address(Index, std::string_view) override { return {}; }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return frames.size() >= count; });
  }

  struct Taken {
    Index to;
    Type type;
    Bytes body;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Taken> frames;
  std::size_t room = 100;
};

TEST_F(DagTest, serves_slots_each_after_its_vertices) {
  Taker net;
  Server server(*store, net);
  server.ask(consensus::ServeSlots{.to = 7, .first = 1, .last = 9, .vertices = true});
  net.wait_for(7);
  server.ask(consensus::ServeProposal{.to = 6, .seq = 2, .digest = {}});
  server.ask(consensus::ServeProposal{.to = 6, .seq = 2, .digest = consensus::digest_of(second)});
  server.ask(consensus::ServeVertex{.to = 5, .id = {}});
  server.ask(consensus::ServeVertex{.to = 5, .id = c.id});
  net.wait_for(9);
  server.ask(consensus::ServeVertex{.to = 4, .id = a[2].id, .above = 0, .vertices_max = 2});
  server.ask(consensus::ServeVertex{.to = 4, .id = a[2].id, .above = 1, .vertices_max = 9});
  server.ask(consensus::ServeVertex{.to = 4, .id = a[2].id, .above = 0, .vertices_max = 9, .bytes_max = 1});
  server.ask(consensus::ServeVertex{.to = 4, .id = a[2].id, .above = 0, .vertices_max = 9});
  net.wait_for(17);
  server.stop();
  std::string types;
  for (const auto& f : net.frames) types += text("{} ", consensus::type_name(f.type));
  const std::string v = text("{} ", consensus::type_name(Type::kVertex)),
                    s = text("{} ", consensus::type_name(Type::kSlot));
  EXPECT_EQ(types, v + s + v + v + v + s + s + text("{} ", consensus::type_name(Type::kProposal)) + v + v + v + v + v +
                       v + v + v + v);
  const auto height = [&](std::size_t n) {
    return consensus::decode_vertex(std::make_shared<const Bytes>(net.frames[n].body))->vertex.height;
  };
  const std::vector<std::uint64_t> expected = {3, 2, 3, 2, 3, 3, 2, 1};  // newest first, down to a limit each
  for (std::size_t n = 0; n < expected.size(); ++n) EXPECT_EQ(height(9 + n), expected[n]) << n;
  EXPECT_EQ(net.frames[7].to, 6);
  EXPECT_EQ(net.frames[8].body, *c.frame);
  EXPECT_EQ(server.stats().answered, 9u);
}

TEST_F(DagTest, an_answer_ends_where_the_network_takes_no_more_and_requests_are_limited) {
  Taker net;
  net.room = 2;
  Server server(*store, net);
  server.ask(consensus::ServeSlots{.to = 7, .first = 1, .last = 3, .vertices = true});
  net.wait_for(2);
  server.stop();
  EXPECT_EQ(net.frames.size(), 2u);
  for (std::size_t n = 0; n <= kServePeerMax; ++n) server.ask(consensus::ServeVertex{.to = 7, .id = c.id});
  EXPECT_EQ(server.stats().refused, 1u);
  for (std::size_t n = kServePeerMax; n <= kServeQueueMax; ++n)
    server.ask(consensus::ServeVertex{.to = static_cast<Index>(8 + n / kServePeerMax), .id = c.id});
  EXPECT_EQ(server.stats().refused, 2u);
}

}  // namespace
}  // namespace hanse::replica
