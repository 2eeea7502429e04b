// Binds exchange/flow's story of a job to this process: its market and blobs are a node reached through a Client, its
// calls go out through the account's Caller, its nodes run in a Pool of sandboxed workers.
// Errors: those of the story; see flow.
#pragma once

#include <string>

#include "base/core/clock.h"
#include "exchange/runtime/pool.h"
#include "node/daemon/settings.h"
#include "node/roles/auditor.h"
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
  const crypto::KemSecretKey* key = nullptr;  // for payloads of private jobs
};
// The ports outlive what is returned.
Result<roles::JobWork> make_work(WorkPorts ports);
// Says which step refuted a receipt, where one alone did.
roles::Judge make_judge(client::Client& client, roles::Caller& caller, runtime::Runner& runner, roles::Report& report);

// Sandboxed workers, and a word about what they are.
Result<std::unique_ptr<runtime::Pool>> start_workers(const WorkerSettings& settings, roles::Report& report);

// Tries until the node answers. Null when wait_ms says that it is time to stop.
Result<std::unique_ptr<client::Client>> await_node(const std::string& address, std::string_view who,
                                                   roles::Report& report,
                                                   const std::function<bool(std::int64_t ms)>& wait_ms);

}  // namespace hanse::daemon
