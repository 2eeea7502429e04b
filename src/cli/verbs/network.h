// A development network in a folder: made once, started, found running, stopped.
//   genesis.cbor  network.json  wallet.json (the payer, funded in the genesis)
//   validator-0/ ...  provider-0/ ...   each with key.json, node.toml, data/, node.log, and run.json while it runs
//   router-0/ ...  with --routers: they mix, and answer calls by validator-0; wallet-0/, a node of the mix that neither
//                  mixes nor answers and sends what the wallet asks: node.toml as above, mesh.sock
//   services.door with --services: opens the public services of validator-0, whose tokens are in its tokens.json
//   receipts/     outputs/          what `hanse submit --wait` fetches
// A network of a few nodes on one machine hides nobody, and the constants of its mix, which are in its genesis, say so:
// kToyMix. They are printed when it is made.
// Keys are stored unencrypted and marked so. Everything binds to loopback or to a Unix socket in a 0700 folder.
// Errors: cli.network_folder (conflict, corrupt), cli.start_failed (unavailable), cli.not_started (unavailable), and
// those of core/fs.h, crypto/keyfile.h and the client.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/plugin/verb.h"
#include "cli/verbs/process.h"
#include "exchange/market/records.h"

namespace hanse::cli {

constexpr std::size_t kValidatorsMax = 31;
constexpr std::size_t kProvidersMax = 32;
constexpr std::size_t kRoutersMin = 4, kRoutersMax = 32;  // an exit needs another mix in its stratum for the Deep lane

struct NetworkNode {
  std::string name;     // "provider-0": its folder
  std::string role;     // "validator", "provider", "router" or "wallet"
  std::string account;  // shown form
};

struct Network {
  std::string dir;
  std::vector<NetworkNode> nodes;
};

struct NetworkOptions {
  std::size_t validators = 4;  // of equal power
  std::size_t providers = 2;
  std::size_t routers = 0;
  std::string http = "127.0.0.1:0";                  // of the API of validator-0
  std::uint8_t precisions = market::kPrecisionsAll;  // that jobs of this network may ask for
  bool load_app = false;                             // for hanse-bench: anybody may fill the ledger
  bool stakes = false;              // the application stake: who votes changes with what accounts put behind keys
  std::uint64_t audit_percent = 0;  // of receipts whose payers asked for it; 0: no auditors
  std::uint64_t beacon_ms = 0;      // rounds of the application beacon; 0: none
  std::optional<std::uint16_t> services{};  // of validator-0: the first of three ports, 0 for any; none: not offered
};

// What is wanted of the Deep lane here, of router::MixParams.
struct ToyMix {
  std::uint64_t epoch_ms = 4'000;
  std::uint32_t anonymity_bits = 3, delay_min_ms = 50, delay_max_ms = 1'000;
};
constexpr ToyMix kToyMix;

Result<Network> make_network(const std::string& dir, const NetworkOptions& options);
Result<Network> read_network(const std::string& dir);

Result<Process> node_process(const Network& network, const NetworkNode& node);  // cli.not_started when it does not run
std::string ready_path(const Network& network, const NetworkNode& node);        // there while it serves
// Starts what does not run and waits until every validator answers, every provider stands on the market and both lanes
// of the mix, if there is one, are open.
Status start_network(const Network& network, plugin::Talk& talk);
// Ends what runs, providers first; those that do not end within wait_ms are killed. Gives the number ended.
Result<std::size_t> stop_network(const Network& network, std::int64_t wait_ms, plugin::Talk& talk);

}  // namespace hanse::cli
