// Who stands behind a machine of the mesh: keys of agents and users, and the papers they sign.
#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/inspect/mesh_verbs.h"
#include "mesh/identity/identity.h"

namespace hanse::inspect {
namespace {

using codec::Json;
using plugin::Answer;
using plugin::VerbArgs;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::uint64_t kDaysMax = identity::kLifeMsMax / kDayMs;

void set_ids(Answer& answer, const crypto::PublicKey& key) {
  const std::string agent = identity::id_text(identity::agent_id(key)),
                    user = identity::id_text(identity::user_id(key));
  answer.json.set("agent", agent).set("user", user);
  answer.text += text("{}agent    {}\nuser     {}", answer.text.empty() ? "" : "\n", agent, user);
}

Answer shown(const identity::Who& who, const identity::MachineId& machine) {
  Answer out{.json = Json::object(), .text = text("agent    {}", identity::id_text(who.agent))};
  out.json.set("agent", identity::id_text(who.agent)).set("machine", identity::id_text(machine));
  if (who.user) {
    out.json.set("user", identity::id_text(*who.user));
    out.text += text("\nuser     {}", identity::id_text(*who.user));
  }
  const std::int64_t left = who.not_after_ms - system_clock().wall_ms();
  out.json.set("caps", who.caps).set("begin_ms", who.not_before_ms).set("end_ms", who.not_after_ms);
  out.text += text("\nmachine  {}\ncaps     {:#x}\nleft     {:.1f} days", identity::id_text(machine), who.caps,
                   static_cast<double>(left) / kDayMs);
  return out;
}

Result<crypto::SecretKey> open_key(const AgentTools& tools, const VerbArgs& args, std::string_view name) {
  TRY(const auto seeds, tools.open(args, std::string(args.get(name))));
  return crypto::SecretKey::from_seed(seeds.alg, seeds.signing.view());
}

Result<Answer> certify(const AgentTools& tools, const VerbArgs& args) {
  TRY(const auto machine, identity::parse_machine(args.get("machine")));
  TRY(const std::uint64_t days, args.number("days", 90, kDaysMax));
  TRY(const std::uint64_t caps, args.number("caps", identity::kConnectCap));
  TRY(const auto agent_key, open_key(tools, args, "agent"));
  const std::int64_t now_ms = system_clock().wall_ms();
  const std::int64_t end_ms = now_ms + static_cast<std::int64_t>(days) * kDayMs;
  identity::Papers papers;
  TRY(papers.agent,
      identity::sign_cert(
          identity::AgentCert{.subject = machine, .not_before_ms = now_ms, .not_after_ms = end_ms, .caps = caps},
          agent_key));
  if (args.has("user")) {
    TRY(const auto user_key, open_key(tools, args, "user"));
    TRY(papers.user, identity::sign_cert(identity::UserCert{.subject = identity::agent_id(agent_key.public_key()),
                                                            .not_before_ms = now_ms,
                                                            .not_after_ms = end_ms,
                                                            .caps = caps},
                                         user_key));
  }
  TRY(const auto who, identity::verify(papers, {.by = machine, .now_ms = now_ms}));
  const std::string file(args.get("out"));
  TRY_OK(replace_file(real_fs(), file, identity::encode(papers)));
  Answer out = shown(who, machine);
  out.json.set("file", file);
  out.text += text("\nfile     {}", file);
  return out;
}

Result<Answer> show(const VerbArgs& args) {
  if (args.has("key") == args.has("PAPERS"))
    return fail(Kind::kInvalid, "cli.usage", "expected either PAPERS or --key FILE");
  if (args.has("key")) {
    TRY(const auto info, crypto::read_key_file(std::string(args.get("key"))));
    Answer out{.json = Json::object(), .text = {}};
    set_ids(out, info.public_key);
    return out;
  }
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("PAPERS")), identity::kPapersBytesMax));
  TRY(const auto papers, identity::decode_papers(bytes));
  TRY(const auto cert, identity::decode_agent_cert(papers.agent));
  identity::MachineId machine = cert.subject;
  if (args.has("machine")) {
    TRY(machine, identity::parse_machine(args.get("machine")));
  }
  TRY(const auto who, identity::verify(papers, {.by = machine, .now_ms = system_clock().wall_ms()}));
  return shown(who, machine);
}

}  // namespace

std::vector<plugin::Verb> agent_verbs(AgentTools tools) {
  std::vector<plugin::Verb> out;
  plugin::Verb create = tools.make_key;
  create.name = "agent create";
  create.summary = "make the key file of an agent or of a user";
  create.details =
      "Keep it off the machines that it certifies. The file is that of `hanse keygen`.\n"
      "Example:\n  hanse agent create --out agent.json";
  create.run = [make = tools.make_key.run](const VerbArgs& args, plugin::Talk& talk) -> Result<Answer> {
    TRY(Answer made, make(args, talk));
    TRY(const auto info, crypto::read_key_file(std::string(args.get("out"))));
    set_ids(made, info.public_key);
    return made;
  };
  out.push_back(std::move(create));
  const auto file = [](std::string name, std::string help, bool required) {
    return plugin::VerbOption{
        .name = std::move(name), .value = "FILE", .help = std::move(help), .fallback = {}, .required = required};
  };
  const auto machine = [](std::string help, bool required) {
    return plugin::VerbOption{
        .name = "--machine", .value = "ID", .help = std::move(help), .fallback = {}, .required = required};
  };
  const plugin::VerbOption passphrase = tools.passphrase;
  out.push_back(
      {.name = "agent certify",
       .summary = "write the papers of a machine: that an agent runs on it, and whose the agent is",
       .details =
           "The node shows them to its peers when node.toml names the file in mesh.papers. With two passphrases\n"
           "the agent's is read first.\n"
           "Examples:\n  hanse agent certify --agent agent.json --machine \"$(hanse mesh id)\" --out "
           "papers.cbor\n  hanse agent certify --agent agent.json --user me.json --machine ID --out "
           "papers.cbor --days 30",
       .options = {file("--agent", "the agent's key file", true),
                   machine("the machine, as `hanse mesh id` prints it", true),
                   file("--out", "where to write the papers", true),
                   file("--user", "a user's key file: certifies the agent too", false),
                   {.name = "--days", .value = "N", .help = "how long they hold, at most 400", .fallback = "90"},
                   {.name = "--caps",
                    .value = "N",
                    .help = "bits; 1: to be let in where trust is asked for, others as applications say",
                    .fallback = "1"},
                   passphrase},
       .run = [tools](const VerbArgs& args, plugin::Talk&) { return certify(tools, args); }});
  out.push_back({.name = "agent show",
                 .summary = "what papers say and whether they hold now, or the ids that a key has",
                 .details = "Exit 4 and the reason when they do not hold.\n"
                            "Examples:\n  hanse agent show papers.cbor\n  hanse agent show --key agent.json",
                 .options = {file("PAPERS", "file of `hanse agent certify`", false),
                             file("--key", "or a key file, no passphrase needed", false),
                             machine("whether they hold for this machine (default: the one they name)", false)},
                 .run = [](const VerbArgs& args, plugin::Talk&) { return show(args); }});
  return out;
}

}  // namespace hanse::inspect
