#include <algorithm>
#include <limits>

#include "base/codec/json.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/door/door_verbs.h"
#include "node/client/exchange.h"
#include "node/services/tokens.h"

namespace hanse::door {
namespace {

using codec::Json;
using plugin::Answer;
using services::Token;

constexpr std::uint64_t kSecondsMax = 10ull * 365 * 24 * 3600;

plugin::VerbOption file_option() {
  return {
      .name = "--file", .value = "FILE", .help = "services.token_file of the node", .fallback = {}, .required = true};
}

Json token_json(const Token& token) {
  Json out = Json::object();
  out.set("id", token.id()).set("name", token.name).set("scopes", services::scopes_text(token.scopes));
  out.set("created_ms", token.created_ms).set("expires_ms", token.expires_ms).set("revoked", token.revoked);
  return std::move(out.set("calls_per_s", token.rate.per_s).set("burst", token.rate.burst));
}

Status write_door(const plugin::VerbArgs& args, const std::string& token) {
  if (!args.has("out")) return {};
  const std::string out(args.get("out"));
  if (!args.has("door")) return fail(Kind::kInvalid, "cli.usage", "--out: found no --door, expected one to go by");
  if (real_fs().exists(out).value_or(false))
    return fail(Kind::kConflict, "door.exists", text("found {}, expected no such file", out));
  TRY(client::DoorFile door, client::read_door(std::string(args.get("door"))));
  door.token = token;
  door.key_file.clear();
  door.passphrase_file.clear();
  door.by_router = args.has("by-router");
  return replace_file(real_fs(), out, as_bytes(client::encode_door(door)));
}

Result<Answer> make(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string path(args.get("file"));
  Token token{.name = std::string(args.get("name")), .hash = {}, .created_ms = system_clock().wall_ms(), .rate = {}};
  if (token.name.empty() || token.name.size() > services::kTokenNameMax)
    return fail(Kind::kInvalid, "cli.usage",
                text("--name: found {} bytes, expected 1 to {}", token.name.size(), services::kTokenNameMax));
  TRY(token.scopes, services::parse_scopes(args.get("scopes")));
  TRY(const std::uint64_t seconds, args.number("expires", 0, kSecondsMax));
  if (args.has("expires")) token.expires_ms = token.created_ms + static_cast<std::int64_t>(seconds) * 1'000;
  TRY(token.rate.per_s, args.number("rate", 20, governor::kRateMax));
  TRY(token.rate.burst, args.number("burst", 40, governor::kBurstMax));
  if (token.rate.per_s == 0 || token.rate.burst == 0)
    return fail(Kind::kInvalid, "cli.usage", "--rate, --burst: found 0, expected 1 or more");
  TRY(auto tokens, services::read_tokens(path));
  if (std::ranges::find(tokens, token.name, &Token::name) != tokens.end())
    return fail(Kind::kConflict, "door.exists",
                text("found a token of name {} in {}, expected none", token.name, path));
  const std::string secret = services::make_token(system_random());
  token.hash = services::token_hash(secret);
  tokens.push_back(token);
  TRY_OK(services::write_tokens(path, tokens));
  TRY_OK(write_door(args, secret));
  return Answer{.json = std::move(token_json(token).set("token", secret)),
                .text = text("{}\ntoken {} may {}; it is shown this once", secret, token.id(),
                             services::scopes_text(token.scopes))};
}

Result<Answer> list(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const auto tokens, services::read_tokens(std::string(args.get("file"))));
  const std::int64_t now = system_clock().wall_ms();
  Json all = Json::array();
  std::string shown = text("{} tokens", tokens.size());
  for (const Token& token : tokens) {
    const bool expired = token.expires_ms != 0 && now >= token.expires_ms;
    const std::string_view state = token.revoked ? "revoked" : expired ? "expired" : "good";
    all.push(std::move(token_json(token).set("state", state)));
    shown += text("\n{}  {:<8} {}  {}  {} calls a second", token.id(), state, token.name,
                  services::scopes_text(token.scopes), token.rate.per_s);
  }
  return Answer{.json = std::move(Json::object().set("tokens", std::move(all))), .text = std::move(shown)};
}

Result<Answer> revoke(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string path(args.get("file")), wanted(args.get("TOKEN"));
  TRY(auto tokens, services::read_tokens(path));
  TRY_OK(services::revoke(tokens, wanted));
  TRY_OK(services::write_tokens(path, tokens));
  return Answer{.json = std::move(Json::object().set("revoked", wanted)), .text = text("token {} is revoked", wanted)};
}

}  // namespace

