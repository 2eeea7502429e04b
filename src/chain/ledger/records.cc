#include "chain/ledger/records.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::ledger {
namespace {

constexpr std::size_t kRecordBytesMax = 64u << 20;
constexpr std::size_t kBlockTxsMax = 65'536;

Status expect(codec::CborReader& r, std::uint64_t key) {
  TRY(const std::uint64_t found, r.key());
  if (found != key) return r.fail_here("codec.missing", text("found key {}, expected {}", found, key));
  return {};
}

void write_list(codec::CborWriter& w, std::uint64_t key, const std::vector<Hash32>& list) {
  w.key(key);
  w.array(list.size());
  for (const Hash32& hash : list) w.bytes(hash.view());
}

Status read_list(codec::CborReader& r, std::uint64_t key, std::vector<Hash32>& out) {
  TRY_OK(expect(r, key));
  TRY_OK(r.enter_array("hashes", kBlockTxsMax));
  while (r.more()) TRY_OK(r.fixed("hash", out.emplace_back()));
  return r.leave();
}

Result<Block> read_block(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 4});
  Block block;
  TRY_OK(r.enter_map("block", 3));
  TRY_OK(expect(r, 0));
  TRY(block.header, light::read_header(r));
  TRY_OK(read_list(r, 1, block.tx_ids));
  TRY_OK(read_list(r, 2, block.result_hashes));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return block;
}

Result<StoredCert> read_cert(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 3});
  StoredCert out;
  TRY_OK(r.enter_array("stored certificate", 2));
  TRY(const std::uint64_t power, r.u64("power_bp", light::kPowerTotalBp));
  out.power_bp = static_cast<std::uint32_t>(power);
  TRY(out.certificate, light::read_certificate(r));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Result<StoredSet> read_set(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 3});
  StoredSet out;
  TRY_OK(r.enter_array("stored set", 2));
  TRY(out.from.value, r.u64("from"));
  TRY(out.set, light::read_set(r));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Result<TxPlace> read_place(codec::CborReader& r) {
  TxPlace out;
  TRY_OK(r.enter_array("place", 3));
  for (std::uint32_t* part : {&out.source, &out.offset, &out.size}) {
    TRY(const std::uint64_t value, r.u64("place", 0xFFFF'FFFF));
    *part = static_cast<std::uint32_t>(value);
  }
  TRY_OK(r.leave());
  return out;
}

Result<StoredTx> read_stored_tx(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 2});
  StoredTx out;
  TRY_OK(r.enter_map("stored tx", 4));
  TRY_OK(expect(r, 0));
  TRY(out.height.value, r.u64("height"));
  TRY_OK(expect(r, 1));
  TRY(const std::uint64_t index, r.u64("index", 0xFFFF'FFFF));
  out.index = static_cast<std::uint32_t>(index);
  TRY_OK(expect(r, 2));
  if (r.next_is_bytes()) {
    TRY(const ByteView tx, r.bytes("tx", kTxBytesMax));
    out.tx = to_bytes(tx);
  } else {
    TRY(out.place, read_place(r));
  }
  TRY_OK(expect(r, 3));
  TRY(const ByteView result, r.bytes("result", kRecordBytesMax));
  out.result = to_bytes(result);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Result<Cut> read_cut(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 4});
  Cut cut;
  TRY_OK(r.enter_map("cut", 7));
  TRY_OK(expect(r, 0));
  TRY(cut.height.value, r.u64("height"));
  TRY_OK(expect(r, 1));
  TRY(cut.time_ms, r.i64("time_ms"));
  TRY_OK(expect(r, 2));
  TRY_OK(r.fixed("leader", cut.leader));
  TRY_OK(expect(r, 3));
  TRY_OK(r.enter_array("txs", kBlockTxsMax));
  while (r.more()) {
    TRY(const ByteView tx, r.bytes("tx", kTxBytesMax));
    TRY(cut.txs.emplace_back(), decode_tx(tx));
  }
  TRY_OK(r.leave());
  TRY_OK(expect(r, 4));
  TRY(cut.epoch, r.u64("epoch"));
  TRY_OK(expect(r, 5));
  TRY_OK(r.fixed("id", cut.id));
  TRY_OK(expect(r, 6));
  TRY(cut.epoch_end, r.boolean("epoch_end"));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return cut;
}

}  // namespace

std::unexpected<Error> bad_record(std::string_view what, const Error& error) {
  return fail(Kind::kCorrupt, "ledger.record", text("{}: {}", what, error.str()));
}

Bytes height_key(Height height) {
  Bytes key;
  append_be(key, height.value);
  return key;
}

Bytes event_key(Height height, std::uint32_t index) {
  Bytes key = height_key(height);
  append_be(key, index);
  return key;
}

Bytes source_key(Height height, std::uint32_t source) { return event_key(height, source); }

Bytes topic_key(std::string_view topic, Height height, std::uint32_t index) {
  Bytes key = to_bytes(topic);
  key.push_back(0);
  append(key, event_key(height, index));
  return key;
}

Bytes encode_block(const Block& block) {
  codec::CborWriter w;
  w.map(3);
  w.key(0);
  light::write(w, block.header);
  write_list(w, 1, block.tx_ids);
  write_list(w, 2, block.result_hashes);
  return w.take();
}

