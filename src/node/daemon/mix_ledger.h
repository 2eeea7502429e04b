// MixLedger: keeps this node's mix and the ledger in step: publishes the keys of epochs to come, reads the directories
// of this epoch and the next, and answers for an exit, all through one node's API. A node that is away is tried again;
// meanwhile the mix goes on with the epochs that it knows.
// Threads: one of its own; answer() from any. Borrows identity and mesh; stop it before they end.
// Errors: none; what goes wrong is logged, once until it is another thing.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "base/crypto/sign.h"
#include "exchange/router/mix_app.h"
#include "node/client/client.h"
#include "node/peering/mesh_node.h"

namespace hanse::daemon {

// One connection, made when it is first needed. Threads: any. Errors: those of `connect`.
class NodeLink {
 public:
  using Connect = std::function<Result<std::unique_ptr<client::Client>>()>;
  explicit NodeLink(Connect connect) : connect_(std::move(connect)) {}
  Result<client::Client*> get();
  Bytes answer(ByteView question);  // for an exit (node/client/carried.h)

 private:
  const Connect connect_;
  std::mutex mutex_;
  std::unique_ptr<client::Client> client_;
};

class MixLedger {
 public:
  struct Options {
    NetworkId network;
    std::int64_t epoch_ms = 0;
    bool mixes = true, exit = false;
  };
  MixLedger(const crypto::Identity& identity, peering::MeshNode& mesh, NodeLink& node, Options options);
  ~MixLedger();

 private:
  void run();
  Status turn();
  Status publish(client::Client& client, const mixing::Mixing::ToPublish& own);

  const crypto::Identity& identity_;
  peering::MeshNode& mesh_;
  NodeLink& node_;
  const Options options_;
  std::set<std::uint32_t> published_, known_;  // epochs
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hanse::daemon
