#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/door/door_verbs.h"
#include "exchange/gxf/gxf.h"
#include "node/client/exchange.h"

namespace hanse::door {
namespace {

using codec::Json;
using plugin::Answer;
using Act = Result<Answer> (*)(client::Exchange&, const plugin::VerbArgs&, plugin::Talk&);

Json update_json(const client::JobUpdate& update) {
  Json out = Json::object();
  out.set("state", update.state).set("height", update.height).set("provider", update.provider);
  out.set("price_ut", update.price_ut).set("ended", update.ended);
  if (!update.status.empty()) out.set("status", update.status).set("gas", update.gas).set("paid_ut", update.paid_ut);
  if (!update.reason.empty()) out.set("reason", update.reason);
  return out;
}

std::string update_line(const client::JobUpdate& update) {
  return text("{:>8}  {:<10} {} {}", update.height, update.state, update.status, update.reason);
}

Answer update_answer(const client::JobUpdate& update) {
  return {.json = update_json(update), .text = update_line(update), .exit = update.ended && update.status != "ok"};
}

std::string_view lane_name(std::uint32_t lane) { return lane == 0 ? "flash" : "deep"; }

Result<Bytes> job_bytes(const plugin::VerbArgs& args) {
  return read_file(real_fs(), std::string(args.get("FILE")), gxf::kGxfSizeMax);
}

Result<JobId> job_id(const plugin::VerbArgs& args) {
  const auto id = codec::fixed_from_hex<JobId>(args.get("JOB"));
  if (!id) return fail(Kind::kInvalid, "cli.usage", text("found job \"{}\", expected 32 hex digits", args.get("JOB")));
  return *id;
}

Result<Answer> stats(client::Exchange& at, const plugin::VerbArgs&, plugin::Talk&) {
  TRY(const auto router, at.router_stats());
  TRY(const auto auction, at.auction_stats());
  Json routed = Json::object(), market = Json::object();
  routed.set("total", router.routed).set("flash", router.lanes[0]).set("deep", router.lanes[1]);
  routed.set("active_flash", router.active[0]).set("active_deep", router.active[1]);
  market.set("matches", auction.matches).set("volume_ut", auction.volume_ut).set("live", auction.live);
  market.set("settled", auction.settled).set("closed", auction.closed).set("escrow_ut", auction.escrow_ut);
  market.set("auctions", auction.auctions).set("unmatched", auction.unmatched);
  Json out = Json::object();
  out.set("router", std::move(routed)).set("auction", std::move(market));
  return Answer{.json = std::move(out),
                .text = text("routed {} jobs: {} flash ({} active), {} deep ({} active)\n"
                             "market: {} matches, {} settled, {} closed, {} ut paid, {} ut in escrow",
                             router.routed, router.lanes[0], router.active[0], router.lanes[1], router.active[1],
                             auction.matches, auction.settled, auction.closed, auction.volume_ut, auction.escrow_ut)};
}

Result<Answer> auction(client::Exchange& at, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes job, job_bytes(args));
  TRY(const std::uint64_t priority, args.number("priority", 0, UINT32_MAX));
  TRY(const auto offered, at.run_auction(job, static_cast<std::uint32_t>(priority)));
  Json route = Json::array();
  for (const auto& hop : offered.route) route.push(hop);
  Json out = Json::object();
  out.set("job_id", codec::to_hex(offered.job_id.view())).set("provider", offered.provider);
  out.set("price_ut", offered.price_ut).set("lane", lane_name(offered.lane));
  out.set("ordered", offered.ordered).set("route", std::move(route));
  return Answer{.json = std::move(out),
                .text = text("job {} {} {} for {} ut", offered.job_id, offered.ordered ? "goes to" : "would go to",
                             offered.provider, offered.price_ut)};
}

Result<Answer> route(client::Exchange& at, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes job, job_bytes(args));
  TRY(const auto routed, at.route(job));
  Json out = Json::object();
  out.set("job_id", codec::to_hex(routed.job_id.view())).set("lane", lane_name(routed.lane));
  out.set("way", routed.way).set("height", routed.height);
  return Answer{.json = std::move(out),
                .text = text("job {} was sent by the {} lane: {}", routed.job_id, lane_name(routed.lane), routed.way)};
}

