// Binds exchange/flow's story of a job to this process: its market and blobs are a node reached through a Client, its
// calls go out through the account's Caller, its nodes run in a Pool of sandboxed workers.
// Errors: those of the story; see flow.
#pragma once

#include <string>

#include "base/core/clock.h"
#include "exchange/runtime/pool.h"
#include "node/roles/caller.h"
#include "node/roles/provider.h"

namespace hanse::daemon {

struct WorkPorts {
  client::Client& client;
  roles::Caller& caller;
  runtime::Runner& runner;
  const crypto::Identity& identity;
  roles::Report& report;
  NetworkId network;
  std::string jobs_dir;
};
// The ports outlive what is returned.
Result<roles::JobWork> make_work(WorkPorts ports);

}  // namespace hanse::daemon
