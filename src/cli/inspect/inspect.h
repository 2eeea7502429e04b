// Commands that look into a running or stopped validator: its health, its vote journal, the head it shares with others.
// cli/verbs collects them and says how to find a node or the nodes of a network. Threads: any.
// The beacon of a network, and the delay function that it is made with.
// And those that change who votes: let in again after power was lost, put money behind a key, take it back.
// Errors: cli.usage, cli.number (invalid), stake.amount (invalid), stake.no_member (not_found), cli.moving
// (unavailable), cli.not_started (unavailable), and those of client, journal and light.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/crypto/sign.h"
#include "base/plugin/verb.h"
#include "node/client/client.h"

namespace hanse::inspect {

// How a command finds what it asks, from the options it is given with.
struct NodeFinder {
  std::vector<plugin::VerbOption> options;
  std::function<Result<std::unique_ptr<client::Client>>(const plugin::VerbArgs& args)> connect;
};
struct ValidatorsAt {
  std::string genesis_file;
  std::vector<std::string> addresses;  // of every validator's API
};
struct NetworkFinder {
  std::vector<plugin::VerbOption> options;
  std::function<Result<ValidatorsAt>(const plugin::VerbArgs& args)> find;
};

// How a command opens the key of the validator that it speaks for.
struct KeyFinder {
  std::vector<plugin::VerbOption> options;
  std::function<Result<crypto::SecretKey>(const plugin::VerbArgs& args)> open;
};

plugin::Verb node_health_verb(NodeFinder finder);
plugin::Verb node_unjail_verb(NodeFinder finder, KeyFinder key);
plugin::Verb stake_show_verb(NodeFinder finder);
plugin::Verb stake_bond_verb(NodeFinder finder, KeyFinder key);
plugin::Verb stake_unbond_verb(NodeFinder finder, KeyFinder key);
plugin::Verb journal_check_verb();
plugin::Verb journal_dump_verb();
plugin::Verb wq_prove_verb(NetworkFinder finder);
plugin::Verb wq_verify_verb();
plugin::Verb beacon_show_verb(NodeFinder finder);
plugin::Verb vdf_eval_verb();
plugin::Verb vdf_verify_verb();

}  // namespace hanse::inspect