Result<Answer> run(client::Exchange& at, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes job, job_bytes(args));
  TRY(const std::uint64_t seconds, args.number("timeout", 300, 86'400));
  TRY(const auto ended, at.execute_job(job, static_cast<std::int64_t>(seconds) * 1'000));
  return update_answer(ended);
}

Result<Answer> job(client::Exchange& at, const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const JobId id, job_id(args));
  TRY(const auto now, at.job(id));
  return update_answer(now);
}

Result<Answer> watch(client::Exchange& at, const plugin::VerbArgs& args, plugin::Talk& talk) {
  TRY(const JobId id, job_id(args));
  Json steps = Json::array();
  Answer out;
  TRY_OK(at.watch_job(id, [&](const client::JobUpdate& update) {
    talk.say(update_line(update));
    steps.push(update_json(update));
    out = update_answer(update);
    return true;
  }));
  out.json.set("steps", std::move(steps));
  return out;
}

plugin::Verb verb(plugin::Verb made, Act act) {
  made.options.push_back(
      {.name = "--door", .value = "FILE", .help = "door file of the services", .fallback = {}, .required = true});
  made.run = [act](const plugin::VerbArgs& args, plugin::Talk& talk) -> Result<Answer> {
    TRY(const auto at, client::Exchange::open(std::string(args.get("door"))));
    return act(*at, args, talk);
  };
  return made;
}

}  // namespace

std::vector<plugin::Verb> services_verbs() {
  const plugin::VerbOption file{
      .name = "FILE", .value = "FILE", .help = "a job as bytes", .fallback = {}, .required = true};
  const plugin::VerbOption job_option{
      .name = "JOB", .value = "JOB", .help = "its id", .fallback = {}, .required = true};
  std::vector<plugin::Verb> out;
  out.push_back(verb({.name = "services stats",
                      .summary = "what the router and the auction service of a node count",
                      .details = "Example:\n  hanse services stats --door net/services.door",
                      .options = {},
                      .run = {}},
                     stats));
  out.push_back(
      verb({.name = "services auction",
            .summary = "order a signed job (.gxf) at the auction service, or learn the price of an unsigned one",
            .details = "`hanse submit --write FILE.gxf` signs a job without sending it; --unsigned too.\n"
                       "Example:\n  hanse services auction job.gxf --door net/services.door",
            .options = {file,
                        {.name = "--priority",
                         .value = "N",
                         .help = "that the job must have; 0: whatever it has",
                         .fallback = "0"}},
            .run = {}},
           auction));
  out.push_back(verb({.name = "services route",
                      .summary = "order a signed job (.gxf) at the router service, by the lane that it asks for",
                      .details = "Example:\n  hanse services route job.gxf --door net/services.door",
                      .options = {file},
                      .run = {}},
                     route));
  out.push_back(
      verb({.name = "services run",
            .summary = "order a signed job (.gxf) at the execution service and wait for its end",
            .details = "Exit code 1 when the job failed.\nExample:\n"
                       "  hanse services run job.gxf --door net/services.door",
            .options = {file, {.name = "--timeout", .value = "SECONDS", .help = "the job goes on", .fallback = "300"}},
            .run = {}},
           run));
  out.push_back(verb({.name = "services job",
                      .summary = "where a job is",
                      .details = "Example:\n  hanse services job 5f0c… --door net/services.door",
                      .options = {job_option},
                      .run = {}},
                     job));
  out.push_back(verb({.name = "services watch",
                      .summary = "every step of a job until it ends",
                      .details = "Example:\n  hanse services watch 5f0c… --door net/services.door",
                      .options = {job_option},
                      .run = {}},
                     watch));
  return out;
}

}  // namespace hanse::door
