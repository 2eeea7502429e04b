#include "node/daemon/mix_ledger.h"

#include <algorithm>
#include <chrono>

#include "base/logging/log.h"
#include "node/client/carried.h"
#include "node/roles/caller.h"

namespace hanse::daemon {
namespace {

constexpr std::int64_t kTurnMsMin = 200, kTurnMsMax = 5'000;

}  // namespace

Result<client::Client*> NodeLink::get() {
  const std::lock_guard lock(mutex_);
  if (!client_) {
    TRY(client_, connect_());
  }
  return client_.get();
}

Bytes NodeLink::answer(ByteView question) {
  const auto node = get();
  return node ? client::answer_carried(**node, question) : client::refuse_carried(node.error());
}

MixLedger::MixLedger(const crypto::Identity& identity, peering::MeshNode& mesh, NodeLink& node, Options options)
    : identity_(identity), mesh_(mesh), node_(node), options_(options), thread_([this] { run(); }) {}

MixLedger::~MixLedger() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MixLedger::run() {
  const std::chrono::milliseconds pause(std::clamp(options_.epoch_ms / 20, kTurnMsMin, kTurnMsMax));
  std::string told;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const Status turned = turn();
    const std::string now = turned ? "" : turned.error().str();
    if (!now.empty() && now != told) logging::log_warn("the mix and the ledger are not in step", {{"why", now}});
    if (now.empty() && !told.empty()) logging::log_info("the mix and the ledger are in step", {});
    told = now;
    lock.lock();
    changed_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

Status MixLedger::turn() {
  TRY(client::Client * client, node_.get());
  TRY(const auto own, mesh_.mix_to_publish());
  for (std::set<std::uint32_t>* epochs : {&published_, &known_})
    std::erase_if(*epochs, [&](std::uint32_t e) { return e < own.epoch; });
  TRY_OK(publish(*client, own));
  for (const std::uint32_t epoch : {own.epoch, own.epoch + 1}) {
    if (known_.contains(epoch)) continue;
    Bytes argument;
    append_be(argument, epoch);
    const auto bytes = client->query(router::kMixApp, "directory", argument);
    if (!bytes && bytes.error().id() == "router.no_directory") continue;  // drawn when the epoch before it began
    if (!bytes) return std::unexpected(bytes.error().clone());
    TRY(router::Directory directory, router::decode_directory(*bytes));
    TRY_OK(mesh_.mix_directory(std::move(directory)));
    known_.insert(epoch);
  }
  return {};
}

Status MixLedger::publish(client::Client& client, const mixing::Mixing::ToPublish& own) {
  roles::Caller caller(client, identity_, options_.network);
  for (const router::EpochPublic& one : own.keys) {
    if (one.epoch < own.epoch + router::kPublishAhead || published_.contains(one.epoch)) continue;
    const router::Publish wanted{.epoch = one.epoch,
                                 .mixes = options_.mixes,
                                 .exit = options_.exit,
                                 .deep_per_1000s = static_cast<std::uint32_t>(std::min(own.deep_per_s * 1'000, 4e9)),
                                 .key = one.key.bytes};
    const auto applied = caller.call(router::kMixApp, router::kMethodPublish, router::encode_publish(wanted));
    // Too near: the ledger's time is ahead of ours; the next epoch is tried.
    const bool settled =
        applied || applied.error().id() == "router.published" || applied.error().id() == "router.publish";
    if (!settled) return std::unexpected(applied.error().clone());
    published_.insert(one.epoch);
  }
  return {};
}

}  // namespace hanse::daemon
