// SubmitStream: a flow of transactions to one node over one call. Outcomes come as they are known, in any order.
// Nothing is repeated here: when the stream ends, what has no outcome is unknown, and sending it again elsewhere is
// safe. What is sent while the transport is busy goes together with what comes meanwhile, so a flow costs less than
// calls. Limits: kStreamOpenMax without an outcome (the node reads no more than that either), kSubmitBatchMax a
// message. Threads: send from any; callbacks on threads of the transport's, one at a time, where they must not wait.
// The destructor cancels the call and returns after the last callback; it may not run inside one. Errors: those of
// Client::connect, client.stream_full (exhausted), client.unreachable (unavailable: ended), and what the node answers.
#pragma once

#include <span>

#include "node/client/client.h"

namespace hanse::client {

constexpr std::size_t kStreamOpenMax = 16'384;

class SubmitStream {
 public:
  struct Callbacks {
    std::function<void(std::uint64_t number, Result<Applied> outcome)> answered;
    std::function<void(const Error& why)> ended;  // once; nothing is answered after it
  };
  static Result<std::unique_ptr<SubmitStream>> open(std::string_view address, Callbacks callbacks);
  virtual ~SubmitStream() = default;
  // `number` names the outcome; the caller keeps them distinct.
  struct Numbered {
    std::uint64_t number = 0;
    ledger::Tx tx;
  };
  // All or none of them. Many at once travel in as few messages as their limit allows.
  virtual Status send(std::span<const Numbered> txs) = 0;
  Status send(std::uint64_t number, const ledger::Tx& tx) {
    const Numbered one{.number = number, .tx = tx};
    return send({&one, 1});
  }
};

}  // namespace hanse::client
