#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/records.h"

namespace hanse::ledger {
namespace {

constexpr std::size_t kTopicsMax = 4096;
constexpr std::size_t kPlaceSize = 12;  // u64 height, u32 index

struct Place {
  Height height;
  std::uint32_t index = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

Place place_of(ByteView bytes) {
  return {Height{load_be<std::uint64_t>(bytes.data())}, load_be<std::uint32_t>(bytes.data() + 8)};
}

}  // namespace

Result<std::optional<Bytes>> View::get(ByteView key) const { return StoreState(*ledger_.store_, &snapshot_).get(key); }

Status View::scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const {
  return StoreState(*ledger_.store_, &snapshot_).scan(prefix, from, visit);
}

Result<Bytes> View::query(std::uint8_t app, std::string_view path, ByteView argument) const {
  const App* const target = ledger_.app(app);
  if (target == nullptr) return fail(Kind::kUnsupported, "ledger.no_app", text("found application {}", app));
  return target->query(path, argument, *this);
}

Status View::check(const Tx& tx, std::int64_t next_time_ms) const {
  const App* const target = ledger_.app(tx.app);
  if (target == nullptr) return fail(Kind::kUnsupported, "ledger.no_app", text("found application {}", tx.app));
  const BlockContext next{.network = ledger_.network_,
                          .height = height().plus(1),
                          .time_ms = std::max(next_time_ms, header().time_ms + 1),
                          .leader = {},
                          .beacon = {}};
  return target->check(tx, next, *this);
}

Result<light::LightProof> View::prove(ByteView key) const {
  if (certificate().attests.empty())
    return fail(Kind::kUnavailable, "ledger.uncertified", text("found no certificate for block {}", height().value));
  light::LightProof proof{
      .header = header(), .certificate = certificate(), .key = to_bytes(key), .value = {}, .path = {}};
  TRY(proof.value, get(key));
  TRY(proof.path, prove_in_tree(ledger_.node_get(&snapshot_), light::state_key_hash(key)));
  return proof;
}

Result<Block> View::block(Height height) const {
  TRY(const auto bytes, ledger_.store_->get(kBlocks, height_key(height), &snapshot_));
  if (!bytes)
    return fail(Kind::kNotFound, "ledger.not_found",
                text("found no block {}, the newest is {}", height.value, header().height.value));
  return decode_block(*bytes);
}

Result<std::optional<Applied>> View::tx_result(const Hash32& id) const {
  TRY(const auto bytes, ledger_.store_->get(kTxs, id.view(), &snapshot_));
  if (!bytes) return std::optional<Applied>();
  TRY(const StoredTx stored, decode_stored_tx(*bytes));
  auto result = decode_result(stored.result);
  if (!result) return bad_record("transaction result", result.error());
  return std::optional(
      Applied{.tx_id = id, .height = stored.height, .index = stored.index, .result = *std::move(result)});
}

Result<Tx> View::tx(const Hash32& id) const {
  TRY(const auto bytes, ledger_.store_->get(kTxs, id.view(), &snapshot_));
  if (!bytes) return fail(Kind::kNotFound, "ledger.not_found", text("found no transaction {}", id));
  TRY(const StoredTx stored, decode_stored_tx(*bytes));
  return decode_tx(stored.tx);
}

Result<light::TxProof> View::prove_tx(const Hash32& id) const {
  TRY(const auto bytes, ledger_.store_->get(kTxs, id.view(), &snapshot_));
  if (!bytes) return fail(Kind::kNotFound, "ledger.not_found", text("found no transaction {}", id));
  TRY(StoredTx stored, decode_stored_tx(*bytes));
  TRY(Block in, block(stored.height));
  if (in.certificate.attests.empty())
    return fail(Kind::kUnavailable, "ledger.uncertified",
                text("found no certificate for block {}", stored.height.value));
  light::TxProof proof{.header = in.header,
                       .certificate = std::move(in.certificate),
                       .tx_id = id,
                       .result = std::move(stored.result),
                       .place = {stored.index, in.tx_ids.size()},
                       .tx_path = {},
                       .receipt_path = {}};
  TRY(proof.tx_path, light::list_path(in.tx_ids, stored.index));
  TRY(proof.receipt_path, light::list_path(in.result_hashes, stored.index));
  return proof;
}

Result<std::vector<LedgerEvent>> View::events(EventsFrom from, std::string_view topic_prefix, std::size_t limit) const {
  const kv::Store& store = *ledger_.store_;
  const Bytes start = event_key(from.height, from.skip);
  std::vector<Place> places;
  if (topic_prefix.empty()) {
    TRY_OK(store.scan(
        kEvents, {}, start,
        [&](ByteView key, ByteView) {
          if (places.size() < limit) places.push_back(place_of(key));
          return places.size() < limit;
        },
        &snapshot_));
  } else {
    // Per topic the first `limit` places; merged, the first `limit` of all are among them.
    Bytes seek = to_bytes(topic_prefix);
    for (std::size_t topics = 0; topics < kTopicsMax; ++topics) {
      std::optional<Bytes> topic;
      TRY_OK(store.scan(
          kTopics, as_bytes(topic_prefix), seek,
          [&](ByteView key, ByteView) {
            topic = to_bytes(key.first(key.size() - kPlaceSize));  // with its zero byte
            return false;
          },
          &snapshot_));
      if (!topic) break;
      Bytes first = *topic;
      append(first, start);
      std::size_t taken = 0;
      TRY_OK(store.scan(
          kTopics, *topic, first,
          [&](ByteView key, ByteView) {
            if (taken < limit) places.push_back(place_of(key.last(kPlaceSize)));
            return ++taken < limit;
          },
          &snapshot_));
      seek = std::move(*topic);
      seek.back() = 1;  // past every key of this topic: topics hold no zero byte
    }
    std::ranges::sort(places);
    if (places.size() > limit) places.resize(limit);
  }
  std::vector<LedgerEvent> out;
  for (const Place& place : places) {
    TRY(const auto bytes, store.get(kEvents, event_key(place.height, place.index), &snapshot_));
    if (!bytes)
      return fail(Kind::kCorrupt, "ledger.record",
                  text("found no event {} of block {}", place.index, place.height.value));
    TRY(Event event, decode_event(*bytes));
    out.push_back({.height = place.height, .index = place.index, .event = std::move(event)});
  }
  return out;
}

}  // namespace hanse::ledger
