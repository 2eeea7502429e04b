// A Client over a market held in memory, one block a transaction: for the tests of this room and of those above.
// Includes GoogleTest.
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/crypto/hash.h"
#include "exchange/auction/market_world.h"
#include "node/client/client.h"

namespace hanse::services {

class MarketClient final : public client::Client {
 public:
  Result<client::NodeInfo> info() override {
    const std::lock_guard lock(mutex);
    if (down) return fail(Kind::kUnavailable, "client.unreachable", "found no node");
    client::NodeInfo out;
    out.network = shown_network ? *shown_network : world.network;
    if (ticking) next_block();
    out.height = world.height;
    return out;
  }
  Result<client::Applied> submit(const ledger::Tx& tx) override {
    const std::lock_guard lock(mutex);
    if (down) return fail(Kind::kUnavailable, "client.unreachable", "found no node");
    if (lose_answers > 0 && seen.contains(tx.body)) --lose_answers;
    if (const auto it = seen.find(tx.body); it != seen.end()) return copy(it->second);
    client::Applied out;
    out.height = world.height;
    out.result = world.apply(tx);
    next_block();
    seen.emplace(tx.body, copy(out));
    if (lose_answers > 0) return fail(Kind::kTimeout, "client.timeout", "found no answer in time");
    return out;
  }
  Result<Bytes> query(std::uint8_t, std::string_view path, ByteView argument) override {
    const std::lock_guard lock(mutex);
    if (down) return fail(Kind::kUnavailable, "client.unreachable", "found no node");
    return world.app->query(path, argument, world.state);
  }
  Result<Bytes> prove(ByteView) override { return fail(Kind::kUnsupported, "test.prove", "no proofs here"); }
  Result<client::ConsensusInfo> consensus() override {
    return fail(Kind::kUnsupported, "test.consensus", "no validators here");
  }
  Result<client::CertifiedBlock> certified(Height) override {
    return fail(Kind::kUnsupported, "test.consensus", "no validators here");
  }
  Result<BlobId> put_blob(ByteView data) override {
    const std::lock_guard lock(mutex);
    const BlobId id = crypto::blob_id(data);
    blobs[id] = to_bytes(data);
    return id;
  }
  Result<Bytes> get_blob(const BlobId& id) override {
    const std::lock_guard lock(mutex);
    const auto found = blobs.find(id);
    if (found == blobs.end()) return fail(Kind::kNotFound, "blob.absent", "found no such blob");
    return found->second;
  }
  Result<bool> has_blob(const BlobId& id) override {
    const std::lock_guard lock(mutex);
    return blobs.contains(id);
  }
  Status watch(Height from, std::string_view prefix, const std::function<bool(const client::LedgerEvent&)>& visit,
               const std::function<bool()>& idle) override {
    std::size_t at = 0;
    std::unique_lock lock(mutex);
    ++watches;
    changed.notify_all();
    for (;;) {
      for (; at < events.size(); ++at) {
        const auto event = events[at];
        if (event.height < from || !event.event.topic.starts_with(prefix)) continue;
        lock.unlock();
        const bool more = visit(event);
        lock.lock();
        if (!more) return {};
      }
      if (down) return fail(Kind::kUnavailable, "client.unreachable", "lost the node");
      lock.unlock();
      const bool more = idle();
      lock.lock();
      if (!more) return {};
      changed.wait_for(lock, std::chrono::milliseconds(5));
    }
  }

  // A job of the payer `who[payer]`, in a block of its own.
  JobId submit_job(std::size_t payer) {
    const std::lock_guard lock(mutex);
    gxf::Job job = world.plain_job(payer);
    const auto result = world.submit(payer, job);
    EXPECT_EQ(result.code, 0u) << result.error_id << ": " << result.message;
    next_block();
    return job.job_id;
  }
  void wait_watches(int n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return watches >= n; });
  }
  template <class Check>
  void wait_for(Check&& check) {
    std::unique_lock lock(mutex);
    while (!check()) changed.wait_for(lock, std::chrono::milliseconds(5));
  }
  template <class Body>
  auto with(Body&& body) {
    const std::lock_guard lock(mutex);
    return body();
  }

  auction::MarketWorld world;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<client::LedgerEvent> events;
  std::map<BlobId, Bytes> blobs;
  std::map<Bytes, client::Applied> seen;
  std::optional<NetworkId> shown_network;
  int lose_answers = 0;  // transactions that are applied while their caller hears nothing
  int watches = 0;
  bool down = false;
  bool ticking = false;  // whoever asks for the height finds another block

 private:
  static client::Applied copy(const client::Applied& a) { return a; }
  void next_block() {
    const Height at = world.height;
    world.next_block();
    for (; told_ < world.events.size(); ++told_)
      events.push_back({.height = at,
                        .event = {.topic = std::string(market::topic_name(world.events[told_].topic)),
                                  .data = market::encode_event(world.events[told_])}});
    for (; told_of_rounds_ < world.round_events.size(); ++told_of_rounds_)
      events.push_back({.height = at,
                        .event = {.topic = std::string(market::topic_name(world.round_events[told_of_rounds_].topic)),
                                  .data = market::encode_round_event(world.round_events[told_of_rounds_])}});
    changed.notify_all();
  }
  std::size_t told_ = 0, told_of_rounds_ = 0;
};

}  // namespace hanse::services
