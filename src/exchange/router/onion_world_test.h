// A few nodes with keys of one epoch, for the tests, benchmark and fuzz target of the onion packet.
#pragma once

#include <vector>

#include "base/core/check.h"
#include "exchange/router/message.h"

namespace hanse::router {

constexpr std::uint32_t kEpoch = 77;

struct OnionWorld {
  explicit OnionWorld(const Geometry& g, std::size_t count = kLayersMax, std::uint64_t seed = 1)
      : geometry(g), random(seed, "onion") {
    for (std::size_t i = 0; i < count; ++i) {
      secrets.push_back(crypto::KemSecretKey::generate(g.kem, random));
      NodeId node;
      random.fill(node.span());
      nodes.push_back(node);
    }
  }

  Hop hop(std::size_t i, std::uint16_t delay_ms = 0) const { return {nodes[i], secrets[i].public_key(), delay_ms}; }
  // The last `hops` nodes, the last of them the receiver.
  Path path(std::size_t hops, Command last = Command::kDeliver) const {
    Path out{.hops = {}, .last = last, .target = {}, .epoch = kEpoch, .expiry_epoch = kEpoch + 1};
    for (std::size_t i = nodes.size() - hops; i < nodes.size(); ++i)
      out.hops.push_back(hop(i, i + 1 == nodes.size() ? std::uint16_t{0} : static_cast<std::uint16_t>(100 + i)));
    out.target.data[0] = 9;
    return out;
  }
  LayerKey key(std::size_t i) const { return {nodes[i], secrets[i]}; }

  Message message(std::size_t body, std::uint8_t kind = 5) {
    Message out;
    out.kind = kind;
    random.fill(out.id.span());
    out.body.resize(body);
    random.fill(out.body);
    return out;
  }
  Bytes cell(const Path& path, const Message& message) {
    auto payload = encode_message(geometry, message, random);
    check(payload.has_value(), "the message fits");
    auto out = seal_cell(geometry, path, std::move(*payload), random);
    check(out.has_value(), "the path fits");
    return std::move(*out);
  }
  // Node i opens and peels; the routing it read.
  Result<Routing> relay(std::size_t i, Bytes& cell) const {
    TRY(const Opened opened, open_layer(geometry, cell, key(i)));
    peel(geometry, opened, cell);
    return opened.routing;
  }

  Geometry geometry;
  SeededRandom random;
  std::vector<crypto::KemSecretKey> secrets;
  std::vector<NodeId> nodes;
};

}  // namespace hanse::router
