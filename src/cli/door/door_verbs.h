// Commands around a node's public services: `hanse token new|list|revoke` for the file of tokens of one's own node, and
// `hanse services stats|route|auction|run|job|watch` for trying the services of any node through a door file
// (node/client/exchange.h). Other commands take a door file too: --node tls:FILE.
// Also what `hanse up --services` leaves in its folder: services.door, with a token of every scope, whose addresses are
// brought up to date when the network has started.
// Threads: any. Errors: cli.usage (invalid), door.exists (conflict: a file that is not written over), those of
// services/tokens.h and client/exchange.h.
#pragma once

#include <string>
#include <vector>

#include "base/plugin/verb.h"
#include "base/core/ids.h"

namespace hanse::door {

std::vector<plugin::Verb> token_verbs();
std::vector<plugin::Verb> services_verbs();

// The door of a network in a folder, to its first validator, and the file of tokens beside that one.
Status make_network_door(const std::string& dir, const std::string& tokens_file, const AccountId& server);
Status refresh_network_door(const std::string& dir, const std::string& ready_file);  // nothing without a door
std::string network_door(const std::string& dir);

}  // namespace hanse::door
