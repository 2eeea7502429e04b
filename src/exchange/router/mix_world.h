// Nodes of a mix with key rings of an epoch that is running, for tests and simulators: the last `receivers` nodes only
// receive, the others stand in strata 0, 1, 2, 0, 1, ... Keys and ids follow from the seed.
#pragma once

#include <memory>

#include "base/core/check.h"
#include "base/core/mem_fs.h"
#include "base/core/text.h"
#include "exchange/router/mix.h"

namespace hanse::router {

struct MixWorld {
  explicit MixWorld(std::size_t count, std::size_t tags_max = 100'000, std::uint64_t seed = 1,
                    std::size_t receivers = 1)
      : random(seed, "mix world") {
    check(fs.mkdir("d").has_value(), "an empty disk has room");
    for (std::size_t i = 0; i < count; ++i) {
      NodeId node;
      random.fill(node.span());
      nodes.push_back(node);
      auto ring = KeyRing::open(fs, text("d/{}", i), *crypto::AeadKey::from_bytes(Bytes(32, 1)),
                                {.node = node, .tags_max = tags_max}, random, kStartMs - 600'000);
      check(ring.has_value(), "a new ring opens");
      rings.push_back(std::make_unique<KeyRing>(std::move(*ring)));
      check(rings.back()->turn(kStartMs).has_value(), "the ring turns");
    }
    mixes = count - receivers;
  }

  static constexpr std::int64_t kStartMs = std::int64_t{5'000} * 600'000;
  Now now(std::int64_t ms) const { return {ms * 1'000'000, kStartMs + ms}; }
  std::uint32_t epoch() const { return 5'000; }
  crypto::KemPublicKey key(std::size_t i) const { return rings[i]->at(epoch())->secret.public_key(); }
  Directory directory(double deep_per_s = 1'000) const {
    Directory out{epoch(), {}};
    for (std::size_t i = 0; i < nodes.size(); ++i)
      out.nodes.push_back(
          {nodes[i], key(i),
           i < mixes ? std::optional<std::uint8_t>(static_cast<std::uint8_t>(i % kStrata)) : std::nullopt, deep_per_s});
    return out;
  }

  MemFs fs;
  SeededRandom random;
  std::vector<NodeId> nodes;
  std::vector<std::unique_ptr<KeyRing>> rings;
  std::size_t mixes = 0;
};

}  // namespace hanse::router
