#include "chain/ledger/app.h"

#include <bit>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "chain/ledger/call.h"

namespace hanse::ledger {
namespace {

constexpr std::size_t kErrorIdMax = 64;
constexpr std::size_t kResultBytesMax = 1 << 20;

// Cuts at a character's start, so that the text stays UTF-8.
std::string cut_text(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return std::string(text);
  std::size_t end = size_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

Result<std::vector<Event>> decode_events(codec::CborReader& r) {
  std::vector<Event> events;
  TRY_OK(r.enter_array("events", kResultEventsMax));
  while (r.more()) {
    TRY_OK(r.enter_array("event", 2));
    Event event;
    TRY(const std::string_view topic, r.text("topic", kTopicMax));
    TRY(const ByteView data, r.bytes("data", kResultDataMax));
    TRY_OK(r.leave());
    event.topic = topic;
    event.data = to_bytes(data);
    events.push_back(std::move(event));
  }
  TRY_OK(r.leave());
  return events;
}

}  // namespace

Bytes encode_tx(const Tx& tx) {
  codec::CborWriter w;
  w.map(2);
  w.key(0);
  w.u64(tx.app);
  w.key(1);
  w.bytes(tx.body);
  return w.take();
}

Result<Tx> decode_tx(ByteView bytes) {
  if (bytes.size() > kTxBytesMax)
    return fail(Kind::kExhausted, "ledger.tx_too_large",
                text("found a transaction of {} bytes, expected at most {}", bytes.size(), kTxBytesMax));
  codec::CborReader r(bytes, {.size_max = kTxBytesMax, .depth_max = 2});
  Tx tx;
  TRY_OK(r.enter_map("tx", 2));
  bool has_app = false, has_body = false;
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (key == 0) {
      TRY(const std::uint64_t app, r.u64("app", 255));
      tx.app = static_cast<std::uint8_t>(app);
      has_app = true;
    } else if (key == 1) {
      TRY(const ByteView body, r.bytes("body", kTxBytesMax));
      tx.body = to_bytes(body);
      has_body = true;
    } else {
      return r.fail_here("codec.type", text("found key {}, expected 0 or 1", key));
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (!has_app || !has_body) return fail(Kind::kInvalid, "codec.missing", "found a transaction without app or body");
  return tx;
}

Hash32 tx_id(ByteView encoding) { return crypto::blake3("hanse/tx/1", {encoding}); }

// Hashes what encode_tx gives, without copying the body.
Hash32 tx_id(const Tx& tx) {
  std::uint8_t head[16] = {0xa2, 0x00};
  std::size_t size = 2;
  const auto item = [&](std::uint8_t major, std::size_t n) {  // RFC 8949 section 3: the first bytes of an item
    const std::size_t width = n < 24 ? 0 : n < 0x100 ? 1 : n < 0x1'0000 ? 2 : 4;
    head[size++] = static_cast<std::uint8_t>(major << 5 | (width == 0 ? n : 24 + std::bit_width(width) - 1));
    for (std::size_t i = width; i-- > 0;) head[size++] = static_cast<std::uint8_t>(n >> 8 * i);
  };
  item(0, tx.app);
  head[size++] = 0x01;
  item(2, tx.body.size());
  return crypto::blake3("hanse/tx/1", {ByteView(head, size), tx.body});
}

TxResult failed(const Error& error) {
  TxResult result;
  result.code = error.code() == 0 ? 1 : error.code();
  result.error_id = cut_text(error.id(), kErrorIdMax);
  result.message = cut_text(error.message(), kResultMessageMax);
  result.path = cut_text(error.path(), kResultMessageMax);
  return result;
}

Bytes encode_result(const TxResult& result) {
  check(result.data.size() <= kResultDataMax, "transaction result data is beyond kResultDataMax");
  check(result.events.size() <= kResultEventsMax, "transaction events are beyond kResultEventsMax");
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(result.code);
  w.key(1);
  w.text(result.error_id);
  w.key(2);
  w.text(result.message);
  w.key(3);
  w.text(result.path);
  w.key(4);
  w.bytes(result.data);
  w.key(5);
  w.array(result.events.size());
  for (const Event& event : result.events) {
    check(event.topic.size() <= kTopicMax && event.data.size() <= kResultDataMax, "event is beyond its limits");
    w.array(2);
    w.text(event.topic);
    w.bytes(event.data);
  }
  return w.take();
}

Result<TxResult> decode_result(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kResultBytesMax * 64, .depth_max = 4});
  TxResult result;
  TRY_OK(r.enter_map("result", 6));
  std::uint64_t expected = 0;
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (key != expected++) return r.fail_here("codec.missing", text("found key {}, expected {}", key, expected - 1));
    if (key == 0) {
      TRY(const std::uint64_t code, r.u64("code", 0xFFFF'FFFF));
      result.code = static_cast<std::uint32_t>(code);
    } else if (key == 4) {
      TRY(const ByteView data, r.bytes("data", kResultDataMax));
      result.data = to_bytes(data);
    } else if (key == 5) {
      TRY(result.events, decode_events(r));
    } else {
      TRY(const std::string_view part, r.text("text", kResultMessageMax));
      (key == 1 ? result.error_id : key == 2 ? result.message : result.path) = part;
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (expected != 6) return fail(Kind::kInvalid, "codec.missing", text("found {} result fields, expected 6", expected));
  return result;
}

std::optional<AccountId> App::payer(const Tx& tx) const {
  const auto call = decode_call(tx.body);
  if (!call) return std::nullopt;
  return call->sender;
}

}  // namespace hanse::ledger
