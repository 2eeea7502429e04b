#include "node/services/tokens.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::services {
namespace {

using codec::Json;

struct Named {
  std::string_view name;
  Scope scope;
};
constexpr std::array<Named, 5> kNames = {{{"route", Scope::kRoute},
                                          {"bid", Scope::kBid},
                                          {"provide", Scope::kProvide},
                                          {"read", Scope::kRead},
                                          {"cancel", Scope::kCancel}}};

std::unexpected<Error> damaged(std::string_view what) { return fail(Kind::kCorrupt, "services.token_file", what); }

Result<const Json*> field(const Json& from, std::string_view name) {
  const Json* found = from.find(name);
  if (found == nullptr) return damaged(text("found no {}", name));
  return found;
}
Result<std::uint64_t> number(const Json& from, std::string_view name, std::uint64_t least, std::uint64_t most) {
  TRY(const Json* const found, field(from, name));
  TRY(const std::uint64_t out, found->as_u64(name));
  if (out < least || out > most) return damaged(text("found {} {}, expected {} to {}", name, out, least, most));
  return out;
}
Result<std::string> words(const Json& from, std::string_view name) {
  TRY(const Json* const found, field(from, name));
  TRY(const std::string_view out, found->as_text(name));
  return std::string(out);
}

Result<Token> decode_token(const Json& from) {
  constexpr auto kTimeMax = static_cast<std::uint64_t>(INT64_MAX);
  Token out;
  TRY(out.name, words(from, "name"));
  if (out.name.empty() || out.name.size() > kTokenNameMax)
    return damaged(text("found a name of {} bytes, expected 1 to {}", out.name.size(), kTokenNameMax));
  TRY(const std::string hash, words(from, "hash"));
  TRY(out.hash, codec::fixed_from_hex<Hash32>(hash));
  TRY(const std::string scopes, words(from, "scopes"));
  TRY(out.scopes, parse_scopes(scopes));
  TRY(const std::uint64_t created, number(from, "created_ms", 0, kTimeMax));
  TRY(const std::uint64_t expires, number(from, "expires_ms", 0, kTimeMax));
  out.created_ms = static_cast<std::int64_t>(created);
  out.expires_ms = static_cast<std::int64_t>(expires);
  TRY(const Json* const revoked, field(from, "revoked"));
  TRY(out.revoked, revoked->as_bool("revoked"));
  TRY(out.rate.per_s, number(from, "calls_per_s", 1, governor::kRateMax));
  TRY(out.rate.burst, number(from, "burst", 1, governor::kBurstMax));
  return out;
}

Result<std::vector<Token>> decode_all(std::string_view given) {
  TRY(const Json json, codec::parse_json(given));
  TRY_OK(number(json, "format", 1, 1));
  TRY(const Json* const list, field(json, "tokens"));
  if (list->type() != Json::Type::kArray)
    return damaged(text("found tokens as {}, expected a list", list->type_name()));
  if (list->items().size() > kTokensMax)
    return damaged(text("found {} tokens, expected at most {}", list->items().size(), kTokensMax));
  std::vector<Token> out;
  std::set<Hash32> seen;
  for (const Json& one : list->items()) {
    TRY(Token token, decode_token(one));
    if (!seen.insert(token.hash).second) return damaged(text("found token {} twice", token.id()));
    out.push_back(std::move(token));
  }
  return out;
}

}  // namespace

std::string scopes_text(Scopes scopes, char between) {
  std::string out;
  for (const Named& one : kNames) {
    if ((scopes & static_cast<Scopes>(one.scope)) == 0) continue;
    if (!out.empty()) out += between;
    out += one.name;
  }
  return out;
}

Result<Scopes> parse_scopes(std::string_view given, char between) {
  if (given == "all") return kScopesAll;
  Scopes out = 0;
  for (std::string_view rest = given;;) {
    const auto end = rest.find(between);
    const auto* found = std::ranges::find(kNames, rest.substr(0, end), &Named::name);
    if (found == kNames.end())
      return fail(Kind::kInvalid, "services.scopes",
                  text("found scope \"{}\" in \"{}\", expected route, bid, provide, read, cancel or all",
                       rest.substr(0, end).substr(0, 40), given.substr(0, 80)));
    out = static_cast<Scopes>(out | static_cast<Scopes>(found->scope));
    if (end == std::string_view::npos) return out;
    rest.remove_prefix(end + 1);
  }
}

std::string Token::id() const { return codec::to_hex(hash.view().first(4)); }

Hash32 token_hash(std::string_view token) { return crypto::blake3("hanse/api-token/1", {as_bytes(token)}); }

std::string make_token(Random& random) {
  FixedBytes<32> secret;
  random.fill(secret.span());
  return std::string(kTokenPrefix) + codec::to_base32(secret.view());
}

std::string encode_tokens(const std::vector<Token>& tokens) {
  Json list = Json::array();
  for (const Token& token : tokens) {
    Json one = Json::object();
    one.set("id", token.id()).set("name", token.name).set("hash", codec::to_hex(token.hash.view()));
    one.set("scopes", scopes_text(token.scopes)).set("created_ms", token.created_ms);
    one.set("expires_ms", token.expires_ms).set("revoked", token.revoked);
    list.push(std::move(one.set("calls_per_s", token.rate.per_s).set("burst", token.rate.burst)));
  }
  Json out = Json::object();
  out.set("format", 1).set("tokens", std::move(list));
  return out.dump_pretty() + "\n";
}

Result<std::vector<Token>> decode_tokens(std::string_view json) {
  auto out = decode_all(json);
  if (out || out.error().id() == "services.token_file") return out;
  return damaged(out.error().str());
}

Status check_mode(const std::string& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return {};  // reading it says why
  if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
    return fail(Kind::kDenied, "services.token_file",
                text("found {} with mode {:o} and owner {}, expected a file of mode 600 and owner {}", path,
                     unsigned{st.st_mode & 07777}, unsigned{st.st_uid}, unsigned{::geteuid()}));
  return {};
}

Result<std::vector<Token>> read_tokens(const std::string& path) {
  TRY_OK(check_mode(path));
  const auto bytes = read_file(real_fs(), path, kTokenFileMax);
  if (!bytes && bytes.error().kind() == Kind::kNotFound) return std::vector<Token>{};
  if (!bytes) return fail(Kind::kUnavailable, "services.token_file", bytes.error().str());
  return with_context(decode_tokens(as_text(*bytes)), text("read {}", path));
}

Status write_tokens(const std::string& path, const std::vector<Token>& tokens) {
  if (tokens.size() > kTokensMax)
    return fail(Kind::kExhausted, "services.tokens_full",
                text("found {} tokens in {}, expected at most {}", tokens.size(), path, kTokensMax));
  return replace_file(real_fs(), path, as_bytes(encode_tokens(tokens)));
}

Status revoke(std::vector<Token>& tokens, std::string_view wanted) {
  bool found = false;
  for (Token& token : tokens) {
    if (token.id() != wanted && token.name != wanted) continue;
    token.revoked = found = true;
  }
  if (found) return {};
  return fail(Kind::kNotFound, "services.no_token", text("found no token of id or name \"{}\"", wanted));
}

}  // namespace hanse::services
