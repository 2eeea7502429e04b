// Validator: the role that orders and executes transactions. It owns the chain with the applications of the network
// (accounts and market) and answers the API's questions from it.
// Threads: any. Errors: those of Chain::open for open(), and of chain, applications and blobs for the rest;
// roles.no_height (not_found) for a block that does not exist yet, roles.no_block (not_found: no such hash among the
// newest blocks), roles.no_certificate (not_found), roles.no_epoch (not_found), roles.lagging (unavailable),
// roles.no_reputation (unsupported: the network's genesis has none).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chain/replica/chain.h"
#include "exchange/market/events.h"
#include "node/api/backend.h"
#include "node/roles/feed.h"
#include "store/blob/blob.h"

namespace hanse::roles {

struct ValidatorOptions {
  std::string dir;
  std::size_t cache_bytes = 32u << 20;
  std::size_t write_buffer_bytes = 32u << 20;
  std::uint32_t journal_segment_bytes = 16u << 20;
  std::optional<replica::NetworkOptions> network;  // with several validators in the genesis
  std::int64_t timeout_ms = 500;
  // See replica::ChainOptions.
  std::uint64_t sync_lag = 4'096, sync_bytes_per_s = 256u << 20;
  std::uint64_t snapshot_every = 1'024, snapshot_bytes_per_s = 192u << 20;
  // What info() says beside the ledger's own facts.
  std::string version;
  std::vector<std::string> roles;
};

codec::Json evidence_news(const News& news);  // of the topic evidence
Status check_lag(std::uint64_t lag);          // roles.lagging from a window of slots on

class Validator final : public api::Backend {
 public:
  // Blobs are borrowed.
  static Result<std::unique_ptr<Validator>> open(const light::Genesis& genesis, crypto::SecretKey key,
                                                 blob::BlobStore& blobs, ValidatorOptions options);

  Result<client::NodeInfo> info() override;
  Result<client::Applied> submit(const ledger::Tx& tx, std::int64_t wait_ms) override;
  void submit_each(std::vector<ledger::Tx> txs, EachAnswer each) override;
  Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) override;
  Result<Bytes> prove(ByteView state_key) override;
  Result<client::ConsensusInfo> consensus() override;
  Result<client::CertifiedBlock> certified(Height height) override;
  Result<BlobId> put_blob(ByteView data) override { return blobs_.put(data); }
  Result<Bytes> get_blob(const BlobId& id) override { return blobs_.get(id, client::kBlobBytesMax); }
  Result<bool> has_blob(const BlobId& id) override { return blobs_.has(id); }
  Result<api::EventPage> events(Height from, std::string_view topic_prefix, std::size_t events_max) override;
  bool wait_height(Height wanted, std::int64_t wait_ms) override;
  Result<codec::Json> block_document(Height height) override;
  Result<codec::Json> job_document(const JobId& id) override;

  Result<codec::Json> finality_document(const api::BlockRef& block) override;
  Result<codec::Json> certificate_document(Height height) override;
  Result<codec::Json> valset_document(std::uint64_t epoch) override;
  Result<codec::Json> tx_proof_document(const Hash32& tx_id) override;
  Result<codec::Json> evidence_document() override;

  // As {"topic": "block.fast" | "block.economic" | "view" | "evidence", …}, one after another, on threads of the
  // validator's.
  using Listener = std::function<void(std::string_view topic, const std::string& json)>;
  void listen(Listener listener);

  Status live() const;     // consensus takes turns and has not halted
  Status ready() const;    // votes, and is not far behind
  void refresh_metrics();  // copies what the chain and the market count into the registry; one thread
  Status checkpoint(const std::string& path) const { return chain_->checkpoint(path); }
  // What consensus() says of backups; set before the API is open.
  void say_backup(std::function<client::BackupInfo()> info) { backup_ = std::move(info); }
  const NetworkId& network() const { return chain_->network(); }
  void stop();

 private:
  void refresh_consensus_metrics(const replica::ChainStats& stats);
  void refresh_sync_metrics(const replica::ChainStats& stats);
  void tell(const News& news);
  void count_market();
  void count(const market::JobEvent& event);
  void measure_providers();
  Result<std::uint64_t> validators_out() const;

  Validator(blob::BlobStore& blobs, ValidatorOptions options) : blobs_(blobs), options_(std::move(options)) {}

  blob::BlobStore& blobs_;
  const ValidatorOptions options_;
  client::NodeInfo facts_;  // all but the height
  Height counted_;          // up to here the market's events are in the registry
  std::shared_ptr<FinalityClock> clock_ = std::make_shared<FinalityClock>();  // the chain's callbacks hold it too
  std::unique_ptr<replica::Chain> chain_;
  std::function<client::BackupInfo()> backup_;
  std::mutex listener_mutex_;
  Listener listener_;
  std::unique_ptr<Feed> feed_;
};

}  // namespace hanse::roles
