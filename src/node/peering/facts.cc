#include "node/peering/facts.h"

#include <algorithm>

namespace hanse::peering {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

std::vector<std::string> role_names(std::uint32_t roles) {
  std::vector<std::string> out;
  if ((roles & reach::kCoordinatorRole) != 0) out.push_back("coordinator");
  if ((roles & reach::kReflectorRole) != 0) out.push_back("reflector");
  if ((roles & reach::kRelayRole) != 0) out.push_back("relay");
  return out;
}

PathFacts facts_of(const reach::LinkFacts& link, const peers::Meters& meters, std::int64_t now_ns) {
  PathFacts out{.peer = link.peer,
                .direct = !link.path.remote.is_carried(),
                .inbound = link.inbound,
                .relay = link.relay,
                .rtt_us = link.rtt_ns / 1000,
                .up_ms = (now_ns - link.up_ns) / kNsPerMs,
                .bytes_in = link.bytes_in,
                .bytes_out = link.bytes_out,
                .roles = link.roles,
                .punch_plan = std::string(link.punch_plan),
                .who = link.who,
                .papers_error = link.papers_error};
  if (const peers::Flows* flows = meters.flows(link.peer); flows != nullptr) out.flows = *flows;
  if (out.direct) out.address = transport::address_text(link.path.remote);
  return out;
}

MeshCheck judge_links(std::vector<PeerId> all, const std::map<PeerId, std::set<PeerId>>& says) {
  MeshCheck out;
  const auto has = [&](const PeerId& of, const PeerId& peer) {
    const auto said = says.find(of);
    return said != says.end() && said->second.contains(peer);
  };
  std::ranges::sort(all);
  for (const PeerId& peer : all) out.nodes.push_back({.peer = peer, .answered = says.contains(peer)});
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = a + 1; b < all.size(); ++b) {
      if (has(all[a], all[b]) && has(all[b], all[a])) {
        ++out.nodes[a].links;
        ++out.nodes[b].links;
      } else {
        out.missing.emplace_back(all[a], all[b]);
      }
    }
  return out;
}

}  // namespace hanse::peering
