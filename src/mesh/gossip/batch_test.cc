#include "mesh/gossip/batch.h"

#include <gtest/gtest.h>

namespace hanse::gossip {
namespace {

MlDsaKeys keys_of(std::uint8_t n) {
  auto key = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, n));
  return MlDsaKeys(std::make_shared<crypto::SecretKey>(std::move(*key)));
}

std::vector<Message> messages_of(const PeerId& origin, std::size_t n) {
  std::vector<Message> out;
  TopicId topic;
  topic.data.fill(1);
  for (std::size_t i = 0; i < n; ++i)
    out.push_back({.topic = topic, .origin = origin, .seq = i + 1, .hlc = i, .payload = Bytes(i % 50, 7)});
  return out;
}

TEST(Batch, one_signature_serves_every_message_of_it) {
  MlDsaKeys keys = keys_of(1);
  for (const std::size_t n : {1u, 2u, 3u, 100u, 256u}) {
    const auto held = seal(0, messages_of(keys.self(), n), keys);
    ASSERT_EQ(held.size(), n);
    EXPECT_EQ(held[0]->gossip.signature.size(), 3'309u);
    EXPECT_EQ(keys.verify(keys.self(), held[0]->batch, held[0]->gossip.signature), Verdict::kGood);
    for (const Held& h : held) {
      EXPECT_EQ(h->batch, held[0]->batch);
      EXPECT_LE(h->gossip.path.size(), kPathMax);
      EXPECT_EQ(h->id, message_id(h->gossip.message));
      EXPECT_TRUE(path_holds(h->gossip, h->id));
    }
  }
}

TEST(Batch, a_message_put_in_the_place_of_another_does_not_hold) {
  MlDsaKeys keys = keys_of(1);
  const auto held = seal(0, messages_of(keys.self(), 5), keys);
  Gossip g = held[2]->gossip;
  g.message.payload.push_back(1);
  EXPECT_FALSE(path_holds(g, message_id(g.message)));
  g = held[2]->gossip;
  g.index = 3;
  EXPECT_FALSE(path_holds(g, held[2]->id));
  g = held[2]->gossip;
  g.path[0].data[0] ^= 1;
  EXPECT_FALSE(path_holds(g, held[2]->id));
}

TEST(Batch, signatures_of_others_and_over_other_batches_are_bad) {
  MlDsaKeys mine = keys_of(1), other = keys_of(2);
  const auto held = seal(0, messages_of(mine.self(), 3), mine);
  const auto foreign = seal(0, messages_of(other.self(), 3), other);
  EXPECT_EQ(mine.verify(other.self(), foreign[0]->batch, foreign[0]->gossip.signature), Verdict::kNoKey);
  auto key = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, 2));
  ASSERT_TRUE(mine.learn(key->public_key()));
  EXPECT_EQ(mine.verify(other.self(), foreign[0]->batch, foreign[0]->gossip.signature), Verdict::kGood);
  EXPECT_EQ(mine.verify(other.self(), foreign[0]->batch, held[0]->gossip.signature), Verdict::kBad);
  EXPECT_EQ(mine.verify(mine.self(), foreign[0]->batch, held[0]->gossip.signature), Verdict::kBad);
  // The batch's id covers origin, count and root.
  Batch b = held[0]->gossip.batch;
  ++b.count;
  EXPECT_NE(batch_id(b), held[0]->batch);
}

TEST(Batch, only_mldsa_keys_are_learnt) {
  MlDsaKeys keys = keys_of(1);
  auto ed = crypto::SecretKey::from_seed(crypto::SigAlg::kEd25519, Bytes(32, 2));
  EXPECT_EQ(keys.learn(ed->public_key()).error().id(), "gossip.key");
  crypto::PublicKey cut{.alg = crypto::SigAlg::kMlDsa65, .bytes = Bytes(5)};
  EXPECT_EQ(keys.learn(cut).error().id(), "gossip.key");
}

TEST(Batch, known_batches_are_bounded_and_those_in_use_stay) {
  Batches batches;
  BatchId kept;
  batches.add(kept, Bytes(1, 1));
  for (std::uint32_t i = 1; i < 5'000; ++i) {
    BatchId id;
    store_be(id.data.data(), i);
    batches.add(id, Bytes(1, 2));
    ASSERT_LE(batches.size(), kBatchesMax);
    if (i % 100 == 0) {
      ASSERT_NE(batches.find(kept), nullptr) << i;
    }
  }
  BatchId early;
  store_be(early.data.data(), std::uint32_t{1});
  EXPECT_EQ(batches.find(early), nullptr);
}

}  // namespace
}  // namespace hanse::gossip
