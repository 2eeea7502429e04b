// Access: may this visitor make this call now? Judged by its certificate if it showed one, else by its token.
//   certificate   the key's account must be on the list, which says its scopes; its rate is the list's
//   token         tokens.h; the file is read again when it has changed, so a revocation holds from the next call on
// What may be called is asked before how often; each visitor has a bucket of its own, each refused call costs nothing.
// When the token file cannot be trusted any more, no token is.
// Threads: any. Limits: kTokensMax tokens, kIdentitiesMax identities. Time and the file's state come from outside.
// Errors: services.no_credentials, services.unknown_identity, services.unknown_token, services.token_revoked,
// services.token_expired, services.scope (denied), services.rate_limited (exhausted), services.token_file.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "node/services/tokens.h"

namespace hanse::services {

constexpr std::size_t kIdentitiesMax = 1'024;

struct AccessOptions {
  std::string token_file{};  // "" = no tokens
  std::map<AccountId, Scopes> identities{};
  governor::Rate rate{};  // of each identity
};

struct Visit {
  std::optional<AccountId> identity{};  // proved by its certificate
  std::string_view token{};             // "" = none
};

struct Verdict {
  Status status;
  std::int64_t retry_ms = 0;  // of services.rate_limited
};

class Access {
 public:
  Access(AccessOptions options, Clock& clock);
  ~Access();
  // Any one of the scopes is enough.
  Verdict admit(const Visit& visit, Scopes any_of, std::uint64_t cost = 1);

 private:
  struct Rights {
    Scopes scopes = 0;
    governor::Gcra* bucket = nullptr;
  };
  struct Known {
    Token token;
    std::unique_ptr<governor::Gcra> bucket;
  };
  struct Stamp;
  Result<Rights> rights_of(const Visit& visit);
  Status read_again();

  const AccessOptions options_;
  Clock& clock_;
  std::mutex mutex_;
  std::unique_ptr<Stamp> stamp_;  // of the file as it was read
  std::optional<Error> file_error_;
  std::map<Hash32, Known> tokens_;
  std::map<AccountId, std::unique_ptr<governor::Gcra>> identities_;
};

}  // namespace hanse::services