Result<Block> decode_block(ByteView bytes) {
  auto block = read_block(bytes);
  if (!block) return bad_record("block", block.error());
  return block;
}

Bytes encode_cert(const StoredCert& stored) {
  codec::CborWriter w;
  w.array(2);
  w.u64(stored.power_bp);
  light::write(w, stored.certificate);
  return w.take();
}

Result<StoredCert> decode_cert(ByteView bytes) {
  auto stored = read_cert(bytes);
  if (!stored) return bad_record("certificate", stored.error());
  return stored;
}

Bytes encode_set(const StoredSet& stored) {
  codec::CborWriter w;
  w.array(2);
  w.u64(stored.from.value);
  light::write(w, stored.set);
  return w.take();
}

Result<StoredSet> decode_set(ByteView bytes) {
  auto stored = read_set(bytes);
  if (!stored) return bad_record("validator set", stored.error());
  return stored;
}

Bytes history_key(light::HistoryPlace place) {
  Bytes key{place.level};
  append_be(key, place.index);
  return key;
}

light::HistoryGet history_get(const kv::Store& store) {
  return [&store](light::HistoryPlace place) -> Result<std::optional<Hash32>> {
    TRY(const auto bytes, store.get(kHistory, history_key(place)));
    Hash32 hash;
    if (!bytes || !Hash32::from(*bytes, hash)) return std::optional<Hash32>();
    return std::optional(hash);
  };
}

Bytes encode_next(const StoredNext& next) {
  Bytes out = {static_cast<std::uint8_t>(next.wants_block ? 1 : 0)};
  append_be(out, next.epoch);
  append_be(out, next.height.value);
  return out;
}

Result<StoredNext> read_next(const kv::Store& store, const kv::Snapshot* at) {
  TRY(const auto bytes, store.get(kMeta, as_bytes(kNextKey), at));
  if (bytes && bytes->size() == 9) {  // written before heights were kept here
    TRY(const auto last, store.last(kBlocks, {}, {}, at));
    if (last)
      return StoredNext{.wants_block = (*bytes)[0] == 1,
                        .epoch = load_be<std::uint64_t>(bytes->data() + 1),
                        .height = Height{load_be<std::uint64_t>(last->first.data())}};
  }
  if (!bytes || bytes->size() != 17)
    return fail(Kind::kCorrupt, "ledger.record",
                text("found {} bytes for what comes next, expected 17", bytes ? bytes->size() : 0));
  return StoredNext{.wants_block = (*bytes)[0] == 1,
                    .epoch = load_be<std::uint64_t>(bytes->data() + 1),
                    .height = Height{load_be<std::uint64_t>(bytes->data() + 9)}};
}

Bytes encode_stored_tx(const StoredTx& stored) {
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.u64(stored.height.value);
  w.key(1);
  w.u64(stored.index);
  w.key(2);
  if (stored.place) {
    w.array(3);
    for (const std::uint32_t part : {stored.place->source, stored.place->offset, stored.place->size}) w.u64(part);
  } else {
    w.bytes(stored.tx);
  }
  w.key(3);
  w.bytes(stored.result);
  return w.take();
}

Result<StoredTx> decode_stored_tx(ByteView bytes) {
  auto stored = read_stored_tx(bytes);
  if (!stored) return bad_record("transaction", stored.error());
  return stored;
}

Bytes encode_event(const Event& event) {
  codec::CborWriter w;
  w.array(2);
  w.text(event.topic);
  w.bytes(event.data);
  return w.take();
}

Result<Event> decode_event(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kRecordBytesMax, .depth_max = 1});
  const auto read = [&]() -> Result<Event> {
    TRY_OK(r.enter_array("event", 2));
    TRY(const std::string_view topic, r.text("topic", 256));
    TRY(const ByteView data, r.bytes("data", kResultDataMax));
    TRY_OK(r.leave());
    TRY_OK(r.finish());
    return Event{.topic = std::string(topic), .data = to_bytes(data)};
  };
  auto event = read();
  if (!event) return bad_record("event", event.error());
  return event;
}

Bytes encode_cut(const Cut& cut) {
  codec::CborWriter w;
  w.map(7);
  w.key(0);
  w.u64(cut.height.value);
  w.key(1);
  w.i64(cut.time_ms);
  w.key(2);
  w.bytes(cut.leader.view());
  w.key(3);
  w.array(cut.txs.size());
  for (const Tx& tx : cut.txs) w.bytes(encode_tx(tx));
  w.key(4);
  w.u64(cut.epoch);
  w.key(5);
  w.bytes(cut.id.view());
  w.key(6);
  w.boolean(cut.epoch_end);
  return w.take();
}

Result<Cut> decode_cut(ByteView bytes) {
  auto cut = read_cut(bytes);
  if (!cut) return bad_record("cut", cut.error());
  return cut;
}

Result<std::optional<Bytes>> StoreState::get(ByteView key) const {
  auto value = store_.get(family_, key, at_);
  if (!value) return fail(Kind::kCorrupt, "ledger.state_io", value.error().str());
  return value;
}

Status StoreState::scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const {
  const Status status = store_.scan(family_, prefix, from, visit, at_);
  if (!status) return fail(Kind::kCorrupt, "ledger.state_io", status.error().str());
  return {};
}

}  // namespace hanse::ledger
