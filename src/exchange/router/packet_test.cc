#include "exchange/router/packet.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/crypto/aead.h"
#include "base/crypto/hash.h"
#include "exchange/router/onion_world_test.h"

namespace hanse::router {
namespace {

class Packet : public testing::TestWithParam<Geometry> {
 protected:
  OnionWorld world_{GetParam()};
  const Geometry& g_ = world_.geometry;

  std::string refusal(std::size_t node, ByteView cell) const {
    const auto opened = open_layer(g_, cell, world_.key(node));
    return opened ? "" : std::string(opened.error().id());
  }
};

INSTANTIATE_TEST_SUITE_P(Suites, Packet, testing::Values(kXWingGeometry, kMlKemGeometry),
                         [](const auto& i) { return std::string(crypto::kem_alg_name(i.param.kem)); });

TEST_P(Packet, travels_any_number_of_layers_and_has_one_size_on_each) {
  for (std::size_t hops = 1; hops <= kLayersMax; ++hops) {
    const Message sent = world_.message(body_max(g_, Carries::kRequest, 0));
    const Path path = world_.path(hops);
    Bytes cell = world_.cell(path, sent);
    for (std::size_t i = 0; i < hops; ++i) {
      const std::size_t node = kLayersMax - hops + i;
      const auto head = read_head(g_, cell);
      ASSERT_TRUE(head);
      EXPECT_EQ(head->layers, hops - i);
      EXPECT_EQ(head->epoch, kEpoch);
      const auto routing = world_.relay(node, cell);
      ASSERT_TRUE(routing) << routing.error().str();
      EXPECT_EQ(cell.size(), kCellSize);
      EXPECT_EQ(routing->expiry_epoch, kEpoch + 1);
      EXPECT_EQ(routing->delay_ms, path.hops[i].delay_ms);
      if (i + 1 < hops) {
        EXPECT_EQ(routing->command, Command::kForward);
        EXPECT_EQ(routing->next, world_.nodes[node + 1]);
        EXPECT_TRUE(routing->target.is_zero());
      } else {
        EXPECT_EQ(routing->command, Command::kDeliver);
        EXPECT_EQ(routing->target, path.target);
      }
    }
    const auto got = decode_message(g_, payload_of(g_, cell));
    ASSERT_TRUE(got) << got.error().str();
    EXPECT_EQ(got->body, sent.body);
    EXPECT_EQ(got->id, sent.id);
    EXPECT_EQ(got->kind, sent.kind);
  }
}

// Nested seals: whatever is wrong with the header is seen at the next hop, not at the one it concerns.
TEST_P(Packet, every_flipped_byte_of_head_headers_and_padding_is_refused_at_the_hop_that_gets_it) {
  Bytes cell = world_.cell(world_.path(kLayersMax), world_.message(100));
  for (std::size_t node = 0; node < kLayersMax; ++node) {
    const std::size_t headers_end = kHeadSize + g_.header(kLayersMax - node);
    for (std::size_t at = 0; at < kCellSize; ++at) {
      if (at == headers_end) at += g_.payload;
      Bytes altered = cell;
      altered[at] ^= static_cast<std::uint8_t>(1 << (at % 8));
      const std::string id = refusal(node, altered);
      if (at >= headers_end) {
        ASSERT_EQ(id, "router.cell") << at;
      } else {
        const bool epoch = at >= 4 && at < 8;
        ASSERT_EQ(id, epoch || at >= kHeadSize ? "router.rejected" : "router.cell")
            << "node " << node << " byte " << at;
      }
    }
    ASSERT_TRUE(world_.relay(node, cell));
  }
}

TEST_P(Packet, every_flipped_byte_of_the_payload_is_refused_by_the_receiver) {
  const Bytes first = world_.cell(world_.path(kLayersMax), world_.message(100));
  const auto received = [&](Bytes cell, std::size_t from) {
    for (std::size_t node = from; node < kLayersMax; ++node) EXPECT_TRUE(world_.relay(node, cell)) << node;
    const auto got = decode_message(g_, payload_of(g_, cell));
    return got ? "" : std::string(got.error().id());
  };
  Bytes last = first;
  for (std::size_t node = 0; node + 1 < kLayersMax; ++node) ASSERT_TRUE(world_.relay(node, last));
  EXPECT_EQ(received(first, 0), "");
  for (std::size_t i = 0; i < g_.payload; ++i) {
    Bytes altered = last;
    altered[kHeadSize + g_.layer() + i] ^= static_cast<std::uint8_t>(1 << (i % 8));
    ASSERT_EQ(received(altered, kLayersMax - 1), "router.payload") << i;
    if (i % 101 != 0) continue;
    altered = first;
    altered[kHeadSize + g_.header(kLayersMax) + i] ^= static_cast<std::uint8_t>(1 << (i % 8));
    ASSERT_EQ(received(altered, 0), "router.payload") << i;
  }
}

TEST_P(Packet, a_cell_one_byte_shorter_or_longer_is_refused) {
  Bytes cell = world_.cell(world_.path(2), world_.message(1));
  EXPECT_EQ(refusal(2, ByteView(cell).first(kCellSize - 1)), "router.cell");
  EXPECT_EQ(refusal(2, {}), "router.cell");
  cell.push_back(0);
  EXPECT_EQ(refusal(2, cell), "router.cell");
  EXPECT_EQ(refusal(2, ByteView(cell).first(kCellSize)), "");
}

TEST_P(Packet, only_the_named_node_with_its_own_key_opens_a_layer) {
  const Bytes cell = world_.cell(world_.path(kLayersMax), world_.message(1));
  for (std::size_t node = 1; node < kLayersMax; ++node) EXPECT_EQ(refusal(node, cell), "router.rejected");
  const auto other_name = open_layer(g_, cell, {world_.nodes[1], world_.secrets[0]});
  EXPECT_EQ(other_name.error().id(), "router.rejected");
  EXPECT_EQ(refusal(0, cell), "");
}

TEST_P(Packet, routing_that_forwards_from_the_last_layer_is_refused_before_it_is_sent) {
  Path path = world_.path(2);
  const auto refused = [&] { return std::string(make_onion(g_, path, world_.random).error().id()); };
  path.last = Command::kForward;
  EXPECT_EQ(refused(), "router.path");
  path = world_.path(2);
  path.hops.back().delay_ms = 1;
  EXPECT_EQ(refused(), "router.path");
  path = world_.path(kLayersMax);
  path.hops.push_back(path.hops.front());
  EXPECT_EQ(refused(), "router.path");
  path.hops.clear();
  EXPECT_EQ(refused(), "router.path");
  path = world_.path(1);
  path.hops[0].key.alg = crypto::KemAlg::kMlKem768;
  EXPECT_EQ(refused(), "router.path");
  const auto short_payload = seal_cell(g_, world_.path(1), crypto::SecureBytes(g_.payload - 1), world_.random);
  EXPECT_EQ(short_payload.error().id(), "router.path");
}

TEST(PacketXWing, the_bit_that_x25519_ignores_is_not_ignored) {
  OnionWorld world(kXWingGeometry);
  Bytes cell = world.cell(world.path(2), world.message(1));
  cell[kHeadSize + 1119] ^= 0x80;
  EXPECT_EQ(open_layer(world.geometry, cell, world.key(2)).error().id(), "router.rejected");
}

TEST(PacketXWing, cells_of_the_other_suite_are_refused) {
  OnionWorld world(kMlKemGeometry), other(kXWingGeometry);
  const Bytes cell = world.cell(world.path(2), world.message(1));
  EXPECT_EQ(open_layer(kXWingGeometry, cell, other.key(2)).error().id(), "router.cell");
}

// The numbers of proto/records/onion.md, written out, with primitives that have official vectors: no constant and no
// function of the packet is used to read it.
TEST(PacketXWing, bytes_are_those_of_the_record_page) {
  OnionWorld world(kXWingGeometry);
  const Message sent = world.message(3, 7);
  const Bytes cell = world.cell(world.path(2), sent);
  const ByteView c = cell;
  const auto open = [&](std::size_t node, ByteView head, ByteView header) {
    const auto shared = world.secrets[node].decapsulate(header.first(1120));
    crypto::Secret<240> okm;
    crypto::shake256({as_bytes("HANSE-WOP1"), head, world.nodes[node].view(), header.first(1120), shared->view()},
                     okm.span());
    crypto::Secret<32> key;
    crypto::Secret<32>::from(okm.view().first(32), key);
    auto plain = crypto::gcm_open({key, crypto::GcmNonce{}, head}, header.subspan(1120));
    EXPECT_TRUE(plain);
    return std::pair(to_bytes(plain->view()), to_bytes(okm.view()));
  };
  const Bytes head{1, 0, 2, 1, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_TRUE(equal(c.first(16), head));
  const auto [outer, outer_keys] = open(2, head, c.subspan(16, 2464));
  ASSERT_EQ(outer.size(), 96U + 1232U);
  Bytes routing(96);
  routing[3] = 102;  // milliseconds
  routing[7] = 78;   // expiry epoch
  std::copy_n(world.nodes[3].data.begin(), 32, routing.begin() + 8);
  EXPECT_TRUE(equal(ByteView(outer).first(96), routing));

  Bytes inner_head = head;
  inner_head[2] = 1;
  const auto [inner, inner_keys] = open(3, inner_head, ByteView(outer).subspan(96));
  routing = Bytes(96);
  routing[0] = 1;
  routing[7] = 78;
  routing[40] = 9;
  EXPECT_EQ(inner, routing);

  Bytes payload = to_bytes(c.subspan(2480, 11'264));
  for (const Bytes& keys : {outer_keys, inner_keys}) {
    crypto::LionessKey key;
    crypto::LionessKey::from(ByteView(keys).subspan(48, 192), key);
    crypto::lioness_decrypt(key, payload);
  }
  Bytes expected(60);
  expected[32] = 7;
  expected[39] = 3;
  std::ranges::copy(sent.id.data, expected.begin() + 40);
  expected[59] = 1;
  append(expected, sent.body);
  EXPECT_TRUE(equal(ByteView(payload).first(63), expected));
  EXPECT_TRUE(std::ranges::all_of(c.subspan(2480 + 11'264), [](auto b) { return b == 0; }));

  const auto tag = open_layer(world.geometry, cell, world.key(2))->tag;
  EXPECT_TRUE(equal(tag.view(), ByteView(outer_keys).subspan(32, 16)));
}

// One cell of a seed, so that a change of the bytes is seen even where both ends change together.
TEST(PacketXWing, known_answer) {
  OnionWorld world(kXWingGeometry);
  const Bytes cell = world.cell(world.path(kLayersMax), world.message(1000));
  EXPECT_EQ(text("{}", crypto::blake3(cell)), "573283c3a67c7866731e5bb1cd3fbaa67c1369eca6ddd814ab0796ab4e701f41");
}

// What a header author may not write: forged with the primitives, since the packet refuses to make it.
TEST(PacketXWing, authenticated_routing_against_the_layout_is_refused) {
  OnionWorld world(kXWingGeometry, 1);
  const auto opened = [&](std::size_t at, std::uint8_t value) {
    Bytes routing(96);
    routing[0] = 1;
    routing[at] = value;
    const auto sent = crypto::encapsulate(world.secrets[0].public_key(), world.random);
    const Bytes head{1, 0, 1, 1, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0};
    crypto::Secret<240> okm;
    crypto::shake256({as_bytes("HANSE-WOP1"), head, world.nodes[0].view(), sent->ciphertext, sent->secret.view()},
                     okm.span());
    crypto::Secret<32> key;
    crypto::Secret<32>::from(okm.view().first(32), key);
    Bytes header = sent->ciphertext;
    append(header, *crypto::gcm_seal({key, crypto::GcmNonce{}, head}, routing));
    const auto out =
        open_layer(world.geometry, assemble_cell(world.geometry, kEpoch, header, Bytes(11'264)), world.key(0));
    return out ? "" : std::string(out.error().id());
  };
  EXPECT_EQ(opened(0, 1), "");
  EXPECT_EQ(opened(0, 3), "");
  EXPECT_EQ(opened(0, 4), "router.routing");
  EXPECT_EQ(opened(0, 0), "router.routing");   // forward from the last layer
  EXPECT_EQ(opened(1, 1), "router.routing");   // flags
  EXPECT_EQ(opened(3, 1), "router.routing");   // a receiver that waits
  EXPECT_EQ(opened(8, 1), "router.routing");   // a receiver with a next hop
  EXPECT_EQ(opened(71, 1), "");                // the target
  EXPECT_EQ(opened(72, 1), "router.routing");  // zeros
  EXPECT_EQ(opened(95, 1), "router.routing");
}

}  // namespace
}  // namespace hanse::router
