// Restart run: how long a killed validator is away when its store is large. Makes a network of kChainValidators, fills
// its stores (fill.h), then in every round loads it, kills the leader with SIGKILL, drops the pages of the killed
// validator's folder from the system's cache, starts it again and waits for a transaction that it alone was given.
// Threads: blocks. Errors: those of program.h and fill.h, load.cache (unavailable: the cache could not be dropped).
#pragma once

#include "node/load/chain_run.h"

namespace hanse::load {

struct RestartRunOptions {
  std::string dir = ".";  // a folder is made below it
  std::uint64_t vertices = 1'000'000;
  std::uint64_t rounds = 3;
  double seconds = 9;  // of load a round; the leader is killed after a third
  bool keep = false;   // the folder and its logs
  bool warm = false;   // nothing is dropped from the page cache
  std::string net{};   // a network that an earlier run kept, instead of a new one; kept again
};

// False when a transaction was lost or failed.
Result<bool> run_restart(const RestartRunOptions& options, const std::function<void(const Figure&)>& show,
                         const std::function<void(const std::string&)>& say);

}  // namespace hanse::load
