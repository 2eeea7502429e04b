// BeaconKeeper: a validator's part in the beacon (chain/beacon): it commits for every round two rounds ahead, reveals
// one round ahead, evaluates the delay of the newest open round and gives its proof. Secrets are made of one that the
// node keeps, so that a restart reveals what was committed before: BLAKE3("hanse/beacon-secret/1", secret || round
// u64be). Threads: start and stop from one; one of its own, and one that evaluates. Borrows all that it is given.
// Errors of start: those of the backend (the network has the beacon). Later ones are tried again, logged when they
// change, and told by last_error().
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/core/clock.h"
#include "base/crypto/sign.h"
#include "chain/beacon/beacon.h"
#include "node/api/backend.h"

namespace hanse::roles {

struct BeaconKeeperOptions {
  NetworkId network;
  const crypto::SecretKey* key = nullptr;  // of the validator
  FixedBytes<32> secret;                   // of this key alone, the same at each start
  bool proves = true;                      // one node of the network suffices
};

class BeaconKeeper {
 public:
  static Result<std::unique_ptr<BeaconKeeper>> start(api::Backend& backend, const BeaconKeeperOptions& options);
  ~BeaconKeeper() { stop(); }
  BeaconKeeper(const BeaconKeeper&) = delete;
  BeaconKeeper& operator=(const BeaconKeeper&) = delete;
  void stop();
  std::string last_error() const;  // "" when the last call was taken

 private:
  BeaconKeeper(api::Backend& backend, const BeaconKeeperOptions& options);
  void run();
  Status turn(std::int64_t wall_ms);
  Status contribute(std::uint64_t now);
  Status prove();
  Status call(std::uint16_t method, Bytes args);
  void end_evaluation();
  beacon::Secret secret_of(std::uint64_t round) const;

  struct Evaluation {
    beacon::Round round;
    std::atomic<bool> stop{false}, done{false};
    Result<crypto::VdfProof> proof = crypto::VdfProof{};  // once done
    std::thread thread;
  };
  api::Backend& backend_;
  BeaconKeeperOptions options_;
  AccountId account_;
  beacon::BeaconParams params_;
  std::unique_ptr<Evaluation> evaluation_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string last_error_;  // under mutex_
  std::thread thread_;
};

}  // namespace hanse::roles
