// The life of one worker: enter the sandbox, say so, take one call, answer, end.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/plugin/plugin.h"
#include "exchange/runtime/detail/sandbox.h"

namespace hanse::runtime {

using KindTable = std::map<std::string, std::shared_ptr<plugin::Plugin>, std::less<>>;

struct WorkerPipes {
  int socket = -1, standard_error = -1, stop_page = -1;
};

// What the child's process ends with: 0 after an answer, 1 when the sandbox or the socket failed.
int worker_body(const SandboxSpec& spec, const WorkerPipes& pipes, const KindTable& kinds);

}  // namespace hanse::runtime
