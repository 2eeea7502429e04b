#include "exchange/gxf/detail/tree.h"

#include "base/codec/cbor.h"
#include "base/core/check.h"

namespace hanse::gxf::detail {

namespace {

Result<Item> read(codec::CborReader& r, ByteView in) {
  Item item;
  switch (in[r.offset()] >> 5) {
    case 0: {
      TRY(const std::uint64_t v, r.u64("u"));
      return Item::of(v);
    }
    case 1:
      item.type = Item::Type::kInt;
      if (auto v = r.i64("i"); v) item.i = *v;
      return item;
    case 2: {
      TRY(const ByteView v, r.bytes("b", in.size()));
      return Item::of(to_bytes(v));
    }
    case 4:
      item.type = Item::Type::kArray;
      TRY_OK(r.enter_array("a", in.size()));
      while (r.more()) {
        TRY(Item each, read(r, in));
        item.items.push_back(std::move(each));
      }
      TRY_OK(r.leave());
      return item;
    default:
      item.type = Item::Type::kMap;
      TRY_OK(r.enter_map("m", in.size()));
      while (r.more()) {
        TRY(const std::uint64_t key, r.key());
        TRY(Item each, read(r, in));
        item.entries.emplace(key, std::move(each));
      }
      TRY_OK(r.leave());
      return item;
  }
}

void write(codec::CborWriter& w, const Item& item) {
  switch (item.type) {
    case Item::Type::kUint: return w.u64(item.u);
    case Item::Type::kInt: return w.i64(item.i);
    case Item::Type::kBytes: return w.bytes(item.bytes);
    case Item::Type::kRaw: return w.raw(item.bytes);
    case Item::Type::kArray:
      w.array(item.items.size());
      for (const Item& each : item.items) write(w, each);
      return;
    case Item::Type::kMap:
      w.map(item.entries.size());
      for (const auto& [key, each] : item.entries) {
        w.key(key);
        write(w, each);
      }
  }
}

}  // namespace

Item parse_tree(ByteView canonical) {
  codec::CborReader r(canonical, {.size_max = canonical.size(), .depth_max = 16});
  auto item = read(r, canonical);
  check(item.has_value() && r.finish().has_value(), "a tree is made of canonical bytes");
  return std::move(*item);
}

Bytes encode_tree(const Item& item) {
  codec::CborWriter w;
  write(w, item);
  return w.take();
}

}  // namespace hanse::gxf::detail
