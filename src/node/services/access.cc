#include "node/services/access.h"

#include <sys/stat.h>

#include "base/core/text.h"

namespace hanse::services {

struct Access::Stamp {
  std::int64_t changed_s = 0, changed_ns = 0, modified_s = 0, modified_ns = 0;
  std::uint64_t inode = 0, size = 0;
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

Access::Access(AccessOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {
  for (const auto& [account, scopes] : options_.identities)
    identities_.emplace(account, std::make_unique<governor::Gcra>(options_.rate, clock_));
}
Access::~Access() = default;

Status Access::read_again() {
  struct stat st{};
  Stamp stamp;
  if (::lstat(options_.token_file.c_str(), &st) == 0)
    stamp = {st.st_ctim.tv_sec,  st.st_ctim.tv_nsec, st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, st.st_ino,          static_cast<std::uint64_t>(st.st_size)};
  if (stamp_ && *stamp_ == stamp) return file_error_ ? Status(std::unexpected(file_error_->clone())) : Status();
  stamp_ = std::make_unique<Stamp>(stamp);
  file_error_.reset();
  auto read = read_tokens(options_.token_file);
  std::map<Hash32, Known> next;
  if (read) {
    for (Token& token : *read) {
      auto& known = next[token.hash];
      const auto before = tokens_.find(token.hash);
      const bool same = before != tokens_.end() && before->second.token.rate.per_s == token.rate.per_s &&
                        before->second.token.rate.burst == token.rate.burst;
      known.bucket = same ? std::move(before->second.bucket) : std::make_unique<governor::Gcra>(token.rate, clock_);
      known.token = std::move(token);
    }
  }
  tokens_ = std::move(next);
  if (read) return {};
  if (read.error().kind() == Kind::kUnavailable) stamp_.reset();  // of the machine, not of the file: asked again
  file_error_ = read.error().clone();
  return std::unexpected(std::move(read).error());
}

Result<Access::Rights> Access::rights_of(const Visit& visit) {
  if (visit.identity) {
    const auto found = options_.identities.find(*visit.identity);
    if (found == options_.identities.end())
      return fail(Kind::kDenied, "services.unknown_identity",
                  text("found a certificate of {}, expected one that services.identities names", *visit.identity));
    return Rights{.scopes = found->second, .bucket = identities_.at(*visit.identity).get()};
  }
  if (visit.token.empty())
    return fail(Kind::kDenied, "services.no_credentials",
                "found neither a certificate nor a token, expected one of the two");
  if (options_.token_file.empty())
    return fail(Kind::kDenied, "services.unknown_token", "found a token, this node takes certificates only");
  TRY_OK(read_again());
  const auto found = tokens_.find(token_hash(visit.token));
  if (found == tokens_.end())
    return fail(Kind::kDenied, "services.unknown_token", "found a token that this node does not know");
  const Token& token = found->second.token;
  if (token.revoked)
    return fail(Kind::kDenied, "services.token_revoked", text("found token {}, which was revoked", token.id()));
  if (token.expires_ms != 0 && clock_.wall_ms() >= token.expires_ms)
    return fail(Kind::kDenied, "services.token_expired",
                text("found token {}, which ended {} ms ago", token.id(), clock_.wall_ms() - token.expires_ms));
  return Rights{.scopes = token.scopes, .bucket = found->second.bucket.get()};
}

Verdict Access::admit(const Visit& visit, Scopes any_of, std::uint64_t cost) {
  const std::lock_guard lock(mutex_);
  const auto rights = rights_of(visit);
  if (!rights) return {.status = std::unexpected(rights.error().clone())};
  if ((rights->scopes & any_of) == 0)
    return {.status = fail(Kind::kDenied, "services.scope",
                           text("found the scopes {}, expected {}", scopes_text(rights->scopes), scopes_text(any_of)))};
  const std::int64_t wait_ns = rights->bucket->take(cost);
  if (wait_ns == 0) return {};
  const std::int64_t retry_ms = wait_ns == governor::Gcra::kNever ? 0 : (wait_ns + 999'999) / 1'000'000;
  return {.status = fail(Kind::kExhausted, "services.rate_limited",
                         text("found more calls than {} a second, {} at once; try again in {} ms",
                              rights->bucket->rate().per_s, rights->bucket->rate().burst, retry_ms)),
          .retry_ms = retry_ms};
}

}  // namespace hanse::services
