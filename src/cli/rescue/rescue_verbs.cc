#include "cli/rescue/rescue_verbs.h"

#include "base/plugin/forward.h"

namespace hanse::rescue {
namespace {

constexpr std::string_view kTargets =
    "Targets: dir:/PATH, s3://BUCKET/PREFIX?region=R&endpoint=URL, gs://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX.\n"
    "Keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; GS_ACCESS_KEY_ID, "
    "GS_SECRET_ACCESS_KEY;\n"
    "AZURE_STORAGE_KEY) or from a file with mode 600 and lines NAME = VALUE, named by ?credentials=FILE.\n";

plugin::VerbOption target() {
  return {.name = "--target", .value = "URL", .help = "where backups are kept", .fallback = {}, .required = true};
}
plugin::VerbOption genesis() {
  return {.name = "--genesis", .value = "FILE", .help = "the network's genesis.cbor", .fallback = {}, .required = true};
}
plugin::VerbOption id(std::string help, bool required) {
  return {.name = "--id", .value = "ID", .help = std::move(help), .fallback = {}, .required = required};
}

plugin::Verb verb(std::string name, std::string summary, std::string details, std::vector<plugin::VerbOption> options,
                  Run run) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .details = std::string(kTargets) + std::move(details),
          .options = std::move(options),
          .run = run};
}

}  // namespace

std::vector<plugin::Verb> backup_verbs(const Runs& runs) {
  std::vector<plugin::Verb> out;
  out.push_back(verb(
      "backup create", "copy a stopped node's ledger to a target, and the blocks since the last time",
      "The node must be stopped: a running one holds its store. The base is checked by opening it before it is sent.\n"
      "Example:\n  hanse backup create --chain net/validator-0/data/chain --genesis net/genesis.cbor --target "
      "dir:/backups/v1",
      {target(),
       genesis(),
       {.name = "--chain",
        .value = "DIR",
        .help = "the folder chain of the node's data folder",
        .fallback = {},
        .required = true},
       {.name = "--blocks-only",
        .value = {},
        .help = "no base, only the blocks since the last segment",
        .fallback = {}}},
      runs.create));
  out.push_back(verb("backup list", "the backups of a target",
                     "Example:\n  hanse backup list --target dir:/backups/v1 --json", {target()}, runs.list));
  out.push_back(
      verb("backup verify", "read a backup back and check all of it",
           "Reads every byte from the target, opens the ledger, recomputes its state root and checks the certificate.\n"
           "Example:\n  hanse backup verify --genesis net/genesis.cbor --target dir:/backups/v1",
           {target(),
            genesis(),
            id("which one (default: the newest)", false),
            {.name = "--scratch", .value = "DIR", .help = "where to unpack it meanwhile", .fallback = "/tmp"}},
           runs.verify));
  out.push_back(
      verb("backup restore", "take a ledger back, as it was at any height or time",
           "Without a point: the newest base alone. With one: the newest base before it, and archived blocks executed "
           "up to\n"
           "it. The node then starts in abstain mode: its journal of votes is gone, so it does not vote until it has "
           "caught up.\n"
           "Examples:\n  hanse backup restore --genesis net/genesis.cbor --target dir:/backups/v1 --into "
           "net/validator-0/data/chain "
           "--replace\n"
           "  hanse backup restore --genesis g.cbor --target s3://b/v1?region=eu-north-1 --into chain --to-height 1200",
           {target(),
            genesis(),
            id("from which base (default: the newest that fits)", false),
            {.name = "--into", .value = "DIR", .help = "the folder chain to make", .fallback = {}, .required = true},
            {.name = "--to-height", .value = "HEIGHT", .help = "the state after this block", .fallback = {}},
            {.name = "--to-seq", .value = "HEIGHT", .help = "another name of --to-height", .fallback = {}},
            {.name = "--to-time", .value = "MS", .help = "the state at this Unix time in milliseconds", .fallback = {}},
            {.name = "--replace", .value = {}, .help = "DIR exists: keep it as DIR.before-restore", .fallback = {}}},
           runs.restore));
  out.push_back(verb("backup delete", "remove one backup",
                     "Example:\n  hanse backup delete --target dir:/backups/v1 --id backup-12-1700000000000",
                     {target(), id("which one", true)}, runs.erase));
  out.push_back(verb(
      "backup prune", "remove old backups, never the newest one",
      "Archived blocks that no remaining base needs go too.\n"
      "Example:\n  hanse backup prune --target dir:/backups/v1 --retention-days 30",
      {target(), {.name = "--retention-days", .value = "DAYS", .help = "keep what is not older", .fallback = "30"}},
      runs.prune));
  return out;
}

std::vector<plugin::Verb> forwarded_backup_verbs() { return plugin::forwarded(backup_verbs({}), "hanse-backup"); }

}  // namespace hanse::rescue
