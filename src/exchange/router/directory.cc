#include "exchange/router/directory.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::router {
namespace {

std::unexpected<Error> no_path(std::string_view what) { return fail(Kind::kUnavailable, "router.no_path", what); }

Path empty_path(const Directory& directory, const Destination& to) {
  return {.hops = {},
          .last = to.command,
          .target = to.target,
          .epoch = directory.epoch,
          .expiry_epoch = directory.epoch + 1};
}

// A random one of those that stratum allows; never the receiver itself.
const MixNode* draw(const Directory& directory, const NodeId& receiver, std::optional<std::uint8_t> stratum,
                    Random& random) {
  const MixNode* chosen = nullptr;
  std::uint64_t seen = 0;
  for (const MixNode& n : directory.nodes) {
    if (!n.stratum || n.node == receiver || (stratum && n.stratum != stratum)) continue;
    if (random.below(++seen) == 0) chosen = &n;
  }
  return chosen;
}

struct Drawn {
  Path path;
  std::array<double, kStrata> hops_per_s{};
  double stratum_per_s = std::numeric_limits<double>::max();
};
Result<Drawn> draw_deep(const Directory& directory, const Destination& to, Random& random) {
  const MixNode* receiver = directory.find(to.receiver);
  if (receiver == nullptr) return no_path(text("node {} is not listed in epoch {}", to.receiver, directory.epoch));
  Drawn out{.path = empty_path(directory, to)};
  for (std::uint8_t s = 0; s < kStrata; ++s) {
    const MixNode* mix = draw(directory, to.receiver, s, random);
    if (mix == nullptr) return no_path(text("stratum {} has no mix in epoch {}", s, directory.epoch));
    out.path.hops.push_back({mix->node, mix->key, 0});
    out.hops_per_s[s] = mix->deep_per_s;
    double sum = 0;
    for (const MixNode& n : directory.nodes) sum += n.stratum == s ? n.deep_per_s : 0;
    out.stratum_per_s = std::min(out.stratum_per_s, sum);
  }
  out.path.hops.push_back({receiver->node, receiver->key, 0});
  return out;
}

}  // namespace

Lane lane_of(std::uint8_t priority) { return priority >= kFlashPriorityMin ? Lane::kFlash : Lane::kDeep; }

void draw_strata(const Hash32& beacon, std::vector<MixNode>& nodes) {
  std::map<Hash32, MixNode*> order;
  for (MixNode& n : nodes)
    if (n.stratum) order.emplace(crypto::blake3("hanse/mix-stratum/1", {beacon.view(), n.node.view()}), &n);
  std::size_t place = 0;
  for (auto& [hash, n] : order) n->stratum = static_cast<std::uint8_t>(place++ % kStrata);
}

const MixNode* Directory::find(const NodeId& node) const {
  const auto found = std::ranges::find(nodes, node, &MixNode::node);
  return found == nodes.end() ? nullptr : &*found;
}

Result<Path> flash_path(const Directory& directory, const Destination& to, Random& random) {
  const MixNode* receiver = directory.find(to.receiver);
  const MixNode* mix = draw(directory, to.receiver, std::nullopt, random);
  if (receiver == nullptr || mix == nullptr)
    return no_path(text("epoch {} lists {} nodes, expected the receiver {} and a mix", directory.epoch,
                        directory.nodes.size(), to.receiver));
  Path out = empty_path(directory, to);
  out.hops = {{mix->node, mix->key, 0}, {receiver->node, receiver->key, 0}};
  return out;
}

Result<Path> deep_path(const Directory& directory, const Destination& to, const AnonymityWanted& wanted, Hides what,
                       Random& random) {
  TRY(Drawn drawn, draw_deep(directory, to, random));
  auto mean_ms = mean_delay_ms({drawn.hops_per_s, drawn.stratum_per_s}, wanted);
  if (!mean_ms && what == Hides::kMessage) return std::unexpected(std::move(mean_ms).error());
  for (std::size_t i = 0; i + 1 < drawn.path.hops.size(); ++i)
    drawn.path.hops[i].delay_ms = draw_delay_ms(mean_ms ? *mean_ms : wanted.mean_ms_max, random);
  return std::move(drawn.path);
}

}  // namespace hanse::router
