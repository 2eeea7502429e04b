#include "node/roles/caller.h"

#include <algorithm>

#include "chain/ledger/call.h"
#include "exchange/market/view.h"

namespace hanse::roles {
namespace {

constexpr int kAttemptsMax = 4;
constexpr std::uint64_t kExpiresBlocks = 600;
constexpr std::string_view kNonceReused = "ledger.nonce_reused";
constexpr std::string_view kExpired = "ledger.call_expired";

}  // namespace

Result<client::Applied> Caller::call(std::uint8_t app, std::uint16_t method, Bytes args) {
  const std::lock_guard lock(mutex_);
  for (int attempt = 1;; ++attempt) {
    if (nonce_ == 0) {
      TRY(const Bytes answer, client_.query(market::kMarketApp, "account", identity_.id().view()));
      TRY(const auto view, market::decode_account_view(answer));
      nonce_ = view.nonce;
    }
    if (seen_.value == 0) {
      TRY(const auto info, client_.info());
      seen_ = info.height;
    }
    ledger::SignedCall call;
    call.network = network_;
    call.app = app;
    call.nonce = ++nonce_;
    call.expires = seen_.plus(kExpiresBlocks);
    call.method = method;
    call.args = args;
    ledger::sign_call(call, identity_.mldsa());
    ledger::Tx tx = ledger::call_tx(call);
    if (app == market::kMarketApp) tx.body = market::encode_body(market::BodyKind::kCall, tx.body);
    auto applied = submit(tx);
    const bool reused = applied ? applied->result.error_id == kNonceReused : applied.error().id() == kNonceReused;
    if (!applied || applied->result.code != 0) nonce_ = 0;  // whether it was used is for the ledger to say
    // The chain went on without this account: the newest height is asked for again.
    const bool expired = applied ? applied->result.error_id == kExpired : applied.error().id() == kExpired;
    if (expired) seen_ = Height{};
    if ((reused || expired) && attempt < kAttemptsMax) continue;
    if (!applied) return applied;
    seen_ = std::max(seen_, applied->height);
    if (applied->result.code != 0) return std::unexpected(error_of(applied->result));
    return applied;
  }
}

Result<client::Applied> Caller::submit(const ledger::Tx& tx) {
  for (int attempt = 1;; ++attempt) {
    auto applied = client_.submit(tx);
    if (applied || attempt == kAttemptsMax) return applied;
    if (applied.error().kind() != Kind::kTimeout && applied.error().kind() != Kind::kUnavailable) return applied;
  }
}

}  // namespace hanse::roles
