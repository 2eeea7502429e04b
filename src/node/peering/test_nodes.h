// Nodes of the mesh on loopback, for the tests of this room. Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/crypto/test_key.h"
#include "node/peering/control.h"

namespace hanse::peering {

inline PeerId id_of(std::uint8_t number) { return crypto::account_id(crypto::test_key(number).public_key()); }
inline std::string id_text(std::uint8_t number) { return codec::encode_id(id_of(number).view()); }

inline MeshSettings settings(std::vector<Known> known = {}, std::uint32_t roles = 0) {
  MeshSettings out{.bind = {"127.0.0.1:0"}, .roles = roles, .known = std::move(known)};
  out.network.data[0] = 9;
  out.speed_test = true;
  out.relay.bytes_per_second = 1 << 28;
  return out;
}

inline std::unique_ptr<MeshNode> node(std::uint8_t number, MeshSettings settings) {
  auto made = MeshNode::start(std::move(settings), crypto::test_key(number));
  EXPECT_TRUE(made) << made.error().str();
  return made ? std::move(*made) : nullptr;
}

inline Known known(std::uint8_t number, const MeshNode& node) { return {id_of(number), node.addresses()}; }

constexpr std::uint32_t kAllRoles = reach::kRelayRole | reach::kReflectorRole | reach::kCoordinatorRole;

// Until it holds; false after 30 s.
template <class F>
bool until(F&& holds) {
  const std::int64_t end = system_clock().mono_ns() + 30'000'000'000;
  while (!holds()) {
    if (system_clock().mono_ns() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Until others may reach it through so many relays.
inline void placed(MeshNode& node, std::size_t relays) {
  const std::int64_t end = system_clock().mono_ns() + 20'000'000'000;
  while (node.nat()->places.size() < relays) ASSERT_LT(system_clock().mono_ns(), end);
}

// Until it knows what stands before it.
inline void surveyed(MeshNode& node) {
  const std::int64_t end = system_clock().mono_ns() + 20'000'000'000;
  while (!node.nat()->nat) ASSERT_LT(system_clock().mono_ns(), end);
}

// Removed at the end.
struct Folder {
  Folder() {
    char name[] = "/tmp/hanse-peering-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace hanse::peering
