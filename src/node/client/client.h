// Client: what a wallet, a provider role or a tool asks of a node. One object is one connection.
// Address: "unix:/path/to/api.sock" or "127.0.0.1:50051", "[::1]:50051" (loopback only: the channel is not encrypted).
// connect answers at once when nobody listens. Every call has a deadline and is safe to repeat, so it is retried on
// kUnavailable within it (a node that restarts), with jittered waits. A blob's bytes are checked against its id.
// Limits: kBlobBytesMax a blob, kReplyBytesMax any other answer.
// Threads: any; calls may run side by side. Foreign types stay in the .cc.
// Errors: client.bad_address (invalid), client.unreachable (unavailable), client.timeout (timeout), client.too_large
// (exhausted), client.bad_reply (corrupt), client.rpc (the transport's own refusal, kind by its status), and whatever
// the node answered: kind, id, message, code, path and context of a remote error arrive unchanged.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "chain/ledger/app.h"

namespace hanse::client {

struct NodeInfo {
  std::string version;
  NetworkId network;
  Bytes genesis;                   // the genesis file's bytes
  std::string node_id;             // shown form of its AccountId
  std::vector<std::string> roles;  // "validator", "provider", "gateway"
  Height height;
};

struct Applied {
  Hash32 tx_id;
  Height height;
  ledger::TxResult result;
};

// What a transaction that was applied but refused means: the id that the application gave, as Kind::kConflict.
Error error_of(const ledger::TxResult& result);

struct LedgerEvent {
  Height height;
  ledger::Event event;
};

struct BackupInfo {    // of a node that makes backups by itself
  std::string target;  // without secrets
  bool running = false;
  std::string last_id;               // of the newest base; "" before the first
  std::int64_t last_success_ms = 0;  // Unix time
  std::int64_t duration_ms = 0;
  std::uint64_t bytes = 0;       // of the newest base on the target
  Height height;                 // newest block on the target
  std::uint64_t failures = 0;    // since the last success
  std::optional<Error> failure;  // why the newest run failed
};

struct ConsensusInfo {
  Height height;     // newest block
  Height finalized;  // newest block with a certificate
  Height economic;   // newest block whose certificate is economic
  std::uint64_t view = 0;
  std::string leader;  // shown form of its AccountId
  std::uint64_t stable = 0;
  std::uint64_t lag = 0;  // blocks that others have and this validator has not
  bool abstaining = false;
  std::uint32_t validators = 0;
  std::uint32_t quorum_bp = 0, economic_bp = 0;
  std::optional<Error> not_live, not_ready;  // why not; nothing: it is
  std::optional<BackupInfo> backup;          // nothing: it makes none
};

struct CertifiedBlock {
  Bytes header;       // an encoded light::BlockHeader
  Bytes certificate;  // an encoded light::Certificate over it
};

constexpr std::size_t kBlobBytesMax = 64 << 20;
constexpr std::size_t kReplyBytesMax = 8 << 20;
constexpr std::size_t kSubmitBatchMax = 1'024;  // transactions in a message of a SubmitStream

struct Options {
  std::int64_t deadline_ms = 10'000;
  Random* random = nullptr;  // for the jitter of retries, used under a lock; null: the kernel's
};

class Client {
 public:
  static Result<std::unique_ptr<Client>> connect(std::string_view address, Options options = {});
  virtual ~Client() = default;

  virtual Result<NodeInfo> info() = 0;
  // Returns once the block that holds the transaction is durable; safe to repeat (same bytes, same tx id, same answer).
  virtual Result<Applied> submit(const ledger::Tx& tx) = 0;
  virtual Result<Bytes> query(std::uint8_t app, std::string_view path, ByteView argument) = 0;
  // An encoded light::LightProof of one state key's presence or absence at a certified height.
  virtual Result<Bytes> prove(ByteView state_key) = 0;
  virtual Result<ConsensusInfo> consensus() = 0;
  // Nothing is checked here: see light::verify_certificate.
  virtual Result<CertifiedBlock> certified(Height height) = 0;
  virtual Result<BlobId> put_blob(ByteView data) = 0;
  virtual Result<Bytes> get_blob(const BlobId& id) = 0;
  virtual Result<bool> has_blob(const BlobId& id) = 0;
  // Events whose topic starts with topic_prefix, from height `from` on, past ones first, each once and in order, until
  // visit returns false (Ok) or the connection ends (an error). While nothing arrives `idle` is asked about every 200
  // ms, and false from it ends the watch as well; it may be empty.
  virtual Status watch(Height from, std::string_view topic_prefix, const std::function<bool(const LedgerEvent&)>& visit,
                       const std::function<bool()>& idle) = 0;
};

}  // namespace hanse::client
