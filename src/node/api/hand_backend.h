// A Backend by hand for the tests of this room: a list of events by height, blobs in a map, and answers to order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "node/api/backend.h"

namespace hanse::api {

class HandBackend final : public Backend, public Probe {
 public:
  Result<client::NodeInfo> info() override {
    if (block_info) {
      std::unique_lock lock(mutex);
      ++waiting;
      changed.notify_all();
      changed.wait(lock, [&] { return !block_info.load(); });
    }
    client::NodeInfo out;
    out.version = "1.2.3";
    out.network.data.fill(7);
    out.genesis = to_bytes("genesis bytes");
    out.node_id = "hanse1abc";
    out.roles = {"validator", "gateway"};
    const std::lock_guard lock(mutex);
    out.height = Height{heights.size()};
    return out;
  }
  Result<client::Applied> submit(const ledger::Tx& tx, std::int64_t wait_ms) override {
    waited_ms = wait_ms;
    if (unavailable_first > 0) {
      --unavailable_first;
      return fail(Kind::kUnavailable, "ledger.starting", "found no block yet");
    }
    if (tx.app == 9)
      return std::unexpected(Error(Kind::kConflict, "gxf.nonce_reused", "found nonce 4, expected more than 4")
                                 .coded(13)
                                 .at("nonce")
                                 .with("check job")
                                 .with("submit"));
    client::Applied out;
    out.tx_id = crypto::blake3(tx.body);
    out.height = Height{41};
    out.result = {.code = 3,
                  .error_id = "market.full",
                  .message = "m",
                  .path = "p",
                  .data = tx.body,
                  .events = {{.topic = "market.placed", .data = {1, 2}}}};
    return out;
  }
  void submit_each(std::vector<ledger::Tx> txs, EachAnswer each) override {
    for (std::size_t i = 0; i < txs.size(); ++i) {
      if (!hold_answers) {
        each(i, submit(txs[i], 0));
        continue;
      }
      const std::lock_guard lock(mutex);
      held.emplace_back([this, each, i, tx = txs[i]] { each(i, submit(tx, 0)); });
      changed.notify_all();
    }
  }
  // Waits until so many answers are held, and gives the newest of them.
  void give_newest(std::size_t count) {
    std::function<void()> newest;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return held.size() >= count; });
      newest = std::move(held.back());
      held.pop_back();
    }
    newest();
  }
  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override {
    Bytes out{app};
    append(out, as_bytes(path));
    append(out, argument);
    return out;
  }
  Result<Bytes> prove(ByteView key) override { return to_bytes(key); }
  Result<client::ConsensusInfo> consensus() override {
    client::ConsensusInfo out{.height = Height{9},
                              .finalized = Height{8},
                              .economic = Height{7},
                              .view = 6,
                              .leader = "hanse1abc",
                              .stable = 5,
                              .lag = 4,
                              .abstaining = !is_ready,
                              .validators = 3,
                              .quorum_bp = 6'700,
                              .economic_bp = 8'000,
                              .not_live = {},
                              .not_ready = {},
                              .backup = {}};
    out.backup = client::BackupInfo{.target = "dir:/kept",
                                    .running = true,
                                    .last_id = "backup-7-1",
                                    .last_success_ms = 1,
                                    .duration_ms = 2,
                                    .bytes = 3,
                                    .height = Height{7},
                                    .failures = 4,
                                    .failure = Error(Kind::kUnavailable, "archive.timeout", "found no answer")};
    if (Status s = live(); !s) out.not_live = std::move(s.error());
    if (Status s = ready(); !s) out.not_ready = std::move(s.error());
    return out;
  }
  Result<client::CertifiedBlock> certified(Height height) override {
    if (height.value != 8) return fail(Kind::kNotFound, "roles.no_certificate", text("found none at {}", height.value));
    return client::CertifiedBlock{.header = {1, 2}, .certificate = {3}};
  }
  Result<codec::Json> finality_document(const BlockRef& block) override {
    if (const auto* height = std::get_if<Height>(&block)) return codec::Json::object().set("height", height->value);
    return codec::Json::object().set("hash", text("{}", std::get<Hash32>(block)));
  }
  Result<codec::Json> certificate_document(Height height) override {
    return codec::Json::object().set("certificate", height.value);
  }
  Result<codec::Json> valset_document(std::uint64_t epoch) override {
    return codec::Json::object().set("epoch", epoch);
  }
  Result<codec::Json> tx_proof_document(const Hash32& tx_id) override {
    return codec::Json::object().set("tx", text("{}", tx_id));
  }
  Result<codec::Json> evidence_document() override { return codec::Json::object().set("out", std::uint64_t{1}); }
  Result<BlobId> put_blob(ByteView data) override {
    const std::lock_guard lock(mutex);
    const BlobId id = crypto::blob_id(data);
    blobs[id] = to_bytes(data);
    return id;
  }
  Result<Bytes> get_blob(const BlobId& id) override {
    const std::lock_guard lock(mutex);
    const auto it = blobs.find(id);
    if (it == blobs.end()) return fail(Kind::kNotFound, "blob.absent", text("found no blob {}", id));
    return it->second;
  }
  Result<bool> has_blob(const BlobId& id) override {
    const std::lock_guard lock(mutex);
    return blobs.contains(id);
  }
  Result<EventPage> events(Height from, std::string_view prefix, std::size_t) override {
    const std::lock_guard lock(mutex);
    EventPage page{.events = {}, .next = from};
    if (from.value >= heights.size()) return page;
    for (const auto& e : heights[from.value])
      if (e.topic.starts_with(prefix)) page.events.push_back({.height = from, .event = e});
    page.next = from.plus(1);
    return page;
  }
  bool wait_height(Height wanted, std::int64_t wait_ms) override {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return heights.size() > wanted.value; });
  }
  Status live() override {
    if (is_live) return {};
    return fail(Kind::kInternal, "ledger.halted", "found a contradiction");
  }
  Status ready() override {
    if (is_ready) return {};
    return fail(Kind::kUnavailable, "ledger.starting", "found no block yet");
  }
  Result<codec::Json> block_document(Height height) override {
    if (height.value != 5) return fail(Kind::kNotFound, "ledger.no_block", text("found no block {}", height.value));
    return codec::Json::object().set("height", height.value);
  }
  Result<codec::Json> job_document(const JobId& id) override {
    return codec::Json::object().set("job", text("{}", id));
  }
  std::string metrics() override { return "hanse_up 1\n"; }

  void add_height(std::vector<ledger::Event> events) {
    const std::lock_guard lock(mutex);
    heights.push_back(std::move(events));
    changed.notify_all();
  }
  void wait_for_waiting(int n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting >= n; });
  }
  void release() {
    const std::lock_guard lock(mutex);
    block_info = false;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<ledger::Event>> heights;
  std::map<BlobId, Bytes> blobs;
  std::atomic<bool> block_info = false;
  std::vector<std::function<void()>> held;
  std::atomic<bool> hold_answers = false;  // of submit_each
  int waiting = 0;
  std::atomic<int> unavailable_first = 0;
  std::atomic<std::int64_t> waited_ms = 0;
  std::atomic<bool> is_live = true, is_ready = true;
};

}  // namespace hanse::api
