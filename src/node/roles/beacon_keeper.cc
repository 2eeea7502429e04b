#include "node/roles/beacon_keeper.h"

#include "base/crypto/hash.h"
#include "base/logging/log.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/call.h"

namespace hanse::roles {
namespace {

constexpr std::int64_t kLookMs = 250;
constexpr std::int64_t kSubmitMs = 2'000;
constexpr std::uint64_t kExpiryBlocks = 100;

Bytes number(std::uint64_t n) {
  Bytes out;
  append_be(out, n);
  return out;
}

}  // namespace

BeaconKeeper::BeaconKeeper(api::Backend& backend, const BeaconKeeperOptions& options)
    : backend_(backend), options_(options), account_(crypto::account_id(options.key->public_key())) {}

Result<std::unique_ptr<BeaconKeeper>> BeaconKeeper::start(api::Backend& backend, const BeaconKeeperOptions& options) {
  std::unique_ptr<BeaconKeeper> out(new BeaconKeeper(backend, options));
  TRY(const Bytes params, backend.query(beacon::kBeaconApp, "params", {}));
  TRY(out->params_, beacon::decode_beacon_genesis(params));
  out->thread_ = std::thread([keeper = out.get()] { keeper->run(); });
  return out;
}

void BeaconKeeper::stop() {
  stopping_.store(true);
  if (thread_.joinable()) thread_.join();
  end_evaluation();
}

std::string BeaconKeeper::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

void BeaconKeeper::run() {
  while (!stopping_.load()) {
    const Status good = turn(system_clock().wall_ms());
    std::string why = good ? "" : good.error().str();
    {
      const std::lock_guard lock(mutex_);
      std::swap(last_error_, why);
    }
    // That another validator was quicker with a proof is no news.
    if (!good && good.error().str() != why && good.error().id() != "beacon.made")
      logging::log_info("beacon call not taken, tried again", {{"why", good.error().str()}});
    // A block may have closed a round; without one time goes on all the same.
    const auto info = backend_.info();
    (void)backend_.wait_height(info ? info->height.plus(1) : Height{1}, kLookMs);
  }
}

Status BeaconKeeper::turn(std::int64_t wall_ms) {
  TRY_OK(contribute(static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms, 0)) / params_.round_ms));
  if (options_.proves) TRY_OK(prove());
  return {};
}

beacon::Secret BeaconKeeper::secret_of(std::uint64_t round) const {
  return beacon::Secret{
      crypto::blake3("hanse/beacon-secret/1", {options_.secret.view(), ByteView(number(round))}).data};
}

Status BeaconKeeper::contribute(std::uint64_t now) {
  Bytes argument = number(now);
  append(argument, account_.view());
  TRY(const Bytes bytes, backend_.query(beacon::kBeaconApp, "mine", argument));
  TRY(const beacon::Mine mine, beacon::decode_mine(bytes));
  if (mine.committed && !mine.revealed)
    TRY_OK(call(beacon::kMethodReveal, beacon::encode_reveal(now + 1, secret_of(now + 1))));
  if (!mine.validates || mine.committed_ahead || mine.silenced_until >= now + 2) return {};
  const Hash32 hash = beacon::commit_hash(options_.network, now + 2, account_, secret_of(now + 2));
  return call(beacon::kMethodCommit, beacon::encode_commit(now + 2, hash));
}

// One round at a time: a newer one that is open takes the place of an older one.
Status BeaconKeeper::prove() {
  const auto bytes = backend_.query(beacon::kBeaconApp, "open", {});
  if (!bytes) {
    end_evaluation();
    if (bytes.error().id() == "beacon.no_round") return {};
    return std::unexpected(bytes.error().clone());
  }
  TRY(const beacon::Round open, beacon::decode_round(*bytes));
  if (!evaluation_ || evaluation_->round != open) {
    end_evaluation();
    evaluation_ = std::make_unique<Evaluation>();
    evaluation_->round = open;
    evaluation_->thread = std::thread([e = evaluation_.get(), steps = params_.steps] {
      e->proof = crypto::vdf_eval(e->round.seed, steps, &e->stop);
      e->done.store(true);
    });
  }
  if (!evaluation_->done.load()) return {};
  if (!evaluation_->proof) return std::unexpected(evaluation_->proof.error().clone());
  return call(beacon::kMethodProve, beacon::encode_prove(open.round, *evaluation_->proof));
}

void BeaconKeeper::end_evaluation() {
  if (!evaluation_) return;
  evaluation_->stop.store(true);
  evaluation_->thread.join();
  evaluation_.reset();
}

Status BeaconKeeper::call(std::uint16_t method, Bytes args) {
  TRY(const auto info, backend_.info());
  TRY(const Bytes bytes, backend_.query(ledger::kAccountsApp, "account", account_.view()));
  TRY(const ledger::Account account, ledger::decode_account(bytes));
  ledger::SignedCall call{.network = options_.network,
                          .app = beacon::kBeaconApp,
                          .sender = {},
                          .nonce = account.nonce + 1,
                          .expires = Height{info.height.value + kExpiryBlocks},
                          .method = method,
                          .args = std::move(args),
                          .key = {},
                          .signature = {}};
  ledger::sign_call(call, *options_.key);
  TRY(const auto applied, backend_.submit(ledger::call_tx(call), kSubmitMs));
  if (applied.result.code == 0) return {};
  return std::unexpected(Error(Kind::kConflict, applied.result.error_id, applied.result.message));
}

}  // namespace hanse::roles
