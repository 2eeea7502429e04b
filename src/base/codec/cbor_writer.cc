#include "base/codec/cbor.h"
#include "base/codec/utf8.h"
#include "base/core/check.h"

#include <array>
#include <utility>

namespace hanse::codec {

void CborWriter::head(std::uint8_t major, std::uint64_t v) {
  const auto top = static_cast<std::uint8_t>(major << 5);
  std::array<std::uint8_t, 9> buf;
  std::size_t size = 1;
  if (v < 24) {
    buf[0] = static_cast<std::uint8_t>(top | v);
  } else if (v <= 0xff) {
    buf[0] = top | 24;
    buf[1] = static_cast<std::uint8_t>(v);
    size = 2;
  } else if (v <= 0xffff) {
    buf[0] = top | 25;
    store_be(&buf[1], static_cast<std::uint16_t>(v));
    size = 3;
  } else if (v <= 0xffff'ffff) {
    buf[0] = top | 26;
    store_be(&buf[1], static_cast<std::uint32_t>(v));
    size = 5;
  } else {
    buf[0] = top | 27;
    store_be(&buf[1], v);
    size = 9;
  }
  append(out_, ByteView(buf).first(size));
}

// Counts the item that is about to be written into the innermost container.
void CborWriter::begin_item() {
  if (open_.empty()) return;
  Open& o = open_.back();
  check(o.items_left > 0, "a CBOR container gets no more items than it announced");
  check(!o.is_map || o.has_key, "a CBOR map's value follows its key");
  o.has_key = false;
  --o.items_left;
}

void CborWriter::open(std::uint8_t major, std::size_t items) {
  begin_item();
  head(major, items);
  open_.push_back({.items_left = items, .is_map = major == 5, .has_key = false, .any_key = false, .last_key = 0});
  close_filled();
}

void CborWriter::close_filled() {
  while (!open_.empty() && open_.back().items_left == 0) open_.pop_back();
}

void CborWriter::u64(std::uint64_t v) {
  begin_item();
  head(0, v);
  close_filled();
}

void CborWriter::i64(std::int64_t v) {
  begin_item();
  if (v >= 0)
    head(0, static_cast<std::uint64_t>(v));
  else
    head(1, ~static_cast<std::uint64_t>(v));
  close_filled();
}

void CborWriter::boolean(bool v) {
  begin_item();
  out_.push_back(v ? 0xf5 : 0xf4);
  close_filled();
}

void CborWriter::bytes(ByteView v) {
  begin_item();
  head(2, v.size());
  append(out_, v);
  close_filled();
}

void CborWriter::text(std::string_view v) {
  check(is_utf8(v), "text written as CBOR is UTF-8");
  begin_item();
  head(3, v.size());
  append(out_, as_bytes(v));
  close_filled();
}

void CborWriter::array(std::size_t items) { open(4, items); }

void CborWriter::map(std::size_t entries) { open(5, entries); }

void CborWriter::key(std::uint64_t k) {
  check(!open_.empty() && open_.back().is_map && !open_.back().has_key, "a CBOR key is written where a map wants one");
  Open& o = open_.back();
  check(!o.any_key || k > o.last_key, "CBOR map keys are written in ascending order");
  o.last_key = k;
  o.any_key = true;
  o.has_key = true;
  head(0, k);
}

void CborWriter::raw(ByteView one_encoded_item) {
  check(!one_encoded_item.empty(), "a raw CBOR item has bytes");
  begin_item();
  append(out_, one_encoded_item);
  close_filled();
}

Bytes CborWriter::take() {
  check(open_.empty(), "every CBOR container is filled before take()");
  return std::exchange(out_, {});
}

}  // namespace hanse::codec