std::vector<plugin::Verb> token_verbs() {
  std::vector<plugin::Verb> out;
  out.push_back(
      {.name = "token new",
       .summary = "make a token that opens the public services of one's node",
       .details = "The file keeps a hash of it; the token is shown once. A running node takes it at once.\n"
                  "With --out, a door file is made like --door, with the new token: --node tls:FILE.\n"
                  "Example:\n  hanse token new --file net/validator-0/tokens.json --name laptop --scopes "
                  "read,bid --door net/services.door --out laptop.door",
       .options = {file_option(),
                   {.name = "--name", .value = "NAME", .help = "for people", .fallback = {}, .required = true},
                   {.name = "--scopes",
                    .value = "LIST",
                    .help = "route, bid, provide, read, cancel, or all",
                    .fallback = {},
                    .required = true},
                   {.name = "--expires", .value = "SECONDS", .help = "from now; never without", .fallback = {}},
                   {.name = "--rate", .value = "N", .help = "calls a second", .fallback = "20"},
                   {.name = "--burst", .value = "N", .help = "calls at once, after a rest", .fallback = "40"},
                   {.name = "--door", .value = "FILE", .help = "a door file to go by", .fallback = {}},
                   {.name = "--out", .value = "FILE", .help = "the new door file", .fallback = {}},
                   {.name = "--by-router",
                    .value = {},
                    .help = "jobs go to the router service, not to the auction service",
                    .fallback = {}}},
       .run = make});
  out.push_back({.name = "token list",
                 .summary = "the tokens of a file, without what opens anything",
                 .details = "Example:\n  hanse token list --file net/validator-0/tokens.json",
                 .options = {file_option()},
                 .run = list});
  out.push_back(
      {.name = "token revoke",
       .summary = "take a token back; a running node refuses it from the next call on",
       .details = "Example:\n  hanse token revoke laptop --file net/validator-0/tokens.json",
       .options = {{.name = "TOKEN", .value = "TOKEN", .help = "its id or name", .fallback = {}, .required = true},
                   file_option()},
       .run = revoke});
  return out;
}

std::string network_door(const std::string& dir) { return dir + "/services.door"; }

Status make_network_door(const std::string& dir, const std::string& tokens_file, const AccountId& server) {
  const std::string secret = services::make_token(system_random());
  TRY_OK(services::write_tokens(tokens_file, {{.name = "up",
                                               .hash = services::token_hash(secret),
                                               .scopes = services::kScopesAll,
                                               .created_ms = system_clock().wall_ms(),
                                               .rate = {.per_s = 200, .burst = 400}}}));
  const client::DoorFile door{
      .server = server, .addresses = {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}, .token = secret};
  return replace_file(real_fs(), network_door(dir), as_bytes(client::encode_door(door)));
}

Status refresh_network_door(const std::string& dir, const std::string& ready_file) {
  if (!real_fs().exists(network_door(dir)).value_or(false)) return {};
  TRY(client::DoorFile door, client::read_door(network_door(dir)));
  TRY(const Bytes bytes, read_file(real_fs(), ready_file, 64 * 1024));
  TRY(const Json ready, codec::parse_json(as_text(bytes)));
  const Json* ports = ready.find("services_ports");
  if (ports == nullptr || ports->items().size() != door.addresses.size()) return {};
  for (std::size_t i = 0; i < door.addresses.size(); ++i) {
    TRY(const std::uint64_t port, ports->items()[i].as_u64("services_ports"));
    door.addresses[i] = text("127.0.0.1:{}", port);
  }
  return replace_file(real_fs(), network_door(dir), as_bytes(client::encode_door(door)));
}

}  // namespace hanse::door
