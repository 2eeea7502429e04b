// Commands about the mesh of a running node: who it is, whom it reaches and how, what stands before it. They ask its
// control socket (node/peering/control.h): --socket, else $HANSE_MESH_SOCKET, else ./mesh.sock.
// Threads: any. Errors: cli.number (invalid), those of node/peering and of key files.
#pragma once

#include <vector>

#include "base/plugin/verb.h"

namespace hanse::inspect {

std::vector<plugin::Verb> mesh_verbs();

}  // namespace hanse::inspect
