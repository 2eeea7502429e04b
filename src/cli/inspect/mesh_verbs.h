// Commands about the mesh of a running node: who it is, whom it reaches and how, what stands before it. They ask its
// control socket (node/peering/control.h): --socket, else $HANSE_MESH_SOCKET, else ./mesh.sock.
// Threads: any. Errors: cli.number (invalid), those of node/peering and of key files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/crypto/keyfile.h"
#include "base/plugin/verb.h"

namespace hanse::inspect {

std::vector<plugin::Verb> mesh_verbs();

// `hanse agent`: keys of agents and users, and the papers that certify a machine. They ask no node.
// Errors: cli.usage, cli.number (invalid), those of mesh/identity, of key files and of base/core/fs.h.
struct AgentTools {
  plugin::Verb make_key;  // writes a key file at --out
  plugin::VerbOption passphrase;
  std::function<Result<crypto::KeySeeds>(const plugin::VerbArgs& args, const std::string& path)> open;
};
std::vector<plugin::Verb> agent_verbs(AgentTools tools);

}  // namespace hanse::inspect
