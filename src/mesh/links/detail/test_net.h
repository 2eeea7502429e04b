// For tests of this room: links in one process on loopback, what their callbacks said, and waiting for it.
// Threads: Events is shared between the channels' threads and the test's. Errors: none.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/core/text.h"
#include "mesh/links/links.h"

namespace hanse::links::detail {

constexpr std::uint8_t kSmall = 1, kLarge = 2, kUnknown = 9;
constexpr std::uint32_t kSmallMax = 64, kLargeMax = 1 << 20;

struct Frame {
  std::uint16_t peer;
  std::uint8_t type;
  Bytes body;
};

bool eventually(const std::function<bool()>& done);  // events_test.cc; asks again and again, false after 20 s

class Events {
 public:
  Callbacks callbacks() {
    return {.on_frame = [this](std::uint16_t p, std::uint8_t t,
                               Bytes b) { note([&] { frames.push_back({p, t, std::move(b)}); }); },
            .on_up = [this](std::uint16_t p) { note([&] { ups.push_back(p); }); },
            .on_down = [this](std::uint16_t p, const Error& e) { note([&] { downs.push_back(line(p, e)); }); },
            .on_twin = [this](std::uint16_t p) { note([&] { twins.push_back(p); }); },
            .on_refused = [this](std::uint16_t p, const Error& e) { note([&] { refused.push_back(line(p, e)); }); }};
  }
  // True once `done` is true; it reads the members below.
  bool wait(const std::function<bool()>& done);  // events_test.cc; false after 20 s
  // "PEER ID" lines that contain the words.
  static std::size_t count(const std::vector<std::string>& lines, std::string_view words) {
    std::size_t n = 0;
    for (const std::string& l : lines) n += l.contains(words) ? 1 : 0;
    return n;
  }
  // The same questions outside of wait().
  template <class T>
  bool empty(std::vector<T> Events::* list) {
    const std::lock_guard lock(mutex);
    return (this->*list).empty();
  }
  std::size_t told(std::vector<std::string> Events::* list, std::string_view words) {
    const std::lock_guard lock(mutex);
    return count(this->*list, words);
  }
  std::uint16_t first_twin() {
    const std::lock_guard lock(mutex);
    return twins.at(0);
  }
  std::string all() {
    const std::lock_guard lock(mutex);
    std::string out = text("{} ups, {} frames, {} twins;", ups.size(), frames.size(), twins.size());
    for (const std::string& l : downs) out += " down " + l;
    for (std::size_t i = 0; i < refused.size() && i < 20; ++i) out += " refused " + refused[i];
    return out;
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Frame> frames;
  std::vector<std::uint16_t> ups, twins;
  std::vector<std::string> downs, refused;

 private:
  static std::string line(std::uint16_t peer, const Error& e) { return text("{} {}: {}", peer, e.id(), e.message()); }
  template <class F>
  void note(F change) {
    {
      const std::lock_guard lock(mutex);
      change();
    }
    changed.notify_all();
  }
};

// The key of a validator of the tests; the same number gives the same key.
inline const crypto::SecretKey& test_key(std::uint16_t number) {
  static std::mutex mutex;
  static std::vector<std::unique_ptr<crypto::SecretKey>> keys;
  const std::lock_guard lock(mutex);
  while (keys.size() <= number) {
    FixedBytes<32> seed;
    seed.data[0] = static_cast<std::uint8_t>(keys.size());
    const auto alg = keys.size() % 2 == 0 ? crypto::SigAlg::kMlDsa65 : crypto::SigAlg::kMlDsa87;
    keys.push_back(std::make_unique<crypto::SecretKey>(std::move(*crypto::SecretKey::from_seed(alg, seed.view()))));
  }
  return *keys[number];
}

// Options of validator `self` of `count`; addresses are set by the test.
inline Options test_options(std::uint16_t self, std::uint16_t count, Events& events) {
  Options o;
  o.network.data[0] = 7;
  o.epoch = 3;
  o.self = self;
  o.key = &test_key(self);
  for (std::uint16_t i = 0; i < count; ++i) {
    if (i != self) o.peers.push_back({.index = i, .key = test_key(i).public_key(), .address = {}});
  }
  o.limits[kSmall] = kSmallMax;
  o.limits[kLarge] = kLargeMax;
  o.callbacks = events.callbacks();
  return o;
}

inline std::string local(std::uint16_t port) { return text("127.0.0.1:{}", port); }

inline std::shared_ptr<const Bytes> body(std::string_view words) {
  return std::make_shared<const Bytes>(to_bytes(words));
}
inline std::shared_ptr<const Bytes> body_of(std::size_t size, std::uint8_t byte = 0) {
  return std::make_shared<const Bytes>(size, byte);
}

// Two validators, 0 dials 1.
struct Pair {
  Events events[2];
  std::unique_ptr<Links> sides[2];

  Status open(const std::function<void(Options&)>& change = {}) {
    for (const std::uint16_t i : {std::uint16_t{1}, std::uint16_t{0}}) {
      Options o = test_options(i, 2, events[i]);
      if (i == 0) o.peers[0].address = local(sides[1]->port());
      if (change) change(o);
      TRY(sides[i], Links::open(std::move(o)));
    }
    return {};
  }
  bool up() {
    for (int i : {0, 1}) {
      if (!events[i].wait([&] { return !events[i].ups.empty(); })) return false;
    }
    return true;
  }
};

}  // namespace hanse::links::detail
