// Session: a verb's connection to a network in a folder (made by `hanse up`), or to a node named by --node.
// Folder layout: genesis.cbor, wallet.json, network.json, <node>/{node.toml, key.json, data, api.sock, node.log},
// receipts/, outputs/. The folder is --dir, else $HANSE_DIR, else ./hanse-net.
// The way: directly, or through the mix by one of its lanes, which the wallet's own node of the mix sends (--mix, else
// the one that `hanse up --routers` made). Through the mix goes all that a verb asks, also the blobs, or it fails:
// there is no other way for a part of it, and no lane is taken in place of another. Errors: cli.not_started
// (unavailable) when no node answers there, cli.no_mix (unavailable: a lane is wanted and no node of the mix is known),
// and those of the client, also as it is carried (node/client/carried.h) and of the mix.
#pragma once

#include <memory>
#include <string>

#include "base/plugin/verb.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/view.h"
#include "node/client/client.h"

namespace hanse::cli {

enum class Way : std::uint8_t { kDirect, kFlash, kDeep };
std::string_view way_name(Way way);  // "direct", "flash", "deep"

struct Session {
  std::string dir;  // empty when the node was named
  Way way = Way::kDirect;
  std::unique_ptr<client::Client> client;
  client::NodeInfo info;
};

constexpr std::string_view kWalletNode = "wallet-0";  // of a network with a mix: sends what the wallet asks

plugin::VerbOption dir_option();
plugin::VerbOption node_option();
plugin::VerbOption mix_option();
plugin::VerbOption lane_option();  // of verbs that ask; a job has its own
std::string network_dir(const plugin::VerbArgs& args);
Result<Session> open_session(const plugin::VerbArgs& args, Way way = Way::kDirect);
// By --lane: auto is Flash where there is a mix, else directly. cli.usage (invalid), cli.no_mix.
Result<Way> asking_way(const plugin::VerbArgs& args);
// Of a job: its lane through the mix where there is one. Without one, only what is on the Flash lane and was not told
// on the command line to take it goes directly. cli.no_mix.
Result<Way> job_way(const plugin::VerbArgs& args, gxf::Lane lane);

Result<Bytes> market_query(Session& session, std::string_view path, ByteView argument);
Result<market::AccountView> read_account(Session& session, const AccountId& account);
Result<market::Job> read_job(Session& session, const JobId& id);

Result<JobId> parse_job_id(std::string_view text);  // 32 hex digits; cli.job_id (invalid)
std::string payload_word(const market::Job& job);   // of a private one: its blob, "awaited" or "never given"
codec::Json job_json(const market::Job& job);

}  // namespace hanse::cli
