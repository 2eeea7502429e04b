// How this room's records are read and written: maps whose keys are all present and ascend.
#pragma once

#include <limits>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/core/units.h"
#include "exchange/market/records.h"

namespace hanse::market::detail {

// Reads the fields of a map whose keys are all present: field(k) must find exactly key k next.
class Fields {
 public:
  Fields(codec::CborReader& reader, std::string_view name) : r_(reader), name_(name) {}

  // `optional` more keys may follow the others.
  Status enter(std::size_t entries, std::size_t optional = 0) {
    TRY_OK(r_.enter_map(name_, entries + optional));
    if (r_.left() < entries) {
      return r_.fail_here("market.record", text("found {} fields, expected {}", r_.left(), entries));
    }
    return {};
  }
  Status key(std::uint64_t want) {
    TRY(const std::uint64_t found, r_.key());
    if (found != want) return r_.fail_here("market.record", text("found key {}, expected {}", found, want));
    return {};
  }
  template <class T>
  Status uint(std::uint64_t k, std::string_view what, T& out, std::uint64_t max = std::numeric_limits<T>::max()) {
    TRY_OK(key(k));
    TRY(const std::uint64_t v, r_.u64(what, max));
    out = static_cast<T>(v);
    return {};
  }
  Status amount(std::uint64_t k, std::string_view what, Amount& out) { return uint(k, what, out.value); }
  Status height(std::uint64_t k, std::string_view what, Height& out) { return uint(k, what, out.value); }
  template <class E>
  Status enumerator(std::uint64_t k, std::string_view what, E& out, std::uint64_t max) {
    TRY_OK(key(k));
    TRY(const std::uint64_t v, r_.u64(what, max));
    out = static_cast<E>(v);
    return {};
  }
  template <std::size_t N, class Tag>
  Status fixed(std::uint64_t k, std::string_view what, FixedBytes<N, Tag>& out) {
    TRY_OK(key(k));
    return r_.fixed(what, out);
  }
  // A last key that is there, with the value 1, only when it says yes.
  Status flag(std::uint64_t k, std::string_view what, bool& out) {
    if (!r_.more()) return {};
    TRY_OK(key(k));
    TRY(const std::uint64_t v, r_.u64(what, 1));
    if (v != 1) return r_.fail_here("market.record", "found 0, expected 1 or no such key");
    out = true;
    return {};
  }

 private:
  codec::CborReader& r_;
  std::string_view name_;
};

inline void put(codec::CborWriter& w, std::uint64_t key, std::uint64_t value) {
  w.key(key);
  w.u64(value);
}
inline void put(codec::CborWriter& w, std::uint64_t key, Amount value) { put(w, key, value.value); }
inline void put(codec::CborWriter& w, std::uint64_t key, Height value) { put(w, key, value.value); }
inline void put(codec::CborWriter& w, std::uint64_t key, ByteView value) {
  w.key(key);
  w.bytes(value);
}

// Steps as [count, root, list].
inline void write_steps(codec::CborWriter& w, const StepsRef& steps) {
  w.array(3);
  w.u64(steps.count);
  w.bytes(steps.root.view());
  w.bytes(steps.list.view());
}

inline Status read_steps(codec::CborReader& r, StepsRef& steps) {
  TRY_OK(r.enter_array("steps", 3));
  TRY(const std::uint64_t count, r.u64("count", kStepsMax));
  if (count == 0) return r.fail_here("market.record", text("found 0 steps, expected 1 to {}", kStepsMax));
  steps.count = static_cast<std::uint32_t>(count);
  TRY_OK(r.fixed("root", steps.root));
  TRY_OK(r.fixed("list", steps.list));
  return r.leave();
}

// Outputs as [[blob id, size], ...].
inline void write_outputs(codec::CborWriter& w, const std::vector<OutputRef>& outputs) {
  w.array(outputs.size());
  for (const OutputRef& output : outputs) {
    w.array(2);
    w.bytes(output.id.view());
    w.u64(output.size_bytes);
  }
}

inline Status read_outputs(codec::CborReader& r, std::vector<OutputRef>& outputs) {
  TRY_OK(r.enter_array("outputs", kOutputsMax));
  while (r.more()) {
    OutputRef& output = outputs.emplace_back();
    TRY_OK(r.enter_array("output", 2));
    TRY_OK(r.fixed("id", output.id));
    TRY(output.size_bytes, r.u64("size_bytes"));
    TRY_OK(r.leave());
  }
  return r.leave();
}

}  // namespace hanse::market::detail
