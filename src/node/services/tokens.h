// API tokens of the public services: who has one may make the calls of its scopes, as often as its rate says. The file
// keeps a hash of each, so that reading it gives no token away; it is JSON, mode 0600, and may be edited by `hanse
// token` while the node runs.
//   token   "hanse_" and 32 random bytes in base32; shown once, when it is made
//   hash    BLAKE3("hanse/api-token/1", token); id: its first 8 hex digits
//   time    Unix milliseconds
// Threads: values. Errors: services.token_file (corrupt; denied: open to others; unavailable), services.scopes
// (invalid), services.tokens_full (exhausted: kTokensMax), services.no_token (not_found: of revoke).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/governor/gcra.h"

namespace hanse::services {

enum class Scope : std::uint8_t { kRoute = 1, kBid = 2, kProvide = 4, kRead = 8, kCancel = 16 };
using Scopes = std::uint8_t;  // a mask
constexpr Scopes kScopesAll = 31;
std::string scopes_text(Scopes scopes, char between = ',');               // "route,bid"
Result<Scopes> parse_scopes(std::string_view given, char between = ',');  // or "all"

constexpr std::size_t kTokensMax = 1'024, kTokenFileMax = 1u << 20, kTokenNameMax = 64;
constexpr std::string_view kTokenPrefix = "hanse_";

struct Token {
  std::string name{};
  Hash32 hash{};
  Scopes scopes = 0;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;  // 0: never
  bool revoked = false;
  governor::Rate rate{};
  std::string id() const;
};

Hash32 token_hash(std::string_view token);
std::string make_token(Random& random);

std::string encode_tokens(const std::vector<Token>& tokens);
Result<std::vector<Token>> decode_tokens(std::string_view json);
Result<std::vector<Token>> read_tokens(const std::string& path);  // none when there is no file
Status write_tokens(const std::string& path, const std::vector<Token>& tokens);
Status check_mode(const std::string& path);  // services.token_file (denied) when others may read or write it
Status revoke(std::vector<Token>& tokens, std::string_view id_or_name);  // every one that has it

}  // namespace hanse::services
