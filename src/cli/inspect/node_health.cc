#include "base/core/text.h"
#include "cli/inspect/inspect.h"

namespace hanse::inspect {

namespace {

std::string shown(const std::optional<Error>& why_not) {
  return why_not ? text("no: {} ({})", why_not->message(), why_not->id()) : "yes";
}

codec::Json reason(const std::optional<Error>& why_not) {
  if (!why_not) return {};
  return codec::Json::object().set("id", why_not->id()).set("message", why_not->message());
}

codec::Json backup_json(const std::optional<client::BackupInfo>& backup) {
  if (!backup) return {};
  codec::Json out = codec::Json::object();
  out.set("target", backup->target).set("running", backup->running).set("last_id", backup->last_id);
  out.set("last_success_ms", backup->last_success_ms).set("duration_ms", backup->duration_ms);
  out.set("bytes", backup->bytes).set("height", backup->height.value).set("failures", backup->failures);
  return out.set("failure", reason(backup->failure));
}

std::string backup_text(const std::optional<client::BackupInfo>& backup) {
  if (!backup) return "none";
  const std::string newest =
      backup->last_id.empty() ? "none yet" : text("{}, blocks to {}", backup->last_id, backup->height.value);
  if (!backup->failure) return newest;
  return text("{}; failed {} times: {} ({})", newest, backup->failures, backup->failure->message(),
              backup->failure->id());
}

Result<plugin::Answer> run(client::Client& client) {
  TRY(const auto node, client.info());
  TRY(const auto info, client.consensus());
  codec::Json json = codec::Json::object();
  json.set("live", !info.not_live).set("ready", !info.not_ready);
  json.set("not_live", reason(info.not_live)).set("not_ready", reason(info.not_ready));
  json.set("height", info.height.value).set("finalized", info.finalized.value).set("economic", info.economic.value);
  json.set("view", info.view).set("leader", info.leader).set("stable", info.stable).set("lag", info.lag);
  json.set("abstaining", info.abstaining).set("validators", info.validators);
  json.set("quorum_bp", info.quorum_bp).set("economic_bp", info.economic_bp);
  json.set("backup", backup_json(info.backup));
  json.set("node", node.node_id).set("version", node.version);
  return plugin::Answer{
      .json = std::move(json),
      .text = text("node       {}\nlive       {}\nready      {}\nheight     {}\nfinalized  {} (fast), {} (economic)\n"
                   "view       {}, led by {}\nlag        {} blocks\nbackup     {}",
                   node.node_id, shown(info.not_live), shown(info.not_ready), info.height.value, info.finalized.value,
                   info.economic.value, info.view, info.leader, info.lag, backup_text(info.backup)),
      .exit = info.not_live || info.not_ready ? 1 : 0};
}

}  // namespace

plugin::Verb node_health_verb(NodeFinder finder) {
  return {.name = "node health",
          .summary = "whether a validator is live and ready, and how far it is",
          .details =
              "Exit codes: 0 live and ready, 1 not (it says why), 3 nobody answers.\n"
              "Example:\n  hanse node health --node unix:/srv/hanse/api.sock",
          .options = std::move(finder.options),
          .run = [connect = std::move(finder.connect)](const plugin::VerbArgs& args,
                                                       plugin::Talk&) -> Result<plugin::Answer> {
            TRY(const auto client, connect(args));
            return run(*client);
          }};
}

}  // namespace hanse::inspect
