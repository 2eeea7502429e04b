// The program hanse-backup: the verbs `backup ...` of hanse, with what they link. Targets need no node; create wants a
// stopped one.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "chain/backup/backup.h"
#include "chain/beacon/beacon.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/load_app.h"
#include "chain/stake/stake.h"
#include "cli/rescue/rescue_verbs.h"
#include "cli/verbs/render.h"
#include "chain/reputation/reputation.h"
#include "cli/verbs/verbs.h"
#include "exchange/auction/market_app.h"
#include "exchange/router/mix_app.h"

namespace hanse::rescue {
namespace {

// The applications that a node registers.
struct Apps {
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app();
  std::unique_ptr<ledger::App> market = auction::make_market_app();
  std::unique_ptr<ledger::App> reputation = reputation::make_reputation_app();
  std::unique_ptr<ledger::App> stakes = stake::make_stake_app();
  std::unique_ptr<ledger::App> mix = router::make_mix_app();
  std::unique_ptr<ledger::App> beacon = beacon::make_beacon_app();
  std::unique_ptr<ledger::App> load = ledger::make_load_app();
  std::vector<ledger::App*> list{accounts.get(), market.get(), reputation.get(), stakes.get(),
                                 mix.get(),      beacon.get(), load.get()};
};

Result<std::unique_ptr<archive::Target>> open_target(const plugin::VerbArgs& args) {
  return archive::open_target(std::string(args.get("target")), {});
}

Result<light::Genesis> read_genesis(const plugin::VerbArgs& args) {
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("genesis")), light::kGenesisBytesMax));
  return light::decode_genesis(bytes);
}

backup::Step steps(plugin::Talk& talk) {
  return [&talk](std::string_view step) { talk.say(text("backup: {}", step)); };
}

codec::Json facts(const backup::Restored& r) {
  codec::Json json = codec::Json::object();
  json.set("id", r.id).set("base", r.base.value).set("height", r.height.value).set("time_ms", r.time_ms);
  json.set("block", codec::to_hex(r.block.view())).set("state_root", codec::to_hex(r.state_root.view()));
  json.set("certified", r.certified.value);
  return json;
}

std::string facts_text(const backup::Restored& r) {
  return text("backup      {}\nheight      {}\nblock       {}\nstate root  {}\ncertified   {}", r.id, r.height.value,
              r.block, r.state_root, r.certified.value == 0 ? "no" : text("to height {}", r.certified.value));
}

Result<plugin::Answer> create(const plugin::VerbArgs& args, plugin::Talk& talk) {
  TRY(const auto target, open_target(args));
  TRY(const light::Genesis genesis, read_genesis(args));
  const std::string chain(args.get("chain"));
  TRY(const bool there, real_fs().exists(chain + "/store/CURRENT"));
  if (!there) return fail(Kind::kNotFound, "rescue.no_chain", text("found no ledger in {}/store, expected one", chain));
  const Apps apps;
  TRY(const auto ledger, ledger::Ledger::open(chain + "/store", genesis, apps.list, {}));
  codec::Json json = codec::Json::object();
  std::string shown;
  if (!args.has("blocks-only")) {
    TRY(const std::string id,
        backup::create(*ledger, *target, {.scratch = chain + "/backup", .clock = nullptr, .step = steps(talk)}));
    json.set("id", id);
    shown = text("backup    {}\n", id);
  }
  TRY(const backup::Archived archived, backup::archive_blocks(*ledger, *target));
  json.set("blocks", archived.blocks).set("archived_height", archived.last.value).set("target", target->shown());
  shown +=
      text("archived  {} blocks, to height {}\ntarget    {}", archived.blocks, archived.last.value, target->shown());
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

Result<plugin::Answer> list(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const auto target, open_target(args));
  TRY(const auto all, backup::list(*target));
  codec::Json items = codec::Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const backup::Listed& one : all) {
    codec::Json item = codec::Json::object();
    item.set("id", one.id).set("height", one.height.value).set("created_ms", one.created_ms);
    item.set("readable", one.manifest.has_value());
    if (one.manifest) {
      item.set("time_ms", one.manifest->header.time_ms).set("epoch", one.manifest->header.epoch);
      item.set("state_root", codec::to_hex(one.manifest->header.state_root.view()));
      item.set("bytes", one.manifest->files_bytes()).set("packed_bytes", one.manifest->packed_bytes);
      rows.push_back({one.id, text("{}", one.height.value), text("{}", one.manifest->header.time_ms),
                      text("{}", one.manifest->packed_bytes)});
    } else {
      item.set("damage", one.damage);
      rows.push_back({one.id, text("{}", one.height.value), "damaged", "-"});
    }
    items.push(std::move(item));
  }
  codec::Json json = codec::Json::object();
  json.set("target", target->shown()).set("backups", std::move(items));
  return plugin::Answer{.json = std::move(json),
                        .text = rows.empty() ? text("no backups in {}", target->shown())
                                             : cli::table({"BACKUP", "HEIGHT", "BLOCK TIME", "BYTES"}, rows)};
}

