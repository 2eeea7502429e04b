// What is said of links and roles, in the shape of mesh_node.h. Pure, any thread. Errors: none.
#pragma once

#include <map>
#include <set>

#include "node/peering/mesh_node.h"

namespace hanse::peering {

std::vector<std::string> role_names(std::uint32_t roles);
PathFacts facts_of(const reach::LinkFacts& link, const peers::Meters& meters, std::int64_t now_ns);
// Which pairs of `all` are linked, by what both of them say.
MeshCheck judge_links(std::vector<PeerId> all, const std::map<PeerId, std::set<PeerId>>& says);

}  // namespace hanse::peering
