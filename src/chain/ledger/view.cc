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

Result<std::uint64_t> View::next_epoch() const {
  TRY(const StoredNext next, read_next(*ledger_.store_, &moment_->snapshot));
  return next.epoch;
}

Result<std::optional<Bytes>> View::get(ByteView key) const {
  return StoreState(*ledger_.store_, moment_->side, &moment_->snapshot).get(key);
}

Status View::scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const {
  return StoreState(*ledger_.store_, moment_->side, &moment_->snapshot).scan(prefix, from, visit);
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

Result<std::optional<light::Certificate>> View::certificate(Height height) const {
  TRY(const auto bytes, ledger_.store_->get(kCerts, height_key(height)));
  if (!bytes) return std::optional<light::Certificate>();
  TRY(StoredCert stored, decode_cert(*bytes));
  return std::optional(std::move(stored.certificate));
}

Result<Certified> View::certified(const light::BlockHeader& header, light::Grade grade) const {
  TRY(const auto bytes, ledger_.store_->get(kCerts, height_key(header.height)));
  StoredCert stored;
  if (bytes) {
    TRY(stored, decode_cert(*bytes));
  }
  const std::uint32_t needed = light::grade_bp(grade, ledger_.genesis_.params);
  if (stored.power_bp < needed)
    return fail(
        Kind::kUnavailable, "ledger.uncertified",
        text("found a certificate of {} bp for block {}, expected {}", stored.power_bp, header.height.value, needed));
  return Certified{.header = header, .certificate = std::move(stored.certificate), .power_bp = stored.power_bp};
}

Result<light::CertifiedHeader> View::believable(const light::BlockHeader& shown, const Certified& by,
                                                ProofWanted wanted) const {
  TRY(const light::ValidatorSet set, ledger_.valset(by.header.epoch));
  light::CertifiedHeader out{
      .header = shown,
      .link = {},
      .certificate = light::trim(by.certificate, set, light::grade_bp(wanted.grade, ledger_.genesis_.params)),
      .handovers = {}};
  if (shown.height != by.header.height) {
    light::HistoryLink& link = out.link.emplace(light::HistoryLink{.certified = by.header, .path = {}});
    TRY(link.path, light::history_path(history_get(*ledger_.store_), {shown.height.value, by.header.height.value}));
  }
  TRY(out.handovers, handovers(by.header.epoch, wanted));
  return out;
}

Result<std::vector<light::Handover>> View::handovers(std::uint64_t upto_epoch, ProofWanted wanted) const {
  std::vector<StoredSet> sets;
  std::optional<Error> bad;
  if (wanted.from_epoch < upto_epoch)
    TRY_OK(ledger_.store_->scan(kValsets, {}, height_key(Height{wanted.from_epoch + 1}),
                                [&](ByteView key, ByteView value) {
                                  if (load_be<std::uint64_t>(key.data()) > upto_epoch) return false;
                                  auto set = decode_set(value);
                                  if (!set) bad = std::move(set).error();
                                  if (set) sets.push_back(*std::move(set));
                                  return !bad.has_value();
                                }));
  if (bad) return std::unexpected(std::move(*bad));
  std::vector<light::Handover> out;
  for (StoredSet& next : sets) {
    TRY(const Block last, block(Height{next.from.value - 1}));
    TRY(Certified by, certified(last.header, wanted.grade));
    TRY(const light::ValidatorSet set, ledger_.valset(last.header.epoch));
    out.push_back(
        {.header = last.header,
         .certificate = light::trim(by.certificate, set, light::grade_bp(wanted.grade, ledger_.genesis_.params)),
         .next = std::move(next.set)});
  }
  return out;
}

Result<light::LightProof> View::prove(ByteView key, ProofWanted wanted) const {
  TRY(const Certified by, certified(header(), wanted.grade));
  light::LightProof proof{.block = {}, .key = to_bytes(key), .value = {}, .path = {}};
  TRY(proof.block, believable(header(), by, wanted));
  TRY(proof.value, get(key));
  TRY(proof.path, prove_in_tree(ledger_.node_get(moment_->side, &moment_->snapshot), light::state_key_hash(key)));
  return proof;
}

Result<Block> View::block(Height height) const {
  std::optional<Bytes> bytes;
  if (height <= this->height()) {  // an install puts blocks above it
    TRY(bytes, ledger_.store_->get(kBlocks, height_key(height), &moment_->snapshot));
  }
  if (!bytes)
    return fail(Kind::kNotFound, "ledger.not_found",
                text("found no block {}, the newest is {}", height.value, header().height.value));
  return decode_block(*bytes);
}

Result<std::optional<StoredTx>> View::stored_tx(const Hash32& id) const {
  TRY(const auto bytes, ledger_.store_->get(kTxs, id.view(), &moment_->snapshot));
  if (!bytes) return std::optional<StoredTx>();
  TRY(StoredTx stored, decode_stored_tx(*bytes));
  if (stored.height > height()) return std::optional<StoredTx>();  // of an install that is not done
  if (stored.tx.empty() && !stored.place)
    return fail(Kind::kUnavailable, "ledger.before_sync",
                text("found transaction {} applied at height {}, before this node fetched its state; the result is "
                     "with nodes that executed it",
                     id, stored.height.value));
  return std::optional(std::move(stored));
}

// The value that was cut from last: those of one block follow each other.
struct View::Source {
  Bytes key, value;
};

Result<Bytes> View::bytes_of(const StoredTx& stored, Source& last) const {
  if (!stored.place) return stored.tx;
  const TxPlace& at = *stored.place;
  const kv::Store& store = *ledger_.store_;
  Bytes key = source_key(stored.height, at.source);
  if (key != last.key) {
    TRY(const auto name, store.get(kSources, key, &moment_->snapshot));
    std::optional<Bytes> value;
    if (name) {
      TRY(value, store.get(kVertices, *name, &moment_->snapshot));
    }
    if (!value)
      return fail(Kind::kCorrupt, "ledger.record",
                  text("found no source {} of the transactions of block {}", at.source, stored.height.value));
    last = {.key = std::move(key), .value = *std::move(value)};
  }
  if (std::uint64_t{at.offset} + at.size > last.value.size())
    return fail(Kind::kCorrupt, "ledger.record",
                text("found a transaction at {} of {} bytes in block {}, its source has {}", at.offset, at.size,
                     stored.height.value, last.value.size()));
  return to_bytes(ByteView(last.value).subspan(at.offset, at.size));
}

Result<std::vector<Bytes>> View::encoded_txs(const Block& block) const {
  std::vector<Bytes> out;
  out.reserve(block.tx_ids.size());
  Source last;
  for (const Hash32& id : block.tx_ids) {
    TRY(const auto stored, stored_tx(id));
    if (!stored) return fail(Kind::kNotFound, "ledger.not_found", text("found no transaction {}", id));
    TRY(out.emplace_back(), bytes_of(*stored, last));
  }
  return out;
}

Result<std::optional<Applied>> View::tx_result(const Hash32& id) const {
  TRY(const auto found, stored_tx(id));
  if (!found) return std::optional<Applied>();
  const StoredTx& stored = *found;
  auto result = decode_result(stored.result);
  if (!result) return bad_record("transaction result", result.error());
  return std::optional(
      Applied{.tx_id = id, .height = stored.height, .index = stored.index, .result = *std::move(result)});
}

Result<Tx> View::tx(const Hash32& id) const {
  TRY(const auto stored, stored_tx(id));
  if (!stored) return fail(Kind::kNotFound, "ledger.not_found", text("found no transaction {}", id));
  Source none;
  TRY(const Bytes bytes, bytes_of(*stored, none));
  return decode_tx(bytes);
}

Result<light::TxProof> View::prove_tx(const Hash32& id, ProofWanted wanted) const {
  TRY(auto found, stored_tx(id));
  if (!found) return fail(Kind::kNotFound, "ledger.not_found", text("found no transaction {}", id));
  StoredTx& stored = *found;
  TRY(const Block in, block(stored.height));
  const auto by = ledger_.certified(wanted.grade);
  if (!by || by->header.height < stored.height)
    return fail(
        Kind::kUnavailable, "ledger.uncertified",
        text("found no {} certificate at or above block {}", light::grade_name(wanted.grade), stored.height.value));
  light::TxProof proof{.block = {},
                       .tx_id = id,
                       .result = std::move(stored.result),
                       .place = {stored.index, in.tx_ids.size()},
                       .tx_path = {},
                       .receipt_path = {}};
  TRY(proof.block, believable(in.header, *by, wanted));
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
        &moment_->snapshot));
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
          &moment_->snapshot));
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
          &moment_->snapshot));
      seek = std::move(*topic);
      seek.back() = 1;  // past every key of this topic: topics hold no zero byte
    }
    std::ranges::sort(places);
    if (places.size() > limit) places.resize(limit);
  }
  std::vector<LedgerEvent> out;
  for (const Place& place : places) {
    TRY(const auto bytes, store.get(kEvents, event_key(place.height, place.index), &moment_->snapshot));
    if (!bytes)
      return fail(Kind::kCorrupt, "ledger.record",
                  text("found no event {} of block {}", place.index, place.height.value));
    TRY(Event event, decode_event(*bytes));
    out.push_back({.height = place.height, .index = place.index, .event = std::move(event)});
  }
  return out;
}

}  // namespace hanse::ledger
