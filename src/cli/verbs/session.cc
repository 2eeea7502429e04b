#include "cli/verbs/session.h"

#include <cstdlib>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/light/genesis.h"
#include "exchange/market/calls.h"
#include "node/client/carried.h"
#include "node/peering/control.h"

namespace hanse::cli {

plugin::VerbOption dir_option() {
  return {.name = "--dir",
          .value = "DIR",
          .help = "folder of the network (default $HANSE_DIR or ./hanse-net)",
          .fallback = {}};
}

plugin::VerbOption node_option() {
  return {.name = "--node",
          .value = "ADDRESS",
          .help = "ask this node instead: unix:/path/api.sock or 127.0.0.1:PORT",
          .fallback = {}};
}

plugin::VerbOption mix_option() {
  return {.name = "--mix",
          .value = "FILE",
          .help = "mesh.sock of your own node of the mix (default: that of the network's folder)",
          .fallback = {}};
}

plugin::VerbOption lane_option() {
  return {.name = "--lane",
          .value = "LANE",
          .help = "through the mix: flash or deep; direct: in the open; auto: flash where there is a mix",
          .fallback = "auto"};
}

std::string_view way_name(Way way) { return way == Way::kDirect ? "direct" : way == Way::kFlash ? "flash" : "deep"; }

namespace {

// "" when there is none.
std::string mix_socket(const plugin::VerbArgs& args) {
  if (args.has("mix")) return std::string(args.get("mix"));
  if (args.has("node")) return "";
  const std::string folder = text("{}/{}", network_dir(args), kWalletNode);
  return real_fs().exists(folder + "/node.toml").value_or(false) ? folder + "/mesh.sock" : "";
}

std::unexpected<Error> no_mix(const plugin::VerbArgs& args, Way way) {
  return fail(
      Kind::kUnavailable, "cli.no_mix",
      text("found no node of the mix in {}, expected one to send by the {} lane: hanse up --routers N, or --mix "
           "FILE; nothing was sent another way",
           network_dir(args), way_name(way)));
}

// An exit is somebody's: what it says of the network must be what the folder's genesis file says.
Status check_network(const Session& session) {
  TRY(const Bytes genesis, read_file(real_fs(), session.dir + "/genesis.cbor", light::kGenesisBytesMax));
  if (genesis == session.info.genesis && light::network_id(genesis) == session.info.network) return {};
  return fail(Kind::kCorrupt, "cli.other_network",
              text("found network {} at the exit of the mix, expected {} of {}/genesis.cbor", session.info.network,
                   light::network_id(genesis), session.dir));
}

}  // namespace

Result<Way> asking_way(const plugin::VerbArgs& args) {
  const std::string_view lane = args.get("lane", "auto");
  if (lane == "direct") return Way::kDirect;
  if (lane != "auto" && lane != "flash" && lane != "deep")
    return fail(Kind::kInvalid, "cli.usage", text("found lane '{}', expected auto, flash, deep or direct", lane));
  const Way way = lane == "deep" ? Way::kDeep : Way::kFlash;
  if (!mix_socket(args).empty()) return way;
  if (lane == "auto") return Way::kDirect;
  return no_mix(args, way);
}

Result<Way> job_way(const plugin::VerbArgs& args, gxf::Lane lane) {
  const Way way = lane == gxf::Lane::kDeep ? Way::kDeep : Way::kFlash;
  if (args.get("lane") == "direct") {
    if (way == Way::kFlash) return Way::kDirect;
    return fail(Kind::kInvalid, "cli.usage",
                "found a job of the deep lane and --lane direct, expected one of the flash lane");
  }
  if (!mix_socket(args).empty()) return way;
  const bool told = args.has("lane") && args.get("lane") != "auto";
  if (!told && way == Way::kFlash) return Way::kDirect;
  return no_mix(args, way);
}

std::string network_dir(const plugin::VerbArgs& args) {
  if (args.has("dir")) return std::string(args.get("dir"));
  const char* from_environment = std::getenv("HANSE_DIR");
  return from_environment != nullptr && *from_environment != '\0' ? from_environment : "hanse-net";
}

Result<Session> open_session(const plugin::VerbArgs& args, Way way) {
  Session session;
  session.way = way;
  std::string address(args.get("node"));
  const bool own_mix = way != Way::kDirect && args.has("mix");  // its folder needs no more than the genesis file
  if (address.empty() && (!own_mix || args.has("dir"))) {
    session.dir = network_dir(args);
    if (!own_mix && !real_fs().exists(session.dir + "/network.json").value_or(false))
      return fail(Kind::kUnavailable, "cli.not_started",
                  text("found no network in {}, expected one made by: hanse up --dir {}", session.dir, session.dir));
    address = text("unix:{}/validator-0/api.sock", session.dir);
  }
  const auto reach = [&]() -> Status {
    if (way == Way::kDirect) {
      TRY(session.client, client::Client::connect(address, {}));
    } else {
      session.client = client::make_carried([socket = mix_socket(args), deep = way == Way::kDeep](Bytes question) {
        return peering::carry(socket, deep ? router::Lane::kDeep : router::Lane::kFlash, std::move(question));
      });
    }
    TRY(session.info, session.client->info());
    return {};
  };
  Status reached = reach();
  const bool gone = !reached && (reached.error().id() == "peering.no_node" ||
                                 (way == Way::kDirect && reached.error().kind() == Kind::kUnavailable));
  if (gone && !session.dir.empty())
    return fail(Kind::kUnavailable, "cli.not_started",
                text("the network in {} does not answer; start it with: hanse up --dir {}", session.dir, session.dir));
  TRY_OK(std::move(reached));
  if (way != Way::kDirect && !session.dir.empty()) TRY_OK(check_network(session));
  return session;
}

Result<Bytes> market_query(Session& session, std::string_view path, ByteView argument) {
  return session.client->query(market::kMarketApp, path, argument);
}

Result<market::AccountView> read_account(Session& session, const AccountId& account) {
  TRY(const Bytes answer, market_query(session, "account", account.view()));
  return market::decode_account_view(answer);
}

Result<market::Job> read_job(Session& session, const JobId& id) {
  TRY(const Bytes answer, market_query(session, "job", id.view()));
  return market::decode_job(answer);
}

Result<JobId> parse_job_id(std::string_view shown) {
  auto id = codec::fixed_from_hex<JobId>(shown);
  if (!id) return fail(Kind::kInvalid, "cli.job_id", text("found job id '{}', expected 32 hex digits", shown));
  return *id;
}

std::string payload_word(const market::Job& job) {
  if (job.payload) return codec::to_hex(job.payload->view());
  return job.ended() ? "never given" : "awaited";
}

codec::Json job_json(const market::Job& job) {
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(job.bid.job_id.view()));
  json.set("state", market::job_state_name(job.state));
  json.set("provider", codec::encode_id(job.provider.view()));
  json.set("payer", codec::encode_id(job.bid.payer.view()));
  json.set("price_ut", job.price.value);
  if (job.round != 0) json.set("round", job.round).set("spread_ut", job.spread.value);
  json.set("submitted_height", job.submitted.value);
  json.set("attempt", std::uint64_t{job.attempt});
  if (job.bid.is_private) json.set("payload", payload_word(job));
  if (job.reason != market::CloseReason::kNone) json.set("reason", market::close_reason_name(job.reason));
  if (job.result) {
    json.set("status", market::run_status_name(job.result->status));
    json.set("gas", job.result->gas);
    json.set("paid_ut", job.result->paid.value).set("fee_ut", job.result->fee.value);
    codec::Json outputs = codec::Json::array();
    for (const auto& output : job.result->outputs) outputs.push(codec::to_hex(output.id.view()));
    json.set("outputs", std::move(outputs));
  }
  return json;
}

}  // namespace hanse::cli
