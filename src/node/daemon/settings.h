// Settings: the configuration of hansed. The table of keys is the one source of node.toml, environment, flags and
// docs/reference/config.md; settings_of checks what needs more than one key.
// Relative paths, also inside a "unix:" address, are taken from the folder of the configuration file.
// Errors: config.bad_value (invalid), those of config::Config::load.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/logging/log.h"
#include "chain/light/genesis.h"
#include "chain/replica/chain.h"
#include "node/api/exchange_server.h"
#include "node/api/grpc_server.h"
#include "node/client/address.h"
#include "node/daemon/pilot_settings.h"
#include "node/peering/mesh_node.h"
#include "node/roles/offer.h"

namespace hanse::daemon {

constexpr std::size_t kMetricsAliasesMax = 8;

struct WorkerSettings {
  std::uint32_t warm = 0, running_max = 0;
  std::string program;     // "" = hanse-worker beside hansed
  std::string plugin_dir;  // "" = the worker's own choice
  std::string cgroup;      // "" = none
  std::uint64_t cgroup_memory_bytes = 0;
  std::uint32_t cgroup_cpu_percent = 0;  // 0 = no cap
};

struct AuditorSettings {
  std::string node;
  std::int64_t recheck_ms = 0;
  WorkerSettings workers;
};

struct ProviderSettings {
  std::string node;    // address of the node it works for
  roles::Offer offer;  // isolation is what is wished for; the machine may have less
  bool private_jobs = true;
  std::int64_t recheck_ms = 0;
  std::int64_t drain_ms = 0;
  WorkerSettings workers;  // running_max jobs are run at a time
  PilotSettings pilots;
};

struct ConsensusSettings {
  std::string listen;  // "" = none
  struct Peer {
    AccountId account;
    std::string address;
  };
  std::vector<Peer> peers;
  std::int64_t timeout_ms = 0;
  bool beacon_proofs = true;
  std::uint64_t sync_lag = 0, sync_bytes_per_s = 0, snapshot_every = 0, snapshot_bytes_per_s = 0;
  replica::PeerNumber number = 0;  // 0: the ledger or the genesis file says it
  // What the operator expects of the genesis file; 0 or "" = nothing.
  std::uint32_t quorum_bp = 0, economic_bp = 0;
  std::string signature_algorithm;
};
// How this validator reaches the others; nothing with one validator in the genesis. Each of the others needs an
// address, and every assertion must hold: config.bad_value (invalid) names the key.
Result<std::optional<replica::NetworkOptions>> validator_network(const ConsensusSettings& settings,
                                                                 const light::Genesis& genesis, const AccountId& self);

struct BackupSettings {
  std::string target;  // "" = none
  std::int64_t interval_ms = 0;
  std::int64_t blocks_interval_ms = 0;  // 0 = with bases only
  std::uint64_t retention_days = 0;
  bool verify = true;
  std::string program;  // "" = hanse-backup beside hansed
};

struct MeshRoleSettings {
  peering::MeshSettings node;  // network: all zero means that of the genesis file
  std::string socket;          // for `hanse mesh`
  std::string health;          // "" = none
  std::string papers;          // file; "" = none
  std::string mix_node;        // whose ledger has the mix, and which an exit asks; "" = none
  bool mix_exit = false;
};

struct ServicesSettings {
  bool enabled = false;
  std::string node;  // address of the node that they ask
  std::string mix;   // control socket of a node of the mix; "" = none
  services::AccessOptions access;
  api::ExchangeOptions server;
};

struct Settings {
  std::string key_file;
  std::string passphrase_file;  // "" = none
  bool allow_unencrypted = false;
  std::string genesis_file;
  bool validator = false, gateway = false, provider = false, mesh = false, router = false, auditor = false;
  std::vector<std::string> role_names;
  std::string dir;  // of all data
  std::size_t cache_bytes = 0, write_buffer_bytes = 0, blob_bytes_max = 0;
  std::uint32_t journal_segment_bytes = 0;
  api::GrpcOptions grpc;
  std::string http;  // "" = none
  std::uint32_t http_connections_max = 0;
  std::string websocket;                     // "" = none
  std::string metrics;                       // one more address for /metrics and /health; "" = none
  std::vector<std::string> metrics_aliases;  // and more of them
  ConsensusSettings consensus;
  ProviderSettings offer;
  AuditorSettings audits;
  BackupSettings backup;
  MeshRoleSettings mesh_role;
  ServicesSettings services;
  logging::Options log;
};

std::span<const config::Key> schema();
Result<Settings> settings_of(const config::Config& config, const std::string& base_dir);

// The page docs/reference/config.md.
std::string config_page();

}  // namespace hanse::daemon
