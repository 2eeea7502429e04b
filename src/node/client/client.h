// Client: what a wallet, a provider role or a tool asks of a node. One object is one connection.
// Address: "unix:/path/to/api.sock" or "127.0.0.1:50051" (loopback only until the mesh carries this channel).
// Every call has a deadline; calls that are safe to repeat are retried on kUnavailable within it.
// Threads: any; calls may run side by side. Foreign types stay in the .cc.
// Errors: client.unreachable (unavailable), client.timeout (timeout), and whatever the node answered: kind, id,
// message, code and path of a remote error arrive unchanged.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ids.h"
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

struct LedgerEvent {
  Height height;
  ledger::Event event;
};

struct Options {
  std::int64_t deadline_ms = 10'000;
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
  virtual Result<BlobId> put_blob(ByteView data) = 0;
  virtual Result<Bytes> get_blob(const BlobId& id) = 0;
  virtual Result<bool> has_blob(const BlobId& id) = 0;
  // Events whose topic starts with topic_prefix, from height `from` on, past ones first, each once and in order, until
  // visit returns false or the connection ends. `idle` is asked about every 200 ms and ends the watch when it says so.
  virtual Status watch(Height from, std::string_view topic_prefix,
                       const std::function<bool(const LedgerEvent&)>& visit,
                       const std::function<bool()>& idle) = 0;
};

}  // namespace hanse::client