// A folder with a name that nobody could have taken before, gone with the object.
class Scratch {
 public:
  static Result<Scratch> make(std::string_view parent) {
    std::string path = text("{}/hanse-backup-XXXXXX", parent);
    if (::mkdtemp(path.data()) == nullptr)
      return fail(Kind::kDenied, "rescue.scratch", text("cannot make {}: {}", path, std::strerror(errno)));
    return Scratch(std::move(path));
  }
  Scratch(Scratch&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<plugin::Answer> verify(const plugin::VerbArgs& args, plugin::Talk& talk) {
  TRY(const auto target, open_target(args));
  TRY(const light::Genesis genesis, read_genesis(args));
  std::string id(args.get("id"));
  if (id.empty()) {
    TRY(const auto all, backup::list(*target));
    if (all.empty()) return fail(Kind::kNotFound, "backup.not_found", text("found no backup in {}", target->shown()));
    id = all.back().id;
  }
  TRY(const Scratch scratch, Scratch::make(args.get("scratch")));
  const Apps apps;
  TRY(const backup::Restored found, backup::verify(*target, id, {.genesis = genesis, .apps = apps.list},
                                                   {.scratch = scratch.path(), .clock = nullptr, .step = steps(talk)}));
  codec::Json json = facts(found);
  json.set("archived_after", found.archived).set("ok", true);
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}\narchive     {} blocks follow it\nok", facts_text(found), found.archived)};
}

Result<plugin::Answer> restore(const plugin::VerbArgs& args, plugin::Talk& talk) {
  TRY(const auto target, open_target(args));
  TRY(const light::Genesis genesis, read_genesis(args));
  backup::RestoreOptions options{.dir = std::string(args.get("into")),
                                 .id = std::string(args.get("id")),
                                 .replace = args.has("replace"),
                                 .step = steps(talk)};
  if (args.has("to-height") && args.has("to-seq"))
    return fail(Kind::kInvalid, "backup.point", "found --to-height and --to-seq, expected one of them");
  for (const char* const name : {"to-height", "to-seq"}) {
    if (!args.has(name)) continue;
    TRY(const std::uint64_t height, args.number(name, 0));
    options.to_height = Height{height};
  }
  if (args.has("to-time")) {
    constexpr std::uint64_t kTimeMax = 1ull << 62;
    TRY(const std::uint64_t time_ms, args.number("to-time", 0, kTimeMax));
    options.to_time_ms = static_cast<std::int64_t>(time_ms);
  }
  const Apps apps;
  TRY(const backup::Restored got, backup::restore(*target, {.genesis = genesis, .apps = apps.list}, options));
  codec::Json json = facts(got);
  json.set("replayed", got.replayed).set("into", options.dir).set("kept", got.kept);
  std::string shown = text("{}\nreplayed    {} blocks\nrestored    {}", facts_text(got), got.replayed, options.dir);
  if (!got.kept.empty()) shown += text("\nkept        {}", got.kept);
  return plugin::Answer{.json = std::move(json), .text = std::move(shown)};
}

Result<plugin::Answer> erase(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const auto target, open_target(args));
  const std::string id(args.get("id"));
  TRY_OK(backup::erase(*target, id));
  codec::Json json = codec::Json::object();
  json.set("deleted", id);
  return plugin::Answer{.json = std::move(json), .text = "deleted  " + id};
}

Result<plugin::Answer> prune(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const auto target, open_target(args));
  TRY(const std::uint64_t days, args.number("retention-days", 30, 36'500));
  TRY(const backup::Pruned pruned, backup::prune(*target, days, system_clock()));
  codec::Json ids = codec::Json::array();
  std::string shown;
  for (const std::string& id : pruned.backups) {
    ids.push(id);
    shown += text("deleted  {}\n", id);
  }
  codec::Json json = codec::Json::object();
  json.set("deleted", std::move(ids)).set("segments", pruned.segments);
  return plugin::Answer{
      .json = std::move(json),
      .text = text("{}{} backups and {} segments deleted", shown, pruned.backups.size(), pruned.segments)};
}

}  // namespace
}  // namespace hanse::rescue

int main(int argc, char** argv) {
  namespace rescue = hanse::rescue;
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto verbs = rescue::backup_verbs({.create = rescue::create,
                                           .list = rescue::list,
                                           .verify = rescue::verify,
                                           .restore = rescue::restore,
                                           .erase = rescue::erase,
                                           .prune = rescue::prune});
  return hanse::cli::run_command_line(args, verbs, STDOUT_FILENO, STDERR_FILENO);
}
