#include "chain/replica/batch.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::replica {
namespace {

using consensus::VertexFrame;
using ledger::Tx;

Bytes encoded(std::uint8_t app, std::uint8_t n) { return ledger::encode_tx({.app = app, .body = {n}}); }

Bytes batch_of(const std::vector<Bytes>& txs) {
  BatchWriter writer;
  for (const Bytes& tx : txs) writer.add(tx);
  return writer.take();
}

VertexFrame vertex_of(ByteView batch) {
  return consensus::make_vertex({.lane = 0, .height = 1, .parents = {{}}, .batch_root = {}, .tx_count = 1}, batch);
}

std::string bodies(const Flat& flat) {
  std::string out;
  for (const Tx& tx : flat.txs) out += static_cast<char>('0' + tx.body[0]);
  return out;
}

const HasApp kApp1 = [](std::uint8_t app) { return app == 1; };

TEST(Batch, holds_transactions_in_order) {
  const std::vector<Bytes> txs = {encoded(1, 1), {}, encoded(1, 2)};
  const Bytes batch = batch_of(txs);
  const auto decoded = decode_batch(batch);
  ASSERT_TRUE(decoded) << decoded.error().str();
  ASSERT_EQ(decoded->size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(equal((*decoded)[i], txs[i]));
}

TEST(Batch, refuses_every_other_length) {
  const Bytes batch = batch_of({encoded(1, 1), encoded(1, 2)});
  for (std::size_t n = 0; n < batch.size(); ++n)
    EXPECT_EQ(decode_batch(ByteView(batch).first(n)).error().id(), "replica.batch") << n;
  Bytes longer = batch;
  longer.push_back(0);
  EXPECT_EQ(decode_batch(longer).error().id(), "replica.batch");
}

TEST(Batch, refuses_no_transactions_and_one_too_many) {
  EXPECT_EQ(decode_batch(Bytes(4)).error().id(), "replica.batch");
  Bytes most(kBatchHeaderBytes + kBatchTxsMax * kTxHeaderBytes);
  store_le(most.data(), static_cast<std::uint32_t>(kBatchTxsMax));
  EXPECT_TRUE(decode_batch(most));
  most.resize(most.size() + kTxHeaderBytes);
  store_le(most.data(), static_cast<std::uint32_t>(kBatchTxsMax + 1));
  EXPECT_EQ(decode_batch(most).error().id(), "replica.batch");
}

TEST(Batch, writer_knows_what_fits) {
  BatchWriter writer;
  const std::size_t most = consensus::kBatchBytesMax - kBatchHeaderBytes - kTxHeaderBytes;
  EXPECT_FALSE(writer.fits(most + 1));
  ASSERT_TRUE(writer.fits(most));
  writer.add(Bytes(most));
  EXPECT_FALSE(writer.fits(0));
  EXPECT_EQ(writer.take().size(), consensus::kBatchBytesMax);
}

TEST(Flatten, skips_what_is_no_batch_no_transaction_or_for_no_application) {
  const std::vector<VertexFrame> vertices = {
      vertex_of(batch_of({encoded(1, 1), to_bytes("junk"), encoded(1, 2), encoded(9, 3)})),
      vertex_of(to_bytes("no batch")),
      vertex_of(batch_of({encoded(1, 4)})),
  };
  const Flat flat = flatten(vertices, kApp1);
  EXPECT_EQ(bodies(flat), "124");
  EXPECT_EQ(flat.bad_batches, 1u);
  EXPECT_EQ(flat.bad_txs, 2u);
  EXPECT_TRUE(flat.left_out.empty());
}

TEST(Flatten, says_where_in_its_vertex_each_transaction_is) {
  const std::vector<VertexFrame> vertices = {
      vertex_of(to_bytes("no batch")),
      vertex_of(batch_of({encoded(1, 1), to_bytes("junk"), encoded(1, 2)})),
      vertex_of(batch_of({encoded(9, 3)})),
      vertex_of(batch_of({encoded(1, 4)})),
  };
  const Flat flat = flatten(vertices, kApp1);
  ASSERT_EQ(flat.txs.size(), 3u);
  ASSERT_EQ(flat.places.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(flat.tx_ids[i], ledger::tx_id(flat.txs[i]));
    const ledger::TxPlace& at = flat.places[i];
    const auto source = std::ranges::find(vertices, flat.sources[at.source], &VertexFrame::id);
    ASSERT_NE(source, vertices.end());
    EXPECT_TRUE(equal(ByteView(*source->frame).subspan(at.offset, at.size), ledger::encode_tx(flat.txs[i])));
  }
}

TEST(Flatten, names_what_is_beyond_the_limit_of_a_slot) {
  const std::vector<VertexFrame> vertices = {vertex_of(batch_of({encoded(1, 1), encoded(1, 2)})),
                                             vertex_of(batch_of({encoded(1, 3), encoded(9, 4)}))};
  EXPECT_EQ(bodies(flatten(vertices, kApp1, 3)), "123");
  const Flat flat = flatten(vertices, kApp1, 2);
  EXPECT_EQ(bodies(flat), "12");
  ASSERT_EQ(flat.left_out.size(), 1u);
  EXPECT_EQ(flat.left_out[0], ledger::tx_id({.app = 1, .body = {3}}));
}

}  // namespace
}  // namespace hanse::replica
