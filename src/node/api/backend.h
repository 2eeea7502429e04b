// Backend: what the API asks of the node behind it, in domain types. node/roles implements it over the ledger and the
// stores; a test implements it by hand. The API translates wire to domain and back, limits, and does nothing else.
// Threads: every method from any thread, several at once. Blocking is allowed where a wait is named, up to that wait.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/codec/json.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "node/client/client.h"

namespace hanse::api {

// The events of the heights [from, next), those of one height all together.
struct EventPage {
  std::vector<client::LedgerEvent> events;
  Height next;
};

using BlockRef = std::variant<Height, Hash32>;  // or the hash of a block's header

class Backend {
 public:
  virtual ~Backend() = default;

  virtual Result<client::NodeInfo> info() = 0;
  // Waits for the block to be durable; a timeout error after wait_ms says that the outcome is unknown.
  virtual Result<client::Applied> submit(const ledger::Tx& tx, std::int64_t wait_ms) = 0;
  // Without waiting: `each` gets every outcome once, by its place, as it comes, on whatever thread, which it must not
  // hold up; some before this returns.
  using EachAnswer = std::function<void(std::size_t place, Result<client::Applied> outcome)>;
  virtual void submit_each(std::vector<ledger::Tx> txs, EachAnswer each) = 0;
  virtual Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) = 0;
  virtual Result<Bytes> prove(ByteView state_key) = 0;

  virtual Result<client::ConsensusInfo> consensus() = 0;
  virtual Result<client::CertifiedBlock> certified(Height height) = 0;

  virtual Result<BlobId> put_blob(ByteView data) = 0;
  virtual Result<Bytes> get_blob(const BlobId& id) = 0;
  virtual Result<bool> has_blob(const BlobId& id) = 0;

  // At least one height a call when there is one; next == from when there is none yet. `events_max` bounds what is
  // gathered after the first height.
  virtual Result<EventPage> events(Height from, std::string_view topic_prefix, std::size_t events_max) = 0;
  // Waits until the height `wanted` exists; false after wait_ms.
  virtual bool wait_height(Height wanted, std::int64_t wait_ms) = 0;

  // For people, over HTTP.
  virtual Result<codec::Json> block_document(Height height) = 0;
  virtual Result<codec::Json> job_document(const JobId& id) = 0;
  virtual Result<codec::Json> finality_document(const BlockRef& block) = 0;
  virtual Result<codec::Json> certificate_document(Height height) = 0;
  virtual Result<codec::Json> valset_document(std::uint64_t epoch) = 0;
  virtual Result<codec::Json> tx_proof_document(const Hash32& tx_id) = 0;
  virtual Result<codec::Json> evidence_document() = 0;
};

// What every daemon tells probes and scrapers, with or without a Backend.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual Status live() = 0;          // an error: it is to be started again
  virtual Status ready() = 0;         // an error says what is missing
  virtual std::string metrics() = 0;  // Prometheus text format 0.0.4
};

}  // namespace hanse::api
