// Session: a verb's connection to a network in a folder (made by `hanse up`), or to a node named by --node.
// Folder layout: genesis.cbor, wallet.json, network.json, <node>/{node.toml, key.json, data, api.sock, node.log},
// receipts/, outputs/. The folder is --dir, else $HANSE_DIR, else ./hanse-net.
// Errors: cli.not_started (unavailable) when no node answers there, and the client's.
#pragma once

#include <memory>
#include <string>

#include "base/plugin/verb.h"
#include "exchange/market/view.h"
#include "node/client/client.h"

namespace hanse::cli {

struct Session {
  std::string dir;  // empty when the node was named
  std::unique_ptr<client::Client> client;
  client::NodeInfo info;
};

plugin::VerbOption dir_option();
plugin::VerbOption node_option();
std::string network_dir(const plugin::VerbArgs& args);
Result<Session> open_session(const plugin::VerbArgs& args);

Result<Bytes> market_query(Session& session, std::string_view path, ByteView argument);
Result<market::AccountView> read_account(Session& session, const AccountId& account);
Result<market::Job> read_job(Session& session, const JobId& id);

Result<JobId> parse_job_id(std::string_view text);  // 32 hex digits; cli.job_id (invalid)
std::string region_name(std::uint16_t region);      // "EU", or the bit number
codec::Json job_json(const market::Job& job);

}  // namespace hanse::cli
