// A job's bytes as a tree that can be bent: any field replaced, removed, added or given bytes that no encoder writes.
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

#include <initializer_list>
#include <map>

namespace hanse::gxf::detail {

struct Item {
  enum class Type : std::uint8_t { kUint, kInt, kBytes, kArray, kMap, kRaw } type = Type::kUint;
  std::uint64_t u = 0;
  std::int64_t i = 0;
  Bytes bytes;  // of kBytes, or of kRaw: written as they are
  std::vector<Item> items;
  std::map<std::uint64_t, Item> entries;

  static Item of(std::uint64_t v) {
    return {.type = Type::kUint, .u = v, .i = 0, .bytes = {}, .items = {}, .entries = {}};
  }
  static Item of(Bytes v) {
    return {.type = Type::kBytes, .u = 0, .i = 0, .bytes = std::move(v), .items = {}, .entries = {}};
  }
  static Item raw(Bytes v) {
    return {.type = Type::kRaw, .u = 0, .i = 0, .bytes = std::move(v), .items = {}, .entries = {}};
  }
  static Item array(std::initializer_list<std::uint64_t> values) {
    Item out{.type = Type::kArray, .u = 0, .i = 0, .bytes = {}, .items = {}, .entries = {}};
    for (const std::uint64_t v : values) out.items.push_back(of(v));
    return out;
  }
};

Item parse_tree(ByteView canonical);  // of bytes our own encoder made
Bytes encode_tree(const Item& item);

}  // namespace hanse::gxf::detail
