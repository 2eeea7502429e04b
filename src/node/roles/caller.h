// Caller: one account's signed calls to the market and other applications, through a node. It knows the account's next
// nonce, signs, submits and turns a refused transaction into an Error. A call whose outcome is unknown is repeated with
// the same bytes, which the ledger answers once; a nonce that another program of the same account has used meanwhile,
// or a height that the chain has left far behind, is read again and the call signed anew. Threads: any; calls are made
// one after another, because nonces must rise in the order of the ledger. Errors: the id that the ledger or the
// application gave, as Kind::kConflict, and those of the client.
#pragma once

#include <mutex>

#include "base/crypto/sign.h"
#include "exchange/market/calls.h"
#include "node/client/client.h"

namespace hanse::roles {

class Caller {
 public:
  // Borrows both; they outlive it.
  Caller(client::Client& client, const crypto::Identity& identity, const NetworkId& network)
      : client_(client), identity_(identity), network_(network) {}

  template <class Args>
  Result<client::Applied> call(market::Method method, const Args& args) {
    return call(market::kMarketApp, static_cast<std::uint16_t>(method), market::encode(args));
  }
  Result<client::Applied> call(std::uint8_t app, std::uint16_t method, Bytes args);
  const AccountId& account() const { return identity_.id(); }

 private:
  Result<client::Applied> submit(const ledger::Tx& tx);

  client::Client& client_;
  const crypto::Identity& identity_;
  const NetworkId network_;
  std::mutex mutex_;
  std::uint64_t nonce_ = 0;  // the highest used, 0 = not read yet
  Height seen_;              // the newest height an answer named, 0 = to be asked for
};

using client::error_of;

}  // namespace hanse::roles
