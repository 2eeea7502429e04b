// A network with one or more validators and some funded accounts, for the tests and benchmarks of every room that runs
// a ledger. Keys come from small numbers, so that failures repeat. Not for programs.
#pragma once

#include <atomic>
#include <filesystem>
#include <unistd.h>

#include "base/core/check.h"
#include "base/core/text.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"
#include "chain/ledger/ledger.h"

namespace hanse::ledger {

struct TestNet {
  std::vector<crypto::SecretKey> users;
  light::Genesis genesis;

  static crypto::SecretKey key(std::uint8_t n) {
    auto made = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, n));
    check(made.has_value(), "a key comes from any seed");
    return std::move(*made);
  }
  // The key of a place in the validator set, out of `count` of equal power.
  static crypto::SecretKey validator_key(std::size_t place = 0, std::size_t count = 1) {
    const auto set = validator_set(count);
    for (std::uint8_t n = 0; n < count; ++n)
      if (auto made = key(static_cast<std::uint8_t>(200 + n)); made.public_key() == set.validators[place].key)
        return made;
    check(false, "the place is in the set");
    return key(200);
  }
  static light::ValidatorSet validator_set(std::size_t count) {
    std::vector<light::Validator> out;
    for (std::size_t n = 0; n < count; ++n)
      out.push_back({.key = key(static_cast<std::uint8_t>(200 + n)).public_key(),
                     .power_bp = static_cast<std::uint16_t>(10'000 / count + (n < 10'000 % count ? 1 : 0))});
    return light::sorted_set(std::move(out));
  }

  explicit TestNet(std::uint8_t user_count = 2, std::uint64_t balance = 1'000'000, std::size_t validators = 1) {
    std::vector<std::pair<AccountId, Amount>> balances;
    for (std::uint8_t n = 0; n < user_count; ++n) {
      users.push_back(key(static_cast<std::uint8_t>(n + 1)));
      balances.emplace_back(user(n), Amount{balance});
    }
    genesis.name = "test";
    genesis.time_ms = 1'000;
    genesis.validators = validator_set(validators);
    genesis.apps[kAccountsApp] = encode_accounts_genesis(balances);
  }

  AccountId user(std::size_t n) const { return crypto::account_id(users[n].public_key()); }
  NetworkId network() const { return light::network_id(genesis); }

  Tx transfer(std::size_t from, const AccountId& to, std::uint64_t amount, std::uint64_t nonce) const {
    SignedCall call{.network = network(),
                    .app = kAccountsApp,
                    .sender = {},
                    .nonce = nonce,
                    .expires = Height{1u << 30},
                    .method = kMethodTransfer,
                    .args = encode_transfer({.to = to, .amount = Amount{amount}}),
                    .key = {},
                    .signature = {}};
    sign_call(call, users[from]);
    return call_tx(call);
  }

  static std::vector<std::unique_ptr<App>> accounts_only() {
    std::vector<std::unique_ptr<App>> apps;
    apps.push_back(make_accounts_app());
    return apps;
  }
};

// A new empty folder below base, removed with the object.
class TempDir {
 public:
  explicit TempDir(const std::string& base) {
    static std::atomic<int> count{0};
    path_ = text("{}/hanse_{}_{}", base, static_cast<std::int64_t>(::getpid()), count++);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TempDir(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace hanse::ledger
