// Commands of the market: `hanse market book|history|round|reveal|simulate`, `hanse provider register|offer|withdraw`,
// `hanse wallet send`.
// cli/verbs collects them and says how to find a node and a wallet. Threads: any.
// Errors: cli.usage, cli.number (invalid), trade.record (corrupt: a round's record is not what its head names),
// trade.what_if (invalid: a file for simulate, with the path of the field), those of sealed_job.h, client,
// auction/clear.h and the market.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/crypto/keyfile.h"
#include "base/plugin/verb.h"
#include "node/client/client.h"

namespace hanse::trade {

// How a command finds what it asks, from the options it is given with.
struct NodeFinder {
  std::vector<plugin::VerbOption> options;
  std::function<Result<std::unique_ptr<client::Client>>(const plugin::VerbArgs& args)> connect;
};
// The wallet it speaks for: its seeds, and its path without asking for a passphrase.
struct WalletFinder {
  std::vector<plugin::VerbOption> options;
  std::function<Result<crypto::KeySeeds>(const plugin::VerbArgs& args)> open;
  std::function<std::string(const plugin::VerbArgs& args)> path;
};

std::vector<plugin::Verb> market_verbs(const NodeFinder& node, const WalletFinder& wallet);
std::vector<plugin::Verb> provider_verbs(const NodeFinder& node, const WalletFinder& wallet);
plugin::Verb wallet_send_verb(const NodeFinder& node, const WalletFinder& wallet);
plugin::Verb simulate_verb();  // needs no node

std::string cell_name(std::uint8_t precision, std::uint16_t region, std::uint8_t level);  // "int8/EU/L3"
std::string precisions_name(std::uint8_t mask);                                           // "int8,bf16"
std::string region_name(std::uint16_t region);                                            // "EU", or the bit number
Result<std::uint8_t> parse_precisions(std::string_view list);
Result<std::uint16_t> parse_region(std::string_view name);

}  // namespace hanse::trade
