// State: the replicated key-value state that applications read and write, and its authenticated root.
// Keys are application name, '/' and the application's own bytes; at most kStateKeyMax long. Values at most 1 MiB.
// Iteration is in byte order of the keys, so nothing depends on hashing or allocation.
// A key or value beyond its limit is the application's bug. Bytes that come from outside are limited before.
// Threads: one at a time. Errors: ledger.state_io (corrupt) from a store behind it.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::ledger {

constexpr std::size_t kStateKeyMax = 128;
constexpr std::size_t kStateValueMax = 1 << 20;

class StateReader {
 public:
  virtual ~StateReader() = default;
  virtual Result<std::optional<Bytes>> get(ByteView key) const = 0;
  // Calls visit for each key that starts with prefix, in byte order, from `from` on; visit returns false to stop.
  virtual Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const = 0;
};

class State : public StateReader {
 public:
  virtual void put(ByteView key, ByteView value) = 0;
  virtual void erase(ByteView key) = 0;
};

// Looked up without making a key.
struct BytesLess {
  using is_transparent = void;
  bool operator()(ByteView a, ByteView b) const { return as_text(a) < as_text(b); }
};
using Writes = std::map<Bytes, std::optional<Bytes>, BytesLess>;  // nothing: erased

// In memory: for tests, dry runs and the simulator.
class MemState final : public State {
 public:
  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const override;
  void put(ByteView key, ByteView value) override;
  void erase(ByteView key) override;
  const std::map<Bytes, Bytes, BytesLess>& entries() const { return entries_; }

 private:
  std::map<Bytes, Bytes, BytesLess> entries_;
};

// Writes kept aside over another state: what one transaction does until it is known to succeed.
class Overlay final : public State {
 public:
  explicit Overlay(const StateReader& below) : below_(below) {}
  // An overlay over an overlay, not a copy of it: `Overlay upper(lower)` layers like any other reader.
  explicit Overlay(const Overlay& below) : below_(below) {}
  Overlay& operator=(const Overlay&) = delete;
  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status scan(ByteView prefix, ByteView from, const std::function<bool(ByteView, ByteView)>& visit) const override;
  void put(ByteView key, ByteView value) override;
  void erase(ByteView key) override;
  const Writes& writes() const { return writes_; }
  Writes take_writes() { return std::move(writes_); }
  void commit_to(State& target) const;
  void take(Overlay& upper);  // the writes of one over this, which win

 private:
  const StateReader& below_;
  Writes writes_;
};

}  // namespace hanse::ledger
