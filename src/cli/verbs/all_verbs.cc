#include "base/core/text.h"
#include "cli/door/door_verbs.h"
#include "cli/inspect/inspect.h"
#include "cli/inspect/mesh_verbs.h"
#include "cli/rescue/rescue_verbs.h"
#include "cli/trade/trade_verbs.h"
#include "cli/verbs/network.h"
#include "cli/verbs/session.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "engines/tlog/log_verbs.h"
#include "exchange/proof/proof_verbs.h"
#include "sim/bazaar/bazaar_verbs.h"
#include "sim/fleet/fleet_verbs.h"
#include "sim/mixnet/mixnet_verbs.h"
#include "sim/world/sim_verbs.h"

namespace hanse::cli {

namespace {

inspect::NodeFinder one_node() {
  return {.options = {node_option(), dir_option()},
          .connect = [](const plugin::VerbArgs& args) -> Result<std::unique_ptr<client::Client>> {
            TRY(Session session, open_session(args));
            return std::move(session.client);
          }};
}

inspect::KeyFinder wallet_key() {
  return {.options = {wallet_option(), passphrase_option()},
          .open = [](const plugin::VerbArgs& args) -> Result<crypto::SecretKey> {
            TRY(const auto seeds, open_wallet(args, wallet_path(args, network_dir(args))));
            return crypto::SecretKey::from_seed(seeds.alg, seeds.signing.view());
          }};
}

trade::NodeFinder market_node() { return {.options = one_node().options, .connect = one_node().connect}; }

trade::WalletFinder market_wallet() {
  const auto path = [](const plugin::VerbArgs& args) { return wallet_path(args, network_dir(args)); };
  return {.options = {wallet_option(), passphrase_option()},
          .open = [path](const plugin::VerbArgs& args) { return open_wallet(args, path(args)); },
          .path = path};
}

inspect::NetworkFinder all_validators() {
  return {.options = {dir_option()}, .find = [](const plugin::VerbArgs& args) -> Result<inspect::ValidatorsAt> {
            TRY(const Network network, read_network(network_dir(args)));
            inspect::ValidatorsAt out{.genesis_file = network.dir + "/genesis.cbor", .addresses = {}};
            for (const NetworkNode& node : network.nodes)
              if (node.role == "validator")
                out.addresses.push_back(text("unix:{}/{}/api.sock", network.dir, node.name));
            return out;
          }};
}

}  // namespace

std::vector<plugin::Verb> all_verbs() {
  std::vector<plugin::Verb> verbs = {
      up_verb(),           down_verb(),         submit_verb(),       status_verb(),        cancel_verb(),
      challenge_verb(),    keygen_verb(),       wallet_show_verb(),  provider_list_verb(), receipt_get_verb(),
      receipt_show_verb(), genesis_show_verb(), light_verify_verb(), node_run_verb(),      node_keygen_verb(),
      node_version_verb(), doctor_verb(),       explain_verb(),      completion_verb(),    version_verb()};
  verbs.push_back(inspect::node_health_verb(one_node()));
  verbs.push_back(inspect::node_unjail_verb(one_node(), wallet_key()));
  verbs.push_back(inspect::stake_show_verb(one_node()));
  verbs.push_back(inspect::stake_bond_verb(one_node(), wallet_key()));
  verbs.push_back(inspect::stake_unbond_verb(one_node(), wallet_key()));
  verbs.push_back(inspect::journal_check_verb());
  verbs.push_back(inspect::journal_dump_verb());
  verbs.push_back(inspect::wq_prove_verb(all_validators()));
  verbs.push_back(inspect::wq_verify_verb());
  for (plugin::Verb& verb : trade::market_verbs(market_node(), market_wallet())) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : trade::provider_verbs(market_node(), market_wallet())) verbs.push_back(std::move(verb));
  verbs.push_back(trade::wallet_send_verb(market_node(), market_wallet()));
  verbs.push_back(trade::simulate_verb());
  verbs.push_back(inspect::beacon_show_verb(one_node()));
  verbs.push_back(inspect::vdf_eval_verb());
  verbs.push_back(inspect::vdf_verify_verb());
  for (plugin::Verb& verb : inspect::mesh_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb :
       inspect::agent_verbs({.make_key = keygen_verb(), .passphrase = passphrase_option(), .open = open_wallet}))
    verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : door::token_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : door::services_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : proof::proof_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : rescue::forwarded_backup_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : tlog::forwarded_log_verbs()) verbs.push_back(std::move(verb));
  verbs.push_back(sim::market_verb());
  verbs.push_back(sim::mix_verb());
  for (plugin::Verb& verb : sim::mesh_verbs()) verbs.push_back(std::move(verb));
  for (plugin::Verb& verb : sim::sim_verbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace hanse::cli
