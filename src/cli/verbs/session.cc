#include "cli/verbs/session.h"

#include <cstdlib>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/gxf/job_file.h"
#include "exchange/market/calls.h"

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

std::string network_dir(const plugin::VerbArgs& args) {
  if (args.has("dir")) return std::string(args.get("dir"));
  const char* from_environment = std::getenv("HANSE_DIR");
  return from_environment != nullptr && *from_environment != '\0' ? from_environment : "hanse-net";
}

Result<Session> open_session(const plugin::VerbArgs& args) {
  Session session;
  std::string address(args.get("node"));
  if (address.empty()) {
    session.dir = network_dir(args);
    if (!real_fs().exists(session.dir + "/network.json").value_or(false))
      return fail(Kind::kUnavailable, "cli.not_started",
                  text("found no network in {}, expected one made by: hanse up --dir {}", session.dir, session.dir));
    address = text("unix:{}/validator-0/api.sock", session.dir);
  }
  const auto reach = [&]() -> Status {
    TRY(session.client, client::Client::connect(address, {}));
    TRY(session.info, session.client->info());
    return {};
  };
  Status reached = reach();
  if (!reached && reached.error().kind() == Kind::kUnavailable && !session.dir.empty())
    return fail(Kind::kUnavailable, "cli.not_started",
                text("the network in {} does not answer; start it with: hanse up --dir {}", session.dir, session.dir));
  TRY_OK(std::move(reached));
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

std::string region_name(std::uint16_t region) {
  for (const gxf::Region& known : gxf::regions())
    if (known.bit == region) return std::string(known.name);
  return text("{}", region);
}

codec::Json job_json(const market::Job& job) {
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(job.bid.job_id.view()));
  json.set("state", market::job_state_name(job.state));
  json.set("provider", codec::encode_id(job.provider.view()));
  json.set("payer", codec::encode_id(job.bid.payer.view()));
  json.set("price_ut", job.price.value);
  json.set("submitted_height", job.submitted.value);
  json.set("attempt", std::uint64_t{job.attempt});
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
